"""The tier on disk: the same answers in ``cache.db``, so that they survive a restart.

Law: reads are short and in the loop; all writing is gathered and done by one task, ``run_writer``, which owns what
is pending. No error of the disk reaches a request: what can't be read is a miss, what can't be written is lost.
"""

import logging
from collections.abc import Callable, Sequence
from functools import partial

import msgspec
import trio

from lodestard.cache.entry import CorruptError, Entry, Packed, thaw
from lodestard.cache.tables import (
    SELECT_ONE,
    SELECT_PAGE,
    SELECT_RECENT,
    SELECT_TALLY,
    Batch,
    Bounds,
    Tally,
    clear,
    entry_target,
    read_tally,
    write_batch,
)
from lodestard.domain.errors import HouseFault
from lodestard.domain.ports import Row, Store, Value

GATHER_S = 0.5
"""How long an answer waits for others to be written with it."""

TOUCH_S = 30.0
"""How long news of use waits; lost in a crash, it only makes the order of eviction less exact."""

SWEEP_S = 600.0
CLOSE_S = 5.0
MAX_PENDING_BYTES = 32 * 1024 * 1024

logger = logging.getLogger(__name__)


class Pending(msgspec.Struct):
    """What waits to be written."""

    entries: dict[str, Entry] = msgspec.field(default_factory=dict)
    used_ms: dict[str, int] = msgspec.field(default_factory=dict)
    dead: set[str] = msgspec.field(default_factory=set)
    bytes: int = 0


class DiskTier:
    """``bounds`` is asked for the limits of the moment."""

    def __init__(self, store: Store, bounds: Callable[[], Bounds]) -> None:
        self._store = store
        self._bounds = bounds
        self._pending = Pending()
        self._touched = trio.Event()
        self._added = trio.Event()
        self._failing = False
        self.tally = Tally(0, 0)
        self.evicted = 0
        self.lost = 0

    def open(self) -> None:
        """Read the size. One short read; a broken file counts as empty."""
        if rows := self._rows(SELECT_TALLY):
            self.tally = read_tally(rows)

    def get(self, key: str) -> Entry | None:
        """The entry, from what is pending or from the file. A damaged one is deleted."""
        pending = self._pending.entries.get(key)
        if pending is not None:
            return pending
        rows = self._rows(SELECT_ONE, (bytes.fromhex(key),))
        try:
            return _entry(key, rows[0]) if rows else None
        except CorruptError as error:
            logger.warning("a kept answer can't be read and is deleted: %s", error)
            self.drop(key)
            return None

    def put(self, entry: Entry) -> None:
        """Write it soon."""
        pending, size_bytes = self._pending, entry.packed.size_bytes
        if pending.bytes + size_bytes > MAX_PENDING_BYTES:
            self.lost += 1
            return
        replaced = pending.entries.get(entry.key)
        pending.bytes += size_bytes - (replaced.packed.size_bytes if replaced else 0)
        pending.entries[entry.key] = entry
        pending.dead.discard(entry.key)
        self._added.set()

    def touch(self, key: str, used_ms: int) -> None:
        """It was used; to be noted with the next writing."""
        self._pending.used_ms[key] = used_ms
        self._touched.set()

    def drop(self, key: str) -> None:
        """Delete it soon."""
        entry = self._pending.entries.pop(key, None)
        self._pending.bytes -= entry.packed.size_bytes if entry else 0
        self._pending.dead.add(key)
        self._added.set()

    async def clear(self, model: str | None, created_before_ms: int | None) -> int:
        """Delete what matches, what is pending too; how many they were. Raises ``HouseFault``."""
        await self.flush()
        count = await self._store.commit(lambda tx: clear(tx, model, created_before_ms))
        self.tally = await self._store.commit(lambda tx: read_tally(tx.execute(SELECT_TALLY)))
        return count

    async def recent_keys(self, limit: int) -> list[str]:
        """The keys that were used last, the latest first. Raises ``HouseFault``."""
        rows = await self._store.query(SELECT_RECENT, (limit,))
        return [_hex(key) for (key,) in rows]

    async def page(self, after: str, limit: int) -> list[tuple[str, Entry | None]]:
        """The next entries in the order of their keys, None for a damaged one. Raises ``HouseFault``."""
        rows = await self._store.query(SELECT_PAGE, (bytes.fromhex(after), limit))
        return [(_hex(row[0]), _readable(_hex(row[0]), row[1:])) for row in rows]

    async def run_writer(self) -> None:
        """The task: writes what is pending, in groups, until cancelled; then what is left, for a few seconds."""
        try:
            while True:
                await self._wait_for_work()
                await self.flush()
        finally:
            with trio.CancelScope(shield=True, deadline=trio.current_time() + CLOSE_S):
                await self.flush()

    async def _wait_for_work(self) -> None:
        with trio.move_on_after(SWEEP_S):
            await _either(self._touched, self._added, TOUCH_S)
            await trio.sleep(GATHER_S)
        self._touched, self._added = trio.Event(), trio.Event()

    async def flush(self) -> None:
        """Write what is pending now; what can't be written is lost. Raises nothing."""
        pending, self._pending = self._pending, Pending()
        batch = Batch(
            entries=tuple(pending.entries.values()),
            used_ms=pending.used_ms,
            dead=tuple(pending.dead),
            bounds=self._bounds(),
        )
        try:
            self.tally = await self._store.commit(partial(write_batch, batch=batch))
        except HouseFault as fault:
            self.lost += len(batch.entries)
            self._note_failure(fault)
        except Exception:  # a firewall: a defect here must not end the daemon
            self.lost += len(batch.entries)
            logger.exception("a defect while writing to the cache; %d answers are not kept", len(batch.entries))
        else:
            self.evicted += self.tally.evicted
            self._failing = False

    def _rows(self, sql: str, params: Sequence[Value] = ()) -> list[Row]:
        """What a short read finds; nothing where the file can't be read."""
        try:
            return self._store.read(sql, params)
        except HouseFault as fault:
            self._note_failure(fault)
            return []

    def _note_failure(self, fault: HouseFault) -> None:
        """Logged once until it works again."""
        if not self._failing:
            logger.warning("the cache goes on without its file: %s", fault.message)
        self._failing = True


def _readable(key: str, row: Row) -> Entry | None:
    try:
        return _entry(key, row)
    except CorruptError:
        return None


def _entry(key: str, row: Row) -> Entry:
    """A row of ``SELECT_ONE``. Raises ``CorruptError``."""
    return Entry(
        key=key,
        target=entry_target(row),
        created_ms=int(row[2] or 0),
        cost_nano_usd=int(row[3] or 0),
        packed=_thawed(row[4]),
    )


def _thawed(value: object) -> Packed:
    if not isinstance(value, bytes):
        raise CorruptError("no bytes")
    return thaw(value)


def _hex(key: object) -> str:
    return key.hex() if isinstance(key, bytes) else ""


async def _either(slow: trio.Event, quick: trio.Event, slow_s: float) -> None:
    """Until ``quick`` is set, or ``slow_s`` after ``slow`` was."""
    async with trio.open_nursery() as nursery:

        async def wait_slow() -> None:
            await slow.wait()
            await trio.sleep(slow_s)
            nursery.cancel_scope.cancel()

        nursery.start_soon(wait_slow)
        await quick.wait()
        nursery.cancel_scope.cancel()
