"""The doors of the house: the proxy's port and the control socket; how they open, and in which order they close.

Law: a port that other machines can reach serves clients with keys alone, whoever opened its socket and whatever a
reload says. The proxy closes before everything, the control socket after everything.
"""

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from ssl import SSLContext

import trio

from lodestard.config import ConfigError, ConfigFault
from lodestard.config.check_clients import KEYLESS
from lodestard.config.listen import SECURE
from lodestard.control.access import open_access
from lodestard.control.server import control_handler
from lodestard.control.server import write_fault as write_control_fault
from lodestard.control.verbs import core_verbs
from lodestard.domain.errors import Fault
from lodestard.domain.settings import Settings
from lodestard.domain.verbs import Verb
from lodestard.endpoints import Endpoints, dialect_of
from lodestard.house import House, Plan
from lodestard.http import (
    KEPT_DESCRIPTORS,
    Certificate,
    HttpServer,
    adopt_listeners,
    find_exposed,
    open_tcp_listeners,
    open_unix_listener,
)
from lodestard.panel import Panel
from lodestard.protocols import error_bodies
from lodestard.systemd import Notifier

LAST_WORDS_S = 2.0
CLOSING_S = 30.0
"""After the drain, for the rooms behind the doors; as in the unit."""
PROXY, PROXY_TLS, CONTROL = "proxy", "proxy-tls", "control"

Sockets = Mapping[str, Sequence[int]]
"""Inherited descriptors by name."""

logger = logging.getLogger(__name__)


@dataclass(slots=True)
class Port:
    """The proxy's sockets that are open, and the certificate of those under TLS. Owner: whoever opens the proxy.

    ``exposed`` are the addresses that other machines can reach; ``secure``: some are under TLS.
    """

    certificate: Certificate | None
    exposed: tuple[str, ...] = ()
    secure: bool = False

    def check(self, plan: Plan) -> None:
        """Raise ``ConfigError`` where what is open can't be served by ``plan``."""
        if self.exposed and not plan.loaded.settings.clients:
            message = f"{', '.join(self.exposed)}: {KEYLESS}"
            raise ConfigError([ConfigFault(key="clients", message=message)])
        if self.secure and plan.certificate is None:
            message = "an address under TLS is open: it needs a certificate until the next start"
            raise ConfigError([ConfigFault(key="server.tls.cert_file", message=message)])

    def find_context(self) -> SSLContext:
        """What a new connection under TLS is served with."""
        assert self.certificate is not None, "checked when the port was opened, and at each reload"
        return self.certificate.context


async def open_proxy(house: House, sockets: Sockets, port: Port, nursery: trio.Nursery) -> HttpServer:
    """The port that tools point at: inherited from systemd where it holds it, otherwise opened.

    Inherited sockets of the name ``proxy-tls`` are under TLS.

    Raises ``ConfigError`` where others can reach it and no client has a key; ``HouseFault`` where it can't be had.
    """
    settings = house.runtime.settings
    plain, secure = await open_listeners(settings, sockets)
    with ExitStack() as unless_served:
        for listener in (*plain, *secure):
            unless_served.callback(listener.socket.close)
        port.exposed, port.secure = find_exposed([*plain, *secure]), bool(secure)
        port.check(house.plan)
        unless_served.pop_all()
    server = HttpServer(
        Endpoints(house),
        limits=settings.server.limits,
        clock=house.foundation.clock,
        allowed_hosts=frozenset(settings.server.allowed_hosts),
        allowed_origins=frozenset(settings.server.allowed_origins),
        write_fault=write_proxy_fault,
        kept_descriptors=KEPT_DESCRIPTORS,
        find_context=port.find_context,
        load=house.foundation.load,
    )
    await nursery.start(partial(server.serve, plain, secure))
    return server


