"""Random traffic with crashes in the middle: the ledger is whole after each, and never forgets a hold."""

import os
import shutil
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
import trio
from hypothesis import HealthCheck, given, note, settings
from hypothesis import strategies as st
from trio.testing import MockClock

from lodestard.domain.clock import SystemClock
from lodestard.domain.closing import Closing
from lodestard.domain.errors import HouseFault
from lodestard.domain.price import Price
from lodestard.domain.request import Caller
from lodestard.domain.upstream import Candidate, Target
from lodestard.domain.usage import Usage
from lodestard.ledger import SCHEMA, Attempt, Entry, Ledger, LedgerOptions, open_ledger, verify
from lodestard.store import FileStore, StoreOptions, open_snapshot, open_store, run_inline
from lodestard.store.faults import FILE_ERRORS

PRICE = Price(input_pico_usd=3_000_000, output_pico_usd=15_000_000)
PAID = Candidate(target=Target("anthropic", "claude"), dialect="openai", price=PRICE, free=False, up=True)
LOCAL = Candidate(target=Target("t600", "llama"), dialect="ollama", price=None, free=True, up=True)
HOLD = 5_000_000
FULL = FILE_ERRORS[[error.__name__ for error in FILE_ERRORS].index("FullError")]


class Op(msgspec.Struct, frozen=True):
    """One step. ``pick`` chooses among what is there; ``tokens`` may cost more than is held."""

    kind: str
    pick: int = 0
    tokens: int | None = None


KINDS = (
    "open open hold hold hold hold free capture capture capture release unknown close close cancel flush fail heal"
)
ops = st.builds(Op, st.sampled_from([*KINDS.split(), "crash"]), st.integers(0, 99), st.none() | st.integers(0, 2_000))


class Disk:
    """The executor, with a disk that can be full."""

    def __init__(self) -> None:
        self.full = False

    async def run(self, work):  # type: ignore[no-untyped-def]
        if self.full and "commit_batch" in repr(work):
            await trio.lowlevel.checkpoint()
            return FULL("full")  # as commit_batch would
        return await run_inline(work)


