"""A flight: one upstream answer on its way, and whoever waits for it.

A flight owns the attempts, their holds, the reply as it comes and one bounded buffer; exchanges subscribe to it.
That makes fallback, sharing one answer among identical requests, "the client left: cancel or drain" and "a paid
answer is kept for the retry" one mechanism.

Law: a flight that nobody else can join runs in its exchange's own task and hands each batch straight to it (no
second task switch). One that others may join runs in the house's nursery, fills the buffer, and outlives them all.
State has one owner: everything here changes in sync code, by the flight's own task or by a subscriber's arrival
and departure.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import msgspec
import trio

from lodestard.checking import NO_TERMS, SetAside, Terms
from lodestard.domain.attempt import AttemptRecord
from lodestard.domain.errors import BudgetFault, Code, Fault, HouseFault, UpstreamFault
from lodestard.domain.ports import EntryPort, Ticket
from lodestard.domain.reply import Draft, Piece, Reply, size_of
from lodestard.domain.request import Request
from lodestard.domain.resilience_settings import Fallback
from lodestard.domain.upstream import Candidate, Plan, Target
from lodestard.http.firewall import log_defect

Sink = Callable[[Sequence[Piece]], Awaitable[None]]
DEFAULT_BUFFER_BYTES = 64 * 1024 * 1024  # 131,072 tokens of OpenAI's, each an event of about 300 bytes
USUAL_FALLBACK = Fallback()
NEVER = float("inf")


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
    failed answer is put ``aside``, and ``answered`` with where nobody does better. ``answered`` is also who has won
    where two were asked at once. ``fallback``: what leads on to the next candidate. ``due`` is cancelled where
    nothing was released in time. ``arranged`` is the plan in the order in which it is asked, once it is. Who flies it
    does so in ``scope``, which is cancelled once nobody waits any more, or when the policy's time is up. An
    ``inline`` one has its client's own: its end is the client's.
    """

    key: str | None
    request: Request
    plan: Plan
    entry: EntryPort
    live: bool
    ticket: Ticket
    terms: Terms = NO_TERMS
    aside: SetAside | None = None
    answered: AttemptRecord | None = None
    fallback: Fallback = USUAL_FALLBACK
    due: trio.CancelScope | None = None
    retry_key: RetryKey | None = None
    buffer_bytes: int = DEFAULT_BUFFER_BYTES
    pieces: list[Piece] = []
    attempts: list[AttemptRecord] = []
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
        if self.due is not None:
            self.due.deadline = NEVER
        if self.key is not None:
            self._keep(pieces)
            if self._news:
                self._news.unpark_all()
        if self.sink is not None:
            await self.sink(pieces)

    def set_aside(self, record: AttemptRecord, pieces: Sequence[Piece]) -> None:
        """The whole answer of an attempt failed its checks; an earlier one that did is forgotten."""
        before, self.aside = self.aside, SetAside(record, pieces)
        if before is not None:
            self._forget(before.record)

    async def release_aside(self, aside: SetAside) -> None:
        """Nobody did better: what was set aside is the answer."""
        self.answered = aside.record
        if aside.pieces:
            await self.deliver(aside.pieces)

    def _reply(self) -> Reply:
        """The reply as far as it has come, with the upstream's own plain body where it gave one."""
        body = b"" if self.current is None else self.current.body
        if not body:
            return self.draft.reply()
        return self.draft.reply(body=body, dialect=self.request.dialect)  # only such a client gets a body

    @property
    def draft(self) -> Draft:
        """The answer as far as it has come: of who answers, or was asked last."""
        return Draft() if self.current is None else self.current.draft

    @property
    def cut_short(self) -> bool:
        """Whether an answer that is whole ended where a limit of ours, not the model, ended it."""
        record = self.current
        limited = record is not None and (record.limit_tokens is not None or record.room_tokens is not None)
        return limited and self.draft.cut_short

    @property
    def worth_keeping(self) -> bool:
        """Whether a whole answer is as good as it could be: neither cut short, nor failed by a check, nor refused."""
        record = self.current
        failed = record is not None and (record.check or record.outcome == Code.ANSWER_REFUSED)
        return not self.cut_short and not failed

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
        if self.live and self.current is not None:
            self.count(self.current, pieces)  # others were counted while they came
        self.pieces.extend(pieces)

    def count(self, record: AttemptRecord, pieces: Sequence[Piece]) -> None:
        """Count what is kept of them until the end. Raises ``HouseFault``, ``UpstreamFault`` where it is too much."""
        more_bytes = sum(size_of(piece) for piece in pieces)
        self.size_bytes += more_bytes
        record.size_bytes += more_bytes
        if not self.take_room(more_bytes):
            raise HouseFault(Code.OVERLOADED, "The answers under way take more memory than there is for them.")
        if self.size_bytes > self.buffer_bytes:
            text = f"The answer is larger than {self.buffer_bytes} bytes; it was given up."
            raise UpstreamFault(Code.UPSTREAM_GARBAGE, text)

    def open_attempt(self, candidate: Candidate, now_ns: int) -> AttemptRecord:
        """Begin an attempt; what a failed one had gathered is forgotten (nothing of it was released) or aside."""
        for failed in self.attempts:
            if failed.outcome and (self.aside is None or failed is not self.aside.record):
                self._forget(failed)
        if self.answered is not None and self.answered.outcome:
            self.answered = None
        record = AttemptRecord(candidate, now_ns)
        self.attempts.append(record)
        return record

    def _forget(self, record: AttemptRecord) -> None:
        record.draft, record.body = Draft(), b""
        self.take_room(-record.size_bytes)
        self.size_bytes -= record.size_bytes
        record.size_bytes = 0

    def extend(self, due_s: float) -> None:
        """Somebody has joined who can wait until ``due_s``."""
        if self.due is not None and self.due.deadline < due_s:
            self.due.deadline = due_s

    @property
    def ends(self) -> bool:
        """Whether it is being stopped: nobody waits for it, or it has begun no answer in time."""
        return self.scope.cancel_called or (self.due is not None and self.due.cancel_called)

    @property
    def why_cancelled(self) -> Code:
        """What an attempt has met that was cancelled, and not by who had begun it."""
        if self.left:
            return Code.CLIENT_LEFT
        return Code.DEADLINE_EXCEEDED if self.due is not None and self.due.cancel_called else Code.SHUTTING_DOWN

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
            if self.due is not None:
                self.due.deadline = NEVER
            self.scope.deadline = min(self.scope.deadline, trio.current_time() + policy.drain_s)
        else:
            self.scope.cancel()

    def rejoin(self) -> None:
        """A retry found the flight still draining: it is wanted again, without a deadline."""
        self.subscribers += 1
        self.left = False
        self.scope.deadline = NEVER

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
        sent = [record for record in flight.attempts if record.sent and (record is current or not record.outcome)]
        if not any(record.candidate.target.upstream in self.drain_upstreams for record in sent):
            return False
        if self._drained in flight.on_landed or self.under_way >= self.most:
            return self._drained in flight.on_landed  # a retry came and left: it is counted already
        self.under_way += 1
        flight.on_landed.append(self._drained)
        return True

    def _drained(self) -> None:
        self.under_way -= 1
