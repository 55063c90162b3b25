"""``lodestarctl session end [ID]``."""

from lodestarctl import exit_codes
from lodestarctl.render.sessions import render_ended
from lodestarctl.session import Session
from lodestard.control.messages.sessions import SessionChanged


def run(session: Session) -> int:
    session.report("session.end", {"id": session.args.id}, SessionChanged, render_ended)
    return exit_codes.OK
