"""What a person tells a card, and what survives the daemon: warm, unload, pin, lend, pull."""

import msgspec
import pytest
import trio

from lodestard.domain.errors import CallerFault, Code, UpstreamFault
from lodestard.domain.settings import LocalModel
from lodestard.domain.upstream import Target
from tests.fakes.card_house import (
    CODER,
    LLAMA,
    LOAD_S,
    QWEN,
    CardHouse,
    check_state,
    make_settings,
    open_card_house,
    settle,
)
from tests.fakes.card_server import CLOCK
from tests.fakes.memory_keepsake import MemoryKeepsake

LONG = "100 words"
T600_LLAMA, T600_CODER = Target("t600", LLAMA), Target("t600", CODER)
MINUTE_S = 60.0


async def test_warm_waits_until_it_is_there(autojump_clock: object) -> None:
    async with open_card_house() as house:
        assert await house.room.warm(T600_LLAMA) == pytest.approx(LOAD_S, abs=0.1)
        assert house.resident == {LLAMA}
        assert await house.room.warm(T600_LLAMA) == 0.0
        assert house.server.questions == []


async def test_warm_waits_for_what_runs(autojump_clock: object) -> None:
    async with open_card_house() as house:
        await house.ask(CODER)
        running = house.start(CODER, LONG)
        await trio.sleep(1)
        took_s = await house.room.warm(T600_LLAMA)
        assert running.ok
        assert took_s > 9
        assert house.resident == {LLAMA}


async def test_warm_that_nobody_waits_for_goes_on(autojump_clock: object) -> None:
    async with open_card_house() as house:
        with trio.move_on_after(1):
            await house.room.warm(T600_LLAMA)
        await trio.sleep(LOAD_S)
        assert house.resident == {LLAMA}


async def test_warm_of_what_is_missing(autojump_clock: object) -> None:
    async with open_card_house() as house:
        with pytest.raises(UpstreamFault) as caught:
            await house.room.warm(Target("t600", "mixtral:8x7b"))
        assert caught.value.code is Code.UPSTREAM_MODEL_MISSING


async def test_unload_waits_for_what_runs_and_lets_nothing_begin(autojump_clock: object) -> None:
    async with open_card_house(make_settings(models={LLAMA: LocalModel(default=True)}, quiet_s=100.0)) as house:
        await house.ask()
        running = house.start(LLAMA, LONG)
        await trio.sleep(1)
        later: list[bool] = []

        async def unload() -> None:
            later.append(await house.room.unload(T600_LLAMA))

        house.nursery.start_soon(unload)
        house.nursery.start_soon(unload)
        await trio.sleep(1)
        assert later == []
        check_state(house)
        await running.wait()
        await trio.sleep(2)
        assert later == [True, True]
        assert house.server.loaded == house.resident == set()
        assert await house.room.unload(T600_LLAMA) is False
        await trio.sleep(80)
        assert house.resident == set()  # it does not come back unasked
        await trio.sleep(60)
        assert house.resident == {LLAMA}  # before all is quiet for long enough


async def test_what_was_told_to_go_comes_back_for_who_asks(autojump_clock: object) -> None:
    async with open_card_house() as house:
        await house.ask()
        running = house.start(LLAMA, LONG)
        await trio.sleep(1)
        house.nursery.start_soon(house.room.unload, T600_LLAMA)
        await trio.sleep(1)
        waiting = house.start(LLAMA)
        await waiting.wait()
        assert running.ok
        assert waiting.ok
        assert house.server.loads == [LLAMA, LLAMA]


async def test_an_unload_that_nobody_waits_for_goes_on(autojump_clock: object) -> None:
    async with open_card_house() as house:
        await house.ask()
        running = house.start(LLAMA, LONG)
        await trio.sleep(1)
        with trio.move_on_after(1):
            await house.room.unload(T600_LLAMA)
        await running.wait()
        await trio.sleep(2)
        assert house.server.loaded == set()


async def test_a_kept_model_gives_way_to_who_waits_and_comes_back(autojump_clock: object) -> None:
    keepsake = MemoryKeepsake()
    async with open_card_house(keepsake=keepsake) as house:
        house.room.pin(T600_LLAMA)
        await trio.sleep(LOAD_S + 1)
        assert house.resident == {LLAMA}
        assert house.model(LLAMA).pinned == "kept"
        background = house.start(CODER, priority="background")
        await trio.sleep(60)
        assert background.begun_s is None
        background.leave()
        assert (await house.ask(CODER)).ok
        await trio.sleep(LOAD_S + 4)
        assert house.resident == house.server.loaded == {LLAMA}
        with pytest.raises(CallerFault, match="is pinned already"):
            house.room.pin(T600_CODER)
    async with open_card_house(keepsake=keepsake) as house:
        await trio.sleep(LOAD_S + 1)
        assert house.resident == {LLAMA}
        assert house.room.unpin(T600_LLAMA) is True
        assert house.room.unpin(T600_LLAMA) is False
        assert house.model(LLAMA).pinned == ""


