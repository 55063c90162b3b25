"""The board that live screens read: one set of figures for all of them, there while anybody looks.

Law: the ledger is asked when the first one comes and when a day begins, and never else; from there on what ends is
counted. A reader that is slow finds the newest state when it comes back: what waits for it is a set of names and the
newest requests, never a queue of everything. Owner of the figures and of its readers.
"""

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any

import msgspec
import trio

from lodestard import __version__
from lodestard.control.messages import Problem, RequestRow, UpstreamStatus
from lodestard.control.messages.dashboard import TABLES, BudgetGauge, LiveHour, LiveItem, LiveRow, LiveSpan
from lodestard.control.messages.gpu import GpuHost
from lodestard.control.verbs.budgets import read_budgets
from lodestard.control.verbs.desk import BudgetDesk, Desk, HouseState
from lodestard.control.verbs.gpu_hosts import look_at_hosts
from lodestard.control.verbs.house import HEALTH_PART, find_problems, of_card, part_of, upstream_status
from lodestard.control.verbs.live_figures import HOUR_MS, LiveFigures, Names, Span
from lodestard.control.verbs.live_seed import HOURS, News, open_seed
from lodestard.control.verbs.requests import news_row, request_row
from lodestard.domain.news import RequestEnded

MS_PER_S = 1_000
ROWS_MOST = 500
REQUESTS_KEPT = 200
AGAIN_S = 30.0
PLACED_S = 2.0
BUDGETS_MOST = 20
PER_MILLE = 1_000
AT_REST = ("idle", "paused", "unreachable")

Rows = Mapping[str, Mapping[str, tuple[LiveRow, ...]]]


class Gauges(msgspec.Struct, frozen=True, kw_only=True):
    """What is so now, whoever counts: compared to tell whether there is anything new to say.

    ``cards`` are compared without the clocks of those on which nothing happens.
    """

    state: str
    held_nano_usd: int
    open_requests: int
    upstreams: tuple[UpstreamStatus, ...]
    alerts: tuple[Problem, ...]
    budgets: tuple[BudgetGauge, ...]
    cards: tuple[GpuHost, ...] = ()

    def differ(self, other: "Gauges | None") -> bool:
        """Whether there is something to say that ``other`` did not have."""
        return other is None or self._still() != other._still()

    def _still(self) -> "Gauges":
        return msgspec.structs.replace(self, cards=tuple(stop_clocks(card) for card in self.cards))


@dataclass(slots=True, eq=False)
class Reader:
    """What one screen has not been told yet. ``whole``: it wants everything."""

    whole: bool = True
    changed: set[Names] = field(default_factory=set)
    requests: deque[RequestRow] = field(default_factory=lambda: deque(maxlen=REQUESTS_KEPT))
    gauges: Gauges | None = None

    def waits_for(self, gauges: Gauges) -> bool:
        """Whether there is something that it does not know."""
        return self.whole or bool(self.changed or self.requests) or gauges.differ(self.gauges)

    def told(self, gauges: Gauges) -> None:
        self.whole, self.gauges = False, gauges
        self.changed.clear()
        self.requests.clear()


