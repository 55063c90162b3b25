"""Who may wait, how long, and who makes room for whom."""

import pytest
import trio

from lodestard.domain.errors import CallerFault, UpstreamFault
from tests.fakes.card_house import (
    CODER,
    LLAMA,
    LOAD_S,
    check_state,
    counts,
    make_settings,
    open_card_house,
)

LONG = "100 words"
EDITOR = {"client": "continue", "task": "autocomplete", "session": "editor", "said_session": "editor"}


async def test_a_completion_that_waits_makes_room_for_a_newer_one(autojump_clock: object) -> None:
    async with open_card_house() as house:
        await house.ask()
        running = house.start(LLAMA, LONG)
        await trio.sleep(1)
        old = house.start(LLAMA, "a", **EDITOR)
        await trio.sleep(1)
        new = house.start(LLAMA, "ab", **EDITOR)
        await old.wait()
        assert (old.code, old.ended_s, old.sent) == ("superseded", new.asked_s, False)
        assert isinstance(old.fault, CallerFault)
        assert counts(house)["superseded"] == 1
        assert (await running.wait()).ok
        assert (await new.wait()).ok


async def test_a_completion_that_runs_makes_room_for_a_newer_one(autojump_clock: object) -> None:
    async with open_card_house() as house:
        await house.ask()
        old = house.start(LLAMA, LONG, **EDITOR)
        await trio.sleep(1)
        new = house.start(LLAMA, "ab", **EDITOR)
        await old.wait()
        assert (old.code, old.sent) == ("superseded", True)
        assert old.ended_s == pytest.approx(new.asked_s, abs=0.01)
        assert (await new.wait()).waited_s == pytest.approx(0.0, abs=0.01)
        assert counts(house)["superseded"] == 1


async def test_another_editors_completion_stays(autojump_clock: object) -> None:
    async with open_card_house() as house:
        await house.ask()
        one = house.start(LLAMA, "20 words", **EDITOR)
        await trio.sleep(0.5)
        two = house.start(LLAMA, "b", **{**EDITOR, "session": "other", "said_session": "other"})
        three = house.start(LLAMA, "c", **{**EDITOR, "principal": "mia"})
        for told in (one, two, three):
            assert (await told.wait()).ok
        assert "superseded" not in counts(house)


async def test_idle_work_is_stopped_for_who_waits(autojump_clock: object) -> None:
    async with open_card_house() as house:
        await house.ask()
        idle = house.start(LLAMA, LONG, priority="idle")
        await trio.sleep(3)
        assert idle.begun_s is not None
        told = house.start(LLAMA)
        await idle.wait()
        assert idle.code == "upstream_busy"
        assert isinstance(idle.fault, UpstreamFault)
        assert "stopped on t600" in idle.fault.message
        assert (await told.wait()).waited_s == pytest.approx(0.0, abs=0.01)
        assert counts(house)["preempted"] == 1
        check_state(house)


async def test_idle_work_waits_until_there_is_nothing_else(autojump_clock: object) -> None:
    async with open_card_house() as house:
        await house.ask()
        running = house.start(LLAMA, LONG)
        await trio.sleep(1)
        idle = house.start(LLAMA, priority="idle")
        background = house.start(LLAMA, priority="background")
        for told in (running, idle, background):
            assert (await told.wait()).ok
        assert running.ended_s is not None
        assert background.begun_s is not None
        assert idle.begun_s is not None
        assert running.ended_s < background.begun_s < idle.begun_s


async def test_background_work_lingers_before_it_swaps(autojump_clock: object) -> None:
    """A person has just been served by llama: background work for coder gives her half a minute."""
    async with open_card_house() as house:
        told = await house.ask(LLAMA)
        background = await house.ask(CODER, priority="background")
        assert background.ok
        assert told.ended_s is not None
        assert background.begun_s is not None
        assert background.begun_s - told.ended_s == pytest.approx(30.0 + LOAD_S + 1, abs=0.2)


async def test_a_queue_that_is_full(autojump_clock: object) -> None:
    async with open_card_house(make_settings(max_waiting=2)) as house:
        told = [house.start() for _ in range(3)]
        await trio.sleep(1)
        refused = [one for one in told if one.ended.is_set()]
        assert [one.code for one in refused] == ["upstream_busy"]
        assert refused[0].fault is not None
        assert "residency.max_waiting" in refused[0].fault.message


