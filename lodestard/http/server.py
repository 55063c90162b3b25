"""Accepts connections and serves each in a task of its own, until drained or cancelled.

Law: nothing that a client does ends the server or makes it spin. Owner: ``serve`` owns its listeners, its
connections and the tasks that watch over them; ``begin_drain`` and cancellation end them.
"""

import logging
import os
import resource
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
from lodestard.http.load import Load
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

KEPT_DESCRIPTORS = 32
"""Of the process's, for the control socket, the ledger and upstreams: no client of the proxy gets one of them."""
WARN_EVERY_S = 10.0

_TCP_OPTIONS = (
    (socket.IPPROTO_TCP, socket.TCP_NODELAY, 1),
    (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
    (socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 60),
    (socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 15),
    (socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 4),
)
"""Set on the listener: Linux hands them on to what it accepts. A client whose machine is gone is noticed in 2 min."""


logger = logging.getLogger(__name__)


class HttpServer:
    """Our HTTP/1.1 server. ``allowed_hosts`` None admits any Host (for a Unix socket).

    Connections that leave the process fewer than ``kept_descriptors`` are turned away. ``find_context`` gives what a
    new connection is served with that comes in under TLS. ``load`` is what others count too.
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
        kept_descriptors: int = 0,
        find_context: FindContext | None = None,
        load: Load | None = None,
    ) -> None:
        self._terms = Terms(handler, Door(allowed_hosts, allowed_origins), clock, write_fault)
        self._limits = limits
        self._kept_descriptors = kept_descriptors
        self._silent_until_s = -1.0
        self._find_context = find_context
        self._dates = answer.DateLine(clock)
        self._traffic = Traffic(limits, load)
        self._drain_asked = trio.Event()
        self._closed = trio.Event()
        self._entrances: Sequence[tuple[socket.socket, bool]] = ()
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

    def hand_on(self, *, secure: bool = False) -> list[int]:
        """Descriptors for the listening sockets, the plain ones or those under TLS, which stay open when ``serve``
        closes them: clients that come in a drain then wait in the backlog for whoever accepts next. They are the
        caller's, and close-on-exec.
        """
        return [os.dup(sock.fileno()) for sock, is_secure in self._entrances if is_secure is secure]

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
                self._entrances = [*((sock, False) for sock in plain), *((sock, True) for sock in sealed)]
                self.addresses = tuple(_name(sock, secure=is_secure) for sock, is_secure in self._entrances)
                async with trio.open_nursery() as watchers:
                    watchers.start_soon(sentry.run)
                    watchers.start_soon(self._traffic.run_sweeper, self._limits.keep_alive_s)
                    watchers.start_soon(self._close_waiting)
                    task_status.started()
                    await self._serve_connections(self._entrances, sentry)
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
            self._entrances = ()
            for sock, _ in entrances:
                sock.close()

    async def _close_waiting(self) -> None:
        """In a drain: end connections that wait for a request, also those whose answer began before it."""
        await self._drain_asked.wait()
        await trio.sleep(DRAIN_GRACE_S)
        await self._traffic.run_sweeper(DRAIN_GRACE_S)

    def _begin(self, lobby: "_Lobby", sock: socket.socket, address: object, freed: Callable[[], None]) -> None:
        try:
            sock.setblocking(False)
            peer = read_peer(sock, address)
        except OSError:
            sock.close()
            freed()
            return
        if self._is_last_but_few(sock.fileno()) or not self._traffic.admit(peer):
            self._turn_away(sock, secure=lobby.secure)
            freed()
            return
        wire = self._make_wire(sock, secure=lobby.secure)
        link = Link(wire, peer, self._limits, self._dates, lobby.sentry, self._traffic, lobby.secure)
        lobby.connections.start_soon(self._run_connection, link, freed)

    def _make_wire(self, sock: socket.socket, *, secure: bool) -> Wire:
        if not secure:
            return Wire(sock, self._limits.write_timeout_s, self._traffic.load)
        assert self._find_context is not None, "a secure listener without a certificate"
        return TlsWire(sock, self._limits.write_timeout_s, self._traffic.load, self._find_context())

    async def _run_connection(self, link: Link, freed: Callable[[], None]) -> None:
        try:
            await Connection(link, self._terms).run()
        finally:
            freed()
            self._traffic.release(link.peer)

    def _is_last_but_few(self, fd: int) -> bool:
        """Whether what is kept would be used up. A new descriptor is the lowest that is free (open(2))."""
        if not self._kept_descriptors:
            return False
        most, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        if most == resource.RLIM_INFINITY or fd < most - self._kept_descriptors:
            return False
        if trio.current_time() > self._silent_until_s:
            self._silent_until_s = trio.current_time() + WARN_EVERY_S
            logger.warning("connections are turned away: this process may open %d files, and has", most)
        return True

    def _turn_away(self, sock: socket.socket, *, secure: bool) -> None:
        """Say why, where that can be said without shaking hands first."""
        if secure:
            sock.close()
            return
        wire = Wire(sock, self._limits.write_timeout_s, self._traffic.load)
        fault = HouseFault(
            Code.OVERLOADED, "There are too many connections; close some, or try later.", retry_after_s=1
        )
        self._traffic.load.note_turned_away()
        wire.send_if_possible(answer.write_refusal(*self._terms.write(fault, ""), self._dates.read()))
        wire.close()


@dataclass(frozen=True, slots=True)
class _Lobby:
    """Where connections go that come in by one listener."""

    sentry: Sentry
    connections: trio.Nursery
    secure: bool


def _name(sock: socket.socket, *, secure: bool) -> str:
    return f"{HTTPS if secure else ''}{name_place(sock.getsockname())}"


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
