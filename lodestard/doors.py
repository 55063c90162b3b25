"""The doors of the house: the proxy's port and the control socket; how they open, and in which order they close.

Law: a port that other machines can reach serves clients with keys alone, whoever opened its socket and whatever a
reload says. The proxy closes before everything, the control socket after everything.
"""

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial

import trio

from lodestard.config import ConfigError, ConfigFault
from lodestard.config.check_clients import KEYLESS
from lodestard.control.access import open_access
from lodestard.control.server import control_handler
from lodestard.control.server import write_fault as write_control_fault
from lodestard.control.verbs import core_verbs
from lodestard.domain.errors import Fault
from lodestard.domain.settings import Settings
from lodestard.domain.verbs import Verb
from lodestard.endpoints import Endpoints
from lodestard.house import House
from lodestard.http import (
    KEPT_DESCRIPTORS,
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
DIALECT_OF_REFUSALS = "openai"
PROXY, CONTROL = "proxy", "control"

Sockets = Mapping[str, Sequence[int]]
"""Inherited descriptors by name."""

logger = logging.getLogger(__name__)


@dataclass(slots=True)
class Reach:
    """Which of the proxy's open sockets other machines can reach. Owner: whoever opens the proxy."""

    exposed: tuple[str, ...] = ()

    def require_keys(self, settings: Settings) -> None:
        """Raise ``ConfigError`` where they would be served without keys."""
        if self.exposed and not settings.clients:
            message = f"{', '.join(self.exposed)}: {KEYLESS}"
            raise ConfigError([ConfigFault(key="clients", message=message)])


async def open_proxy(house: House, sockets: Sockets, reach: Reach, nursery: trio.Nursery) -> HttpServer:
    """The port that tools point at: inherited from systemd where it holds it, otherwise opened.

    Raises ``ConfigError`` where others can reach it and no client has a key; ``HouseFault`` where it can't be had.
    """
    settings = house.runtime.settings
    inherited = sockets.get(PROXY, ())
    listeners = adopt_listeners(inherited) if inherited else await open_tcp_listeners(settings.server.listen)
    with ExitStack() as unless_served:
        for listener in listeners:
            unless_served.callback(listener.socket.close)
        reach.exposed = find_exposed(listeners)
        reach.require_keys(settings)
        unless_served.pop_all()
    server = HttpServer(
        Endpoints(house),
        limits=settings.server.limits,
        clock=house.foundation.clock,
        allowed_hosts=frozenset(settings.server.allowed_hosts),
        allowed_origins=frozenset(settings.server.allowed_origins),
        write_fault=write_proxy_fault,
        kept_descriptors=KEPT_DESCRIPTORS,
    )
    await nursery.start(partial(server.serve, listeners))
    return server


def write_proxy_fault(fault: Fault, _path: str) -> tuple[int, list[tuple[str, str]], bytes]:
    """A fault that never came as far as an exchange, in the shape that most clients read."""
    return error_bodies.write_error(DIALECT_OF_REFUSALS, fault, "")


async def close_proxy(house: House, notifier: Notifier, proxy: HttpServer) -> None:
    """No new connections; what is under way gets its time. Cancelled when the time or the patience is up."""
    drain_s = house.drain_s
    logger.info("draining: %d requests under way, at most %g s", proxy.exchanges, drain_s)
    if not house.restarts_with:
        notifier.stopping()
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
