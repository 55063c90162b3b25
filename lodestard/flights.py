"""The flights under way, by who may join them. What one is: ``flight.py``."""

from collections import deque
from collections.abc import Awaitable, Callable
from functools import partial

import trio

from lodestard.domain.errors import CallerFault, Code
from lodestard.domain.ports import Ticket
from lodestard.flight import Flight as Flight
from lodestard.flight import Landing as Landing
from lodestard.flight import LeavePolicy as LeavePolicy
from lodestard.flight import RetryKey as RetryKey
from lodestard.flight import Sink
from lodestard.http.load import Load

Fly = Callable[[Flight], Awaitable[None]]
DRAINED_S = 60.0
DRAINED_MOST = 64
DRAINED_SHARE = 0.25  # of all that may be held: what nobody may come back for must not keep new requests out


class Flights:
    """The flights under way, by the key under which an identical request may join. Owner of that table.

    A paid answer that was drained, because its client had left, stays in it for a minute: the client's own retry
    finds it instead of paying twice. ``keep_time`` ends that minute also where nobody comes.
    """

    def __init__(self, nursery: trio.Nursery, fly: Fly, policy: LeavePolicy, load: Load | None = None) -> None:
        self._nursery = nursery
        self._fly = fly
        self._policy = policy
        self._by_key: dict[str, Flight] = {}
        self._by_retry: dict[RetryKey, Flight] = {}
        self._drained: deque[tuple[float, Flight]] = deque()
        self._drained_bytes = 0
        self._kept = trio.lowlevel.ParkingLot()
        self.load = load or Load()
        self._waiting = trio.lowlevel.ParkingLot()
        self.under_way = 0

    def find(self, key: str) -> Flight | None:
        """The flight under ``key``, if it may still be joined."""
        return joinable(self._by_key.get(key))

    def find_retried(self, key: RetryKey | None, ticket: Ticket) -> Flight | None:
        """The flight that the same principal's request with this Idempotency-Key began, if it may still be joined.

        Raises ``CallerFault`` where that was another request: one whose answer the flight's first target would
        not have been asked for. (The order of targets may have changed since.)
        """
        flight = self._by_retry.get(key) if key is not None else None
        if flight is not None and ticket.key_for(flight.plan.candidates[0].target) != flight.key:
            raise CallerFault(
                Code.IDEMPOTENCY_MISMATCH, "This Idempotency-Key came with another request; use a new one."
            )
        return joinable(flight)

    def start(self, flight: Flight) -> None:
        """Start a flight that others may join, in the house's nursery."""
        if flight.key is None:
            raise ValueError("a flight that nobody can join runs inline")
        self._begin(flight)
        self._by_key[flight.key] = flight
        if flight.retry_key is not None:
            self._by_retry[flight.retry_key] = flight
        self._nursery.start_soon(self._fly, flight)

    async def run_inline(self, flight: Flight, sink: Sink | None) -> None:
        """Run a flight that nobody else can join in the caller's own task."""
        self._begin(flight)
        flight.sink = sink
        await self._fly(flight)

    async def wait_idle(self) -> None:
        """Wait until none is under way."""
        while self.under_way:
            await self._waiting.park()

    async def keep_time(self) -> None:
        """Forget what nobody came back for when its time is up. Runs until cancelled; then nothing is kept."""
        try:
            while True:
                while self._drained and self._drained[0][0] <= trio.current_time():
                    self._forget_oldest()
                if self._drained:
                    await trio.sleep_until(self._drained[0][0])
                else:
                    await self._kept.park()
        finally:
            while self._drained:
                self._forget_oldest()

    def leave(self, flight: Flight) -> None:
        """One subscriber of ``flight`` is gone, perhaps before it had read all of an answer that has landed."""
        flight.leave(self._policy)
        if flight.landing is not None and flight not in (kept for _, kept in self._drained):
            self._keep_paid(flight)

    def _begin(self, flight: Flight) -> None:
        flight.subscribers = 1
        flight.take_room = self._take_room
        self.under_way += 1
        flight.on_landed.append(partial(self._ended, flight))

    def _ended(self, flight: Flight) -> None:
        self.under_way -= 1
        if not self.under_way and self._waiting:
            self._waiting.unpark_all()
        self.load.put(-flight.size_bytes)
        if not (flight.left and self._keep_paid(flight)):
            self._forget(flight)

    def _keep_paid(self, flight: Flight) -> bool:
        """Keep what was paid for and not read to its end where the client's retry finds it. False: not worth it."""
        whole = flight.landing is not None and flight.landing.fault is None
        if not whole or flight.key is None or not flight.cost_nano_usd:
            return False
        self._by_key.setdefault(flight.key, flight)
        if flight.retry_key is not None:
            self._by_retry.setdefault(flight.retry_key, flight)
        self._drained.append((trio.current_time() + DRAINED_S, flight))
        self._drained_bytes += flight.size_bytes
        self.load.put(flight.size_bytes)
        self._kept.unpark_all()
        most_bytes = self.load.limit_bytes * DRAINED_SHARE
        while len(self._drained) > DRAINED_MOST or self._drained_bytes > most_bytes:
            self._forget_oldest()
        return True

    def _forget_oldest(self) -> None:
        _, flight = self._drained.popleft()
        self._drained_bytes -= flight.size_bytes
        self.load.put(-flight.size_bytes)
        self._forget(flight)

    def _take_room(self, more_bytes: int) -> bool:
        """Count what a flight buffers. What is kept for retries makes room first; False where that is not enough."""
        self.load.put(more_bytes)
        while self.load.over and self._drained:
            self._forget_oldest()
        return not self.load.over

    def _forget(self, flight: Flight) -> None:
        if flight.key is not None and self._by_key.get(flight.key) is flight:
            del self._by_key[flight.key]
        if flight.retry_key is not None and self._by_retry.get(flight.retry_key) is flight:
            del self._by_retry[flight.retry_key]


def joinable(flight: Flight | None) -> Flight | None:
    """``flight``, unless it is being cancelled, or its time is up."""
    if flight is None or (flight.landing is None and flight.ends):
        return None
    return flight
