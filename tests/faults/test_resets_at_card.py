"""F6 at a card: a client that is gone while its model waits for its turn, is loaded, or answers.

Whenever it goes, no load is aborted, its place is given back, the GPU is free, and whoever comes next is answered as
quickly as ever.
"""

from pathlib import Path

import pytest
import trio
from trio.testing import MockClock

from tests.fakes.world import chat
from tests.faults.doses import Figure, Tell, dose
from tests.faults.reading import write_request
from tests.faults.still import Still, open_still
from tests.faults.test_slow_card import ANSWER_S, PACED, SWAP_S

LONG = "tell me everything that you know of this " * 12
UNLOAD_S = 1.0
WHOLE_S = 9.0
"""From asking for a model that another one has to make way for until its answer is whole."""


@pytest.mark.parametrize("stream", [True, False], ids=["streamed", "plain"])
async def test_a_reset_at_each_moment_of_a_swap(
    ram_path: Path, autojump_clock: MockClock, tell: Tell, stream: bool
) -> None:
    """While another one is answered, is unloaded, its own is loaded, confirmed, and answers."""
    step_s = WHOLE_S / dose(24, 200)
    moments = [number * step_s for number in range(round(WHOLE_S / step_s) + 1)]
    steps: dict[str, int] = {}
    async with open_still(ram_path, PACED) as still:
        still.ollama.faults_of["unload"] = f"slow={UNLOAD_S}"
        for number, at_s in enumerate(moments):
            there, wanted = ("llama", "coder") if number % 2 else ("coder", "llama")
            await get_ready(still, there)
            step = await leave(still, wanted, at_s, stream=stream)
            steps[step] = steps.get(step, 0) + 1
            await check(still, there, wanted, at_s)
    assert set(steps) >= {"draining", "unloading", "loading", "serving"}, steps
    how = "streamed" if stream else "plain"
    told = ", ".join(f"{count} {step}" for step, count in sorted(steps.items()))
    tell(Figure(f"F6 client resets at a card, {how}", f"{len(moments)} moments", f"freed, no load aborted: {told}"))


async def get_ready(still: Still, there: str) -> None:
    """``there`` is in memory, and all is quiet."""
    assert (await still.ask(there))[0].succeeded
    await trio.sleep(5)


async def leave(still: Still, wanted: str, at_s: float, *, stream: bool) -> str:
    """Ask for a model while another one answers, and be gone after ``at_s``; what the card was at."""
    other = "coder" if wanted == "llama" else "llama"
    async with trio.open_nursery() as nursery:
        nursery.start_soon(still.note, LONG, other)
        await trio.sleep(0.1)
        connection = await trio.open_unix_socket(still.path)
        await connection.send_all(write_request(chat(wanted, LONG, stream=stream)))
        await trio.sleep(at_s)
        step = still.room.state("t600").step
        await trio.aclose_forcefully(connection)
    return step


async def check(still: Still, there: str, wanted: str, at_s: float) -> None:
    """What must hold once it has gone."""
    await trio.sleep(SWAP_S + 1)
    card, scheduler = still.card.state, still.gpu.scheduler
    assert scheduler.aborted_loads == 0, f"left after {at_s} s: a load was aborted"
    assert not card.queue, f"left after {at_s} s: it is waited for: {card.queue}"
    assert not card.running, f"left after {at_s} s: it has a place still: {card.running}"
    assert not any(runner.in_use for runner in scheduler.loaded()), f"left after {at_s} s: the GPU is not free"
    assert card.loading is None
    assert not card.leaving
    for alias in (wanted, there):
        seen, took_s = await still.ask(alias)
        assert seen.succeeded, seen
        assert took_s <= UNLOAD_S + SWAP_S + ANSWER_S, f"left after {at_s} s: {alias} took {took_s} s"


async def test_everybody_leaves_at_once(ram_path: Path, autojump_clock: MockClock, tell: Tell) -> None:
    """Twenty wait for two models, and none of them is there any more."""
    async with open_still(ram_path, PACED) as still:
        for at_s in (0.0, 0.5, 4.5, 6.0, 20.0):
            connections = [await trio.open_unix_socket(still.path) for _ in range(20)]
            for number, connection in enumerate(connections):
                alias = ("llama", "coder")[number % 2]
                await connection.send_all(write_request(chat(alias, f"{LONG} {number}", stream=number % 3 == 0)))
            await trio.sleep(at_s)
            for connection in connections:
                await trio.aclose_forcefully(connection)
            await check(still, "llama", "coder", at_s)
    tell(Figure("F6 client resets at a card, all at once", "5 times 20", "freed, no load aborted"))
