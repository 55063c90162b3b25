"""The books of one pool: who holds a connection, which are idle, who waits.

Law: sync, no I/O, no clock, no trio; changed by its pool alone. Never more than ``limit`` connections; requests
are served in the order they came; whoever waits is granted a seat as soon as one is free.
"""

from collections import deque
from typing import Generic, TypeVar

import msgspec

from lodestard.upstream.assign import Counts, Seat, choose_seat, plan_grants

C = TypeVar("C")
W = TypeVar("W")


class Grant(msgspec.Struct, Generic[C, W], frozen=True, gc=False):
    """``waiter`` gets a seat: with this idle connection, or None where it is to dial one."""

    waiter: W
    connection: C | None


class Seats(Generic[C, W]):
    """Bookkeeping for connections ``C`` and waiters ``W``."""

    __slots__ = ("_idle", "_leased", "_limit", "_opening", "_waiting")

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._leased = 0
        self._opening = 0
        self._idle: list[C] = []
        self._waiting: deque[W] = deque()

    @property
    def counts(self) -> Counts:
        return Counts(self._limit, self._leased, self._opening, len(self._idle), len(self._waiting))

    @property
    def idle(self) -> tuple[C, ...]:
        """The idle connections, longest idle first."""
        return tuple(self._idle)

    def take(self) -> tuple[Seat, C | None]:
        """For a request that comes now: a seat (and the connection used last), or the word to wait."""
        seat = choose_seat(self.counts)
        if seat is Seat.WAIT:
            return seat, None
        self._leased += 1
        return seat, self._idle.pop() if seat is Seat.REUSE else None

    def take_another(self) -> C | None:
        """For a request with a seat whose connection was found dead: another idle one, or None: dial."""
        return self._idle.pop() if self._idle else None

    def wait(self, waiter: W) -> None:
        self._waiting.append(waiter)

    def leave(self, waiter: W) -> None:
        """``waiter`` gives up before it was granted a seat."""
        self._waiting.remove(waiter)

    def give_back(self, connection: C | None) -> list[Grant[C, W]]:
        """A seat is left: with a connection that can serve again, or None where it was closed."""
        self._leased -= 1
        if connection is not None:
            self._idle.append(connection)
        return self._grants()

    def begin_opening(self) -> None:
        self._opening += 1

    def end_opening(self, connection: C | None) -> list[Grant[C, W]]:
        """A connection opened ahead of need is there, or None where that failed."""
        self._opening -= 1
        if connection is not None:
            self._idle.append(connection)
        return self._grants()

    def discard(self, connection: C) -> list[Grant[C, W]]:
        """An idle connection was closed."""
        self._idle.remove(connection)
        return self._grants()

    def _grants(self) -> list[Grant[C, W]]:
        if not self._waiting:
            return []
        return [self._grant(seat) for seat in plan_grants(self.counts)]

    def _grant(self, seat: Seat) -> Grant[C, W]:
        self._leased += 1
        return Grant(self._waiting.popleft(), self._idle.pop() if seat is Seat.REUSE else None)
