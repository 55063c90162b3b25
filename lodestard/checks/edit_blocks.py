"""Aider's SEARCH/REPLACE blocks, as they come: well formed, of a named file, and of text that is there.

Law: fed with whole lines; gives the reason as soon as it is certain. It refuses only what Aider could not apply: the
SEARCH text is looked for only where the prompt showed the file that the block names, and in all files that it showed.
Source: Aider's edit formats diff and diff-fenced (reference B: the three marker lines, the path before the fence).
"""

import re
from collections import deque

from lodestard.checks.shown_files import HEAD, ShownFiles, Spot
from lodestard.domain.request import Conversation

_DIVIDER = re.compile(r"={5,9}\s*$")
_UPDATED = re.compile(r">{5,9} REPLACE\s*$")
_LOOK_BACK = 3
_FENCE_STARTS = ("```", "<source>", "<code>", "<pre>", "<codeblock>", "<sourcecode>")


class EditBlocks:
    """The blocks of one choice. The prompt is searched for files when the first block comes."""

    __slots__ = ("_count", "_files", "_lines", "_path", "_recent", "_searched", "_spot", "_talk", "_where")

    _files: ShownFiles

    def __init__(self, talk: Conversation) -> None:
        self._talk = talk
        self._recent: deque[str] = deque(maxlen=_LOOK_BACK)
        self._where = "text"
        self._path = ""
        self._count = 0
        self._lines: list[str] = []
        self._searched: list[str] = []
        self._spot: Spot | None = None

    def line(self, line: str) -> str:
        """One more line. Gives the reason why this can't be applied, or nothing."""
        if self._where == "text":
            return self._begin() if HEAD.match(line) else self._pass_over(line)
        if self._where == "search":
            if _DIVIDER.match(line):
                return self._divide()
        elif _UPDATED.match(line) or _DIVIDER.match(line):
            self._finish_block()
            return ""
        self._lines.append(line)
        return ""

    def end(self) -> str:
        return "" if self._where == "text" else f"block {self._count} is not closed"

    def _pass_over(self, line: str) -> str:
        self._recent.append(line)
        return ""

    def _begin(self) -> str:
        if not self._count:
            self._files = ShownFiles(self._talk)
        self._count += 1
        self._where = "search"
        self._path = find_path(self._recent) or self._path
        self._lines = []
        return "" if self._path else f"block {self._count} names no file"

    def _divide(self) -> str:
        self._searched, self._lines = self._lines, []
        self._where = "replace"
        self._spot = None
        if not any(line.strip() for line in self._searched):
            self._files.forget(self._path)  # a new file, or something added to one
            return ""
        if not self._files.shows(self._path):
            return ""
        self._spot = self._files.find(self._searched)
        return "" if self._spot is not None else f"the SEARCH text of block {self._count} is not in the file it names"

    def _finish_block(self) -> None:
        if self._spot is not None:
            self._files.apply(self._spot, self._searched, self._lines)
        self._where = "text"
        self._recent.clear()
        self._lines, self._searched = [], []


def find_path(recent: "deque[str]") -> str:
    """The file's name in the lines before a block: the last one that is neither blank nor a bare fence."""
    for line in reversed(recent):
        said = line.strip()
        if said.startswith(_FENCE_STARTS):
            said = said.lstrip("`")
            if not ("." in said or "/" in said) or said.startswith("<"):
                continue
        name = said.rstrip(":").lstrip("#").strip().strip("`").strip("*").strip()
        if name and name != "...":
            return name
    return ""
