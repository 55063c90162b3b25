"""``lodestarctl config show [--origin]``."""

from lodestarctl import exit_codes
from lodestarctl.render.findings import render_values
from lodestarctl.session import Session
from lodestard.control.messages import ConfigValues


def run(session: Session) -> int:
    origin = session.args.origin
    session.report("config.show", {}, ConfigValues, lambda values: render_values(values, origin=origin))
    return exit_codes.OK
