"""The price book while the daemon runs: read at the start, made anew when it must be.

Law: one owner of the book, ``Prices``; a book is replaced whole or not at all. What goes wrong is logged and kept for
the doctor, and the old book stays; a quote stays only for the very target that it was made for.
"""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import trio

from lodestard.domain.clock import Clock
from lodestard.domain.price import Quote
from lodestard.domain.settings import Settings
from lodestard.prices.book import EMPTY, PACKAGE, PriceBook, needed_at_once, open_book, plan_list
from lodestard.prices.child import ListFailed, run_extract
from lodestard.prices.list_file import load_list, save_list

FILE = "prices.json"
BOOT_TIMEOUT_S = 5.0
TIMEOUT_S = 30.0
RETRY_S = 600.0
LEAST_S = 10.0
MS_PER_S = 1_000
NEVER_S = 366 * 86_400.0

logger = logging.getLogger(__name__)


@dataclass(slots=True, eq=False)
class Prices:
    """Implements ``domain.ports.PricesPort``. ``on_change`` hears of another book and of a price whose time has come.

    ``problem`` is why the last attempt at a new book failed, empty where it did not.
    """

    path: Path
    clock: Clock
    settings: Settings
    book: PriceBook = EMPTY
    problem: str = ""
    on_change: Callable[[], object] = lambda: None
    _tried_ms: int = 0
    _woken: trio.Event = field(default_factory=trio.Event)

    @property
    def quotes(self) -> Mapping[str, Quote]:
        return self.book.quotes

    @property
    def covered(self) -> bool:
        """Whether the book is for what is configured now, by the package that is installed."""
        wanted = plan_list(self.settings)
        return not wanted or self.book.covers(wanted, package_version())

    async def open(self) -> None:
        """Take the kept list; where a paid model has no price without a new one, wait for it for some seconds."""
        listed = await trio.to_thread.run_sync(load_list, self.path)
        if listed is not None:
            self.book = open_book(listed).only(plan_list(self.settings))
        if not self.covered and needed_at_once(self.settings):
            await self.refresh(BOOT_TIMEOUT_S)
            if not self.covered:  # without haste, once the house is open
                self._tried_ms = 0

    def take_settings(self, settings: Settings) -> None:
        """Another configuration: what the book has of other targets goes, what it lacks is asked for soon."""
        self.settings = settings
        self.book = self.book.only(plan_list(settings))
        self.on_change()
        if not self.covered:
            self._tried_ms = 0
        self._woken.set()

    async def refresh(self, timeout_s: float = TIMEOUT_S) -> None:
        """Make the book anew. Raises nothing; see ``problem``."""
        wanted = plan_list(self.settings)
        self._tried_ms = self.clock.now_ms()
        try:
            listed = await run_extract(wanted, timeout_s) if wanted else None
        except ListFailed as error:
            self._fail(str(error))
            return
        if wanted != plan_list(self.settings):  # reloaded meanwhile
            self._tried_ms = 0
            return
        self.problem = ""
        self.book = EMPTY if listed is None else open_book(listed)
        self.on_change()
        if listed is None:
            return
        try:
            await trio.to_thread.run_sync(save_list, self.path, listed)
        except OSError as error:
            self._fail(f"the price list can't be kept in {self.path}: {error.strerror}")

    def _fail(self, why: str) -> None:
        if why != self.problem:
            logger.warning("%s; the prices that were known stay", why)
        self.problem = why

    async def run(self) -> None:
        """Refresh when it is due, and tell of prices whose time has come. Until cancelled."""
        while True:
            if self._due_s() <= 0:
                await self.refresh()
            self._woken = trio.Event()
            now_ms = self.clock.now_ms()
            change_ms = self.book.change_after_ms(now_ms)
            change_s = NEVER_S if change_ms is None else (change_ms - now_ms) / MS_PER_S
            with trio.move_on_after(max(0.0, min(self._due_s(), change_s))):
                await self._woken.wait()
            if change_ms is not None and self.clock.now_ms() >= change_ms:
                self.on_change()

    def _due_s(self) -> float:
        """How long the book may stay; one that could not be made is tried again sooner."""
        if not plan_list(self.settings):
            return NEVER_S
        last_ms = max(self._tried_ms, self.book.made_ms if self.covered else 0)
        refresh_s = self.settings.price_book.refresh_s
        after_s = refresh_s if self.covered else min(RETRY_S, refresh_s)
        return max(LEAST_S, after_s) - max(0, self.clock.now_ms() - last_ms) / MS_PER_S


def package_version() -> str:
    """The version of the installed list, read off its metadata; empty where it is not installed."""
    # Here, for who has no use for a list: it reads the metadata with the parser for mails. 12 ms and 1.5 MB.
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version(PACKAGE)
    except PackageNotFoundError:
        return ""


async def open_prices(state_dir: Path, settings: Settings, clock: Clock) -> Prices:
    """The price book of this configuration. ``Prices.run`` keeps it up to date."""
    prices = Prices(state_dir / FILE, clock, settings)
    await prices.open()
    return prices
