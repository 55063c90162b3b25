"""``lodestarctl log-level LEVEL``."""

from lodestarctl import exit_codes
from lodestarctl.render.blocks import Note
from lodestarctl.session import Session
from lodestard.control.messages import LogLevel


def run(session: Session) -> int:
    session.report("log-level", {"level": session.args.level}, LogLevel, _render)
    return exit_codes.OK


def _render(report: LogLevel) -> list[Note]:
    return [Note(f"Logging at {report.level} now (it was {report.was}).", "good", "✓")]
