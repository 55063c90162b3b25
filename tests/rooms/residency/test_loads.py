"""A load's own lifetime, and what a swap is: drain, unload, look, load."""

import pytest
import trio

from tests.fakes.card_house import (
    CODER,
    LLAMA,
    LOAD_S,
    UNLOAD_S,
    CardHouse,
    check_state,
    counts,
    make_settings,
    open_card_house,
)

LONG = "100 words"  # ten seconds


async def test_a_request_loads_its_model_and_is_answered(autojump_clock: object) -> None:
    async with open_card_house() as house:
        told = await house.ask()
        assert told.ok
        assert told.text.startswith("word")
        assert told.waited_s == pytest.approx(LOAD_S, abs=0.01)
        assert house.resident == house.server.loaded == {LLAMA}
        assert told.notes == ["loading llama3.1:8b took 4.0 s", "waited 4.0 s for t600"]
        assert counts(house) == {"loads": 1}


async def test_what_is_in_memory_is_asked_at_once(autojump_clock: object) -> None:
    async with open_card_house() as house:
        await house.ask()
        told = await house.ask()
        assert (told.ok, told.waited_s, told.notes) == (True, 0.0, [])
        assert house.server.loads == [LLAMA]


@pytest.mark.parametrize("after_s", [0.01, 0.5, LOAD_S - 0.001])
async def test_who_leaves_during_a_load_aborts_nothing(autojump_clock: object, after_s: float) -> None:
    async with open_card_house() as house:
        told = house.start()
        await trio.sleep(after_s)
        told.leave()
        await told.wait()
        await trio.sleep(LOAD_S)
        assert house.server.loaded == house.resident == {LLAMA}
        assert house.server.questions == []
        again = await house.ask()
        assert again.waited_s == 0.0


async def test_who_leaves_before_the_load_has_begun_costs_no_load_of_another(autojump_clock: object) -> None:
    """One who waited for a swap has left: there is nothing to swap for any more."""
    async with open_card_house() as house:
        await house.ask()
        long = house.start(LLAMA, LONG)
        await trio.sleep(1)
        other = house.start(CODER)
        await trio.sleep(1)
        other.leave()
        await long.wait()
        await trio.sleep(10)
        assert house.server.loads == [LLAMA]
        assert house.resident == {LLAMA}


async def test_a_swap_drains_unloads_looks_and_loads(autojump_clock: object) -> None:
    async with open_card_house() as house:
        await house.ask()
        long = house.start(LLAMA, LONG)
        await trio.sleep(1)
        other = house.start(CODER)
        await trio.sleep(1)
        assert house.state().step == "draining"
        await long.wait()
        await other.wait()
        assert long.ok
        assert other.ok
        assert long.ended_s is not None
        kinds = [(what, model) for _, what, model in house.server.news]
        assert kinds[2:] == [("kill", LLAMA), ("load", CODER), ("ready", CODER)]
        killed_s, loaded_s, ready_s = (at for at, _, _ in house.server.news[2:])
        assert killed_s == pytest.approx(long.ended_s, abs=0.01)
        assert loaded_s - killed_s == pytest.approx(UNLOAD_S, abs=0.05)  # the simulator waits for its memory
        assert other.begun_s == pytest.approx(ready_s, abs=0.01)
        assert other.notes[0].startswith(f"a swap from {LLAMA} to {CODER} took ")
        assert counts(house)["swaps"] == 1


async def test_the_next_load_begins_when_the_server_lists_the_last_one_no_more(autojump_clock: object) -> None:
    """Somebody else's request keeps the resident busy: it goes when that has ended, and only then comes the next."""
    async with open_card_house() as house:
        await house.ask()
        body = {"model": LLAMA, "messages": [{"role": "user", "content": LONG}], "options": {"num_ctx": 4096}}
        house.nursery.start_soon(house.server.other, body)
        await trio.sleep(1)
        other = house.start(CODER)
        await trio.sleep(5)
        assert house.state().step == "unloading"
        check_state(house)
        assert house.server.loads == [LLAMA]
        await other.wait()
        assert other.ok
        assert other.waited_s > 9 + LOAD_S


async def test_waiters_of_one_model_get_their_places_in_order(autojump_clock: object) -> None:
    async with open_card_house() as house:
        told = []
        for number in range(5):
            told.append(house.start(principal=f"p{number}"))
            await trio.sleep(0.1)
        told[2].leave()
        for one in told:
            await one.wait()
        begun = [one.begun_s for one in told if not one.left]
        assert all(one.ok for one in told if not one.left)
        assert begun == sorted(begun)  # type: ignore[type-var]
        assert told[2].begun_s is None
        assert house.server.loads == [LLAMA]
        assert len(house.server.questions) == 4


async def test_a_load_reports_how_long_it_will_take_once_it_is_known(autojump_clock: object) -> None:
    async with open_card_house() as house:
        for model in (LLAMA, CODER, LLAMA):
            await house.ask(model)
        told = house.start(CODER)
        await trio.sleep(UNLOAD_S + 2)
        assert told.place is not None
        state = check_state(house)
        assert (state.step, state.step_model) == ("loading", CODER)
        assert told.place.note.startswith(f"loading {CODER}, about ")
        await told.wait()
        assert told.place.note == ""
        assert told.place.predicted is not None
        assert told.place.predicted.likely_s == pytest.approx(told.waited_s, abs=2.0)


async def test_the_last_loads_are_listed(autojump_clock: object) -> None:
    async with open_card_house() as house:
        for model in (LLAMA, CODER) * 6:
            await house.ask(model)
        swaps = house.state().swaps
        assert len(swaps) == 10
        assert swaps[-1].model == CODER
        assert swaps[-1].left == LLAMA
        assert swaps[-1].why == "a request"
        assert swaps[-1].took_s >= LOAD_S


async def test_a_model_without_a_tag_is_one_with_its_tag(autojump_clock: object) -> None:
    """The server lists ``x:latest`` where the configuration says ``x``."""
    async with open_card_house(make_settings()) as house:
        assert (await house.ask("Llama3.1:8b")).ok
        assert house.resident == {LLAMA}
        assert (await house.ask(LLAMA)).waited_s == 0.0
        assert house.server.loads == [LLAMA]


async def test_options_of_clients_never_reach_a_load(autojump_clock: object) -> None:
    async with open_card_house() as house:
        await house.ask()
        (load,) = [body for body in house.server.app.bodies if not body["messages"]]
        assert load["options"] == {"num_ctx": 4096}
        assert load["keep_alive"] == "30m"
        (question,) = house.server.questions
        assert question["truncate"] is False
        assert "shift" not in question
        assert question["options"]["num_ctx"] == 4096


async def test_two_hosts_move_each_its_own(autojump_clock: object, two_hosts: CardHouse) -> None:
    house = two_hosts
    told = [house.start(LLAMA), house.start(CODER, host="gamer")]
    for one in told:
        await one.wait()
        assert one.waited_s == pytest.approx(LOAD_S, abs=0.01)
    assert house.server.loaded == {LLAMA}
    assert {model.model for model in house.state("gamer").models if model.resident} == {CODER}
    assert house.state("gamer").counts.loads == house.state("t600").counts.loads == 1
