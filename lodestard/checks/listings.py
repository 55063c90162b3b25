"""Aider's formats ``whole`` (a file's name, then all of it in a fence) and ``udiff`` (hunks in one), line by line.

Law: only form is judged: Aider looks for the place of a hunk in more ways than can be told here.
"""

import re

from lodestard.domain.edit_marks import FENCES

_OPENING = re.compile(r"(```|````)[\w+#.-]*\s*$")
_HEADER = re.compile(r"(?:---|\+\+\+) \S")


class WholeFiles:
    """Format ``whole``. ``known``: the chat has exactly one file, which needs no name."""

    __slots__ = ("_closing", "_known", "_last")

    def __init__(self, *, known: bool) -> None:
        self._known = known
        self._last = ""
        self._closing = ""

    def line(self, line: str) -> str:
        if self._closing:
            if line.rstrip() == self._closing:
                self._closing = ""
            return ""
        opening = _OPENING.match(line)
        if opening is None and line.strip() not in FENCES:
            self._last = line.strip() or self._last
            return ""
        self._closing = FENCES[opening[1] if opening is not None else line.strip()]
        named = bool(self._last) or self._known
        return "" if named else "a file is listed without its name"

    def end(self) -> str:
        return "a file's listing is not closed" if self._closing else ""


class UnifiedDiffs:
    """Format ``udiff``: each fence holds hunks of a named file, and is closed."""

    __slots__ = ("_inside", "_named")

    def __init__(self) -> None:
        self._inside = False
        self._named = False

    def line(self, line: str) -> str:
        if not self._inside:
            self._inside = line.startswith("```diff")
            return ""
        if line.startswith("```"):
            self._inside = False
            return ""
        self._named = self._named or _HEADER.match(line) is not None
        if not self._named and line.startswith("@@"):
            return "a hunk stands before the name of its file"
        return ""

    def end(self) -> str:
        return "a diff is not closed" if self._inside else ""
