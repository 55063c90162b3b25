"""The ledger's housekeeping: counts closed requests into sums, deletes those that are old.

Law: works in slices that nobody waits for, and never in a hurry; what fails is logged and tried again later. A reload
may change how long requests are kept. Owner: the task that ``open_ledger`` starts.
"""

import logging
from collections.abc import Callable

import trio

from lodestard.domain.clock import Clock
from lodestard.domain.errors import HouseFault
from lodestard.domain.ports import Store
from lodestard.ledger.retention import cutoff_ms, delete_old
from lodestard.ledger.rollups import SLICE, advance, read_mark

_log = logging.getLogger(__name__)

FIRST_S = 20.0
EVERY_S = 3_600.0
RETRY_S = 60.0
ENOUGH = 20 * SLICE  # reports read what is not counted yet row by row: some milliseconds


class Upkeep:
    """Counts what is closed, and works when that is enough, and hourly."""

    def __init__(self, store: Store, clock: Clock, settled: Callable[[], int], retention_days: int) -> None:
        self._store = store
        self._clock = clock
        self._settled = settled
        self.retention_days = retention_days
        self._closed = max(0, settled() - read_mark(store))
        self._enough = trio.Event()

    def count_closed(self) -> None:
        """A request was closed."""
        self._closed += 1
        if self._closed == ENOUGH:
            self._enough.set()

    async def run_upkeep(self) -> None:
        """The task. Runs until cancelled."""
        if self._closed >= ENOUGH:
            self._enough.set()
        wait_s = FIRST_S
        while True:
            with trio.move_on_after(wait_s):
                await self._enough.wait()
            self._enough = trio.Event()
            self._closed = 0
            try:
                await self.tidy()
                wait_s = EVERY_S
            except HouseFault as fault:
                wait_s = RETRY_S
                _log.error("ledger: sums and deletions wait for %d s: %s", RETRY_S, fault.message)

    async def tidy(self) -> None:
        """Count all that has settled, then delete all that is old. Raises ``HouseFault``."""
        while await advance(self._store, self._settled, self._clock.now_ms):
            pass
        before_ms = cutoff_ms(self._clock.now_ms(), self.retention_days)
        while await delete_old(self._store, before_ms):
            pass
