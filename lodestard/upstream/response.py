"""One exchange over a pool's connections: take a seat, send, read the answer, leave the seat.

Law: the caller's task does all of it. A connection on which anything was left half way is closed; the seat is
left in sync code, whatever ended the exchange.
"""

from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Protocol, Self

import trio

from lodestard.upstream.answer import RawFields
from lodestard.upstream.assign import Attempt, may_resend
from lodestard.upstream.call import Call
from lodestard.upstream.connection import Connection
from lodestard.upstream.faults import Blame, Expired, Lost, Malformed
from lodestard.upstream.request_head import Fields, encode_head


class Lessor(Protocol):
    """What an exchange asks of its pool."""

    blame: Blame
    fields: Fields
    resend_on_reset: bool

    async def take(self, limit_s: float) -> Connection | None:
        """A seat: with a live idle connection, or None: dial one. The seat is left with ``give_back``."""
        ...

    async def dial(self) -> Connection:
        """A new connection, in a seat that is already held. Raises ``UpstreamFault``, never sent."""
        ...

    def give_back(self, connection: Connection | None) -> None:
        """Leave a seat: with a connection that can serve again, or None where there is none any more."""
        ...


class Response:
    """One exchange, and the answer to it: ``status``, ``headers``, then ``receive_some`` to the end.

    Left before its end, its connection is closed.
    """

    __slots__ = ("_call", "_connection", "_on_sent", "_pool", "_request", "_whole_deadline_s")

    _connection: Connection

    def __init__(self, pool: Lessor, call: Call, on_sent: Callable[[], None]) -> None:
        self._pool = pool
        self._call = call
        self._on_sent = on_sent
        self._request = encode_head(call.method, call.path, pool.fields, call.headers, call.body) + call.body
        self._whole_deadline_s = float("inf")

    @property
    def status(self) -> int:
        return self._connection.reader.status

    @property
    def raw_headers(self) -> RawFields:
        """As they came."""
        return self._connection.reader.fields

    @property
    def headers(self) -> Mapping[str, str]:
        """Names in lower case; values of the same name are joined by a comma (RFC 9110 section 5.3)."""
        headers: dict[str, str] = {}
        for raw_name, raw_value in self.raw_headers:
            name, value = raw_name.decode("ascii").lower(), raw_value.decode("latin-1")
            headers[name] = f"{headers[name]}, {value}" if name in headers else value
        return headers

    @property
    def content_type(self) -> bytes:
        """As it came; nothing where there is none."""
        return self._connection.reader.content_type

    @property
    def coded(self) -> bool:
        """Whether its content is compressed, by any of the lines that may say so."""
        return self._connection.reader.coded

    @property
    def limits(self) -> RawFields:
        """The fields that tell of rate limits, their names in lower case."""
        return self._connection.reader.limits

    @property
    def complete(self) -> bool:
        """Whether the whole answer has been read from the connection."""
        return self._connection.reader.complete

    async def receive_some(self) -> bytes:
        """Bytes of the body as they come; empty at its end.

        Raises ``UpstreamFault``: UPSTREAM_CUT, UPSTREAM_TIMEOUT, UPSTREAM_GARBAGE. Content that came before the
        failure, and not along with it, has been given.
        """
        connection = self._connection
        reader = connection.reader
        while True:
            if data := reader.take():
                return data
            if reader.complete:
                return b""
            try:
                if not connection.receive_nowait():
                    await self._wait_for_bytes(connection)
            except Lost as lost:
                raise self._pool.blame.cut(lost) from None
            except Malformed as malformed:
                raise self._pool.blame.garbage(str(malformed)) from None

    async def _wait_for_bytes(self, connection: Connection) -> None:
        idle_s = self._call.timeouts.idle_s
        deadline_s = min(trio.current_time() + idle_s, self._whole_deadline_s)
        try:
            await connection.receive(deadline_s)
        except Expired:
            if deadline_s == self._whole_deadline_s:
                raise self._pool.blame.whole_timed_out(self._call.timeouts.whole_s) from None
            raise self._pool.blame.idle_timed_out(idle_s) from None

    async def __aenter__(self) -> Self:
        pool = self._pool
        connection = await pool.take(self._call.timeouts.queue_s)
        try:
            self._connection = await self._exchange(connection)
        except BaseException:
            pool.give_back(None)
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.leave()

    def leave(self) -> None:
        """What ends the context: sync, once. The connection is kept where the answer was whole and allows it."""
        connection = self._connection
        if connection.reader.reusable:
            self._pool.give_back(connection)
        else:
            connection.close()
            self._pool.give_back(None)

    async def _exchange(self, connection: Connection | None) -> Connection:
        """Over the idle connection, if there is one; over a new one where there is none or it just died."""
        if connection is not None:
            try:
                await self._ask(connection)
            except Lost as lost:
                attempt = Attempt(lost.written, lost.answered, self._pool.resend_on_reset)
                if not may_resend(attempt):
                    raise self._pool.blame.cut(lost) from None
            else:
                return connection
        connection = await self._pool.dial()
        try:
            await self._ask(connection)
        except Lost as lost:
            raise self._pool.blame.cut(lost) from None
        return connection

    async def _ask(self, connection: Connection) -> None:
        """Send and read the head under ``head_s``; the connection is closed where that fails."""
        timeouts = self._call.timeouts
        now_s = trio.current_time()
        self._whole_deadline_s = now_s + timeouts.whole_s
        limit_s = min(timeouts.head_s, timeouts.whole_s)
        try:
            self._on_sent()
            await connection.ask(self._request, bodiless=self._call.method == "HEAD", due_s=now_s + limit_s)
        except Expired:
            connection.close()
            raise self._pool.blame.head_timed_out(limit_s, sent=connection.may_have_acted) from None
        except Malformed as malformed:
            connection.close()
            raise self._pool.blame.garbage(str(malformed)) from None
        except BaseException:
            connection.close()
            raise
