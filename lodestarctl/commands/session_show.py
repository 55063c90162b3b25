"""``lodestarctl session show [ID]``."""

from lodestarctl import exit_codes
from lodestarctl.render.sessions import render_session
from lodestarctl.session import Session
from lodestard.control.messages.sessions import SessionReport


def run(session: Session) -> int:
    session.report("session.show", {"id": session.args.id}, SessionReport, render_session)
    return exit_codes.OK
