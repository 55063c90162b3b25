"""Rooms that remember what was asked of them: a ledger, a cache, a sender and the runtime over them."""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
import trio

from lodestard.domain.choice import Among, Asked, Figures, Interest, Needs
from lodestard.domain.closing import Closing
from lodestard.domain.errors import Code, Fault, HouseFault
from lodestard.domain.ports import ReplyStream
from lodestard.domain.price import Price
from lodestard.domain.project import ProjectPolicy
from lodestard.domain.reply import Piece, Reply
from lodestard.domain.request import Caller, Conversation, Message, Request, TextPart
from lodestard.domain.room import ROOMY, Room
from lodestard.domain.secret import Secret
from lodestard.domain.settings import KeySource, Settings, Upstream
from lodestard.domain.task import Task
from lodestard.domain.upstream import AS_ASKED, Candidate, Plan, Target
from lodestard.domain.usage import Usage
from lodestard.flights import Flight, Flights, LeavePolicy
from lodestard.generation import open_origin
from lodestard.hooks import Hooks
from lodestard.pipeline import fly
from lodestard.residency.plain import HostAdmission
from lodestard.routing.score import WORTH
from lodestard.runtime import Look, Runtime

PRICE = Price(input_pico_usd=1_000_000, output_pico_usd=2_000_000, max_output_tokens=100)


class TrioClock:
    """Trio's clock as both readings, so that a mock clock moves them."""

    def now_ms(self) -> int:
        return 1_790_000_000_000 + int(trio.current_time() * 1_000)

    def monotonic_ns(self) -> int:
        return 1 + int(trio.current_time() * 1_000_000_000)  # 0 would read as "not yet"


def make_request(*, stream: bool = True, alias: str = "m", text: str = "hello") -> Request:
    return Request(
        dialect="openai",
        alias=alias,
        stream=stream,
        include_usage=False,
        members={"model": msgspec.Raw(msgspec.json.encode(alias))},
        conversation=Conversation(messages=(Message(role="user", parts=(TextPart(text),)),)),
        size_bytes=100,
    )


def make_candidate(upstream: str = "paid", *, free: bool = False, price: Price | None = PRICE) -> Candidate:
    return Candidate(target=Target(upstream, "model"), dialect="openai", price=price, free=free, up=True)


def make_plan(*candidates: Candidate) -> Plan:
    return Plan(alias="m", candidates=candidates, reason="test")


@dataclass(slots=True, eq=False)
class FakeAttempt:
    target: Target
    hold_nano_usd: int
    state: str = "held"
    ordinal: int = 1
    free: bool = False
    cost_nano_usd: int = 0
    usage: Usage | None = None


NOBODY = Caller()


@dataclass(frozen=True, slots=True)
class FakeEntry:
    id: str = "req_test"
    caller: Caller = NOBODY
    attempts: Sequence[FakeAttempt] = ()


@dataclass(slots=True, eq=False)
class FakeLedger:
    """``book`` has one line for each thing that happened: ``("hold", "paid/model", 300)``."""

    book: list[tuple[str, str, int]] = field(default_factory=list)
    closings: list[Closing] = field(default_factory=list)
    refuse: Fault | None = None
    room: Room = ROOMY

    def open_entry(self, caller: Caller, alias: str, *, dialect: str, stream: bool) -> FakeEntry:
        return FakeEntry()

    def foresee(self, caller: Caller, alias: str) -> FakeEntry:
        return FakeEntry()

    def find_room(self, entry: object, candidate: Candidate) -> Room:
        return self.room

    async def hold(
        self, entry: object, candidate: Candidate, worst_nano_usd: int, worst_tokens: int = 0
    ) -> FakeAttempt:
        await trio.lowlevel.checkpoint()
        if self.refuse is not None:
            raise self.refuse
        if candidate.price is None:
            raise HouseFault(Code.PRICE_UNKNOWN, "no price")
        attempt = FakeAttempt(candidate.target, 0 if candidate.free else worst_nano_usd)
        self._note("hold", attempt, attempt.hold_nano_usd)
        return attempt

    def capture(self, attempt: FakeAttempt, usage: Usage | None) -> int:
        cost = usage.completion_tokens if usage is not None else attempt.hold_nano_usd
        attempt.state = "captured"
        self._note("capture", attempt, cost)
        return cost

    def release(self, attempt: FakeAttempt, why: str) -> None:
        attempt.state = "released"
        self._note(f"release: {why}", attempt, 0)

    def unknown(self, attempt: FakeAttempt, why: str) -> None:
        attempt.state = "unknown"
        self._note(f"unknown: {why}", attempt, attempt.hold_nano_usd)

    def close_entry(self, entry: object, closing: Closing) -> None:
        self.closings.append(closing)

    def _note(self, what: str, attempt: FakeAttempt, amount: int) -> None:
        self.book.append((what, str(attempt.target), amount))

    @property
    def events(self) -> list[str]:
        return [f"{what} {target}" for what, target, _ in self.book]


