"""Newline-delimited JSON: bytes in any portions → whole lines.

Law: the memory held is bounded by ``max_line_bytes``; blank lines are read over, and so is one byte order mark at
the start (RFC 8259 section 8.1 allows that). The same bytes give the same lines and the same failure however they
were portioned.
"""

from lodestard.domain.errors import Code, UpstreamFault
from lodestard.protocols.codec import MAX_ANSWER_BYTES

_BOM = b"\xef\xbb\xbf"
_BLANK = b" \t\r"  # RFC 8259 section 2; bytes.strip alone would take form feeds too


class LineParser:
    """Gathers lines. A line counts once its line feed has come, or ``finish`` says that nothing follows."""

    __slots__ = ("_at_start", "_fault", "_held", "_max_bytes")

    def __init__(self, max_line_bytes: int = MAX_ANSWER_BYTES) -> None:
        self._max_bytes = max_line_bytes
        self._held = bytearray()
        self._at_start = True
        self._fault: UpstreamFault | None = None

    def feed(self, data: bytes) -> list[bytes]:
        """The lines that ``data`` completes, without their ends.

        Raises ``UpstreamFault(UPSTREAM_GARBAGE)`` once a line is larger than the bound; where others were whole
        before it, they are returned first, and the next call raises.
        """
        if self._fault is not None:
            raise self._fault
        near_bound = len(self._held) + len(data) > self._max_bytes
        lines = data.split(b"\n")
        rest = lines.pop()
        if lines and self._held:
            self._held += lines[0]
            lines[0] = bytes(self._held)
            self._held.clear()
        if near_bound:
            return self._feed_near_bound(lines, rest)
        self._held += rest
        return self._clean(lines) if lines else lines

    def _feed_near_bound(self, lines: list[bytes], rest: bytes) -> list[bytes]:
        whole = self._clean(self._fitting(lines))
        if self._fault is None:
            self._held += rest
            if len(self._held) > self._max_bytes:
                self._refuse()
        if self._fault is not None and not whole:
            raise self._fault
        return whole

    def finish(self) -> list[bytes]:
        """The last line, where it came without a line feed. Raises what ``feed`` held back."""
        if self._fault is not None:
            raise self._fault
        lines = [bytes(self._held)]
        self._held.clear()
        return self._clean(lines)

    def _clean(self, lines: list[bytes]) -> list[bytes]:
        if self._at_start and lines:
            self._at_start = False
            lines[0] = lines[0].removeprefix(_BOM)
        return [line for raw in lines if (line := raw.strip(_BLANK))]

    def _fitting(self, lines: list[bytes]) -> list[bytes]:
        """Those before the first that is too large."""
        for at, line in enumerate(lines):
            if len(line) > self._max_bytes:
                self._refuse()
                return lines[:at]
        return lines

    def _refuse(self) -> None:
        self._held.clear()
        self._fault = UpstreamFault(
            Code.UPSTREAM_GARBAGE, f"The upstream sent a line larger than {self._max_bytes} bytes."
        )
