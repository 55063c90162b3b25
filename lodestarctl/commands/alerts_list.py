"""``lodestarctl alerts``."""

from lodestarctl import exit_codes
from lodestarctl.render.alerts import render_alerts
from lodestarctl.session import Session
from lodestarctl.usage import UsageError
from lodestard.control.messages.alerts import AlertList


def run(session: Session) -> int:
    if session.args.lines < 0:
        raise UsageError("-n must not be negative")
    session.report("alerts", {"last": session.args.lines}, AlertList, render_alerts)
    return exit_codes.OK
