"""Server-sent events, as far as answers of models need them: bytes in any portions → the data of each event.

Law: the memory held is bounded by ``max_event_bytes``, and no portion is scanned twice for its line ends.
Source: the event stream format of the WHATWG HTML standard, section "Server-sent events". Lines end with CR, LF
or CRLF; one byte order mark may come first; ``event``, ``id``, ``retry`` and comments are read over.
"""

import re

from lodestard.domain.errors import Code, UpstreamFault
from lodestard.protocols.codec import MAX_ANSWER_BYTES

_BOM = b"\xef\xbb\xbf"
_LINE_END = re.compile(rb"\r\n|\n|\r")


class SseParser:
    """Gathers the ``data`` of events. An event counts once its blank line has come."""

    __slots__ = ("_after_cr", "_at_start", "_data", "_held_bytes", "_line", "_max_bytes")

    def __init__(self, max_event_bytes: int = MAX_ANSWER_BYTES) -> None:
        self._max_bytes = max_event_bytes
        self._line = bytearray()
        self._data: list[bytes] = []
        self._held_bytes = 0
        self._at_start = True
        self._after_cr = False

    def feed(self, data: bytes) -> list[bytes]:
        """The data of each event that ``data`` completes; an event without data gives none.

        Raises ``UpstreamFault(UPSTREAM_GARBAGE)`` once an event is larger than the bound.
        """
        if self._at_start:
            data = self._without_mark(data)
        if self._after_cr and data:
            self._after_cr = False
            if data.startswith(b"\n"):
                data = data[1:]
        events: list[bytes] = []
        if not data:
            return events
        self._after_cr = data.endswith(b"\r")
        lines = data.split(b"\n") if b"\r" not in data else _LINE_END.split(data)
        rest = lines.pop()
        if lines and self._line:
            self._line += lines[0]
            lines[0] = bytes(self._line)
            self._line.clear()
        for line in lines:
            self._take(line, events)
        self._line += rest
        if self._held_bytes + len(self._line) > self._max_bytes:
            raise _oversize(self._max_bytes)
        return events

    def finish(self) -> list[bytes]:
        """Nothing: the standard discards an event whose blank line has not come."""
        return []

    def _take(self, line: bytes, events: list[bytes]) -> None:
        if not line:
            if self._data:
                events.append(self._data[0] if len(self._data) == 1 else b"\n".join(self._data))
                self._data = []
                self._held_bytes = 0
            return
        if line.startswith(b"data:"):
            self._hold(line[6:] if line.startswith(b"data: ") else line[5:])
        elif line == b"data":
            self._hold(b"")

    def _hold(self, value: bytes) -> None:
        self._held_bytes += len(value) + 1
        if self._held_bytes > self._max_bytes:
            raise _oversize(self._max_bytes)
        self._data.append(value)

    def _without_mark(self, data: bytes) -> bytes:
        """``data`` without the mark, which may come in portions of its own."""
        head = bytes(self._line) + data
        self._line.clear()
        if len(head) < len(_BOM) and _BOM.startswith(head):
            self._line += head
            return b""
        self._at_start = False
        return head.removeprefix(_BOM)


def _oversize(max_bytes: int) -> UpstreamFault:
    return UpstreamFault(Code.UPSTREAM_GARBAGE, f"The upstream sent an event larger than {max_bytes} bytes.")
