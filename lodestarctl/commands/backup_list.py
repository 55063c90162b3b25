"""``lodestarctl backup list``: by the daemon, or from the folder when it is down."""

from lodestarctl import exit_codes
from lodestarctl.offline import report_offline
from lodestarctl.render.backup import show_shelf
from lodestarctl.session import Session
from lodestard.control.client import DaemonNotRunning
from lodestard.control.messages.backup import Shelf


def run(session: Session) -> int:
    try:
        session.report("backup.list", {}, Shelf, show_shelf)
    except DaemonNotRunning:
        found = report_offline(session, ("--backup", "list"), "backup.list", Shelf, show_shelf)
        return exit_codes.OK if found is not None else exit_codes.FAILURE
    return exit_codes.OK
