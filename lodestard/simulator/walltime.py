"""Wall time for the simulator, which imports nothing of the house and so may not ask the house's clock.

Everything that *lasts* is timed by trio's clock; this file only says what time it is, and is handed in.
"""

import time
from collections.abc import Callable
from email.utils import formatdate

WallNs = Callable[[], int]

_NS_PER_S = 1_000_000_000
_LAST_SECOND = 253_402_300_799  # 9999-12-31T23:59:59Z, where calendars of four digits end


def system_wall_ns() -> int:
    """The machine's own wall clock, in UTC nanoseconds."""
    return time.time_ns()  # noqa: TID251  the simulator's one reading of the wall clock


def rfc3339_nano(wall_ns: int) -> str:
    """Go's ``time.RFC3339Nano``: trailing zeros of the fraction are dropped (``2026-11-20T10:00:00.5Z``)."""
    seconds, fraction = divmod(wall_ns, _NS_PER_S)
    moment = time.gmtime(min(seconds, _LAST_SECOND))
    text = time.strftime("%Y-%m-%dT%H:%M:%S", moment)
    digits = f"{fraction:09d}".rstrip("0")
    return f"{text}.{digits}Z" if digits else f"{text}Z"


def rfc3339_seconds(wall_ns: int) -> str:
    return rfc3339_nano(wall_ns - wall_ns % _NS_PER_S)


def http_date(wall_ns: int) -> str:
    """IMF-fixdate (RFC 9110, section 5.6.7)."""
    return formatdate(wall_ns // _NS_PER_S, usegmt=True)
