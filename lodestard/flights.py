"""Flights: one upstream answer on its way, and whoever waits for it.

A flight owns the attempts, their holds, the reply as it comes and one bounded buffer; exchanges subscribe to it.
That makes fallback, sharing one answer among identical requests, "the client left: cancel or drain" and "a paid
answer is kept for the retry" one mechanism.

Law: a flight that nobody else can join runs in its exchange's own task and hands each batch straight to it (no
second task switch). One that others may join runs in the house's nursery, fills the buffer, and outlives them all.
State has one owner: everything here changes in sync code, by the flight's own task or by a subscriber's arrival
and departure.
"""

from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import msgspec
import trio

from lodestard.checking import NO_TERMS, SetAside, Terms
from lodestard.domain.attempt import AttemptRecord
from lodestard.domain.errors import BudgetFault, CallerFault, Code, Fault, HouseFault, UpstreamFault
from lodestard.domain.ports import EntryPort, Ticket
from lodestard.domain.reply import Draft, Piece, Reply, size_of
from lodestard.domain.request import Request
from lodestard.domain.upstream import Candidate, Plan, Target
from lodestard.http.firewall import log_defect
from lodestard.http.load import Load

Sink = Callable[[Sequence[Piece]], Awaitable[None]]
Fly = Callable[["Flight"], Awaitable[None]]
DEFAULT_BUFFER_BYTES = 64 * 1024 * 1024  # 131,072 tokens of OpenAI's, each an event of about 300 bytes
DRAINED_S = 60.0
DRAINED_MOST = 64
DRAINED_SHARE = 0.25  # of all that may be held: what nobody may come back for must not keep new requests out


class RetryKey(NamedTuple):
    """An Idempotency-Key and whose it is."""

    principal: str
    given: str


class Landing(msgspec.Struct, frozen=True):
    """How a flight ended: whole, or with a fault (then ``reply`` is as much as had come)."""

    reply: Reply
    fault: Fault | None


