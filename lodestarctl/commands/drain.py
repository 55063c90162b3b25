"""``lodestarctl drain``."""

from lodestarctl import exit_codes
from lodestarctl.render.blocks import Note
from lodestarctl.render.words import plural, span
from lodestarctl.session import Session
from lodestard.control.messages import Draining


def run(session: Session) -> int:
    session.report("drain", {}, Draining, _render)
    return exit_codes.OK


def _render(report: Draining) -> list[Note]:
    under_way = plural(report.exchanges, "request")
    return [Note(f"Draining: {under_way} under way, at most {span(report.drain_s)}.", "good", "✓")]
