"""Several models in memory, several requests at once, several hosts: whoever can, goes on."""

import msgspec
import pytest
import trio

from lodestard.domain.residency import Wait
from lodestard.domain.settings import LocalModel
from lodestard.domain.upstream import Candidate, Plan, Target
from lodestard.routing.soonest import arrange
from tests.fakes.card_house import (
    CODER,
    LARGE,
    LLAMA,
    MACHINE,
    MOONDREAM,
    QWEN,
    CardHouse,
    check_state,
    counts,
    make_settings,
    make_upstream,
    open_card_house,
)

LONG = "100 words"
TWO = make_settings({"t600": make_upstream(resident_models=2, concurrency=4)})


async def test_two_stay_and_are_asked_at_once(autojump_clock: object) -> None:
    async with open_card_house(TWO, LARGE) as house:
        await house.ask(LLAMA)
        await house.ask(QWEN)
        one, two = house.start(LLAMA, LONG), house.start(QWEN, LONG)
        await trio.sleep(1)
        assert (one.waited_s, two.waited_s) == (0.0, 0.0)
        assert check_state(house).step == "serving"
        assert (await one.wait()).ok
        assert (await two.wait()).ok
        assert house.server.loads == [LLAMA, QWEN]


async def test_a_third_takes_the_place_of_the_one_that_is_missed_least(autojump_clock: object) -> None:
    async with open_card_house(TWO, LARGE) as house:
        await house.ask(LLAMA)
        await house.ask(QWEN)
        running = house.start(LLAMA, LONG)
        await trio.sleep(1)
        assert (await house.ask(CODER)).ok
        assert house.resident == house.server.loaded == {LLAMA, CODER}
        assert (await running.wait()).ok
        assert [what for _, what, _ in house.server.news if what == "kill"] == ["kill"]


async def test_a_load_beside_a_running_request(autojump_clock: object) -> None:
    async with open_card_house(TWO, LARGE) as house:
        await house.ask(LLAMA)
        running = house.start(LLAMA, LONG)
        await trio.sleep(1)
        assert (await house.ask(QWEN)).ok
        assert not running.ended.is_set()
        assert (await running.wait()).ok
        assert "swaps" not in counts(house)


async def test_never_more_than_may_be(autojump_clock: object) -> None:
    async with open_card_house(TWO, LARGE) as house:
        most = 0

        def look(_what: str, _model: object) -> None:
            nonlocal most
            scheduler = house.server.app.app.scheduler
            most = max(most, len(scheduler._runners) + bool(scheduler.loading))

        house.server.app.app.scheduler.on_news = look
        told = [house.start(model, principal=name) for name in "abc" for model in (LLAMA, QWEN, CODER, MOONDREAM)]
        for one in told:
            assert (await one.wait()).ok
        assert most == 2


async def test_so_many_at_once_as_a_model_may_answer(autojump_clock: object) -> None:
    parallel = msgspec.structs.replace(MACHINE, server=msgspec.structs.replace(MACHINE.server, parallel=2))
    settings = make_settings({"t600": make_upstream(concurrency=2, models={LLAMA: LocalModel(parallel=2)})})
    async with open_card_house(settings, parallel) as house:
        told = [house.start(LLAMA, "60 words") for _ in range(5)]
        for one in told:
            assert (await one.wait()).ok
        begun = sorted(one.begun_s or 0 for one in told)
        assert begun[0] == begun[1] == pytest.approx(4.0, abs=0.1)
        assert begun[2] == pytest.approx(begun[3], abs=0.1)
        assert begun[4] - begun[2] == pytest.approx(begun[2] - begun[0], abs=0.1)
        assert begun[2] - begun[0] > 5
        assert house.server.reloads == 0


async def test_the_same_model_on_two_hosts_is_asked_where_it_is(autojump_clock: object, two_hosts: CardHouse) -> None:
    house = two_hosts
    targets = [Target("t600", LLAMA), Target("gamer", LLAMA)]
    plan = Plan(alias="llama", candidates=tuple(free(target) for target in targets), reason="the first that is up")

    def wait_of(target: Target) -> Wait | None:
        return house.room.predicted_wait(target, 100)

    await house.ask(LLAMA, host="gamer")
    found = arrange(plan, wait_of)
    assert [candidate.target.upstream for candidate in found.candidates] == ["gamer", "t600"]
    assert found.reason == "the first that is up; soonest on gamer/llama3.1:8b"
    await house.ask(LLAMA, host="t600")
    assert arrange(plan, wait_of).candidates[0].target.upstream == "t600"
    running = [house.start(LLAMA, LONG, host="t600") for _ in range(3)]
    await trio.sleep(1)
    found = arrange(plan, wait_of)
    assert [candidate.target.upstream for candidate in found.candidates] == ["gamer", "t600"]
    waits = [candidate.predicted_wait_s or 0.0 for candidate in found.candidates]
    assert waits[0] < waits[1] - 1
    for told in running:
        await told.wait()


def free(target: Target) -> Candidate:
    return Candidate(target=target, dialect="ollama", price=None, free=True, up=True)
