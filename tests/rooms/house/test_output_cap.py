"""An upstream that goes beyond the output limit that a budget gave it: cut with an error, charged at its hold."""

import pytest
import trio
from trio.testing import MockClock

from lodestard.domain.errors import BudgetFault, Code
from lodestard.domain.reply import Piece
from lodestard.domain.room import Room
from tests.fakes.rooms import Script, ScriptedSender, make_candidate, make_plan, make_runtime
from tests.rooms.house.test_flights import Reader, ledger_of, make_flight

WORDS = [[Piece(text="word ")] * 100] * 100


@pytest.mark.parametrize("stream", [True, False])
async def test_it_is_cut_and_nobody_else_is_asked(autojump_clock: MockClock, stream: bool) -> None:
    async with trio.open_nursery() as nursery:
        sender = ScriptedSender({"paid": Script([WORDS]), "next": Script([WORDS])})
        runtime = make_runtime(nursery, sender)
        ledger_of(runtime).room = Room(nano_usd=10**6)
        flight = make_flight(make_plan(make_candidate(), make_candidate("next")), stream=stream)
        reader = Reader()
        await runtime.flights.run_inline(flight, reader if stream else None)
    assert flight.landing is not None
    fault = flight.landing.fault
    assert isinstance(fault, BudgetFault)
    assert fault.code == Code.BUDGET_REFUSED
    assert ledger_of(runtime).events == ["hold paid/model", "unknown: budget_refused paid/model"]
    assert sender.scripts["next"].asked == 0
    assert sender.open == 0
    assert (0 < len(reader.text) < 100 * 100 * 5) == stream
    assert flight.attempts[0].limit_tokens == 100  # the most that the model writes


async def test_without_a_budget_it_goes_on(autojump_clock: MockClock) -> None:
    async with trio.open_nursery() as nursery:
        sender = ScriptedSender({"paid": Script([[*WORDS, [Piece(finish="stop")]]])})
        runtime = make_runtime(nursery, sender)
        flight = make_flight(make_plan(make_candidate()))
        await runtime.flights.run_inline(flight, Reader())
    assert flight.landing is not None
    assert flight.landing.fault is None