async def test_an_exclusive_model_gives_way_to_nobody(autojump_clock: object) -> None:
    keepsake = MemoryKeepsake()
    async with open_card_house(keepsake=keepsake) as house:
        await house.ask(LLAMA)
        running = house.start(LLAMA, LONG)
        await trio.sleep(1)
        waiting = house.start(CODER)
        await trio.sleep(1)
        house.room.pin(T600_LLAMA, exclusive=True)
        await waiting.wait()
        assert (waiting.code, waiting.ended_s) == ("upstream_busy", trio.current_time())
        assert waiting.fault is not None
        assert "pinned to llama3.1:8b" in waiting.fault.message
        assert (await house.ask(CODER)).code == "upstream_busy"
        with pytest.raises(UpstreamFault, match="pinned to"):
            await house.room.warm(T600_CODER)
        assert (await running.wait()).ok
        check_state(house)
        assert house.room.predicted_wait(T600_CODER, 100) is None
    async with open_card_house(keepsake=keepsake) as house:
        await trio.sleep(LOAD_S + 1)
        assert house.resident == {LLAMA}
        assert (await house.ask(CODER)).code == "upstream_busy"
        house.room.unpin(T600_LLAMA)
        assert (await house.ask(CODER)).ok


async def test_the_configuration_pins_and_only_it_unpins(autojump_clock: object) -> None:
    async with open_card_house(make_settings(models={LLAMA: LocalModel(pinned=True)})) as house:
        await trio.sleep(10)
        with pytest.raises(CallerFault, match=r"upstreams\.t600\.models"):
            house.room.unpin(T600_LLAMA)
        house.room.pin(T600_LLAMA, exclusive=True)
        assert house.model(LLAMA).pinned == "exclusive"
        assert house.room.unpin(T600_LLAMA) is True
        assert house.model(LLAMA).pinned == "kept"


async def test_a_card_is_lent_and_taken_back(autojump_clock: object) -> None:
    keepsake = MemoryKeepsake()
    async with open_card_house(make_settings(models={LLAMA: LocalModel(warm=True)}), keepsake=keepsake) as house:
        await trio.sleep(10)
        running = house.start(LLAMA, LONG)
        await trio.sleep(1)
        waiting = house.start(CODER)
        await trio.sleep(1)
        house.room.pause("t600")
        await waiting.wait()
        assert waiting.code == "upstream_busy"
        assert check_state(house).step == "paused"
        assert (await house.ask(LLAMA)).code == "upstream_busy"
        await running.wait()
        assert running.ok
        await trio.sleep(2)
        assert house.server.loaded == house.resident == set()
        await trio.sleep(3_600)
        assert house.server.loaded == set()
        assert house.state().paused_until_ms == 0
    async with open_card_house(make_settings(models={LLAMA: LocalModel(warm=True)}), keepsake=keepsake) as house:
        await trio.sleep(60)
        assert house.state().step == "paused"
        assert house.server.loads == []
        with pytest.raises(UpstreamFault, match="is lent"):
            await house.room.warm(T600_LLAMA)
        assert house.room.resume("t600") is True
        assert house.room.resume("t600") is False
        await trio.sleep(LOAD_S + 1)
        assert house.resident == {LLAMA}


async def test_a_card_is_lent_until_a_time(autojump_clock: object) -> None:
    keepsake = MemoryKeepsake()
    async with open_card_house(make_settings(models={LLAMA: LocalModel(warm=True)}), keepsake=keepsake) as house:
        await trio.sleep(10)
        house.room.pause("t600", CLOCK.now_ms() + 600_000)
        await trio.sleep(300)
        assert house.server.loaded == set()
    async with open_card_house(make_settings(models={LLAMA: LocalModel(warm=True)}), keepsake=keepsake) as house:
        await trio.sleep(290)
        assert house.server.loads == []
        assert (await house.ask()).code == "upstream_busy"
        await trio.sleep(LOAD_S + 11)
        assert house.server.loaded == house.resident == {LLAMA}
        assert house.state().paused_until_ms is None
        assert (await house.ask()).ok


