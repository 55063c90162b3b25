"""The simulated card over time: loading, eviction, keep-alive, reload, queueing, leaving. All on the mock clock."""

import math
from collections.abc import Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import pytest
import trio

from lodestard.simulator.card.arithmetic import RunnerOptions
from lodestard.simulator.card.figures import (
    ALL_MODELS,
    DEEPSEEK_CODER,
    LLAMA,
    NOMIC,
    T600,
    Machine,
    Model,
    Pace,
    ServerSettings,
)
from lodestard.simulator.card.scheduler import BusyError, Claim, Scheduler
from lodestard.simulator.server import Simulator
from lodestard.simulator.world import simulate_ollama
from tests.fakes.sim_client import SimClient

Connect = Callable[[Simulator], Awaitable[SimClient]]
Wall = Callable[[], int]
PACED = Machine(
    models=ALL_MODELS, pace=Pace(load_s=2.0, unload_s=1.0, prefill_tokens_per_s=10.0, decode_tokens_per_s=1.0)
)
HI = [{"role": "user", "content": "hi"}]


def claim(model: Model = LLAMA, keep_alive_s: float | None = None, **options: Any) -> Claim:
    return Claim(
        model=model, options=RunnerOptions(num_ctx=options.pop("num_ctx", 4096), **options), keep_alive_s=keep_alive_s
    )


async def use(scheduler: Scheduler, wanted: Claim, seconds: float = 0.0) -> float:
    """Trio time at which the runner was there."""
    async with scheduler.hold(wanted):
        there = trio.current_time()
        await trio.sleep(seconds)
    return there


def names(scheduler: Scheduler) -> list[str]:
    return [runner.model.name for runner in scheduler.loaded()]


async def test_first_use_loads_and_later_use_does_not(autojump_clock: trio.testing.MockClock) -> None:
    scheduler = Scheduler(PACED)
    assert await use(scheduler, claim()) == 2.0
    assert await use(scheduler, claim()) == 2.0
    assert scheduler.loads == 1


async def test_it_leaves_after_its_keep_alive(autojump_clock: trio.testing.MockClock) -> None:
    scheduler = Scheduler(PACED)
    await use(scheduler, claim())
    await trio.sleep(299)
    assert names(scheduler) == ["llama3.1:8b"]
    await trio.sleep(1)
    assert names(scheduler) == []


async def test_keep_alive_is_sticky(autojump_clock: trio.testing.MockClock) -> None:
    scheduler = Scheduler(PACED)
    await use(scheduler, claim(keep_alive_s=1000))
    await use(scheduler, claim())
    await trio.sleep(999)
    assert names(scheduler) == ["llama3.1:8b"]
    await trio.sleep(1)
    assert names(scheduler) == []


async def test_forever_stays_but_is_evicted_all_the_same(autojump_clock: trio.testing.MockClock) -> None:
    scheduler = Scheduler(PACED)
    await use(scheduler, claim(keep_alive_s=math.inf))
    await trio.sleep(86_000)
    assert names(scheduler) == ["llama3.1:8b"]
    began = trio.current_time()
    assert await use(scheduler, claim(DEEPSEEK_CODER)) - began == 1.0 + 2.0
    assert names(scheduler) == ["deepseek-coder:6.7b"]


async def test_unload_time_is_waited_out_before_the_next_load(autojump_clock: trio.testing.MockClock) -> None:
    scheduler = Scheduler(PACED)
    await use(scheduler, claim())
    assert scheduler.unload("llama3.1:8b")
    assert not scheduler.unload("llama3.1:8b")
    await trio.sleep(0.25)
    began = trio.current_time()
    assert await use(scheduler, claim()) - began == 0.75 + 2.0


async def test_unloading_a_busy_model_waits_for_its_answer(autojump_clock: trio.testing.MockClock) -> None:
    scheduler = Scheduler(PACED)
    async with scheduler.hold(claim()):
        scheduler.unload("llama3.1:8b")
        assert names(scheduler) == ["llama3.1:8b"]
    assert names(scheduler) == []


