"""Accepts connections and serves each in a task of its own, until drained or cancelled.

Law: nothing that a client does ends the server or makes it spin. Owner: ``serve`` owns its listeners, its
connections and the tasks that watch over them; ``begin_drain`` and cancellation end them.
"""

import os
import socket
import ssl
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial

import trio

from lodestard.domain.clock import Clock
from lodestard.domain.errors import Code, HouseFault
from lodestard.domain.settings import Limits
from lodestard.http import answer
from lodestard.http.acceptor import Acceptor
from lodestard.http.connection import Connection
from lodestard.http.door import Door
from lodestard.http.link import Link
from lodestard.http.listeners import name_place
from lodestard.http.peer import read_peer
from lodestard.http.sentry import Sentry
from lodestard.http.terms import Handler, Terms, WriteFault
from lodestard.http.tls_wire import TlsWire
from lodestard.http.traffic import Traffic
from lodestard.http.wire import Wire

FindContext = Callable[[], ssl.SSLContext]
HTTPS = "https://"
DRAIN_GRACE_S = 0.25
"""For how long idle connections stay open in a drain: a request that is on its way to us is still answered."""

_TCP_OPTIONS = (
    (socket.IPPROTO_TCP, socket.TCP_NODELAY, 1),
    (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
    (socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 60),
    (socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 15),
    (socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 4),
)
"""Set on the listener: Linux hands them on to what it accepts. A client whose machine is gone is noticed in 2 min."""


class HttpServer:
    """Our HTTP/1.1 server. ``allowed_hosts`` None admits any Host (for a Unix socket).

    ``find_context`` gives what a new connection is served with that comes in under TLS.
    """

    def __init__(
        self,
        handler: Handler,
        *,
        limits: Limits,
        clock: Clock,
        allowed_hosts: frozenset[str] | None,
        allowed_origins: frozenset[str],
        write_fault: WriteFault,
        find_context: FindContext | None = None,
    ) -> None:
        self._terms = Terms(handler, Door(allowed_hosts, allowed_origins), clock, write_fault)
        self._limits = limits
        self._find_context = find_context
        self._dates = answer.DateLine(clock)
        self._traffic = Traffic(limits)
        self._drain_asked = trio.Event()
        self._closed = trio.Event()
        self.addresses: tuple[str, ...] = ()

    @property
    def connections(self) -> int:
        """How many are open."""
        return self._traffic.connections

    @property
    def exchanges(self) -> int:
        """How many requests are with the handler."""
        return self._traffic.exchanges

    def begin_drain(self) -> None:
        """Stop accepting, close idle connections, and say ``connection: close`` in the answers to come. ``serve``
        returns when the last exchange has ended; how long that may take is the caller's to bound.
        """
        self._traffic.draining = True
        self._drain_asked.set()

    async def wait_closed(self) -> None:
        """Wait until ``serve`` has returned."""
        await self._closed.wait()

    async def serve(
        self,
        listeners: Sequence[trio.SocketListener],
        secure: Sequence[trio.SocketListener] = (),
        *,
        task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
    ) -> None:
        """Serve until drained. Cancellation closes every connection at once. Closes the listeners in any case.

        ``secure`` ones are served under TLS; their addresses begin with ``https://``.
        """
        try:
            with _taken_over(listeners) as plain, _taken_over(secure) as sealed, Sentry() as sentry:
                names = [name_place(sock.getsockname()) for sock in plain]
                self.addresses = (*names, *(f"{HTTPS}{name_place(sock.getsockname())}" for sock in sealed))
                entrances = [*((sock, False) for sock in plain), *((sock, True) for sock in sealed)]
                async with trio.open_nursery() as watchers:
                    watchers.start_soon(sentry.run)
                    watchers.start_soon(self._traffic.run_sweeper)
                    task_status.started()
                    await self._serve_connections(entrances, sentry)
                    watchers.cancel_scope.cancel()
        finally:
            self._closed.set()

    async def _serve_connections(self, entrances: Sequence[tuple[socket.socket, bool]], sentry: Sentry) -> None:
        async with trio.open_nursery() as connections:
            async with trio.open_nursery() as accepting:
                for sock, secure in entrances:
                    lobby = _Lobby(sentry, connections, secure)
                    accepting.start_soon(Acceptor(sock, partial(self._begin, lobby)).run)
                await self._drain_asked.wait()
                accepting.cancel_scope.cancel()
            for sock, _ in entrances:
                sock.close()
            await trio.sleep(DRAIN_GRACE_S if self._traffic.connections else 0)
            self._traffic.close_idle()

    def _begin(self, lobby: "_Lobby", sock: socket.socket, address: object) -> None:
        try:
            sock.setblocking(False)
            peer = read_peer(sock, address)
        except OSError:
            sock.close()
            return
        if not self._traffic.admit(peer):
            self._turn_away(sock, secure=lobby.secure)
            return
        wire = self._make_wire(sock, secure=lobby.secure)
        link = Link(wire, peer, self._limits, self._dates, lobby.sentry, self._traffic, lobby.secure)
        lobby.connections.start_soon(self._run_connection, link)

    def _make_wire(self, sock: socket.socket, *, secure: bool) -> Wire:
        if not secure:
            return Wire(sock, self._limits.write_timeout_s)
        assert self._find_context is not None, "a secure listener without a certificate"
        return TlsWire(sock, self._limits.write_timeout_s, self._find_context())

    async def _run_connection(self, link: Link) -> None:
        try:
            await Connection(link, self._terms).run()
        finally:
            self._traffic.release(link.peer)

    def _turn_away(self, sock: socket.socket, *, secure: bool) -> None:
        """Say why, where that can be said without shaking hands first."""
        if secure:
            sock.close()
            return
        wire = Wire(sock, self._limits.write_timeout_s)
        fault = HouseFault(
            Code.OVERLOADED, "There are too many connections; close some, or try later.", retry_after_s=1
        )
        wire.send_if_possible(answer.write_refusal(*self._terms.write(fault, ""), self._dates.read()))
        wire.close()


@dataclass(frozen=True, slots=True)
class _Lobby:
    """Where connections go that come in by one listener."""

    sentry: Sentry
    connections: trio.Nursery
    secure: bool


@contextmanager
def _taken_over(listeners: Sequence[trio.SocketListener]) -> Iterator[list[socket.socket]]:
    """The listeners' sockets as plain ones, closed in the end with the listeners."""
    with ExitStack() as stack:
        for listener in listeners:
            stack.callback(listener.socket.close)
        yield [stack.enter_context(_take_over(listener.socket)) for listener in listeners]


def _take_over(sock: trio.socket.SocketType) -> socket.socket:
    plain = socket.socket(sock.family, sock.type, sock.proto, fileno=os.dup(sock.fileno()))
    plain.setblocking(False)
    if plain.family != socket.AF_UNIX:
        for level, option, value in _TCP_OPTIONS:
            plain.setsockopt(level, option, value)
    sock.close()
    return plain
