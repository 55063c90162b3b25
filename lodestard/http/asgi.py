"""Hosts an ASGI application (Starlette) on our server: ``http`` scope only.

Law: the application sees what any handler sees, under the same limits. A client that leaves is told to it as
``http.disconnect``; a send after that raises ``OSError``, as the ASGI specification (HTTP, 2.4) has it.
Source: https://asgi.readthedocs.io/en/stable/specs/www.html
"""

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any
from urllib.parse import unquote

import trio

from lodestard.domain.errors import Fault
from lodestard.http.exchange import HttpExchange
from lodestard.http.faults import ClientLeft
from lodestard.http.terms import Handler

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Message, Receive, Send], Awaitable[None]]


def asgi_handler(app: Application) -> Handler:
    """A handler that gives each request to ``app``. No lifespan events are sent."""

    async def handle(exchange: HttpExchange) -> None:
        host = _Host(exchange)
        async with exchange.watch(host.left.set):
            try:
                await app(write_scope(exchange), host.receive, host.send)
            except Exception:
                if not host.left.is_set():  # otherwise it is only the echo of that
                    raise
        host.check_ended()

    return handle


def write_scope(exchange: HttpExchange) -> Message:
    """The connection scope of one request."""
    host, _, port = (exchange.headers.get("host") or "").rpartition(":")
    server = (host, int(port)) if host and port.isdigit() else ((exchange.headers.get("host") or "localhost"), None)
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.4"},
        "http_version": exchange.http_version,
        "method": exchange.method,
        "scheme": "https" if exchange.secure else "http",
        "path": unquote(exchange.path),
        "raw_path": exchange.path.encode("ascii"),
        "query_string": exchange.query.encode("latin-1"),
        "root_path": "",
        "headers": [(name.encode("latin-1"), value.encode("latin-1")) for name, value in exchange.headers.items()],
        "client": (exchange.peer.address, 0) if exchange.peer.address else None,
        "server": server,
        "state": {},
    }


class _Host:
    """One request's two channels. The head waits for the first piece of the body: a whole answer is one send."""

    def __init__(self, exchange: HttpExchange) -> None:
        self._exchange = exchange
        self._asked = False
        self._head: tuple[int, list[tuple[str, str]]] | None = None
        self._fault: Fault | None = None
        self.left = trio.Event()
        self._ended = trio.Event()

    async def receive(self) -> Message:
        """The body, whole; then ``http.disconnect`` when the client has left or the answer has ended."""
        if not self._asked:
            try:
                body = await self._exchange.read_body()
            except Fault as fault:
                self._fault = fault
                self.left.set()
            else:
                self._asked = True
                return {"type": "http.request", "body": body, "more_body": False}
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._wake_when, self._ended, nursery.cancel_scope)
            nursery.start_soon(self._wake_when, self.left, nursery.cancel_scope)
        return {"type": "http.disconnect"}

    async def send(self, message: Message) -> None:
        if self.left.is_set():
            raise OSError("the client left")
        try:
            await self._send(message)
        except ClientLeft:
            self.left.set()
            raise OSError("the client left") from None

    async def _send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._hold_head(message)
        elif message["type"] == "http.response.body":
            await self._send_body(bytes(message.get("body", b"")), more=bool(message.get("more_body", False)))
        else:
            raise RuntimeError(f"an ASGI message that is not known here: {message['type']}")

    def _hold_head(self, message: Message) -> None:
        if self._head is not None:
            raise RuntimeError("an answer was begun already")
        fields = message.get("headers", ())
        headers = [(bytes(name).decode("latin-1"), bytes(value).decode("latin-1")) for name, value in fields]
        self._head = (message["status"], headers)

    async def _send_body(self, body: bytes, *, more: bool) -> None:
        if self._head is None:
            raise RuntimeError("an answer has no head yet")
        if not more and not self._exchange.started:
            await self._exchange.respond(*self._head, body)
            self._ended.set()
            return
        if not self._exchange.started:
            await self._exchange.start(*self._head)
        await self._exchange.send(body)
        if not more:
            await self._exchange.finish()
            self._ended.set()

    def check_ended(self) -> None:
        """An application that returned without ending its answer has failed, unless its client had left.

        What was wrong with the request's body is said here: to the application it looked like a client that left.
        """
        if self._fault is not None:
            raise self._fault
        if not self._exchange.finished and not self.left.is_set():
            raise RuntimeError("an ASGI application ended without ending its answer")

    @staticmethod
    async def _wake_when(event: trio.Event, scope: trio.CancelScope) -> None:
        await event.wait()
        scope.cancel()
