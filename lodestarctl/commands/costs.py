"""``lodestarctl costs``."""

from lodestarctl import exit_codes
from lodestarctl.render.figures import render_costs
from lodestarctl.session import Session
from lodestard.control.messages import CostsReport


def run(session: Session) -> int:
    args = session.args
    arguments = {"by": args.by, "since": args.since, "until": args.until}
    session.report("costs", arguments, CostsReport, render_costs)
    return exit_codes.OK
