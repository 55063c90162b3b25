"""Edits of files as Aider's models write them: SEARCH/REPLACE blocks, and whole files in listings. Pure.

Law: read as Aider reads them (aider-chat 0.86.2): markers of five to nine signs, the path on the line before, fences
that the chat may have chosen. What is no edit is left out; a block without an end or a path is counted as broken.
"""

import re
from collections.abc import Iterator, Sequence

import msgspec

_HEAD = re.compile(r"<{5,9} SEARCH>?\s*")
_DIVIDER = re.compile(r"={5,9}\s*")
_UPDATED = re.compile(r">{5,9} REPLACE\s*")
_FENCE = re.compile(r"(```+|~~~+|<(?:source|code|pre|codeblock|sourcecode)>)[\w+-]*\s*")
_MARKED = re.compile(r"^<{5,9} SEARCH>?\s*$", re.MULTILINE)
LONGEST_PATH = 200
LOOK_BACK = 3


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
    return _MARKED.search(text) is not None


def read_blocks(text: str) -> Blocks:
    """The SEARCH/REPLACE blocks of an answer, in their order."""
    lines = text.splitlines(keepends=True)
    found: list[Block] = []
    path, broken, at = "", 0, 0
    while at < len(lines):
        if not _HEAD.fullmatch(lines[at]):
            at += 1
            continue
        path = _path_before(lines, at) or path
        divider = _find(lines, at + 1, _DIVIDER)
        end = None if divider is None else _find(lines, divider + 1, _UPDATED)
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


def _find(lines: Sequence[str], start: int, mark: re.Pattern[str]) -> int | None:
    """The line of the next mark; None where another block begins before it."""
    for at in range(start, len(lines)):
        if mark.fullmatch(lines[at]):
            return at
        if _HEAD.fullmatch(lines[at]):
            return None
    return None


def _path_before(lines: Sequence[str], at: int) -> str:
    """The path that stands above a block: before its fence, or between fence and block."""
    for line in reversed(lines[max(0, at - LOOK_BACK) : at]):
        if _FENCE.fullmatch(line) or not line.strip():
            continue
        return _as_path(line)
    return ""


def _as_path(line: str) -> str:
    """A line that can only be a path, without the decoration that models give it; otherwise empty."""
    text = line.strip().strip("*`#: ").rstrip(":")
    likely = text and len(text) <= LONGEST_PATH and not re.search(r"\s", text) and re.search(r"[./]", text)
    return text if likely and not text.startswith(("http:", "https:")) else ""
