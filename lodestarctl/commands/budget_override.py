"""``lodestarctl budget override NAME --for 2h --reason …`` and ``budget revoke NAME``."""

from lodestarctl import exit_codes
from lodestarctl.render.budgets import render_given, render_taken
from lodestarctl.session import Session
from lodestarctl.usage import UsageError
from lodestard.control.messages.budgets import OverrideGiven, OverridesTaken


def run(session: Session) -> int:
    args = session.args
    if not hasattr(args, "reason"):
        session.report("budget.revoke", {"budget": args.budget}, OverridesTaken, render_taken)
        return exit_codes.OK
    if not args.time or not args.reason:
        raise UsageError("--for and --reason are needed: how long, and why; both are kept on the record")
    given = {"budget": args.budget, "for": args.time, "reason": args.reason, "of": args.of, "extra": args.extra}
    arguments = {name: value for name, value in given.items() if value is not None}
    session.report("budget.override", arguments, OverrideGiven, render_given)
    return exit_codes.OK
