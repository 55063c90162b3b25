"""Newline-delimited JSON: bytes in any portions → whole lines.

Law: the memory held is bounded by ``max_line_bytes``; blank lines are read over.
"""

from lodestard.domain.errors import Code, UpstreamFault
from lodestard.protocols.codec import MAX_ANSWER_BYTES


class LineParser:
    """Gathers lines. A line counts once its line feed has come, or ``finish`` says that nothing follows."""

    __slots__ = ("_held", "_max_bytes")

    def __init__(self, max_line_bytes: int = MAX_ANSWER_BYTES) -> None:
        self._max_bytes = max_line_bytes
        self._held = bytearray()

    def feed(self, data: bytes) -> list[bytes]:
        """The lines that ``data`` completes, without their ends.

        Raises ``UpstreamFault(UPSTREAM_GARBAGE)`` once a line is larger than the bound.
        """
        lines = data.split(b"\n")
        rest = lines.pop()
        if lines and self._held:
            self._held += lines[0]
            lines[0] = bytes(self._held)
            self._held.clear()
        self._held += rest
        whole = [line for line in map(bytes.strip, lines) if line]
        if len(self._held) > self._max_bytes or any(len(line) > self._max_bytes for line in whole):
            raise UpstreamFault(
                Code.UPSTREAM_GARBAGE, f"The upstream sent a line larger than {self._max_bytes} bytes."
            )
        return whole

    def finish(self) -> list[bytes]:
        """The last line, where it came without a line feed."""
        line = bytes(self._held).strip()
        self._held.clear()
        return [line] if line else []
