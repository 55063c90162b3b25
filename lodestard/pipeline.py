"""THE HALLWAY: one request, top to bottom. Read this first.

``carry`` is what a request goes through, ``fly`` what its upstream answer goes through, ``attempt_once`` what one
try goes through: admit, hold, dial, stream, settle. What decides lives in a room of its own and is called from
here; what happens, happens in this order. ``docs/way-of-a-request.md`` tells the same with a drawing.

Law: an attempt that was held has exactly one end (captured, released or unknown), whatever breaks in between.
"""

from functools import partial
from typing import Self

import msgspec
import trio

from lodestard.allowances import Turn
from lodestard.asking import Lane, ask_candidates
from lodestard.bid import Bid, OutputCap, make_bid, within_room
from lodestard.breakers import NO_TRIAL, Trial
from lodestard.checking import Judge, is_retry, open_judge, passes_again, terms_of
from lodestard.domain.attempt import AttemptRecord
from lodestard.domain.breaker import GOOD, NOTHING, Verdict, verdict_of
from lodestard.domain.clock import NS_PER_S
from lodestard.domain.errors import BudgetFault, CallerFault, CheckFault, Code, Fault, HouseFault, UpstreamFault
from lodestard.domain.host_ports import Seat
from lodestard.domain.news import AttemptEnded, attempt_figures
from lodestard.domain.ports import AttemptPort, LedgerPort, ReplyStream
from lodestard.domain.reply import Piece
from lodestard.domain.request import Request
from lodestard.domain.residency import Ask
from lodestard.domain.upstream import Candidate
from lodestard.equals import Ease
from lodestard.exchange import Exchange
from lodestard.fallback import refusal_fault, refusal_of
from lodestard.flights import Flight
from lodestard.http.firewall import defect, log_defect
from lodestard.planning import plan_request
from lodestard.runtime import Runtime
from lodestard.thoughts import SIGNING

NEVER = float("inf")


async def carry(exchange: Exchange, runtime: Runtime) -> None:
    """One request, top to bottom. Every line is a room."""
    runtime.clients.require_use(exchange.caller.principal, exchange.request.alias)
    exchange.plan = plan_request(exchange.request, exchange.caller, runtime, exchange.entry)
    exchange.ticket = runtime.cache.ticket(
        exchange.request, exchange.plan.candidates[0].target, exchange.caller.principal, exchange.cache_control
    )
    exchange.terms = terms_of(exchange.plan.alias, exchange.request, runtime.settings.models)
    kept = runtime.cache.find(exchange.ticket)
    if kept is not None and passes_again(exchange.terms, exchange.request, kept.reply):
        await exchange.replay(kept)
    else:
        await exchange.relay(join_or_start(exchange, runtime))


def join_or_start(exchange: Exchange, runtime: Runtime) -> Flight:
    """The flight that already brings this very answer, or a new one."""
    key, due_s = exchange.flight_key, exchange.due_s
    if key is not None and (flight := find_flight(exchange, key, runtime)) is not None:
        exchange.joined = True
        flight.rejoin()
        flight.extend(due_s)
        return flight
    flight = Flight(
        key=key,
        request=exchange.request,
        plan=exchange.plan,
        entry=exchange.entry,
        ticket=exchange.ticket,
        terms=exchange.terms,
        fallback=exchange.model.fallback,
        due=None if due_s == NEVER else trio.CancelScope(deadline=due_s),
        retry_key=None if key is None else exchange.retry_key,
        scope=exchange.http.scope if key is None else trio.CancelScope(),
        inline=key is None,
        live=exchange.request.stream and not exchange.terms.held,
    )
    if key is not None:
        runtime.flights.start(flight)
    return flight


def find_flight(exchange: Exchange, key: str, runtime: Runtime) -> Flight | None:
    """The flight that ``exchange`` shall join, if there is one."""
    flight = runtime.flights.find_retried(exchange.retry_key, exchange.ticket)
    if flight is None:
        flight = runtime.flights.find(key)
        if flight is not None and not exchange.may_join(flight):
            return None
    return flight if flight is None or flight.plan.labels >= exchange.plan.labels else None


async def fly(flight: Flight, runtime: Runtime) -> None:
    """Ask one candidate after the other until one answers or nobody is left. Raises nothing: it lands.

    A firewall: many flights share a nursery with the house, so a defect ends the answer that met it and is logged.
    """
    fault: Fault | None = None
    try:
        if flight.inline:
            fault = await ask_candidates(flight, runtime, attempt_once)
        else:
            with flight.scope:
                fault = await ask_candidates(flight, runtime, attempt_once)
            if flight.scope.cancelled_caught:
                fault = client_left()
    except Exception as error:  # noqa: BLE001  see above
        log_defect(error)
        fault = defect()
    except BaseException:
        stopped = HouseFault(Code.SHUTTING_DOWN, "Lodestar was stopped before the answer was whole.")
        flight.land(client_left() if flight.inline and flight.left else stopped)
        raise
    landing = flight.land(fault)
    if fault is None and flight.draft.has_thoughts and flight.target is not None:
        runtime.thoughts.keep(flight.entry.caller.principal, landing.reply, flight.target.upstream)
    if fault is None and flight.target is not None and flight.worth_keeping:
        runtime.cache.keep_nowait(flight.ticket, landing.reply, flight.target, flight.cost_nano_usd)


