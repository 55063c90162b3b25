"""Targets that read what clients send: heads, chunks, bodies and their content codings."""

import contextlib
import gzip
import json
import re
import zlib
from collections.abc import Iterable
from typing import Any

import httptools

from lodestard.domain.errors import CallerFault
from lodestard.domain.request import Request
from lodestard.domain.settings import Limits
from lodestard.http.chunks import ChunkReader, TooLarge
from lodestard.http.content import MAX_MEMBERS, _Broken, _choose, _load_zstd
from lodestard.http.faults import Refused
from lodestard.http.head import check_unfinished, read_head
from lodestard.protocols.openai.build import build_members
from lodestard.protocols.openai.chat_read import read_request
from lodestard.protocols.responses.read import NoMemory, read_turn
from tests.fuzz.streams import portions

LIMITS = Limits()
HEAD_END = b"\r\n\r\n"
MOST_BODY_BYTES = 4096
MOST_DEPTH = 64
MOST_CONTENT_BYTES = 1 << 20
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")


class _Llhttp:
    """Another reader of requests, independent of ours."""

    def __init__(self) -> None:
        self.parser = httptools.HttpRequestParser(self)
        self.url, self.body, self.fields, self.complete, self.heads = b"", b"", 0, False, 0

    def on_url(self, url: bytes) -> None:
        self.url += url

    def on_header(self, _name: bytes, _value: bytes) -> None:
        self.fields += 1

    def on_headers_complete(self) -> None:
        self.heads += 1

    def on_body(self, body: bytes) -> None:
        self.body += body

    def on_message_complete(self) -> None:
        self.complete = True


def _ask_llhttp(data: bytes) -> _Llhttp | None:
    """None where it refuses them."""
    reader = _Llhttp()
    try:
        reader.parser.feed_data(data)
    except httptools.HttpParserUpgrade:
        return reader
    except httptools.HttpParserError:
        return None
    return reader


def request_head(data: bytes) -> None:
    """What is accepted is what llhttp reads too, has no control byte, and could not have been refused earlier."""
    end = data.find(HEAD_END)
    raw = data[: end + len(HEAD_END)] if end >= 0 else data + HEAD_END
    try:
        head = read_head(raw, LIMITS)
    except Refused:
        return
    check_unfinished(bytearray(raw[: -len(HEAD_END)]), 0, LIMITS)
    assert not any(_CONTROL.search(value) for _, value in head.headers.items())
    other = _ask_llhttp(raw)
    assert other is not None, "accepted here, refused by llhttp"
    assert other.parser.get_method().decode() == head.method
    assert other.heads == 1, "two readers see two requests"
    if head.length is not None and other.complete:
        assert not head.length, "llhttp sees no body where we wait for one"


def request_chunks(data: bytes) -> None:
    """A chunked body is the same however it is portioned, within its limit, and the one that llhttp reads."""
    how, stream = (data[0], data[1:]) if data else (0, b"")
    whole = _take_chunks([stream])
    assert _take_chunks(portions(stream, how)) == whole, "portions matter"
    outcome, body, left = whole
    assert len(body) <= MOST_BODY_BYTES
    if outcome == "whole":
        used = stream[: len(stream) - len(left)]
        other = _ask_llhttp(b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n" + used)
        assert other is not None, "accepted here, refused by llhttp"
        assert (other.complete, other.body) == (True, body), "two readers see two bodies"


def _take_chunks(parts: Iterable[bytes]) -> tuple[str, bytes, bytes]:
    reader, received = ChunkReader(MOST_BODY_BYTES), bytearray()
    try:
        for part in parts:
            received += part
            if not reader.complete:
                reader.take(received)
    except (Refused, TooLarge):
        return "refused", b"", b""  # how much was kept by then depends on the portions, and nobody gets it
    return "whole" if reader.complete else "unfinished", bytes(reader.body), bytes(received)


def request_body(data: bytes) -> None:
    """Only strict JSON is taken, and it is read as Python's own reader reads it; only the caller is faulted."""
    try:
        request = read_request(data, depth=MOST_DEPTH)
    except CallerFault:
        return
    _agree(data, request)


def responses_body(data: bytes) -> None:
    """The same of a Responses request; what was read can be written to an upstream or is refused."""
    try:
        request = read_turn(data, depth=MOST_DEPTH, memory=NoMemory()).request
    except CallerFault:
        return
    _agree(data, request)
    with contextlib.suppress(CallerFault):
        build_members(request)


def _agree(data: bytes, request: Request) -> None:
    members = json.loads(data, object_pairs_hook=_pairs, parse_constant=_refuse)
    assert isinstance(members, _Pairs)
    names = [name for name, _ in members.pairs]
    assert len(names) == len(set(names)), "a key came twice"
    assert dict(members.pairs)["model"] == request.alias
    assert bool(dict(members.pairs).get("stream")) == request.stream


class _Pairs:
    def __init__(self, pairs: list[tuple[str, Any]]) -> None:
        self.pairs = pairs


def _pairs(pairs: list[tuple[str, Any]]) -> _Pairs:
    return _Pairs(pairs)


def _refuse(constant: str) -> Any:
    raise AssertionError(f"taken as JSON: {constant}")


def content(data: bytes) -> None:
    """A compressed body that is right comes out as it went in; a spoilt one as the library's own reader has it, or is
    refused. No piece is large, so whoever counts them can stop in time.

    The first byte chooses the coding, the second how many bytes are spoilt (each: where, to what); the rest is the
    body.
    """
    if len(data) < 2:
        return
    coding, spoils, body = ("gzip", "zstd")[data[0] % 2], data[1] % 4, data[2:]
    changes, plain = body[: 2 * spoils], body[2 * spoils :]
    packed = bytearray(gzip.compress(plain, mtime=0) if coding == "gzip" else _load_zstd().compress(plain))
    for at in range(0, len(changes) - 1, 2):
        packed[changes[at] % len(packed)] = changes[at + 1]
    got = _undo(coding, bytes(packed))
    if not changes:
        assert got == plain, "a right one is not read right"
    elif got is not None and len(got) <= MOST_CONTENT_BYTES:
        assert got == _by_library(coding, bytes(packed)), "another reading than the library's"


def _undo(coding: str, packed: bytes) -> bytes | None:
    undo, out = _choose(coding), b""
    assert undo is not None
    try:
        for piece in undo(memoryview(packed)):
            assert len(piece) <= 256 * 1024, "a large piece"
            out += piece
            if len(out) > MOST_CONTENT_BYTES:
                return out
    except _Broken:
        return None
    return out


def _by_library(coding: str, packed: bytes) -> bytes:
    if coding == "zstd":
        plain: bytes = _load_zstd().decompress(packed)
        return plain
    out = b""
    for _ in range(MAX_MEMBERS):
        member = zlib.decompressobj(16 + zlib.MAX_WBITS)
        out += member.decompress(packed)
        packed = member.unused_data
        if not packed:
            break
    return out
