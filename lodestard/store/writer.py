"""The one task that writes a database file.

Law: works are done in the order in which they were given, in groups; an awaited one starts a group at once, posted
ones wait for company at most ``flush_s``. When the file can't be written, those who wait are told, posts are kept in
order, and the writer tries again by itself until it can. The task is shielded: no request's scope, and no
shutdown, interrupts it; ``close()`` ends it.
"""

import logging
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import TypeVar, cast

import apsw
import msgspec
import trio

from lodestard.domain.clock import Clock
from lodestard.domain.errors import Code, HouseFault
from lodestard.domain.ports import Tx
from lodestard.store.batch import Work, commit_batch
from lodestard.store.database import Place
from lodestard.store.executor import Run
from lodestard.store.faults import fault_of
from lodestard.store.schema import PROBE

T = TypeVar("T")
_log = logging.getLogger(__name__)

FIRST_RETRY_S = 0.1
LAST_RETRY_S = 1.0
MAX_BATCH = 1_000


class Health(msgspec.Struct, frozen=True, kw_only=True):
    """How the writer fares. ``failing_since_ms`` and ``reason`` are set while the file can't be written.

    ``queued`` counts works that are not durable yet, ``works`` those that are, in ``commits`` transactions; ``lost``
    counts posts that never will be.
    """

    failing_since_ms: int | None = None
    reason: str = ""
    queued: int = 0
    commits: int = 0
    works: int = 0
    lost: int = 0

    @property
    def ok(self) -> bool:
        return self.failing_since_ms is None


class Pace(msgspec.Struct, frozen=True, kw_only=True):
    """How long posts wait for company, how many are kept while the file can't be written, how long closing takes."""

    flush_s: float = 0.9
    max_posts: int = 100_000
    close_s: float = 5.0


