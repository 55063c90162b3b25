"""What happens to a server from outside: it restarts, others use it, models are deleted. No belief stays wrong."""

from typing import Any

import msgspec
import pytest
import trio

from lodestard.domain.host_ports import ModelHost
from lodestard.domain.residency import LoadedModel
from lodestard.domain.settings import LocalModel
from lodestard.simulator.card.figures import ServerSettings
from tests.fakes.card_house import (
    CODER,
    LARGE,
    LLAMA,
    LOAD_S,
    MACHINE,
    QWEN,
    UNLOAD_S,
    CardHouse,
    check_state,
    counts,
    make_settings,
    make_upstream,
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


# -- a keep-alive that runs out between two looks ------------------------------------------------------------------

SHORT = make_settings({"t600": make_upstream(keep_alive="20s")})
EXPIRED_S = 22.0
"""After an answer: its model has gone, and nobody has looked since it was there."""


async def test_who_leaves_while_an_expired_model_comes_back_aborts_no_load(autojump_clock: object) -> None:
    async with open_card_house(SHORT) as house:
        await house.ask()
        await trio.sleep(EXPIRED_S)
        assert house.resident == {LLAMA}
        assert house.server.loaded == set()
        told = house.start(LLAMA, LONG)
        await trio.sleep(LOAD_S / 2)
        assert house.server.loading == LLAMA
        told.leave()
        await house.moves_end()
        assert house.server.aborted == 0
        assert house.server.loaded == house.resident == {LLAMA}
        assert house.server.loads == [LLAMA, LLAMA]
        assert counts(house)["loads"] == 2
        assert "restarts" not in counts(house)


async def test_the_planner_begins_nothing_on_an_expired_model_either(autojump_clock: object) -> None:
    """It comes a moment before the model goes, and has to wait until nobody types any more."""
    async with open_card_house(SHORT) as house:
        await house.ask()
        await trio.sleep(EXPIRED_S - 2.5)
        house.card().state.awaited_s = trio.current_time()
        told = house.start(LLAMA, priority="background")
        assert (await told.wait()).ok
        assert told.waited_s == pytest.approx(0.5 + UNLOAD_S + LOAD_S, abs=0.1)
        assert "unplanned" not in counts(house)
        assert house.server.loads == [LLAMA, LLAMA]


async def test_a_model_that_expires_while_another_one_is_loaded(autojump_clock: object) -> None:
    settings = make_settings({"t600": make_upstream(keep_alive="20s", resident_models=2, concurrency=2)})
    async with open_card_house(settings, LARGE) as house:
        await house.ask()
        await trio.sleep(EXPIRED_S - 3.0)
        coder = house.start(CODER)
        await trio.sleep(3.0)
        assert house.server.loading == CODER
        assert house.server.loaded == set()
        told = house.start(LLAMA)
        assert (await coder.wait()).ok
        assert (await told.wait()).ok
        assert counts(house)["loads"] == 3
        assert "unplanned" not in counts(house)


class Lagging:
    """A host whose clock is an hour behind: all that it lists should have gone. ``looks`` counts the lists."""

    def __init__(self, host: ModelHost) -> None:
        self._host = host
        self.looks = 0

    async def loaded(self) -> list[LoadedModel]:
        self.looks += 1
        hour_ms = 3_600_000
        return [
            msgspec.structs.replace(one, expires_ms=(one.expires_ms or 0) - hour_ms)
            for one in await self._host.loaded()
        ]

    def __getattr__(self, name: str) -> Any:
        return getattr(self._host, name)


async def test_a_server_whose_clock_is_behind_is_looked_at_once_for_each_request(autojump_clock: object) -> None:
    hosts: list[Lagging] = []

    def lag(house: CardHouse) -> None:
        def wrap(host: ModelHost) -> Lagging:
            hosts.append(Lagging(host))
            return hosts[-1]

        house.wrap = wrap

    async with open_card_house(before=lag) as house:
        await house.ask()
        await trio.sleep(1)
        before = hosts[0].looks
        for _ in range(3):
            told = await house.ask()
            assert told.ok
            assert told.waited_s < 0.01
            await trio.sleep(1)
        assert hosts[0].looks == before + 3
        assert house.server.loads == [LLAMA]
