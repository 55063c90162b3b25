"""``lodestarctl prices check``: exit status 1 where something is to be mended."""

from lodestarctl import exit_codes
from lodestarctl.render.prices import render_check
from lodestarctl.session import Session
from lodestard.control.messages.prices import PriceCheck


def run(session: Session) -> int:
    check = session.report("prices.check", {}, PriceCheck, render_check)
    return exit_codes.FAILURE if any(found.severity != "info" for found in check.findings) else exit_codes.OK
