"""``lodestarctl route shadow``."""

from lodestarctl import exit_codes
from lodestarctl.render.backtest import render_shadow
from lodestarctl.session import Session
from lodestard.control.messages.advice import ShadowReport


def run(session: Session) -> int:
    session.report("route.shadow", {"since": session.args.since}, ShadowReport, render_shadow)
    return exit_codes.OK
