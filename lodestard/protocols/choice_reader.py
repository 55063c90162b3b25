"""A reader around a reader: the text of each choice is read once more, for what was asked for in words.

Law: implements ``ReplyReader``. Usage, names, reasoning and faults are the inner reader's. What is held back of a
choice goes out when it ends, or when the answer is whole; of an answer that broke it is lost, as whatever had not
come yet.
"""

from collections.abc import Callable
from typing import Protocol

from lodestard.domain.errors import Fault
from lodestard.domain.reply import Piece
from lodestard.protocols.codec import ReplyReader


class ChoiceText(Protocol):
    """Reads the text of one choice."""

    def read(self, piece: Piece, *, last: bool) -> Piece:
        """``piece`` as it goes on. ``last``: nothing is held back any more."""
        ...


class ChoiceReader:
    """Reads one answer. ``open_choice`` gives the reader of the choice of an index."""

    __slots__ = ("_ended", "_inner", "_open_choice", "_opened")

    body = b""

    def __init__(self, inner: ReplyReader, open_choice: Callable[[int], ChoiceText]) -> None:
        self._inner = inner
        self._open_choice = open_choice
        self._opened: dict[int, ChoiceText] = {}
        self._ended: set[int] = set()

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
            read += [self._end(Piece(choice=index)) for index in self._opened if index not in self._ended]
        return read

    def _piece(self, piece: Piece) -> Piece:
        if piece.choice not in self._opened:
            self._opened[piece.choice] = self._open_choice(piece.choice)
        return self._end(piece) if piece.finish else self._opened[piece.choice].read(piece, last=False)

    def _end(self, piece: Piece) -> Piece:
        self._ended.add(piece.choice)
        return self._opened[piece.choice].read(piece, last=True)
