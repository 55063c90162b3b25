"""Hears what ends, and writes it down at most once a second.

Law: hearing appends to a queue and nothing else. What can't be written stays in the queue, in order, until it can;
where that becomes too long, lines are dropped, counted and told. What hard kills and power cuts take is at most the
last second; the ledger itself has it.
"""

import logging
from collections import deque
from contextlib import ExitStack
from functools import partial
from itertools import groupby, islice
from pathlib import Path
from zoneinfo import ZoneInfo

import trio

from lodestard.modules.ledger_log.files import append, delete_old
from lodestard.modules.ledger_log.lines import News, day_of, write_line
from lodestard.modules.ledger_log.settings import LedgerLogSettings
from lodestard.runtime import Runtime

FOLDER = "ledger-log"
PAUSE_S = 1.0
LONGEST_PAUSE_S = 30.0
CLOSE_S = 5.0
MOST_WAITING = 100_000
MOST_AT_ONCE = 5_000
TELL_EVERY = 10_000

logger = logging.getLogger(__name__)
Heard = tuple[int, News]


async def run_ledger_log(runtime: Runtime, settings: LedgerLogSettings) -> None:
    """Write until cancelled."""
    await LedgerLog(runtime, settings).run()


class LedgerLog:
    """Owner of what was heard and is not written yet."""

    def __init__(self, runtime: Runtime, settings: LedgerLogSettings) -> None:
        self._clock = runtime.clock
        self._hooks = runtime.hooks
        self._settings = settings
        self._zone = ZoneInfo(runtime.timezone)
        self._folder = Path(settings.folder).expanduser() if settings.folder else runtime.state_dir / FOLDER
        self._waiting: deque[Heard] = deque()
        self._news = trio.Event()
        self._trouble = ""
        self._failures = 0
        self._dropped = 0
        self._tidied = ""

    async def run(self) -> None:
        hooks = self._hooks
        with ExitStack() as doors:
            doors.enter_context(hooks.status_parts.add("ledger_log", self.status))
            doors.enter_context(hooks.attempt_ended.listen(self.hear))
            doors.enter_context(hooks.request_ended.listen(self.hear))
            doors.enter_context(hooks.budget_alert.listen(self.hear))
            try:
                await self._serve()
            finally:
                with trio.move_on_after(CLOSE_S, shield=True):
                    await self.flush()

    async def _serve(self) -> None:
        while True:
            await self._tidy()
            await self._news.wait()
            self._news = trio.Event()
            await self.flush()
            if self._waiting:
                self._news.set()
            await trio.sleep(min(PAUSE_S * (1 << min(self._failures, 5)), LONGEST_PAUSE_S))

    def hear(self, news: News) -> None:
        if len(self._waiting) >= MOST_WAITING:
            self._drop()
            return
        self._waiting.append((self._clock.now_ms(), news))
        self._news.set()

    def _drop(self) -> None:
        if self._dropped % TELL_EVERY == 0:
            logger.error("the ledger's log can't be written: lines are dropped from now on, %d before", self._dropped)
        self._dropped += 1

    async def flush(self) -> None:
        """Write what is waiting, day by day, until it is all written or can't be."""
        while self._waiting:
            batch = list(islice(self._waiting, MOST_AT_ONCE))
            day, lines = next((day, list(same)) for day, same in groupby(batch, self._day))
            try:
                await trio.to_thread.run_sync(partial(write_lines, self._folder, day, lines))
            except OSError as error:
                self._note_trouble(error)
                return
            for _ in lines:
                self._waiting.popleft()
            self._note_well()

    def _day(self, heard: Heard) -> str:
        return day_of(heard[0], self._zone)

    def _note_trouble(self, error: OSError) -> None:
        self._failures += 1
        if not self._trouble:
            logger.error("the ledger's log can't be written, trying again: %s: %s", self._folder, error.strerror)
        self._trouble = error.strerror or type(error).__name__

    def _note_well(self) -> None:
        if self._trouble:
            logger.warning("the ledger's log can be written again; %d lines were dropped in all", self._dropped)
        self._trouble, self._failures = "", 0

    async def _tidy(self) -> None:
        """Once a day: delete what is too old."""
        today = day_of(self._clock.now_ms(), self._zone)
        if today == self._tidied:
            return
        try:
            gone = await trio.to_thread.run_sync(partial(delete_old, self._folder, today, self._settings.keep_days))
        except OSError as error:
            logger.warning("old files of the ledger's log can't be deleted: %s", error.strerror)
            return
        self._tidied = today
        if gone:
            logger.info("deleted %d files of the ledger's log, up to %s", len(gone), gone[-1])

    def status(self) -> dict[str, object]:
        return {
            "folder": str(self._folder),
            "waiting": len(self._waiting),
            "dropped": self._dropped,
            **({"trouble": self._trouble} if self._trouble else {}),
        }


def write_lines(folder: Path, day: str, heard: list[Heard]) -> None:
    """Blocks. Raises ``OSError``; then none of them is written."""
    append(folder, day, b"".join(write_line(at_ms, news) for at_ms, news in heard))
