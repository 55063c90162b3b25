"""What is kept in memory while nobody waits, by the configuration: warm, default, pinned, guessed."""

from typing import Any

import msgspec
import pytest
import trio

from lodestard.domain.host_ports import ModelHost
from lodestard.domain.settings import LocalModel
from lodestard.domain.upstream import Target
from tests.fakes.card_house import (
    CODER,
    LARGE,
    LLAMA,
    LOAD_S,
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
T600_LLAMA, T600_CODER = Target("t600", LLAMA), Target("t600", CODER)
MINUTE_S = 60.0


class Slow:
    """A host whose answers to some questions take so much longer on their way."""

    def __init__(self, host: ModelHost, **seconds: float) -> None:
        self._host = host
        self._seconds = seconds

    def __getattr__(self, name: str) -> Any:
        ask = getattr(self._host, name)

        async def late(*arguments: Any) -> Any:
            found = await ask(*arguments)
            await trio.sleep(self._seconds[name])
            return found

        return late if name in self._seconds else ask


def renewals(house: CardHouse, model: str) -> int:
    """Empty requests for it that were no unload, beside those that loaded it."""
    asked = [
        body
        for body in house.server.app.bodies
        if body.get("messages") == [] and body["model"] == model and body.get("keep_alive") != 0
    ]
    return len(asked) - house.server.loads.count(model)


# -- the configuration ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("word", ["warm", "default", "pinned"])
async def test_it_is_there_from_the_start(autojump_clock: object, word: str) -> None:
    async with open_card_house(make_settings(models={LLAMA: msgspec.convert({word: True}, LocalModel)})) as house:
        await trio.sleep(LOAD_S + 1)
        assert house.server.loaded == house.resident == {LLAMA}
        assert (await house.ask()).waited_s == 0.0
        assert counts(house)["speculative"] == 1
        assert house.state().swaps[0].why != "a request"


async def test_what_is_kept_is_renewed_and_the_rest_expires(autojump_clock: object) -> None:
    settings = make_settings(
        {
            "t600": make_upstream(
                models={LLAMA: LocalModel(warm=True)}, keep_alive="10m", resident_models=2, concurrency=2
            )
        }
    )
    async with open_card_house(settings, LARGE) as house:
        await trio.sleep(LOAD_S + 1)
        await house.ask(QWEN)
        assert house.server.loaded == house.resident == {LLAMA, QWEN}
        assert house.model(LLAMA).renewed is True
        assert house.model(QWEN).renewed is False
        await trio.sleep(11 * MINUTE_S)
        assert house.server.loaded == house.resident == {LLAMA}
        await trio.sleep(60 * MINUTE_S)
        assert house.server.loaded == house.resident == {LLAMA}
        assert house.server.loads == [LLAMA, QWEN]
        assert 6 <= renewals(house, LLAMA) <= 9
        assert renewals(house, QWEN) == 0
        assert "restarts" not in counts(house)


async def test_a_default_comes_back_when_all_is_quiet(autojump_clock: object) -> None:
    async with open_card_house(make_settings(models={LLAMA: LocalModel(default=True)}, quiet_s=120.0)) as house:
        await trio.sleep(10)
        told = await house.ask(CODER)
        assert told.ended_s is not None
        await trio.sleep(119)
        assert house.resident == {CODER}
        await trio.sleep(LOAD_S + 3)
        assert house.resident == house.server.loaded == {LLAMA}
        state = check_state(house)
        assert state.swaps[-1].why == "the default comes back when all is quiet"
        assert "swaps" in counts(house)  # that to CODER; for nobody none is counted
        assert counts(house)["swaps"] == 1


async def test_requests_keep_a_default_away(autojump_clock: object) -> None:
    async with open_card_house(make_settings(models={LLAMA: LocalModel(default=True)}, quiet_s=120.0)) as house:
        for _ in range(10):
            await house.ask(CODER)
            await trio.sleep(100)
        assert house.server.loads[-1] == CODER
        assert house.resident == {CODER}


async def test_warm_models_fill_what_room_there_is(autojump_clock: object) -> None:
    warm = {LLAMA: LocalModel(warm=True), QWEN: LocalModel(warm=True), MOONDREAM: LocalModel(warm=True)}
    settings = make_settings({"t600": make_upstream(models=warm, resident_models=2)})
    async with open_card_house(settings, LARGE) as house:
        await trio.sleep(60)
        assert house.resident == house.server.loaded == {LLAMA, QWEN}


async def test_a_model_kept_warm_comes_back_after_somebody_displaced_it_and_went(autojump_clock: object) -> None:
    async with open_card_house(make_settings(models={LLAMA: LocalModel(warm=True)})) as house:
        await trio.sleep(10)
        await house.server.other_loads(CODER, keep_alive="2m")
        await trio.sleep(60)
        assert house.resident == {CODER}  # whoever loaded it may want it still
        await trio.sleep(100)
        assert house.resident == house.server.loaded == {LLAMA}


async def test_a_keep_alive_of_nought_is_no_restart(autojump_clock: object) -> None:
    async with open_card_house(make_settings({"t600": make_upstream(keep_alive=0)})) as house:
        assert (await house.ask()).ok
        await trio.sleep(60)
        assert house.resident == house.server.loaded == set()
        assert "restarts" not in counts(house)
        assert (await house.ask()).ok


# -- guesses -------------------------------------------------------------------------------------------------------


async def teach(house: CardHouse, times: int = 4) -> None:
    """Somebody who always asks coder after llama, some seconds later."""
    for _ in range(times):
        await house.ask(LLAMA, task="architect", session="s")
        await trio.sleep(20)
        await house.ask(CODER, task="edit", session="s")
        await trio.sleep(20)


async def test_a_right_guess_is_there_before_it_is_asked_for(autojump_clock: object) -> None:
    async with open_card_house(make_settings(predict=True)) as house:
        await teach(house)
        told = await house.ask(LLAMA, task="architect", session="s")
        before = counts(house).get("speculative_hits", 0)
        assert told.ok
        await trio.sleep(20)
        assert house.resident == house.server.loaded == {CODER}
        told = await house.ask(CODER, task="edit", session="s")
        assert told.waited_s == 0.0
        assert counts(house)["speculative_hits"] == before + 1
        assert house.state().next_percent is not None


async def test_a_guess_is_given_up_for_who_comes(autojump_clock: object) -> None:
    """The one kind of load that is ever aborted."""
    async with open_card_house(make_settings(predict=True), aborted=1) as house:
        await teach(house)
        await house.ask(LLAMA, task="architect", session="s")
        await house.server.wait_news("load")
        told = await house.ask(QWEN, session="another")
        assert told.ok
        assert house.server.aborted == 1
        assert counts(house)["cancelled_loads"] == 1
        assert house.resident == house.server.loaded == {QWEN}


async def test_a_guess_that_comes_true_while_it_is_loaded_goes_on(autojump_clock: object) -> None:
    async with open_card_house(make_settings(predict=True)) as house:
        await teach(house)
        await house.ask(LLAMA, task="architect", session="s")
        await house.server.wait_news("load")
        await trio.sleep(0.5)
        coder = house.start(CODER, task="edit", session="s")
        await trio.sleep(0.1)
        other = house.start(QWEN, session="another")
        await other.wait()
        assert coder.ok
        assert 0.0 < coder.waited_s < LOAD_S
        assert other.ok


async def test_a_guess_that_is_done_as_it_is_given_up_is_seen(autojump_clock: object) -> None:
    """The server has said that it is loaded, we are asking what is in memory: it is there, and must go first."""

    def slow(house: CardHouse) -> None:
        house.wrap = lambda host: Slow(host, loaded=0.5)

    async with open_card_house(make_settings(models={LLAMA: LocalModel(warm=True)}), LARGE, before=slow) as house:
        await trio.sleep(0.5 + LOAD_S + 0.2)
        assert house.server.loaded == {LLAMA}
        assert house.state().step == "loading"
        assert (await house.ask(CODER)).ok
        assert counts(house)["cancelled_loads"] == 1
        assert [what for _, what, _ in house.server.news] == ["load", "ready", "kill", "load", "ready"]
        assert house.server.loaded == house.resident == {CODER}


async def test_a_renewal_never_brings_back_what_goes(autojump_clock: object) -> None:
    """A slow renewal is under way as its model is told to go."""

    def slow(house: CardHouse) -> None:
        house.wrap = lambda host: Slow(host, load=2.0)

    settings = make_settings({"t600": make_upstream(keep_alive="5m", models={LLAMA: LocalModel(warm=True)})})
    async with open_card_house(settings, before=slow) as house:
        await trio.sleep(LOAD_S + 3)
        for _ in range(1_000):
            if renewals(house, LLAMA):
                break
            await trio.sleep(0.5)
        assert await house.room.unload(T600_LLAMA) is True
        await trio.sleep(60)
        assert house.server.loaded == house.resident == set()
