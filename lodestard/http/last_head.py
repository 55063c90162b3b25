"""The head that came last over a connection: who asks again mostly says the same again, but for a length.

Law: only a head that was read and let in is remembered, and only one that is the same byte for byte, but for the
digits of its length, is taken for it. It holds what a client sent, keys too, no longer than the connection lasts.
"""

import re

import msgspec

from lodestard.http.head import RequestHead

MOST_BYTES = 8 * 1024
_LENGTH = re.compile(rb"\r\ncontent-length: ?([1-9][0-9]{0,14})\r\n", re.IGNORECASE)


class LastHead:
    """What one connection remembers."""

    __slots__ = ("_after", "_before", "_head", "_raw")

    def __init__(self) -> None:
        self._raw = self._before = self._after = b""
        self._head: RequestHead | None = None

    def find(self, raw: bytes | bytearray) -> RequestHead | None:
        """What ``raw`` says, where it was let in before; None where it has to be read."""
        if self._head is None or raw == self._raw:
            return self._head
        length = _LENGTH.search(raw) if self._before else None
        if length is None or raw[: length.start(1)] != self._before or raw[length.end(1) :] != self._after:
            return None
        digits = length[1].decode("ascii")
        headers = self._head.headers.with_value("content-length", digits)
        return msgspec.structs.replace(self._head, length=int(digits), headers=headers)

    def note(self, raw: bytes | bytearray, head: RequestHead) -> None:
        """``head`` was read from ``raw``, and let in."""
        if len(raw) > MOST_BYTES:
            return
        self._raw, self._head = bytes(raw), head
        length = _LENGTH.search(raw) if head.length is not None else None
        self._before = b"" if length is None else bytes(raw[: length.start(1)])
        self._after = b"" if length is None else bytes(raw[length.end(1) :])
