"""Who is asked, one after the other or two at once, until one answers or nobody is left.

Law: nothing is asked again, nor of another, once a piece was released or the last client has left. Two are asked at
once only where the alias says so; each is held before it is dialled, so budgets count both; the first that says
something answers, and the other one is stopped and settled as any attempt that is cut. How one try is made the
hallway hands in (``pipeline.attempt_once``).
"""

from collections.abc import Awaitable, Callable
from functools import partial

import msgspec
import trio

from lodestard.checking import failed
from lodestard.domain.attempt import AttemptRecord
from lodestard.domain.errors import BudgetFault, CallerFault, Code, Fault, UpstreamFault
from lodestard.domain.request import Request
from lodestard.domain.residency import Rank, Wait
from lodestard.domain.settings import Settings
from lodestard.domain.upstream import Candidate, Plan, Target
from lodestard.fallback import Line, backoff_s, condition_of, leads_on, may_ask_again, name_condition
from lodestard.flights import Flight
from lodestard.routing.balance import balance
from lodestard.routing.soonest import arrange
from lodestard.runtime import Runtime

BYTES_PER_TOKEN = 4
IDLE: Rank = "idle"
NEVER = float("inf")


class Race(msgspec.Struct, eq=False):
    """Two attempts at once. ``heard``: one of them has said something, or has ended."""

    lanes: "list[Lane]" = []
    winner: "Lane | None" = None
    heard: trio.Event = msgspec.field(default_factory=trio.Event)


class Lane(msgspec.Struct, eq=False):
    """Where an attempt runs that somebody may stop: when it has said nothing in time, or another one was first."""

    scope: trio.CancelScope
    race: Race | None = None
    hedge: bool = False
    lost: bool = False
    fault: Fault | None = None

    async def speak(self, flight: Flight, record: AttemptRecord) -> None:
        """It has something to say: from here on it is waited for, and the other one is stopped.

        Does not come back where it is stopped already: the other one has been first, or its time was up just now.
        """
        if self.scope.cancel_called:
            await trio.sleep_forever()
        self.scope.deadline = NEVER
        race = self.race
        if race is None or race.winner is not None:
            return
        race.winner, flight.answered = self, record
        race.heard.set()
        for lane in race.lanes:
            if lane is not self:
                lane.lost = True
                lane.scope.cancel()

    async def run(self, attempt: Callable[[], Awaitable[None]], record: AttemptRecord) -> None:
        """Have an attempt run here. Raises ``UpstreamFault`` where it was stopped, beside what it meets itself."""
        record.hedge = self.hedge
        with self.scope:
            await attempt()
            return
        target = record.candidate.target
        code = Code.HEDGE_LOST if self.lost else Code.SLOW_FIRST_TOKEN
        text = "another one was first" if self.lost else "it had begun no answer in time; the next one is asked"
        raise UpstreamFault(code, f"{target} was stopped: {text}.", upstream=target.upstream)


Attempt = Callable[[Candidate, Flight, Runtime, Lane | None], Awaitable[Fault | None]]


async def ask_candidates(flight: Flight, runtime: Runtime, attempt: Attempt) -> Fault | None:
    """None once a candidate has answered; otherwise the last fault."""
    asking = Asking(flight, runtime, attempt)
    fault: Fault | None = None
    if flight.due is None:
        fault = await asking.run()
    else:
        with flight.due:
            fault = await asking.run()
        if flight.due.cancelled_caught:
            fault = CallerFault(Code.DEADLINE_EXCEEDED, "No answer has begun before the request's deadline.")
    if fault is not None and flight.aside is not None and not flight.left:
        await flight.release_aside(flight.aside)
        return None
    return fault if fault is None or flight.refusal is None else tell_both(fault, flight.refusal)


