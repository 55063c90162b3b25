"""The file's only writer.

Law: off the requests' way: it looks at figures that are in memory anyway, and the disk is written from a thread. What
was spent before today is asked of the ledger's reports when the day changes and now and then, never at each look.
"""

import logging
import os
from collections.abc import Iterable
from pathlib import Path

import msgspec
import trio

from lodestard.domain.clock import NS_PER_S
from lodestard.domain.ports import CostFigures
from lodestard.modules.statusline.card import read_card, say_switches
from lodestard.modules.statusline.settings import StatuslineSettings
from lodestard.runtime import Runtime

FILE = "statusline.json"
ALIVE_S = 20
ASK_AGAIN_S = 600
MONTH_MS = 32 * 86_400_000  # no month is longer
FILE_MODE = 0o644
FOLDER_MODE = 0o750

logger = logging.getLogger(__name__)


class Figures(msgspec.Struct, frozen=True, kw_only=True):
    """What is in the file, beside ``at_ms``. None where nobody knows. ``card`` and ``use`` are texts, the others
    are numbers."""

    cost_today_nano_usd: int
    saved_today_nano_usd: int | None
    cost_month_nano_usd: int
    budget_percent: int | None
    requests_under_way: int
    card: str = ""
    use: str = ""


class Dated(Figures, frozen=True, kw_only=True):
    """The file: the figures, and when they were these."""

    at_ms: int


async def run_statusline(runtime: Runtime, settings: StatuslineSettings) -> None:
    """Keep the file until cancelled; then remove it."""
    if runtime.run_dir is None:
        return
    writer = Writer(runtime, runtime.run_dir / FILE)
    try:
        while True:
            await writer.look()
            await trio.sleep(settings.interval_s)
    finally:
        writer.remove()


class Writer:
    """Owner of one file, and of what was last written to it."""

    def __init__(self, runtime: Runtime, file: Path) -> None:
        self._runtime = runtime
        self._file = file
        self._written: Figures | None = None
        self._body = b""
        self._written_ns = 0
        self._before_today = 0
        self._day = ""
        self._asked_ns = 0
        self._failing = False

    async def look(self) -> None:
        """Write the file where its figures have changed, or it would seem dead."""
        await self._ask_before_today()
        figures = self._read()
        now_ns = self._runtime.clock.monotonic_ns()
        if figures == self._written and now_ns - self._written_ns < ALIVE_S * NS_PER_S:
            return
        dated = Dated(at_ms=self._runtime.clock.now_ms(), **msgspec.structs.asdict(figures))
        body = msgspec.json.encode(dated)
        try:
            await trio.to_thread.run_sync(write_file, self._file, body)
        except OSError as error:
            self._complain(error)
        else:
            self._failing, self._body = False, body
        self._written, self._written_ns = figures, now_ns

    def _read(self) -> Figures:
        totals, models = self._runtime.ledger.totals(), self._runtime.settings.models
        return Figures(
            cost_today_nano_usd=totals.spent_today_nano_usd,
            saved_today_nano_usd=totals.saved_today_nano_usd if self._runtime.settings.ledger.baseline else None,
            cost_month_nano_usd=self._before_today + totals.spent_today_nano_usd,
            budget_percent=totals.budget_percent,
            requests_under_way=totals.open_requests,
            card=read_card(self._runtime),
            use=say_switches([each for each in self._runtime.switches.active if each.alias in models]),
        )

    async def _ask_before_today(self) -> None:
        clock, ledger = self._runtime.clock, self._runtime.ledger
        day = ledger.totals().day
        now_ns = clock.monotonic_ns()
        if day == self._day and now_ns - self._asked_ns < ASK_AGAIN_S * NS_PER_S:
            return
        rows = await ledger.reports.costs("day", since_ms=clock.now_ms() - MONTH_MS, timezone=self._runtime.timezone)
        self._before_today = spent_before(day, rows)
        self._day, self._asked_ns = day, now_ns

    def _complain(self, error: OSError) -> None:
        """Once, until it works again."""
        if not self._failing:
            self._failing = True
            logger.warning("%s can't be written: %s", self._file, error.strerror or type(error).__name__)

    def remove(self) -> None:
        """Take the file away if it is still ours; another generation may have written its own by now."""
        try:
            if self._body and self._file.read_bytes() == self._body:
                self._file.unlink()
        except FileNotFoundError:
            return
        except OSError as error:
            self._complain(error)


def spent_before(day: str, rows: Iterable[CostFigures]) -> int:
    """What the days of the month of ``day`` cost, without that day itself. Pure."""
    return sum(row.cost_nano_usd for row in rows if row.key[:7] == day[:7] and row.key < day)


def write_file(file: Path, body: bytes) -> None:
    """Replace ``file`` by a rename, readable for everybody who may enter its folder. Blocks."""
    file.parent.mkdir(FOLDER_MODE, exist_ok=True)
    new = file.with_suffix(".new")
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, FILE_MODE)
    try:
        os.fchmod(descriptor, FILE_MODE)  # the service's umask would take it away
        os.write(descriptor, body)
    finally:
        os.close(descriptor)
    new.rename(file)
