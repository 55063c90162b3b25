"""A configuration is another one from now on: hosts come, go and move, while requests run and wait."""

import msgspec
import pytest
import trio

from lodestard.domain.errors import CallerFault, UpstreamFault
from lodestard.domain.secret import Secret
from lodestard.domain.settings import LocalModel, Settings, Upstream
from lodestard.domain.upstream import Target
from tests.fakes.card_house import (
    CODER,
    LARGE,
    LLAMA,
    LOAD_S,
    MACHINE,
    QWEN,
    check_empty,
    check_state,
    make_settings,
    make_upstream,
    open_card_house,
    settle,
)

LONG = "100 words"
MACHINES = {"t600": MACHINE, "gamer": MACHINE, "moved": MACHINE}


def hosts(**upstreams: Upstream) -> Settings:
    return make_settings(dict(upstreams))


async def test_a_host_that_is_removed_answers_who_is_there(autojump_clock: object) -> None:
    async with open_card_house(hosts(t600=make_upstream(), gamer=make_upstream("gamer")), machines=MACHINES) as house:
        await house.ask(host="gamer")
        running = house.start(LLAMA, LONG, host="gamer")
        await trio.sleep(1)
        waiting = house.start(CODER, host="gamer")
        await trio.sleep(1)
        card = house.card("gamer")
        await house.configure(hosts(t600=make_upstream()))
        assert house.room.hosts == ("t600",)
        with pytest.raises(LookupError):
            house.state("gamer")
        with pytest.raises(CallerFault):
            house.room.pause("gamer")
        assert (await running.wait()).ok
        assert (await waiting.wait()).ok
        await settle()
        assert card.begin_load is None, "its mover goes on"
        assert card.state.quiet


async def test_an_unload_of_a_host_that_is_removed_does_not_hang(autojump_clock: object) -> None:
    async with open_card_house(hosts(t600=make_upstream(), gamer=make_upstream("gamer")), machines=MACHINES) as house:
        await house.ask(host="gamer")
        ended: list[object] = []

        async def unload() -> None:
            try:
                ended.append(await house.room.unload(Target("gamer", LLAMA)))
            except UpstreamFault as error:
                ended.append(error)

        house.nursery.start_soon(unload)
        await trio.lowlevel.checkpoint()
        await house.configure(hosts(t600=make_upstream()))
        await trio.sleep(5)
        assert len(ended) == 1


async def test_a_host_that_moves_is_another_one(autojump_clock: object) -> None:
    async with open_card_house(hosts(t600=make_upstream()), machines=MACHINES) as house:
        await house.ask()
        house.room.pin(Target("t600", LLAMA))
        running = house.start(LLAMA, LONG)
        await trio.sleep(1)
        await house.configure(hosts(t600=make_upstream("moved")))
        assert house.resident == set()
        told = house.start(LLAMA)
        await told.wait()
        assert told.ok
        assert running.begun_s is not None
        assert not running.ended.is_set()  # the old server is still at it
        moved = house.servers[make_upstream("moved").url]
        assert moved.loads == [LLAMA]
        assert house.model(LLAMA).pinned == "kept"
        assert house.model(LLAMA).rates.load_s.count == 2
        assert (await running.wait()).ok


async def test_another_key_is_another_server(autojump_clock: object) -> None:
    async with open_card_house() as house:
        await house.ask()
        card = house.card()
        await house.configure(make_settings(), {"t600": Secret("sk-other")})
        assert house.card() is not card
        await house.configure(make_settings(), {"t600": Secret("sk-other")})
        assert (await house.ask()).waited_s == 0.0
        assert house.server.loads == [LLAMA]


async def test_another_policy_holds_at_once(autojump_clock: object) -> None:
    async with open_card_house(make_settings(dwell_s=1_000.0, patience_s=1_000.0, max_wait_s=2_000.0)) as house:
        await house.ask()
        card = house.card()
        running = house.start(LLAMA, "20 words")
        await trio.sleep(0.1)
        other = house.start(CODER)
        await trio.sleep(0.1)
        rivals = [house.start(LLAMA, "20 words", principal=f"p{number}") for number in range(20)]
        await trio.sleep(10)
        await house.configure(make_settings(dwell_s=5.0))
        assert house.card() is card
        for told in (running, other, *rivals):
            assert (await told.wait()).ok
        assert other.waited_s < 10 + 2.5 + 1 + LOAD_S


