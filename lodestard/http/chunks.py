"""The chunked coding of a request's body (RFC 9112 section 7.1). Sans-IO.

Law: chunk extensions and trailers are checked, bounded and ignored: neither says anything that is used here. Chunks
of next to nothing are bounded too, for each costs more than its bytes.
"""

from lodestard.domain.errors import Code
from lodestard.http import grammar
from lodestard.http.faults import Refused

MAX_LINE_BYTES = 1024
MAX_EXTENSION_BYTES = 16 * 1024
MAX_TRAILER_BYTES = 16 * 1024
MAX_SMALL_CHUNKS = 100_000
SMALL_CHUNK_BYTES = 64
"""More chunks than that must be this long on average."""
_CRLF = b"\r\n"


class TooLarge(Exception):
    """The body is larger than the limit."""


class ChunkReader:
    """Takes a body out of a connection's buffer, as far as it has come."""

    __slots__ = (
        "_chunks",
        "_extension_bytes",
        "_in_trailers",
        "_limit",
        "_missing",
        "_trailer_bytes",
        "body",
        "complete",
    )

    def __init__(self, limit_bytes: int) -> None:
        self._limit = limit_bytes
        self._missing = 0  # of the chunk under way, with its CRLF
        self._in_trailers = False
        self._chunks = 0
        self._extension_bytes = 0
        self._trailer_bytes = 0
        self.body = bytearray()
        self.complete = False

    def take(self, received: bytearray) -> None:
        """Use up what belongs to the body. Raises ``Refused`` for bad framing, ``TooLarge`` past the limit."""
        position = 0
        try:
            while not self.complete:
                used = self._step(received, position)
                if not used:
                    return
                position += used
        finally:
            del received[:position]

    def _step(self, received: bytearray, start: int) -> int:
        """How many bytes the next element takes; 0 where it has not wholly come."""
        if self._missing:
            return self._take_data(received, start)
        end = received.find(_CRLF, start, start + MAX_LINE_BYTES)
        line = bytes(received[start : end if end >= 0 else start + MAX_LINE_BYTES])
        if end < 0:
            if len(line) >= MAX_LINE_BYTES or grammar.SPOILED.search(line):
                raise Refused("a line of the chunked body is too long or has no CRLF")
            return 0
        self._take_line(line)
        return end + len(_CRLF) - start

    def _take_line(self, line: bytes) -> None:
        if not self._in_trailers:
            self._begin_chunk(line)
        elif line:
            self._check_trailer(line)
        else:
            self.complete = True

    def _take_data(self, received: bytearray, start: int) -> int:
        data_bytes = self._missing - len(_CRLF)
        if data_bytes > 0:
            piece = received[start : start + data_bytes]
            self.body += piece
            self._missing -= len(piece)
            return len(piece)
        ending = received[start : start + len(_CRLF)]
        if not _CRLF.startswith(ending):
            raise Refused("a chunk is longer than its size")
        if len(ending) < len(_CRLF):
            return 0
        self._missing = 0
        return len(_CRLF)

    def _begin_chunk(self, line: bytes) -> None:
        match = grammar.CHUNK_LINE.fullmatch(line)
        if match is None:
            raise Refused("a chunk's size is not a valid one")
        self._extension_bytes += len(match[2])
        if self._extension_bytes > MAX_EXTENSION_BYTES:
            raise Refused("the chunk extensions are too long")
        size = int(match[1], 16)
        if len(self.body) + size > self._limit:
            raise TooLarge
        if self._chunks > MAX_SMALL_CHUNKS and self._chunks * SMALL_CHUNK_BYTES > len(self.body):
            raise Refused("the body comes in too many small chunks")
        self._chunks += 1
        self._in_trailers = size == 0
        self._missing = size + len(_CRLF) if size else 0

    def _check_trailer(self, line: bytes) -> None:
        self._trailer_bytes += len(line)
        if self._trailer_bytes > MAX_TRAILER_BYTES:
            raise Refused("the trailers are too long", code=Code.REQUEST_TOO_LARGE)
        if grammar.TRAILER_LINE.fullmatch(line) is None:
            raise Refused("a trailer field is not a valid one")
