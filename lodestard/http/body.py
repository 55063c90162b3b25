"""The body of one request, read under the limits.

Law: nothing past ``body_bytes`` is kept, a body that comes slower than ``body_min_bytes_per_s`` after
``body_grace_s`` is given up, and no answer is read out of the next request's bytes. All that is kept of it is
counted, until ``release``.
"""

import trio

from lodestard.domain.errors import CallerFault, Code, HouseFault
from lodestard.domain.settings import Limits
from lodestard.http.answer import CONTINUE
from lodestard.http.chunks import ChunkReader, TooLarge
from lodestard.http.faults import Refused
from lodestard.http.head import RequestHead
from lodestard.http.load import Load
from lodestard.http.wire import Wire


class RequestBody:
    """``wait_continue``: the client sends it only after a 100 (RFC 9110 section 10.1.1)."""

    __slots__ = (
        "_chunks",
        "_content",
        "_held_bytes",
        "_length",
        "_limits",
        "_load",
        "_since_s",
        "_wait_continue",
        "_wire",
    )

    def __init__(self, head: RequestHead, wire: Wire, limits: Limits, load: Load) -> None:
        self._wire = wire
        self._load = load
        self._held_bytes = 0
        self._limits = limits
        self._length = head.length
        self._chunks = ChunkReader(limits.body_bytes) if head.length is None else None
        self._content: bytes | None = b"" if head.length == 0 else None
        self._wait_continue = head.continues
        self._since_s = 0.0

    async def read(self) -> bytes:
        """Raises ``CallerFault``, or ``HouseFault`` where there is no room for it; then the connection can't go on.

        May be called again after a cancellation.
        """
        if not self._take():
            await self._ask_for_it()
            self._since_s = trio.current_time()
            while not self._take():
                await self._receive()
        assert self._content is not None
        if self._held_bytes < len(self._content):
            self.hold(len(self._content))
        return self._content

    def hold(self, size_bytes: int) -> None:
        """Count that so much is kept of it. Raises ``HouseFault`` where that is too much."""
        if not self._load.take(size_bytes - self._held_bytes):
            raise HouseFault(
                Code.OVERLOADED, "There is no memory left for the request's body; try again.", retry_after_s=1
            )
        self._held_bytes = size_bytes

    def release(self) -> None:
        """Nothing is kept any more."""
        self._load.put(-self._held_bytes)
        self._held_bytes = 0

    def settle(self) -> bool:
        """Before the answer: use up what has come; True where that was all, so that a next request may follow."""
        self._wait_continue = False  # after the answer's head a 100 would be a part of its body
        try:
            return self._take()
        except CallerFault:
            return False

    def _take(self) -> bool:
        if self._content is not None:
            return True
        if self._chunks is not None:
            return self._take_chunks(self._chunks)
        return self._take_sized(self._length or 0)

    def _take_sized(self, length: int) -> bool:
        if length > self._limits.body_bytes:
            raise self._too_large()
        received = self._wire.received
        if len(received) < length:
            return False
        if len(received) == length:
            self._content = bytes(received)
            received.clear()
            return True
        with memoryview(received) as view, view[:length] as part:
            self._content = bytes(part)
        del received[:length]
        return True

    def _take_chunks(self, chunks: ChunkReader) -> bool:
        try:
            chunks.take(self._wire.received)
        except TooLarge:
            raise self._too_large() from None
        except Refused as refused:
            raise refused.fault from None
        if chunks.complete:
            self._content = bytes(chunks.body)
            self._chunks = None
        return chunks.complete

    async def _ask_for_it(self) -> None:
        if self._wait_continue and not self._wire.received:
            await self._wire.send(CONTINUE)
        self._wait_continue = False

    async def _receive(self) -> None:
        limits = self._limits
        got_bytes = len(self._wire.received) if self._chunks is None else len(self._chunks.body)
        self.hold(max(got_bytes, self._held_bytes))
        allowed_s = limits.body_grace_s + got_bytes / limits.body_min_bytes_per_s
        more = False
        with trio.move_on_at(self._since_s + allowed_s) as scope:
            more = await self._wire.receive()
        if scope.cancelled_caught:
            raise CallerFault(Code.REQUEST_TIMEOUT, "The request's body came too slowly.")
        if not more:
            raise CallerFault(Code.INVALID_REQUEST, "The request's body ended before it was whole.")

    def _too_large(self) -> CallerFault:
        return CallerFault(
            Code.REQUEST_TOO_LARGE, f"The request's body is larger than {self._limits.body_bytes} bytes."
        )