def client_left() -> CallerFault:
    return CallerFault(Code.CLIENT_LEFT, "The client left before the answer was whole.")


async def attempt_once(
    candidate: Candidate, flight: Flight, runtime: Runtime, lane: Lane | None = None
) -> Fault | None:
    """Admit, hold, dial, stream, settle. None when the answer is whole, otherwise what went wrong.

    ``lane`` is where it runs, if somebody may stop it.
    """
    record = flight.open_attempt(candidate, runtime.clock.monotonic_ns())
    with Learning(record, flight, runtime) as learning:
        try:
            if lane is None:
                await go_through(record, flight, runtime, None)
            else:
                await lane.run(partial(go_through, record, flight, runtime, lane), record)
        except Fault as fault:
            record.fail(fault.code, fault.own_words)
            learning.verdict = verdict_of(fault)
            if not candidate.free:
                runtime.allowances.heed(candidate.target, fault)
            return fault
        except BaseException:
            record.fail(flight.why_cancelled, "cancelled")
            raise
        learning.verdict, record.outcome = GOOD, "ok"
    return None


async def go_through(record: AttemptRecord, flight: Flight, runtime: Runtime, lane: Lane | None) -> None:
    """What an attempt goes through. Raises ``Fault``."""
    candidate, turn = record.candidate, None
    require_lan(candidate, flight)
    try:
        if runtime.allowances.knows(candidate.target):
            turn = await wait_turn(candidate, flight.request, runtime)
        record.place = runtime.admission.admit(ask_of(candidate, flight))
        async with record.place as seat:
            record.admitted_ns = runtime.clock.monotonic_ns()
            request = with_thoughts(candidate, flight, runtime)
            bid = make_bid(candidate, request, runtime.ledger.find_room(flight.entry, candidate))
            attempt = await runtime.ledger.hold(flight.entry, candidate, bid.nano_usd, bid.tokens)
            record.limit_tokens, record.by_budget = bid.limit_tokens, bid.by_budget
            with Settlement(attempt, flight, record, runtime.ledger):
                await ask(fit_bid(bid, seat, record), flight, record, runtime, lane)
            seat.learn(record.draft.usage, record.draft.durations)
            runtime.tokens.learn(candidate.target, flight.request, record.draft.usage)
    finally:
        if turn is not None:
            turn.end()


def require_lan(candidate: Candidate, flight: Flight) -> None:
    """The last wall: whoever chose, a request that is lan-only is sent nowhere else. Raises ``HouseFault``."""
    if flight.plan.lan_only and not candidate.lan:
        raise HouseFault(
            Code.INTERNAL, f"The request is lan-only, and {candidate.target} is not in the local network."
        )


async def wait_turn(candidate: Candidate, request: Request, runtime: Runtime) -> Turn | None:
    """Wait for the limits that its provider has told. Raises ``UpstreamFault`` where the next candidate is sooner."""
    upstream = runtime.settings.upstreams.get(candidate.target.upstream)
    patience_s = 0.0 if upstream is None else upstream.limit_wait_s
    tokens = runtime.tokens.estimate(candidate.target, request)
    return await runtime.allowances.wait_turn(candidate.target, tokens, patience_s)


def ask_of(candidate: Candidate, flight: Flight) -> Ask:
    """What an attempt wants of its host. Pure."""
    entry = flight.entry
    return Ask(target=candidate.target, request=flight.request, caller=entry.caller, request_id=entry.id)


def fit_bid(bid: Bid, seat: Seat, record: AttemptRecord) -> Bid:
    """The same bid with a request whose answer fits into the context that its seat has."""
    request = within_room(bid.request, seat.room_tokens)
    if request is bid.request:
        return bid
    record.room_tokens = seat.room_tokens
    return msgspec.structs.replace(bid, request=request)


async def ask(bid: Bid, flight: Flight, record: AttemptRecord, runtime: Runtime, lane: Lane | None) -> None:
    """Dial and stream. Nothing is released before there is something to see: until then one can fall back."""
    record.dialled_ns = runtime.clock.monotonic_ns()
    cap = OutputCap(bid) if bid.capped else None
    judge = open_judge(flight.terms, flight.request, record, retried=is_retry(flight.attempts))
    async with runtime.sender.send(record.candidate.target, bid.request, record.mark_sent) as stream:
        note_head(stream, record, runtime)
        waiting: list[Piece] = []
        has_readers = flight.has_readers
        while (pieces := await stream.receive()) is not None:
            record.gather(pieces)
            if cap is not None:
                cap.count(pieces)
            if judge is not None:
                judge.see(pieces)
            if not record.first_piece_ns and record.draft.has_content:
                await note_first(flight, record, runtime, lane)
            if has_readers:
                waiting.extend(pieces)
            if not flight.live:
                flight.count(record, pieces)
            if flight.live and record.first_piece_ns:
                await flight.deliver(waiting)
                waiting = []
        record.body = stream.body
    if lane is not None:
        await lane.speak(flight, record)  # it may have ended without a word
    await release(waiting, flight, record, judge)


