"""Two answers side by side. Pure: the same answers and width, the same text."""

import textwrap
from collections.abc import Iterator, Sequence
from itertools import zip_longest

from lodestarctl.render.blocks import Block, Cell, Column, Lines, Note, Table
from lodestarctl.render.words import UNKNOWN, about, clean, clip, columns_of, millis, set_left, usd
from lodestard.control.messages.advice import ComparedAnswer, Comparison

BETWEEN = " │ "
NARROW = 60
"""Below so many columns one stands under the other."""


def progress_line(told: Sequence[tuple[str, int]]) -> str:
    """``local-llama 420, gpt-4o 1,204 characters``."""
    return f"{', '.join(f'{name} {count:,}' for name, count in told)} characters"


def render_comparison(comparison: Comparison, width: int, *, texts: bool = True) -> list[Block]:
    """The texts (unless they were shown before), then the figures as far as they are known."""
    left, right = comparison.answers
    blocks: list[Block] = [Lines([(Cell(line),) for line in side_by_side(left, right, width)])] if texts else []
    if any(answer.target or answer.detail for answer in comparison.answers):
        blocks.append(_figures(comparison.answers))
    blocks += [Note(f"{each.model}: {each.detail}", "bad", "✗") for each in comparison.answers if each.detail]
    if comparison.vote:
        blocks.append(Note(_verdict(comparison), "good", "✓"))
    return blocks


def _verdict(comparison: Comparison) -> str:
    if comparison.vote == "tie":
        return f"You found them equal. {_names(comparison)}"
    return f"You found {comparison.answers['ab'.index(comparison.vote)].model} better. {_names(comparison)}"


def _names(comparison: Comparison) -> str:
    first, second = comparison.answers
    return f"A was {first.model}, B was {second.model}."


def side_by_side(left: ComparedAnswer, right: ComparedAnswer, width: int) -> Iterator[str]:
    """Both texts, each wrapped to its half."""
    if width < NARROW:
        for answer in (left, right):
            yield from (clip(clean(answer.model), width), "─" * width, *wrap(answer, width), "")
        return
    half = (width - len(BETWEEN)) // 2
    columns = [(clip(clean(answer.model), half), "─" * half, *wrap(answer, half)) for answer in (left, right)]
    for ours, theirs in zip_longest(*columns, fillvalue=""):
        yield f"{set_left(ours, half)}{BETWEEN}{theirs}".rstrip()


def wrap(answer: ComparedAnswer, width: int) -> list[str]:
    """Line by line, so that code keeps its shape; what is too long is broken."""
    if answer.outcome != "ok" and not answer.text:
        return [f"({answer.outcome})"]
    lines: list[str] = []
    for line in answer.text.expandtabs(4).splitlines():
        lines += _broken(clean(line), width) or [""]
    return lines


def _broken(line: str, width: int) -> list[str]:
    if columns_of(line) <= width:
        return [line]
    if line.isascii():
        return textwrap.wrap(line, width, replace_whitespace=False, drop_whitespace=True)
    pieces, piece = [], ""
    for letter in line:
        if columns_of(piece + letter) > width:
            pieces.append(piece)
            piece = ""
        piece += letter
    return [*pieces, piece]


def _figures(answers: Sequence[ComparedAnswer]) -> Table:
    columns = (
        Column("asked"),
        Column("answered by", flexible=True),
        Column("first", "right"),
        Column("took", "right"),
        Column("tokens", "right", spare="narrow"),
        Column("tokens/s", "right", spare="narrow"),
        Column("cost", "decimal"),
    )
    return Table(columns, [_row(answer) for answer in answers])


def _row(answer: ComparedAnswer) -> tuple[Cell, ...]:
    by = f"{answer.target}, cached" if answer.cache == "hit" else answer.target
    return (
        Cell(answer.model, "strong"),
        Cell(by) if answer.outcome == "ok" else Cell(answer.outcome, "bad"),
        Cell(millis(answer.first_ms)),
        Cell(millis(answer.total_ms)),
        Cell(about(answer.completion_tokens)),
        Cell(UNKNOWN if answer.tokens_per_s is None else f"{answer.tokens_per_s:.1f}"),
        Cell(usd(answer.cost_nano_usd)),
    )