class Flight(msgspec.Struct, eq=False):
    """One answer on its way. ``key`` is None where nobody else may join.

    ``live``: pieces go out as they come (the first subscriber streams). Otherwise they go out at the end, so that
    an answer that breaks half-way can still be asked of the next candidate. ``terms``: what it is checked for; a
    failed answer is put ``aside``, and ``answered`` with where nobody does better. ``arranged`` is the plan in the
    order in which it is asked, once it is. Whoever flies it does so in ``scope``, which is cancelled once nobody
    waits any more, or when the policy's time is up. An ``inline`` one has its client's own: its end is the client's.
    """

    key: str | None
    request: Request
    plan: Plan
    entry: EntryPort
    live: bool
    ticket: Ticket
    terms: Terms = NO_TERMS
    aside: SetAside | None = None
    aside_bytes: int = 0
    answered: AttemptRecord | None = None
    body: bytes = b""
    retry_key: RetryKey | None = None
    buffer_bytes: int = DEFAULT_BUFFER_BYTES
    pieces: list[Piece] = []
    attempts: list[AttemptRecord] = []
    draft: Draft = msgspec.field(default_factory=Draft)
    scope: trio.CancelScope = msgspec.field(default_factory=trio.CancelScope)
    inline: bool = False
    landing: Landing | None = None
    refusal: BudgetFault | None = None
    arranged: Plan | None = None
    released: bool = False
    left: bool = False
    subscribers: int = 0
    sink: Sink | None = None
    on_landed: list[Callable[[], object]] = []
    _news: trio.lowlevel.ParkingLot | None = None
    size_bytes: int = 0
    take_room: Callable[[int], bool] = lambda _more_bytes: True

    async def deliver(self, pieces: Sequence[Piece]) -> None:
        """Hand pieces on to whoever waits. Raises ``UpstreamFault`` where the buffer is full."""
        self.released = True
        if self.key is not None:
            self._keep(pieces)
            if self._news:
                self._news.unpark_all()
        if self.sink is not None:
            await self.sink(pieces)

    def gather(self, pieces: Sequence[Piece]) -> None:
        """Add pieces to the whole."""
        add = self.draft.add
        for piece in pieces:
            add(piece)

    def set_aside(self, pieces: Sequence[Piece]) -> None:
        """The whole answer of the attempt under way failed its checks; an earlier one that did is forgotten."""
        self.aside_bytes = self.size_bytes - self.aside_bytes
        self.aside = SetAside(self.attempts[-1], self.draft, pieces, self.body)

    async def release_aside(self, aside: SetAside) -> None:
        """Nobody did better: what was set aside is the answer."""
        self.answered, self.draft, self.body = aside.record, aside.draft, aside.body
        if aside.pieces:
            await self.deliver(aside.pieces)

    def _reply(self) -> Reply:
        """The reply as far as it has come, with the upstream's own plain body where it gave one."""
        if not self.body:
            return self.draft.reply()
        return self.draft.reply(body=self.body, dialect=self.request.dialect)  # only such a client gets a body

    @property
    def cut_short(self) -> bool:
        """Whether an answer that is whole ended where a limit of ours, not the model, ended it."""
        record = self.current
        limited = record is not None and (record.limit_tokens is not None or record.room_tokens is not None)
        return limited and self.draft.cut_short

    @property
    def worth_keeping(self) -> bool:
        """Whether a whole answer is as good as it could be: neither cut short, nor failed by a check."""
        return not self.cut_short and not (self.current is not None and self.current.check)

    @property
    def note(self) -> str:
        """What a budget changed, in a few words; empty where it changed nothing."""
        refused = "" if self.refusal is None else f"budget {self.refusal.budget} has no room"
        limited = "" if self.current is None else self.current.limited
        return f"{refused}; {limited}" if refused and limited else refused or limited

    @property
    def has_readers(self) -> bool:
        """Whether anybody may read pieces: a stream, perhaps one that is held, or whoever may join."""
        return self.live or self.key is not None or self.sink is not None

    def _keep(self, pieces: Sequence[Piece]) -> None:
        if self.live:
            self.count(pieces)  # others were counted while they came
        self.pieces.extend(pieces)

    def count(self, pieces: Sequence[Piece]) -> None:
        """Count what is kept of them until the end. Raises ``HouseFault``, ``UpstreamFault`` where it is too much."""
        more_bytes = sum(size_of(piece) for piece in pieces)
        self.size_bytes += more_bytes
        if not self.take_room(more_bytes):
            raise HouseFault(Code.OVERLOADED, "The answers under way take more memory than there is for them.")
        if self.size_bytes > self.buffer_bytes:
            text = f"The answer is larger than {self.buffer_bytes} bytes; it was given up."
            raise UpstreamFault(Code.UPSTREAM_GARBAGE, text)

    def open_attempt(self, candidate: Candidate, now_ns: int) -> AttemptRecord:
        """Begin an attempt; what a failed one had gathered is forgotten (nothing of it was released) or aside."""
        if self.attempts:
            self.draft, self.body = Draft(), b""
            self.take_room(self.aside_bytes - self.size_bytes)
            self.size_bytes = self.aside_bytes
        record = AttemptRecord(candidate, now_ns)
        self.attempts.append(record)
        return record

    def land(self, fault: Fault | None) -> Landing:
        """The end, once, with as much of the reply as has come. Wakes every subscriber."""
        landing = self.landing = Landing(self._reply(), fault)
        if self._news:
            self._news.unpark_all()
        callbacks, self.on_landed = self.on_landed, []
        for callback in callbacks:
            try:
                callback()
            except Exception as error:  # noqa: BLE001  a defect in one must neither stop the others nor the house
                log_defect(error)
        return landing

    async def wait_landed(self) -> Landing:
        """Wait for the end. Cancelling the wait leaves the flight alone."""
        while self.landing is None:
            await self._wait_news()
        return self.landing

    async def _wait_news(self) -> None:
        if self._news is None:
            self._news = trio.lowlevel.ParkingLot()
        await self._news.park()

    async def next_batch(self, position: int) -> Sequence[Piece] | None:
        """The pieces from ``position`` on as soon as there are any, or None after the last one."""
        while position >= len(self.pieces):
            if self.landing is not None:
                return None
            await self._wait_news()
        return self.pieces[position:]

    def leave(self, policy: "LeavePolicy") -> None:
        """A subscriber went. After the last one the flight is cancelled, or drained under a deadline."""
        self.subscribers -= 1
        if self.subscribers > 0 or self.landing is not None:
            return
        self.left = True
        self.sink = None
        if policy.drains(self):
            self.scope.deadline = min(self.scope.deadline, trio.current_time() + policy.drain_s)
        else:
            self.scope.cancel()

    def rejoin(self) -> None:
        """A retry found the flight still draining: it is wanted again, without a deadline."""
        self.subscribers += 1
        self.left = False
        self.scope.deadline = float("inf")

    @property
    def current(self) -> AttemptRecord | None:
        """The attempt that answers, or the one under way, or the last one."""
        return self.answered or (self.attempts[-1] if self.attempts else None)

    @property
    def target(self) -> Target | None:
        """Who answers, or was asked last."""
        return None if self.current is None else self.current.candidate.target

    @property
    def cost_nano_usd(self) -> int:
        """What its attempts have cost; one under way counts with its hold."""
        cost = 0
        for record in self.attempts:
            cost += record.cost_nano_usd if record.outcome else record.hold_nano_usd
        return cost


