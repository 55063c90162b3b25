"""Flights on the mock clock: fallback, sharing, leaving, and one end for every hold."""

from collections.abc import Sequence
from typing import cast

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from lodestard.domain.errors import CallerFault, Code, Fault, HouseFault, UpstreamFault
from lodestard.domain.reply import Piece
from lodestard.domain.upstream import Plan
from lodestard.domain.usage import Usage
from lodestard.flights import Flight, LeavePolicy
from lodestard.http import Load
from lodestard.runtime import Runtime
from tests.fakes.rooms import (
    FakeEntry,
    FakeLedger,
    FakeTicket,
    Script,
    ScriptedSender,
    make_candidate,
    make_plan,
    make_request,
    make_runtime,
)

HELLO = [Piece(text="hel"), Piece(text="lo")]
END = [Piece(finish="stop"), Piece(usage=Usage(prompt_tokens=3, completion_tokens=2))]
UNREACHED = UpstreamFault(Code.UPSTREAM_UNREACHABLE, "refused", sent=False)
CUT = UpstreamFault(Code.UPSTREAM_CUT, "cut")
BUSY = UpstreamFault(Code.UPSTREAM_RATE_LIMITED, "busy", status=429, billed=False)


def make_flight(plan: Plan, *, key: str | None = None, stream: bool = True) -> Flight:
    request = make_request(stream=stream)
    return Flight(key=key, request=request, plan=plan, entry=FakeEntry(), live=stream, ticket=FakeTicket())


def ledger_of(runtime: Runtime) -> FakeLedger:
    return cast("FakeLedger", runtime.ledger)


class Reader:
    """A sink that remembers what it was handed."""

    def __init__(self) -> None:
        self.text = ""
        self.batches = 0

    async def __call__(self, pieces: Sequence[Piece]) -> None:
        self.batches += 1
        self.text += "".join(piece.text for piece in pieces)
        await trio.lowlevel.checkpoint()


async def test_inline_streams_as_it_comes_and_captures(autojump_clock: MockClock) -> None:
    async with trio.open_nursery() as nursery:
        sender = ScriptedSender({"paid": Script([[HELLO[:1], 1.0, HELLO[1:], END]])})
        runtime = make_runtime(nursery, sender)
        flight, reader = make_flight(make_plan(make_candidate())), Reader()
        await runtime.flights.run_inline(flight, reader)
    assert reader.text == "hello"
    assert reader.batches == 3
    assert ledger_of(runtime).events == ["hold paid/model", "capture paid/model"]
    assert flight.landing is not None
    assert flight.landing.fault is None
    assert flight.landing.reply.choices[0].text == "hello"
    assert flight.cost_nano_usd == 2
    assert sender.open == 0
    assert runtime.flights.under_way == 0


@pytest.mark.parametrize(
    ("fault", "end"),
    [
        (UNREACHED, "release: upstream_unreachable"),
        (BUSY, "release: upstream_rate_limited"),
        (CUT, "unknown: upstream_cut"),
        (CallerFault(Code.NOT_SUPPORTED, "no n"), "release: not_supported"),
        (CallerFault(Code.CONTEXT_LENGTH_EXCEEDED, "too long"), "release: context_length_exceeded"),
    ],
)
async def test_a_failure_before_the_first_release_goes_on_to_the_next(
    autojump_clock: MockClock, fault: UpstreamFault, end: str
) -> None:
    async with trio.open_nursery() as nursery:
        sender = ScriptedSender({"a": Script([[fault]]), "b": Script([[HELLO, END]])})
        runtime = make_runtime(nursery, sender)
        flight, reader = make_flight(make_plan(make_candidate("a"), make_candidate("b"))), Reader()
        await runtime.flights.run_inline(flight, reader)
    assert reader.text == "hello"
    assert ledger_of(runtime).events == ["hold a/model", f"{end} a/model", "hold b/model", "capture b/model"]
    assert [record.outcome for record in flight.attempts] == [fault.code, "ok"]


async def test_an_unheld_attempt_is_not_dialled(autojump_clock: MockClock) -> None:
    async with trio.open_nursery() as nursery:
        sender = ScriptedSender({"a": Script([])})
        runtime = make_runtime(nursery, sender)
        ledger_of(runtime).refuse = HouseFault(Code.LEDGER_UNAVAILABLE, "the disk is full")
        flight = make_flight(make_plan(make_candidate("a")))
        await runtime.flights.run_inline(flight, Reader())
    assert flight.landing is not None
    assert flight.landing.fault is not None
    assert flight.landing.fault.code is Code.LEDGER_UNAVAILABLE
    assert sender.scripts["a"].asked == 0


