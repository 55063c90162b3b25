"""The frame of every reader of a plain answer: gather the body, read it once it is whole.

Law: memory is bounded; the body itself is kept where the client speaks the same dialect.
"""

from typing import Protocol

from lodestard.domain.errors import Code, Fault, UpstreamFault
from lodestard.domain.reply import Piece
from lodestard.protocols.codec import MAX_ANSWER_BYTES
from lodestard.protocols.event_reader import cut


class ReadWhole(Protocol):
    """A whole body → its pieces. Raises ``UpstreamFault``: cut, garbage, or the error that it holds."""

    def __call__(self, body: bytes, *, passing: bool) -> list[Piece]: ...


class WholeReader:
    """Reads one plain answer; a ``ReplyReader``. Its pieces come when all of it is there."""

    __slots__ = ("_held", "_most_bytes", "_passing", "_read", "body", "done", "fault")

    def __init__(self, read: ReadWhole, *, passing: bool, most_bytes: int = MAX_ANSWER_BYTES) -> None:
        self._read = read
        self._most_bytes = most_bytes
        self._held = bytearray()
        self._passing = passing
        self.body = b""
        self.done = False
        self.fault: Fault | None = None

    def feed(self, data: bytes) -> list[Piece]:
        if self.fault is not None:
            raise self.fault
        self._held += data
        if len(self._held) > self._most_bytes:
            self._held.clear()
            text = f"The upstream's answer is larger than {self._most_bytes} bytes."
            self.fault = UpstreamFault(Code.UPSTREAM_GARBAGE, text)
            raise self.fault
        return []

    def finish(self) -> list[Piece]:
        if self.fault is not None:
            raise self.fault
        if self.done:
            return []
        body = bytes(self._held)
        self._held.clear()
        try:
            pieces = self._read(body, passing=self._passing)
        except Fault as fault:
            self.fault = fault
            raise
        self.body = body if self._passing else b""
        self.done = True
        return pieces


def broken(body: bytes, garbage: UpstreamFault) -> UpstreamFault:
    """What a body is that can't be read: half of one, or ``garbage``."""
    text = body.strip()
    return cut() if text[:1] in (b"", b"{") and text[-1:] != b"}" else garbage
