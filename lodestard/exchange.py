"""One client's request and the answer that it gets: the http exchange, the dialect's writer, the ledger's entry.

Law: an exchange only subscribes to a flight. It may leave at any time without hurting it, and it ends exactly
once: answered, failed or left. Its row is posted then, or when its flight lands, whichever is later.
"""

from collections.abc import Sequence

import msgspec
import trio

from lodestard.checking import NO_TERMS, Terms, name_failed
from lodestard.classify.aftermath import read_turn
from lodestard.domain.attempt import AttemptRecord, elsewhere_ns
from lodestard.domain.clock import NS_PER_S
from lodestard.domain.closing import Closing
from lodestard.domain.errors import Code, Fault
from lodestard.domain.feedback import MIDDLING
from lodestard.domain.money import format_usd
from lodestard.domain.news import RequestEnded, attempt_figures
from lodestard.domain.ports import EntryPort, Kept, Ticket
from lodestard.domain.reply import Piece, Reply, disassemble
from lodestard.domain.request import Caller, Request
from lodestard.domain.settings import Model
from lodestard.domain.task import Task
from lodestard.domain.ticket import NO_TICKET
from lodestard.domain.upstream import AS_ASKED, Plan, SentAs, Target
from lodestard.fallback import DEADLINE, read_deadline_s
from lodestard.flights import Flight, RetryKey
from lodestard.http import ClientLeft, HttpExchange
from lodestard.protocols import error_bodies
from lodestard.protocols.codec import ClientCodec, StreamWriter
from lodestard.runtime import Runtime
from lodestard.tasks import VAGUE
from lodestard.trace import NS_PER_US, may_quote, quote, told_task, write_trace

CLIENT_LEFT_STATUS = 499  # nobody reads it; the name that access logs have given it
NO_PLAN = Plan(alias="", candidates=())
NO_MODEL = Model(route=())
NEVER = float("inf")


STREAM_HEADERS = (("cache-control", "no-cache"), ("x-accel-buffering", "no"))

Headers = list[tuple[str, str]]


class Result(msgspec.Struct):
    """How it went, filled in as it happens."""

    cache: str = "bypass"
    outcome: str = "ok"
    status: int = 200
    target: Target | None = None
    reply: Reply | None = None
    first_piece_ns: int = 0
    left: bool = False


