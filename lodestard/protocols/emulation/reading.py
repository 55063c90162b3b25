"""The answer: a reader around a reader, which finds in the text what was asked for by instruction.

Law: implements ``ReplyReader``. Usage, names, reasoning and faults are the inner reader's. What is held back goes out
when its choice ends; of an answer that broke it is lost, as whatever had not come yet.
"""

import hashlib

import msgspec

from lodestard.domain.errors import Fault
from lodestard.domain.reply import Finish, Piece, ToolCallPiece
from lodestard.protocols.codec import Emulation, ReplyReader
from lodestard.protocols.emulation.finding import CallFinder
from lodestard.protocols.emulation.json_only import JsonOnly
from lodestard.protocols.emulation.said_calls import SaidCall


class EmulatedReader:
    """Reads one answer."""

    __slots__ = ("_choices", "_emulation", "_inner")

    body = b""

    def __init__(self, inner: ReplyReader, emulation: Emulation) -> None:
        self._inner = inner
        self._emulation = emulation
        self._choices: dict[int, _Choice] = {}

    @property
    def done(self) -> bool:
        return self._inner.done

    @property
    def fault(self) -> Fault | None:
        return self._inner.fault

    def feed(self, data: bytes) -> list[Piece]:
        return self._read(self._inner.feed(data))

    def finish(self) -> list[Piece]:
        return self._read(self._inner.finish())

    def _read(self, pieces: list[Piece]) -> list[Piece]:
        read = [self._piece(piece) if piece.text or piece.finish else piece for piece in pieces]
        if self._inner.done and self._inner.fault is None:
            read += [self._piece(Piece(choice=index)) for index, one in self._choices.items() if not one.ended]
        return read

    def _piece(self, piece: Piece) -> Piece:
        choice = self._choices.get(piece.choice)
        if choice is None:
            choice = self._choices[piece.choice] = _Choice(self._emulation, piece.choice)
        text = choice.feed(piece.text)
        if piece.finish or not piece.text:
            text += choice.end()
        calls = choice.take_calls()
        return msgspec.structs.replace(
            piece, text=text, tool_calls=calls, finish=choice.finish_of(piece.finish), logprobs=None
        )


class _Choice:
    """What is known of one choice."""

    __slots__ = ("_called", "_emulation", "_finder", "_index", "_json", "ended")

    def __init__(self, emulation: Emulation, index: int) -> None:
        self._emulation = emulation
        self._index = index
        self._finder = CallFinder(emulation.tools) if emulation.tools else None
        self._json = JsonOnly(emulation.opening) if emulation.opening else None
        self._called = 0
        self.ended = False

    def feed(self, text: str) -> str:
        if self._finder is not None and text:
            text = self._finder.feed(text)
        return text if self._json is None else self._json.feed(text)

    def end(self) -> str:
        """What was held back."""
        self.ended = True
        text = "" if self._finder is None else self._finder.finish()
        if self._json is not None:
            text = self._json.feed(text) + self._json.finish()
        return text

    def take_calls(self) -> tuple[ToolCallPiece, ...]:
        """The calls that have been found since the last time; only the first of all where one is allowed."""
        if self._finder is None or not self._finder.calls:
            return ()
        found, self._finder.calls = self._finder.calls, []
        if self._emulation.single:
            found = found[: 1 - self._called]
        begun = self._called
        self._called += len(found)
        return tuple(self._written(begun + place, call) for place, call in enumerate(found))

    def finish_of(self, finish: Finish | None) -> Finish | None:
        return "tool_calls" if finish == "stop" and self._called else finish

    def _written(self, place: int, call: SaidCall) -> ToolCallPiece:
        """With a name of its own: the same for the same call in the same place, another one in another turn."""
        said = "\0".join((str(self._emulation.turn), str(self._index), str(place), call.name, call.arguments))
        digest = hashlib.sha256(said.encode("utf-8", "surrogatepass")).hexdigest()
        return ToolCallPiece(place, f"call_{digest[:24]}", call.name, call.arguments)
