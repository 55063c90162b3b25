"""Edits of files as Aider's models write them: SEARCH/REPLACE blocks, and whole files in listings. Pure.

Law: marks and names are Aider's (``domain/edit_marks.py``). What is no edit is left out; a block without an end or a
path, or with another one's beginning in it, is counted as broken.
"""

import re
from collections.abc import Callable, Iterator, Sequence

import msgspec

from lodestard.domain.edit_marks import LOOK_BACK, find_names, is_divider, is_end, is_head

_FENCE = re.compile(r"(```+|~~~+|<(?:source|code|pre|codeblock|sourcecode)>)[\w+-]*\s*")
LONGEST_PATH = 200


class Block(msgspec.Struct, frozen=True):
    """Of the file at ``path``, ``search`` becomes ``replace``. An empty ``search`` adds to it, or makes it."""

    path: str
    search: str
    replace: str


class Blocks(msgspec.Struct, frozen=True):
    """The blocks of an answer, and how many more could not be read."""

    found: tuple[Block, ...] = ()
    broken: int = 0


def has_blocks(text: str) -> bool:
    """Whether SEARCH/REPLACE blocks begin in it."""
    return any(map(is_head, text.splitlines()))


def read_blocks(text: str) -> Blocks:
    """The SEARCH/REPLACE blocks of an answer, in their order."""
    lines = text.splitlines(keepends=True)
    found: list[Block] = []
    path, broken, at = "", 0, 0
    while at < len(lines):
        if not is_head(lines[at]):
            at += 1
            continue
        names = find_names(lines[max(0, at - LOOK_BACK) : at])
        path = next(filter(None, map(_as_path, names)), path)
        divider = _find(lines, at + 1, is_divider)
        end = None if divider is None else _find(lines, divider + 1, is_end)
        if divider is None or end is None or not path:
            broken += 1
            at += 1
            continue
        found.append(Block(path, "".join(lines[at + 1 : divider]), "".join(lines[divider + 1 : end])))
        at = end + 1
    return Blocks(tuple(found), broken)


def read_listings(text: str) -> dict[str, str]:
    """The files that a text shows whole: a path alone on a line, a fence, the content, the fence."""
    return dict(_listings(text.splitlines(keepends=True)))


def _listings(lines: Sequence[str]) -> Iterator[tuple[str, str]]:
    at = 1
    while at < len(lines):
        opening = _FENCE.fullmatch(lines[at])
        path = _as_path(lines[at - 1])
        if opening is None or not path:
            at += 1
            continue
        closing = opening[1].replace("<", "</")
        end = next((number for number in range(at + 1, len(lines)) if lines[number].rstrip() == closing), None)
        if end is None:
            return
        yield path, "".join(lines[at + 1 : end])
        at = end + 2


def _find(lines: Sequence[str], start: int, is_mark: Callable[[str], bool]) -> int | None:
    """The line of the next mark; None where another block begins before it."""
    for at in range(start, len(lines)):
        if is_mark(lines[at]):
            return at
        if is_head(lines[at]):
            return None
    return None


def _as_path(line: str) -> str:
    """A line that can only be a path, without the decoration that models give it; otherwise empty."""
    text = line.strip().strip("*`#: ").rstrip(":")
    likely = text and len(text) <= LONGEST_PATH and not re.search(r"\s", text) and re.search(r"[./]", text)
    return text if likely and not text.startswith(("http:", "https:")) else ""
