"""``lodestarctl models pull MODEL``: has its host download it, and says how far that is."""

from lodestarctl import exit_codes
from lodestarctl.progress import Progress
from lodestarctl.render.gpu_progress import about_pull, pull_line, render_pulled
from lodestarctl.session import Session
from lodestard.control.messages.gpu import PullItem


def run(session: Session) -> int:
    model = session.args.model
    progress = Progress(session.output)

    def tell(item: PullItem) -> None:
        if not item.finished:
            progress.tell(pull_line(item), about_pull(item))

    try:
        items: list[PullItem] = session.each("models.pull", {"model": model}, PullItem, tell)
    except KeyboardInterrupt:
        progress.end()
        if not session.output.json:
            session.output.say(f"Stopped. What has come is kept: lodestarctl models pull {model} goes on from there.")
        return exit_codes.INTERRUPTED
    finally:
        progress.end()
    if not session.output.json:
        session.output.show(render_pulled(items[-1]))
    return exit_codes.OK
