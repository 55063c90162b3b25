"""``lodestarctl unload MODEL``."""

from lodestarctl import exit_codes
from lodestarctl.progress import Progress
from lodestarctl.render.gpu_progress import render_unloaded, unload_line
from lodestarctl.session import Session
from lodestard.control.messages.gpu import UnloadItem

DONE = "done"


def run(session: Session) -> int:
    progress = Progress(session.output)

    def tell(item: UnloadItem) -> None:
        if item.state != DONE:
            progress.tell(unload_line(item), f"{item.state} {item.running}")

    try:
        items: list[UnloadItem] = session.each("unload", {"model": session.args.model}, UnloadItem, tell)
    finally:
        progress.end()
    if not session.output.json:
        session.output.show(render_unloaded(items[-1]))
    return exit_codes.OK