async def test_residency_is_switched_off_and_on(autojump_clock: object) -> None:
    async with open_card_house() as house:
        await house.ask()
        running = house.start(LLAMA, LONG)
        await trio.sleep(1)
        waiting = house.start(CODER)
        await trio.sleep(1)
        await house.configure(make_settings(enabled=False))
        assert house.room.hosts == ()
        assert house.room.predicted_wait(Target("t600", LLAMA), 10) is None
        assert (await running.wait()).ok
        assert (await waiting.wait()).ok
        await house.configure(make_settings())
        assert (await house.ask(CODER)).waited_s == pytest.approx(0.0, abs=0.1)
        assert house.resident == house.server.loaded == {CODER}
        check_empty(house)


async def test_loads_go_by_the_new_options(autojump_clock: object) -> None:
    """Requests of the new configuration carry them: a load with the old ones would be undone at once."""
    async with open_card_house(make_settings({"t600": make_upstream()})) as house:
        await house.ask(LLAMA)
        new = make_settings({"t600": make_upstream(options={"num_ctx": 8192}, keep_alive="1h")})
        await house.configure(new)
        await settle()
        assert (await house.ask(CODER)).ok
        assert (await house.ask(LLAMA)).ok
        assert house.server.reloads == 0
        assert house.state().counts.unplanned == 0
        assert house.model(LLAMA).context_tokens == 8_192
        loads = [body for body in house.server.app.bodies if not body["messages"] and body.get("keep_alive") != 0]
        assert [body["options"]["num_ctx"] for body in loads] == [4096, 8192, 8192, 8192]  # it came back at once
        assert loads[-1]["keep_alive"] == "1h"


async def test_a_load_under_way_is_not_aborted_by_a_reload(autojump_clock: object) -> None:
    async with open_card_house(make_settings()) as house:
        told = house.start(LLAMA)
        await trio.sleep(2)
        await house.configure(make_settings({"t600": make_upstream(keep_alive="1h")}))
        assert (await told.wait()).ok
        assert house.server.loads == [LLAMA]
        assert (await house.ask(CODER)).ok


async def test_what_is_in_memory_with_old_options_is_loaded_anew_before_it_is_asked(autojump_clock: object) -> None:
    """By residency, so that a client that leaves does not abort it."""
    async with open_card_house(make_settings()) as house:
        await house.ask(LLAMA)
        await house.configure(make_settings({"t600": make_upstream(options={"num_ctx": 8192})}))
        await trio.sleep(1)
        leaver = house.start(LLAMA)
        await trio.sleep(2)
        leaver.leave()
        told = await house.ask(LLAMA)
        assert told.ok
        assert house.state().counts.unplanned == 0
        assert house.model(LLAMA).context_tokens == 8_192


async def test_another_number_at_once_holds_for_what_is_in_memory(autojump_clock: object) -> None:
    parallel = msgspec.structs.replace(MACHINE, server=msgspec.structs.replace(MACHINE.server, parallel=4))
    async with open_card_house(machine=parallel) as house:
        await house.ask()
        models = {LLAMA: LocalModel(parallel=3)}
        await house.configure(make_settings({"t600": make_upstream(concurrency=4, models=models)}))
        told = [house.start(LLAMA, LONG) for _ in range(4)]
        await trio.sleep(1)
        check_state(house)
        assert house.model(LLAMA).running == 3
        await house.configure(make_settings())
        for one in told:
            assert (await one.wait()).ok
        two = [house.start(LLAMA, LONG) for _ in range(2)]
        await trio.sleep(1)
        assert house.model(LLAMA).running == 1
        for one in two:
            await one.wait()


async def test_another_name_for_what_is_in_memory(autojump_clock: object) -> None:
    async with open_card_house(hosts(t600=make_upstream())) as house:
        await house.server.other_loads(QWEN)
        await trio.sleep(16)
        assert house.resident == {QWEN}
        running = house.start(QWEN, LONG)
        await trio.sleep(1)
        other = f"registry.ollama.ai/library/{QWEN}"
        await house.configure(hosts(t600=make_upstream(models={other: LocalModel(default=True)})))
        assert house.resident == {other}
        check_state(house)
        told = house.start(other)
        assert (await running.wait()).ok
        assert (await told.wait()).ok
        await trio.sleep(60)
        assert house.server.loads == [QWEN]
        assert house.resident == {other}


async def test_fewer_may_be_in_memory(autojump_clock: object) -> None:
    async with open_card_house(make_settings({"t600": make_upstream(resident_models=2)}), LARGE) as house:
        await house.ask(LLAMA)
        await house.ask(QWEN)
        assert house.resident == house.server.loaded == {LLAMA, QWEN}
        await house.configure(make_settings())
        await trio.sleep(60)
        assert house.resident == {LLAMA, QWEN}  # nobody needs the room
        assert (await house.ask(CODER)).ok
        assert house.resident == house.server.loaded == {CODER}
