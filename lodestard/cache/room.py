"""The response cache: memory over disk, asked and fed in sync code so that no request waits for it.

Law: only a whole, good answer is kept, under the model that gave it; one that is too old is never served; whatever
breaks, a request sees a miss and no error. Implements ``domain.ports.CachePort``; owner of both tiers.
"""

import logging
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import trio

from lodestard.cache.disk import DiskTier
from lodestard.cache.entry import CorruptError, Entry, pack, unpack
from lodestard.cache.latest import Latest
from lodestard.cache.memory import MemoryTier
from lodestard.cache.records import CacheStats, Counters, Kept, ModelStats, Ticket, count_models
from lodestard.cache.rules import rule, worth_keeping
from lodestard.cache.tables import SELECT_MODELS, Bounds, CacheTables, entry_target
from lodestard.cache.transfer import Line, write_line
from lodestard.domain import ports
from lodestard.domain.clock import Clock
from lodestard.domain.errors import HouseFault
from lodestard.domain.reply import Reply
from lodestard.domain.request import Request
from lodestard.domain.settings import Cache as CacheSettings
from lodestard.domain.upstream import Target

MIGRATIONS: Sequence[ports.Migrations] = (CacheTables(),)

MS_PER_S = 1_000
WARM_ENTRIES = 4_000
PAGE_ENTRIES = 50

logger = logging.getLogger(__name__)


