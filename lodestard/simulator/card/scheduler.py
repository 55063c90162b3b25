"""Who is on the card: Ollama's scheduler, with its rules and its traps.

Law: requests for a loaded model with the same runner options go straight to it; all others stand in one queue
whose head blocks it. A load belongs to the request that caused it: if that client leaves, the load is aborted.
Keep-alive is sticky, and pins nothing. Timers are not tasks: what is due is found when somebody looks.
Owner of all state here: one `Scheduler`; changed only in sync code between checkpoints.
"""

import math
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager

import msgspec
import trio

from lodestard.simulator.card.arithmetic import (
    Placement,
    RunnerOptions,
    decode_s,
    load_s,
    must_evict,
    needs_reload,
    place,
    unload_s,
)
from lodestard.simulator.card.figures import Machine, Model
from lodestard.simulator.card.prefix import PrefixSlots


class BusyError(Exception):
    """The queue is full: 503."""


class Tally(msgspec.Struct, kw_only=True):
    """What the card was kept busy with since the start, as a measurement reads it.

    Seconds in loads (given up ones too), in waits for memory to be seen free, in prompts and in answers. ``reloads``
    are loads of a model that lay there with other options. ``prompt_tokens`` were asked to be read, ``read_tokens``
    had to be: the KV cache did not hold them. ``most_bytes`` is the most that ever lay on the card.
    """

    loading_s: float = 0.0
    memory_wait_s: float = 0.0
    reading_s: float = 0.0
    writing_s: float = 0.0
    reloads: int = 0
    prompt_tokens: int = 0
    read_tokens: int = 0
    most_bytes: int = 0

    @contextmanager
    def timed(self, name: str) -> Iterator[None]:
        """Adds how long the block lasted, however it ends, to the seconds of this name."""
        began = trio.current_time()
        try:
            yield
        finally:
            setattr(self, name, getattr(self, name) + trio.current_time() - began)


class Runner:
    """A model on the card. ``expires_at`` is trio time; infinite for ever or while in use."""

    def __init__(
        self, model: Model, options: RunnerOptions, placement: Placement, machine: Machine, tally: Tally
    ) -> None:
        self.model = model
        self.tally = tally
        self.options = options
        self.placement = placement
        self.decode_s = decode_s(placement, machine)
        self.slots = PrefixSlots(machine.server.parallel)
        self.turns = trio.Semaphore(machine.server.parallel)
        self.keep_alive_s = machine.server.keep_alive_s
        self.in_use = 0
        self.expires_at = math.inf

    def arm(self, now: float) -> None:
        self.expires_at = now + self.keep_alive_s


CardNews = Callable[[str, Model], None]
"""Told when a load begins (``load``), is done (``ready``) or given up (``abort``), and of an eviction (``kill``)."""


def _tell_nobody(_what: str, _model: Model) -> None:
    """Nobody listens."""


class Claim(msgspec.Struct, frozen=True, kw_only=True):
    """What a request wants of the scheduler. ``keep_alive_s`` None leaves the runner's own as it is."""

    model: Model
    options: RunnerOptions
    keep_alive_s: float | None = None


