"""What happens to a server from outside: it restarts, others use it, models are deleted. No belief stays wrong."""

import msgspec
import pytest
import trio

from lodestard.domain.settings import LocalModel
from lodestard.simulator.card.figures import ServerSettings
from tests.fakes.card_house import (
    CODER,
    LARGE,
    LLAMA,
    LOAD_S,
    MACHINE,
    QWEN,
    check_state,
    counts,
    make_settings,
    open_card_house,
)

LONG = "100 words"
POLL_S = 15.0
CTX = {"options": {"num_ctx": 4096}}


async def test_a_restart_is_noticed_and_what_shall_be_there_comes_back(autojump_clock: object) -> None:
    settings = make_settings(models={LLAMA: LocalModel(default=True)})
    async with open_card_house(settings) as house:
        await trio.sleep(10)
        assert house.server.loaded == {LLAMA}
        house.server.restart(down_s=5.0)
        await trio.sleep(POLL_S + 7)
        assert house.resident == house.server.loaded == {LLAMA}
        assert house.server.loads == [LLAMA, LLAMA]
        assert counts(house)["restarts"] == 1
        assert house.state().reachable is True
        await trio.sleep(600)
        assert counts(house)["restarts"] == 1
        assert house.server.loads == [LLAMA, LLAMA]


async def test_a_restart_that_nobody_saw_down_is_counted_too(autojump_clock: object) -> None:
    async with open_card_house() as house:
        await house.ask()
        house.server.restart()
        await trio.sleep(POLL_S + 1)
        assert house.resident == set()
        assert counts(house)["restarts"] == 1


async def test_a_restart_while_requests_wait_and_run(autojump_clock: object) -> None:
    async with open_card_house() as house:
        await house.ask()
        running = house.start(LLAMA, LONG)
        await trio.sleep(1)
        waiting = house.start(LLAMA, principal="another")
        await trio.sleep(1)
        house.server.restart()
        await running.wait()
        assert running.code == "upstream_cut"
        await waiting.wait()
        assert waiting.ok
        await trio.sleep(60)
        assert house.resident == house.server.loaded == {LLAMA}
        assert counts(house)["restarts"] == 1
        check_state(house)


async def test_after_a_cut_nothing_begins_before_somebody_has_looked(autojump_clock: object) -> None:
    """Otherwise the server would load the model for the next request by itself, and abort that as its client left."""
    async with open_card_house() as house:
        await house.ask()
        running = house.start(LLAMA, LONG)
        await trio.sleep(1)
        waiting = house.start(LLAMA, principal="another")
        await trio.sleep(1)
        house.server.restart()
        await trio.sleep(2)
        assert running.code == "upstream_cut"
        assert house.server.loading == LLAMA
        waiting.leave()
        late = house.start(LLAMA)
        assert (await late.wait()).ok
        assert len(house.server.loads) == 2
        assert "unplanned" not in counts(house)


async def test_many_restarts(autojump_clock: object) -> None:
    async with open_card_house() as house:
        for down_s in (0.0, 3.0, 20.0):
            await house.ask()
            house.server.restart(down_s)
            await trio.sleep(50)
        assert counts(house)["restarts"] == 3
        assert (await house.ask()).ok


async def test_a_model_that_expires_is_no_restart(autojump_clock: object) -> None:
    async with open_card_house() as house:
        await house.ask()
        await trio.sleep(31 * 60)
        assert house.server.loaded == house.resident == set()
        assert "restarts" not in counts(house)


async def test_somebody_else_displaces_our_model(autojump_clock: object) -> None:
    async with open_card_house() as house:
        await house.ask()
        await house.server.other_loads(CODER, **CTX)
        await trio.sleep(POLL_S + 1)
        assert house.resident == house.server.loaded == {CODER}
        assert "restarts" not in counts(house)
        told = await house.ask(CODER)
        assert told.waited_s == 0.0
        told = await house.ask(LLAMA)
        assert told.ok
        assert told.notes[0].startswith(f"a swap from {CODER} to {LLAMA} took ")
        assert house.resident == house.server.loaded == {LLAMA}


