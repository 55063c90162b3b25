"""Who gets a connection, what is opened or closed ahead of time, and what may be sent twice.

Law: pure. Functions over small frozen records; ``seats.py`` keeps the books by them and ``pool.py`` does the I/O.
"""

from collections.abc import Sequence
from enum import Enum

import msgspec


class Counts(msgspec.Struct, frozen=True, gc=False):
    """A pool at one moment. ``opening`` are connections being opened ahead of need, ``waiting`` are requests."""

    limit: int
    leased: int = 0
    opening: int = 0
    idle: int = 0
    waiting: int = 0

    @property
    def open(self) -> int:
        """How many of ``limit`` are taken."""
        return self.leased + self.opening + self.idle


class Seat(Enum):
    """What a request is given."""

    REUSE = "an idle connection is there"
    DIAL = "there is room for another connection"
    WAIT = "every connection is taken, or others came first"


def choose_seat(counts: Counts) -> Seat:
    """For a request that comes now. Never overtakes one that waits."""
    if counts.waiting:
        return Seat.WAIT
    if counts.idle:
        return Seat.REUSE
    return Seat.DIAL if counts.open < counts.limit else Seat.WAIT


def plan_grants(counts: Counts) -> tuple[Seat, ...]:
    """What the requests that waited longest get now, in their order: idle connections first, then room."""
    reused = min(counts.waiting, counts.idle)
    dialled = min(counts.waiting - reused, max(0, counts.limit - counts.open))
    return (Seat.REUSE,) * reused + (Seat.DIAL,) * dialled


class Upkeep(msgspec.Struct, frozen=True):
    """``close`` of the longest idle connections, then ``open`` new ones."""

    close: int = 0
    open: int = 0


def plan_upkeep(counts: Counts, idle_since_s: Sequence[float], expired_before_s: float, preopen: int) -> Upkeep:
    """What the pool's keeper does now. ``idle_since_s`` ascends; what is older than the bound has expired."""
    close = sum(1 for since_s in idle_since_s if since_s <= expired_before_s)
    missing = preopen - (counts.idle - close) - counts.opening
    room = counts.limit - (counts.open - close)
    return Upkeep(close=close, open=max(0, min(missing, room)))


class Attempt(msgspec.Struct, frozen=True):
    """How far a request came before its connection, which had been idle, was lost.

    ``written``: the whole of it had been sent. ``answered``: a byte of an answer had come. ``resend_on_reset``:
    work done twice costs nobody anything (a free upstream).
    """

    written: bool
    answered: bool
    resend_on_reset: bool


def may_resend(attempt: Attempt) -> bool:
    """Whether the request may go out once more, on a fresh connection.

    A request that is not idempotent may be sent again only where the first can't have been acted on (RFC 9110
    section 9.2.2). The case at hand is a server that closes an idle connection just as we use it: before any
    byte of an answer, and, where work costs money, only when the request had not been written whole.
    """
    return not attempt.answered and (attempt.resend_on_reset or not attempt.written)
