"""When memory runs out on the simulated machine: what can't be loaded, what fails while it runs, who must go."""

from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
import pytest
import trio
import trio.testing

from lodestard.simulator.card.arithmetic import RunnerOptions
from lodestard.simulator.card.figures import ALL_MODELS, DEEPSEEK_CODER, GIB, LLAMA, NOMIC, Card, Machine, Pace
from lodestard.simulator.card.scheduler import Claim, LoadError, Scheduler
from lodestard.simulator.server import Simulator
from lodestard.simulator.world import simulate_ollama
from tests.fakes.sim_client import SimClient

Connect = Callable[[Simulator], Awaitable[SimClient]]
Wall = Callable[[], int]
HI = [{"role": "user", "content": "hi"}]
PACED = Machine(
    models=ALL_MODELS, pace=Pace(load_s=2.0, unload_s=1.0, prefill_tokens_per_s=100.0, decode_tokens_per_s=10.0)
)
POOR = msgspec.structs.replace(PACED, card=Card(ram_bytes=1 * GIB))
FULL = "an error was encountered while running the model: CUDA error: out of memory"


def loaded(simulator: Simulator) -> set[str]:
    return set(simulator.app.state_json()["loaded"])


async def test_what_fits_nowhere_is_refused_in_ollamas_words(
    connect: Connect, wall_ns: Wall, autojump_clock: trio.testing.MockClock
) -> None:
    simulator = simulate_ollama(POOR, wall_ns=wall_ns)
    client = await connect(simulator)
    for messages in (HI, []):
        reply = await client.ask("POST", "/api/chat", {"model": LLAMA.name, "messages": messages})
        assert reply.status == 500
        assert reply.json["error"].startswith("model requires more system memory (")
        assert reply.json["error"].endswith(") than is available (1.0 GiB)")
    assert loaded(simulator) == set()
    assert (await client.ask("POST", "/api/embed", {"model": NOMIC.name, "input": "x"})).status == 200
    assert simulator.app.meter_json()["loads"] == 1


async def test_layers_that_were_asked_for_are_not_reduced(
    connect: Connect, wall_ns: Wall, autojump_clock: object
) -> None:
    simulator = simulate_ollama(PACED, wall_ns=wall_ns)
    client = await connect(simulator)
    body = {"model": LLAMA.name, "messages": [], "options": {"num_gpu": 99}}
    reply = await client.ask("POST", "/api/chat", body)
    assert (reply.status, "cudaMalloc failed: out of memory" in reply.json["error"]) == (500, True)
    assert (await client.ask("POST", "/api/chat", {**body, "options": {"num_gpu": 12}})).status == 200
    assert loaded(simulator) == {LLAMA.name}


async def test_out_of_memory_beside_others_evicts_them_all_and_tries_again(
    autojump_clock: trio.testing.MockClock,
) -> None:
    scheduler = Scheduler(PACED)

    async def use(claim: Claim) -> None:
        async with scheduler.hold(claim):
            pass

    def claim(model: Any, num_gpu: int) -> Claim:
        return Claim(model=model, options=RunnerOptions(num_ctx=2048, num_gpu=num_gpu), keep_alive_s=1000)

    await use(claim(DEEPSEEK_CODER, 12))
    began_s = trio.current_time()
    await use(claim(LLAMA, 20))  # a part of it: it is not asked beforehand whether it fits
    assert [runner.model for runner in scheduler.loaded()] == [LLAMA]
    assert trio.current_time() - began_s == 1.0 + 2.0
    with pytest.raises(LoadError):
        await use(claim(DEEPSEEK_CODER, 33))
    assert scheduler.loaded() == []
    assert scheduler.loads == 2


