"""``lodestarctl reconcile show``: what looks at providers' bills found."""

from lodestarctl import exit_codes
from lodestarctl.render.reconcile import render_reconcile
from lodestarctl.session import Session
from lodestarctl.usage import UsageError
from lodestard.control.messages.reconcile import ReconcileReport


def run(session: Session) -> int:
    if session.args.lines < 0:
        raise UsageError("-n must not be negative")
    session.report("reconcile.show", {"last": session.args.lines}, ReconcileReport, render_reconcile)
    return exit_codes.OK