@dataclass(frozen=True, slots=True)
class FakeTicket:
    key: str = "key"
    cacheable: bool = False
    reason: str = ""

    def key_for(self, _target: Target) -> str:
        return self.key


@dataclass(slots=True, eq=False)
class FakeCache:
    kept: list[tuple[str, Reply, Target, int]] = field(default_factory=list)

    def ticket(self, request: Request, target: Target, principal: str, cache_control: str) -> FakeTicket:
        return FakeTicket()

    def find(self, ticket: FakeTicket) -> None:
        return None

    def recall(self, body: bytes, depth: int) -> Request | None:
        return None

    def remember(self, body: bytes, depth: int, request: Request) -> None:
        pass

    def keep_nowait(self, ticket: FakeTicket, reply: Reply, target: Target, cost_nano_usd: int) -> None:
        self.kept.append((ticket.key, reply, target, cost_nano_usd))


Step = Sequence[Piece] | Fault | float
"""Pieces to give, a fault to raise, or seconds to wait."""


@dataclass(slots=True, eq=False)
class Script:
    """What one upstream does, call after call. A fault before any pieces is raised on entering."""

    calls: list[Sequence[Step]]
    body: bytes = b""
    asked: int = 0


@dataclass(slots=True, eq=False)
class ScriptedSender:
    scripts: Mapping[str, Script]
    open: int = 0

    @asynccontextmanager
    async def send(self, target: Target, request: Request, on_sent: Callable[[], None]) -> AsyncIterator[ReplyStream]:
        script = self.scripts[target.upstream]
        steps = list(script.calls[script.asked])
        script.asked += 1
        await trio.lowlevel.checkpoint()
        if steps and isinstance(steps[0], Fault):
            raise steps[0]
        on_sent()
        self.open += 1
        try:
            yield ScriptedStream(steps, script.body)
        finally:
            self.open -= 1


@dataclass(slots=True, eq=False)
class ScriptedStream:
    steps: list[Step]
    body: bytes
    sent_as = AS_ASKED

    async def receive(self) -> Sequence[Piece] | None:
        while self.steps:
            step = self.steps.pop(0)
            if isinstance(step, Fault):
                raise step
            if isinstance(step, int | float):
                await trio.sleep(step)
                continue
            await trio.lowlevel.checkpoint()
            return step
        return None


class NoRoutes:
    aliases: Sequence[str] = ()
    chat_targets: Sequence[Target] = ()
    worth = WORTH

    def prefers(self, alias: str) -> bool:
        raise AssertionError(alias)

    def interest(self, policy: ProjectPolicy | None = None) -> Interest:
        raise AssertionError(policy)

    def choose_among(
        self, asked: Asked, task: Task, among: Among, figures_of: Callable[[Candidate], Figures]
    ) -> Plan:
        raise AssertionError(among)

    def needs(self, alias: str) -> Needs | None:
        raise AssertionError(alias)

    def plan(
        self,
        asked: Asked,
        task: Task,
        figures_of: Callable[[Candidate], Figures],
        policy: ProjectPolicy | None = None,
    ) -> Plan:
        raise AssertionError(asked.alias)

    def choose(self, alias: str) -> Plan:
        raise AssertionError(alias)

    def price_of(self, target: Target) -> Price | None:
        raise AssertionError(target)

    def free_candidates(self) -> Sequence[Candidate]:
        return ()


def no_secret(source: KeySource) -> Secret:
    raise LookupError(f"no secret in {source.env or source.file}")


def make_runtime(
    nursery: trio.Nursery,
    sender: ScriptedSender,
    *,
    settings: Settings | None = None,
    policy: LeavePolicy | None = None,
) -> Runtime:
    """A runtime over fakes; its flights run in ``nursery``."""

    async def fly_here(flight: Flight) -> None:
        await fly(flight, runtime)

    upstreams = {name: Upstream(dialect="openai", url="http://127.0.0.1:1") for name in sender.scripts}
    runtime = Runtime(
        settings=settings or Settings(upstreams=upstreams),
        clock=TrioClock(),
        hooks=Hooks(),
        routes=NoRoutes(),
        ledger=FakeLedger(),  # type: ignore[arg-type]
        cache=FakeCache(),  # type: ignore[arg-type]
        sender=sender,
        admission=HostAdmission(upstreams),
        flights=Flights(nursery, fly_here, policy or LeavePolicy(frozenset(), 60, 32)),
        look_at=dict[str, Look]().__getitem__,
        open_origin=open_origin,
        secret=no_secret,
        state_dir=Path("/nonexistent"),
        timezone="UTC",
        keys_missing={},
        started_s=0,
    )
    return runtime
