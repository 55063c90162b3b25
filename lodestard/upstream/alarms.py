"""When the connections of a pool have waited long enough: one task for all of them.

Law: an alarm is two operations on a dict, for it hardly ever rings; a cancel scope for each wait was a thirtieth of a
request. It rings by telling trio that the socket is about to close, which wakes whoever waits on it; the connection
is of no use after that. Owner of what is set: this object, in sync code. Where its task does not run (a pool that
nobody keeps) it is not ``watching``, and waits take a cancel scope.
"""

from typing import Protocol

import trio

from lodestard.upstream.faults import Expired

NEVER = float("inf")


class Waiter(Protocol):
    """Who waits."""

    def ring(self) -> None:
        """Its time is up. Sync; raises nothing."""
        ...


class Alarms:
    """Alarms by who waits. Times are on trio's clock. ``run`` it beside whatever sets them."""

    __slots__ = ("_due_s", "_seen_s", "_wake_s", "_woken", "watching")

    def __init__(self) -> None:
        self._due_s: dict[Waiter, float] = {}
        self._seen_s = -NEVER
        self._wake_s = NEVER
        self._woken = trio.Event()
        self.watching = False

    def set(self, waiter: Waiter, due_s: float) -> None:
        """Ring at ``due_s``, unless it is cleared before. Raises ``Expired`` where that is known to be over."""
        if due_s <= self._seen_s:
            raise Expired
        self._due_s[waiter] = due_s
        if due_s < self._wake_s:
            self._wake_s = due_s
            self._woken.set()

    def clear(self, waiter: Waiter) -> None:
        """It waits no more."""
        self._due_s.pop(waiter, None)

    async def run(self) -> None:
        """Ring what is due, until cancelled."""
        self.watching = True
        try:
            while True:
                self._woken = trio.Event()
                self._wake_s = min(self._due_s.values(), default=NEVER)
                with trio.move_on_at(self._wake_s):
                    await self._woken.wait()
                self._ring_due(trio.current_time())
        finally:
            self.watching = False

    def _ring_due(self, now_s: float) -> None:
        self._seen_s = now_s
        for waiter in [waiter for waiter, due_s in self._due_s.items() if due_s <= now_s]:
            del self._due_s[waiter]
            waiter.ring()
