"""Our HTTP server on a loopback socket, and a client that reads answers with llhttp, independently of it."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from ssl import SSLContext

import httptools
import trio

from lodestard.domain.clock import SystemClock
from lodestard.domain.errors import Code, Fault
from lodestard.domain.settings import Limits
from lodestard.http import HttpExchange, HttpServer, open_tcp_listeners

STATUSES = {
    Code.INVALID_REQUEST: 400,
    Code.FORBIDDEN_HOST: 403,
    Code.FORBIDDEN_ORIGIN: 403,
    Code.REQUEST_TIMEOUT: 408,
    Code.REQUEST_TOO_LARGE: 413,
    Code.OVERLOADED: 503,
}
HOST = b"Host: localhost\r\n"
Handler = Callable[[HttpExchange], Awaitable[None]]


def write_fault(fault: Fault, path: str) -> tuple[int, list[tuple[str, str]], bytes]:
    return STATUSES.get(fault.code, 500), [("content-type", "text/plain")], f"{fault.code} at {path}".encode()


def build_server(
    handler: Handler,
    *,
    limits: Limits | None = None,
    hosts: frozenset[str] | None = None,
    origins: tuple[str, ...] = (),
    find_context: Callable[[], SSLContext] | None = None,
) -> HttpServer:
    return HttpServer(
        handler,
        limits=limits or Limits(),
        clock=SystemClock(),
        allowed_hosts=hosts,
        allowed_origins=frozenset(origins),
        write_fault=write_fault,
        find_context=find_context,
    )


@dataclass
class Answer:
    """What llhttp read."""

    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    complete: bool = False

    @property
    def closes(self) -> bool:
        return self.headers.get("connection") == "close"


class _Reader:
    def __init__(self) -> None:
        self.parser = httptools.HttpResponseParser(self)
        self.answers: list[Answer] = []

    def on_message_begin(self) -> None:
        self.answers.append(Answer())

    def on_header(self, name: bytes, value: bytes) -> None:
        self.answers[-1].headers[name.decode().lower()] = value.decode("latin-1")

    def on_headers_complete(self) -> None:
        self.answers[-1].status = self.parser.get_status_code()

    def on_body(self, data: bytes) -> None:
        self.answers[-1].body += data

    def on_message_complete(self) -> None:
        self.answers[-1].complete = True


def read_answers(data: bytes) -> list[Answer]:
    """Every answer in ``data``; the last one is not ``complete`` where it was cut."""
    reader = _Reader()
    if data:
        reader.parser.feed_data(data)
    return reader.answers


class Client:
    """One connection to the server."""

    def __init__(self, stream: trio.SocketStream) -> None:
        self.stream = stream
        self._reader = _Reader()

    async def send(self, data: bytes) -> None:
        await self.stream.send_all(data)

    async def read(self, number: int = 1) -> Answer:
        """The ``number``-th answer of this connection, when it is whole or the connection has ended."""
        answers = self._reader.answers
        while len(answers) < number or not answers[number - 1].complete:
            data = await self.stream.receive_some(65536)
            if not data:
                break
            self._reader.parser.feed_data(data)
        return answers[number - 1] if len(answers) >= number else Answer()

    async def read_all(self) -> bytes:
        """Everything up to the end of the connection (or its reset)."""
        data = bytearray()
        try:
            while piece := await self.stream.receive_some(65536):
                data += piece
        except trio.BrokenResourceError:
            data += b"<reset>"
        return bytes(data)

    async def ask(self, data: bytes) -> Answer:
        await self.send(data)
        return await self.read(len(self._reader.answers) + 1)

    async def is_closed(self) -> bool:
        return await self.read_all() in (b"", b"<reset>")


@dataclass
class Serving:
    """A server that runs, and where."""

    server: HttpServer
    port: int
    life: trio.CancelScope
    ended: trio.Event
    streams: list[trio.SocketStream] = field(default_factory=list)

    async def connect(self, local: str | None = None) -> Client:
        """A new connection, from the address ``local``; closed with the server."""
        stream = await trio.open_tcp_stream("127.0.0.1", self.port, local_address=local)
        self.streams.append(stream)
        return Client(stream)


@asynccontextmanager
async def serving(server: HttpServer, *, secure: bool = False) -> AsyncIterator[Serving]:
    """``server`` on a port of its own until the context is left."""
    listeners = await open_tcp_listeners(["127.0.0.1:0"])
    sockets = ([], listeners) if secure else (listeners, [])
    async with trio.open_nursery() as nursery:
        life, ended = trio.CancelScope(), trio.Event()

        async def live(*, task_status: trio.TaskStatus[None]) -> None:
            with life:
                await server.serve(*sockets, task_status=task_status)
            ended.set()

        await nursery.start(live)
        running = Serving(server, int(server.addresses[0].rpartition(":")[2]), life, ended)
        try:
            yield running
        finally:
            for stream in running.streams:
                stream.socket.close()
            nursery.cancel_scope.cancel()


async def echo(exchange: HttpExchange) -> None:
    """Says what was asked, so that a test can compare it."""
    body = await exchange.read_body()
    fields = [f"{name}={value}" for name, value in exchange.headers.items()]
    lines = [exchange.method, exchange.path, exchange.query, "&".join(fields)]
    await exchange.respond(200, [("content-type", "text/plain")], "\n".join(lines).encode() + b"\n\n" + body)
