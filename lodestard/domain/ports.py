"""The doors between rooms: what one room may ask of another, as Protocols.

Law: a room that needs another one takes a port as an argument and never imports the other room. ``runtime.py``
is typed by these alone.
"""

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Protocol, TypeVar

from lodestard.domain.bills import Bill, DayFigures, Look
from lodestard.domain.closing import Closed, Closing
from lodestard.domain.quotes import QuotesPort
from lodestard.domain.reply import Piece, Reply
from lodestard.domain.request import Caller, Request
from lodestard.domain.room import Room
from lodestard.domain.upstream import Candidate, SentAs, Target
from lodestard.domain.usage import Usage

T = TypeVar("T")
Value = int | str | bytes | float | None
Row = tuple[Value, ...]


class Tx(Protocol):
    """One transaction that is under way. Rows come back as plain tuples."""

    def execute(self, sql: str, params: Sequence[Value] = ()) -> list[Row]:
        """Run one statement and return all its rows."""
        ...

    def execute_many(self, sql: str, rows: Iterable[Sequence[Value]]) -> None:
        """Run one statement that gives no rows once for each of ``rows``, in their order."""
        ...

    def changes(self) -> int:
        """How many rows the last statement changed."""
        ...


class Joint(Protocol):
    """A posted work that is done with its neighbours of the same kind, as far as they stand together in the queue.

    What it does alone, as a work, must be what ``together`` does with it alone.
    """

    def __call__(self, tx: Tx, /) -> object: ...

    def together(self, tx: Tx, works: "Sequence[Joint]", /) -> object:
        """Do ``works``, which are all of this kind, in their order; this one is the first of them."""
        ...


class Store(Protocol):
    """One database file: reads in the loop, all writes through the one task that owns it."""

    async def commit(self, work: Callable[[Tx], T]) -> T:
        """Run ``work`` in the next group commit; its value comes back once it is durable.

        When ``work`` raises, it alone is undone and the exception comes back here. It may run on another thread,
        and more than once: it touches only its arguments. A caller that is cancelled while it waits does not undo
        it. Raises ``HouseFault(STORE_UNAVAILABLE)`` where the file can't be written.
        """
        ...

    def post(self, work: Callable[[Tx], object]) -> None:
        """Queue ``work`` for the next group commit and go on at once. Can't be cancelled, never blocks.

        When it fails it is kept and tried again until it holds or the house closes; what is lost is logged. One that
        is ``Joint`` may be done together with its neighbours.
        """
        ...

    def read(self, sql: str, params: Sequence[Value] = ()) -> list[Row]:
        """A short keyed read, in the loop (microseconds). Sees what has been committed."""
        ...

    async def query(self, sql: str, params: Sequence[Value] = ()) -> list[Row]:
        """A long read, off the loop; obeys the caller's deadline and cancellation."""
        ...


class Migrations(Protocol):
    """The schema of one owner of tables: numbered SQL scripts, run once each, in order."""

    @property
    def owner(self) -> str: ...

    @property
    def scripts(self) -> Sequence[str]: ...


class ReplyStream(Protocol):
    """An answer as it comes from an upstream."""

    async def receive(self) -> Sequence[Piece] | None:
        """The next pieces (perhaps none), or None once the answer has ended as it should.

        Raises ``UpstreamFault``: cut, timeout, garbage, an error event. Cancellation leaves the pool clean.
        """
        ...

    @property
    def body(self) -> bytes:
        """The whole plain body, where the client speaks the upstream's dialect and it gave one; otherwise empty."""
        ...

    @property
    def sent_as(self) -> SentAs:
        """What became of the request in the upstream's dialect."""
        ...


class Sender(Protocol):
    """Dials upstreams. The context is the attempt on the wire: leaving it gives the connection back."""

    def send(
        self, target: Target, request: Request, on_sent: Callable[[], None]
    ) -> AbstractAsyncContextManager[ReplyStream]:
        """Send ``request`` to ``target`` and read the head of its answer.

        ``on_sent`` is called just before the first byte leaves: cancelled before that, nothing can be billed.

        Entering raises ``UpstreamFault`` (with ``sent`` and ``billed`` set) or ``CallerFault`` where the
        request can't be said in the upstream's dialect.
        """
        ...


class EntryPort(Protocol):
    """A request that the ledger knows of, until it is closed."""

    @property
    def id(self) -> str:
        """The request's public id (``req_…``)."""
        ...

    @property
    def attempts(self) -> "Sequence[AttemptPort]":
        """In the order in which they were held."""
        ...

    @property
    def caller(self) -> Caller:
        """Who asks, in the session that the ledger has found for it."""
        ...


class AttemptPort(Protocol):
    """One attempt that is held. It has exactly one end; ``usage`` is what was believed of it then."""

    @property
    def target(self) -> Target: ...

    @property
    def hold_nano_usd(self) -> int: ...

    @property
    def ordinal(self) -> int:
        """Its number in its request."""
        ...

    @property
    def state(self) -> str:
        """``held`` until its end; then captured, released or unknown."""
        ...

    @property
    def free(self) -> bool: ...

    @property
    def cost_nano_usd(self) -> int: ...

    @property
    def usage(self) -> Usage | None: ...


