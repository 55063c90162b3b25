"""A real ledger behind a desk, with the news that the hallway tells, and what a live screen makes of them.

Law: the news are told as ``exchange.py`` and ``pipeline.py`` tell them: after the ledger has taken in what they tell.
"""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, cast

import msgspec
import trio

from lodestard.control.messages.dashboard import LiveItem, LiveRow
from lodestard.control.verbs.dashboard import follow
from lodestard.control.verbs.desk import HouseState
from lodestard.control.verbs.live_board import Board
from lodestard.domain.closing import Closing
from lodestard.domain.news import AttemptEnded, RequestEnded, attempt_figures
from lodestard.domain.price import Price
from lodestard.domain.request import Caller
from lodestard.domain.upstream import Candidate, Target
from lodestard.domain.usage import Usage
from lodestard.ledger import (
    SCHEMA,
    Attempt,
    CostRow,
    Entry,
    Explanation,
    Ledger,
    LedgerOptions,
    Reports,
    RequestRow,
    open_ledger,
)
from lodestard.store import StoreOptions, open_store, run_inline
from tests.fakes.control_desk import SETTINGS, FakeClock, FakeDesk, make_runtime, with_baseline

PRICE = Price(input_pico_usd=3_000_000, output_pico_usd=15_000_000)
BASELINE = Price(input_pico_usd=5_000_000, output_pico_usd=25_000_000)
PAID = Candidate(target=Target("openai", "gpt-4o"), dialect="openai", price=PRICE, free=False, up=True)
OTHER = Candidate(target=Target("xai", "grok"), dialect="openai", price=PRICE, free=False, up=True)
LOCAL = Candidate(target=Target("t600", "llama"), dialect="ollama", price=None, free=True, up=True)
CANDIDATES = (PAID, OTHER, LOCAL)
HOLD = 5_000_000
TABLES = {"model": "model", "project": "project", "session": "session", "provider": "upstream"}
COMPARED: tuple[str, ...] = (
    "requests",
    "failed",
    "cache_hits",
    "prompt_tokens",
    "completion_tokens",
    "cost_nano_usd",
    "unknown_nano_usd",
    "saved_nano_usd",
)


@dataclass
class LedgerDesk(FakeDesk):
    """``FakeDesk`` whose figures are a ledger's."""

    ledger: Any = None

    def state(self) -> HouseState:
        totals = self.ledger.totals()
        return HouseState(
            state="ready",
            held_nano_usd=totals.held_nano_usd,
            open_requests=totals.open_requests,
            ended_today=totals.requests_today,
        )


@dataclass
class SlowReports:
    """The ledger's reports; each takes its time before and after it has read."""

    reports: Reports
    pause_s: float = 0.0

    async def costs(self, by: str, **span: Any) -> list[CostRow]:
        await trio.sleep(self.pause_s)
        rows = await self.reports.costs(by, **span)
        await trio.sleep(self.pause_s)
        return rows

    async def requests(self, limit: int = 50) -> list[RequestRow]:
        return await self.reports.requests(limit)

    async def explain(self, request_id: str) -> Explanation | None:
        return await self.reports.explain(request_id)


