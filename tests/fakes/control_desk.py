"""The house from the control socket's side, without a house."""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractContextManager, aclosing, asynccontextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, cast
from zoneinfo import ZoneInfo

import msgspec

from lodestard.budget import itemise
from lodestard.budget.rules import read_rates, read_rules
from lodestard.config.project import read_project
from lodestard.control.messages import (
    CacheReport,
    ConfigReport,
    ConfigValues,
    LedgerVerification,
    Listener,
    ReloadReport,
    RestartReport,
)
from lodestard.control.verbs.desk import Asked, BookState, HouseState, TextSink, WantedExport
from lodestard.domain.bill import Bill
from lodestard.domain.errors import CallerFault, Code, Fault
from lodestard.domain.feedback import Feedback, Given
from lodestard.domain.host_ports import ResidencyDesk
from lodestard.domain.news import AttemptEnded, RequestEnded
from lodestard.domain.price import Price, Quote
from lodestard.domain.request import Caller
from lodestard.domain.settings import Budget, Ledger, Model, ModelPrice, RateLimit, Settings, Upstream
from lodestard.domain.upstream import Candidate, Plan, Rejection, Target
from lodestard.domain.usage import Usage
from lodestard.hooks import Hooks, Signal
from lodestard.ledger import SCHEMA
from lodestard.ledger.budgets import Budgets
from lodestard.ledger.session_reports import KnownSession, SessionFigures, SessionReport, Switch
from lodestard.ledger.session_rules import SessionRow
from lodestard.projects import Projects, Switches
from lodestard.routing.catalog import build_catalog
from lodestard.runtime import Runtime
from tests.fakes import control_samples as samples
from tests.fakes.advice_desk import FakeAdvice
from tests.fakes.memory_keepsake import MemoryKeepsake
from tests.fakes.memory_store import MemoryStore
from tests.fakes.rooms import NoRoutes

NOW_MS = samples.NOON_MS


class Figures(msgspec.Struct, frozen=True, kw_only=True):
    key: str = ""
    requests: int = 0
    errors: int = 0
    cache_hits: int = 0
    free_requests: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cached_tokens: int = 0
    cache_write_tokens: int = 0
    cost_nano_usd: int = 0
    unknown_nano_usd: int = 0
    baseline_nano_usd: int = 0
    saved_nano_usd: int = 0
    saved_local_nano_usd: int = 0
    saved_cache_nano_usd: int = 0
    saved_cheaper_nano_usd: int = 0
    saved_prompt_cache_nano_usd: int = 0
    total_us: int = 0


class Record(msgspec.Struct, frozen=True, kw_only=True):
    id: str
    state: str = "closed"
    received_ms: int = NOW_MS
    alias: str = "local-llama"
    stream: int = 1
    principal: str = "local"
    project: str = ""
    user: str = ""
    session: str = ""
    client: str = ""
    task: str = ""
    switched_from: str = ""
    upstream: str = "t600"
    model: str = "llama3.1:8b"
    cache: str = "miss"
    outcome: str = "ok"
    status: int = 200
    attempts: int = 1
    prompt_tokens: int = 10
    completion_tokens: int = 20
    cached_tokens: int = 0
    reasoning_tokens: int = 0
    cost_nano_usd: int = 0
    baseline_nano_usd: int | None = None
    total_us: int = 1_500_000
    first_piece_us: int | None = 400_000
    overhead_us: int = 300


class Attempt(msgspec.Struct, frozen=True, kw_only=True):
    upstream: str = "t600"
    model: str = "llama3.1:8b"
    state: str = "captured"
    total_us: int = 1_400_000
    held_nano_usd: int = 0
    cost_nano_usd: int = 0
    price: str = ""
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    cached_tokens: int | None = None
    cache_write_tokens: int | None = None
    reasoning_tokens: int | None = None
    billed_nano_usd: int | None = None
    reason: str = ""
    free: int = 0
    details: str = ""


class Found(msgspec.Struct, frozen=True, kw_only=True):
    request: Record
    attempts: Sequence[Attempt] = ()
    trace: Mapping[str, Any] = {}
    prices: Mapping[str, Price] = {}


