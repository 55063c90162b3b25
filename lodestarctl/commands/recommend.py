"""``lodestarctl recommend``: which model to take, of all. Nothing is sent and nothing is spent."""

from lodestarctl import exit_codes
from lodestarctl.question import read_shape
from lodestarctl.render.advice import render_recommendation
from lodestarctl.session import Session
from lodestard.control.messages.advice import Recommendation


def run(session: Session) -> int:
    found = session.report("recommend", read_shape(session), Recommendation, render_recommendation)
    return exit_codes.OK if found.target else exit_codes.FAILURE