@pytest.mark.parametrize(
    ("options", "reloads"),
    [
        ({}, False),
        ({"num_ctx": 8192}, True),
        ({"num_batch": 256}, True),
        ({"num_gpu": 10}, True),
        ({"main_gpu": 1}, True),
        ({"num_thread": 4}, True),
        ({"draft_num_predict": 2}, True),
    ],
)
async def test_runner_options_reload(
    options: dict[str, Any], reloads: bool, autojump_clock: trio.testing.MockClock
) -> None:
    scheduler = Scheduler(PACED)
    await use(scheduler, claim())
    await use(scheduler, claim(**options))
    assert (scheduler.loads == 2) == reloads


async def test_omitted_num_gpu_keeps_a_partial_runner(autojump_clock: trio.testing.MockClock) -> None:
    scheduler = Scheduler(PACED)
    await use(scheduler, claim(num_gpu=10))
    await use(scheduler, claim())
    assert scheduler.loads == 1


async def test_a_small_model_joins_and_a_big_one_evicts_the_least_kept(
    autojump_clock: trio.testing.MockClock,
) -> None:
    scheduler = Scheduler(PACED)
    await use(scheduler, claim(DEEPSEEK_CODER, keep_alive_s=600))
    await use(scheduler, claim(NOMIC, keep_alive_s=60, num_ctx=2048))
    assert set(names(scheduler)) == {"deepseek-coder:6.7b", "nomic-embed-text:latest"}
    await use(scheduler, claim(LLAMA))
    assert names(scheduler) == ["llama3.1:8b"]


async def test_partial_offload_lets_two_models_share_the_card(autojump_clock: trio.testing.MockClock) -> None:
    scheduler = Scheduler(PACED)
    await use(scheduler, claim(DEEPSEEK_CODER, num_gpu=6))
    await use(scheduler, claim(LLAMA, num_gpu=6))
    assert len(names(scheduler)) == 2
    assert sum(runner.placement.size_vram for runner in scheduler.loaded()) < PACED.card.vram_bytes


async def test_at_most_so_many_models(autojump_clock: trio.testing.MockClock) -> None:
    machine = msgspec.structs.replace(PACED, server=ServerSettings(max_loaded=1))
    scheduler = Scheduler(machine)
    await use(scheduler, claim(DEEPSEEK_CODER))
    await use(scheduler, claim(NOMIC, num_ctx=2048))
    assert names(scheduler) == ["nomic-embed-text:latest"]


async def test_the_head_of_the_queue_blocks_but_the_loaded_model_goes_on(
    autojump_clock: trio.testing.MockClock,
) -> None:
    scheduler = Scheduler(PACED)
    order: list[tuple[str, float]] = []

    async def one(name: str, delay_s: float, wanted: Claim) -> None:
        await trio.sleep(delay_s)
        order.append((name, await use(scheduler, wanted, 10)))

    machine_free_at = 2.0 + 10.0
    async with trio.open_nursery() as nursery:
        nursery.start_soon(one, "llama", 0, claim(LLAMA))
        nursery.start_soon(one, "deepseek", 3, claim(DEEPSEEK_CODER))
        nursery.start_soon(one, "nomic", 4, claim(NOMIC, num_ctx=2048))
        nursery.start_soon(one, "llama again", 5, claim(LLAMA))
    assert dict(order) == {
        "llama": 2.0,
        "llama again": machine_free_at,  # one answer at a time, but it never queued for a load
        "deepseek": 2.0 + 10 + 10 + 1 + 2,
        "nomic": 2.0 + 10 + 10 + 1 + 2 + 2,
    }


