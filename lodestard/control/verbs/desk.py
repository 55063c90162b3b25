"""What the verbs ask of the house, as Protocols: the desk that the daemon sets up for them.

Law: ports only; whoever has these members can be asked. The ledger's own records fit the row protocols as they are.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from typing import Any, Literal, Protocol

import msgspec

from lodestard.control.messages import (
    CacheReport,
    ConfigReport,
    ConfigValues,
    LedgerVerification,
    Listener,
    ReloadReport,
    RestartReport,
)
from lodestard.control.verbs.advice_desk import AdviceDesk
from lodestard.control.verbs.attempt import AttemptRecord
from lodestard.control.verbs.cost_figures import CostFigures as CostFigures
from lodestard.control.verbs.routing_desk import RoutingDesk
from lodestard.control.verbs.session_desk import SessionDesk
from lodestard.domain.bill import Bill
from lodestard.domain.host_ports import ResidencyDesk
from lodestard.domain.news import AttemptEnded, RequestEnded
from lodestard.domain.price import Price, Quote
from lodestard.domain.usage import Usage
from lodestard.runtime import Runtime


class RequestRecord(Protocol):
    """A request's row."""

    @property
    def id(self) -> str: ...
    @property
    def state(self) -> str: ...
    @property
    def received_ms(self) -> int: ...
    @property
    def alias(self) -> str: ...
    @property
    def stream(self) -> int: ...
    @property
    def principal(self) -> str: ...
    @property
    def project(self) -> str: ...
    @property
    def user(self) -> str: ...
    @property
    def session(self) -> str: ...
    @property
    def client(self) -> str: ...
    @property
    def task(self) -> str: ...
    @property
    def switched_from(self) -> str: ...
    @property
    def upstream(self) -> str: ...
    @property
    def model(self) -> str: ...
    @property
    def cache(self) -> str: ...
    @property
    def outcome(self) -> str: ...
    @property
    def status(self) -> int: ...
    @property
    def attempts(self) -> int: ...
    @property
    def prompt_tokens(self) -> int: ...
    @property
    def completion_tokens(self) -> int: ...
    @property
    def cached_tokens(self) -> int: ...
    @property
    def reasoning_tokens(self) -> int: ...
    @property
    def cost_nano_usd(self) -> int: ...
    @property
    def baseline_nano_usd(self) -> int | None: ...
    @property
    def total_us(self) -> int: ...
    @property
    def first_piece_us(self) -> int | None: ...
    @property
    def overhead_us(self) -> int: ...


class Explained(Protocol):
    """All that the ledger has of one request. ``trace`` is what the hallway wrote when it ended; ``prices`` are
    those that its attempts were made with, by version.
    """

    @property
    def request(self) -> RequestRecord: ...
    @property
    def attempts(self) -> Sequence[AttemptRecord]: ...
    @property
    def trace(self) -> Mapping[str, Any]: ...
    @property
    def prices(self) -> Mapping[str, Price]: ...


class Reports(Protocol):
    """The ledger's reports: the one source of every figure."""

    async def costs(
        self, by: str, *, since_ms: int = ..., until_ms: int = ..., timezone: str = ...
    ) -> Sequence[CostFigures]: ...

    async def requests(self, limit: int = ...) -> Sequence[RequestRecord]:
        """The newest first."""
        ...

    async def explain(self, request_id: str) -> Explained | None: ...


class WindowRecord(Protocol):
    """A window of time."""

    @property
    def hours(self) -> int: ...


class RuleRecord(Protocol):
    """A budget as it is configured."""

    @property
    def name(self) -> str: ...
    @property
    def scope(self) -> str: ...
    @property
    def window(self) -> WindowRecord: ...
    @property
    def limits(self) -> Sequence[tuple[str, int]]: ...
    @property
    def hard(self) -> bool: ...
    @property
    def at_limit(self) -> str: ...


class ReliefRecord(Protocol):
    """An override."""

    @property
    def id(self) -> int: ...
    @property
    def budget(self) -> str: ...
    @property
    def value(self) -> str: ...
    @property
    def until_ms(self) -> int: ...
    @property
    def extra(self) -> int | None: ...
    @property
    def reason(self) -> str: ...
    @property
    def who(self) -> str: ...


class StandingRecord(Protocol):
    """A budget of one somebody as it stands. ``spent`` and ``held`` have a member for each unit."""

    @property
    def rule(self) -> RuleRecord: ...
    @property
    def value(self) -> str: ...
    @property
    def spent(self) -> object: ...
    @property
    def held(self) -> object: ...
    @property
    def start_ms(self) -> int: ...
    @property
    def end_ms(self) -> int | None: ...
    @property
    def reliefs(self) -> Sequence[ReliefRecord]: ...
    def limit(self, unit: Any, /) -> int | None: ...


class RateRecord(Protocol):
    """A rate limit as it is configured."""

    @property
    def name(self) -> str: ...
    @property
    def scope(self) -> str: ...
    @property
    def of(self) -> str: ...
    @property
    def requests(self) -> int | None: ...
    @property
    def tokens(self) -> int | None: ...


class BudgetDesk(Protocol):
    """The ledger's budgets."""

    @property
    def rules(self) -> Sequence[RuleRecord]: ...
    @property
    def rates(self) -> Sequence[RateRecord]: ...
    def standings(self) -> Sequence[StandingRecord]: ...
    def banner(self) -> Sequence[str]: ...
    def note_set(self, budget: str, what: str, who: str) -> None: ...

    async def lift(
        self, budget: str, *, value: str, for_ms: int, extra: int | None, reason: str, who: str
    ) -> ReliefRecord: ...

    async def revoke(self, budget: str, who: str) -> Sequence[ReliefRecord]: ...

    async def history(self, last: int) -> Sequence[Sequence[Any]]:
        """What was done and told, the newest first: the columns of ``budget_act`` but its id."""
        ...


