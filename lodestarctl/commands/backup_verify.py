"""``lodestarctl backup verify [ID|FILE]``: by the daemon; a file anywhere, or when it is down, without it."""

from lodestarctl import exit_codes
from lodestarctl.offline import report_offline
from lodestarctl.render.backup import render_verified
from lodestarctl.session import Session
from lodestard.control.client import DaemonNotRunning
from lodestard.control.messages.backup import Verified, is_file


def run(session: Session) -> int:
    report = _verify(session, session.args.backup or "")
    return exit_codes.OK if report is not None and not report.faults else exit_codes.FAILURE


def _verify(session: Session, which: str) -> Verified | None:
    if not is_file(which):
        try:
            return session.report("backup.verify", {"backup": which}, Verified, render_verified)
        except DaemonNotRunning:
            session.output.say("lodestard is not running; verifying without it.")
    words = ("--backup", "verify", *((which,) if which else ()))
    return report_offline(session, words, "backup.verify", Verified, render_verified)