async def test_a_request_that_keeps_the_busy_model_starves_the_queue(
    autojump_clock: trio.testing.MockClock,
) -> None:
    scheduler = Scheduler(PACED)
    times: dict[str, float] = {}

    async def one(name: str, delay_s: float, wanted: Claim) -> None:
        await trio.sleep(delay_s)
        times[name] = await use(scheduler, wanted, 10)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(one, "a", 0, claim(LLAMA))
        nursery.start_soon(one, "b", 3, claim(DEEPSEEK_CODER))
        nursery.start_soon(one, "a kept", 5, claim(LLAMA, keep_alive_s=1800))
    assert times["a kept"] == 12
    assert times["b"] == 22 + 1800 + 1 + 2


async def test_keep_alive_zero_breaks_the_starvation(autojump_clock: trio.testing.MockClock) -> None:
    scheduler = Scheduler(PACED)
    times: dict[str, float] = {}

    async def one(name: str, delay_s: float, wanted: Claim) -> None:
        await trio.sleep(delay_s)
        times[name] = await use(scheduler, wanted, 10)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(one, "a", 0, claim(LLAMA))
        nursery.start_soon(one, "b", 3, claim(DEEPSEEK_CODER))
        nursery.start_soon(one, "a kept", 5, claim(LLAMA, keep_alive_s=1800))
        await trio.sleep(30)
        scheduler.unload("llama3.1:8b")
    assert times["b"] == 30 + 1 + 2


async def test_parallel_answers(autojump_clock: trio.testing.MockClock) -> None:
    machine = msgspec.structs.replace(PACED, server=ServerSettings(parallel=2))
    scheduler = Scheduler(machine)
    times: list[float] = []

    async def one() -> None:
        times.append(await use(scheduler, claim(), 10))

    async with trio.open_nursery() as nursery:
        for _ in range(3):
            nursery.start_soon(one)
    assert sorted(times) == [2.0, 2.0, 12.0]


async def test_a_full_queue_is_busy(autojump_clock: trio.testing.MockClock) -> None:
    machine = msgspec.structs.replace(PACED, server=ServerSettings(max_queue=1))
    scheduler = Scheduler(machine)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(use, scheduler, claim())
        await trio.sleep(0.5)
        assert scheduler.waiting == 1
        with pytest.raises(BusyError):
            await use(scheduler, claim(DEEPSEEK_CODER))


async def test_leaving_during_a_load_aborts_it(autojump_clock: trio.testing.MockClock) -> None:
    scheduler = Scheduler(PACED)
    with trio.move_on_after(1):
        await use(scheduler, claim())
    assert (scheduler.aborted_loads, scheduler.loads, scheduler.waiting) == (1, 0, 0)
    assert names(scheduler) == []
    began = trio.current_time()
    assert await use(scheduler, claim()) - began == 1.0 + 2.0


async def test_leaving_the_queue_is_skipped(autojump_clock: trio.testing.MockClock) -> None:
    scheduler = Scheduler(PACED)

    @asynccontextmanager
    async def _busy():  # type: ignore[no-untyped-def]
        async with scheduler.hold(claim()):
            yield

    async with _busy():
        with trio.move_on_after(3):
            await use(scheduler, claim(DEEPSEEK_CODER))
        assert scheduler.waiting == 0
    assert scheduler.loads == 1


async def test_a_second_load_of_a_file_finds_it_in_the_page_cache(autojump_clock: trio.testing.MockClock) -> None:
    scheduler = Scheduler(T600)
    cold = await use(scheduler, claim(keep_alive_s=0))
    began = trio.current_time()
    warm = await use(scheduler, claim()) - began
    assert 9 < cold < 13
    assert 2 < warm < 4.5


async def test_a_small_page_cache_forgets_the_older_file(autojump_clock: trio.testing.MockClock) -> None:
    card = msgspec.structs.replace(T600.card, page_cache_bytes=6 << 30)
    scheduler = Scheduler(msgspec.structs.replace(T600, card=card))
    cold = await use(scheduler, claim(keep_alive_s=0))
    await use(scheduler, claim(DEEPSEEK_CODER, keep_alive_s=0))
    await trio.sleep(10)
    began = trio.current_time()
    assert await use(scheduler, claim()) - began == pytest.approx(cold)


