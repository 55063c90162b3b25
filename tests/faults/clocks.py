"""A ledger under a clock that is stepped, and what all its figures say of the same day.

What must hold: the ledger's time never goes back, so no window that is closed is opened again, in a running house or
in the one after it; and `status`, the report by day and a day's budget have the same figures at every moment.
"""

import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from zoneinfo import ZoneInfo

from lodestard.budget.rules import read_rules
from lodestard.budget.windows import bounds_ms, parse_window
from lodestard.domain.closing import Closing
from lodestard.domain.request import Caller
from lodestard.domain.settings import Budget
from lodestard.domain.usage import Usage
from lodestard.ledger import SCHEMA, Ledger, LedgerOptions, open_ledger
from lodestard.store import open_store, run_inline
from tests.faults.powercuts import DURABLE, FILE, PAID
from tests.faults.windows import DAY_MS, HOUR_MS

STEPS_MS = tuple(sign * step for step in (HOUR_MS, DAY_MS, 40 * DAY_MS, 366 * DAY_MS) for sign in (1, -1))
ZONES = ("UTC", "Europe/Berlin", "America/Sao_Paulo", "Pacific/Apia", "Asia/Kathmandu", "America/Havana")
WINDOWS = ("day", "week", "month", "total", "24h")
BUDGETS = {window: Budget(window=window, usd=Decimal(10**6)) for window in WINDOWS}
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass
class SteppedClock:
    """Wall time as it is set; monotonic time goes on."""

    ms: int
    ns: int = 0

    def now_ms(self) -> int:
        self.ms += 1
        return self.ms

    def monotonic_ns(self) -> int:
        self.ns += 1_000_000
        return self.ns


@dataclass
class Stepping:
    """Houses after one another, by a seed: requests, stepped clocks, restarts."""

    seed: int
    folder: Path
    zone: str = "UTC"
    starts_ms: dict[str, int] = field(default_factory=dict)
    day: str = ""
    checks: int = 0

    def __post_init__(self) -> None:
        self.luck = random.Random(self.seed)
        self.zone = self.luck.choice(ZONES)
        self.clock = SteppedClock(self.luck.randrange(1_577_836_800_000, 1_893_456_000_000))

    async def run(self) -> None:
        for _ in range(4):
            async with self._opened() as ledger:
                await self.check(ledger)
                for _ in range(6):
                    await self._do_something(ledger)
                    await self.check(ledger)
                last_ms = (await ledger.reports.requests(limit=1))[0].received_ms
            self._forget_later(last_ms)
            self._step(0.5)

    def _forget_later(self, last_ms: int) -> None:
        """A house remembers by its requests alone how late it was."""
        zone = ZoneInfo(self.zone)
        self.starts_ms = {name: bounds_ms(parse_window(name), last_ms, zone)[0] for name in WINDOWS if name != "24h"}
        self.day = self._name(last_ms)

    @asynccontextmanager
    async def _opened(self) -> AsyncIterator[Ledger]:
        options = LedgerOptions(timezone=self.zone, rules=read_rules(BUDGETS), strict=True)
        async with (
            open_store(self.folder / FILE, (SCHEMA,), options=DURABLE, clock=self.clock, run=run_inline) as store,
            open_ledger(store, self.clock, options=options) as ledger,
        ):
            yield ledger

    async def _do_something(self, ledger: Ledger) -> None:
        entry = ledger.open_entry(Caller(), "a", dialect="d", stream=False)
        attempt = await ledger.hold(entry, PAID, 10**7)
        self._step(0.4)
        if self.luck.random() < 0.2:
            ledger.unknown(attempt, "cut")
        else:
            ledger.capture(attempt, Usage(prompt_tokens=self.luck.randrange(3_000)))
        self._step(0.2)
        ledger.close_entry(entry, Closing(outcome="ok", status=200, cache="miss"))

    def _step(self, odds: float) -> None:
        if self.luck.random() < odds:
            self.clock.ms += self.luck.choice(STEPS_MS)

    # -- what must hold ----------------------------------------------------------------------------------------

    async def check(self, ledger: Ledger) -> None:
        self.checks += 1
        where = f"seed {self.seed} in {self.zone}"
        by_day = {row.key: row for row in await ledger.reports.costs("day", timezone=self.zone)}
        totals, standings = ledger.totals(), {standing.rule.name: standing for standing in ledger.budgets.standings()}
        for name, standing in standings.items():
            before_ms = self.starts_ms.get(name, standing.start_ms)
            assert standing.start_ms >= before_ms, f"{where}: a {name} that was closed is open again"
            self.starts_ms[name] = standing.start_ms
        assert totals.day >= self.day, f"{where}: today was {self.day} and is {totals.day}"
        self.day = totals.day
        day = standings["day"]
        assert totals.day == self._name(day.start_ms), f"{where}: today is {totals.day}, the budget's {day.start_ms}"
        reported = by_day[totals.day].cost_nano_usd if totals.day in by_day else 0
        said = (totals.spent_today_nano_usd, day.spent.usd, reported)
        assert len({*said}) == 1, f"{where}: of {totals.day} they say {said}"
        assert standings["total"].spent.usd == sum(row.cost_nano_usd for row in by_day.values()), where
        times = [row.received_ms for row in await ledger.reports.requests(limit=1_000)]
        assert times == sorted(times, reverse=True), f"{where}: requests out of order"

    def _name(self, at_ms: int) -> str:
        return (_EPOCH + timedelta(milliseconds=at_ms)).astimezone(ZoneInfo(self.zone)).date().isoformat()
