"""Budgets under random traffic: one house after another on the same ledger, each killed at a random moment.

What must hold: I1 to I8, and above all I4, no hard budget in any scope is overrun by a nano-dollar at any commit, and
I6, the ledger has exactly what the provider billed wherever usage was delivered, and never less.
"""

import random
import shutil
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from pathlib import Path
from typing import TypeVar

import trio

from lodestard.budget.judge import Standing
from lodestard.budget.rules import read_rules
from lodestard.domain.closing import Closing
from lodestard.domain.errors import Code
from lodestard.domain.ports import Row
from lodestard.domain.price import Price
from lodestard.domain.reply import Piece
from lodestard.domain.request import Caller, Conversation, Message, Request, Sampling, TextPart
from lodestard.domain.settings import Budget, Scope, Settings, Upstream
from lodestard.domain.upstream import Candidate, Plan, Target
from lodestard.flights import Flight, Flights, LeavePolicy
from lodestard.ledger import SCHEMA, Ledger, LedgerOptions, open_ledger, verify
from lodestard.pipeline import fly
from lodestard.residency.plain import HostAdmission
from lodestard.runtime import Runtime
from lodestard.store import StoreOptions, open_snapshot, open_store
from tests.fakes.rooms import FakeTicket, NoRoutes, ScriptedSender, make_runtime
from tests.faults.audit import Audit, Owner
from tests.faults.powercuts import FILE, LoopClock
from tests.faults.provider import Provider
from tests.faults.shadow import Shadow, WatchedStore, Work

T = TypeVar("T")
HOUR_MS = 3_600_000
STEPS_MS = tuple(sign * hours * HOUR_MS for sign in (1, -1) for hours in (1, 25, 8 * 24, 366 * 24))
LIVES_S = 3.0
A = Price(input_pico_usd=3_000_000, output_pico_usd=15_000_000, cache_read_pico_usd=300_000, max_output_tokens=600)
B = Price(input_pico_usd=1_234_567, output_pico_usd=7_654_321, cache_read_pico_usd=123_457, max_output_tokens=600)
CANDIDATES = [
    Candidate(target=Target("a", "big"), dialect="openai", price=A, free=False, up=True),
    Candidate(target=Target("a", "small"), dialect="openai", price=A, free=False, up=True),
    Candidate(target=Target("b", "odd"), dialect="openai", price=B, free=False, up=True),
    Candidate(target=Target("t600", "llama"), dialect="openai", price=None, free=True, up=True),
]
COMMON_HOLD_USD = Decimal("0.008")
UPSTREAMS = {name: Upstream(dialect="openai", url="http://127.0.0.1:1") for name in ("a", "b", "t600")}


class SteppingClock(LoopClock):
    """Wall time that is stepped now and then."""

    offset_ms = 0

    def now_ms(self) -> int:
        return super().now_ms() + self.offset_ms


class FreeRoutes(NoRoutes):
    def free_candidates(self) -> Sequence[Candidate]:
        return CANDIDATES[-1:]