async def test_the_client_that_leaves_aborts_its_load_over_http(
    connect: Connect, wall_ns: Wall, autojump_clock: object
) -> None:
    simulator = simulate_ollama(PACED, wall_ns=wall_ns)
    client = await connect(simulator)
    await client.send("POST", "/api/chat", {"model": "llama3.1:8b", "messages": HI})
    await trio.sleep(1)
    await client.stream.aclose()
    await trio.sleep(0.1)
    state = simulator.app.state_json()
    assert state == {"loaded": [], "loading": "", "waiting": 0, "aborted_loads": 1}


async def test_the_client_that_leaves_frees_the_card(connect: Connect, wall_ns: Wall, autojump_clock: object) -> None:
    simulator = simulate_ollama(PACED, wall_ns=wall_ns, script=lambda _: "word" * 100)
    leaving, staying = await connect(simulator), await connect(simulator)
    await leaving.send("POST", "/api/chat", {"model": "llama3.1:8b", "messages": HI})
    await leaving.stream.receive_some()
    await leaving.stream.aclose()
    body = {"model": "llama3.1:8b", "messages": HI, "options": {"num_predict": 1}}
    began = trio.current_time()
    await staying.ask("POST", "/api/chat", body)
    assert trio.current_time() - began < 5


async def test_a_prompt_that_goes_on_is_read_cheaper(connect: Connect, wall_ns: Wall, autojump_clock: object) -> None:
    client = await connect(simulate_ollama(PACED, wall_ns=wall_ns, script=lambda _: "ok"))
    first = [{"role": "user", "content": "word " * 80}]
    longer = [*first, {"role": "assistant", "content": "ok"}, {"role": "user", "content": "go on"}]

    async def read_s(messages: object) -> tuple[float, int]:
        reply = await client.ask("POST", "/api/chat", {"model": "llama3.1:8b", "messages": messages, "stream": False})
        return reply.json["prompt_eval_duration"] / 1e9, reply.json["prompt_eval_count"]

    cold_s, tokens = await read_s(first)
    assert cold_s == pytest.approx(tokens / 10)
    warm_s, all_tokens = await read_s(longer)
    assert all_tokens > tokens
    assert warm_s < 1.0
    other_s, _ = await read_s([{"role": "user", "content": "quite different " * 25}])
    assert other_s > 9


async def test_busy_answers_503(connect: Connect, wall_ns: Wall, autojump_clock: object) -> None:
    machine = msgspec.structs.replace(PACED, server=ServerSettings(max_queue=0))
    client = await connect(simulate_ollama(machine, wall_ns=wall_ns))
    reply = await client.ask("POST", "/api/chat", {"model": "llama3.1:8b", "messages": HI})
    assert reply.status == 503
    assert reply.json == {"error": "server busy, please try again.  maximum pending requests exceeded"}
    assert "retry-after" not in reply.headers


async def test_num_ctx_reloads_over_http_and_sampling_does_not(
    connect: Connect, wall_ns: Wall, autojump_clock: object
) -> None:
    simulator = simulate_ollama(PACED, wall_ns=wall_ns)
    client = await connect(simulator)

    async def loads(**members: object) -> int:
        await client.ask("POST", "/api/chat", {"model": "llama3.1:8b", "messages": HI, **members})
        return int(simulator.app.meter_json()["loads"])

    assert await loads() == 1
    assert await loads(options={"temperature": 0.1, "num_predict": 3, "num_gpu": -1}) == 1
    assert await loads(options={"num_ctx": 4096, "num_batch": 512}) == 1
    assert await loads(options={"num_ctx": 9094}) == 2
    assert await loads() == 3
    assert await loads(shift=False) == 4
    assert await loads(options={"num_ctx": 10**9}) == 5
    assert await loads(options={"num_ctx": 131072, "use_mmap": False}) == 6
