"""``lodestarctl status``."""

from lodestarctl import exit_codes
from lodestarctl.render.status import render_status
from lodestarctl.session import Session
from lodestard.control.messages import Status


def run(session: Session) -> int:
    session.report("status", {}, Status, render_status)
    return exit_codes.OK