@dataclass
class Trial:
    """One trial, by its seed: its budgets, its clock, its provider, and all that was written, house after house."""

    seed: int
    folder: Path
    works: list[Work] = field(default_factory=list)
    nows_ms: list[int] = field(default_factory=list)
    outcomes: Counter[str] = field(default_factory=Counter)
    clock: SteppingClock = field(default_factory=SteppingClock)

    def __post_init__(self) -> None:
        self.luck = random.Random(self.seed)
        self.budgets = plan_budgets(self.luck)
        self.provider = Provider(self.luck, self.folder / FILE)
        self.lives = self.ended_ms = 0
        self.standings = list[Standing]()

    async def run(self) -> None:
        for _ in range(self.luck.choice((1, 1, 2, 3))):
            await self.live(kill=True)
        await self.live(kill=False)
        self.check()

    # -- a house -----------------------------------------------------------------------------------------------

    async def live(self, *, kill: bool) -> None:
        """A house that is killed, or one that comes to rest."""
        options = LedgerOptions(rules=read_rules(self.budgets), strict=True)
        works, killed_at = list[Work](), None
        async with open_store(
            self.provider.file, (SCHEMA,), options=StoreOptions(durable=True), clock=self.clock, run=self._write
        ) as store:
            watched = NotingStore(store, works, lambda _works: None)
            async with open_ledger(watched, self.clock, options=options) as ledger:
                watched.ledger = ledger
                async with trio.open_nursery() as house:
                    house.start_soon(self._serve, House(ledger, self._open_runtime(house, ledger)), house, kill)
                    await trio.sleep(self.luck.random() * LIVES_S if kill else 0)
                    if kill:
                        killed_at = store.health.works
                        self._copy_files()
                        house.cancel_scope.cancel()
                self.standings = ledger.budgets.standings()
                self.ended_ms = ledger.now_ms()
        committed = killed_at if killed_at is not None else len(works)
        self.works += works[:committed]
        self.nows_ms += watched.nows_ms[:committed]

    async def _write(self, work: Callable[[], T], /) -> T:
        """The executor: takes its time, so that works gather."""
        await trio.sleep(self.luck.random() * 0.02)
        return work()

    def _copy_files(self) -> None:
        """What a process leaves that is killed now; the next house goes on from there."""
        self.lives += 1
        after = self.folder / str(self.lives)
        after.mkdir()
        for suffix in ("", "-wal", ".lock"):
            shutil.copyfile(f"{self.provider.file}{suffix}", after / f"{FILE}{suffix}")
        self.provider.file = after / FILE

    def _open_runtime(self, house: trio.Nursery, ledger: Ledger) -> Runtime:
        async def fly_here(flight: Flight) -> None:
            await fly(flight, runtime)

        policy = LeavePolicy(frozenset({"a"}), 0.2, 8)
        runtime = replace(
            make_runtime(house, ScriptedSender({}), settings=Settings(upstreams=UPSTREAMS)),
            clock=self.clock,
            routes=FreeRoutes(),
            ledger=ledger,
            sender=self.provider,
            admission=HostAdmission(UPSTREAMS),
            flights=Flights(house, fly_here, policy),
        )
        return runtime

    async def _serve(self, house: "House", nursery: trio.Nursery, kill: bool) -> None:
        async with trio.open_nursery() as guests:
            for _ in range(self.luck.choices((3, 6, 12, 64), weights=(4, 4, 3, 1) if kill else (1, 1, 0, 0))[0]):
                guests.start_soon(self._visit, house)
            if self.luck.random() < 0.5:
                guests.start_soon(self._step_the_clock)
            if self.luck.random() < 0.5:
                guests.start_soon(self._rename_budgets, house.ledger)
        if not kill:
            nursery.cancel_scope.cancel()

    async def _step_the_clock(self) -> None:
        await trio.sleep(self.luck.random() * LIVES_S / 2)
        self.clock.offset_ms += self.luck.choice(STEPS_MS)

    async def _rename_budgets(self, ledger: Ledger) -> None:
        """A reload that makes every budget a new one, with the same limits: nothing may be forgotten."""
        await trio.sleep(self.luck.random() * LIVES_S / 2)
        names = {name: f"{name[0]}{int(name[1:]) + 10}" for name in self.budgets}
        renamed = {names[name]: budget for name, budget in self.budgets.items()}
        await ledger.take_in_budgets(read_rules(renamed), ())
        self.budgets = renamed

    # -- a guest -----------------------------------------------------------------------------------------------

    async def _visit(self, house: "House") -> None:
        luck, ledger, runtime = self.luck, house.ledger, house.runtime
        await trio.sleep(luck.choice((luck.random(), luck.randint(0, 3) / 4)) * LIVES_S / 2)  # alone, or in a crowd
        caller = Caller(project=luck.choice(("", "p", "q")), user=luck.choice("uv"), session=luck.choice(("", "s")))
        entry = ledger.open_entry(caller, "m", dialect="openai", stream=True)
        candidates = tuple(luck.sample(CANDIDATES, luck.choice((1, 1, 2, 3))))
        request = make_request(entry.id, luck)
        plan = Plan(alias="m", candidates=candidates)
        flight = Flight(key=None, request=request, plan=plan, entry=entry, live=request.stream, ticket=FakeTicket())
        self.prepare(flight)
        async with trio.open_nursery() as nursery:
            if luck.random() < 0.3:
                nursery.start_soon(self._leave, flight, runtime)
            await runtime.flights.run_inline(flight, read_on)
            nursery.cancel_scope.cancel()
        assert flight.landing is not None
        fault = flight.landing.fault
        self.outcomes[fault.code.value if fault else "whole"] += 1
        assert fault is None or fault.code is not Code.INTERNAL, f"seed {self.seed}: a defect; see the log"
        ledger.close_entry(entry, Closing(outcome=fault.code if fault else "ok", status=200, cache="bypass"))

    def prepare(self, flight: Flight) -> None:
        """Whatever else a trial wants of a flight."""

    async def _leave(self, flight: Flight, runtime: Runtime) -> None:
        await trio.sleep(self.luck.random() * 0.3)
        runtime.flights.leave(flight)

    # -- what must hold ----------------------------------------------------------------------------------------

    def check(self) -> None:
        """The ledger at rest against the provider's bills, and every budget after each work."""
        with open_snapshot(self.provider.file) as snapshot:
            report = verify(snapshot, idle=True)
            rows = snapshot.read("SELECT id, ordinal, attempt.state, attempt.cost_nano_usd FROM attempt"
                                 " JOIN request ON seq = request_seq WHERE NOT free")  # fmt: skip
        assert report.ok, f"seed {self.seed}: {report.problems}"
        assert not self.provider.unheld, f"seed {self.seed}: {self.provider.unheld}"
        self.check_bills(rows)
        self.check_budgets()

    def check_bills(self, rows: Sequence[Row]) -> None:
        """I6: exact where usage was told and taken in, never lower; what was released was not billed."""
        ledger = {(str(name), int(ordinal or 0)): (str(state), int(cost or 0)) for name, ordinal, state, cost in rows}
        for key, bill in self.provider.bills.items():
            state, cost = ledger[key]
            where = f"seed {self.seed}, {key}: billed {bill.nano_usd}, {state} at {cost}"
            assert cost >= bill.nano_usd, where
            assert state != "captured" or cost == bill.nano_usd, where
        for key, (state, cost) in ledger.items():
            assert key in self.provider.bills or state != "captured", f"seed {self.seed}, {key}: charged {cost}"

    def check_budgets(self) -> None:
        """I4, by the works themselves, once more in memory and in their order."""
        shadow = AuditedShadow(self.budgets)
        for number, (work, now_ms) in enumerate(zip(self.works, self.nows_ms, strict=True)):
            try:
                shadow.follow(work, now_ms)
            except AssertionError as error:
                raise AssertionError(f"seed {self.seed}, work {number}: {error}") from None
        for standing in self.standings:
            rule, at_ms = standing.rule, max(standing.start_ms, 0)
            taken = shadow.audit.taken(rule.name, standing.value, at_ms, self.ended_ms)
            where = (
                f"seed {self.seed}, {rule.name} of {standing.value!r}: counted {standing.spent.usd}, spent {taken}"
            )
            assert standing.held.usd == 0, where
            assert standing.spent.usd == taken or (rule.window.kind == "rolling" and standing.spent.usd > taken), (
                where
            )


