"""One request to an upstream, as its pool takes it.

Law: plain data. It may hold a prompt: it never shows more of itself than method and path.
"""

from collections.abc import Sequence

import msgspec


class Timeouts(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Seconds. ``queue_s``: for a free connection. ``head_s``: to send the request and get the answer's head.

    ``idle_s``: between two arrivals of bytes. ``whole_s``: from the first byte sent to the last received.
    """

    queue_s: float = 120.0
    head_s: float = 120.0
    idle_s: float = 60.0
    whole_s: float = float("inf")


class Call(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One request. ``path`` is the request target (with its query); a length, host and key are added."""

    method: str
    path: str
    headers: Sequence[tuple[str, str]] = ()
    body: bytes = b""
    timeouts: Timeouts = Timeouts()

    def __repr__(self) -> str:
        return f"Call({self.method!r}, {self.path!r})"
