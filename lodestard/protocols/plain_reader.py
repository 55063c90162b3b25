"""The frame of a reader of plain answers: gather the body, read it when all of it is there.

Law: what is held is bounded, and a body is read once. The body itself is kept where the client speaks the same
dialect.
"""

from collections.abc import Callable

from lodestard.domain.errors import Code, Fault, UpstreamFault
from lodestard.domain.reply import Piece
from lodestard.protocols.codec import MAX_ANSWER_BYTES


class BodyReader:
    """Reads one plain answer; a ``ReplyReader``. ``read`` makes pieces of a whole body."""

    __slots__ = ("_held", "_keep", "_read", "body", "done", "fault")

    def __init__(self, read: Callable[[bytes], list[Piece]], *, keep: bool) -> None:
        """``keep``: the client gets the very body."""
        self._held = bytearray()
        self._read = read
        self._keep = keep
        self.body = b""
        self.done = False
        self.fault: Fault | None = None

    def feed(self, data: bytes) -> list[Piece]:
        if self.fault is not None:
            raise self.fault
        self._held += data
        if len(self._held) > MAX_ANSWER_BYTES:
            self._held.clear()
            self.fault = UpstreamFault(
                Code.UPSTREAM_GARBAGE, f"The upstream's answer is larger than {MAX_ANSWER_BYTES} bytes."
            )
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
            pieces = self._read(body)
        except Fault as fault:
            self.fault = fault
            raise
        self.body = body if self._keep else b""
        self.done = True
        return pieces