async def test_an_answer_tells_that_somebody_else_displaced_its_model(autojump_clock: object) -> None:
    """Before the next look: the request is dialled, the server loads the model by itself, and says so."""
    async with open_card_house() as house:
        await house.ask()
        await house.server.other_loads(CODER, **CTX)
        told = await house.ask(LLAMA)
        assert told.ok
        assert told.waited_s == 0.0
        assert told.notes[-1].startswith(f"the server loaded {LLAMA} once more (5.")
        assert counts(house)["unplanned"] == 1
        await trio.sleep(1)
        assert house.resident == house.server.loaded == {LLAMA}


async def test_somebody_elses_model_goes_for_who_waits(autojump_clock: object) -> None:
    async with open_card_house(machine=LARGE) as house:
        await house.server.other_loads(QWEN)
        await trio.sleep(POLL_S + 1)
        assert house.resident == {QWEN}
        await house.ask(LLAMA)
        assert house.server.loaded == house.resident == {LLAMA}


async def test_two_models_of_somebody_else_make_room_for_one(autojump_clock: object) -> None:
    async with open_card_house(machine=LARGE) as house:
        for model in (QWEN, CODER):
            await house.server.other_loads(model)
        await trio.sleep(POLL_S + 1)
        assert house.resident == {QWEN, CODER}
        told = await house.ask(LLAMA)
        assert told.ok
        assert house.server.loaded == house.resident == {LLAMA}


async def test_somebody_else_loads_beside_us_during_our_load(autojump_clock: object) -> None:
    async with open_card_house(machine=LARGE) as house:
        told = house.start(LLAMA)
        await trio.sleep(1)
        house.nursery.start_soon(house.server.other_loads, QWEN)
        await told.wait()
        await trio.sleep(POLL_S + LOAD_S)
        assert house.resident == house.server.loaded == {LLAMA, QWEN}
        check_state(house)


async def test_somebody_unloads_our_model(autojump_clock: object) -> None:
    async with open_card_house() as house:
        await house.ask()
        await house.server.other({"model": LLAMA, "messages": [], "keep_alive": 0})
        await trio.sleep(POLL_S + 1)
        assert house.resident == set()
        assert (await house.ask()).waited_s == pytest.approx(LOAD_S, abs=0.1)


async def test_a_deleted_model(autojump_clock: object) -> None:
    async with open_card_house(make_settings(models={LLAMA: LocalModel(default=True)})) as house:
        await house.ask(CODER)
        await house.server.other({"model": LLAMA}, "/api/delete", "DELETE")
        told = await house.ask(LLAMA)
        assert told.code == "upstream_model_missing"
        await trio.sleep(POLL_S + 1)
        assert house.model(LLAMA).missing is True
        assert (await house.ask(CODER)).ok
        house.server.app.app.shelf.keep(MACHINE.models[1], 0)  # as after a pull
        await trio.sleep(POLL_S + 1)
        assert house.model(LLAMA).missing is False
        assert (await house.ask(LLAMA)).ok


async def test_a_missing_model_is_seen_by_looking(autojump_clock: object) -> None:
    async with open_card_house(make_settings(models={CODER: LocalModel()})) as house:
        await trio.sleep(1)
        assert house.model(CODER).missing is False
        await house.server.other({"model": CODER}, "/api/delete", "DELETE")
        await trio.sleep(20 * POLL_S + 1)
        assert house.model(CODER).missing is True


async def test_a_server_that_does_not_tell_its_context(autojump_clock: object) -> None:
    old = msgspec.structs.replace(MACHINE, server=ServerSettings(version="0.9.0", tells_context=False))
    async with open_card_house(machine=old) as house:
        assert (await house.ask()).ok
        assert house.model(LLAMA).context_tokens == 4096  # as it is configured
        assert house.state().version == "0.9.0"


async def test_memory_that_runs_out_in_an_answer(autojump_clock: object) -> None:
    """The server forgets all that it had; the next request finds that out, or a look does."""
    async with open_card_house() as house:
        await house.ask()
        house.server.fail("oom=1")
        told = await house.ask()
        assert told.code == "upstream_error"
        await trio.sleep(1)
        assert house.resident == set()
        assert (await house.ask()).ok
