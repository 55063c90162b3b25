"""``lodestarctl alerts test``: does a person hear of it?"""

from lodestarctl import exit_codes
from lodestarctl.render.alerts import tested_line
from lodestarctl.render.blocks import Tone
from lodestarctl.session import Session
from lodestard.control.messages.alerts import AlertTest


def run(session: Session) -> int:
    results: list[AlertTest] = session.each("alerts.test", {}, AlertTest, lambda item: _write(session, item))
    if len(results) == 1 and not session.output.json:
        session.output.say("Only the log: [modules.alerts.webhook] and [modules.alerts.email] add other ways.")
    return exit_codes.OK if all(item.outcome == "ok" for item in results) else exit_codes.FAILURE


def _write(session: Session, item: AlertTest) -> None:
    tone: Tone = "good" if item.outcome == "ok" else "bad"
    session.output.write(session.output.tint(tested_line(item), tone) + "\n")
