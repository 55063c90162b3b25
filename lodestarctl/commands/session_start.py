"""``lodestarctl session start [NAME]``."""

from lodestarctl import exit_codes
from lodestarctl.render.sessions import render_started
from lodestarctl.session import Session
from lodestard.control.messages.sessions import SessionChanged


def run(session: Session) -> int:
    args = session.args
    arguments = {"name": args.name, "project": args.project, "user": args.user, "client": args.client}
    session.report("session.start", arguments, SessionChanged, render_started)
    return exit_codes.OK
