"""``edits``: Aider can apply what the model wrote, in the edit format that the prompt asks for.

Which one that is stands in the system messages, or in the reminder at the end of the newest user message. An answer
without any edit is good: a question may have been answered.
"""

from typing import Protocol

from lodestard.checks.edit_blocks import EditBlocks
from lodestard.checks.listings import UnifiedDiffs, WholeFiles
from lodestard.checks.shown_files import ShownFiles
from lodestard.domain.reply import Choice, Piece
from lodestard.domain.request import Conversation

_WHOLE_MARKS = ("*file listing*", "entire content of the updated file")


class Lines(Protocol):
    """One edit format's reader."""

    def line(self, line: str) -> str: ...

    def end(self) -> str: ...


class EditsCheck:
    """Cuts the text of each choice into lines."""

    __slots__ = ("_readers", "_style", "_tails", "_talk")

    name = "edits"

    def __init__(self, talk: Conversation, style: str) -> None:
        self._talk = talk
        self._style = style
        self._readers: dict[int, Lines] = {}
        self._tails: dict[int, list[str]] = {}

    def see(self, piece: Piece) -> str:
        text = piece.text
        if not text:
            return ""
        tail = self._tails.setdefault(piece.choice, [])
        if "\n" not in text:
            tail.append(text)
            return ""
        *lines, rest = ("".join(tail) + text).split("\n")
        self._tails[piece.choice] = [rest]
        reader = self._reader(piece.choice)
        return next((reason for line in lines if (reason := reader.line(line))), "")

    def end(self, index: int, choice: Choice) -> str:  # noqa: ARG002  it was read as it came
        reader = self._reader(index)
        last = "".join(self._tails.get(index, ()))
        return (reader.line(last) if last else "") or reader.end()

    def _reader(self, index: int) -> Lines:
        reader = self._readers.get(index)
        if reader is None:
            reader = self._readers[index] = self._open()
        return reader

    def _open(self) -> Lines:
        if self._style == "udiff":
            return UnifiedDiffs()
        if self._style == "diff":
            return EditBlocks(self._talk)
        return WholeFiles(known=len(ShownFiles(self._talk)) == 1)


def open_edits(talk: Conversation) -> EditsCheck | None:
    """None where the prompt asks for no edits in a format that is known here."""
    style = edit_style(talk)
    return EditsCheck(talk, style) if style else None


def edit_style(talk: Conversation) -> str:
    """``diff`` (fenced or not), ``udiff``, ``whole``, or nothing."""
    system = "\n".join(message.text for message in talk.messages if message.role in ("system", "developer"))
    newest = next((message.text for message in reversed(talk.messages) if message.role == "user"), "")
    if "*** Begin Patch" in system:
        return ""
    if "unified diff" in system:
        return "udiff"
    if any("*SEARCH/REPLACE block*" in text for text in (system, newest)):
        return "diff"
    return "whole" if any(mark in text for text in (system, newest) for mark in _WHOLE_MARKS) else ""