class Scheduler:
    """Loads, keeps and evicts. `hold` is the only way to a runner."""

    def __init__(self, machine: Machine) -> None:
        self._machine = machine
        self._runners: dict[str, Runner] = {}
        self._leaving: list[tuple[float, int]] = []
        self._page_cache: list[Model] = []
        self._queue = trio.StrictFIFOLock()
        self._waiting = 0
        self._news = trio.Event()
        self.loads = 0
        self.aborted_loads = 0
        self.tally = Tally()
        self.on_news: CardNews = _tell_nobody

    @asynccontextmanager
    async def hold(self, claim: Claim) -> AsyncIterator[Runner]:
        """A loaded runner with one of its parallel turns, for as long as the block lasts.

        Raises `BusyError` for a full queue. Cancelled while it waits: its place is given up; while it loads: the
        load is aborted and the memory freed.
        """
        runner = await self._acquire(claim)
        try:
            async with runner.turns:
                yield runner
        finally:
            self._release(runner)

    def loaded(self) -> list[Runner]:
        """Who is loaded now, newest expiry first as ``/api/ps`` sorts it. A loading model is not."""
        self._expire_due()
        return sorted(self._runners.values(), key=lambda runner: -self.expiry_of(runner))

    def expiry_of(self, runner: Runner) -> float:
        """Trio time of its end, were it left alone from now on."""
        return runner.expires_at if runner.in_use == 0 else trio.current_time() + runner.keep_alive_s

    @property
    def waiting(self) -> int:
        return self._waiting

    def unload(self, name: str) -> bool:
        """``keep_alive: 0``: not queued; kills an idle runner now, a busy one once idle. False: not loaded."""
        self._expire_due()
        runner = self._runners.get(name)
        if runner is None:
            return False
        runner.keep_alive_s = 0
        if runner.in_use == 0:
            self._kill(runner)
        return True

    def clear(self) -> None:
        """Forget everything at once, as a restarted server would. Runners in use go when they are done."""
        for name in list(self._runners):
            self.unload(name)
        self._leaving.clear()
        self.clear_tally()

    def clear_tally(self) -> None:
        """All counts at nought; who is loaded stays."""
        self.loads = self.aborted_loads = 0
        for name, empty in msgspec.structs.asdict(Tally()).items():
            setattr(self.tally, name, empty)

    async def _acquire(self, claim: Claim) -> Runner:
        if (runner := self._usable(claim)) is not None:
            await trio.lowlevel.checkpoint()
            return self._use(runner, claim)
        if self._waiting >= self._machine.server.max_queue:
            raise BusyError
        self._waiting += 1
        try:
            async with self._queue:
                return self._use(self._usable(claim) or await self._make_room_and_load(claim), claim)
        finally:
            self._waiting -= 1

    def _usable(self, claim: Claim) -> Runner | None:
        self._expire_due()
        runner = self._runners.get(claim.model.name)
        if runner is None or needs_reload(runner.options, claim.options):
            return None
        return runner

    def _use(self, runner: Runner, claim: Claim) -> Runner:
        runner.in_use += 1
        runner.expires_at = math.inf
        if claim.keep_alive_s is not None:
            runner.keep_alive_s = claim.keep_alive_s
        return runner

    def _release(self, runner: Runner) -> None:
        runner.in_use -= 1
        if runner.in_use == 0 and self._runners.get(runner.model.name) is runner:
            runner.arm(trio.current_time())
            self._expire_due()
            self._tell()

    async def _make_room_and_load(self, claim: Claim) -> Runner:
        self.tally.reloads += claim.model.name in self._runners
        while (victim := self._victim(claim)) is not None:
            victim.keep_alive_s = 0
            if victim.in_use == 0:
                self._kill(victim)
            else:
                await self._wait_gone(victim)
        await self._wait_memory()
        return await self._load(claim)

    def _victim(self, claim: Claim) -> Runner | None:
        """Who must go first, if anyone: the same model with other options, else the idle one kept shortest."""
        self._expire_due()
        if (same := self._runners.get(claim.model.name)) is not None:
            return same
        if not self._runners:
            return None
        server = self._machine.server
        full = len(self._runners) >= server.max_loaded
        if not full and not must_evict(claim.model, claim.options, self._free_bytes(), server.parallel):
            return None
        by_patience = sorted(self._runners.values(), key=lambda runner: runner.keep_alive_s)
        return next((runner for runner in by_patience if runner.in_use == 0), by_patience[0])

    async def _wait_gone(self, victim: Runner) -> None:
        """Until it is unloaded. A later request may give it a keep-alive again: then this waits that out too."""
        while self._runners.get(victim.model.name) is victim:
            self._news = trio.Event()
            with trio.move_on_at(victim.expires_at):
                await self._news.wait()
            self._expire_due()

    async def _wait_memory(self) -> None:
        with self.tally.timed("memory_wait_s"):
            while self._leaving:
                await trio.sleep_until(max(at for at, _ in self._leaving))
                self._expire_due()

    async def _load(self, claim: Claim) -> Runner:
        machine = self._machine
        placement = place(claim.model, claim.options, machine.card, self._free_bytes(), machine.server.parallel)
        seconds = load_s(claim.model, placement, machine, cached=claim.model in self._page_cache)
        self.on_news("load", claim.model)
        try:
            with self.tally.timed("loading_s"):
                await trio.sleep(seconds)
        except trio.Cancelled:
            self.aborted_loads += 1
            self._leave(placement)
            self.on_news("abort", claim.model)
            raise
        self._remember_file(claim.model)
        runner = Runner(claim.model, claim.options, placement, machine, self.tally)
        self._runners[claim.model.name] = runner
        self.loads += 1
        self.tally.most_bytes = max(self.tally.most_bytes, self._machine.card.vram_bytes - self._free_bytes())
        self.on_news("ready", claim.model)
        return runner

    def _remember_file(self, model: Model) -> None:
        """The page cache keeps the files read last, as many as fit."""
        self._page_cache = [kept for kept in self._page_cache if kept is not model] + [model]
        while sum(kept.file_bytes for kept in self._page_cache) > self._machine.card.page_cache_bytes:
            del self._page_cache[0]

    def _expire_due(self) -> None:
        now = trio.current_time()
        self._leaving = [entry for entry in self._leaving if entry[0] > now]
        for runner in [runner for runner in self._runners.values() if runner.in_use == 0]:
            if runner.expires_at <= now:
                self._kill(runner, at=runner.expires_at)

    def _kill(self, runner: Runner, at: float | None = None) -> None:
        del self._runners[runner.model.name]
        self._leave(runner.placement, at)
        self.on_news("kill", runner.model)
        self._tell()

    def _leave(self, placement: Placement, at: float | None = None) -> None:
        """Its memory is seen free only a while after the kill."""
        until = (trio.current_time() if at is None else at) + unload_s(self._machine)
        if until > trio.current_time():
            self._leaving.append((until, placement.size_vram))

    def _free_bytes(self) -> int:
        held = sum(runner.placement.size_vram for runner in self._runners.values())
        return self._machine.card.vram_bytes - held - sum(size for _, size in self._leaving)

    def _tell(self) -> None:
        self._news.set()
