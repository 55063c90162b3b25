"""``lodestarctl feedback list``."""

from lodestarctl import exit_codes
from lodestarctl.render.feedback import render_feedback
from lodestarctl.session import Session
from lodestard.control.messages.feedback import FeedbackList


def run(session: Session) -> int:
    session.report("feedback.list", {"last": session.args.lines}, FeedbackList, render_feedback)
    return exit_codes.OK
