"""Who is asked next, and who beside whom, on the mock clock: the corners that a whole house is too large for."""

from collections.abc import Sequence
from dataclasses import replace

import pytest
import trio
from trio.testing import MockClock

from lodestard.asking import Lane, Race, ask_candidates
from lodestard.checking import Terms
from lodestard.domain.attempt import AttemptRecord
from lodestard.domain.errors import BudgetFault, CheckFault, Code, Fault, UpstreamFault
from lodestard.domain.request import Caller
from lodestard.domain.resilience_settings import Fallback
from lodestard.domain.upstream import Candidate
from lodestard.flights import Flight
from lodestard.runtime import Runtime
from tests.fakes.rooms import (
    FakeEntry,
    FakeTicket,
    NoRoutes,
    ScriptedSender,
    make_candidate,
    make_plan,
    make_request,
    make_runtime,
)

BROKEN = UpstreamFault(Code.UPSTREAM_ERROR, "broken", upstream="a", status=500)
NO_PLACE = UpstreamFault(Code.UPSTREAM_BUSY, "no place", sent=False)
LATER = UpstreamFault(Code.UPSTREAM_RATE_LIMITED, "later", status=429, billed=False)
UNCHECKED = CheckFault("The answer failed the check edits.", whole=False)
NO_ROOM = BudgetFault("spent", budget="day", final=False)
HEDGED = Fallback(hedge="paid", hedge_after_s=10.0)
Tries = list[tuple[float, Fault | None]]


class SpareRoutes(NoRoutes):
    def free_candidates(self) -> Sequence[Candidate]:
        return (make_candidate("spare", free=True),)


class Attempts:
    """What comes of each attempt, by upstream and try after try: after how long, and a fault or None."""

    def __init__(self, **tries: Tries) -> None:
        self._tries = tries
        self.asked: list[str] = []

    async def __call__(
        self, candidate: Candidate, flight: Flight, runtime: Runtime, lane: Lane | None
    ) -> Fault | None:
        name = candidate.target.upstream
        self.asked.append(name)
        seconds, fault = self._tries[name].pop(0)
        record = flight.open_attempt(candidate, runtime.clock.monotonic_ns())

        async def attempt() -> None:
            await trio.sleep(seconds)
            if fault is not None:
                raise fault
            if lane is not None:
                await lane.speak(flight, record)

        try:
            await (attempt() if lane is None else lane.run(attempt, record))
        except Fault as met:
            record.outcome = met.code
            return met
        record.outcome = "ok"
        return None


def make_flight(*names: str, fallback: Fallback, caller: Caller | None = None, tries: int = 1) -> Flight:
    """Paid ones of these names, one after the other."""
    return Flight(
        key=None,
        request=make_request(),
        plan=make_plan(*map(make_candidate, names)),
        entry=FakeEntry(caller=caller or Caller()),
        live=True,
        ticket=FakeTicket(),
        terms=Terms(checks=("edits",), held=True, tries=tries),
        fallback=fallback,
        subscribers=1,
    )


async def ask(flight: Flight, attempts: Attempts) -> Fault | None:
    async with trio.open_nursery() as nursery:
        runtime = replace(make_runtime(nursery, ScriptedSender({})), routes=SpareRoutes())
        return await ask_candidates(flight, runtime, attempts)


async def test_what_fails_a_check_is_asked_again_though_another_one_could_be_started_beside_it(
    autojump_clock: MockClock,
) -> None:
    attempts = Attempts(a=[(1.0, UNCHECKED), (1.0, None)])
    assert await ask(make_flight("a", "b", fallback=HEDGED, tries=2), attempts) is None
    assert attempts.asked == ["a", "a"]


async def test_who_was_first_of_two_and_fails_its_check_leads_on_to_the_next(autojump_clock: MockClock) -> None:
    attempts = Attempts(a=[(30.0, UNCHECKED)], b=[(30.0, UNCHECKED)], c=[(1.0, None)])
    assert await ask(make_flight("a", "b", "c", fallback=HEDGED, tries=2), attempts) is None
    assert attempts.asked == ["a", "b", "c"]


async def test_where_the_one_beside_has_no_room_in_a_budget_a_free_one_is_asked_at_last(
    autojump_clock: MockClock,
) -> None:
    attempts = Attempts(a=[(20.0, BROKEN)], b=[(1.0, NO_ROOM)], spare=[(1.0, None)])
    assert await ask(make_flight("a", "b", fallback=HEDGED), attempts) is None
    assert attempts.asked == ["a", "b", "spare"]


async def test_a_refused_hedge_says_nothing_of_an_answer_that_came(autojump_clock: MockClock) -> None:
    flight, attempts = make_flight("a", "b", fallback=HEDGED), Attempts(a=[(20.0, None)], b=[(1.0, NO_ROOM)])
    assert await ask(flight, attempts) is None
    assert (attempts.asked, flight.note) == (["a", "b"], "")


async def test_a_budget_that_is_spent_while_somebody_waits_has_a_free_one_asked(autojump_clock: MockClock) -> None:
    attempts = Attempts(a=[(1.0, LATER), (1.0, NO_ROOM)], spare=[(1.0, None)])
    flight = make_flight("a", fallback=Fallback(retries=1))
    flight.due = trio.CancelScope(deadline=100.0)
    assert await ask(flight, attempts) is None
    assert attempts.asked == ["a", "a", "spare"]


async def test_nothing_led_on_where_nobody_else_is_asked(autojump_clock: MockClock) -> None:
    flight = make_flight("a", "b", fallback=Fallback(), caller=Caller(priority="idle"))
    assert await ask(flight, Attempts(a=[(1.0, NO_PLACE)])) is NO_PLACE
    assert [record.led_on for record in flight.attempts] == [""]


@pytest.mark.parametrize("race", [None, Race()])
async def test_who_speaks_when_it_is_stopped_already_is_not_heard(
    autojump_clock: MockClock, race: Race | None
) -> None:
    """Its first piece and the end of its time may come at once: then nothing of it goes out."""
    flight, lane = make_flight("a", fallback=Fallback()), Lane(trio.CancelScope(deadline=10.0), race)
    record, heard = AttemptRecord(make_candidate("a"), 1), list[str]()

    async def attempt() -> None:
        with trio.CancelScope(shield=True):
            await trio.sleep(10.0)
        await lane.speak(flight, record)
        heard.append("it goes on")

    with pytest.raises(UpstreamFault) as caught:
        await lane.run(attempt, record)
    assert caught.value.code is Code.SLOW_FIRST_TOKEN
    assert not heard
    assert flight.answered is None
