"""Alerts above whatever else is shown: what a person has to know before they read on. Pure."""

from collections.abc import Sequence

from lodestarctl.render.blocks import Block, Note, Tone
from lodestarctl.render.words import plural
from lodestard.control.messages import Problem

WORST_FIRST = ("error", "warning", "info")
MARKS = {"error": "✗", "warning": "!", "info": "·"}
TONES: dict[str, Tone] = {"error": "bad", "warning": "warn", "info": "dim"}
MOST = 4


def render_banner(alerts: Sequence[Problem], more: str = "lodestarctl status lists them") -> list[Block]:
    """The worst first, as many as leave room for the screen below; ``more`` says where the others are."""
    ordered = sorted(alerts, key=lambda alert: _rank(alert.severity))
    shown = ordered if len(ordered) <= MOST else ordered[: MOST - 1]
    notes: list[Block] = [
        Note(alert.what, TONES.get(alert.severity, ""), MARKS.get(alert.severity, "·"), alert.advice)
        for alert in shown
    ]
    if rest := len(ordered) - len(shown):
        notes.append(Note(f"{plural(rest, 'more alert')}: {more}.", "dim", "·"))
    return notes


def _rank(severity: str) -> int:
    return WORST_FIRST.index(severity) if severity in WORST_FIRST else len(WORST_FIRST)