@dataclass
class FakeReports:
    """``figures`` by what they are grouped by; ``records`` newest first."""

    figures: dict[str, list[Figures]] = field(default_factory=dict)
    records: list[Record] = field(default_factory=list)
    found: dict[str, Found] = field(default_factory=dict)
    asked: list[tuple[str, int, int, str]] = field(default_factory=list)
    meanwhile: Callable[[], object] = str
    """What happens in the house while the tables are read."""

    async def costs(
        self, by: str, *, since_ms: int = 0, until_ms: int = 0, timezone: str = "UTC"
    ) -> Sequence[Figures]:
        self.asked.append((by, since_ms, until_ms, timezone))
        self.meanwhile()
        return self.figures.get(by, [])

    async def requests(self, limit: int = 50) -> Sequence[Record]:
        return self.records[:limit]

    async def explain(self, request_id: str) -> Found | None:
        return self.found.get(request_id)


SESSION = SessionRow(
    id="aider-20251121-1200-000",
    origin="gap",
    principal="local",
    project="lodestar",
    user="",
    client="aider",
    started_ms=NOW_MS - 60_000,
    last_ms=NOW_MS,
    last_target="t600/llama3.1:8b",
)
SESSION_FIGURES = SessionFigures(requests=2, switches=1, cost_nano_usd=7, saved_nano_usd=3)
KNOWN_SESSION = KnownSession(row=SESSION, figures=SESSION_FIGURES, live=True)


@dataclass
class FakeSessionReports:
    """One session, and what was started."""

    known: KnownSession = KNOWN_SESSION
    started: list[tuple[str, Caller]] = field(default_factory=list)

    async def list(self, last: int) -> Sequence[KnownSession]:
        return [self.known] * min(last, 2)

    async def last_seen(self) -> Mapping[str, int]:
        return {"local": NOW_MS, "laptop": NOW_MS - 60_000}

    async def show(self, session_id: str) -> SessionReport:
        return SessionReport(
            session=self.known,
            tasks=[msgspec.structs.replace(SESSION_FIGURES, key="edit")],
            models=[msgspec.structs.replace(SESSION_FIGURES, key="t600/llama3.1:8b")],
            switches=[Switch("req_1", NOW_MS, "openai/gpt-4o", "t600/llama3.1:8b")],
        )


class FakeClock:
    def __init__(self, now_ms: int = NOW_MS) -> None:
        self.ms = now_ms

    def now_ms(self) -> int:
        return self.ms

    def monotonic_ns(self) -> int:
        return self.ms * 1_000_000


class FakeRoutes(NoRoutes):
    """``objections`` rule out targets; an alias all of whose targets are ruled out is a fault."""

    def __init__(
        self, settings: Settings, objections: Mapping[str, str], quotes: Mapping[str, Quote] | None = None
    ) -> None:
        self._settings, self._objections, self._quotes = settings, objections, quotes or {}

    @property
    def aliases(self) -> Sequence[str]:  # type: ignore[override]
        return tuple(self._settings.models)

    def free_candidates(self) -> Sequence[Candidate]:
        return ()

    def choose(self, alias: str) -> Plan:
        route = self._settings.models[alias].route
        rejected = tuple(
            Rejection(target=Target.parse(name), reason=self._objections[name])
            for name in route
            if name in self._objections
        )
        if len(rejected) == len(route):
            raise CallerFault(Code.PRICE_UNKNOWN, f"{alias} can't be used: {rejected[0].reason}.")
        return Plan(alias=alias, candidates=(), rejected=rejected)

    def price_of(self, target: Target) -> Price | None:
        offer = build_catalog(self._settings, frozenset(), self._quotes, NOW_MS).offer(target)
        return None if offer is None else offer.price