class Traffic:
    """What the world did, beside what the ledger says of it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.path = folder / "0.db"
        self.lives = 0
        self.disk = Disk()
        self.entries: list[Entry] = []
        self.attempts: list[Attempt] = []
        self.settled: dict[tuple[str, int], int] = {}  # (request, attempt) -> cost, once it is surely written
        self.acknowledged: dict[tuple[str, int], int] = {}  # -> hold, once it was said to be durable
        self.ended: dict[tuple[str, int], int] = {}  # -> cost, once it ended in this life

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[tuple[FileStore, Ledger]]:
        options = StoreOptions(durable=False)
        clock = SystemClock()
        async with (
            open_store(self.path, (SCHEMA,), options=options, clock=clock, run=self.disk.run) as store,
            open_ledger(store, clock, options=LedgerOptions(strict=True)) as ledger,
        ):
            yield store, ledger

    async def live(self, steps: list[Op]) -> list[Op]:
        """One life of the house: to the next crash, or the end. What is left of ``steps``."""
        async with self.opened() as (store, ledger):
            self.check_after_start(store)
            while steps:
                step = steps.pop(0)
                if step.kind == "crash":
                    self.crash()
                    return steps
                await self.do(step, store, ledger)
            self.disk.full = False
        self.settled |= self.acknowledged | self.end_all()
        return steps

    async def do(self, step: Op, store: FileStore, ledger: Ledger) -> None:
        entry = self.entries[step.pick % len(self.entries)] if self.entries else None
        held = [attempt for attempt in self.attempts if attempt.state == "held"]
        attempt = held[step.pick % len(held)] if held else None
        if step.kind == "open":
            self.entries.append(ledger.open_entry(Caller(), "a", dialect="d", stream=False))
        elif step.kind in ("hold", "free", "cancel") and entry is not None:
            await self.hold(step, entry, ledger)
        elif step.kind in ("capture", "release", "unknown") and attempt is not None:
            self.end(step, attempt, ledger)
        elif step.kind == "close" and entry is not None:
            self.entries.remove(entry)
            ledger.close_entry(entry, Closing(outcome="ok", status=200, cache="miss"))
        elif step.kind == "flush":
            await trio.sleep(3)
            if not self.disk.full:
                assert store.health.ok
                self.settled |= self.ended
        elif step.kind in ("fail", "heal"):
            self.disk.full = step.kind == "fail"
            await trio.sleep(0 if self.disk.full else 3)
        assert ledger.totals().held_nano_usd == sum(a.hold_nano_usd for a in self.attempts if a.state == "held")

    async def hold(self, step: Op, entry: Entry, ledger: Ledger) -> None:
        candidate = LOCAL if step.kind == "free" else PAID
        with trio.CancelScope() as scope:
            async with trio.open_nursery() as nursery:
                if step.kind == "cancel":
                    nursery.start_soon(self.cancel_after, step.pick % 6, scope)
                try:
                    attempt = await ledger.hold(entry, candidate, HOLD)
                except HouseFault as refusal:
                    note(repr(refusal))
                    assert self.disk.full or step.kind == "cancel"
                else:
                    self.attempts.append(attempt)
                    if not attempt.free:
                        self.acknowledged[entry.id, attempt.ordinal] = HOLD
                nursery.cancel_scope.cancel()

    @staticmethod
    async def cancel_after(checkpoints: int, scope: trio.CancelScope) -> None:
        for _ in range(checkpoints):
            await trio.lowlevel.checkpoint()
        scope.cancel()

    def end(self, step: Op, attempt: Attempt, ledger: Ledger) -> None:
        if step.kind == "capture":
            ledger.capture(attempt, None if step.tokens is None else Usage(prompt_tokens=step.tokens))
        elif step.kind == "release":
            ledger.release(attempt, "test")
        else:
            ledger.unknown(attempt, "test")
        if not attempt.free:
            self.ended[attempt.entry.id, attempt.ordinal] = attempt.cost_nano_usd

    def end_all(self) -> dict[tuple[str, int], int]:
        ended, self.ended = self.ended, {}
        return ended

    def crash(self) -> None:
        """Go on with the files as they are now, as a process would that comes after one that was killed."""
        self.lives += 1
        after = self.folder / f"{self.lives}.db"
        for suffix in ("", "-wal"):
            before = self.path.with_name(self.path.name + suffix)
            if before.exists():
                shutil.copyfile(before, after.with_name(after.name + suffix))
        self.path = after
        self.disk = Disk()
        self.entries, self.attempts = [], []

    def check_after_start(self, store: FileStore) -> None:
        """All that was acknowledged is there: at its cost, or at its hold if its end was not written yet."""
        with open_snapshot(self.path) as snapshot:
            report = verify(snapshot, idle=True)
        assert report.ok, report.problems
        rows = store.read("SELECT id, ordinal, a.cost_nano_usd FROM attempt a JOIN request ON seq = request_seq")
        costs = {(str(request), int(ordinal or 0)): int(cost or 0) for request, ordinal, cost in rows}
        for key, hold in self.acknowledged.items():
            may_be = {self.settled[key]} if key in self.settled else {hold, self.ended.get(key, hold)}
            assert costs[key] in may_be
        self.settled |= {key: costs[key] for key in self.acknowledged}
        self.acknowledged, self.ended = {}, {}
        for key, cost in self.settled.items():
            assert costs[key] == cost


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(ops, min_size=5, max_size=60))
def test_whatever_happens_the_ledger_is_whole(steps: list[Op]) -> None:
    async def main() -> None:
        with tempfile.TemporaryDirectory(dir="/dev/shm" if os.access("/dev/shm", os.W_OK) else None) as folder:
            traffic = Traffic(Path(folder))
            left = [*steps, Op("crash"), Op("flush")]
            while left:
                left = await traffic.live(left)
            async with traffic.opened() as (store, _):
                traffic.check_after_start(store)

    trio.run(main, clock=MockClock(autojump_threshold=0))
