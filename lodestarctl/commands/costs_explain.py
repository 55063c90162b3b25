"""``lodestarctl costs explain ID``."""

from lodestarctl import exit_codes
from lodestarctl.render.prices import render_cost
from lodestarctl.session import Session
from lodestard.control.messages.prices import CostExplanation


def run(session: Session) -> int:
    session.report("costs.explain", {"id": session.args.id}, CostExplanation, render_cost)
    return exit_codes.OK
