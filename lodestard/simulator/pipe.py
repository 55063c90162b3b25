"""A pair of connected in-memory streams that can be reset, so that a test sees cuts as a socket would.

Law: bytes arrive in order; a reader that stops reading stops the writer after ``BUFFER_BYTES``; after
``reset`` the other side still reads what is on the way, then gets ``BrokenResourceError``, as after an RST.
"""

import trio

BUFFER_BYTES = 65536


class _Lane:
    """One direction. Owned by the two ends of the pair, changed only in sync code between checkpoints."""

    __slots__ = ("broken", "buffer", "changed", "ended")

    def __init__(self) -> None:
        self.buffer = bytearray()
        self.ended = False
        self.broken = False
        self.changed = trio.lowlevel.ParkingLot()

    def wake(self) -> None:
        self.changed.unpark_all()

    def break_off(self) -> None:
        self.broken = True
        self.wake()


class PipeStream(trio.abc.HalfCloseableStream):
    """One end of a pair made by `open_pipe`."""

    def __init__(self, incoming: _Lane, outgoing: _Lane) -> None:
        self._incoming = incoming
        self._outgoing = outgoing
        self._closed = False

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        """Sends it all. Cancelled: an unknown part was sent."""
        await trio.lowlevel.checkpoint()
        lane, rest = self._outgoing, memoryview(data)
        while True:
            self._check_open(lane)
            if lane.ended:
                raise trio.ClosedResourceError
            room = BUFFER_BYTES - len(lane.buffer)
            if room > 0:
                lane.buffer += rest[:room]
                rest = rest[room:]
                lane.wake()
            if not rest:
                return
            await lane.changed.park()

    async def wait_send_all_might_not_block(self) -> None:
        self._check_open(self._outgoing)
        while len(self._outgoing.buffer) >= BUFFER_BYTES:
            await self._outgoing.changed.park()
            self._check_open(self._outgoing)
        await trio.lowlevel.checkpoint()

    async def send_eof(self) -> None:
        await trio.lowlevel.checkpoint()
        self._outgoing.ended = True
        self._outgoing.wake()

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        """Some bytes, or ``b""`` once the other end closed. Cancelled: nothing is lost."""
        await trio.lowlevel.checkpoint()
        lane = self._incoming
        while True:
            if lane.buffer and not self._closed:
                data = bytes(lane.buffer[:max_bytes])
                del lane.buffer[: len(data)]
                lane.wake()
                return data
            self._check_open(lane)
            if lane.ended:
                return b""
            await lane.changed.park()

    async def aclose(self) -> None:
        self._close(reset=False)
        await trio.lowlevel.checkpoint()

    @property
    def left(self) -> bool:
        """Whether the other end has closed, or was reset."""
        return self._incoming.ended or self._incoming.broken

    def reset(self) -> None:
        """Sync: cut both directions as an RST does. What was sent still arrives; nothing can be sent back."""
        self._close(reset=True)

    def _close(self, *, reset: bool) -> None:
        if self._closed:
            return
        self._closed = True
        if reset:
            self._outgoing.break_off()
        self._outgoing.ended = True
        self._outgoing.wake()
        self._incoming.break_off()

    def _check_open(self, lane: _Lane) -> None:
        if self._closed:
            raise trio.ClosedResourceError
        if lane.broken:
            raise trio.BrokenResourceError


def open_pipe() -> tuple[PipeStream, PipeStream]:
    """Two connected ends."""
    one, other = _Lane(), _Lane()
    return PipeStream(one, other), PipeStream(other, one)
