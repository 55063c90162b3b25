"""``lodestarctl explain ID``."""

from lodestarctl import exit_codes
from lodestarctl.render.requests import render_explanation
from lodestarctl.session import Session
from lodestard.control.messages import Explanation


def run(session: Session) -> int:
    session.report("explain", {"id": session.args.id}, Explanation, render_explanation)
    return exit_codes.OK