async def note_first(flight: Flight, record: AttemptRecord, runtime: Runtime, lane: Lane | None) -> None:
    """There is something to see."""
    record.first_piece_ns = runtime.clock.monotonic_ns()
    if record.place is not None and flight.request.stream:
        record.place.note_first()
    if lane is not None:
        await lane.speak(flight, record)


async def release(waiting: list[Piece], flight: Flight, record: AttemptRecord, judge: Judge | None) -> None:
    """What waited until the answer was whole goes out, if it passes its checks. Raises ``CheckFault``."""
    heeds_refusal = not flight.live and "refusal" in flight.fallback.on
    if heeds_refusal and (why := refusal_of(record.draft.reply(), flight.request)):
        flight.set_aside(record, waiting)
        raise refusal_fault(why)
    if judge is not None and not judge.passes(record.draft):
        flight.set_aside(record, waiting)
        raise judge.fault()
    if waiting:
        await flight.deliver(waiting)


def with_thoughts(candidate: Candidate, flight: Flight, runtime: Runtime) -> Request:
    """The request with what the provider thought before the calls whose results it brings, where it wants that."""
    if candidate.dialect not in SIGNING:
        return flight.request
    return runtime.thoughts.restore(flight.entry.caller.principal, flight.request, candidate.target.upstream)


def note_head(stream: ReplyStream, record: AttemptRecord, runtime: Runtime) -> None:
    """The head of an answer is there: what became of the request, and how much more its provider takes."""
    record.sent_as = stream.sent_as
    if record.sent_as.limits:
        runtime.allowances.learn(record.candidate.target, record.sent_as.limits, runtime.clock.now_ms())


class Learning(msgspec.Struct):
    """What an attempt's end tells: its breakers, who counts what is under way, and whoever listens. Sync."""

    record: AttemptRecord
    flight: Flight
    runtime: Runtime
    verdict: Verdict = NOTHING
    trial: Trial = NO_TRIAL
    ease: Ease | None = None

    def __enter__(self) -> Self:
        candidate = self.record.candidate
        self.trial = self.runtime.breakers.begin(candidate.target)
        if not candidate.free:
            self.ease = self.runtime.equals.begin(candidate.target)
        return self

    def __exit__(self, *_error: object) -> None:
        record, runtime = self.record, self.runtime
        record.ended_ns = runtime.clock.monotonic_ns()
        news = attempt_news(record, self.flight)
        runtime.breakers.end(news.target, self.trial, self.verdict)
        if self.ease is not None:
            first_ns = news.first_piece_ns
            runtime.equals.end(self.ease, None if first_ns is None else first_ns / NS_PER_S)
        runtime.hooks.attempt_ended.tell(news)


class Settlement(msgspec.Struct):
    """The one end of a held attempt. Sync, so that no cancellation can come between."""

    attempt: AttemptPort
    flight: Flight
    record: AttemptRecord
    ledger: LedgerPort

    def __enter__(self) -> None:
        self.record.held = self.attempt
        self.record.hold_nano_usd = self.attempt.hold_nano_usd

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        if error is None or (isinstance(error, CheckFault) and error.whole):
            self.record.cost_nano_usd = self.ledger.capture(self.attempt, self.record.draft.usage)
            return
        why = error.code.value if isinstance(error, Fault) else "cancelled"
        if may_be_billed(error, self.record):
            self.ledger.unknown(self.attempt, why)
            self.record.cost_nano_usd = self.attempt.hold_nano_usd
        else:
            self.ledger.release(self.attempt, why)


def may_be_billed(error: BaseException, record: AttemptRecord) -> bool:
    """Whether a failed attempt may still be on somebody's bill: once bytes were sent, unless it was refused."""
    if isinstance(error, UpstreamFault):
        return error.billed
    if isinstance(error, BudgetFault):
        return record.sent  # cut by us, with an answer under way
    if isinstance(error, CallerFault) and not record.first_piece_ns:
        return False  # the upstream refused the request, or it could not be said in its dialect
    return record.sent


def attempt_news(record: AttemptRecord, flight: Flight) -> AttemptEnded:
    """The figures of an attempt that has ended."""
    return AttemptEnded(
        target=record.candidate.target,
        outcome=record.outcome or "ok",
        total_ns=record.ended_ns - record.started_ns,
        first_piece_ns=record.first_piece_ns - record.dialled_ns if record.first_piece_ns else None,
        usage=record.draft.usage,
        durations=record.draft.durations,
        cost_nano_usd=record.cost_nano_usd,
        hold_nano_usd=record.hold_nano_usd,
        price="" if record.candidate.free or record.candidate.price is None else record.candidate.price.version,
        request_id=flight.entry.id,
        ordinal=record.held.ordinal if record.held is not None else 0,
        state=record.held.state if record.held is not None else "",
        settled=None if record.held is None else attempt_figures(record.held),
        answer_ns=record.ended_ns - record.dialled_ns if record.dialled_ns else 0,
        streamed=flight.request.stream,
    )
