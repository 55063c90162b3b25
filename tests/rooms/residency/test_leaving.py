"""Whoever is cancelled, in whatever phase, leaves the card as if it had not come."""

import pytest
import trio
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from trio.testing import MockClock

from lodestard.domain.errors import CallerFault, Code, Fault, UpstreamFault
from lodestard.domain.residency import Ask
from lodestard.residency.place import CardPlace
from lodestard.residency.state import Tenant, Visit
from tests.fakes.card_house import (
    CODER,
    LLAMA,
    LOAD_S,
    UNLOAD_S,
    CardHouse,
    Told,
    check_empty,
    check_state,
    make_ask,
    make_settings,
    open_card_house,
    settle,
)

LONG = "100 words"


async def test_who_leaves_while_waiting_frees_its_place(autojump_clock: object) -> None:
    async with open_card_house() as house:
        first, second, third = (house.start(LLAMA, LONG, principal=name) for name in "abc")
        await trio.sleep(LOAD_S + 1)
        waiting = [told for told in (first, second, third) if told.begun_s is None]
        assert len(waiting) == 2
        waiting[0].leave()
        await settle()
        assert sum(model.waiting for model in check_state(house).models) == 1
        assert (await waiting[1].wait()).ok


async def test_who_leaves_while_running_gives_its_place_to_the_next(autojump_clock: object) -> None:
    async with open_card_house() as house:
        await house.ask()
        running = house.start(LLAMA, LONG)
        await trio.sleep(1)
        waiting = house.start(LLAMA)
        await trio.sleep(1)
        running.leave()
        await running.wait()
        assert (await waiting.wait()).waited_s == pytest.approx(1.0, abs=0.1)


@pytest.mark.parametrize("leaves_first", [False, True])
async def test_who_is_cancelled_as_its_turn_comes(autojump_clock: object, leaves_first: bool) -> None:
    """The place is given in sync code; the task that it was for wakes up cancelled, in the wait or after it."""
    async with open_card_house() as house:
        await house.ask()
        running = house.start(LLAMA, LONG)
        await trio.sleep(1)
        seated, third = house.start(LLAMA), house.start(LLAMA)
        await trio.sleep(1)
        card = house.card()
        visit = next(iter(card.state.queue.values()))
        first = seated if seated.place is not None and seated.place._visit is visit else third  # type: ignore[attr-defined]
        begin = card._begin

        def begin_and_leave(visit: Visit, tenant: Tenant) -> None:
            if leaves_first:
                first.leave()
            begin(visit, tenant)
            first.leave()

        card._begin = begin_and_leave  # type: ignore[method-assign]
        running.leave()
        await first.wait()
        card._begin = begin  # type: ignore[method-assign]
        assert visit.begun_s is not None
        assert (first.begun_s is None) is leaves_first
        assert not first.sent
        assert (await (third if first is seated else seated).wait()).ok


async def test_who_is_cancelled_before_it_has_come(autojump_clock: object) -> None:
    async with open_card_house() as house:
        await house.ask()
        with trio.CancelScope() as scope:
            scope.cancel()
            async with CardPlace(house.card(), make_ask()):
                check_state(house)
                await trio.lowlevel.checkpoint()
        check_empty(house)


@pytest.mark.parametrize(
    "error",
    [
        UpstreamFault(Code.UPSTREAM_CUT, "It was cut."),
        UpstreamFault(Code.UPSTREAM_MODEL_MISSING, "It is not there."),
        CallerFault(Code.NOT_SUPPORTED, "No."),
        ZeroDivisionError(),
    ],
)
async def test_what_breaks_in_a_place_comes_out_and_frees_it(autojump_clock: object, error: Exception) -> None:
    async with open_card_house() as house:
        await house.ask()
        with pytest.raises(type(error)) as caught:
            async with CardPlace(house.card(), make_ask()):
                check_state(house)
                raise error
        assert caught.value is error
        check_empty(house)
        missing = isinstance(error, Fault) and error.code is Code.UPSTREAM_MODEL_MISSING
        assert (LLAMA in house.card().state.missing) is missing
        await trio.sleep(1)
        assert house.card().state.missing == set()  # a look has found it
        assert (await house.ask()).ok


async def test_a_place_of_which_nothing_was_entered_says_nothing(autojump_clock: object) -> None:
    async with open_card_house() as house:
        place = house.room.place(make_ask())
        assert place is not None
        assert (place.note, place.notes, place.predicted) == ("", (), None)
        assert house.room.place(make_ask(host="elsewhere")) is None


# -- any of them, at any moment ------------------------------------------------------------------------------------

MOMENTS = st.floats(0.0, 2 * LOAD_S + UNLOAD_S + 12.0)
Coming = tuple[str, str, float, float | None, str]
PLANS = st.lists(
    st.tuples(
        st.sampled_from([LLAMA, CODER]),
        st.sampled_from(["interactive", "background", "idle"]),
        MOMENTS,  # when it comes
        st.none() | MOMENTS,  # when it leaves
        st.sampled_from(["", "autocomplete"]),
    ),
    min_size=1,
    max_size=6,
)


@given(plan=PLANS, parallel=st.sampled_from([1, 2]))
@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
def test_whoever_leaves_whenever_the_card_is_clean(plan: list[Coming], parallel: int) -> None:
    trio.run(leave_at_will, plan, parallel, clock=MockClock(autojump_threshold=0))


async def leave_at_will(plan: list[Coming], parallel: int) -> None:
    async with open_card_house(make_settings(max_wait_s=60.0, background_max_wait_s=60.0)) as house:
        async with trio.open_nursery() as nursery:
            for model, priority, comes_s, leaves_s, task in plan:
                ask = make_ask(model, "20 words", priority=priority, task=task)
                nursery.start_soon(come_and_leave, house, ask, comes_s, leaves_s)
        for told in house.told:
            assert told.left or told.ok or told.code in ("upstream_busy", "superseded"), told.fault
        assert sum(len(tenant.running) for tenant in house.card().state.tenants.values()) == 0


async def come_and_leave(house: CardHouse, ask: Ask, comes_s: float, leaves_s: float | None) -> None:
    await trio.sleep(comes_s)
    told: Told = house.begin(ask)
    if leaves_s is not None:
        await trio.sleep(leaves_s)
        if not told.ended.is_set():
            told.leave()
    await told.wait()
    await settle()
    check_state(house)