async def test_a_cut_after_the_first_release_is_final(autojump_clock: MockClock) -> None:
    async with trio.open_nursery() as nursery:
        sender = ScriptedSender({"a": Script([[HELLO, CUT]]), "b": Script([])})
        runtime = make_runtime(nursery, sender)
        flight, reader = make_flight(make_plan(make_candidate("a"), make_candidate("b"))), Reader()
        await runtime.flights.run_inline(flight, reader)
    assert reader.text == "hello"
    assert flight.landing is not None
    assert flight.landing.fault is CUT
    assert ledger_of(runtime).events == ["hold a/model", "unknown: upstream_cut a/model"]


async def test_a_plain_answer_that_is_cut_is_asked_of_the_next(autojump_clock: MockClock) -> None:
    async with trio.open_nursery() as nursery:
        sender = ScriptedSender({"a": Script([[HELLO, CUT]]), "b": Script([[[Piece(text="whole")], END]])})
        runtime = make_runtime(nursery, sender)
        flight = make_flight(make_plan(make_candidate("a"), make_candidate("b")), stream=False)
        await runtime.flights.run_inline(flight, None)
    assert flight.landing is not None
    assert flight.landing.fault is None
    assert flight.landing.reply.choices[0].text == "whole"
    assert flight.cost_nano_usd > 2  # the cut one is charged at its hold


async def test_a_paid_answer_without_usage_costs_its_hold(autojump_clock: MockClock) -> None:
    async with trio.open_nursery() as nursery:
        runtime = make_runtime(nursery, ScriptedSender({"paid": Script([[HELLO, END[:1]]])}))
        flight = make_flight(make_plan(make_candidate()))
        await runtime.flights.run_inline(flight, Reader())
    (_, _, held), (what, _, cost) = ledger_of(runtime).book
    assert what == "capture"
    assert cost == held


async def test_nobody_joins_what_has_begun_no_answer_in_time(autojump_clock: MockClock) -> None:
    async with trio.open_nursery() as nursery:
        runtime = make_runtime(nursery, ScriptedSender({"paid": Script([[5.0, HELLO, END]])}))
        flight = make_flight(make_plan(make_candidate()), key="k")
        flight.due = trio.CancelScope(deadline=1.0)
        runtime.flights.start(flight)
        await trio.sleep(0.5)
        assert runtime.flights.find("k") is flight
        flight.due.cancel()
        assert runtime.flights.find("k") is None
        landing = await flight.wait_landed()
    assert landing.fault is not None
    assert landing.fault.code is Code.DEADLINE_EXCEEDED


async def test_others_join_a_shared_flight_and_get_all_of_it(autojump_clock: MockClock) -> None:
    async with trio.open_nursery() as nursery:
        sender = ScriptedSender({"paid": Script([[HELLO[:1], 1.0, HELLO[1:], 1.0, END]])})
        runtime = make_runtime(nursery, sender)
        flight = make_flight(make_plan(make_candidate()), key="k")
        runtime.flights.start(flight)
        await trio.sleep(0.5)
        found = runtime.flights.find("k")
        assert found is flight
        found.rejoin()
        texts: list[str] = []

        async def follow() -> None:
            position, text = 0, ""
            while (batch := await flight.next_batch(position)) is not None:
                position += len(batch)
                text += "".join(piece.text for piece in batch)
            texts.append(text)

        nursery.start_soon(follow)
        nursery.start_soon(follow)
        await flight.wait_landed()
        assert runtime.flights.find("k") is None
    assert texts == ["hello", "hello"]
    assert len(ledger_of(runtime).book) == 2


