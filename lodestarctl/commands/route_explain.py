"""``lodestarctl route explain``: what would become of a request. Nothing is sent and nothing is spent."""

from lodestarctl import exit_codes
from lodestarctl.question import read_shape
from lodestarctl.render.advice import render_advice
from lodestarctl.session import Session
from lodestard.control.messages.advice import RouteAdvice


def run(session: Session) -> int:
    arguments = read_shape(session)
    if session.args.model:
        arguments["model"] = session.args.model
    advice = session.report("route.explain", arguments, RouteAdvice, render_advice)
    return exit_codes.FAILURE if advice.refusal else exit_codes.OK
