"""``lodestarctl budget set NAME …`` and ``budget unset NAME``."""

from lodestarctl import exit_codes
from lodestarctl.render.findings import render_reload
from lodestarctl.session import Session
from lodestarctl.usage import UsageError
from lodestard.control.messages import ReloadReport

MEMBERS = ("usd", "tokens", "requests", "window", "scope", "of", "at_limit")


def run(session: Session) -> int:
    args = session.args
    if hasattr(args, "usd"):
        verb, arguments = "budget.set", _members(session)
    else:
        verb, arguments = "budget.unset", {}
    report = session.report(verb, {"budget": args.budget, **arguments}, ReloadReport, render_reload)
    return exit_codes.OK if report.ok else exit_codes.FAILURE


def _members(session: Session) -> dict[str, object]:
    args = session.args
    if args.hard and args.soft:
        raise UsageError("say --hard or --soft, not both")
    members = {name: getattr(args, name) for name in MEMBERS}
    members["hard"] = "yes" if args.hard else "no" if args.soft else None
    return {name: value for name, value in members.items() if value is not None}
