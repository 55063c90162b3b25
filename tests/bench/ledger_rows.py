"""A ledger with many requests of a likely mix, made through the ledger's own doors.

Nine in ten requests are answered by a free model or from the cache; the rest is paid, refused, broken off or asked of
several models. They come from several people, projects, clients and sessions, over several days.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from os import urandom
from pathlib import Path
from random import Random

from lodestard.domain.closing import Closing
from lodestard.domain.price import Price
from lodestard.domain.request import Caller
from lodestard.domain.upstream import Candidate, Target
from lodestard.domain.usage import Durations, Usage
from lodestard.ledger import SCHEMA, Entry, Ledger, LedgerOptions
from lodestard.ledger.ids import RequestIds
from lodestard.store import FileStore, StoreOptions, open_store, run_inline

DAY_MS = 86_400_000
BEGIN_MS = 1_790_000_000_000
BASELINE = Price(input_pico_usd=5_000_000, output_pico_usd=25_000_000)
SONNET = Price(
    input_pico_usd=3_000_000,
    output_pico_usd=15_000_000,
    cache_read_pico_usd=300_000,
    cache_write_pico_usd=3_750_000,
)
MINI = Price(input_pico_usd=150_000, output_pico_usd=600_001, cache_read_pico_usd=75_000)


def _paid(upstream: str, model: str, price: Price) -> Candidate:
    return Candidate(target=Target(upstream, model), dialect="openai", price=price, free=False, up=True)


def _free(model: str) -> Candidate:
    return Candidate(target=Target("t600", model), dialect="ollama", price=None, free=True, up=True)


FREE = (_free("deepseek-coder:6.7b"), _free("llama3.1:8b"))
PAID = (
    _paid("anthropic", "claude-sonnet-4-5-20250929", SONNET),
    _paid("openai", "gpt-4o-mini", MINI),
    _paid("openai", "gpt-4o", SONNET),
)
PROJECTS = ("lodestar", "shop", "=SUM(A1)", "blog, old", 'the "new" one', "")
CLIENTS = ("aider", "cline", "continue", "claude-code")
TASKS = ("edit", "chat", "test", "review", "")
TRACE = {"plan": {"alias": "gpt-4o", "reason": "the first that is up"}, "attempts": [{"target": "t600/llama3.1:8b"}]}


@dataclass
class SetClock:
    """Wall time as it is set."""

    ms: int = BEGIN_MS
    ns: int = 0

    def now_ms(self) -> int:
        return self.ms

    def monotonic_ns(self) -> int:
        self.ns += 1_000_000
        return self.ns


@dataclass
class Traffic:
    """Who asks for what: the same for the same ``seed``."""

    ledger: Ledger
    clock: SetClock
    step_ms: int
    random: Random = field(default_factory=lambda: Random(1))
    session: str = ""

    async def one(self, number: int) -> None:
        """One request, from its coming to its end."""
        self.clock.ms += self.random.randrange(2 * self.step_ms)
        entry = self.ledger.open_entry(self._caller(number), "gpt-4o", dialect="openai_chat", stream=number % 3 > 0)
        kind = self.random.random()
        if kind < 0.24:
            self._close(entry, FREE[number % 2], self._usage(), cache="hit" if kind < 0.2 else "shared")
        elif kind < 0.92:
            await self._free(entry, number)
        elif kind < 0.985:
            await self._paid(entry, number)
        else:
            self._close(entry, None, None, outcome="invalid_json", status=400)

    def _caller(self, number: int) -> Caller:
        if number % 40 == 0:
            self.session = f"s-{number // 40:06}"
        pick = number // 40
        return Caller(
            principal="key-1",
            project=PROJECTS[pick % len(PROJECTS)],
            user=f"user-{pick % 3}",
            session=self.session,
            client=CLIENTS[pick % len(CLIENTS)],
            task=TASKS[number % len(TASKS)],
        )

    def _usage(self) -> Usage:
        draw = self.random.randrange
        prompt = draw(200, 20_000)
        cached = draw(prompt) if draw(3) == 0 else 0
        written = draw(prompt - cached) if draw(4) == 0 else 0
        return Usage(
            prompt_tokens=prompt,
            completion_tokens=draw(1, 1_500),
            cached_tokens=cached,
            cache_write_tokens=written,
            reasoning_tokens=0,
        )

    async def _free(self, entry: Entry, number: int) -> None:
        candidate = FREE[number % 2]
        attempt = await self.ledger.hold(entry, candidate, 0)
        if number % 50 == 0:
            self.ledger.release(attempt, "upstream_timeout")
            await self._paid(entry, number)
            return
        usage = self._usage()
        self.ledger.capture(attempt, usage)
        self._close(entry, candidate, usage)

    async def _paid(self, entry: Entry, number: int) -> None:
        candidate = PAID[number % len(PAID)]
        attempt = await self.ledger.hold(entry, candidate, 400_000_000 + number % 1_000)
        ending = self.random.randrange(20)
        if ending == 0:
            self.ledger.unknown(attempt, "upstream_cut")
            self._close(entry, candidate, None, outcome="upstream_cut", status=502)
        elif ending == 1:
            self.ledger.unknown(attempt, "upstream_timeout")
            await self._paid(entry, number + 1)
        elif ending == 2:
            self.ledger.release(attempt, "upstream_unreachable")
            self._close(entry, candidate, None, outcome="upstream_unreachable", status=502)
        else:
            usage = self._usage()
            self.ledger.capture(attempt, usage)
            self._close(entry, candidate, usage)

    def _close(
        self, entry: Entry, candidate: Candidate | None, usage: Usage | None, *, cache: str = "miss",
        outcome: str = "ok", status: int = 200,
    ) -> None:  # fmt: skip
        closing = Closing(
            outcome=outcome,
            status=status,
            cache=cache,
            target=candidate.target if candidate else None,
            usage=usage,
            durations=Durations(load_ns=10**9, prefill_ns=10**8, decode_ns=10**9),
            total_us=self.random.randrange(400, 20_000_000),
            first_piece_us=self.random.randrange(400, 2_000_000),
            overhead_us=300,
            trace=TRACE,
        )
        self.ledger.close_entry(entry, closing)


@asynccontextmanager
async def opened(path: Path, clock: SetClock) -> AsyncIterator[tuple[FileStore, Ledger]]:
    """A ledger written inline, without the task that keeps its house: the caller does that."""
    options = StoreOptions(durable=False)
    async with open_store(path, (SCHEMA,), options=options, clock=clock, run=run_inline) as store:
        yield store, Ledger(store, clock, LedgerOptions(baseline=BASELINE, strict=True), RequestIds(urandom))


async def fill(path: Path, rows: int, days: int = 30, seed: int = 1) -> SetClock:
    """Make a ledger of ``rows`` requests over ``days`` at ``path``. Gives the clock as it is at their end."""
    clock = SetClock()
    async with opened(path, clock) as (_, ledger):
        traffic = Traffic(ledger, clock, max(1, days * DAY_MS // rows), Random(seed))
        for number in range(rows):
            await traffic.one(number)
            if number % 500 == 499:
                await ledger.reports.requests(1)
    return clock
