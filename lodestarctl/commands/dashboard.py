"""``lodestarctl dashboard``."""

from lodestarctl.dashboard.run import Wanted
from lodestarctl.dashboard.run import run as run_dashboard
from lodestarctl.session import Session


def run(session: Session) -> int:
    args = session.args
    return run_dashboard(session, Wanted(args.screen, args.span, args.once, args.ascii))