@pytest.mark.parametrize("runs", [False, True])
async def test_a_newer_completion_takes_the_older_ones_place_in_a_queue_that_is_full(
    autojump_clock: object, runs: bool
) -> None:
    async with open_card_house(make_settings(max_waiting=2)) as house:
        await house.ask()
        first = house.start(LLAMA, LONG, **(EDITOR if runs else {}))
        await trio.sleep(1)
        others = [house.start(LLAMA, principal="mia") for _ in range(2 if runs else 1)]
        await trio.sleep(1)
        old = first if runs else house.start(LLAMA, "a", **EDITOR)
        await trio.sleep(1)
        assert len(house.card().state.queue) == 2
        new = house.start(LLAMA, "ab", **EDITOR)
        await old.wait()
        assert (old.code, old.sent) == ("superseded", runs)
        for told in (new, *others):
            assert (await told.wait()).ok


async def test_a_completion_that_does_not_fit_replaces_nobody(autojump_clock: object) -> None:
    async with open_card_house() as house:
        await house.ask()
        old = house.start(LLAMA, "20 words", **EDITOR)
        await trio.sleep(0.5)
        assert (await house.ask(LLAMA, "20 words " + "word " * 20_000, **EDITOR)).code == "context_length_exceeded"
        assert (await old.wait()).ok


async def test_nobody_waits_longer_than_allowed(autojump_clock: object) -> None:
    async with open_card_house(make_settings(max_wait_s=5.0, patience_s=100.0, dwell_s=100.0)) as house:
        await house.ask()
        running = house.start(LLAMA, LONG)
        await trio.sleep(1)
        told = await house.ask(CODER)
        assert told.code == "upstream_busy"
        assert told.ended_s == pytest.approx(told.asked_s + 5.0, abs=0.01)
        assert told.fault is not None
        assert "waited 5 s" in told.fault.message
        assert counts(house)["given_up"] == 1
        assert (await running.wait()).ok
        await trio.sleep(20)
        assert house.resident == {LLAMA}


async def test_who_gives_up_during_the_load_leaves_the_load(autojump_clock: object) -> None:
    async with open_card_house(make_settings(max_wait_s=2.0)) as house:
        told = await house.ask()
        assert told.code == "upstream_busy"
        assert told.ended_s == pytest.approx(2.0, abs=0.01)
        await trio.sleep(LOAD_S)
        assert house.resident == house.server.loaded == {LLAMA}
        assert (await house.ask()).ok


async def test_a_dwell_by_requests(autojump_clock: object) -> None:
    """Who waits for another model gets it after so many requests for this one, however they go on coming."""
    async with open_card_house(make_settings(dwell_requests=4, dwell_s=1_000.0, patience_s=1_000.0)) as house:
        await house.ask(LLAMA)
        first = house.start(LLAMA, "20 words")
        await trio.sleep(0.1)
        other = house.start(CODER)
        await trio.sleep(0.1)
        rivals = [house.start(LLAMA, "20 words", principal=f"p{number}") for number in range(8)]
        for told in (first, other, *rivals):
            assert (await told.wait()).ok
        assert other.begun_s is not None
        before = [told for told in rivals if (told.begun_s or 0) < other.begun_s]
        assert len(before) == 4


async def test_a_dwell_by_time(autojump_clock: object) -> None:
    async with open_card_house(make_settings(dwell_requests=100, dwell_s=12.0, patience_s=1_000.0)) as house:
        await house.ask(LLAMA)
        first = house.start(LLAMA, "20 words")
        await trio.sleep(0.1)
        other = house.start(CODER)
        await trio.sleep(0.1)
        rivals = [house.start(LLAMA, "20 words", principal=f"p{number}") for number in range(20)]
        for told in (first, other, *rivals):
            assert (await told.wait()).ok
        assert other.waited_s == pytest.approx(12.0 + 1 + LOAD_S, abs=2.5)


async def test_patience_that_is_over(autojump_clock: object) -> None:
    """Whoever is overdue is next, whatever came since."""
    async with open_card_house(make_settings(dwell_requests=100, dwell_s=1_000.0, patience_s=10.0)) as house:
        await house.ask(LLAMA)
        first = house.start(LLAMA, "20 words")
        await trio.sleep(0.1)
        other = house.start(CODER)
        await trio.sleep(0.1)
        rivals = [house.start(LLAMA, "20 words", principal=f"p{number}") for number in range(20)]
        for told in (first, other, *rivals):
            assert (await told.wait()).ok
        assert 10.0 < other.waited_s < 10.0 + 2.5 + 1 + LOAD_S


async def test_who_had_less_of_the_card_is_next(autojump_clock: object) -> None:
    async with open_card_house() as house:
        await house.ask(LLAMA, LONG, principal="hog")
        running = house.start(LLAMA, "20 words", principal="hog")
        await trio.sleep(0.5)
        hog = [house.start(LLAMA, principal="hog") for _ in range(3)]
        await trio.sleep(0.1)
        modest = house.start(LLAMA, principal="modest")
        for told in (running, *hog, modest):
            assert (await told.wait()).ok
        assert all((one.begun_s or 0) > (modest.begun_s or 0) for one in hog)
