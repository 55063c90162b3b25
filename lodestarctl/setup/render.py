"""What ``setup --check`` shows: the steps under their names, and a verdict."""

from collections.abc import Iterator

from lodestarctl.render.blocks import Block, Note, Tone
from lodestarctl.setup.steps import NAMES, Report, State, states

LOOKS: dict[State, tuple[Tone, str]] = {
    "done": ("good", "✓"),
    "optional": ("dim", "·"),
    "missing": ("warn", "!"),
    "wrong": ("bad", "✗"),
}


def render_report(report: Report) -> list[Block]:
    """Every step, then whether requests can be answered."""
    return [*_steps(report), _verdict(report)]


def _steps(report: Report) -> Iterator[Block]:
    for name, steps in states(report).items():
        for step in steps:
            tone, mark = LOOKS[step.state]
            yield Note(f"{NAMES[name]}: {step.what}", tone, mark, step.next)


def _verdict(report: Report) -> Note:
    if report.ok:
        return Note("Lodestar is set up: it runs, and somebody answers.", "good", "✓")
    if any(step.state == "wrong" for step in report.steps):
        return Note("That has to be mended first.", "bad", "✗")
    return Note("Something is missing; lodestarctl setup goes through it.", "warn", "!")