async def test_the_last_one_that_leaves_cancels_and_the_hold_is_charged(autojump_clock: MockClock) -> None:
    async with trio.open_nursery() as nursery:
        sender = ScriptedSender({"paid": Script([[HELLO, 100.0, END]])})
        runtime = make_runtime(nursery, sender)
        flight = make_flight(make_plan(make_candidate()), key="k")
        runtime.flights.start(flight)
        flight.rejoin()
        await trio.sleep(1)
        runtime.flights.leave(flight)
        await wait_all_tasks_blocked()
        assert flight.landing is None
        runtime.flights.leave(flight)
        landing = await flight.wait_landed()
        assert landing.fault is not None
        assert landing.fault.code is Code.CLIENT_LEFT
        assert trio.current_time() < 2
    assert ledger_of(runtime).events == ["hold paid/model", "unknown: cancelled paid/model"]
    assert sender.open == 0


async def test_one_that_drains_ends_with_its_usage_and_can_be_joined_again(autojump_clock: MockClock) -> None:
    async with trio.open_nursery() as nursery:
        sender = ScriptedSender({"paid": Script([[HELLO, 30.0, END]])})
        policy = LeavePolicy(frozenset({"paid"}), 60, 32)
        runtime = make_runtime(nursery, sender, policy=policy)
        flight = make_flight(make_plan(make_candidate()), key="k")
        runtime.flights.start(flight)
        await trio.sleep(1)
        runtime.flights.leave(flight)
        assert policy.under_way == 1
        assert runtime.flights.find("k") is flight
        await flight.wait_landed()
        assert policy.under_way == 0
    assert ledger_of(runtime).events == ["hold paid/model", "capture paid/model"]


async def test_a_drain_has_a_deadline(autojump_clock: MockClock) -> None:
    async with trio.open_nursery() as nursery:
        sender = ScriptedSender({"paid": Script([[HELLO, 1000.0, END]])})
        runtime = make_runtime(nursery, sender, policy=LeavePolicy(frozenset({"paid"}), 60, 32))
        flight = make_flight(make_plan(make_candidate()), key="k")
        runtime.flights.start(flight)
        await trio.sleep(1)
        runtime.flights.leave(flight)
        await flight.wait_landed()
        assert trio.current_time() == pytest.approx(61)
    assert ledger_of(runtime).events[-1] == "unknown: cancelled paid/model"


async def test_too_many_drains_are_cancelled(autojump_clock: MockClock) -> None:
    async with trio.open_nursery() as nursery:
        sender = ScriptedSender({"paid": Script([[HELLO, 10.0, END]] * 2)})
        runtime = make_runtime(nursery, sender, policy=LeavePolicy(frozenset({"paid"}), 60, 1))
        flights = [make_flight(make_plan(make_candidate()), key=key) for key in ("a", "b")]
        for flight in flights:
            runtime.flights.start(flight)
        await trio.sleep(1)
        for flight in flights:
            runtime.flights.leave(flight)
        for flight in flights:
            await flight.wait_landed()
    ends = sorted(event.split(" ")[0] for event in ledger_of(runtime).events[2:])
    assert ends == ["capture", "unknown:"]


async def test_cancelled_before_a_byte_was_sent_nothing_is_charged(autojump_clock: MockClock) -> None:
    async with trio.open_nursery() as nursery:
        runtime = make_runtime(nursery, SlowDial({"paid": Script([[HELLO]])}))
        flight = make_flight(make_plan(make_candidate()), key="k")
        runtime.flights.start(flight)
        await trio.sleep(1)
        runtime.flights.leave(flight)
        await flight.wait_landed()
    assert ledger_of(runtime).events == ["hold paid/model", "release: cancelled paid/model"]


class SlowDial(ScriptedSender):
    """Never gets through."""

    def send(self, target, request, on_sent):  # type: ignore[no-untyped-def]
        return Forever()


class Forever:
    async def __aenter__(self) -> None:
        await trio.sleep_forever()

    async def __aexit__(self, *_error: object) -> None:
        raise AssertionError


async def test_a_house_that_closes_lands_its_flights(autojump_clock: MockClock) -> None:
    async with trio.open_nursery() as nursery:
        sender = ScriptedSender({"paid": Script([[HELLO, 100.0, END]])})
        runtime = make_runtime(nursery, sender)
        flight = make_flight(make_plan(make_candidate()), key="k")
        runtime.flights.start(flight)
        await trio.sleep(1)
        nursery.cancel_scope.cancel()
    assert flight.landing is not None
    assert flight.landing.fault is not None
    assert flight.landing.fault.code is Code.SHUTTING_DOWN
    assert ledger_of(runtime).events[-1] == "unknown: cancelled paid/model"


