"""One HTTP answer: `Reply` writes it properly, `FaultyReply` writes it wrongly where a `Fault` says so.

Law: only this file puts bytes of an answer on a stream. Owner: the connection, for one request.
"""

import hashlib
from collections.abc import Sequence
from http import HTTPStatus

import trio

from lodestard.simulator.faults import Fault

Headers = Sequence[tuple[str, str]]
_LAST_CHUNK = b"0\r\n\r\n"


class CutConnectionError(Exception):
    """A fault ends the connection here; ``rst`` says how."""

    def __init__(self, *, rst: bool) -> None:
        super().__init__("cut")
        self.rst = rst


class Framing:
    """How this answer's body is delimited on the wire."""

    __slots__ = ("chunked_allowed", "close", "date", "head_only")

    def __init__(self, *, chunked_allowed: bool, head_only: bool, close: bool, date: str) -> None:
        self.chunked_allowed = chunked_allowed
        self.head_only = head_only
        self.close = close
        self.date = date


class Reply:
    """Either `whole` once, or `start`, any number of `send`, then `finish`."""

    def __init__(self, stream: trio.abc.Stream, framing: Framing) -> None:
        self._stream = stream
        self._framing = framing
        self._chunked = False
        self.started = False
        self.finished = False

    @property
    def must_close(self) -> bool:
        return self._framing.close or not self.finished

    async def whole(self, status: int, headers: Headers, body: bytes) -> None:
        """The whole answer in one send. Cancelled or cut: the connection can't be used again."""
        head = self._head(status, [*headers, ("Content-Length", str(len(body)))])
        await self._put_whole(head, b"" if self._framing.head_only else body)
        self.finished = True

    async def start(self, status: int, headers: Headers) -> None:
        """The head of a streamed answer: chunked, or ended by closing for HTTP/1.0."""
        self._chunked = self._framing.chunked_allowed
        if self._chunked:
            head = self._head(status, [*headers, ("Transfer-Encoding", "chunked")])
        else:
            self._framing.close = True
            head = self._head(status, headers)
        await self._put_head(head)

    async def send(self, data: bytes) -> None:
        """One piece of the body. Empty data sends nothing: an empty chunk would end the body."""
        if data and not self._framing.head_only:
            await self._put_body(data)

    async def finish(self) -> None:
        await self._put_end()
        self.finished = True

    def _head(self, status: int, headers: Headers) -> bytes:
        self.started = True
        lines = [f"HTTP/1.1 {status} {_phrase(status)}"]
        lines += [f"{name}: {value}" for name, value in headers]
        lines.append(f"Date: {self._framing.date}")
        if self._framing.close:
            lines.append("Connection: close")
        return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")

    async def _put_whole(self, head: bytes, body: bytes) -> None:
        await self._stream.send_all(head + body)

    async def _put_head(self, head: bytes) -> None:
        await self._stream.send_all(head)

    async def _put_body(self, data: bytes) -> None:
        await self._stream.send_all(b"%x\r\n%b\r\n" % (len(data), data) if self._chunked else data)

    async def _put_end(self) -> None:
        if self._chunked and not self._framing.head_only:
            await self._stream.send_all(_LAST_CHUNK)


class FaultyReply(Reply):
    """A `Reply` that does what its fault says, byte by byte."""

    def __init__(self, stream: trio.abc.Stream, framing: Framing, fault: Fault) -> None:
        super().__init__(stream, framing)
        self._fault = fault
        self._sent = 0
        self._body_seen = False
        self._ended_early = False

    def _head(self, status: int, headers: Headers) -> bytes:
        if self._fault.content_type is not None:
            headers = [pair for pair in headers if pair[0].lower() != "content-type"]
            headers = [*headers, ("Content-Type", self._fault.content_type)]
        return super()._head(status, headers)

    async def _put_whole(self, head: bytes, body: bytes) -> None:
        await self._put_head(head)
        if body:
            await self._put_body(body)
        await self._check_end()

    async def _put_head(self, head: bytes) -> None:
        await trio.sleep(self._fault.slow or 0)
        if self._fault.hang:
            await trio.sleep_forever()
        if self._fault.reset or self._fault.close:
            raise CutConnectionError(rst=self._fault.reset)
        await self._put_slowly(head, self._fault.dribble_head)

    async def _put_body(self, data: bytes) -> None:
        if not self._body_seen:
            self._body_seen = True
            await trio.sleep(self._fault.slow_body or 0)
        if self._fault.noise:
            data = nonsense(len(data), self._sent)
        at = self._fault.garbage
        if at is not None and self._sent <= at < self._sent + len(data):
            data = data[: at - self._sent] + nonsense(64, at) + data[at - self._sent :]
        stop = self._stop_at()
        if stop is None or self._sent + len(data) <= stop:
            await self._put_some(data)
            return
        await self._put_some(data[: stop - self._sent])
        await self._check_end()

    async def _put_some(self, data: bytes) -> None:
        self._sent += len(data)
        if not data or self._ended_early:
            return
        if self._fault.dribble is None:
            await super()._put_body(data)
            return
        for at in range(len(data)):
            await super()._put_body(data[at : at + 1])
            await trio.sleep(1 / self._fault.dribble)

    async def _put_end(self) -> None:
        await self._check_end()
        if not self._ended_early:
            await super()._put_end()

    async def _check_end(self) -> None:
        """At the position where the fault stops the body: cut it, stall it, or end it as if all were well."""
        stop = self._stop_at()
        if stop is None or self._sent < stop or self._ended_early:
            return
        if self._fault.stall is not None:
            await trio.sleep_forever()
        if self._fault.end is None or not self._chunked:
            raise CutConnectionError(rst=self._fault.cut_rst is not None)
        await super()._put_end()
        self._ended_early = True

    def _stop_at(self) -> int | None:
        fault = self._fault
        stops = [at for at in (fault.cut, fault.cut_rst, fault.end, fault.stall) if at is not None]
        return min(stops) if stops else None

    async def _put_slowly(self, data: bytes, bytes_per_s: float | None) -> None:
        if bytes_per_s is None:
            await self._stream.send_all(data)
            return
        for at in range(len(data)):
            await self._stream.send_all(data[at : at + 1])
            await trio.sleep(1 / bytes_per_s)


def nonsense(size: int, seed: int) -> bytes:
    """``size`` bytes that mean nothing in any dialect, the same for the same seed; line ends among them."""
    block = hashlib.sha256(b"nonsense %d" % seed).digest()[:30] + b"\r\n"
    return (block * (size // len(block) + 1))[:size]


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Overloaded" if status == 529 else "Unknown"