@pytest.mark.parametrize("after", [0, 2])
async def test_a_card_that_is_full_while_it_answers_forgets_everything(
    after: int, connect: Connect, wall_ns: Wall, autojump_clock: object
) -> None:
    simulator = simulate_ollama(PACED, wall_ns=wall_ns, script=lambda _: "one two three four")
    client = await connect(simulator)
    await client.ask("POST", "/api/embed", {"model": NOMIC.name, "input": "x", "options": {"num_ctx": 512}})
    body = {"model": "qwen3:1.7b", "messages": HI, "options": {"num_ctx": 512, "num_gpu": 5}}
    await client.ask("POST", "/api/chat", body)
    assert len(loaded(simulator)) == 2
    reply = await client.ask("POST", "/api/chat", body, x_sim_fault=f"oom={after}")
    if after:
        assert (reply.status, reply.ended, len(reply.lines)) == (200, "whole", after + 1)
        assert reply.lines[-1] == {"error": FULL}
    else:
        assert (reply.status, reply.json) == (500, {"error": FULL})
    assert loaded(simulator) == set()
    assert (await client.ask("POST", "/api/chat", body)).lines[-1]["done"]
    assert simulator.crashes == []


async def test_a_full_card_and_a_plain_answer(connect: Connect, wall_ns: Wall, autojump_clock: object) -> None:
    simulator = simulate_ollama(PACED, wall_ns=wall_ns)
    client = await connect(simulator)
    body = {"model": LLAMA.name, "messages": HI, "stream": False}
    reply = await client.ask("POST", "/api/chat", body, x_sim_fault="oom")
    assert (reply.status, reply.json) == (500, {"error": FULL})
    assert loaded(simulator) == set()


async def test_who_still_answers_is_let_finish(connect: Connect, wall_ns: Wall, autojump_clock: object) -> None:
    machine = msgspec.structs.replace(PACED, server=msgspec.structs.replace(PACED.server, parallel=2))
    simulator = simulate_ollama(machine, wall_ns=wall_ns, script=lambda _: "one two three four five six")
    one, other = await connect(simulator), await connect(simulator)
    body = {"model": LLAMA.name, "messages": HI}
    ended: list[object] = []

    async def ask() -> None:
        ended.append((await one.ask("POST", "/api/chat", body)).lines[-1]["done_reason"])

    async with trio.open_nursery() as nursery:
        nursery.start_soon(ask)
        await trio.sleep(2.2)
        assert (await other.ask("POST", "/api/chat", body, x_sim_fault="oom=0")).status == 500
        assert (loaded(simulator), ended) == ({LLAMA.name}, [])
    assert (loaded(simulator), ended) == (set(), ["stop"])


async def test_somebody_else_displaces_what_is_kept_for_ever(
    connect: Connect, wall_ns: Wall, autojump_clock: object
) -> None:
    simulator = simulate_ollama(PACED, wall_ns=wall_ns)
    ours, theirs = await connect(simulator), await connect(simulator)
    await ours.ask("POST", "/api/chat", {"model": LLAMA.name, "messages": [], "keep_alive": -1})
    await theirs.ask("POST", "/api/generate", {"model": DEEPSEEK_CODER.name, "prompt": "x"})
    assert loaded(simulator) == {DEEPSEEK_CODER.name}
    meter = simulator.app.meter_json()
    assert (meter["loads"], meter["reloads"], meter["aborted_loads"]) == (2, 0, 0)
    assert (meter["loading_s"], meter["memory_wait_s"]) == (4.0, 1.0)
    assert 0 < meter["most_bytes"] <= meter["card_bytes"]


async def test_other_options_are_counted_as_reloads(connect: Connect, wall_ns: Wall, autojump_clock: object) -> None:
    simulator = simulate_ollama(PACED, wall_ns=wall_ns)
    client = await connect(simulator)
    for members in ({}, {"shift": False}, {"shift": False}, {"options": {"num_ctx": 9094}}, {}):
        await client.ask("POST", "/api/chat", {"model": LLAMA.name, "messages": [], **members})
    meter = simulator.app.meter_json()
    assert (meter["loads"], meter["reloads"]) == (4, 3)
