"""``lodestarctl warm MODEL``: has it loaded, and says how far that is.

Law: leaving it takes nothing back that has begun: a load goes on.
"""

from lodestarctl import exit_codes
from lodestarctl.progress import Progress
from lodestarctl.render.gpu_progress import about_warm, render_warm, warm_line
from lodestarctl.session import Session
from lodestard.control.messages.gpu import WarmItem

READY = "ready"


def run(session: Session) -> int:
    model = session.args.model
    progress, told = Progress(session.output), [WarmItem(host="", model=model, state="waiting")]

    def tell(item: WarmItem) -> None:
        told.append(item)
        if item.state != READY:
            progress.tell(warm_line(item), about_warm(item))

    try:
        session.each("warm", {"model": model}, WarmItem, tell)
    except KeyboardInterrupt:
        progress.end()
        if not session.output.json:
            session.output.say(_left(told[-1]))
        return exit_codes.INTERRUPTED
    finally:
        progress.end()
    if session.output.json:
        return exit_codes.OK
    session.output.show(render_warm(told[-1]))
    return exit_codes.OK


def _left(item: WarmItem) -> str:
    """What becomes of it when nobody waits for it any more."""
    if item.state == "loading":
        return f"{item.model} goes on loading; lodestarctl gpu shows it."
    return f"{item.model} had not begun to load; it is not waited for any more."
