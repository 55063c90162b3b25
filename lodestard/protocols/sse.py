"""Server-sent events, as far as answers of models need them: bytes in any portions → the data of each event.

Law: the memory held is bounded by ``max_event_bytes``; no portion is scanned for its line ends more than twice. The
same bytes give the same events and the same failure however they were portioned.
Source: the event stream format of the WHATWG HTML standard, section "Server-sent events". Lines end with CR, LF
or CRLF; one byte order mark may come first; ``event``, ``id``, ``retry`` and comments are read over.
"""

import re

from lodestard.domain.errors import Code, UpstreamFault
from lodestard.protocols.codec import MAX_ANSWER_BYTES

_BOM = b"\xef\xbb\xbf"
_LINE_END = re.compile(rb"\r\n|\n|\r")
_SHORT_BYTES = 64 * 1024
_PLAIN = b"data: "
_EVENT_END = b"\n\n"
_BETWEEN = _EVENT_END + _PLAIN


class SseParser:
    """Gathers the ``data`` of events. An event counts once its blank line has come.

    Its size is that of its data lines as they were sent, ends and all; a line under way counts too, whatever it is.
    """

    __slots__ = ("_after_cr", "_at_start", "_data", "_fault", "_held_bytes", "_line", "_max_bytes")

    def __init__(self, max_event_bytes: int = MAX_ANSWER_BYTES) -> None:
        self._max_bytes = max_event_bytes
        self._line = bytearray()
        self._data: bytes | bytearray | None = None  # one line mostly; more of them grow in place, not in a list
        self._held_bytes = 0
        self._at_start = True
        self._after_cr = False
        self._fault: UpstreamFault | None = None

    def feed(self, data: bytes) -> list[bytes]:
        """The data of each event that ``data`` completes; an event without data gives none.

        Raises ``UpstreamFault(UPSTREAM_GARBAGE)`` once an event is larger than the bound; where others were whole
        before it, they are returned first, and the next call raises.
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
        near_bound = self._held_bytes + len(self._line) + len(data) > self._max_bytes
        if not near_bound and self._data is None and (plain := self._split_plain(data)):
            return plain
        lines = data.split(b"\n") if b"\r" not in data else _LINE_END.split(data)
        rest = lines.pop()
        if lines and self._line:
            self._line += lines[0]
            lines[0] = bytes(self._line)
            self._line.clear()
        if near_bound:
            return self._feed_near_bound(lines, rest, events)
        if lines:
            self._take(lines, events)
        self._line += rest
        return events

    def _split_plain(self, data: bytes) -> list[bytes]:
        """The events of a portion that is made of ``data: ...`` lines, one to an event, as nearly all streams are.

        Nothing, and nothing taken, where there is anything else in it. Four calls, however many events there are.
        """
        if _EVENT_END not in data or b"\r" in data or len(self._line) > _SHORT_BYTES:
            return []
        block = bytes(self._line) + data if self._line else data
        end = block.rfind(_EVENT_END)
        if not block.startswith(_PLAIN):
            return []
        events = block[len(_PLAIN) : end].split(_BETWEEN)
        if block.count(b"\n") != 2 * len(events):
            return []
        self._line[:] = block[end + 2 :]
        return events

    def _feed_near_bound(self, lines: list[bytes], rest: bytes, events: list[bytes]) -> list[bytes]:
        if self._fault is None:
            self._take(self._fitting(lines), events)
        if self._fault is None:
            self._line += rest
            if self._held_bytes + len(self._line) > self._max_bytes:
                self._refuse()
        if self._fault is not None:
            self._line.clear()
            self._data = None
            self._held_bytes = self._max_bytes + 1  # whatever comes is brought here
            if not events:
                raise self._fault
        return events

    def finish(self) -> list[bytes]:
        """Nothing: the standard discards an event whose blank line has not come. Raises what ``feed`` held back."""
        if self._fault is not None:
            raise self._fault
        return []

    def _take(self, lines: list[bytes], events: list[bytes]) -> None:
        data = self._data
        for line in lines:
            if line.startswith(b"data:"):
                value = line[6:] if line.startswith(b"data: ") else line[5:]
            elif not line:
                if data is not None:
                    events.append(data if type(data) is bytes else bytes(data))
                    data = None
                    self._held_bytes = 0
                continue
            elif line == b"data":
                value = b""
            else:
                continue
            self._held_bytes += len(line) + 1
            data = value if data is None else _join(data, value)
        self._data = data

    def _fitting(self, lines: list[bytes]) -> list[bytes]:
        """Those before the first with which their event is too large."""
        held_bytes = self._held_bytes
        for at, line in enumerate(lines):
            if held_bytes + len(line) > self._max_bytes:
                self._refuse()
                return lines[:at]
            if not line:
                held_bytes = 0
            elif line.startswith(b"data:") or line == b"data":
                held_bytes += len(line) + 1
        return lines

    def _refuse(self) -> None:
        self._fault = UpstreamFault(
            Code.UPSTREAM_GARBAGE, f"The upstream sent an event larger than {self._max_bytes} bytes."
        )

    def _without_mark(self, data: bytes) -> bytes:
        """``data`` without the mark, which may come in portions of its own."""
        head = bytes(self._line) + data
        self._line.clear()
        if len(head) < len(_BOM) and _BOM.startswith(head):
            self._line += head
            return b""
        self._at_start = False
        return head.removeprefix(_BOM)


def _join(data: bytes | bytearray, value: bytes) -> bytearray:
    joined = bytearray(data) if isinstance(data, bytes) else data
    joined += b"\n"
    joined += value
    return joined


def frame(data: bytes) -> bytes:
    """An event with this data, as it is sent."""
    if b"\n" in data:
        data = data.replace(b"\n", b"\ndata: ")
    return b"data: " + data + b"\n\n"


def frame_all(events: list[bytes]) -> bytes:
    """Events with this data, of one line each."""
    return _PLAIN + _BETWEEN.join(events) + _EVENT_END


def unframe(event: bytes) -> bytes:
    """The data of one event that ``frame`` made."""
    return event[len(_PLAIN) : -len(_EVENT_END)].replace(b"\ndata: ", b"\n")
