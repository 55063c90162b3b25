"""``lodestarctl reconcile [--day D]``: looks at providers' bills now."""

from lodestarctl import exit_codes
from lodestarctl.render.reconcile import render_reconcile
from lodestarctl.session import Session
from lodestard.control.messages.reconcile import ReconcileReport


def run(session: Session) -> int:
    report = session.report("reconcile.run", {"day": session.args.day}, ReconcileReport, render_reconcile)
    return exit_codes.UNAVAILABLE if report.problems else exit_codes.OK
