"""``lodestarctl costs``: the whole picture where nothing is asked for in particular, the plain table otherwise."""

from lodestarctl import exit_codes
from lodestarctl.render.costs import render_costs
from lodestarctl.session import Session
from lodestarctl.usage import UsageError
from lodestard.control.messages import CostsReport

AT_A_GLANCE = "14d"
GRAPH = "30d"


def run(session: Session) -> int:
    args = session.args
    if args.top < 0:
        raise UsageError("--top must not be negative")
    arguments = {"by": args.by or "model", "since": args.since or "month", "until": args.until, "top": args.top}
    if args.graph or args.json or not args.by:
        arguments["trend"] = args.since or (GRAPH if args.graph or args.json else AT_A_GLANCE)
    session.report("costs", arguments, CostsReport, render_costs)
    return exit_codes.OK
