"""Where live figures begin: what the ledger's reports have, brought to the moment at which it has all been read.

Law: requests go on ending while the ledger is read, and each report may or may not have them yet. How far a report
has come is told by its own count of requests: the ledger knows how many have ended today, and they are written in the
order in which they end. So each piece of news is counted once: it is in the report, or it is counted on from there.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from zoneinfo import ZoneInfo

import trio

from lodestard.control.messages.dashboard import TABLES
from lodestard.control.verbs.desk import CostFigures, Desk, RequestRecord
from lodestard.control.verbs.live_figures import BY_CACHE, HOUR_MS, LiveFigures, Span, Sums, read_sums
from lodestard.control.verbs.requests import target_of
from lodestard.control.verbs.when import read_since_ms
from lodestard.domain.news import AttemptEnded, RequestEnded

HOURS = 24
TRIES = 5
PAUSE_S = 0.05
SEEN = 1_000
FAR_MS = 2**62
GROUPS = {**{table: table for table in TABLES}, "provider": "upstream", BY_CACHE: "cache"}

News = RequestEnded | AttemptEnded


@dataclass(slots=True)
class Piece:
    """A report that was read. ``heard`` is how many pieces of news are in it."""

    rows: Sequence[CostFigures]
    heard: int
    exact: bool = True


@dataclass(slots=True)
class Seed:
    """Reads the ledger while ``heard`` grows. ``ended_today`` is the ledger's count when nothing was heard yet."""

    desk: Desk
    today: Span
    month: Span
    ended_today: int
    heard: list[News] = field(default_factory=list)
    exact: bool = True

    async def read(self) -> tuple[LiveFigures, Sequence[RequestRecord]]:
        """The figures as they stand when this returns, and the latest requests, newest first.

        Raises ``HouseFault`` where the ledger can't be read.
        """
        figures = LiveFigures({"today": self.today, "month": self.month})
        pieces: dict[str, tuple[Piece, Piece]] = {}
        for table, group in GROUPS.items():
            before = await self._read(group, self.month.since_ms, self.today.since_ms)
            pieces[table] = (before, await self._read(group, self.today.since_ms, FAR_MS))
        hours = await self._read_hours(figures)
        records = await self.desk.reports.requests(SEEN)
        # From here on nothing waits, so nothing more is heard.
        for table, (before, today) in pieces.items():
            self._lay(figures, table, before, today)
        self._lay_hours(figures, hours)
        for record in records:
            see(figures, record)
        return figures, records

    # -- reading -----------------------------------------------------------------------------------------------------

    async def _read(self, group: str, since_ms: int, until_ms: int) -> Piece:
        """A report of [since, until), and how far it has come. Where that can't be told, ``exact`` is False."""
        if since_ms >= until_ms:
            return Piece((), 0)
        rows: Sequence[CostFigures] = ()
        place = self._place_today if until_ms == FAR_MS else partial(self._place_quiet, since_ms, until_ms)
        for _ in range(TRIES):
            begun = len(self.heard)
            rows = await self.desk.reports.costs(
                group, since_ms=since_ms, until_ms=until_ms, timezone=self.desk.timezone
            )
            heard = place(begun, rows)
            if heard is not None:
                return Piece(rows, heard)
            await trio.sleep(PAUSE_S)
        self.exact = False
        return Piece(rows, len(self.heard), exact=False)

    def _place_today(self, _begun: int, rows: Sequence[CostFigures]) -> int | None:
        """How many pieces of news it takes to come to the report's count."""
        missing = sum(row.requests for row in rows) - self.ended_today
        if missing == 0:
            return 0
        for at, news in enumerate(self.heard, 1):
            missing -= isinstance(news, RequestEnded) and news.figures.received_ms >= self.today.since_ms
            if missing == 0:
                return at
        return None

    def _place_quiet(self, since_ms: int, until_ms: int, begun: int, _rows: Sequence[CostFigures]) -> int | None:
        """All that was heard, unless something of that span came while it was read."""
        came = (news.figures.received_ms for news in self.heard[begun:] if isinstance(news, RequestEnded))
        return None if any(since_ms <= at_ms < until_ms for at_ms in came) else len(self.heard)

    async def _read_hours(self, figures: LiveFigures) -> dict[int, Piece]:
        """The hours before this one."""
        now_ms = figures.hour_of(self.desk.runtime.clock.now_ms())
        found: dict[int, Piece] = {}

        async def read(start_ms: int) -> None:
            found[start_ms] = await self._read("all", start_ms, start_ms + HOUR_MS)

        async with trio.open_nursery() as nursery:
            for ago in range(1, HOURS):
                nursery.start_soon(read, now_ms - ago * HOUR_MS)
        return found

    # -- counting on -------------------------------------------------------------------------------------------------

    def _lay(self, figures: LiveFigures, table: str, before: Piece, today: Piece) -> None:
        """A table of both spans: what was read, and what was heard since.

        All that was heard is gone through for each table anew, so nothing of it may be known yet.
        """
        figures.late.clear()
        for piece, spans in ((before, (self.month,)), (today, (self.month, self.today))):
            for row in piece.rows:
                for span in spans:
                    span.tables[table].setdefault(row.key.strip("/"), Sums()).add(read_sums(row))
        for at, news in enumerate(self.heard):
            if isinstance(news, AttemptEnded):
                figures.hear_attempt(news, (table,) if at >= today.heard else ())
                continue
            piece = today if news.figures.received_ms >= self.today.since_ms else before
            figures.hear_request(news, (table,) if at >= piece.heard else ())

    def _lay_hours(self, figures: LiveFigures, hours: dict[int, Piece]) -> None:
        """This hour is what the day's others leave of it."""
        figures.hours = {start_ms: self._cost_of(start_ms, piece) for start_ms, piece in hours.items()}
        others = sum(cost for start_ms, cost in figures.hours.items() if start_ms >= self.today.since_ms)
        this_hour = max(hours) + HOUR_MS
        if this_hour >= self.today.since_ms:
            figures.hours[this_hour] = self.today.total().cost_nano_usd - others

    def _cost_of(self, start_ms: int, piece: Piece) -> int:
        later = (news for news in self.heard[piece.heard :] if isinstance(news, RequestEnded))
        counted = (news for news in later if start_ms <= news.figures.received_ms < start_ms + HOUR_MS)
        return sum(row.cost_nano_usd for row in piece.rows) + sum(news.figures.cost_nano_usd for news in counted)


def see(figures: LiveFigures, record: RequestRecord) -> None:
    """Note when the names of a request were last used."""
    if record.state == "open":
        return
    figures.see(("model", target_of(record)), record.received_ms)
    figures.see(("provider", record.upstream), record.received_ms)
    figures.see(("project", record.project), record.received_ms)
    figures.see(("session", record.session), record.received_ms)


def open_seed(desk: Desk, clock_ms: Callable[[], int]) -> Seed:
    """A seed of the day and the month that it is now."""
    now_ms, zone = clock_ms(), ZoneInfo(desk.timezone)
    today_ms = read_since_ms("today", now_ms, zone)
    tomorrow = datetime.fromtimestamp(today_ms / 1_000, UTC).astimezone(zone).date() + timedelta(days=1)
    until_ms = int(datetime(tomorrow.year, tomorrow.month, tomorrow.day, tzinfo=zone).timestamp() * 1_000)
    month = Span(read_since_ms("month", now_ms, zone), until_ms)
    return Seed(desk, Span(today_ms, until_ms), month, desk.state().ended_today)
