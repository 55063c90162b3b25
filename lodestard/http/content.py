"""The content coding of a request's body (RFC 9110 section 8.4): gzip or zstd, undone within bounds.

Law: what comes out is at most ``body_bytes`` and, beyond the first MiB, at most ``body_ratio`` times what came in;
memory beside it is bounded (a window of 8 MiB), and every portion lets the other tasks run. Called by who wants the
content of a body; the control socket and the pages take bodies as they are.

``deflate`` is not taken: half of its senders mean another format than the RFC does, and none is a client of ours.
"""

import sys
import zlib
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Protocol

import trio

from lodestard.domain.errors import CallerFault, Code
from lodestard.domain.settings import Limits
from lodestard.http.headers import Headers

ANY_RATIO_BYTES = 1024 * 1024
MAX_MEMBERS = 64
"""Members of a gzip, frames of a zstd: one after another is allowed, thousands of nothing are work without end."""
WINDOW_LOG = 23
"""RFC 9659 section 3: 8 MiB, and no more."""
_IN_BYTES = 64 * 1024
_OUT_BYTES = 256 * 1024
_GZIP = 16 + zlib.MAX_WBITS


class Carrier(Protocol):
    """What is asked of an exchange."""

    headers: Headers

    async def read_body(self) -> bytes: ...

    def hold(self, size_bytes: int) -> None: ...


async def read_content(exchange: Carrier, limits: Limits) -> bytes:
    """The body without its content coding.

    Raises ``CallerFault``: UNSUPPORTED_ENCODING before anything is read, REQUEST_TOO_LARGE, INVALID_REQUEST where the
    coding is broken, and what ``read_body`` raises.
    """
    field = exchange.headers.get("content-encoding")
    if field is None:
        return await exchange.read_body()
    undo = _choose(field)
    body = await exchange.read_body()
    return body if undo is None else await _undo_within(undo, body, limits, exchange.hold)


Undo = Callable[[memoryview], Iterator[bytes]]


class _Broken(Exception):
    """The bytes are not what the coding is."""


def _choose(field: str) -> Undo | None:
    """RFC 9110 sections 5.6.1 and 8.4.1: a list, its names without case, its empty elements nothing."""
    codings = [coding for part in field.split(",") if (coding := part.strip(" \t").lower()) not in ("", "identity")]
    if not codings:
        return None
    if len(codings) > 1 or codings[0] not in _CODINGS:
        raise CallerFault(
            Code.UNSUPPORTED_ENCODING, "The body's content-encoding is not taken here; send gzip, zstd, or none."
        )
    return _CODINGS[codings[0]]


async def _undo_within(undo: Undo, body: bytes, limits: Limits, hold: Callable[[int], None]) -> bytes:
    most_bytes = min(limits.body_bytes, max(ANY_RATIO_BYTES, len(body) * limits.body_ratio))
    pieces, size = [], 0
    try:
        for piece in undo(memoryview(body)):
            size += len(piece)
            if size > most_bytes:
                raise CallerFault(
                    Code.REQUEST_TOO_LARGE,
                    f"The request's body becomes larger than {most_bytes} bytes when it is decompressed.",
                )
            pieces.append(piece)
            hold(len(body) + size)
            await trio.lowlevel.checkpoint()
    except _Broken:
        raise CallerFault(Code.INVALID_REQUEST, "The body is not what its content-encoding says, or cut.") from None
    return b"".join(pieces)


def _gunzip(body: memoryview) -> Iterator[bytes]:
    """RFC 1952: one member or several. Lengths and checksums are checked by zlib."""
    position = 0
    for _ in range(MAX_MEMBERS):
        member = zlib.decompressobj(_GZIP)
        while not member.eof:
            data = member.unconsumed_tail or body[position : position + _IN_BYTES]
            if data is not member.unconsumed_tail:
                position += len(data)
            try:
                piece = member.decompress(data, _OUT_BYTES)
            except zlib.error:
                raise _Broken from None
            if not data and not piece:
                raise _Broken
            yield piece
        position -= len(member.unused_data)
        if position == len(body):
            return
    raise _Broken


def _unzstd(body: memoryview) -> Iterator[bytes]:
    """RFC 8878: one frame or several."""
    zstd = _load_zstd()
    options = {zstd.DecompressionParameter.window_log_max: WINDOW_LOG}
    position = 0
    for _ in range(MAX_MEMBERS):
        frame = zstd.ZstdDecompressor(options=options)
        while not frame.eof:
            data = body[position : position + _IN_BYTES] if frame.needs_input else b""
            position += len(data)
            if frame.needs_input and not data:
                raise _Broken
            try:
                yield frame.decompress(data, _OUT_BYTES)
            except zstd.ZstdError:
                raise _Broken from None
        position -= len(frame.unused_data)
        if position == len(body):
            return
    raise _Broken


def _load_zstd() -> ModuleType:
    """Loaded by the first body that needs it; a part of Python itself since 3.14."""
    if sys.version_info >= (3, 14):
        from compression import zstd
    else:
        from backports import zstd
    return zstd


_CODINGS: dict[str, Undo] = {"gzip": _gunzip, "x-gzip": _gunzip, "zstd": _unzstd}