SETTINGS = Settings(
    upstreams={
        "t600": Upstream(dialect="ollama", url="http://127.0.0.1:1", free=True),
        "openai": Upstream(dialect="openai", url="http://127.0.0.1:1/v1"),
        "xai": Upstream(dialect="openai", url="http://127.0.0.1:1/v1"),
    },
    models={
        "local-llama": Model(route=("t600/llama3.1:8b", "openai/gpt-4o-mini"), description="a small llama"),
        "gpt-4o": Model(route=("openai/gpt-4o",)),
        "gpt-4o-mini": Model(route=("openai/gpt-4o-mini",)),
        "grok": Model(route=("xai/grok-beta",)),
    },
    prices={
        "openai/gpt-4o": ModelPrice(input=Decimal("2.5"), output=Decimal(10)),
    },
)


def make_runtime(
    settings: Settings,
    *,
    objections: Mapping[str, str] | None = None,
    keys_missing: Mapping[str, str] | None = None,
    quotes: Mapping[str, Quote] | None = None,
) -> Runtime:
    """A runtime of which only what verbs look at is there."""
    absent = cast("Any", None)
    return Runtime(
        settings=settings,
        clock=FakeClock(),
        hooks=Hooks(),
        routes=FakeRoutes(settings, objections or {}, quotes),
        ledger=absent,
        cache=absent,
        sender=absent,
        admission=absent,
        flights=absent,
        look_at=absent,
        open_origin=absent,
        secret=absent,
        state_dir=absent,
        timezone="UTC",
        keys_missing=keys_missing or {},
        started_s=NOW_MS // 1000 - 3_600,
    )


READY = HouseState(state="ready")
NO_BOOK = BookState()
ANSWERED = Asked(request_id="req_1", cache="miss")


def open_budgets() -> Budgets:
    """One budget of $5 a month, of which nothing is spent, over a ledger in memory."""
    budgets = Budgets(MemoryStore([SCHEMA]), ZoneInfo("UTC"), lambda: NOW_MS)
    budgets.open(
        read_rules({"month": Budget(usd=Decimal(5))}),
        read_rates(Settings(rate_limits={"all": RateLimit(requests_per_minute=60)})),
    )
    return budgets


class FakeFeedback:
    """Verdicts on answers of one model."""

    def __init__(self) -> None:
        self.given: list[Given] = []

    def judge(self, feedback: Feedback, _principal: str | None) -> Given:
        given = Given(
            request_id=feedback.request_id,
            source=feedback.source,
            target="openai/gpt-4o",
            verdict=feedback.verdict,
            kind=feedback.kind or "chat",
            project="",
            weight=1.0,
            at_ms=NOW_MS,
        )
        self.given.append(given)
        return given

    def of_request(self, request_id: str) -> Sequence[Given]:
        return [given for given in self.given if given.request_id == request_id]

    async def latest(self, limit: int) -> Sequence[Given]:
        return list(reversed(self.given))[:limit]