class Asking:
    """The way of one flight from candidate to candidate. Owner of what it knows of them."""

    __slots__ = (
        "_again",
        "_attempt",
        "_flight",
        "_gave_way",
        "_line",
        "_may_hedge",
        "_passed",
        "_runtime",
        "_tries",
    )

    def __init__(self, flight: Flight, runtime: Runtime, attempt: Attempt) -> None:
        self._flight = flight
        self._runtime = runtime
        self._attempt = attempt
        self._gave_way = False
        self._tries = self._passed = 0
        self._again: dict[Target, tuple[float, Candidate]] = {}
        self._may_hedge = bool(flight.fallback.hedge)
        flight.arranged = arrange_plan(flight.plan, flight.request, runtime)
        self._line = Line(flight.arranged.candidates, runtime.breakers.why_not, partial(find_spare, flight, runtime))

    async def run(self) -> Fault | None:
        fault: Fault | None = None
        while (candidate := self._line.take() or await self._wait_for_again()) is not None:
            if self._line.passed:
                self._tell_passed()
            if self._gave_way and not candidate.free:
                continue
            if fault is not None:
                self._mark_led_on()
            fault = await self._ask(candidate)
            if fault is None or self._flight.released or self._flight.left:
                break
            if not self._goes_on(fault):
                if not may_ask_again(fault):
                    break
                self._line.close()
        return fault

    async def _wait_for_again(self) -> Candidate | None:
        """Once nobody else is left: of those who could not take it, who is ready first, when it is."""
        if not self._again or self._flight.aside is not None:
            return None
        target, (ready_s, candidate) = min(self._again.items(), key=lambda item: item[1][0])
        del self._again[target]
        if self._tries >= self._flight.fallback.retries or ready_s > self._patience_until_s(candidate):
            return None
        self._tries += 1
        await trio.sleep_until(ready_s)
        return None if self._flight.left else candidate

    def _patience_until_s(self, candidate: Candidate) -> float:
        """Until when somebody is waited for who takes no more now: the deadline, or as long as for a first byte."""
        if self._flight.due is not None:
            return self._flight.due.deadline
        upstream = self._runtime.settings.upstreams.get(candidate.target.upstream)
        return trio.current_time() + (upstream.first_byte_timeout_s if upstream is not None else 0.0)

    async def _ask(self, candidate: Candidate) -> Fault | None:
        """Once, and again where what it said failed a check: models don't say the same thing twice."""
        flight = self._flight
        may_hedge = self._may_hedge and self._line.has_more
        fault = await (self._race(candidate) if may_hedge else self._try(candidate))
        if may_hedge and not self._may_hedge:
            return fault  # two have been asked
        for _ in range(1, flight.terms.tries):
            if not failed(fault) or flight.left:
                break
            fault = await self._try(candidate)
        return fault

    async def _try(self, candidate: Candidate) -> Fault | None:
        return self._note(candidate, await self._attempt(candidate, self._flight, self._runtime, self._lane()))

    def _lane(self, race: Race | None = None, *, hedge: bool = False) -> Lane | None:
        """Where the next attempt runs; None where nobody would stop it."""
        flight = self._flight
        slow = "slow_first_token" in flight.fallback.on and flight.request.stream and self._line.has_more
        if race is None and not slow:
            return None
        lane = Lane(trio.CancelScope(), race, hedge)
        if slow:
            lane.scope.deadline = trio.current_time() + flight.fallback.first_token_s
        if race is not None:
            race.lanes.append(lane)
        return lane

    async def _race(self, candidate: Candidate) -> Fault | None:
        """Ask ``candidate``, and where it says nothing for a while another one beside it. Once a flight."""
        race, flight = Race(), self._flight
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._run_lane, candidate, race, self._lane(race))
            with trio.move_on_after(flight.fallback.hedge_after_s):
                await race.heard.wait()
            other = None if race.heard.is_set() or flight.left else self._line.take_beside(self._fits(candidate))
            if other is not None:
                self._may_hedge = False
                nursery.start_soon(self._run_lane, other, race, self._lane(race, hedge=True))
        return race.winner.fault if race.winner is not None else self._fault_of_both(race)

    def _fault_of_both(self, race: Race) -> Fault | None:
        """Nobody has said anything: as if they had been asked in turn, so an earlier one may end it."""
        fault: Fault | None = None
        for lane in race.lanes:
            fault = lane.fault
            if fault is None or not self._goes_on(fault):
                break
        return fault

    async def _run_lane(self, candidate: Candidate, race: Race, lane: Lane | None) -> None:
        if lane is None or lane.lost:
            return
        fault = await self._attempt(candidate, self._flight, self._runtime, lane)
        lane.fault = self._note(candidate, fault)
        race.heard.set()

    def _fits(self, first: Candidate) -> Callable[[Candidate], bool]:
        """Who may be asked beside ``first``: never the same card, and nobody paid where only free ones shall be."""
        free_only = self._flight.fallback.hedge == "free" or self._flight.entry.caller.priority == IDLE

        def fits(other: Candidate) -> bool:
            same_card = other.target.upstream == first.target.upstream and (first.free or other.free)
            return not same_card and (other.free or not free_only)

        return fits

    def _note(self, candidate: Candidate, fault: Fault | None) -> Fault | None:
        """Remember who may be asked again, and when."""
        if fault is not None and self._flight.fallback.retries and may_ask_again(fault):
            wait_s = backoff_s(fault, self._tries, self._runtime.draw())
            self._again[candidate.target] = (trio.current_time() + wait_s, candidate)
        return fault

    def _goes_on(self, fault: Fault) -> bool:
        """Whether somebody else is asked, and what is remembered for that."""
        flight = self._flight
        if not leads_on(condition_of(fault), flight.fallback):
            return False
        self._gave_way = self._gave_way or gives_way(fault, flight)
        if isinstance(fault, BudgetFault):
            flight.refusal = fault
        return True

    def _mark_led_on(self) -> None:
        """Somebody else is asked: under which condition, where somebody has failed."""
        for record in self._flight.attempts:
            if not record.led_on and record.outcome != Code.HEDGE_LOST:
                record.led_on = name_condition(Code(record.outcome))

    def _tell_passed(self) -> None:
        """Those whose breaker has opened since the plan was made are told of in it."""
        plan, passed = self._flight.arranged, dict(self._line.passed[self._passed :])
        self._passed = len(self._line.passed)
        if plan is None:
            return
        candidates, reason = list(plan.candidates), plan.reason
        for place, one in enumerate(candidates):
            if one.target in passed and not one.passed_over:
                why = passed[one.target]
                candidates[place] = msgspec.structs.replace(one, up=False, passed_over=why)
                reason += f"; {one.target} passed over ({why})"
        self._flight.arranged = msgspec.structs.replace(plan, candidates=tuple(candidates), reason=reason)


