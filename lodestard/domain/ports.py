"""The doors between rooms: what one room may ask of another, as Protocols.

Law: a room that needs another one takes a port as an argument and never imports the other room. ``runtime.py``
is typed by these alone.
"""

from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Protocol, TypeVar

from lodestard.domain.reply import Piece
from lodestard.domain.request import Request
from lodestard.domain.upstream import Target

T = TypeVar("T")
Value = int | str | bytes | float | None
Row = tuple[Value, ...]


class Tx(Protocol):
    """One transaction that is under way. Rows come back as plain tuples."""

    def execute(self, sql: str, params: Sequence[Value] = ()) -> list[Row]:
        """Run one statement and return all its rows."""
        ...

    def changes(self) -> int:
        """How many rows the last statement changed."""
        ...


class Store(Protocol):
    """One database file: reads in the loop, all writes through the one task that owns it."""

    async def commit(self, work: Callable[[Tx], T]) -> T:
        """Run ``work`` in the next group commit; its value comes back once it is durable.

        ``work`` runs in a savepoint of its own: when it raises, it alone is undone and the exception comes back
        here. It may run on another thread, so it touches only its arguments. A caller that is cancelled while
        it waits does not undo it. Raises ``HouseFault(STORE_UNAVAILABLE)`` where the file can't be written.
        """
        ...

    def post(self, work: Callable[[Tx], object]) -> None:
        """Queue ``work`` for the next group commit and go on at once. Can't be cancelled, never blocks.

        When it fails it is kept and tried again until it holds or the house closes; what is lost is logged.
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
        """The whole plain body in the upstream's dialect, where it gave one; otherwise empty."""
        ...


class Sender(Protocol):
    """Dials upstreams. The context is the attempt on the wire: leaving it gives the connection back."""

    def send(self, target: Target, request: Request) -> AbstractAsyncContextManager[ReplyStream]:
        """Send ``request`` to ``target`` and read the head of its answer.

        Entering raises ``UpstreamFault`` (with ``sent`` and ``billed`` set) or ``CallerFault`` where the
        request can't be said in the upstream's dialect.
        """
        ...


class Admission(Protocol):
    """Says when a target may be dialled. Residency is one; a semaphore per host is the plain one."""

    def admit(self, target: Target) -> AbstractAsyncContextManager[None]:
        """Waits for a place; held until the context is left."""
        ...

    def predicted_wait_s(self, target: Target, prompt_tokens: int) -> float | None:
        """How long a request would wait for its first token, or None where nobody knows."""
        ...


Task = Callable[[], Awaitable[None]]
