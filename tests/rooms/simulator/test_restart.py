"""The simulated server ends and starts again: connections, models, version, and the time in between."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
import trio
import trio.testing

from lodestard.simulator.card.figures import ALL_MODELS, INSTANT, Machine, Pace
from lodestard.simulator.paid.providers import PROVIDERS
from lodestard.simulator.server import Simulator
from lodestard.simulator.world import Listener, open_simulators, simulate_ollama, simulate_provider
from tests.fakes.sim_client import SimClient

Connect = Callable[[Simulator], Awaitable[SimClient]]
Wall = Callable[[], int]
LLAMA, CODER = "llama3.1:8b", "deepseek-coder:6.7b"
HI = [{"role": "user", "content": "hi"}]
PACED = Machine(
    models=ALL_MODELS, pace=Pace(load_s=2.0, unload_s=1.0, prefill_tokens_per_s=100.0, decode_tokens_per_s=1.0)
)


async def restarted(client: SimClient, **again: Any) -> None:
    assert (await client.ask("POST", "/__sim/restart", again)).json == {"ok": True}


async def test_what_was_in_memory_is_gone(connect: Connect, wall_ns: Wall, autojump_clock: object) -> None:
    simulator = simulate_ollama(PACED, wall_ns=wall_ns)
    client = await connect(simulator)
    await client.ask("POST", "/api/chat", {"model": LLAMA, "messages": [], "keep_alive": -1})
    await restarted(client)
    assert (await client.ask("GET", "/api/ps")).json == {"models": []}
    began_s = trio.current_time()
    await client.ask("POST", "/api/chat", {"model": LLAMA, "messages": []})
    assert trio.current_time() - began_s == 1.0 + 2.0  # the memory is seen free a while later
    assert (simulator.app.meter_json()["loads"], simulator.app.meter_json()["restarts"]) == (2, 1)


async def test_it_comes_back_as_another_version(connect: Connect, wall_ns: Wall) -> None:
    client = await connect(simulate_ollama(INSTANT, wall_ns=wall_ns))
    await restarted(client, version="0.9.6", tells_context=False)
    assert (await client.ask("GET", "/api/version")).json == {"version": "0.9.6"}
    await client.ask("POST", "/api/chat", {"model": LLAMA, "messages": []})
    (entry,) = (await client.ask("GET", "/api/ps")).json["models"]
    assert "context_length" not in entry
    await restarted(client)
    assert (await client.ask("GET", "/api/version")).json == {"version": "0.9.6"}
    await restarted(client, version="0.33.0", tells_context=True)
    await client.ask("POST", "/api/chat", {"model": LLAMA, "messages": []})
    assert (await client.ask("GET", "/api/ps")).json["models"][0]["context_length"] == 4096


async def test_connections_are_reset_whatever_they_wait_for(
    connect: Connect, wall_ns: Wall, autojump_clock: object
) -> None:
    simulator = simulate_ollama(PACED, wall_ns=wall_ns, script=lambda _: "word" * 100)
    idle, answering, queued, asking = [await connect(simulator) for _ in range(4)]
    ended: dict[str, str] = {}

    async def ask(name: str, client: SimClient, model: str) -> None:
        ended[name] = (await client.ask("POST", "/api/chat", {"model": model, "messages": HI})).ended

    async with trio.open_nursery() as nursery:
        nursery.start_soon(ask, "answering", answering, LLAMA)
        await trio.sleep(5)
        nursery.start_soon(ask, "queued", queued, CODER)
        await trio.sleep(1)
        assert simulator.app.state_json()["waiting"] == 1
        await restarted(asking)
    with pytest.raises(trio.BrokenResourceError):
        await idle.stream.receive_some()
    assert ended == {"answering": "reset", "queued": "reset"}
    state = {"loaded": [], "loading": "", "waiting": 0, "aborted_loads": 0}
    assert simulator.app.state_json() == state
    assert simulator.crashes == []
    assert (await asking.ask("GET", "/api/version")).status == 200


async def test_a_load_that_it_ends_is_no_aborted_one(connect: Connect, wall_ns: Wall, autojump_clock: object) -> None:
    simulator = simulate_ollama(PACED, wall_ns=wall_ns)
    loading, asking = await connect(simulator), await connect(simulator)
    await loading.send("POST", "/api/chat", {"model": LLAMA, "messages": []})
    await trio.sleep(1)
    assert simulator.app.state_json()["loading"] == LLAMA
    await restarted(asking)
    await trio.testing.wait_all_tasks_blocked()
    assert simulator.app.state_json() == {"loaded": [], "loading": "", "waiting": 0, "aborted_loads": 0}
    assert (await loading.receive()).ended == "reset"


async def test_nobody_is_there_for_a_while(
    connect: Connect, wall_ns: Wall, autojump_clock: trio.testing.MockClock
) -> None:
    simulator = simulate_ollama(INSTANT, wall_ns=wall_ns)
    asking = await connect(simulator)
    await restarted(asking, down_s=3.0)
    with pytest.raises(ConnectionRefusedError):
        await connect(simulator)
    await trio.sleep(3.0)
    assert (await (await connect(simulator)).ask("GET", "/api/version")).status == 200


async def test_on_a_port_nobody_listens_meanwhile() -> None:
    simulator = simulate_ollama(INSTANT)
    where = Listener(kind="ollama")
    async with open_simulators({where: simulator}) as (opened,):
        port = int(opened.url.rsplit(":", 1)[1])
        waiting, asking = [SimClient(await trio.open_tcp_stream("127.0.0.1", port)) for _ in range(2)]
        await waiting.ask("GET", "/api/version")
        await restarted(asking, down_s=0.2)
        with pytest.raises(trio.BrokenResourceError):
            await waiting.stream.receive_some()
        assert not await connects(port)
        with trio.fail_after(20):
            while not await connects(port):  # noqa: ASYNC110 - a port has no event
                await trio.sleep(0.01)
        await restarted(asking)  # one that lasts no time leaves the port open
        assert await connects(port)
        for client in (waiting, asking):
            await client.stream.aclose()


async def connects(port: int) -> bool:
    try:
        stream = await trio.open_tcp_stream("127.0.0.1", port)
    except OSError:
        return False
    await stream.aclose()
    return True


async def test_a_paid_provider_forgets_nothing(connect: Connect, wall_ns: Wall) -> None:
    simulator = simulate_provider(PROVIDERS["openai"], wall_ns=wall_ns)
    client = await connect(simulator)
    body = {"model": "gpt-4o-mini", "messages": HI}
    await client.ask("POST", "/v1/chat/completions", body, authorization="Bearer sk-x")
    meter = simulator.app.meter_json()
    await restarted(client)
    assert simulator.app.meter_json() == meter
    assert (await client.ask("POST", "/v1/chat/completions", body, authorization="Bearer sk-x")).status == 200