async def test_a_defect_in_who_waits_for_a_landing_ends_neither_the_others_nor_the_house(
    autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    async with trio.open_nursery() as nursery:
        runtime = make_runtime(nursery, ScriptedSender({"paid": Script([[HELLO, END]])}))
        flight = make_flight(make_plan(make_candidate()), key="k")
        heard: list[str] = []
        runtime.flights.start(flight)
        flight.on_landed += [lambda: heard.remove("nobody"), lambda: heard.append("landed")]
        await flight.wait_landed()
    assert (heard, runtime.flights.under_way) == (["landed"], 0)
    assert "a request failed: ValueError" in caplog.text


async def test_a_long_paid_stream_fits_into_the_buffer(autojump_clock: MockClock) -> None:
    """60,000 tokens as OpenAI sends them; DeepSeek's and xAI's reasoning comes near to that."""
    async with trio.open_nursery() as nursery:
        long = [Piece(text="word", raw=b"x" * 300)] * 60_000
        runtime = make_runtime(nursery, ScriptedSender({"paid": Script([[long, END]])}))
        flight = make_flight(make_plan(make_candidate()), key="k")
        runtime.flights.start(flight)
        landing = await flight.wait_landed()
    assert landing.fault is None


async def test_all_buffers_together_have_a_bound_and_what_waits_for_retries_makes_room(
    autojump_clock: MockClock,
) -> None:
    async with trio.open_nursery() as nursery:
        big = [Piece(text="x" * 500)]
        sender = ScriptedSender({"paid": Script([[big, END], [big, END], [big] * 7 + [END]])})
        runtime = make_runtime(nursery, sender)
        load = runtime.flights.load = Load(4_800)
        faults: list[Fault | None] = []
        for key in "abc":
            flight = make_flight(make_plan(make_candidate()), key=key)
            runtime.flights.start(flight)
            await wait_all_tasks_blocked()
            if key == "a":
                runtime.flights.leave(flight)
                assert runtime.flights.find("a") is flight
            faults.append((await flight.wait_landed()).fault)
        assert runtime.flights.find("a") is None
    assert faults[:2] == [None, None]
    assert faults[2] is not None
    assert faults[2].code is Code.OVERLOADED
    assert (load.held_bytes, load.heavy) == (0, False)


async def test_what_nobody_came_back_for_is_forgotten_after_a_minute(autojump_clock: MockClock) -> None:
    """Also in a house that nobody asks anything in the meantime."""
    async with trio.open_nursery() as nursery:
        sender = ScriptedSender({"paid": Script([[HELLO, END]] * 3)})
        runtime = make_runtime(nursery, sender, policy=LeavePolicy(frozenset({"paid"}), 60, 32))
        flights, load = runtime.flights, runtime.flights.load
        nursery.start_soon(flights.keep_time)
        for key, later_s in (("a", 20), ("b", 39)):
            flight = make_flight(make_plan(make_candidate()), key=key)
            flights.start(flight)
            await flight.wait_landed()
            flights.leave(flight)
            await trio.sleep(later_s)
        both_bytes = load.held_bytes
        assert (flights.find("a") is None, flights.find("b") is None) == (False, False)
        await trio.sleep(2)
        assert (flights.find("a") is None, flights.find("b") is None) == (True, False)
        assert load.held_bytes == both_bytes // 2 > 0
        await trio.sleep(20)
        assert (flights.find("b"), load.held_bytes) == (None, 0)
        flights.start(flight := make_flight(make_plan(make_candidate()), key="c"))
        await flight.wait_landed()
        flights.leave(flight)
        assert load.held_bytes > 0
        nursery.cancel_scope.cancel()
    assert load.held_bytes == 0, "when the house goes, nothing is kept"


async def test_an_answer_larger_than_the_buffer_is_given_up(autojump_clock: MockClock) -> None:
    async with trio.open_nursery() as nursery:
        big = [Piece(text="x" * 600)]
        runtime = make_runtime(nursery, ScriptedSender({"paid": Script([[big, big, END]])}))
        flight = make_flight(make_plan(make_candidate()), key="k")
        flight.buffer_bytes = 1_000
        runtime.flights.start(flight)
        landing = await flight.wait_landed()
    assert landing.fault is not None
    assert landing.fault.code is Code.UPSTREAM_GARBAGE