@dataclass(slots=True)
class LeavePolicy:
    """What becomes of a flight that nobody waits for: paid ones may be drained to their final usage.

    ``drain_upstreams`` are those whose answers are read to their end, for at most ``drain_s``. At most ``most``
    flights drain at once; more are cancelled (and charged at their hold).
    """

    drain_upstreams: frozenset[str]
    drain_s: float
    most: int
    under_way: int = 0

    def drains(self, flight: Flight) -> bool:
        """Whether to drain; counts the drain until the flight lands. What was not sent yet costs nothing to stop."""
        current = flight.current
        if current is None or not current.sent or current.candidate.target.upstream not in self.drain_upstreams:
            return False
        if self._drained in flight.on_landed or self.under_way >= self.most:
            return self._drained in flight.on_landed  # a retry came and left: it is counted already
        self.under_way += 1
        flight.on_landed.append(self._drained)
        return True

    def _drained(self) -> None:
        self.under_way -= 1


class Flights:
    """The flights under way, by the key under which an identical request may join. Owner of that table.

    A paid answer that was drained, because its client had left, stays in it for a minute: the client's own retry
    finds it instead of paying twice.
    """

    def __init__(self, nursery: trio.Nursery, fly: Fly, policy: LeavePolicy, load: Load | None = None) -> None:
        self._nursery = nursery
        self._fly = fly
        self._policy = policy
        self._by_key: dict[str, Flight] = {}
        self._by_retry: dict[RetryKey, Flight] = {}
        self._drained: deque[tuple[float, Flight]] = deque()
        self._drained_bytes = 0
        self.load = load or Load()
        self._waiting = trio.lowlevel.ParkingLot()
        self.under_way = 0

    def find(self, key: str) -> Flight | None:
        """The flight under ``key``, if it may still be joined."""
        self._forget_drained()
        return joinable(self._by_key.get(key))

    def find_retried(self, key: RetryKey | None, ticket: Ticket) -> Flight | None:
        """The flight that the same principal's request with this Idempotency-Key began, if it may still be joined.

        Raises ``CallerFault`` where that was another request: one whose answer the flight's first target would
        not have been asked for. (The order of targets may have changed since.)
        """
        self._forget_drained()
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
        self._forget_drained()
        return True

    def _forget_drained(self) -> None:
        """Those that nobody came back for in time, and the oldest of too many."""
        most_bytes, now_s = self.load.limit_bytes * DRAINED_SHARE, trio.current_time()
        while kept := self._drained:
            if len(kept) <= DRAINED_MOST and self._drained_bytes <= most_bytes and kept[0][0] > now_s:
                return
            self._forget_oldest()

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
    """``flight``, unless it is being cancelled."""
    if flight is None or (flight.landing is None and flight.scope.cancel_called):
        return None
    return flight
