"""Time is handed in. This file is the only place in the house that reads a clock.

Two readings, never mixed: wall time says *when* something happened and may be stepped; monotonic time says
*how long* it took and never goes back.
"""

import time
from typing import Protocol

NS_PER_MS = 1_000_000
NS_PER_S = 1_000_000_000


class Clock(Protocol):
    """What a room may ask about time."""

    def now_ms(self) -> int:
        """Wall time: UTC milliseconds since 1970-01-01."""
        ...

    def monotonic_ns(self) -> int:
        """Nanoseconds from an arbitrary start; only differences mean anything."""
        ...


class SystemClock:
    """The machine's own clocks."""

    __slots__ = ()

    def now_ms(self) -> int:
        return time.time_ns() // NS_PER_MS

    monotonic_ns = staticmethod(time.perf_counter_ns)
