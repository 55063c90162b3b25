"""What `status` shows at a glance, kept in memory: today's figures and what is held now.

Law: the same figures that the reports give for the same day; they are read from the tables once, when the ledger
is opened, and counted on from there. A day that has begun never goes back to the one before.
"""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import msgspec

from lodestard.domain.ports import Store
from lodestard.ledger.aggregate import plan_costs, read_costs
from lodestard.ledger.figures import CACHE_HITS, CostRow
from lodestard.ledger.rows import RequestRow


class Totals(msgspec.Struct, frozen=True, kw_only=True):
    """Today's requests that have ended, and what is under way. ``spent_today`` includes ``unknown_today``.

    ``budget_percent`` is of the hard budget that is used most, None where there is none.
    """

    day: str
    requests_today: int = 0
    cache_hits_today: int = 0
    spent_today_nano_usd: int = 0
    unknown_today_nano_usd: int = 0
    saved_today_nano_usd: int = 0
    held_nano_usd: int = 0
    open_requests: int = 0
    budget_percent: int | None = None


class Tally:
    """Counts them. Changed by the ledger alone."""

    __slots__ = (
        "_day",
        "_ends_ms",
        "_starts_ms",
        "_zone",
        "held",
        "hits",
        "open",
        "requests",
        "saved",
        "spent",
        "unknown",
    )

    def __init__(self, zone: ZoneInfo, now_ms: int) -> None:
        self._zone = zone
        self.held = self.open = 0
        self._ends_ms = 0
        self._roll(now_ms)

    def _roll(self, now_ms: int) -> None:
        if now_ms < self._ends_ms:
            return
        today = day_of(now_ms, self._zone)
        self._day = today.date().isoformat()
        self._starts_ms, self._ends_ms = day_bounds_ms(today, self._zone)
        self.requests = self.hits = self.spent = self.unknown = self.saved = 0

    def seed(self, store: Store) -> None:
        """Begin with what the reports have of today."""
        (row,) = read_costs(store.read(*plan_costs("all", since_ms=self._starts_ms))) or [CostRow()]
        self.requests, self.hits = row.requests, row.cache_hits
        self.spent, self.unknown, self.saved = row.cost_nano_usd, row.unknown_nano_usd, row.saved_nano_usd

    def totals(self, now_ms: int) -> Totals:
        """The figures of the day that it is at ``now_ms``."""
        self._roll(now_ms)
        return Totals(
            day=self._day,
            requests_today=self.requests,
            cache_hits_today=self.hits,
            spent_today_nano_usd=self.spent,
            unknown_today_nano_usd=self.unknown,
            saved_today_nano_usd=self.saved,
            held_nano_usd=self.held,
            open_requests=self.open,
        )

    def count_closed(self, row: RequestRow, now_ms: int) -> None:
        """A request ended; ``row`` has its sums so far."""
        self._roll(now_ms)
        if row.received_ms < self._starts_ms:
            return
        self.requests += 1
        self.hits += row.cache in CACHE_HITS
        if row.baseline_nano_usd is not None:
            self.saved += row.baseline_nano_usd
        self._count_cost(row.baseline_nano_usd, row.cost_nano_usd, row.unknown_nano_usd)

    def count_late(self, row: RequestRow, cost: int, unknown: int, now_ms: int) -> None:
        """An attempt of a request that had ended before has ended too."""
        self._roll(now_ms)
        if row.received_ms >= self._starts_ms:
            self._count_cost(row.baseline_nano_usd, cost, unknown)

    def _count_cost(self, baseline: int | None, cost: int, unknown: int) -> None:
        self.spent += cost
        self.unknown += unknown
        if baseline is not None:
            self.saved -= cost


def day_of(at_ms: int, zone: ZoneInfo) -> datetime:
    """The calendar day, in ``zone``, of an instant."""
    return datetime.fromtimestamp(at_ms / 1_000, UTC).astimezone(zone)


def day_bounds_ms(day: datetime, zone: ZoneInfo) -> tuple[int, int]:
    """When a calendar day begins and ends in ``zone``: 23, 24 or 25 hours, at no hour that is missing."""
    start = datetime(day.year, day.month, day.day, tzinfo=zone)
    end = datetime.combine(start.date() + timedelta(days=1), start.time(), zone)
    return int(start.timestamp() * 1_000), int(end.timestamp() * 1_000)
