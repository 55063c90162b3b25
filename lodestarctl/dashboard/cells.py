"""Styled text in columns: what frames are made of. Pure.

Law: a text's width is what a terminal gives it (wide characters take two columns, combining ones none), and no
control character is ever in it. A role repeats what the text says; it never says something of its own.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple
from unicodedata import category, east_asian_width

from lodestarctl.render.words import clean

ELLIPSIS = "…"
_NO_WIDTH = ("Mn", "Me")


class Span(NamedTuple):
    """A text in a role: one of ``paint.STYLES``."""

    text: str
    role: str = ""


Line = tuple[Span, ...]
Frame = tuple[Line, ...]

EMPTY: Line = ()


def line(*parts: Span | str) -> Line:
    return tuple(part if isinstance(part, Span) else Span(part) for part in parts)


def columns(text: str) -> int:
    """How wide a terminal shows ``text``."""
    return len(text) if text.isascii() else sum(map(_char_columns, text))


def _char_columns(char: str) -> int:
    if char < "\u0300":
        return 1
    if category(char) in _NO_WIDTH:
        return 0
    return 2 if east_asian_width(char) in "WF" else 1


def width_of(parts: Iterable[Span]) -> int:
    return sum(columns(part.text) for part in parts)


def cut(text: str, width: int) -> str:
    """At most ``width`` columns of it, clean, with an ellipsis where something is missing."""
    text = clean(text)
    if columns(text) <= width:
        return text
    kept, used = [], 0
    for char in text:
        used += _char_columns(char)
        if used > width - 1:
            break
        kept.append(char)
    return "".join(kept) + ELLIPSIS if width > 0 else ""


def left(text: str, width: int) -> str:
    """Exactly ``width`` columns, flush left."""
    shown = cut(text, width)
    return shown + " " * (width - columns(shown))


def right(text: str, width: int) -> str:
    """Exactly ``width`` columns, flush right."""
    shown = cut(text, width)
    return " " * (width - columns(shown)) + shown


def cut_line(parts: Sequence[Span], width: int) -> Line:
    """At most ``width`` columns of a line."""
    found: list[Span] = []
    room = width
    for part in parts:
        text = cut(part.text, room)
        found.append(Span(text, part.role))
        room -= columns(text)
        if text != part.text:
            break
    return tuple(found)


def spread(start: Line, end: Line, width: int) -> Line:
    """One at the left edge, the other at the right one; the right one gives way."""
    gap = width - width_of(start) - width_of(end)
    return cut_line((*start, Span(" " * gap), *end), width) if gap > 0 else cut_line(start, width)


def in_role(parts: Line, role: str, width: int) -> Line:
    """The whole line in one role, filled up to ``width``."""
    text = "".join(part.text for part in parts)
    return (Span(left(text, width), role),)


def beside(first: Sequence[Line], second: Sequence[Line], width: int) -> list[Line]:
    """Two columns of lines, the second one ``width`` columns from the edge."""
    found: list[Line] = []
    for at in range(max(len(first), len(second))):
        one = cut_line(first[at], width - 2) if at < len(first) else EMPTY
        other = second[at] if at < len(second) else EMPTY
        found.append((*one, Span(" " * (width - width_of(one))), *other) if other else one)
    return found
