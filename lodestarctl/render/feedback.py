"""Verdicts on answers, for people."""

from collections.abc import Mapping

from lodestarctl.render.blocks import Block, Cell, Column, Note, Table, Tone
from lodestarctl.render.words import moment
from lodestard.control.messages.feedback import FeedbackList, FeedbackRow

TONES: Mapping[str, Tone] = {"good": "good", "bad": "bad"}
SOURCES: Mapping[str, str] = {
    "said": "somebody said so",
    "test": "a test",
    "edit_failed": "its edit could not be applied",
    "check": "it failed a check",
    "resent": "the same was asked again",
}
SHORT_ID = 12
UNLEARNED = (
    "It counts for this kind, but nothing was learned for the next such request: only the latest ones since the start"
    " are remembered, and none whose shape says what it is."
)


def render_given(row: FeedbackRow) -> list[Block]:
    """What was taken in."""
    notes: list[Block] = [
        Note(f"{row.target} was {row.verdict} at {row.kind}: {row.request_id}.", TONES[row.verdict], "✓")
    ]
    if row.learned is False:
        notes.append(Note(UNLEARNED, "dim", "·"))
    return notes


def render_feedback(found: FeedbackList) -> list[Block]:
    """The newest first."""
    columns = (
        Column("when"),
        Column("request"),
        Column("verdict"),
        Column("kind"),
        Column("model", flexible=True),
        Column("because", flexible=True),
        Column("counts", "decimal"),
    )
    rows = [
        (
            Cell(moment(row.at_ms, "%m-%d %H:%M"), "dim"),
            Cell(row.request_id[-SHORT_ID:]),
            Cell(row.verdict, TONES[row.verdict]),
            Cell(row.kind),
            Cell(row.target, "strong"),
            Cell(SOURCES.get(row.source, row.source)),
            Cell(f"{row.weight:.2f}"),
        )
        for row in found.feedback
    ]
    return [Table(columns, rows, empty="No answer has been judged yet.")]


def tell_feedback(row: FeedbackRow) -> Note:
    """One line of an explanation."""
    return Note(f"{row.target} was {row.verdict} at {row.kind}: {SOURCES.get(row.source, row.source)}", "dim", "·")