async def open_listeners(
    settings: Settings, sockets: Sockets
) -> tuple[list[trio.SocketListener], list[trio.SocketListener]]:
    """The proxy's plain ones, and those under TLS. Raises ``HouseFault``; then none is open."""
    if sockets.get(PROXY) or sockets.get(PROXY_TLS):
        return adopt_listeners(sockets.get(PROXY, ())), adopt_listeners(sockets.get(PROXY_TLS, ()))
    addresses = settings.server.listen
    plain = await open_tcp_listeners([text for text in addresses if not text.startswith(SECURE)])
    try:
        secure = [text.removeprefix(SECURE) for text in addresses if text.startswith(SECURE)]
        return plain, await open_tcp_listeners(secure)
    except BaseException:
        for listener in plain:
            listener.socket.close()
        raise


def write_proxy_fault(fault: Fault, path: str) -> tuple[int, list[tuple[str, str]], bytes]:
    """A fault that never came as far as an exchange, in the dialect of the path that was asked for."""
    return error_bodies.write_error(dialect_of(path), fault, "")


async def close_proxy(house: House, notifier: Notifier, proxy: HttpServer) -> None:
    """No new connections; what is under way gets its time. Cancelled when the time or the patience is up."""
    await trio.lowlevel.checkpoint()  # signals that came together: the one that tells of a restart may be the second
    drain_s = house.drain_s
    logger.info("draining: %d requests under way, at most %g s", proxy.exchanges, drain_s)
    if not house.restarts_with:
        notifier.stopping(drain_s + CLOSING_S)
    notifier.status("draining")
    proxy.begin_drain()
    with trio.move_on_after(drain_s):
        with house.serving():  # requests may still come over connections that are open
            house.retire()
            await proxy.wait_closed()
        await house.wait_closed()


@dataclass(frozen=True, slots=True)
class ControlDoor:
    """The control socket's server; ``closed`` once it has drained."""

    server: HttpServer
    closed: trio.Event = field(default_factory=trio.Event)

    async def serve(self, listeners: Sequence[trio.SocketListener], *, task_status: trio.TaskStatus[None]) -> None:
        await self.server.serve(listeners, task_status=task_status)
        self.closed.set()


async def open_control(panel: Panel, sockets: Sockets, nursery: trio.Nursery) -> ControlDoor:
    """The control socket; it stays open until everything else is closed."""
    inherited = sockets.get(CONTROL, ())
    listeners = adopt_listeners(inherited) if inherited else [await open_unix_listener(panel.places.control_socket)]
    house, settings = panel.house, panel.runtime.settings
    server = HttpServer(
        control_handler(Verbs(core_verbs(panel), house), open_access(settings.control)),
        limits=settings.server.limits,
        clock=house.foundation.clock,
        allowed_hosts=None,
        allowed_origins=frozenset(),
        write_fault=write_control_fault,
    )
    door = ControlDoor(server)
    await nursery.start(door.serve, listeners)
    return door


async def close_control(control: ControlDoor) -> None:
    """Let verbs under way say their last word."""
    control.server.begin_drain()
    with trio.move_on_after(LAST_WORDS_S):
        await control.closed.wait()


def hand_on(proxy: HttpServer, control: ControlDoor) -> dict[str, Callable[[], list[int]]]:
    """The listening sockets by the names under which a successor inherits them; not taken before they are called."""
    return {
        PROXY: proxy.hand_on,
        PROXY_TLS: partial(proxy.hand_on, secure=True),
        CONTROL: control.server.hand_on,
    }


class Verbs(Mapping[str, Verb]):
    """The core's verbs and those of the serving generation's modules, as one table."""

    def __init__(self, core: Mapping[str, Verb], house: House) -> None:
        self._core = core
        self._house = house

    def __getitem__(self, name: str) -> Verb:
        return self._core[name] if name in self._core else self._house.runtime.hooks.verbs[name]

    def __iter__(self) -> Iterator[str]:
        return iter({**self._house.runtime.hooks.verbs, **self._core})

    def __len__(self) -> int:
        return len(set(self))