class CostFigures(Protocol):
    """One line of a report: what was used and charged under ``key``."""

    @property
    def key(self) -> str: ...

    @property
    def cost_nano_usd(self) -> int: ...


class ReportsPort(Protocol):
    """The one aggregation that every view of money reads."""

    async def costs(self, by: str, *, since_ms: int = ..., timezone: str = ...) -> Sequence[CostFigures]: ...


class TotalsPort(Protocol):
    """Today's figures, and what is under way.

    ``day`` is today's date in the ledger's zone. ``budget_percent`` is how much of the hard budget that is used most
    is used, None where there is none.
    """

    @property
    def day(self) -> str: ...

    @property
    def spent_today_nano_usd(self) -> int: ...

    @property
    def saved_today_nano_usd(self) -> int: ...

    @property
    def budget_percent(self) -> int | None: ...

    @property
    def held_nano_usd(self) -> int: ...

    @property
    def open_requests(self) -> int: ...


class ReconciliationPort(Protocol):
    """What providers say they have billed, beside the ledger. Each raises ``HouseFault`` where the file fails."""

    async def ours(self, upstream: str, day_start_ms: int) -> DayFigures:
        """What the ledger has charged for attempts that began on this UTC day."""
        ...

    async def post(self, bill: Bill) -> Look:
        """Write down a look and post what it changes; one that finds nothing new writes nothing."""
        ...

    async def looks(self, limit: int) -> Sequence[Look]:
        """The newest first."""
        ...

    async def known(self, upstream: str, since_day: str) -> Mapping[str, Look]:
        """The last look at each day from then on."""
        ...

    async def balance_nano_usd(self) -> int:
        """What is in the book ``unreconciled``."""
        ...


class LedgerPort(Protocol):
    """Hold before dialling, settle after."""

    @property
    def reports(self) -> ReportsPort: ...

    @property
    def reconciliation(self) -> ReconciliationPort: ...

    @property
    def quotes(self) -> QuotesPort: ...

    def totals(self) -> TotalsPort: ...

    def open_entry(self, caller: Caller, alias: str, *, dialect: str, stream: bool) -> EntryPort: ...

    def foresee(self, caller: Caller, alias: str) -> EntryPort:
        """An entry of a request that may come, to ask what room it would have. It is counted nowhere."""
        ...

    def find_room(self, entry: EntryPort, candidate: Candidate) -> Room:
        """What the hard budgets leave for an attempt."""
        ...

    async def hold(
        self, entry: EntryPort, candidate: Candidate, worst_nano_usd: int, worst_tokens: int = 0
    ) -> AttemptPort:
        """Returns once the hold is durable (at once where the target is free).

        Raises ``BudgetFault`` where a hard budget has no room, ``CallerFault(RATE_LIMITED)``,
        ``HouseFault(LEDGER_UNAVAILABLE)``. Cancelled while it waits, nothing stays held.
        """
        ...

    def capture(self, attempt: AttemptPort, usage: Usage | None) -> int:
        """The attempt's answer is whole: what it cost, in nano-USD. Without usage a paid one costs its hold."""
        ...

    def release(self, attempt: AttemptPort, why: str) -> None:
        """Nothing can have been billed."""
        ...

    def unknown(self, attempt: AttemptPort, why: str) -> None:
        """Something may have been billed; nobody knows how much. It is charged at the hold."""
        ...

    def close_entry(self, entry: EntryPort, closing: Closing) -> Closed: ...


class Ticket(Protocol):
    """What the cache may do for one request."""

    @property
    def key(self) -> str:
        """The key of the whole semantic request."""
        ...

    def key_for(self, target: Target, /) -> str:
        """The key that it has where ``target`` is the first to be asked."""
        ...

    @property
    def cacheable(self) -> bool:
        """Whether its answer may be taken from the cache."""
        ...

    @property
    def reason(self) -> str:
        """Why it is bypassed, or an empty string."""
        ...


class Kept(Protocol):
    """A cached answer."""

    @property
    def reply(self) -> Reply: ...

    @property
    def target(self) -> Target: ...


class CachePort(Protocol):
    """Answers that were given before."""

    def ticket(self, request: Request, target: Target, principal: str, cache_control: str) -> Ticket:
        """What may be done for this request. Raises nothing."""
        ...

    def recall(self, body: bytes, depth: int, dialect: str) -> Request | None:
        """What was read from the same bytes as the same dialect, under the same limit of depth, if that was answered
        from here lately."""
        ...

    def remember(self, body: bytes, depth: int, request: Request) -> None:
        """``request``, read from ``body``, was answered from here: it may come again."""
        ...

    def find(self, ticket: Ticket) -> Kept | None:
        """The kept answer, in the loop. A broken cache has none."""
        ...

    def keep_nowait(self, ticket: Ticket, reply: Reply, target: Target, cost_nano_usd: int) -> None:
        """Keep a whole, good answer where the ticket allows it."""
        ...


Task = Callable[[], Awaitable[None]]