class Board:
    """Listens while it has readers. ``seeds`` counts how often it has asked the ledger."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._readers: set[Reader] = set()
        self._doors = ExitStack()
        self._turn = trio.Lock()
        self._figures: LiveFigures | None = None
        self._exact = True
        self._again_s = 0.0
        self._heard: list[News] | None = None
        self._unplaced: dict[str, float] = {}
        self._requests: deque[RequestRow] = deque(maxlen=REQUESTS_KEPT)
        self.seeds = 0

    @contextmanager
    def reader(self) -> Iterator[Reader]:
        """One more reader, until the context is left. With the last one the figures go."""
        reader = Reader()
        if not self._readers:
            self._doors.enter_context(self._desk.hear_ended(self._hear))
            self._doors.enter_context(self._desk.hear_attempts(self._hear))
        self._readers.add(reader)
        try:
            yield reader
        finally:
            self._readers.discard(reader)
            if not self._readers:
                self._doors.close()
                self._figures = None
                self._requests.clear()
                self._unplaced.clear()

    async def look(self, reader: Reader, *, beat: bool) -> LiveItem | None:
        """What ``reader`` does not know yet, or None; with ``beat``, at least how things stand.

        Raises ``HouseFault`` where the ledger can't be read.
        """
        figures = await self._fresh()
        gauges = self._gauges()
        if not beat and not reader.waits_for(gauges):
            return None
        item = self._item(figures, reader, gauges)
        reader.told(gauges)
        return item

    # -- counting ----------------------------------------------------------------------------------------------------

    def _hear(self, news: Any) -> None:
        if isinstance(news, RequestEnded):
            self._unplaced.pop(news.request_id, None)
            row = ended_row(news, self._desk.runtime.clock.now_ms())
            self._requests.append(row)
            for reader in self._readers:
                reader.requests.append(row)
        elif self._figures is None or news.request_id not in self._figures.late:
            self._unplaced.setdefault(news.request_id, trio.current_time() + PLACED_S)
        if self._heard is not None:
            self._heard.append(news)
        elif self._figures is not None:
            self._count(self._figures, news)

    def _count(self, figures: LiveFigures, news: News) -> None:
        hear = figures.hear_request if isinstance(news, RequestEnded) else figures.hear_attempt
        changed = hear(news)  # type: ignore[arg-type]
        for reader in self._readers:
            reader.changed |= changed

    async def _fresh(self) -> LiveFigures:
        """The figures of the day that it is; read from the ledger where there are none of it."""
        async with self._turn:
            await self._place_attempts()
            if self._figures is None or self._over(self._figures.spans["today"]):
                self._figures = await self._seeded()
            return self._figures

    async def _place_attempts(self) -> None:
        """Attempts whose request has not ended since: it is under way still, or it had ended before we listened.

        Then nobody here knows where they belong, and the ledger is asked anew.
        """
        now_s = trio.current_time()
        for request_id in [name for name, due_s in self._unplaced.items() if due_s <= now_s]:
            self._unplaced[request_id] = now_s + AGAIN_S
            found = await self._desk.reports.explain(request_id)
            ended = found is not None and found.request.state != "open"
            if ended and request_id in self._unplaced:
                del self._unplaced[request_id]
                self._exact, self._again_s = False, now_s

    def _over(self, today: Span) -> bool:
        """Whether its day is over (or the clock was set back), or it was inexact and may be better now."""
        now_ms = self._desk.runtime.clock.now_ms()
        stale = not self._exact and trio.current_time() >= self._again_s
        return stale or not today.since_ms <= now_ms < today.until_ms

    async def _seeded(self) -> LiveFigures:
        """Ask the ledger. Every reader is told everything anew after it."""
        seed = open_seed(self._desk, self._desk.runtime.clock.now_ms)
        self._heard = seed.heard
        try:
            figures, records = await seed.read()
        finally:
            self._heard = None
        self.seeds += 1
        self._exact, self._again_s = seed.exact, trio.current_time() + AGAIN_S
        ended = [request_row(record) for record in reversed(records) if record.state != "open"]
        known = {row.request_id for row in ended}
        later = [row for row in self._requests if row.request_id not in known]
        self._requests.clear()
        self._requests.extend([*ended, *later])
        for reader in self._readers:
            reader.whole = True
        return figures

    # -- saying ------------------------------------------------------------------------------------------------------

    def _gauges(self) -> Gauges:
        runtime, state = self._desk.runtime, self._desk.state()
        cards = look_at_hosts(self._desk)
        upstreams = tuple(of_card(upstream, cards) for upstream in look_at_upstreams(self._desk, state))
        return Gauges(
            state=state.state,
            held_nano_usd=state.held_nano_usd,
            open_requests=state.open_requests,
            upstreams=upstreams,
            alerts=(*look_at_alerts(self._desk.budgets), *find_problems(runtime, state, upstreams)),
            budgets=tuple(look_at_budgets(self._desk.budgets)),
            cards=cards,
        )

    def _item(self, figures: LiveFigures, reader: Reader, gauges: Gauges) -> LiveItem:
        runtime, spans = self._desk.runtime, figures.spans
        baseline = runtime.settings.ledger.baseline
        now_ms = runtime.clock.now_ms()
        rows = (
            whole_rows(spans, baseline=bool(baseline))
            if reader.whole
            else changed_rows(spans, reader, baseline=bool(baseline))
        )
        return LiveItem(
            kind="snapshot" if reader.whole else "delta",
            at_ms=now_ms,
            version=__version__,
            started_ms=runtime.started_s * MS_PER_S,
            timezone=self._desk.timezone,
            today=say_span(spans["today"], baseline=bool(baseline)),
            month=say_span(spans["month"], baseline=bool(baseline)),
            simulated=self._desk.state().simulated,
            baseline=baseline,
            exact=self._exact,
            hours=say_hours(figures, now_ms),
            rows=rows,
            requests=tuple(self._requests if reader.whole else reader.requests),
            left_out=left_out(spans) if reader.whole else {},
            **{name: getattr(gauges, name) for name in Gauges.__struct_fields__},
        )


def whole_rows(spans: Mapping[str, Span], *, baseline: bool) -> Rows:
    """Every table of every span, as much of it as anybody reads."""
    return {
        span_name: {table: span.rows(table, span.choose(table, ROWS_MOST), baseline=baseline) for table in TABLES}
        for span_name, span in spans.items()
    }


def changed_rows(spans: Mapping[str, Span], reader: Reader, *, baseline: bool) -> Rows:
    """The rows that ``reader`` knows an older state of. What did not count in a span is not in its tables."""
    names = {table: [name for place, name in reader.changed if place == table] for table in TABLES}
    return {
        span_name: {table: rows for table in TABLES if (rows := span.rows(table, names[table], baseline=baseline))}
        for span_name, span in spans.items()
    }


def left_out(spans: Mapping[str, Span]) -> dict[str, int]:
    """How many rows a snapshot has no room for, by span and table."""
    sizes = {f"{name}/{table}": len(span.tables[table]) for name, span in spans.items() for table in TABLES}
    return {name: size - ROWS_MOST for name, size in sizes.items() if size > ROWS_MOST}


def say_span(span: Span, *, baseline: bool) -> LiveSpan:
    total = span.total()
    return total if baseline else msgspec.structs.replace(total, saved_nano_usd=None, saved_by={})


def say_hours(figures: LiveFigures, now_ms: int) -> tuple[LiveHour, ...]:
    """The last hours, this one at the end."""
    last_ms = figures.hour_of(now_ms)
    starts = range(last_ms - (HOURS - 1) * HOUR_MS, last_ms + 1, HOUR_MS)
    return tuple(LiveHour(start_ms=start_ms, cost_nano_usd=figures.hours.get(start_ms, 0)) for start_ms in starts)


def stop_clocks(card: GpuHost) -> GpuHost:
    """A host as it is compared: where nothing runs, waits or is switched, that time goes by is no news. Pure."""
    if card.places or card.step not in AT_REST:
        return card
    reading = None if card.reading is None else msgspec.structs.replace(card.reading, age_s=None, energy=None)
    return msgspec.structs.replace(card, step_for_s=0.0, step_left_s=None, reading=reading)


def look_at_upstreams(desk: Desk, state: HouseState) -> Iterator[UpstreamStatus]:
    """Every upstream as its pool and the health module (where it is there) see it now."""
    runtime = desk.runtime
    health = part_of(
        {HEALTH_PART: part()} if (part := runtime.hooks.status_parts.get(HEALTH_PART)) else {}, HEALTH_PART
    )
    for name, upstream in runtime.settings.upstreams.items():
        yield upstream_status(name, upstream, part_of(health, name), state, runtime.keys_missing.get(name, ""))


def look_at_alerts(budgets: BudgetDesk) -> Iterator[Problem]:
    """What is to be told of budgets now."""
    for text in budgets.banner():
        yield Problem(severity="warning", what=text, advice="lodestarctl budget list says more.")


def look_at_budgets(budgets: BudgetDesk) -> Sequence[BudgetGauge]:
    """Every limit that holds now, the fullest first."""
    gauges = [
        BudgetGauge(
            name=row.name,
            value=row.value,
            unit=limited.unit,
            used=limited.spent + limited.held,
            limit=limited.limit,
            resets_ms=row.end_ms,
            hard=row.hard,
        )
        for row in read_budgets(budgets).budgets
        for limited in row.lines
        if limited.limit is not None
    ]
    return sorted(gauges, key=lambda gauge: -gauge.used * PER_MILLE // max(gauge.limit, 1))[:BUDGETS_MOST]


def ended_row(ended: RequestEnded, now_ms: int) -> RequestRow:
    """News of a request → a row that says whose it was, too. Pure."""
    figures, caller = ended.figures, ended.caller
    return msgspec.structs.replace(
        news_row(ended, now_ms),
        started_ms=figures.received_ms,
        cost_nano_usd=figures.cost_nano_usd,
        saved_nano_usd=None
        if figures.baseline_nano_usd is None
        else figures.baseline_nano_usd - figures.cost_nano_usd,
        principal=caller.principal,
        project=figures.project,
        user=caller.user,
        session=figures.session,
        client=caller.client,
    )
