"""Aider's SEARCH/REPLACE blocks, as they come: well formed, of a named file, and of text that is there.

Law: fed with whole lines; gives the reason as soon as it is certain. It refuses only what Aider could not apply: the
SEARCH text is looked for only where the prompt showed the file that the block names, and in all files that it showed.
Source: Aider's edit formats diff and diff-fenced, as ``domain/edit_marks.py`` tells them.
"""

from collections import deque

from lodestard.checks.shown_files import ShownFiles, Spot
from lodestard.domain.edit_marks import LOOK_BACK, find_names, is_divider, is_end, is_head
from lodestard.domain.request import Conversation


class EditBlocks:
    """The blocks of one choice. The prompt is searched for files when the first block comes."""

    __slots__ = (
        "_count",
        "_files",
        "_lines",
        "_path",
        "_recent",
        "_searched",
        "_spot",
        "_talk",
        "_where",
        "_wrapped",
    )

    _files: ShownFiles

    def __init__(self, talk: Conversation) -> None:
        self._talk = talk
        self._recent: deque[str] = deque(maxlen=LOOK_BACK)
        self._where = "text"
        self._path = ""
        self._count = 0
        self._lines: list[str] = []
        self._searched: list[str] = []
        self._spot: Spot | None = None

    def line(self, line: str) -> str:
        """One more line. Gives the reason why this can't be applied, or nothing."""
        if self._where == "text":
            return self._begin() if is_head(line) else self._pass_over(line)
        if self._where == "search":
            if is_divider(line):
                return self._divide()
        elif is_end(line):
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
        names = find_names(self._recent)
        shown = next((name for name in names if self._files.shows(name)), "")
        self._path = shown or (names[0] if names else self._path)
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
