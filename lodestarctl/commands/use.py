"""``lodestarctl use [MODEL | -]``."""

from lodestarctl import exit_codes
from lodestarctl.render.projects import render_ended, render_switches
from lodestarctl.session import Session
from lodestarctl.usage import UsageError
from lodestard.control.messages.projects import SwitchList


def run(session: Session) -> int:
    args = session.args
    given = {"session": args.session, "project": args.project}
    scope = {name: value for name, value in given.items() if value is not None}
    if args.alias is None:
        if scope or args.time:
            raise UsageError("say which model to use, or - to take it back")
        session.report("use", {}, SwitchList, render_switches)
        return exit_codes.OK
    if args.alias == "-":
        session.report("use.end", scope, SwitchList, render_ended)
        return exit_codes.OK
    wanted = {"alias": args.alias, **scope, **({"for": args.time} if args.time else {})}
    session.report("use.set", wanted, SwitchList, render_switches)
    return exit_codes.OK
