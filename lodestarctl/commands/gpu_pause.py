"""``lodestarctl gpu pause [HOST] [--for 2h]`` and ``gpu resume [HOST]``."""

from lodestarctl import exit_codes
from lodestarctl.render.gpu import render_lent
from lodestarctl.session import Session
from lodestard.control.messages.gpu import Lent


def run(session: Session) -> int:
    args = session.args
    given = {"host": args.host, "for": getattr(args, "time", None)}
    verb = "gpu.pause" if hasattr(args, "time") else "gpu.resume"
    session.report(verb, {name: value for name, value in given.items() if value is not None}, Lent, render_lent)
    return exit_codes.OK