class HouseState(msgspec.Struct, frozen=True, kw_only=True):
    """The house at this moment. ``why`` says why it is not ready; ``pools`` maps an upstream to (open, busy).

    ``ended_today`` is the ledger's count of the day's requests. ``overload`` says what was too much, if anything was
    within a minute. ``certificate`` is the file of the listener's certificate, where it has one.
    """

    state: Literal["starting", "ready", "degraded", "draining"]
    why: str = ""
    config_file: str = ""
    state_dir: str = ""
    simulated: bool = False
    listeners: tuple[Listener, ...] = ()
    connections: int = 0
    exchanges: int = 0
    held_nano_usd: int = 0
    open_requests: int = 0
    ended_today: int = 0
    overload: str = ""
    pools: Mapping[str, tuple[int, int]] = {}
    certificate: str = ""
    certificate_expires_ms: int = 0


class BookState(msgspec.Struct, frozen=True, kw_only=True):
    """The price list at this moment. ``problem``: why it could not be made anew; ``covered``: it is of what is
    configured now, by the package that is installed.
    """

    quotes: Mapping[str, Quote] = {}
    version: str = ""
    made_ms: int = 0
    problem: str = ""
    covered: bool = True


class WantedExport(msgspec.Struct, frozen=True, kw_only=True):
    """Requests received in [``since_ms``, ``until_ms``), None where open. ``names``: as they are, not as hashes."""

    form: Literal["csv", "json", "jsonl"]
    since_ms: int | None = None
    until_ms: int | None = None
    names: bool = False


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """How a request that was sent through the proxy's door began. ``cache`` is hit, miss or bypass."""

    request_id: str
    cache: str = ""


TextSink = Callable[[str, str], Awaitable[None]]
"""Awaited with (text, reasoning) as they come."""


class Desk(SessionDesk, RoutingDesk, Protocol):
    """Everything that the core's verbs need."""

    @property
    def runtime(self) -> Runtime:
        """The serving generation's; another one after a reload."""
        ...

    def hear_ended(self, hear: Callable[[RequestEnded], object]) -> AbstractContextManager[None]:
        """Call ``hear`` for every request that ends, across reloads, until the context is left."""
        ...

    def hear_attempts(self, hear: Callable[[AttemptEnded], object]) -> AbstractContextManager[None]:
        """The same for every attempt."""
        ...

    @property
    def reports(self) -> Reports: ...

    @property
    def budgets(self) -> BudgetDesk: ...

    @property
    def residency(self) -> ResidencyDesk | None:
        """Whoever decides what is on the cards, or None where nobody does."""
        ...

    @property
    def advice(self) -> AdviceDesk:
        """Asks the router without asking a model."""
        ...

    async def unreconciled_nano_usd(self, month: str) -> int | None:
        """What providers billed in a month beyond what we know of, or None where nobody looked."""
        ...

    @property
    def timezone(self) -> str:
        """The zone in which the ledger's days begin."""
        ...

    def state(self) -> HouseState: ...

    def versions(self) -> Mapping[str, str]:
        """What the daemon runs on (``{"python": "3.11.2", "sqlite": …}``)."""
        ...

    def begin_drain(self) -> None: ...

    async def restart(self) -> RestartReport:
        """Begin anew, where systemd does not do that for us. Raises ``HouseFault`` where that would fail."""
        ...

    def set_log_level(self, level: str) -> str:
        """Returns the level that it was."""
        ...

    async def verify_ledger(self) -> LedgerVerification: ...

    async def cache_report(self) -> CacheReport: ...

    async def clear_cache(self, target: str, older_than_s: float | None) -> int:
        """Forget the answers of ``target`` (upstream/model; empty for all) of that age; how many they were."""
        ...

    async def take_in_answer(self, line: bytes) -> str:
        """Keep an answer as ``export_cache`` gave it: an empty string, or why it was not kept."""
        ...

    def export_cache(self) -> AsyncIterator[bytes]:
        """Every kept answer as a line of JSON."""
        ...

    def export_costs(self, wanted: WantedExport) -> AbstractAsyncContextManager[AsyncIterator[bytes]]:
        """The ledger's requests as a file, in pieces that are cut anywhere; leaving ends the export.

        Raises ``HouseFault`` where it can't be made, also in the midst of it.
        """
        ...

    async def check_config(self) -> ConfigReport: ...

    def config_values(self) -> ConfigValues: ...

    async def reload_config(self) -> ReloadReport: ...

    async def change_config(self, key: str, value: str | None) -> ReloadReport:
        """Set ``key`` (dotted, as in TOML) to ``value`` (TOML, or a bare word), or take it back; then reload.

        What can't be understood, and what the configuration can't be with, is in the report's faults.
        """
        ...

    def price_book(self) -> BookState: ...

    def itemise(self, usage: Usage, price: Price) -> Bill | None:
        """What ``usage`` costs, line by line; None where the price does not say."""
        ...

    async def change_configs(self, change: Mapping[tuple[str, ...], Any]) -> ReloadReport:
        """Set several keys at once; None takes one back. As ``change_config``."""
        ...

    async def ask(self, body: bytes, sink: TextSink, folder: str = "") -> Asked:
        """Send a chat completion (a JSON body, streamed) through the proxy's own endpoint, as any client would.

        ``folder`` is where whoever asks works: its last name is the project.

        Raises ``Fault`` as the endpoint gives it; cancelled, it is as if the client had left.
        """
        ...