@dataclass(frozen=True)
class House:
    ledger: Ledger
    runtime: Runtime


class NotingStore(WatchedStore):
    """A watched store that notes the ledger's time at each work."""

    ledger: Ledger | None = None

    @property
    def nows_ms(self) -> list[int]:
        return self._nows_ms

    def __init__(self, *how: object) -> None:
        super().__init__(*how)  # type: ignore[arg-type]
        self._nows_ms: list[int] = []

    def given(self, work: Work) -> None:
        super().given(work)
        self._nows_ms.append(0 if self.ledger is None else self.ledger.now_ms())


class AuditedShadow(Shadow):
    """A shadow that audits each work's postings."""

    def __init__(self, budgets: Mapping[str, Budget]) -> None:
        super().__init__()
        self.audit = Audit(budgets)
        self._now_ms = 0
        self._tx.execute("CREATE TABLE moved (seq, ordinal, from_book, to_book, nano_usd)")
        self._tx.execute(
            "CREATE TRIGGER moves AFTER INSERT ON posting BEGIN INSERT INTO moved VALUES"
            " (NEW.request_seq, NEW.ordinal, NEW.from_book, NEW.to_book, NEW.amount_nano_usd); END"
        )

    def follow(self, work: Work, now_ms: int) -> None:
        self._now_ms = max(self._now_ms, now_ms)
        self.run(work)
        moved = self._tx.execute(
            "SELECT from_book, to_book, nano_usd, attempt.request_seq, attempt.ordinal, received_ms, project, user,"
            " session, attempt.upstream, attempt.model FROM moved JOIN attempt ON attempt.request_seq = moved.seq"
            " AND attempt.ordinal = moved.ordinal JOIN request ON request.seq = moved.seq ORDER BY moved.rowid"
        )
        owners = [Owner.of(row[3:]) for row in moved]
        for (from_book, to_book, nano_usd, *_), owner in zip(moved, owners, strict=True):
            self.audit.move(owner, str(from_book), str(to_book), int(nano_usd or 0))
        for owner in owners:
            self.audit.check(owner, self._now_ms)
        self._tx.execute("DELETE FROM moved")


async def read_on(pieces: Sequence[Piece]) -> None:
    await trio.lowlevel.checkpoint()


def make_request(name: str, luck: random.Random) -> Request:
    limit = luck.choice((None, 20, 100, 400))
    return Request(
        dialect="openai",
        alias=name,
        stream=luck.random() < 0.7,
        include_usage=False,
        members={},
        conversation=Conversation(
            messages=(Message(role="user", parts=(TextPart("hello"),)),), sampling=Sampling(max_output_tokens=limit)
        ),
        size_bytes=luck.randint(50, 600),
    )


def plan_budgets(luck: random.Random) -> dict[str, Budget]:
    return {f"b{number}": _plan_budget(luck) for number in range(luck.randint(1, 3))}


def _plan_budget(luck: random.Random) -> Budget:
    scopes: tuple[Scope, ...] = ("global", "global", "project", "user", "session", "model", "provider")
    scope = luck.choice(scopes)
    of = {"project": ("", "p"), "user": ("", "u"), "model": ("", "a/big"), "provider": ("", "b")}.get(scope, ("",))
    return Budget(
        scope=scope,
        of=luck.choice(of),
        window=luck.choice(("day", "week", "month", "total", "1h", "24h")),
        usd=COMMON_HOLD_USD * luck.choice((1, 4, 12, 40)) / luck.randint(1, 3),
        hard=luck.random() < 0.9,
        at_limit=luck.choice(("free", "refuse")),
    )
