"""Blocks: what a screen is made of, before anybody knows how wide or colourful it is. Plain data."""

from collections.abc import Sequence
from typing import Literal, NamedTuple

Tone = Literal["", "good", "bad", "warn", "dim", "strong"]
Align = Literal["left", "right", "decimal"]


class Cell(NamedTuple):
    """A text with a tone. The tone repeats what the text says; it never says something of its own."""

    text: str
    tone: Tone = ""


class Column(NamedTuple):
    """``flexible`` columns give way where the line is too long.

    ``spare`` ones are left out: "wide" wherever the line would be too long with it, "narrow" where it still is when
    the flexible ones have given way as far as they can be read, "last" when they can't be narrower.
    """

    title: str
    align: Align = "left"
    flexible: bool = False
    spare: Literal["", "wide", "narrow", "last"] = ""


class Heading(NamedTuple):
    """The first line of a screen: cells on the left, a text on the right."""

    left: tuple[Cell, ...]
    right: str = ""


class Grid(NamedTuple):
    """Figures with labels, ``columns`` side by side."""

    title: str
    pairs: tuple[tuple[str, Cell], ...]
    columns: int = 3


class Facts(NamedTuple):
    """Labels and texts, one a line."""

    pairs: tuple[tuple[str, Cell], ...]
    title: str = ""


class Table(NamedTuple):
    """Rows under columns. ``total`` is a last row, set apart. ``empty`` is said where there are no rows."""

    columns: tuple[Column, ...]
    rows: Sequence[Sequence[Cell]]
    title: str = ""
    total: Sequence[Cell] = ()
    empty: str = "Nothing yet."


class Note(NamedTuple):
    """A sentence with a mark before it, and a second, quieter one below."""

    text: str
    tone: Tone = ""
    mark: str = ""
    advice: str = ""


class Lines(NamedTuple):
    """Lines that are never broken or cut: what somebody may search or copy. Each is cells side by side."""

    rows: Sequence[tuple[Cell, ...]]


class Bar(NamedTuple):
    """One line of bars: for each series its length and what is written of it."""

    label: str
    amounts: tuple[int, ...]
    texts: tuple[Cell, ...]


class Bars(NamedTuple):
    """Bars in lines; each series (a title and a tone) has a scale of its own, and texts that say what it shows."""

    series: tuple[Cell, ...]
    rows: Sequence[Bar]
    title: str = ""


Block = Bars | Heading | Grid | Facts | Table | Note | Lines


def cells(*texts: str) -> tuple[Cell, ...]:
    """Cells without a tone."""
    return tuple(Cell(text) for text in texts)
