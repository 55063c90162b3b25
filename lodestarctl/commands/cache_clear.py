"""``lodestarctl cache clear``."""

from lodestarctl import exit_codes
from lodestarctl.render.blocks import Note
from lodestarctl.render.words import plural
from lodestarctl.session import Session
from lodestard.control.messages import CacheCleared


def run(session: Session) -> int:
    arguments = {"model": session.args.model, "older_than": session.args.older_than}
    session.report("cache.clear", arguments, CacheCleared, _render)
    return exit_codes.OK


def _render(report: CacheCleared) -> list[Note]:
    return [Note(f"Forgot {plural(report.entries, 'answer')}.", "good", "✓")]
