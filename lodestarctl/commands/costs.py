"""``lodestarctl costs``: the whole picture where nothing is asked for in particular, the plain table otherwise."""

from lodestarctl import exit_codes
from lodestarctl.render.costs import render_costs
from lodestarctl.session import Session
from lodestarctl.usage import UsageError
from lodestard.control.messages import CostsReport

AT_A_GLANCE = "14d"
GRAPH = "30d"
SCREENS_OF_GROUPS = {"project": "projects", "session": "sessions", "provider": "providers", "upstream": "providers"}


def run(session: Session) -> int:
    args = session.args
    if args.dashboard:
        return _live(session)
    if args.top < 0:
        raise UsageError("--top must not be negative")
    arguments = {"by": args.by or "model", "since": args.since or "month", "until": args.until, "top": args.top}
    if args.graph or args.json or not args.by:
        arguments["trend"] = args.since or (GRAPH if args.graph or args.json else AT_A_GLANCE)
    session.report("costs", arguments, CostsReport, render_costs)
    return exit_codes.OK


def _live(session: Session) -> int:
    """The same on the whole terminal, at the screen of what is grouped by."""
    from lodestarctl.dashboard.run import Wanted
    from lodestarctl.dashboard.run import run as run_dashboard

    args = session.args
    screen = SCREENS_OF_GROUPS.get(args.by, "models")
    return run_dashboard(session, Wanted(screen, "today" if args.since == "today" else "month"))
