"""The house as its doors see it: which generation serves, and whether the house is open.

Law: one owner of both. Everything here is sync but ``reload``, so that no request can see a house half changed.
"""

import gc
import logging
from collections.abc import Awaitable, Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field

import trio

from lodestard.config import ConfigError
from lodestard.config.diff import Changes, diff
from lodestard.config.load import Loaded
from lodestard.config.write import Change
from lodestard.domain.errors import Code, Fault, HouseFault
from lodestard.domain.news import BudgetAlert
from lodestard.generation import Blueprint, Foundation, Generation, run_generation
from lodestard.http import Certificate
from lodestard.protocols.codecs import CODECS
from lodestard.runtime import Runtime

RESTART_COMES_NS = 60_000_000_000

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Plan:
    """A configuration that was read: what is built from it, and where each value came from.

    ``certificate`` is what its secure addresses are served with.
    """

    loaded: Loaded
    blueprint: Blueprint
    certificate: Certificate | None = None


async def no_rehearsal() -> str:
    """Nobody asks a new process beforehand."""
    return ""


@dataclass(slots=True, eq=False)
class House:
    """Owner of the current generation and of the state of the house.

    ``read_plan`` reads the configuration anew, ``write_change`` lays a change over it; both block on the disk and
    raise ``ConfigError``. ``on_change`` takes a configuration in outside the generation, before it serves.
    ``rehearse`` says why a new process would not start, if so. ``restarts_with``: what it is to begin with.
    """

    foundation: Foundation
    nursery: trio.Nursery
    read_plan: Callable[[], Plan]
    write_change: Callable[[Change], object]
    plan: Plan
    on_change: Callable[[Plan], Awaitable[None]]
    rehearse: Callable[[], Awaitable[str]] = no_rehearsal
    draining: bool = False
    restarts_with: Plan | None = None
    stop_asked: trio.Event = field(default_factory=trio.Event)
    _current: Generation | None = None
    _older: tuple[Generation, ...] = ()
    _restart_until_ns: int = 0
    _turn: trio.Lock = field(default_factory=trio.Lock)

    async def open(self) -> None:
        """Open the first generation."""
        self._current = await self.nursery.start(run_generation, self.foundation, self.plan.blueprint)
        self.foundation.budget_alert.always(self._pass_on)

    def _pass_on(self, alert: BudgetAlert) -> None:
        """To the serving generation alone: two would tell it twice."""
        self.runtime.hooks.budget_alert.tell(alert)

    @property
    def runtime(self) -> Runtime:
        return self.generation.runtime

    @property
    def generation(self) -> Generation:
        assert self._current is not None, "the house is not open yet"
        return self._current

    def serving(self) -> AbstractContextManager[Runtime]:
        """The serving generation, kept open until the context is left."""
        return self.generation

    async def reload(self) -> Changes:
        """Read the configuration, open a generation from it, and swap. One reload at a time.

        Raises ``ConfigError`` (or a ``Fault`` from opening); then nothing has changed. What a running house can't
        change (addresses, folders) keeps its old value until a restart and is named in the result.
        """
        async with self._turn:
            return await self._take_in()

    async def change(self, change: Change) -> Changes:
        """Write ``change`` to the configuration and reload it. Raises as ``reload``; what is wrong is not written."""
        async with self._turn:
            self._refuse_closing()
            await trio.to_thread.run_sync(self.write_change, change)
            return await self._take_in()

    async def _take_in(self) -> Changes:
        self._refuse_closing()
        plan = await trio.to_thread.run_sync(self.read_plan)
        changes = diff(self.plan.loaded.settings, plan.loaded.settings)
        generation = await self.nursery.start(run_generation, self.foundation, plan.blueprint)
        try:
            self._refuse_closing()
            await self.on_change(plan)
        except (ConfigError, Fault):
            generation.retire()
            raise
        self.generation.retire()
        self.nursery.start_soon(self._clear_up_after, self.generation)
        self._older = tuple(old for old in (*self._older, self.generation) if not old.closed)
        self._current, self.plan = generation, plan
        logger.info("configuration reloaded: %d changed, %d at the next restart", *map(len, _sizes(changes)))
        return changes

    async def _clear_up_after(self, generation: Generation) -> None:
        """Give back what a generation was made of: it is full of cycles, and large against what a request leaves."""
        await generation.wait_closed()
        del generation
        await trio.lowlevel.checkpoint()
        gc.collect()

    def _refuse_closing(self) -> None:
        """A generation that came now would be cut with its requests: nobody would wait for it."""
        if self.draining:
            raise HouseFault(Code.SHUTTING_DOWN, "The daemon is shutting down; it takes in no configuration.")

    def begin_drain(self) -> None:
        """Take no new work, finish what is under way, then stop."""
        self.draining = True
        self.stop_asked.set()

    async def plan_restart(self) -> Plan:
        """The configuration that a new process will find. One reload or restart at a time.

        Raises ``ConfigError``, and ``HouseFault`` where a new process would not start: then this one serves on.
        """
        async with self._turn:
            self._refuse_closing()
            plan = await trio.to_thread.run_sync(self.read_plan)
            if why := await self.rehearse():
                raise HouseFault(Code.INTERNAL, f"A new lodestard would not start, this one serves on: {why}")
            self._refuse_closing()
            return plan

    def begin_restart(self, plan: Plan) -> None:
        """Drain, and begin anew with ``plan``."""
        self.restarts_with = plan
        self.begin_drain()

    def expect_restart(self) -> None:
        """The service manager is about to stop and start us: a stop that comes soon is a restart."""
        self._restart_until_ns = self.foundation.clock.monotonic_ns() + RESTART_COMES_NS

    @property
    def drain_s(self) -> float:
        """How long what is under way has to end, were it asked to now."""
        restarts = self.restarts_with or self.foundation.clock.monotonic_ns() < self._restart_until_ns
        server = self.runtime.settings.server
        return server.restart_drain_s if restarts else server.drain_s

    def retire(self) -> None:
        """The last generation closes once nobody uses it."""
        self.generation.retire()

    async def wait_closed(self) -> None:
        """Wait until every generation is closed, those of requests that began before a reload too."""
        for generation in (*self._older, self.generation):
            await generation.wait_closed()

    @property
    def ready(self) -> bool:
        return not self.why_not_ready

    @property
    def why_not_ready(self) -> str:
        """Why no request should be sent here, or an empty string."""
        if self.draining:
            return "the daemon is shutting down"
        runtime = self.runtime
        spoken = [name for name, upstream in runtime.settings.upstreams.items() if upstream.dialect in CODECS]
        if spoken and not any(runtime.hooks.is_up(name) for name in spoken):
            return "every upstream is down"
        return ""


def _sizes(changes: Changes) -> tuple[tuple[str, ...], tuple[str, ...]]:
    return changes.changed, changes.need_restart
