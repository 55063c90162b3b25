"""``lodestarctl ledger verify [FILE]``: by the daemon, or by ``lodestard --verify-ledger`` when it is down."""

from lodestarctl import exit_codes
from lodestarctl.offline import report_offline
from lodestarctl.render.figures import render_verification
from lodestarctl.session import Session
from lodestard.control.client import DaemonNotRunning
from lodestard.control.messages import LedgerVerification


def run(session: Session) -> int:
    report = _verify(session)
    return exit_codes.OK if report is not None and report.ok else exit_codes.FAILURE


def _verify(session: Session) -> LedgerVerification | None:
    file = session.args.file
    if not file:
        try:
            return session.report("ledger.verify", {}, LedgerVerification, render_verification)
        except DaemonNotRunning:
            session.output.say("lodestard is not running; verifying without it.")
    words = ("--verify-ledger", file) if file else ("--verify-ledger",)
    return report_offline(session, words, "ledger.verify", LedgerVerification, render_verification)