class Writer:
    """Owns the writing connection and the queue. Changed only by sync code and by ``run_writer``."""

    def __init__(self, connection: apsw.Connection, place: Place, *, run: Run, clock: Clock, pace: Pace) -> None:
        self._connection = connection
        self._place = place
        self._run = run
        self._clock = clock
        self._pace = pace
        self._queue: deque[Work] = deque()
        self._queued = trio.Event()
        self._urgent = trio.Event()
        self._closing = trio.Event()
        self._close_at = 0.0
        self._failure: HouseFault | None = None
        self._failing_since_ms = 0
        self._retry_s = FIRST_RETRY_S
        self._writing = self._commits = self._works = self._lost = 0

    @property
    def health(self) -> Health:
        failure = self._failure
        return Health(
            failing_since_ms=self._failing_since_ms if failure else None,
            reason=failure.message if failure else "",
            queued=len(self._queue) + self._writing,
            commits=self._commits,
            works=self._works,
            lost=self._lost,
        )

    async def commit(self, work: Callable[[Tx], T]) -> T:
        """As the ``Store`` port says. While the file can't be written it fails at once."""
        await trio.lowlevel.checkpoint_if_cancelled()
        if self._closing.is_set():
            raise HouseFault(Code.SHUTTING_DOWN, f"{self._place.path.name} is being closed")
        if self._failure is not None:
            raise _again(self._failure)
        item = Work(work, trio.Event())
        self._queue.append(item)
        self._queued.set()
        self._urgent.set()
        await cast("trio.Event", item.done).wait()
        if item.error is not None:
            raise item.error
        return cast("T", item.value)

    def post(self, work: Callable[[Tx], object]) -> None:
        """As the ``Store`` port says."""
        queue = self._queue
        if len(queue) >= self._pace.max_posts or self._closed:
            self._lose(1, "the queue is full" if queue else "the store is closed")
            return
        queue.append(Work(work))
        if len(queue) == 1:
            self._queued.set()
        elif len(queue) == MAX_BATCH:
            self._urgent.set()

    @property
    def _closed(self) -> bool:
        return self._close_at < 0 and self._closing.is_set()

    def close(self) -> None:
        """Ask the task to write what is queued and end, within ``close_s``."""
        self._close_at = trio.current_time() + self._pace.close_s
        self._closing.set()
        self._queued.set()
        self._urgent.set()

    async def run_writer(self) -> None:
        """The task. Ends after ``close()``, when all is written or ``close_s`` have passed."""
        with trio.CancelScope(shield=True):
            while await self._wait_for_turn():
                await self._write(self._take())
        self._close_at = -1.0
        if self._queue:
            self._lose(len(self._queue), "the store closed while its file could not be written")
            self._queue.clear()

    async def _wait_for_turn(self) -> bool:
        """Wait until there is something to write, or to try again. False when it is time to end."""
        if self._failure is not None:
            with trio.move_on_after(self._retry_s):
                await self._closing.wait()
                await trio.sleep(FIRST_RETRY_S)
            return not self._closing.is_set() or (bool(self._queue) and trio.current_time() < self._close_at)
        await self._queued.wait()
        with trio.move_on_after(self._pace.flush_s):
            await self._urgent.wait()
        return bool(self._queue)

    def _take(self) -> list[Work]:
        """The next group, in order. While failing with nothing to write: a small write, to see."""
        batch = [self._queue.popleft() for _ in range(min(len(self._queue), MAX_BATCH))]
        if not self._closing.is_set():
            self._queued = trio.Event()
            self._urgent = trio.Event()
            if self._queue:
                self._queued.set()
                self._urgent.set()
        return batch or [Work(_probe)]

    async def _write(self, batch: list[Work]) -> None:
        error: Exception | None
        self._writing = len(batch)
        try:
            error = await self._run(partial(commit_batch, self._connection, self._place, batch))
        except Exception as unexpected:  # noqa: BLE001  a firewall: logged, and told to those who wait
            _log.exception("store %s: a defect in the writer; its group is undone", self._place.path.name)
            error = unexpected
        self._writing = 0
        if error is None:
            self._landed(batch)
        else:
            self._failed(batch, fault_of(self._place.path, error))

    def _landed(self, batch: list[Work]) -> None:
        self._commits += 1
        self._works += len(batch)
        if self._failure is not None:
            _log.warning("store %s: can be written again", self._place.path.name)
            self._failure = None
            self._retry_s = FIRST_RETRY_S
        for work in batch:
            if work.done is not None:
                work.done.set()
            elif work.error is not None:
                self._lose(1, "the work itself failed", work.error)

    def _failed(self, batch: list[Work], fault: HouseFault) -> None:
        if self._failure is None:
            _log.error("store %s: can't be written, trying again: %s", self._place.path.name, fault.message)
            self._failing_since_ms = self._clock.now_ms()
        else:
            self._retry_s = min(self._retry_s * 2, LAST_RETRY_S)
        self._failure = fault
        waiting = [work for work in (*batch, *self._queue) if work.done is not None]
        posts = [work for work in (*batch, *self._queue) if work.done is None and work.run is not _probe]
        self._queue = deque(posts)
        for work in waiting:
            work.error = _again(fault)
            cast("trio.Event", work.done).set()

    def _lose(self, count: int, why: str, error: Exception | None = None) -> None:
        """Count and log what will not be written. Under a flood: the first and then every thousandth."""
        self._lost += count
        if error is not None or count > 1 or self._lost % 1_000 == 1:
            name = self._place.path.name
            _log.error("store %s: %d written never (%d in all): %s", name, count, self._lost, why, exc_info=error)


def _probe(tx: Tx) -> None:
    tx.execute(PROBE)


def _again(fault: HouseFault) -> HouseFault:
    """The same fault for another waiter: one exception object must not be raised in two tasks."""
    return type(fault)(Code.STORE_UNAVAILABLE, fault.message, retry_after_s=fault.retry_after_s)