def find_spare(flight: Flight, runtime: Runtime) -> Candidate | None:
    """Where a budget has no room for the plan's candidates, a free model that was not asked yet: it costs nothing."""
    if flight.refusal is None:
        return None
    asked = {candidate.target for candidate in flight.plan.candidates}
    asked.update(record.candidate.target for record in flight.attempts)
    for free in runtime.routes.free_candidates():
        if free.target not in asked and (free.lan or not flight.plan.lan_only):
            return free
    return None


def arrange_plan(plan: Plan, request: Request, runtime: Runtime) -> Plan:
    """The plan with those that are as good as each other in the order in which they can begin."""
    arranged = arrange(plan, partial(wait_of, request, runtime))
    equals = equals_of(plan.alias, runtime.settings)
    return balance(arranged, equals, runtime.equals.of) if equals else arranged


def equals_of(alias: str, settings: Settings) -> tuple[str, ...]:
    model = settings.models.get(alias)
    return () if model is None else model.balance


def wait_of(request: Request, runtime: Runtime, target: Target) -> Wait | None:
    """How long ``request`` would wait at ``target``; its size is guessed, for only the order counts here."""
    return runtime.admission.predicted_wait(target, request.size_bytes // BYTES_PER_TOKEN)


def tell_both(fault: Fault, refusal: BudgetFault) -> Fault:
    """A free model failed that was asked only because a budget has no room: its fault, with the reason beside."""
    if fault is not refusal:
        fault.message = f"{fault.message} It was asked because of a budget: {refusal.message}"
    return fault


def gives_way(fault: Fault, flight: Flight) -> bool:
    """Whether idle work got no place, or lost it, because somebody needed the card: no paid model does it instead.

    Nobody knows how urgent it is to others who have joined the flight.
    """
    return fault.code is Code.UPSTREAM_BUSY and flight.entry.caller.priority == IDLE and flight.subscribers <= 1
