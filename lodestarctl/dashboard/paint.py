"""Frames → bytes for a terminal. Pure.

Law: only lines that differ are written, each from its first column to its end, so that whatever stood there is gone.
Colours are roles of the sixteen that a terminal has, on its own background: nothing is unreadable on a light one, and
nothing is lost without them. No control character of a label passes here.
"""

from collections.abc import Mapping
from typing import NamedTuple

from lodestarctl.dashboard.cells import Frame, Line, columns, width_of
from lodestarctl.render.words import clean

COLOURED: Mapping[str, str] = {
    "": "",
    "good": "32",
    "bad": "1;31",
    "warn": "33",
    "dim": "2",
    "strong": "1",
    "title": "1;36",
    "key": "1",
    "chart": "36",
    "tab": "1;7",
    "selected": "7",
}
MONO: Mapping[str, str] = {
    "bad": "1",
    "dim": "2",
    "strong": "1",
    "title": "1",
    "key": "1",
    "tab": "1;7",
    "selected": "7",
}
_ASCII: Mapping[str, str] = {
    "…": "~",
    "─": "-",
    "│": "|",
    "·": "-",
    "●": "*",
    "○": "o",
    "✗": "x",
    "█": "#",
    "░": ".",
    "▼": "v",
    "▲": "^",
    "▁": "_",
    "▂": "_",
    "▃": ".",
    "▄": ":",
    "▅": "-",
    "▆": "=",
    "▇": "+",
    "→": ">",
    "°": " ",
    "↑": "^",
    "↓": "v",
}
BEGIN, END = "\x1b[?2026h", "\x1b[?2026l"  # a terminal that knows them shows the whole frame at once


class Palette(NamedTuple):
    """What the terminal can show."""

    colour: bool = True
    utf8: bool = True


def paint(old: Frame | None, new: Frame, palette: Palette, width: int) -> bytes:
    """What turns ``old`` into ``new``; everything, where there is no ``old``. Empty where they are the same.

    A line that fills the terminal has no rest to clear: clearing there would take its last character.
    """
    parts: list[str] = []
    for at, line in enumerate(new):
        if old is None or at >= len(old) or old[at] != line:
            clear = "\x1b[K" if width_of(line) < width else ""
            parts.append(f"\x1b[{at + 1};1H{paint_line(line, palette)}{clear}")
    if not parts:
        return b""
    return "".join((BEGIN, *parts, END)).encode(errors="replace")


def paint_line(line: Line, palette: Palette) -> str:
    """A line with its styles; plain text where no style is left on."""
    styles = COLOURED if palette.colour else MONO
    parts: list[str] = []
    for text, role in line:
        shown = show(text, palette)
        style = styles.get(role, "")
        parts.append(f"\x1b[{style}m{shown}\x1b[0m" if style else shown)
    return "".join(parts)


def plain_line(line: Line, palette: Palette) -> str:
    """A line without any style, and without blanks at its end."""
    return "".join(show(text, palette) for text, _ in line).rstrip()


def show(text: str, palette: Palette) -> str:
    """A text as the terminal can show it, as wide as it was."""
    text = clean(text)
    if palette.utf8 or text.isascii():
        return text
    return "".join(char if char.isascii() else _ASCII.get(char, "?" * columns(char)) for char in text)
