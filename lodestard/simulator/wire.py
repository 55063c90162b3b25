"""The simulator's own small HTTP/1.1 server for one connection, over any trio stream.

Law: it trusts its clients' syntax as far as llhttp does and no further; a client that leaves (EOF or reset)
cancels the answer being made for it, as Go's server does. Owner of a stream: its `Connection`.
"""

import logging
from collections import deque
from collections.abc import Awaitable, Callable
from socket import SO_LINGER, SOL_SOCKET
from struct import pack
from urllib.parse import parse_qsl, unquote

import httptools
import msgspec
import trio

from lodestard.simulator.pipe import PipeStream
from lodestard.simulator.reply import CutConnectionError

_log = logging.getLogger(__name__)
_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
_BAD = b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
_PIPELINE_LIMIT = 16


class Request(msgspec.Struct, kw_only=True):
    """One request as it came. Header names are lower case; a repeated name keeps its last value."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes
    keep_alive: bool
    version: str
    expects_continue: bool = False

    def header(self, name: str) -> str | None:
        return self.headers.get(name)


Answerer = Callable[[Request, trio.abc.Stream], Awaitable[bool]]
"""Writes the answer to a request on the stream; True when the connection may be used again."""


class _RequestParser:
    """httptools callbacks that gather requests. ``ready`` holds the whole ones."""

    def __init__(self) -> None:
        self.ready: deque[Request] = deque()
        self.wants_continue = False
        self._parser = httptools.HttpRequestParser(self)

    def feed(self, data: bytes | bytearray) -> None:
        """Raises ``httptools.HttpParserError`` for what is no HTTP."""
        self._parser.feed_data(data)

    def on_message_begin(self) -> None:
        self._target = b""
        self._headers: dict[str, str] = {}
        self._body: list[bytes] = []

    def on_url(self, url: bytes) -> None:
        self._target += url

    def on_header(self, name: bytes, value: bytes) -> None:
        self._headers[name.decode("latin-1").lower()] = value.decode("latin-1")

    def on_headers_complete(self) -> None:
        if self._headers.get("expect", "").lower() == "100-continue":
            self.wants_continue = True

    def on_body(self, data: bytes) -> None:
        self._body.append(data)

    def on_message_complete(self) -> None:
        path, _, query = self._target.decode("latin-1").partition("?")
        self.ready.append(
            Request(
                method=self._parser.get_method().decode("ascii"),
                path=unquote(path),
                query=dict(parse_qsl(query, keep_blank_values=True)),
                headers=self._headers,
                body=b"".join(self._body),
                keep_alive=self._parser.should_keep_alive(),
                version=self._parser.get_http_version(),
            )
        )


class Connection:
    """A stream with requests on it. One task reads, one answers; the reader cancels the answer of one who left."""

    def __init__(self, stream: trio.abc.Stream, answer: Answerer) -> None:
        self._stream = stream
        self._answer = answer
        self._parser = _RequestParser()
        self._news = trio.Event()
        self._room = trio.Event()
        self._scope: trio.CancelScope | None = None
        self._left = False
        self._malformed = False

    async def serve(self) -> None:
        """Until either side ends it. Cancelled: the stream is closed at once."""
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._read)
                await self._work()
                nursery.cancel_scope.cancel()
        finally:
            await trio.aclose_forcefully(self._stream)

    async def _read(self) -> None:
        try:
            while data := await self._stream.receive_some(65536):
                self._parser.feed(data)
                if self._parser.wants_continue:
                    self._parser.wants_continue = False
                    await self._stream.send_all(_CONTINUE)
                self._news.set()
                await self._wait_for_room()
        except httptools.HttpParserError:
            self._malformed = True
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            pass
        self._leave()

    async def _wait_for_room(self) -> None:
        while len(self._parser.ready) > _PIPELINE_LIMIT:
            self._room = trio.Event()
            await self._room.wait()

    def _leave(self) -> None:
        self._left = True
        self._news.set()
        if self._scope is not None and not self._malformed:
            self._scope.cancel()

    async def _work(self) -> None:
        while (request := await self._next_request()) is not None:
            with trio.CancelScope() as self._scope:
                if self._left and not self._malformed:
                    self._scope.cancel()  # it left before its request was taken up
                try:
                    again = await self._answer(request, self._stream)
                except CutConnectionError as cut:
                    await end_connection(self._stream, rst=cut.rst)
                    return
                except (trio.BrokenResourceError, trio.ClosedResourceError):
                    return
            cancelled, self._scope = self._scope.cancelled_caught, None
            if cancelled or not again:
                return

    async def _next_request(self) -> Request | None:
        while not self._parser.ready:
            if self._left:
                await self._refuse_malformed()
                return None
            self._news = trio.Event()
            await self._news.wait()
        self._room.set()
        return self._parser.ready.popleft()

    async def _refuse_malformed(self) -> None:
        if self._malformed:
            try:
                await self._stream.send_all(_BAD)
            except trio.BrokenResourceError:
                _log.debug("simulator: the client of a malformed request left")


async def end_connection(stream: trio.abc.Stream, *, rst: bool) -> None:
    """Ends it for the client to see as EOF, or as a reset."""
    if rst:
        make_reset(stream)
    await trio.aclose_forcefully(stream)


def make_reset(stream: trio.abc.Stream) -> None:
    """When it is closed, its peer sees a reset; an in-memory one is reset now."""
    if isinstance(stream, PipeStream):
        stream.reset()
    if isinstance(stream, trio.SocketStream) and stream.socket.fileno() >= 0:
        stream.socket.setsockopt(SOL_SOCKET, SO_LINGER, pack("ii", 1, 0))