class Cache:
    """Made by ``open_cache``. All that a request calls is sync."""

    def __init__(self, settings: CacheSettings, store: ports.Store | None, clock: Clock) -> None:
        self._settings = settings
        self._store = store
        self._clock = clock
        self._memory = MemoryTier(settings.memory_bytes)
        self._latest = Latest()
        self._disk = DiskTier(store, self._bounds) if store is not None else None
        self.counters = Counters()

    # -- what a request calls --------------------------------------------------------------------------------

    def ticket(self, request: Request, target: Target, principal: str, cache_control: str) -> Ticket:
        """What may be done for this request. Its key, about 30 µs for 30 KB, is made where it is wanted."""
        return Ticket(request, target, principal, rule(request, self._settings, cache_control))

    def recall(self, body: bytes, depth: int, dialect: str) -> Request | None:
        """See the port."""
        return self._latest.recall(body, depth, dialect)

    def remember(self, body: bytes, depth: int, request: Request) -> None:
        """See the port."""
        self._latest.remember(body, depth, request)

    def find(self, ticket: ports.Ticket) -> Kept | None:
        """The kept answer: about 10 µs from memory, 30 from disk. Raises nothing."""
        if not isinstance(ticket, Ticket) or not ticket.cacheable:
            self.counters.bypassed += 1
            return None
        kept = self._find(ticket)
        if kept is None:
            self.counters.misses += 1
        else:
            self.counters.hits += 1
            self.counters.saved_nano_usd += kept.cost_nano_usd
        return kept

    def keep_nowait(self, ticket: ports.Ticket, reply: Reply, target: Target, cost_nano_usd: int) -> None:
        """Keep ``reply``, which ``target`` gave, where ticket, reply and size allow it. Raises nothing."""
        if not isinstance(ticket, Ticket) or not ticket.ruling.keep or not worth_keeping(reply):
            return
        try:
            packed = pack(reply)
        except ValueError:  # text that is no Unicode
            logger.warning("an answer of %s can't be kept: it can't be written as JSON", target)
            return
        key, now_ms = ticket.key_for(target), self._clock.now_ms()
        self._keep(Entry(key=key, target=target, created_ms=now_ms, cost_nano_usd=cost_nano_usd, packed=packed))

    def _find(self, ticket: Ticket) -> Kept | None:
        found = self._latest.find(ticket)
        key = ticket.key if found is None else found.key
        entry = self._memory.get(key) or self._from_disk(key)
        now_ms = self._clock.now_ms()
        if entry is None or not self._fresh_enough(entry, ticket.ruling.max_age_s, now_ms):
            return None
        if found is not None and found.entry is entry:
            kept = found.kept
        else:
            try:
                kept = _unpacked(entry)
            except CorruptError:
                self._drop(key)
                return None
            self._latest.note(ticket, key, entry, kept)
        if self._disk is not None:
            self._disk.touch(key, now_ms)
        return kept

    def _from_disk(self, key: str) -> Entry | None:
        entry = self._disk.get(key) if self._disk is not None else None
        if entry is not None and self._age_ms(entry) < self._ttl_ms:
            self._memory.put(entry)
        return entry

    def _fresh_enough(self, entry: Entry, max_age_s: float | None, now_ms: int) -> bool:
        age_ms = _age_ms(entry, now_ms)
        if age_ms >= self._ttl_ms:
            self._drop(entry.key)
            return False
        return max_age_s is None or age_ms <= max_age_s * MS_PER_S

    def _age_ms(self, entry: Entry) -> int:
        return _age_ms(entry, self._clock.now_ms())

    def _keep(self, entry: Entry) -> bool:
        if entry.packed.size_bytes > self._settings.max_entry_bytes:
            return False
        self._memory.put(entry)
        if self._disk is not None:
            self._disk.put(entry)
        return True

    def _drop(self, key: str) -> None:
        self._memory.drop(key)
        if self._disk is not None:
            self._disk.drop(key)

    # -- what the house calls --------------------------------------------------------------------------------

    def configure(self, settings: CacheSettings) -> None:
        """Take new limits, at once. Whether there is a disk is settled at the start."""
        self._settings = settings
        self._memory.max_bytes = settings.memory_bytes

    async def clear(self, *, model: str | None = None, older_than_s: float | None = None) -> int:
        """Forget all answers, or those of ``model`` (``upstream/model`` or the model alone) or of that age.

        Returns how many they were. Raises ``HouseFault`` where the disk can't be written; memory is cleared then.
        """
        before_ms = None if older_than_s is None else self._clock.now_ms() - int(older_than_s * MS_PER_S)

        def matches(entry: Entry) -> bool:
            named = model is None or model in (entry.target.model, str(entry.target))
            return named and (before_ms is None or entry.created_ms < before_ms)

        self._latest.clear()
        count = self._memory.drop_where(matches)
        if self._disk is not None:
            count = await self._disk.clear(model, before_ms)
            self._memory.drop_where(matches)  # what was read back meanwhile
            self._latest.clear()
        return count

    async def stats(self) -> CacheStats:
        """The figures of now, pending answers included. A disk that can't be read has no models to tell."""
        if self._disk is not None:
            await self._disk.flush()
        memory, disk, counters, settings = self._memory, self._disk, self.counters, self._settings
        models = await self._models()
        return CacheStats(
            enabled=settings.enabled,
            disk=disk is not None,
            entries=disk.tally.entries if disk else len(memory),
            bytes=disk.tally.bytes if disk else memory.bytes,
            max_bytes=settings.max_bytes if disk else memory.max_bytes,
            memory_entries=len(memory),
            memory_bytes=memory.bytes,
            memory_max_bytes=memory.max_bytes,
            hits=counters.hits,
            misses=counters.misses,
            bypassed=counters.bypassed,
            evicted=disk.evicted if disk else memory.evicted,
            lost=disk.lost if disk else 0,
            saved_nano_usd=counters.saved_nano_usd,
            models=models,
        )

    async def export(self) -> AsyncIterator[bytes]:
        """Every kept answer as a JSON line, without a line end. Raises ``HouseFault``."""
        if self._disk is None:
            for entry in self._memory.entries():
                yield write_line(entry)
            return
        await self._disk.flush()
        after = ""
        while page := await self._disk.page(after, PAGE_ENTRIES):
            for _, kept in page:
                if kept is not None:
                    yield write_line(kept)
            after = page[-1][0]

    def take_in(self, line: Line) -> bool:
        """Keep an answer from elsewhere. False where it is too old or too large."""
        return self._age_ms(line.entry) < self._ttl_ms and self._keep(line.entry)

    async def _models(self) -> tuple[ModelStats, ...]:
        if self._store is None:
            return count_models(self._memory.entries())
        try:
            rows = await self._store.query(SELECT_MODELS)
        except HouseFault:
            return ()
        return tuple(ModelStats(str(entry_target(row)), int(row[2] or 0), int(row[3] or 0)) for row in rows)

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """The cache's task: fills the memory, and writes to the disk until cancelled. For ``open_cache`` alone."""
        if self._disk is None:
            task_status.started()
            return
        self._disk.open()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._warm)
            task_status.started()
            await self._disk.run_writer()

    async def _warm(self) -> None:
        """Read what was used last, one answer at a time, until the memory is full. Requests go in between."""
        assert self._disk is not None
        try:
            keys = await self._disk.recent_keys(WARM_ENTRIES)
        except HouseFault as fault:
            logger.warning("the cache's memory starts empty: %s", fault.message)
            return
        for key in keys:
            await trio.lowlevel.checkpoint()
            entry = None if key in self._memory else self._disk.get(key)
            if entry is not None and self._age_ms(entry) < self._ttl_ms and not self._memory.put_cold(entry):
                return

    @property
    def _ttl_ms(self) -> float:
        return self._settings.ttl_s * MS_PER_S

    def _bounds(self) -> Bounds:
        now_ms = self._clock.now_ms()
        return Bounds(
            now_ms=now_ms,
            oldest_ms=now_ms - int(self._ttl_ms),
            max_bytes=self._settings.max_bytes,
            compress_above_bytes=self._settings.compress_above_bytes,
        )


def _age_ms(entry: Entry, now_ms: int) -> int:
    """An entry from the future (the clock was set back) is as stale as one from as far in the past."""
    return abs(now_ms - entry.created_ms)


def _unpacked(entry: Entry) -> Kept:
    """Raises ``CorruptError``."""
    reply = unpack(entry.packed)
    return Kept(reply=reply, target=entry.target, created_ms=entry.created_ms, cost_nano_usd=entry.cost_nano_usd)


@asynccontextmanager
async def open_cache(settings: CacheSettings, store: ports.Store | None, clock: Clock) -> AsyncIterator[Cache]:
    """The cache over ``store``, which has ``MIGRATIONS``; without one it is in memory alone.

    Leaving writes what is pending, for at most a few seconds. Cancellation does the same.
    """
    cache = Cache(settings, store, clock)
    async with trio.open_nursery() as nursery:
        await nursery.start(cache.run)
        yield cache
        nursery.cancel_scope.cancel()
