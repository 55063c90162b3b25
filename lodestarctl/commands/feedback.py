"""``lodestarctl feedback ID good|bad [--kind edit]``."""

from lodestarctl import exit_codes
from lodestarctl.render.feedback import render_given
from lodestarctl.session import Session
from lodestard.control.messages.feedback import FeedbackRow


def run(session: Session) -> int:
    args = session.args
    arguments = {"id": args.id, "verdict": args.verdict, "kind": args.kind}
    given = {name: value for name, value in arguments.items() if value is not None}
    session.report("feedback.give", given, FeedbackRow, render_given)
    return exit_codes.OK