class Exchange(msgspec.Struct, eq=False):
    """What the hallway carries. ``heeded``: what became of the verdicts that came with it."""

    http: HttpExchange
    request: Request
    caller: Caller
    entry: EntryPort
    runtime: Runtime
    codec: ClientCodec
    plan: Plan = NO_PLAN
    ticket: Ticket = NO_TICKET
    terms: Terms = NO_TERMS
    flight: Flight | None = None
    joined: bool = False
    result: Result = msgspec.field(default_factory=Result)
    heeded: str = ""
    _writer: StreamWriter | None = None
    _sent_ns: int = 0
    _told: str = ""

    async def replay(self, kept: Kept) -> None:
        """Answer from the cache, in the form that was asked for."""
        self.result.cache = "hit"
        self.result.target = kept.target
        await self._answer(kept.reply)

    async def relay(self, flight: Flight) -> None:
        """Subscribe to ``flight`` until it lands. Raises its fault; ``ClientLeft`` where the client went first."""
        self.flight = flight
        if self.joined or self.ticket.cacheable:
            self.result.cache = "shared" if self.joined else "miss"
        async with self.http.watch(self._leave, tick_s=self._tick_s(), on_tick=self._keep_alive):
            if flight.key is None:
                await self.runtime.flights.run_inline(flight, self._write if self.request.stream else None)
            elif self.request.stream:
                await self._follow(flight)
            landing = await flight.wait_landed()
        if self.result.left:
            raise ClientLeft
        self.result.target = flight.target
        self.result.reply = landing.reply
        if landing.fault is not None:
            raise landing.fault
        if self.http.started:
            await self._end_stream()
        else:
            await self._answer(landing.reply)

    async def fail(self, fault: Fault) -> None:
        """Say what went wrong, as the dialect says it; a stream that has begun is cut after the error event."""
        self.result.outcome = fault.code
        status, headers, body = error_bodies.write_error(self.request.dialect, fault, self.entry.id)
        self.result.status = status
        if self.http.started:
            await self.http.send(self._stream_writer().fail(fault))
            self.http.abort()
        else:
            await self.http.respond(status, [*headers, *self._headers()], body)

    def mark_left(self) -> None:
        """The client is gone: nothing more can be said to it."""
        self._leave()
        self.result.outcome = Code.CLIENT_LEFT
        self.result.status = CLIENT_LEFT_STATUS

    def mark_cancelled(self) -> None:
        """Its client has left, or the house closes and won't wait any longer."""
        if self.result.left:
            self.mark_left()
            return
        self.result.outcome = Code.SHUTTING_DOWN
        self.result.status = 503

    def mark_broken(self) -> None:
        """A defect of ours: the connection's firewall answers, if anybody can."""
        self.result.outcome = Code.INTERNAL
        self.result.status = 500

    def close(self) -> None:
        """Post its row, once the flight that it began has landed."""
        if self.flight is not None and not self.joined and self.flight.landing is None:
            self.flight.on_landed.append(self._post)
        else:
            self._post()

    # -- what its alias says ---------------------------------------------------------------------------------

    @property
    def model(self) -> Model:
        """The table of the alias that is asked; an empty one where a target is named outright."""
        return self.runtime.settings.models.get(self.plan.alias, NO_MODEL)

    @property
    def due_s(self) -> float:
        """Until when, by trio's clock, an answer must be whole or a stream have begun. Raises ``CallerFault``."""
        deadline_s = read_deadline_s(self.http.headers.get(DEADLINE)) or self.model.deadline_s
        if not deadline_s:
            return NEVER
        passed_ns = self.runtime.clock.monotonic_ns() - self.http.received_ns
        return trio.current_time() + deadline_s - passed_ns / NS_PER_S

    # -- joining ---------------------------------------------------------------------------------------------

    @property
    def cache_control(self) -> str:
        return self.http.headers.get("cache-control") or ""

    @property
    def retry_key(self) -> RetryKey | None:
        """Its Idempotency-Key, which is the principal's own: another one's of the same name is another key."""
        given = self.http.headers.get("idempotency-key")
        return RetryKey(self.caller.principal, given) if given else None

    @property
    def flight_key(self) -> str | None:
        """Under which its flight can be joined; None where nobody would (then it runs inline).

        Cacheable ones are shared; paid ones, so that a client that left finds its answer when it tries again.
        """
        if self.ticket.cacheable or self.retry_key is not None or not self.plan.candidates[0].free:
            return self.ticket.key
        return None

    def may_join(self, flight: Flight) -> bool:
        """Whether an equal request's flight is this one's too: of cacheable ones, and of what says it is a retry.

        Another alias's is not, where it is checked for something else.
        """
        if flight.terms != self.terms:
            return False
        return self.ticket.cacheable or (self.http.headers.get("x-stainless-retry-count") or "0") != "0"

    # -- the streamed form -----------------------------------------------------------------------------------

    async def _follow(self, flight: Flight) -> None:
        position = 0
        while not self.result.left and (batch := await flight.next_batch(position)) is not None:
            position += len(batch)
            await self._write(batch)

    async def _write(self, pieces: Sequence[Piece]) -> None:
        """A flight's sink. A client that left is no fault of the flight's: it goes on, or is told to stop."""
        try:
            await self._send(self._stream_writer().write(pieces))
        except ClientLeft:
            self._leave()

    async def _send(self, data: bytes) -> None:
        self._mark_first_piece()
        await self._start_stream()
        if data:
            self._sent_ns = self.runtime.clock.monotonic_ns()
            await self.http.send(data)

    async def _start_stream(self) -> None:
        if not self.http.started:
            writer = self._stream_writer()
            await self.http.start(200, [("content-type", writer.content_type), *STREAM_HEADERS, *self._headers()])
            if opening := writer.open():
                await self.http.send(opening)

    async def _end_stream(self) -> None:
        await self.http.send(self._stream_writer().close())
        await self.http.finish()

    async def _keep_alive(self) -> None:
        """Called on every tick of the watch: an early head, then a comment where nothing was sent for long."""
        if not self.request.stream:
            return
        now_ns = self.runtime.clock.monotonic_ns()
        silent_s = (now_ns - (self._sent_ns or self.http.received_ns)) / NS_PER_S
        server = self.runtime.settings.server
        news = self._waiting_news() if self.http.started or silent_s >= server.early_head_s else ()
        if not news and silent_s < (server.keep_alive_comment_s if self.http.started else server.early_head_s):
            return
        await self._start_stream()
        self._sent_ns = now_ns
        writer = self._stream_writer()
        await self.http.send(writer.write(news) if news else writer.keep_alive())

    def _waiting_news(self) -> Sequence[Piece]:
        """What it waits for, as reasoning text, where the client wants to be told and it was not told before."""
        wanted = self.runtime.settings.residency.tell_waiting or self.http.headers.get("x-lodestar-tell") == "waiting"
        record = self.flight.current if wanted and self.flight is not None and not self.flight.released else None
        note = record.place.note if record is not None and record.place is not None else ""
        subject = note.partition(",")[0]
        if not note or subject == self._told:
            return ()
        self._told = subject
        return (Piece(reasoning=f"{note}\n"),)

    def _tick_s(self) -> float | None:
        server = self.runtime.settings.server
        return min(server.early_head_s, server.keep_alive_comment_s) if self.request.stream else None

    def _stream_writer(self) -> StreamWriter:
        if self._writer is None:
            created_s = self.runtime.clock.now_ms() // 1_000
            self._writer = self.codec.stream_writer(self.request, created=created_s, reply_id=self.entry.id)
        return self._writer

    # -- the whole form --------------------------------------------------------------------------------------

    async def _answer(self, reply: Reply) -> None:
        """A whole reply, in the form that was asked for, in one send."""
        self.result.reply = reply
        self._mark_first_piece()
        if self.request.stream:
            writer = self._stream_writer()
            body = writer.open() + writer.write(tuple(disassemble(reply))) + writer.close()
            headers = [("content-type", writer.content_type), *STREAM_HEADERS]
        else:
            created_s = self.runtime.clock.now_ms() // 1_000
            body = self.codec.write_reply(reply, self.request, reply_id=self.entry.id, created=created_s)
            headers = [("content-type", "application/json")]
        await self.http.respond(200, headers + self._headers(), body)

    # -- leaving ---------------------------------------------------------------------------------------------

    def _leave(self) -> None:
        if not self.result.left and self.flight is not None:
            self.result.left = True
            self.runtime.flights.leave(self.flight)

    # -- what is said of it ----------------------------------------------------------------------------------

    def _mark_first_piece(self) -> None:
        if not self.result.first_piece_ns:
            self.result.first_piece_ns = self.runtime.clock.monotonic_ns()

    @property
    def cost_nano_usd(self) -> int:
        """What it has cost so far; while its answer is under way, with that attempt's hold."""
        if self.flight is None or self.joined:
            return 0
        return self.flight.cost_nano_usd

    def _headers(self) -> Headers:
        target = self.result.target or (self.flight.target if self.flight is not None else None)
        attempts = self._attempts()
        headers = [
            ("x-lodestar-request-id", self.entry.id),
            ("x-lodestar-cache", "hit" if self.result.cache == "shared" else self.result.cache),
            ("x-lodestar-cost-usd", format_usd(self.cost_nano_usd)),
            ("x-lodestar-overhead-ms", f"{self._overhead_us(attempts) / NS_PER_US:.3f}"),
            ("x-lodestar-attempts", f"{len(attempts)}"),
        ]
        if target is not None:
            headers.append(("x-lodestar-model", str(target)))
        current = None if self.flight is None else self.flight.current
        if self.heeded:
            headers.append(("x-lodestar-feedback", self.heeded))
        if check := name_failed(current):
            headers.append(("x-lodestar-check", check))
        if current is not None and current.sent_as is not AS_ASKED:
            headers += _translation(current.sent_as)
        if reason := self._reason():
            plain = reason if reason.isascii() else reason.encode("ascii", "replace").decode()
            headers.append(("x-lodestar-reason", plain))
        return headers

    def _reason(self) -> str:
        """Why this model, and what a budget changed about it."""
        flight = self.flight
        if flight is None:
            return self.plan.reason
        reason, note = (flight.arranged or self.plan).reason, flight.note
        return f"{reason}; {note}" if reason and note else reason or note

    def _asked_plan(self) -> Plan:
        """The plan, in the order in which its flight asks it."""
        return self.plan if self.flight is None else self.flight.arranged or self.plan

    def _attempts(self) -> list[AttemptRecord]:
        return [] if self.flight is None or self.joined else self.flight.attempts

    def _overhead_us(self, attempts: Sequence[AttemptRecord]) -> int:
        """Time spent in the house: all but what upstreams took, from dialling to their end (or until now).

        Waiting for a card is theirs too.
        """
        now_ns = self.runtime.clock.monotonic_ns()
        return max(0, now_ns - self.http.received_ns - elsewhere_ns(attempts, now_ns)) // NS_PER_US

    def _post(self) -> None:
        attempts = self._attempts()
        closing = self._closing(attempts)
        figures = self.runtime.ledger.close_entry(self.entry, closing)
        ended = RequestEnded(
            request_id=self.entry.id,
            caller=self.caller,
            alias=self.request.alias,
            attempts=len(attempts),
            cost_nano_usd=self.cost_nano_usd,
            closing=closing,
            figures=figures,
            settled=tuple(map(attempt_figures, self.entry.attempts)),
        )
        self.runtime.hooks.request_ended.tell(ended)
        turn = read_turn(self.entry.id, self.entry.caller, self.request, closing, attempts)
        self.runtime.outcomes.note_turn(turn)

    def _find_task(self) -> Task | None:
        """What it was found to be, where the choice has looked, or there is time to look now."""
        caller, runtime = self.caller, self.runtime
        if caller.origin or self.result.cache == "hit" or not self.request.conversation.is_chat:
            return None
        return runtime.tasks.note_end(self.entry.id, self.request, caller, self.plan.task, runtime.settings.tasks)

    def _closing(self, attempts: list[AttemptRecord]) -> Closing:
        result, received_ns = self.result, self.http.received_ns
        total_us = (self.runtime.clock.monotonic_ns() - received_ns) // NS_PER_US
        overhead_us = self._overhead_us(attempts)  # before anything is done that nobody waits for
        reply = result.reply or (self.flight.landing.reply if self.flight and self.flight.landing else None)
        first_ns = result.first_piece_ns
        trace = write_trace(self._asked_plan(), self._reason(), self.ticket.reason, attempts, received_ns)
        if self.runtime.settings.ledger.store_text and may_quote(self.caller, self.cache_control):
            trace["text"] = quote(self.request, reply)
        if self.runtime.shadow is not None and attempts:
            trace |= self.runtime.shadow.judge(self.request, self.caller, self._asked_plan(), reply)
        task = self._find_task()
        return Closing(
            task=task.kind if task is not None and self.caller.task in VAGUE else "",
            hardness=MIDDLING if task is None else task.hardness,
            outcome=result.outcome,
            status=result.status,
            cache=result.cache,
            target=result.target or (self.flight.target if self.flight is not None else None),
            usage=reply.usage if reply is not None else None,
            durations=reply.durations if reply is not None else None,
            total_us=total_us,
            first_piece_us=(first_ns - received_ns) // NS_PER_US if first_ns else None,
            overhead_us=overhead_us,
            trace=told_task(task) | trace,
        )


def _translation(sent_as: SentAs) -> Headers:
    """What the client asked for in vain, and how much the upstream still takes."""
    names = [name for name in sent_as.dropped if name.isascii() and name.isprintable()]
    return [("x-lodestar-dropped", ", ".join(names)), *sent_as.limits] if names else list(sent_as.limits)