@dataclass
class Shop:
    """Requests come and go here."""

    ledger: Ledger
    desk: LedgerDesk
    clock: FakeClock
    board: Board
    reports: SlowReports
    entries: list[Entry] = field(default_factory=list)
    attempts: list[Attempt] = field(default_factory=list)

    def open(self, **words: Any) -> Entry:
        self.entries.append(self.ledger.open_entry(Caller(**words), "auto", dialect="openai", stream=False))
        return self.entries[-1]

    async def hold(self, entry: Entry, candidate: Candidate = PAID) -> Attempt:
        attempt = await self.ledger.hold(entry, candidate, HOLD)
        self.attempts.append(attempt)
        return attempt

    def end(self, attempt: Attempt, how: str, usage: Usage | None = None) -> None:
        self.attempts.remove(attempt)
        if how == "capture":
            self.ledger.capture(attempt, usage)
        elif how == "release":
            self.ledger.release(attempt, "test")
        else:
            self.ledger.unknown(attempt, "test")
        news = AttemptEnded(
            target=attempt.target,
            outcome="ok",
            total_ns=1,
            first_piece_ns=None,
            usage=usage,
            durations=None,
            cost_nano_usd=attempt.cost_nano_usd,
            request_id=attempt.entry.id,
            settled=attempt_figures(attempt),
        )
        self.desk.attempts.tell(news)

    def close(self, entry: Entry, **closing: Any) -> None:
        self.entries.remove(entry)
        told = Closing(**{"outcome": "ok", "status": 200, "cache": "miss", **closing})
        figures = self.ledger.close_entry(entry, told)
        news = RequestEnded(
            request_id=entry.id,
            caller=entry.caller,
            alias="auto",
            attempts=len(entry.attempts),
            cost_nano_usd=figures.cost_nano_usd,
            closing=told,
            figures=figures,
            settled=tuple(attempt_figures(attempt) for attempt in entry.attempts),
        )
        self.desk.ended.tell(news)

    async def serve(self, candidate: Candidate = PAID, tokens: int = 1_000, **words: Any) -> Entry:
        entry = self.open(**words)
        usage = Usage(prompt_tokens=tokens, completion_tokens=tokens // 10)
        self.end(await self.hold(entry, candidate), "capture", usage)
        self.close(entry, target=candidate.target, usage=usage)
        return entry


@asynccontextmanager
async def open_shop(path: Path, now_ms: int) -> AsyncIterator[Shop]:
    """A shop over a ledger file. Days begin in UTC."""
    clock = FakeClock(now_ms)
    options = LedgerOptions(strict=True, baseline=BASELINE)
    async with (
        open_store(path, (SCHEMA,), options=StoreOptions(durable=False), clock=clock, run=run_inline) as store,
        open_ledger(store, clock, options=options) as ledger,
    ):
        runtime = replace(make_runtime(with_baseline(SETTINGS)), clock=clock)
        reports = SlowReports(ledger.reports)
        desk = LedgerDesk(runtime, reports=cast("Any", reports), ledger=ledger)
        yield Shop(ledger, desk, clock, Board(desk), reports)


# -- what a reader makes of the stream -------------------------------------------------------------------------------


@dataclass
class Screen:
    """Puts the items of a stream together."""

    items: list[LiveItem] = field(default_factory=list)
    rows: dict[tuple[str, str], dict[str, LiveRow]] = field(default_factory=dict)

    async def take(self, item: object) -> None:
        """As it comes over the socket."""
        read = msgspec.json.decode(msgspec.json.encode(item), type=LiveItem)
        if read.kind == "snapshot":
            self.rows = {}
        for span, tables in read.rows.items():
            for table, rows in tables.items():
                self.rows.setdefault((span, table), {}).update({row.name: row for row in rows})
        self.items.append(read)

    @property
    def last(self) -> LiveItem:
        return self.items[-1]

    async def run(self, board: Board) -> None:
        await follow(board, self.take)


def figures_of(row: LiveRow) -> dict[str, int]:
    return {name: getattr(row, name) for name in COMPARED}


def ledger_figures(row: CostRow) -> dict[str, int]:
    return {name: getattr(row, {"failed": "errors"}.get(name, name)) for name in COMPARED}


async def ledger_says(shop: Shop, table: str, since_ms: int) -> Mapping[str, dict[str, int]]:
    """A table as the ledger's reports have it now, without what there is nothing to say of."""
    rows = await shop.ledger.reports.costs(TABLES[table], since_ms=since_ms)
    found = {row.key.strip("/"): ledger_figures(row) for row in rows}
    return {name: figures for name, figures in found.items() if any(figures.values())}