async def test_a_guest_keeps_what_it_loads(autojump_clock: object) -> None:
    """A card is lent to something else: what that has its server load is none of ours."""
    async with open_card_house() as house:
        await house.ask()
        house.room.pause("t600")
        await trio.sleep(2)
        assert house.server.loaded == set()
        await house.server.other_loads(CODER)
        await trio.sleep(120)
        assert house.server.loaded == {CODER}
        assert house.resident == {CODER}
        house.room.resume("t600")
        assert (await house.ask(CODER)).waited_s == 0.0


async def test_a_load_under_way_as_the_card_is_lent_goes_again(autojump_clock: object) -> None:
    async with open_card_house() as house:
        told = house.start()
        await trio.sleep(1)
        house.room.pause("t600")
        assert (await told.wait()).code == "upstream_busy"
        await trio.sleep(LOAD_S + 2)
        assert house.server.loaded == house.resident == set()


@pytest.mark.parametrize("name", ["llama3.1:8b", "t600/llama3.1:8b", "llama", "LLAMA3.1:8B"])
async def test_a_model_is_found_by_any_of_its_names(autojump_clock: object, name: str) -> None:
    async with open_card_house() as house:
        assert house.room.find(name) == T600_LLAMA


async def test_names_that_differ_by_a_tag_are_one_model(autojump_clock: object) -> None:
    """The route says ``nomic-embed-text``, the models' table with its tag, as the server lists it."""
    settings = make_settings(models={f"{QWEN}": LocalModel()})
    routed = msgspec.structs.replace(settings.models["llama"], route=("t600/registry.ollama.ai/library/qwen3:1.7b",))
    settings = msgspec.structs.replace(settings, models={"qwen": routed})
    async with open_card_house(settings) as house:
        assert house.room.find("qwen") == house.room.find(QWEN) == Target("t600", QWEN)
        await house.room.warm(house.room.find("qwen"))
        other = Target("t600", "registry.ollama.ai/library/qwen3:1.7b")
        house.room.pin(other)
        assert house.model(QWEN).pinned == "kept"
        assert house.room.unpin(other) is True
        assert await house.room.unload(other) is True
        assert house.server.loaded == set()


async def test_names_that_nobody_knows(autojump_clock: object, two_hosts: CardHouse) -> None:
    room = two_hosts.room
    with pytest.raises(CallerFault, match="Did you mean 'llama'") as caught:
        room.find("lama")
    assert caught.value.code is Code.MODEL_NOT_FOUND
    with pytest.raises(CallerFault, match="is on several hosts"):
        room.find(LLAMA)
    for use in (lambda: room.pause("t60"), lambda: room.resume("t60"), lambda: room.pull(Target("t60", LLAMA))):
        with pytest.raises(CallerFault, match="Did you mean 't600'"):
            use()
    with pytest.raises(LookupError):
        room.state("t60")


async def test_a_pull_goes_to_its_host(autojump_clock: object) -> None:
    async with open_card_house() as house:
        with pytest.raises(Exception, match="being opened"):
            house.room.pull(T600_LLAMA)
        await settle()
        async with house.room.pull(T600_LLAMA) as lines:
            assert [line.status async for line in lines][-1] == "success"


# -- what survives -------------------------------------------------------------------------------------------------


async def test_what_was_learned_survives(autojump_clock: object) -> None:
    keepsake = MemoryKeepsake()
    async with open_card_house(keepsake=keepsake) as house:
        for model in (LLAMA, CODER, LLAMA):
            await house.ask(model)
        learned = house.model(LLAMA).rates.load_s
        assert learned.count == 2
        await trio.sleep(61)
        assert keepsake.saves >= 1
    async with open_card_house(keepsake=keepsake) as house:
        await settle()
        assert house.model(LLAMA).rates.load_s == learned


async def test_what_did_not_change_is_not_saved_again(autojump_clock: object) -> None:
    keepsake = MemoryKeepsake()
    async with open_card_house(keepsake=keepsake) as house:
        await house.ask()
        await trio.sleep(600)
        assert keepsake.saves == 1


async def test_a_full_disk_is_no_end(autojump_clock: object, caplog: pytest.LogCaptureFixture) -> None:
    keepsake = MemoryKeepsake()
    keepsake.full = True
    async with open_card_house(keepsake=keepsake) as house:
        await house.ask()
        await trio.sleep(130)
        assert (await house.ask()).ok
        assert "could not be saved" in caplog.text
        keepsake.full = False
        await trio.sleep(61)
        assert keepsake.saves == 1
