"""``lodestarctl backup now``: by the daemon, which goes on serving; or without one when it is down."""

from lodestarctl import exit_codes
from lodestarctl.offline import each_offline
from lodestarctl.progress import Progress
from lodestarctl.render.backup import render_made, step_line
from lodestarctl.session import Session
from lodestard.control.client import DaemonNotRunning
from lodestard.control.messages.backup import BackupItem


def run(session: Session) -> int:
    progress = Progress(session.output)

    def tell(item: BackupItem) -> None:
        if item.step is not None:
            progress.tell(step_line(item.step), item.step.what)

    try:
        items = session.each("backup.now", {}, BackupItem, tell)
    except DaemonNotRunning:
        session.output.say("lodestard is not running; backing up without it.")
        items = each_offline(session, ("--backup", "now", "--steps"), "backup.now", BackupItem, tell)
    finally:
        progress.end()
    if not items or items[-1].made is None:
        return exit_codes.FAILURE
    if not session.output.json:
        session.output.show(render_made(items[-1]))
    return exit_codes.OK
