"""One log record for each request that ended: its figures, never a word of its text.

Law: off the requests' way. A request leaves its figures here and goes on; they are formatted and written together,
some hundredths of a second later. Owner of what waits to be written: this object.
"""

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import trio

from lodestard.domain.clock import Clock
from lodestard.domain.news import RequestEnded
from lodestard.log import Entry, write_entries
from lodestard.trace import log_fields

PAUSE_S = 0.02

logger = logging.getLogger(__name__)


class RequestLog:
    """``note`` listens to the signal ``request_ended``. Made by ``open_request_log``."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._waiting: list[tuple[int, RequestEnded]] = []
        self._woken = trio.Event()

    def note(self, ended: RequestEnded) -> None:
        """Remember to write it."""
        if not logger.isEnabledFor(logging.INFO):
            return
        self._waiting.append((self._clock.now_ms(), ended))
        if len(self._waiting) == 1:
            self._woken.set()

    async def run(self) -> None:
        """Write what waits, until cancelled."""
        while True:
            await self._woken.wait()
            await trio.sleep(PAUSE_S)
            self._woken = trio.Event()
            self.flush()

    def flush(self) -> None:
        """Write everything that waits. Raises nothing."""
        waiting, self._waiting = self._waiting, []
        entries = [
            Entry(at_ms, f"{ended.closing.outcome} {ended.request_id}", log_fields(ended)) for at_ms, ended in waiting
        ]
        if entries:
            write_entries(logger.name, logging.INFO, entries)


@asynccontextmanager
async def open_request_log(clock: Clock) -> AsyncIterator[RequestLog]:
    """Open it around whatever ends requests: leaving, also by cancellation, writes what is left."""
    request_log = RequestLog(clock)
    try:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(request_log.run)
            yield request_log
            nursery.cancel_scope.cancel()
    finally:
        request_log.flush()
