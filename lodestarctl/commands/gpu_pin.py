"""``lodestarctl gpu pin MODEL [--exclusive]`` and ``gpu unpin MODEL``."""

from lodestarctl import exit_codes
from lodestarctl.render.gpu import render_pinned
from lodestarctl.session import Session
from lodestard.control.messages.gpu import Pinned


def run(session: Session) -> int:
    args = session.args
    if hasattr(args, "exclusive"):
        arguments = {"model": args.model, "exclusive": args.exclusive}
        session.report("gpu.pin", arguments, Pinned, render_pinned)
    else:
        session.report("gpu.unpin", {"model": args.model}, Pinned, render_pinned)
    return exit_codes.OK
