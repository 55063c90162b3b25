"""One connection of a pool: an exchange at a time over a wire.

Law: it never decides; it tells what happened (``Lost``, ``Malformed``) and how far the request had come.
Owned by whoever holds its seat; closed by its owner, at once, wherever an exchange was left half way.
"""

import trio

from lodestard.upstream.alarms import NEVER
from lodestard.upstream.answer import AnswerReader
from lodestard.upstream.faults import Lost
from lodestard.upstream.wire import Wire


class Connection:
    """An open connection. ``idle_since_s`` is on trio's clock."""

    __slots__ = ("_wire", "idle_since_s", "may_have_acted", "reader")

    def __init__(self, wire: Wire) -> None:
        self._wire = wire
        self.idle_since_s = trio.current_time()
        self.may_have_acted = False
        self.reader = AnswerReader()

    def is_stale(self) -> bool:
        """Whether the peer has closed it, or spoke unasked, while it was idle."""
        return self._wire.is_stale()

    def close(self) -> None:
        self._wire.close()

    async def ask(self, request: bytes, *, bodiless: bool, due_s: float = NEVER) -> None:
        """Send a whole request and read the head of its answer, by ``due_s`` at the latest.

        Raises ``Lost``, ``Malformed`` and ``Expired``. ``may_have_acted`` then, or on a cancel, says whether the
        server can have had all of the request.
        """
        self.reader.begin(bodiless=bodiless)
        self.may_have_acted = not self._wire.exact
        written = await self._send(request, due_s)
        while not self.reader.head_done:
            try:
                await self.receive(due_s)
            except Lost as lost:
                raise Lost(written=written, answered=lost.answered) from None

    async def _send(self, request: bytes, due_s: float) -> bool:
        """Whether all of it was sent. Where it was not, the server may still have answered early (RFC 9112 9.6)."""
        try:
            await self._wire.send_all(request, due_s)
        except trio.BrokenResourceError:
            self.may_have_acted = False
            self.reader.excess = True
            return False
        self.may_have_acted = True
        return True

    def receive_nowait(self) -> bool:
        """Read what is already here, if anything is. Raises as ``receive`` does."""
        try:
            data = self._wire.receive_nowait()
        except trio.BrokenResourceError:
            raise Lost(written=True, answered=self.reader.answered) from None
        if data is None:
            return False
        self._accept(data)
        return True

    async def receive(self, due_s: float = NEVER) -> None:
        """Wait for bytes and read them.

        Raises ``Lost`` where the connection ended too early, ``Malformed``; ``Expired`` where none came by ``due_s``.
        """
        try:
            data = await self._wire.receive(due_s)
        except trio.BrokenResourceError:
            raise Lost(written=True, answered=self.reader.answered) from None
        self._accept(data)

    def _accept(self, data: bytes | memoryview) -> None:
        if data:
            self.reader.feed(data)
        else:
            self.reader.feed_eof()
