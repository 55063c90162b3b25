"""Bytes of a connection → the head and the body of an answer, held strictly to RFC 9112.

Law: sans-IO: fed with bytes, asked for what they mean. llhttp (httptools) reads; what it lets through and we do
not is refused here. Memory is bounded: a head of 32 KiB, and what one ``feed`` holds.
"""

import re

import httptools

from lodestard.upstream.faults import Lost, Malformed

MAX_HEAD_BYTES = 32 * 1024
MAX_FRAMING_BYTES = 64 * 1024
"""Bytes of chunk extensions and trailers in a row, between two bytes of the body."""

MAX_FIELDS = 256
MAX_INTERIMS = 32
_FIRST_BYTE = ord("H")
_REASON = re.compile(rb"[\t\x20-\x7e\x80-\xff]*")  # RFC 9112 section 4

_LARGE_HEAD = f"its head is larger than {MAX_HEAD_BYTES} bytes"

RawFields = list[tuple[bytes, bytes]]
_VERSIONS = ("1.1", "1.0")
_FIRST_FINAL_STATUS = 200
_LAST_STATUS = 599
_BODILESS = (204, 304)
_LIMIT = b"ratelimit-"
_UNCODED = (b"", b"identity")


class AnswerReader:
    """The answers of one connection, one after another. ``begin`` before each.

    ``content_type`` is the first value of that field, or nothing; ``coded``: a Content-Encoding says so, in any line;
    ``limits`` are the fields that tell of rate limits, their names in lower case.
    """

    __slots__ = (
        "_bodiless",
        "_body",
        "_delimited",
        "_field_bytes",
        "_framing_bytes",
        "_head_bytes",
        "_interims",
        "_keep_alive",
        "_large",
        "_parser",
        "_whole",
        "_wrong",
        "answered",
        "coded",
        "complete",
        "content_type",
        "excess",
        "fields",
        "head_done",
        "limits",
        "on_body",
        "status",
    )

    def __init__(self) -> None:
        self._body: list[bytes] = []
        self.on_body = self._body.append  # called for each chunk, so it is no method of ours
        self._parser = httptools.HttpResponseParser(self)
        self.excess = False
        self.begin()

    def begin(self, *, bodiless: bool = False) -> None:
        """The next answer. ``bodiless``: it answers a HEAD request, so it ends with its head."""
        self._body.clear()
        self._bodiless = bodiless
        self._delimited = False
        self._field_bytes = 0
        self._framing_bytes = 0
        self._head_bytes = 0
        self._interims = 0
        self._large = False
        self._keep_alive = False
        self._whole: int | None = None
        self._wrong = ""
        self.answered = False
        self.coded = False
        self.content_type = b""
        self.complete = False
        self.limits: RawFields = []
        self.fields: RawFields = []
        self.head_done = False
        self.status = 0

    @property
    def reusable(self) -> bool:
        """Whether the connection may carry another exchange."""
        return self.complete and self._keep_alive and not self.excess

    def take(self) -> bytes:
        """What has come of the body since the last call (perhaps nothing)."""
        body = self._body
        if not body:
            return b""
        data = body[0] if len(body) == 1 else b"".join(body)
        body.clear()
        if self._whole is not None:
            self._whole = 0
        return data

    def feed(self, data: bytes | memoryview) -> None:
        """Bytes came. Raises ``Malformed`` for what is no answer."""
        if not self.answered:
            self.answered = True
            if data[0] != _FIRST_BYTE:  # llhttp reads past line ends before the version, and knows RTSP and ICE
                self.excess = True
                raise Malformed("it does not begin with HTTP/")
        if not self.head_done and self._head_bytes + len(data) > MAX_HEAD_BYTES:
            self._large, self._field_bytes = True, self._head_bytes  # only now can its fields be too many
        held = len(self._body)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            raise Malformed("it switches protocols, which nobody asked for") from None
        except httptools.HttpParserError as error:
            self.excess = True
            if not self.complete:  # what follows a whole answer spoils the connection, not the answer
                raise Malformed(self._wrong or str(error).lower()) from None
        if self._whole is not None:
            del self._body[self._whole :]  # what follows the answer is none of it
        if not self.complete:
            self._count(len(data), got_body=len(self._body) > held)
        if self._wrong:
            self.excess = True
            raise Malformed(self._wrong)

    def feed_eof(self) -> None:
        """The peer ended its side. Raises ``Lost`` where the answer was not whole."""
        if self.head_done and self._delimited:
            self.complete = True
        if not self.complete:
            raise Lost(written=True, answered=self.answered)

    def _count(self, size: int, *, got_body: bool) -> None:
        if not self.head_done:
            self._head_bytes += size
            if self._head_bytes > MAX_HEAD_BYTES:
                self._wrong = _LARGE_HEAD
            return
        self._framing_bytes = 0 if got_body else self._framing_bytes + size
        if self._framing_bytes > MAX_FRAMING_BYTES:
            self._wrong = f"more than {MAX_FRAMING_BYTES} bytes of chunk framing without a byte of content"

    # What httptools calls:

    def on_message_begin(self) -> None:
        if self.complete:
            self.excess = True

    def on_status(self, reason: bytes) -> None:
        if reason != b"OK" and not self.complete and not _REASON.fullmatch(reason):
            self._wrong = "its status line has a control byte in it"

    def on_header(self, name: bytes, value: bytes) -> None:
        if self.head_done:  # a second answer, or trailers, which nobody asked for
            return
        if self._large:
            self._field_bytes += len(name) + len(value)
            if self._field_bytes > MAX_HEAD_BYTES:
                self._wrong = _LARGE_HEAD
                return
        self.fields.append((name, value))

    def on_headers_complete(self) -> None:
        if self.complete:
            return
        parser = self._parser
        status = parser.get_status_code()
        if 100 <= status < _FIRST_FINAL_STATUS:  # RFC 9110 section 15.2: read past several of them
            self.fields = []
            self._interims += 1
            if self._interims > MAX_INTERIMS:
                self._wrong = f"it has more than {MAX_INTERIMS} interim answers before it"
            return
        if parser.get_http_version() not in _VERSIONS:
            self._wrong = "its version of HTTP is neither 1.0 nor 1.1"
        elif not _FIRST_FINAL_STATUS <= status <= _LAST_STATUS:
            self._wrong = f"its status is {status}"
        elif len(self.fields) > MAX_FIELDS:
            self._wrong = f"it has more than {MAX_FIELDS} header fields"
        self._keep_alive = parser.should_keep_alive()
        self._delimited = not self._look_at_fields(status)
        self.status = status
        self.head_done = True
        if self._bodiless:
            self.complete = True
            self._whole = 0
            self._keep_alive = False  # llhttp can't be told that no body follows

    def on_message_complete(self) -> None:
        if self.head_done and not self.complete:
            self.complete = True
            self._whole = len(self._body)

    def _look_at_fields(self, status: int) -> bool:
        """Whether the end of the body is told by framing; otherwise by the end of the connection."""
        framed = bodiless = status in _BODILESS
        for raw_name, value in self.fields:
            name = raw_name.lower()
            if name == b"content-length":
                framed = True
            elif name == b"transfer-encoding":
                if not bodiless:
                    self._check_coding(value, first=not framed)
                framed = True
            elif name == b"content-type":
                self.content_type = self.content_type or value
            elif name == b"content-encoding":
                self.coded = self.coded or value.strip().lower() not in _UNCODED
            elif _LIMIT in name:
                self.limits.append((name, value))
        return framed

    def _check_coding(self, value: bytes, *, first: bool) -> None:
        """RFC 9112 section 6.1: no coding beside one chunked was offered, and HTTP/1.0 has none."""
        if not first or value.strip().lower() != b"chunked" or self._parser.get_http_version() == "1.0":
            self._wrong = "its transfer coding is not plain chunked"
