"""``lodestarctl session list``."""

from lodestarctl import exit_codes
from lodestarctl.render.sessions import render_sessions
from lodestarctl.session import Session
from lodestard.control.messages.sessions import SessionList


def run(session: Session) -> int:
    session.report("session.list", {"last": session.args.lines}, SessionList, render_sessions)
    return exit_codes.OK