@dataclass
class FakeDesk:
    """``answers`` are what ``ask`` gives for a body: pieces of text, then how it went (or a fault)."""

    runtime: Runtime
    reports: FakeReports = field(default_factory=FakeReports)
    timezone: str = "UTC"
    house: HouseState = READY
    level: str = "info"
    drained: bool = False
    cleared: list[tuple[str, float | None]] = field(default_factory=list)
    taken_in: list[bytes] = field(default_factory=list)
    exported: Sequence[bytes] = ()
    wanted: list[WantedExport] = field(default_factory=list)
    bodies: list[dict[str, Any]] = field(default_factory=list)
    folders: list[str] = field(default_factory=list)
    sessions: FakeSessionReports = field(default_factory=FakeSessionReports)
    texts: Sequence[str] = ("Hel", "lo")
    outcome: Asked | Fault = ANSWERED
    budgets: Budgets = field(default_factory=open_budgets)
    changes: list[Mapping[tuple[str, ...], Any]] = field(default_factory=list)
    unreconciled: dict[str, int] = field(default_factory=dict)
    residency: ResidencyDesk | None = None
    advice: FakeAdvice = field(default_factory=FakeAdvice)

    book: BookState = NO_BOOK

    feedback: FakeFeedback = field(default_factory=FakeFeedback)
    projects: Projects = field(default_factory=lambda: Projects(MemoryKeepsake(), read_project))
    switches: Switches = field(default_factory=lambda: Switches(MemoryKeepsake(), lambda: NOW_MS))

    async def can_watch(self, folder: str, sha256: str) -> bool:
        return folder.startswith("/seen/") and bool(sha256)

    ended: Signal[RequestEnded] = field(default_factory=lambda: Signal("request_ended"))

    attempts: Signal[AttemptEnded] = field(default_factory=lambda: Signal("attempt_ended"))

    def hear_attempts(self, hear: Callable[[AttemptEnded], object]) -> AbstractContextManager[None]:
        return self.attempts.listen(hear)

    def hear_ended(self, hear: Callable[[RequestEnded], object]) -> AbstractContextManager[None]:
        return self.ended.listen(hear)

    def state(self) -> HouseState:
        return self.house

    def versions(self) -> Mapping[str, str]:
        return {"python": "3.11.2", "sqlite": "3.51.3"}

    def begin_drain(self) -> None:
        self.drained = True

    async def restart(self) -> RestartReport:
        return RestartReport(ok=True, pid=7, exchanges=self.house.exchanges, drain_s=20.0)

    def set_log_level(self, level: str) -> str:
        was, self.level = self.level, level
        return was

    async def verify_ledger(self) -> LedgerVerification:
        return samples.VERIFIED

    async def cache_report(self) -> CacheReport:
        return samples.CACHE

    async def clear_cache(self, target: str, older_than_s: float | None) -> int:
        self.cleared.append((target, older_than_s))
        return 3

    async def take_in_answer(self, line: bytes) -> str:
        self.taken_in.append(line)
        return "too old" if b"old" in line else ""

    async def export_cache(self) -> AsyncIterator[bytes]:
        for line in self.exported:
            yield line

    @asynccontextmanager
    async def export_costs(self, wanted: WantedExport) -> AsyncIterator[AsyncIterator[bytes]]:
        self.wanted.append(wanted)
        async with aclosing(self.export_cache()) as pieces:  # type: ignore[type-var]
            yield pieces

    async def check_config(self) -> ConfigReport:
        return samples.CONFIG_BAD

    def config_values(self) -> ConfigValues:
        return samples.CONFIG_VALUES

    async def change_config(self, key: str, value: str | None) -> ReloadReport:
        return ReloadReport(ok=True, changed=(f"{key}={value}",))

    async def unreconciled_nano_usd(self, month: str) -> int | None:
        return self.unreconciled.get(month)

    async def change_configs(self, change: Mapping[tuple[str, ...], Any]) -> ReloadReport:
        self.changes.append(change)
        return ReloadReport(ok=True, changed=tuple(".".join(path) for path in change))

    async def reload_config(self) -> ReloadReport:
        return ReloadReport(ok=True)

    @property
    def session_reports(self) -> FakeSessionReports:
        return self.sessions

    def start_session(self, name: str, labels: Caller) -> SessionRow:
        self.sessions.started.append((name, labels))
        return msgspec.structs.replace(SESSION, id=name or SESSION.id, project=labels.project)

    def end_session(self, session_id: str) -> SessionRow:
        if session_id == "nobody":
            raise CallerFault(Code.NOT_FOUND, "There is no session 'nobody'.")
        return msgspec.structs.replace(SESSION, ended_ms=NOW_MS)

    def price_book(self) -> BookState:
        return self.book

    def itemise(self, usage: Usage, price: Price) -> Bill | None:
        return itemise(usage, price)

    async def ask(self, body: bytes, sink: TextSink, folder: str = "") -> Asked:
        self.bodies.append(msgspec.json.decode(body))
        self.folders.append(folder)
        for text in self.texts:
            await sink(text, "")
        if isinstance(self.outcome, Fault):
            raise self.outcome
        return self.outcome


def with_baseline(settings: Settings = SETTINGS) -> Settings:
    return msgspec.structs.replace(settings, ledger=Ledger(baseline="openai/gpt-4o"))


LISTENERS = (Listener(address="127.0.0.1:4000"),)
