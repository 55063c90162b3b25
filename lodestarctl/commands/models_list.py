"""``lodestarctl models``."""

from lodestarctl import exit_codes
from lodestarctl.render.models import render_models
from lodestarctl.session import Session
from lodestard.control.messages import ModelsReport


def run(session: Session) -> int:
    session.report("models", {}, ModelsReport, render_models)
    return exit_codes.OK
