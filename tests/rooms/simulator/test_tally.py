"""What the simulated card says of its own work: seconds, loads, tokens; a benchmark reads nothing else."""

import pytest
import trio
from trio.testing import MockClock

from lodestard.simulator.card.arithmetic import RunnerOptions, load_s, place, unload_s
from lodestard.simulator.card.figures import DEEPSEEK_CODER, LLAMA, T600, Model
from lodestard.simulator.card.scheduler import Claim, Scheduler, Tally


def claim(model: Model, num_ctx: int = 4096) -> Claim:
    return Claim(model=model, options=RunnerOptions(num_ctx=num_ctx))


async def use(scheduler: Scheduler, wanted: Claim) -> None:
    async with scheduler.hold(wanted):
        pass


async def test_loads_and_waits_for_memory_are_counted_in_seconds(autojump_clock: MockClock) -> None:
    scheduler, began = Scheduler(T600), trio.current_time()
    await use(scheduler, claim(LLAMA))
    await use(scheduler, claim(DEEPSEEK_CODER))
    tally = scheduler.tally
    assert tally.memory_wait_s == pytest.approx(unload_s(T600))
    assert tally.loading_s + tally.memory_wait_s == pytest.approx(trio.current_time() - began)
    assert (scheduler.loads, tally.reloads) == (2, 0)
    assert 0 < tally.most_bytes <= T600.card.vram_bytes


async def test_other_options_are_a_reload(autojump_clock: MockClock) -> None:
    scheduler = Scheduler(T600)
    for num_ctx in (4096, 4096, 8192):
        await use(scheduler, claim(LLAMA, num_ctx))
    assert (scheduler.loads, scheduler.tally.reloads) == (2, 1)


async def test_a_load_that_is_given_up_took_its_time_too(autojump_clock: MockClock) -> None:
    scheduler, told = Scheduler(T600), list[tuple[str, str]]()
    scheduler.on_news = lambda what, model: told.append((what, model.name))
    with trio.move_on_after(1.0):
        await use(scheduler, claim(LLAMA))
    assert (scheduler.loads, scheduler.aborted_loads, scheduler.tally.loading_s) == (0, 1, 1.0)
    await use(scheduler, claim(LLAMA))
    await use(scheduler, claim(DEEPSEEK_CODER))
    assert [what for what, _ in told] == ["load", "abort", "load", "ready", "kill", "load", "ready"]
    assert told[4] == ("kill", LLAMA.name)


async def test_counts_begin_anew_and_the_model_stays(autojump_clock: MockClock) -> None:
    scheduler = Scheduler(T600)
    await use(scheduler, claim(LLAMA))
    scheduler.clear_tally()
    assert (scheduler.loads, scheduler.tally) == (0, Tally())
    placement = place(DEEPSEEK_CODER, claim(DEEPSEEK_CODER).options, T600.card, T600.card.vram_bytes, 1)
    await use(scheduler, claim(LLAMA))
    await use(scheduler, claim(DEEPSEEK_CODER))
    assert scheduler.tally.loading_s == pytest.approx(load_s(DEEPSEEK_CODER, placement, T600, cached=False))
