"""One request and its answer: what a handler gets.

Law: an answer is begun once and ended once, whole or visibly cut. A client that left makes every send raise
``ClientLeft``. Owner: the connection's task; tasks of the handler may send too, whole pieces at a time.
"""

from collections.abc import Awaitable, Callable, Coroutine
from enum import Enum
from typing import Any

import trio

from lodestard.http import answer
from lodestard.http.body import RequestBody
from lodestard.http.faults import ClientLeft
from lodestard.http.head import RequestHead
from lodestard.http.headers import Headers
from lodestard.http.link import Link
from lodestard.http.peer import Peer
from lodestard.http.sentry import OnLeave
from lodestard.http.watch import Tick, Watch


class _Framing(Enum):
    """How the client knows where the answer's body ends (RFC 9112 section 6.3)."""

    NO_BODY = 1
    LENGTH = 2
    CHUNKED = 3
    CLOSE = 4


class HttpExchange:
    """``received_ns`` is monotonic: when the head was whole. ``started``: the answer's head was sent;
    ``finished``: all of it; ``aborted``: it was given up.
    """

    __slots__ = (
        "_body",
        "_framing",
        "_link",
        "_may_persist",
        "_missing_bytes",
        "_modern",
        "_persistent",
        "aborted",
        "finished",
        "headers",
        "method",
        "path",
        "peer",
        "query",
        "received_ns",
        "secure",
        "started",
    )

    def __init__(self, head: RequestHead, link: Link, received_ns: int) -> None:
        self.method = head.method
        self.path = head.path
        self.query = head.query
        self.headers: Headers = head.headers
        self.peer: Peer = link.peer
        self.secure = link.secure
        self.received_ns = received_ns
        self.started = False
        self.finished = False
        self._link = link
        self._body = RequestBody(head, link.wire, link.limits, link.traffic.load)
        self._modern = head.modern
        self._may_persist = head.persistent
        self._persistent = head.persistent
        self._framing = _Framing.NO_BODY
        self._missing_bytes = 0
        self.aborted = False

    @property
    def scope(self) -> trio.CancelScope:
        """The connection's, in which the handler runs: cancelling it ends this exchange and closes the connection.

        For a client that has left: then nothing else could come of it.
        """
        return self._link.scope

    @property
    def content_type(self) -> str:
        """The media type of the request's body in lower case, without parameters; empty where none was given."""
        return (self.headers.get("content-type") or "").partition(";")[0].strip().lower()

    @property
    def http_version(self) -> str:
        """``1.1`` or ``1.0``."""
        return "1.1" if self._modern else "1.0"

    @property
    def reusable(self) -> bool:
        """Whether the connection may go on to another request."""
        return self.finished and self._persistent and not self.aborted and not self._link.wire.broken

    @property
    def lingers(self) -> bool:
        """Whether the client may still be sending, so that closing at once could lose it the answer."""
        return self.finished and not self.aborted and (self._may_persist or not self._body.settle())

    def read_body(self) -> Coroutine[Any, Any, bytes]:
        """The whole body; again the same when called again. Asks for it with a 100 where the client waits for one.

        Raises ``CallerFault``: REQUEST_TOO_LARGE, REQUEST_TIMEOUT, INVALID_REQUEST (bad framing, ended early);
        ``HouseFault``: OVERLOADED; and ``ClientLeft``. Can be called again after a cancellation.
        """
        return self._body.read()

    def hold(self, size_bytes: int) -> None:
        """Count that so much is kept of the body, in whatever form. Raises ``HouseFault`` where that is too much."""
        self._body.hold(size_bytes)

    def release(self) -> None:
        """The handler is done: nothing of the body is kept any more."""
        self._body.release()

    async def respond(self, status: int, headers: answer.Fields, body: bytes) -> None:
        """The whole answer in one send. HEAD, 204 and 304 send no body.

        Raises ``ClientLeft``; ``ValueError`` for a status or a field that can't be sent; ``RuntimeError`` where an
        answer was begun already.
        """
        self._check_fresh()
        self._decide_persistence()
        bodiless = answer.is_bodiless(status)
        lines = self._closing_lines()
        if not bodiless:
            lines = f"content-length: {self._length_of(headers, body)}\r\n{lines}"
        head = answer.write_head(status, headers, lines)
        self.started = self.finished = True
        await self._link.wire.send(head if bodiless or self.method == "HEAD" else head + body)

    async def start(self, status: int, headers: answer.Fields) -> None:
        """Send the head of an answer whose body follows in pieces: under the Content-Length that ``headers`` may
        give, chunked, or up to the close for HTTP/1.0. Raises as ``respond`` does.
        """
        self._check_fresh()
        self._decide_persistence()
        framing, line = self._choose_framing(status, answer.read_given_length(headers))
        head = answer.write_head(status, headers, line + self._closing_lines())
        self.started = True
        self._framing = framing
        await self._link.wire.send(head)

    async def send(self, data: bytes) -> None:
        """A piece of the body.

        Raises ``ClientLeft``; ``RuntimeError`` where no answer is under way or it would be longer than its length.
        When cancelled, it is sent whole (the rest of it before the next piece) or not at all.
        """
        self._check_open()
        if not data or self._framing is _Framing.NO_BODY:
            return
        if self._framing is _Framing.CHUNKED:
            data = answer.write_chunk(data)
        elif self._framing is _Framing.LENGTH:
            if len(data) > self._missing_bytes:
                raise RuntimeError("the answer is longer than its Content-Length")
            self._missing_bytes -= len(data)
        await self._link.wire.send(data)

    async def finish(self) -> None:
        """End the answer. Raises ``ClientLeft``; ``RuntimeError`` where it is shorter than its Content-Length."""
        self._check_open()
        if self._framing is _Framing.LENGTH and self._missing_bytes:
            raise RuntimeError("the answer is shorter than its Content-Length")
        self.finished = True
        if self._framing is _Framing.CHUNKED:
            await self._link.wire.send(answer.LAST_CHUNK)
        else:
            await self._link.wire.flush()

    def abort(self) -> None:
        """Give up: the connection is closed when the handler returns, and the client sees that the answer was cut."""
        if self._framing is _Framing.CLOSE:
            self._link.wire.reset_on_close()
        self.aborted = True

    def watch(
        self,
        on_leave: OnLeave,
        *,
        tick_s: float | None = None,
        on_tick: Callable[[], Awaitable[None]] | None = None,
    ) -> Watch:
        """An async context manager. Inside, ``on_leave()`` is called once when the client ends or resets the
        connection (also when it only ends its own side), and ``on_tick()`` is awaited every ``tick_s`` seconds.

        ``on_leave`` must not block or raise. What ``on_tick`` raises cancels the inside and comes out of the
        context, but for ``ClientLeft``, which means that the client left.
        """
        tick = Tick(tick_s, on_tick) if tick_s is not None and on_tick is not None else None
        return Watch(self._link.wire, self._link.sentry, on_leave, tick)

    def _check_fresh(self) -> None:
        if self.started:
            raise RuntimeError("an answer was begun already")

    def _check_open(self) -> None:
        if self.aborted:
            raise ClientLeft
        if not self.started or self.finished:
            raise RuntimeError("no answer is under way")

    def _decide_persistence(self) -> None:
        settled = self._body.settle()
        self._persistent = self._may_persist and settled and not self._link.traffic.draining

    def _closing_lines(self) -> str:
        date = self._link.dates.read()
        return date if self._persistent else date + answer.CLOSE

    def _length_of(self, headers: answer.Fields, body: bytes) -> int:
        """A HEAD may be answered with the length alone."""
        given = answer.read_given_length(headers) if self.method == "HEAD" and not body else None
        return len(body) if given is None else given

    def _choose_framing(self, status: int, given: int | None) -> tuple[_Framing, str]:
        length_line = "" if given is None else f"content-length: {given}\r\n"
        if answer.is_bodiless(status):
            return _Framing.NO_BODY, ""
        if self.method == "HEAD":
            return _Framing.NO_BODY, length_line or (answer.CHUNKED if self._modern else "")
        if given is not None:
            self._missing_bytes = given
            return _Framing.LENGTH, length_line
        if self._modern:
            return _Framing.CHUNKED, answer.CHUNKED
        return _Framing.CLOSE, ""
