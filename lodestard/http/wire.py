"""The bytes of one client's socket: what has come and is not used yet, what is sent.

Law: sends are whole, in order and never torn: what a cancelled send leaves over goes out before the next one. A
socket that takes next to nothing for ``write_timeout_s`` is lost. Owner: the connection's task; ``send`` alone may be
called from several tasks.

The socket is used directly instead of through ``trio.SocketStream``, which ends every call with a task switch:
an answer that the kernel takes at once costs one system call.
"""

import fcntl
import socket
import struct
import sys
import termios
from collections.abc import Callable, Coroutine
from typing import Any

import trio

from lodestard.http.faults import ClientLeft
from lodestard.http.load import Load

RECEIVE_BYTES = 64 * 1024
LEAST_BYTES_PER_S = 1024
"""As with bodies: who takes less is not waited for."""
_TURN_COST = 256 * 1024
_SEND_COST = 1024
_INT_BYTES = 4
_RESET = struct.pack("ii", 1, 0)


class Wire:
    """Takes over ``sock``, which must not block."""

    __slots__ = (
        "_fd",
        "_held_bytes",
        "_load",
        "_lock",
        "_rest",
        "_sock",
        "_unturned",
        "_write_timeout_s",
        "broken",
        "ended",
        "received",
    )

    def __init__(self, sock: socket.socket, write_timeout_s: float, load: Load) -> None:
        self._sock = sock
        self._load = load
        self._held_bytes = 0
        self._fd = sock.fileno()
        self._write_timeout_s = write_timeout_s
        self._lock: trio.Lock | None = None  # made when a send first has to wait
        self._rest: bytes | memoryview = b""
        self._unturned = 0
        self.received = bytearray()
        self.broken = False
        self.ended = False

    @property
    def fd(self) -> int:
        return self._fd

    @property
    def unsent(self) -> bool:
        """Whether a cancelled send left something over."""
        return bool(self._rest)

    async def shake_hands(self) -> bool:
        """Whether the connection can be spoken over: a plain one can."""
        return True

    def receive(self) -> Coroutine[Any, Any, bool]:
        """Wait for more bytes and add them to ``received``; False at the end (then ``ended``), and where
        ``stop_receiving`` came first. Raises ``ClientLeft``.
        """
        return self._receive_into(self.received.extend)

    async def _receive_into(self, sink: Callable[[bytes], object]) -> bool:
        goes_on = True
        try:
            await trio.lowlevel.wait_readable(self._fd)
        except trio.ClosedResourceError:
            goes_on = False
        try:
            data = self._sock.recv(RECEIVE_BYTES)
        except BlockingIOError:
            return goes_on
        except OSError:
            raise self._lost() from None
        if not data:
            self.ended = True
            return False
        sink(data)
        return True

    async def send(self, data: bytes) -> None:
        """Raises ``ClientLeft``. When cancelled, it is sent whole (the rest before the next send) or not at all."""
        if self.broken:
            raise ClientLeft
        if self._lock is not None and (self._rest or self._lock.locked()):
            await self._send_after(self._lock, data)
            return
        sent = self._try_send(data)
        if sent < len(data):
            self._lock = self._lock or trio.Lock()
            self._rest = memoryview(data)[sent:]
            async with self._lock:
                await self._flush()
            return
        self._unturned += sent + _SEND_COST
        if self._unturned > _TURN_COST:  # a fast reader must not keep the others waiting
            self._unturned = 0
            await trio.lowlevel.checkpoint()

    async def flush(self) -> None:
        """Send what a cancelled send left over. Raises ``ClientLeft``."""
        if self._rest and self._lock is not None:
            async with self._lock:
                await self._flush()

    async def _send_after(self, lock: trio.Lock, data: bytes) -> None:
        async with lock:
            await self._flush()
            self._rest = data
            await self._flush()

    async def _flush(self) -> None:
        try:
            while self._rest:
                self._hold(len(self._rest))
                await self._wait_writable()
                self._rest = self._rest[self._try_send(self._rest) :]
        finally:
            self._hold(len(self._rest))

    def _hold(self, size_bytes: int) -> None:
        """Count what waits here for a slow reader."""
        self._load.put(size_bytes - self._held_bytes)
        self._held_bytes = size_bytes

    async def _wait_writable(self) -> None:
        """A large buffer is writable again only after much of it is gone: a slow reader is told by what is acked."""
        while True:
            queued_bytes = self._queued_bytes()
            with trio.move_on_after(self._write_timeout_s) as scope:
                await trio.lowlevel.wait_writable(self._fd)
            if not scope.cancelled_caught:
                return
            if queued_bytes - self._queued_bytes() < LEAST_BYTES_PER_S * self._write_timeout_s:
                self.reset_on_close()
                raise self._lost()

    def _queued_bytes(self) -> int:
        """What the kernel has of ours that the other end has not taken (SIOCOUTQ, tcp(7) and unix(7))."""
        try:
            return int.from_bytes(fcntl.ioctl(self._fd, termios.TIOCOUTQ, bytes(_INT_BYTES)), sys.byteorder)
        except OSError:
            return 0

    def _try_send(self, data: bytes | memoryview) -> int:
        if self.broken:
            raise ClientLeft
        try:
            return self._sock.send(data)
        except BlockingIOError:
            return 0
        except OSError:
            raise self._lost() from None

    def _lost(self) -> ClientLeft:
        self.broken = True
        return ClientLeft()

    def send_if_possible(self, data: bytes) -> None:
        """What fits at once, and no error where nothing does."""
        if not self.broken:
            try:
                self._sock.send(data)
            except OSError:
                self.broken = True

    def stop_receiving(self) -> None:
        """Wakes the task that waits in ``receive``: it gets what has come by then, otherwise False.

        The socket still takes bytes, where one shut down for reading would answer them with a reset.
        """
        if not self.broken:
            trio.lowlevel.notify_closing(self._fd)

    def end_sending(self) -> None:
        """Say that nothing follows."""
        try:
            self._sock.shutdown(socket.SHUT_WR)
        except OSError:
            self.broken = True

    def reset_on_close(self) -> None:
        """Close with a reset: an error for the client, where an end would look like a whole answer."""
        try:
            self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        except OSError:
            self.broken = True

    def close(self) -> None:
        if self._sock.fileno() >= 0:
            trio.lowlevel.notify_closing(self._sock)
            self._sock.close()
        self._hold(0)
        self.broken = True
