"""Writes the heads of answers. Pure.

Law: how an answer is framed and whether the connection goes on is the server's to say; what a handler says about
that is left out. A field that would break out of its line is an error, never sent.
"""

import email.utils
from collections.abc import Sequence
from http import HTTPStatus

from lodestard.domain.clock import Clock

CRLF = b"\r\n"
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
LAST_CHUNK = b"0\r\n\r\n"
CLOSE = "connection: close\r\n"
CHUNKED = "transfer-encoding: chunked\r\n"

_OURS = frozenset({"connection", "content-length", "date", "keep-alive", "transfer-encoding", "upgrade"})
_USUAL = frozenset({"content-type", "cache-control", "x-accel-buffering"}) | {
    f"x-lodestar-{name}" for name in ("request-id", "cache", "cost-usd", "overhead-ms", "attempts", "model", "reason")
}
"""What nearly every answer says: none of ours, so that nobody has to look."""
_STATUS_LINES = {status.value: f"HTTP/1.1 {status.value} {status.phrase}\r\n" for status in HTTPStatus}
_BODILESS = frozenset({204, 304})
_FIRST_FINAL_STATUS = 200
_LAST_STATUS = 599
_MS_PER_S = 1_000

Fields = Sequence[tuple[str, str]]


def write_head(status: int, headers: Fields, framing: str) -> bytes:
    """``framing``: whole lines that the server adds. Raises ``ValueError`` for a status or a field that can't be."""
    lines = [f"{name}: {value}\r\n" for name, value in headers if name in _USUAL or name.lower() not in _OURS]
    lines.insert(0, _status_line(status))
    count = len(lines)
    text = "".join(lines)
    if text.count("\n") != count or text.count("\r") != count or "\0" in text:
        raise ValueError("a header field of an answer has a line break or a NUL in it")
    return f"{text}{framing}\r\n".encode("latin-1", "replace")


def write_refusal(status: int, headers: Fields, body: bytes, date: str) -> bytes:
    """A whole answer to what was no request; the connection closes after it."""
    return write_head(status, headers, f"content-length: {len(body)}\r\n{date}{CLOSE}") + body


def _status_line(status: int) -> str:
    line = _STATUS_LINES.get(status)
    if line is None or status < _FIRST_FINAL_STATUS:
        if not _FIRST_FINAL_STATUS <= status <= _LAST_STATUS:
            raise ValueError(f"not the status of a final answer: {status}")
        return f"HTTP/1.1 {status} \r\n"
    return line


def is_bodiless(status: int) -> bool:
    """RFC 9112 section 6.3: such an answer ends with its head."""
    return status in _BODILESS


def read_given_length(headers: Fields) -> int | None:
    """The Content-Length that a handler gave, if any. Raises ``ValueError``."""
    for name, value in headers:
        if name.lower() == "content-length":
            if not (value.isascii() and value.isdigit()):
                raise ValueError("the Content-Length of an answer is not a number")
            return int(value)
    return None


def write_chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


class DateLine:
    """The Date field (RFC 9110 section 6.6.1), written once a second."""

    __slots__ = ("_clock", "_second", "_text")

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._second = -1
        self._text = ""

    def read(self) -> str:
        second = self._clock.now_ms() // _MS_PER_S
        if second != self._second:
            self._second = second
            self._text = f"date: {email.utils.formatdate(second, usegmt=True)}\r\n"
        return self._text
