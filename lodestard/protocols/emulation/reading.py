"""The answer: in the text of a choice is found what was asked for by instruction.

Law: calls are numbered in the order in which they stand, and named by what they say and where.
"""

import hashlib

import msgspec

from lodestard.domain.reply import Finish, Piece, ToolCallPiece
from lodestard.protocols.codec import Emulation
from lodestard.protocols.emulation.finding import CallFinder
from lodestard.protocols.emulation.json_only import JsonOnly
from lodestard.protocols.emulation.said_calls import SaidCall


class EmulatedText:
    """Reads the text of the choice of an index; a ``ChoiceText``."""

    __slots__ = ("_called", "_emulation", "_finder", "_index", "_json")

    def __init__(self, emulation: Emulation, index: int) -> None:
        self._emulation = emulation
        self._index = index
        self._finder = CallFinder(emulation.tools) if emulation.tools else None
        self._json = JsonOnly(emulation.opening) if emulation.opening else None
        self._called = 0

    def read(self, piece: Piece, *, last: bool) -> Piece:
        text = self._feed(piece.text)
        if last:
            text += self._end()
        return msgspec.structs.replace(
            piece, text=text, tool_calls=self._take_calls(), finish=self._finish(piece.finish), logprobs=None
        )

    def _feed(self, text: str) -> str:
        if self._finder is not None and text:
            text = self._finder.feed(text)
        return text if self._json is None else self._json.feed(text)

    def _end(self) -> str:
        """What was held back."""
        text = "" if self._finder is None else self._finder.finish()
        if self._json is not None:
            text = self._json.feed(text) + self._json.finish()
        return text

    def _take_calls(self) -> tuple[ToolCallPiece, ...]:
        """The calls that have been found since the last time; only the first of all where one is allowed."""
        if self._finder is None or not self._finder.calls:
            return ()
        found, self._finder.calls = self._finder.calls, []
        if self._emulation.single:
            found = found[: 1 - self._called]
        begun = self._called
        self._called += len(found)
        return tuple(self._written(begun + place, call) for place, call in enumerate(found))

    def _finish(self, finish: Finish | None) -> Finish | None:
        return "tool_calls" if finish == "stop" and self._called else finish

    def _written(self, place: int, call: SaidCall) -> ToolCallPiece:
        """With a name of its own: the same for the same call in the same place, another one in another turn."""
        said = "\0".join((str(self._emulation.turn), str(self._index), str(place), call.name, call.arguments))
        digest = hashlib.sha256(said.encode("utf-8", "surrogatepass")).hexdigest()
        return ToolCallPiece(place, f"call_{digest[:24]}", call.name, call.arguments)
