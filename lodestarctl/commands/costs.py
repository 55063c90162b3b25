"""``lodestarctl costs``."""

from lodestarctl import exit_codes
from lodestarctl.render.figures import render_costs
from lodestarctl.session import Session
from lodestard.control.messages import CostsReport


def run(session: Session) -> int:
    args = session.args
    if args.dashboard:
        from lodestarctl.dashboard.run import Wanted
        from lodestarctl.dashboard.run import run as run_dashboard

        screen = {"project": "projects", "session": "sessions", "upstream": "providers"}.get(args.by, "models")
        return run_dashboard(session, Wanted(screen, "today" if args.since == "today" else "month"))
    arguments = {"by": args.by, "since": args.since, "until": args.until}
    session.report("costs", arguments, CostsReport, render_costs)
    return exit_codes.OK
