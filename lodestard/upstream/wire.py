"""One open connection as bytes: plain TCP, or any trio stream (TLS, a test's memory).

Law: ``close`` is sync and never fails, so that a cancelled request can always leave. A lost connection is
``trio.BrokenResourceError``, one that waited beyond ``due_s`` (trio's clock) ``Expired``. What ``receive`` gives is
valid until the next call on any connection of the pool: they share one buffer.
"""

import select
import socket
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Final, Protocol

import trio

from lodestard.upstream.alarms import NEVER, Alarms
from lodestard.upstream.faults import Expired

RECEIVE_BYTES: Final = 64 * 1024
_EAGER_LIMIT: Final = 16


class Wire(Protocol):
    """What a connection is made of."""

    @property
    def exact(self) -> bool:
        """Whether a send that did not return surely left some of its bytes unsent, whatever ended it."""
        ...

    async def send_all(self, data: bytes, due_s: float = NEVER) -> None: ...

    def receive_nowait(self) -> bytes | memoryview | None:
        """What is already here; empty at the peer's end, None where one has to wait."""
        ...

    async def receive(self, due_s: float = NEVER) -> bytes | memoryview:
        """At least one byte, or empty at the peer's end."""
        ...

    def is_stale(self) -> bool:
        """Asked while nothing is expected: whether the peer has closed it or says something."""
        ...

    def close(self) -> None: ...


class TcpWire:
    """A connected TCP socket, read without a task switch where bytes are already here.

    trio's own stream gives way to the other tasks on every call; this one when it has to wait, and after
    sixteen reads that did not. It takes the socket over from ``stream``.
    """

    __slots__ = ("_alarms", "_buffer", "_eager", "_poll", "_rang", "_socket")

    exact = True

    def __init__(self, stream: trio.SocketStream, buffer: memoryview, alarms: Alarms | None = None) -> None:
        self._alarms = alarms or Alarms()
        self._rang = False
        self._socket = socket.socket(fileno=stream.socket.detach())
        self._socket.setblocking(False)
        self._buffer = buffer
        self._eager = 0
        self._poll = select.poll()
        self._poll.register(self._socket, select.POLLIN | select.POLLRDHUP)

    async def send_all(self, data: bytes, due_s: float = NEVER) -> None:
        self._eager = 0
        sent = self._send(data)
        if sent == len(data):
            return
        rest = memoryview(data)[sent:]
        while rest:
            await self._wait(trio.lowlevel.wait_writable, due_s)
            rest = rest[self._send(rest) :]

    def receive_nowait(self) -> memoryview | None:
        if not 0 < self._eager <= _EAGER_LIMIT:  # nothing can be here just after a request
            return None
        self._eager += 1
        return self._receive()

    async def receive(self, due_s: float = NEVER) -> memoryview:
        self._eager = 1
        while True:
            await self._wait(trio.lowlevel.wait_readable, due_s)
            data = self._receive()
            if data is not None:
                return data

    async def _wait(self, ready: Callable[[socket.socket], Awaitable[None]], due_s: float) -> None:
        alarms = self._alarms
        if not alarms.watching:
            with _within(due_s):
                await ready(self._socket)
            return
        self._rang = False
        alarms.set(self, due_s)
        try:
            await ready(self._socket)
        except trio.ClosedResourceError:
            if self._rang:
                raise Expired from None
            raise
        finally:
            alarms.clear(self)

    def ring(self) -> None:
        """It has waited long enough: wake whoever waits. The connection is of no use after that."""
        self._rang = True
        trio.lowlevel.notify_closing(self._socket)

    def is_stale(self) -> bool:
        return self._poll.poll(0) != []

    def close(self) -> None:
        if self._socket.fileno() >= 0:
            trio.lowlevel.notify_closing(self._socket)
            self._socket.close()

    def _send(self, data: bytes | memoryview) -> int:
        try:
            return self._socket.send(data)
        except BlockingIOError:
            return 0
        except OSError as error:
            raise trio.BrokenResourceError from error

    def _receive(self) -> memoryview | None:
        try:
            return self._buffer[: self._socket.recv_into(self._buffer)]
        except BlockingIOError:
            return None
        except OSError as error:
            raise trio.BrokenResourceError from error


class StreamWire:
    """A trio stream. ``close_now`` closes it without waiting.

    ``is_gone`` is asked whether the peer has gone, and told whether anything was ever read: with TLS 1.3 a
    server sends session tickets on its own, so bytes that wait on a new connection say nothing.
    """

    __slots__ = ("_close_now", "_is_gone", "_stream", "_was_read")

    exact = False

    def __init__(
        self, stream: trio.abc.Stream, close_now: Callable[[], None], is_gone: Callable[[bool], bool]
    ) -> None:
        self._stream = stream
        self._close_now = close_now
        self._is_gone = is_gone
        self._was_read = False

    async def send_all(self, data: bytes, due_s: float = NEVER) -> None:
        with _within(due_s):
            await self._stream.send_all(data)

    def receive_nowait(self) -> None:
        return None

    async def receive(self, due_s: float = NEVER) -> bytes:
        with _within(due_s):
            data = await self._stream.receive_some(RECEIVE_BYTES)
        self._was_read = True
        return bytes(data)

    def is_stale(self) -> bool:
        return self._is_gone(self._was_read)

    def close(self) -> None:
        self._close_now()


@contextmanager
def _within(due_s: float) -> Iterator[None]:
    """Raises ``Expired`` where the inside is not done by then."""
    with trio.CancelScope(deadline=due_s) as scope:
        yield
    if scope.cancelled_caught:
        raise Expired


def is_socket_gone(fd: int, was_read: bool) -> bool:
    """Whether the peer has closed its side, or, on a connection that was read from, says something unasked."""
    poll = select.poll()
    poll.register(fd, select.POLLRDHUP | (select.POLLIN if was_read else 0))
    return bool(poll.poll(0))
