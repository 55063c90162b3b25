"""A generation: everything that one configuration opens, from its pools to its modules.

Law: built whole or not at all. A reload opens the next generation beside the serving one and swaps; the old one
takes no new requests, and closes its rooms when its last one has ended.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

import trio

from lodestard.domain.clock import Clock
from lodestard.domain.news import AttemptEnded, RequestEnded
from lodestard.domain.ports import CachePort, LedgerPort
from lodestard.domain.secret import Secret
from lodestard.domain.settings import Settings, Upstream
from lodestard.flights import Flight, Flights, LeavePolicy
from lodestard.hooks import Hooks, Signal
from lodestard.module import Module, run_guarded, settings_of
from lodestard.pipeline import fly
from lodestard.protocols.codecs import CODECS
from lodestard.residency.plain import HostAdmission
from lodestard.routing.catalog import build_catalog
from lodestard.routing.routes import Routes
from lodestard.runtime import Runtime
from lodestard.upstream.sender import PooledSender, open_sender

if TYPE_CHECKING:
    import httpx


@dataclass(frozen=True, slots=True)
class Foundation:
    """What outlives every generation: there is one ledger and one cache, whatever the configuration.

    ``ended`` and ``attempts`` tell of the requests and attempts of all generations, for who listens across a reload.
    """

    clock: Clock
    ledger: LedgerPort
    cache: CachePort
    ended: Signal[RequestEnded]
    started_s: int
    attempts: Signal[AttemptEnded] = field(default_factory=lambda: Signal("attempt_ended, of all generations"))


@dataclass(frozen=True, slots=True)
class Blueprint:
    """What a generation is built from."""

    settings: Settings
    keys: Mapping[str, Secret]
    keys_missing: Mapping[str, str]
    modules: Sequence[Module]


@dataclass(slots=True, eq=False)
class Generation:
    """One that is open. Owner of the count of its users."""

    runtime: Runtime
    users: int = 0
    retired: bool = False
    _unused: trio.Event = field(default_factory=trio.Event)
    _closed: trio.Event = field(default_factory=trio.Event)

    def __enter__(self) -> Runtime:
        """Keeps it open until the context is left; any number of users may be in it at once."""
        self.users += 1
        return self.runtime

    def __exit__(self, *_error: object) -> None:
        self.users -= 1
        self._look()

    def retire(self) -> None:
        """No new users; it closes when the last one is gone."""
        self.retired = True
        self._look()

    async def wait_unused(self) -> None:
        """Wait until it is retired and nobody uses it."""
        await self._unused.wait()

    async def wait_closed(self) -> None:
        """Wait until its rooms are closed, the last flight's included."""
        await self._closed.wait()

    @property
    def closed(self) -> bool:
        return self._closed.is_set()

    def mark_closed(self) -> None:
        self._closed.set()

    def _look(self) -> None:
        if self.retired and self.users == 0:
            self._unused.set()


async def run_generation(
    foundation: Foundation, blueprint: Blueprint, *, task_status: trio.TaskStatus[Generation]
) -> None:
    """Open a generation, report it, and keep it open until it is retired and unused."""
    async with open_runtime(foundation, blueprint) as runtime:
        generation = Generation(runtime)
        async with trio.open_nursery() as modules:
            for module in blueprint.modules:
                if settings_of(module, runtime).enabled:
                    modules.start_soon(run_guarded, module, runtime, name=f"module {module.name}")
            task_status.started(generation)
            await generation.wait_unused()
            modules.cancel_scope.cancel()
    generation.mark_closed()


@asynccontextmanager
async def open_runtime(foundation: Foundation, blueprint: Blueprint) -> AsyncIterator[Runtime]:
    """The rooms of one configuration. Leaving waits for its flights, then closes its pools."""
    settings, hooks = blueprint.settings, Hooks()
    spoken = {name: upstream for name, upstream in settings.upstreams.items() if upstream.dialect in CODECS}
    keys = {name: secret.reveal() for name, secret in blueprint.keys.items()}
    async with open_sender(spoken, keys, CODECS) as sender, trio.open_nursery() as nursery:

        async def fly_here(flight: Flight) -> None:
            await fly(flight, runtime)

        runtime = Runtime(
            settings=settings,
            clock=foundation.clock,
            hooks=hooks,
            routes=Routes(build_catalog(settings, frozenset(CODECS)), hooks.is_up),
            ledger=foundation.ledger,
            cache=foundation.cache,
            sender=sender,
            admission=HostAdmission(spoken),
            flights=Flights(nursery, fly_here, plan_leaving(settings)),
            transport=partial(open_transport, sender),
            keys_missing=blueprint.keys_missing,
            started_s=foundation.started_s,
        )
        hooks.request_ended.always(foundation.ended.tell)
        hooks.attempt_ended.always(foundation.attempts.tell)
        yield runtime


def open_transport(sender: PooledSender, upstream: str) -> "httpx.AsyncBaseTransport":
    """An upstream's pool for httpx, which is imported where it is first wanted."""
    from lodestard.upstream.httpx_transport import PoolTransport

    return PoolTransport(sender.pools[upstream])


def plan_leaving(settings: Settings) -> LeavePolicy:
    """Paid answers are drained to their usage where nothing else is said: an exact cost beats a guessed one."""
    drained = frozenset(name for name, upstream in settings.upstreams.items() if drains(upstream))
    return LeavePolicy(drained, settings.server.leave_drain_s, settings.server.leave_drains)


def drains(upstream: Upstream) -> bool:
    """Whether an answer that nobody waits for any more is read to its end."""
    return upstream.on_client_leave == "drain" or (not upstream.on_client_leave and not upstream.free)
