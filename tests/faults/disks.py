"""F3: the ledger's disk fails at its n-th write, or is full for a while.

What must hold: a paid model is refused before its upstream hears of it; free and cached answers go on; it heals.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import trio

from tests.fakes.faulty_disk import FaultyDisk, faulty_disk
from tests.fakes.world import World, open_world

HEALED_S = 5.0


@dataclass
class Disks:
    """The disk under one house, as a context to open it in; and how many requests were refused."""

    disk: FaultyDisk = field(default_factory=FaultyDisk)
    refused: int = 0

    @contextmanager
    def __call__(self) -> Iterator[None]:
        with faulty_disk() as self.disk:
            yield


async def fail_at(folder: Path, at: int, disks: Disks) -> int:
    """A small flow over a disk whose operation number ``at`` fails; how many operations there were."""
    async with open_world(folder, around=disks()) as world:
        assert (await world.ask("gpt-4o-mini", "keep this", temperature=0)).status == 200
        await world.settle()
        disks.disk.operations, disks.disk.fail_at = 0, at
        for stream in (False, True, False):
            await ask_paid(world, disks, stream=stream)
            await ask_others(world)
        await wait_healed(world, disks)
        return disks.disk.operations


async def fill_up(folder: Path, disks: Disks) -> None:
    """The same while the disk is full, and after."""
    async with open_world(folder, around=disks()) as world:
        assert (await world.ask("gpt-4o-mini", "keep this", temperature=0)).status == 200
        await world.settle()
        disks.disk.full = True
        try:
            await ask_while_full(world, disks)
        finally:
            disks.disk.full = False
        await wait_healed(world, disks)


async def ask_while_full(world: World, disks: Disks) -> None:
    asked, refused = world.openai.asked, disks.refused
    for stream in (False, True, False):
        await ask_paid(world, disks, stream=stream)
        await ask_others(world)
    assert (world.openai.asked, disks.refused) == (asked, refused + 3)


async def ask_paid(world: World, disks: Disks, *, stream: bool) -> bool:
    """Served, or refused without an upstream call."""
    asked = world.openai.asked
    answer = await world.ask("gpt-4o-mini", stream=stream)
    if answer.status == 200:
        assert answer.ended == "whole"
        return True
    assert (answer.status, answer.error["code"]) == (503, "ledger_unavailable"), answer.body
    assert world.openai.asked == asked, "refused, but the upstream was asked"
    disks.refused += 1
    return False


async def ask_others(world: World) -> None:
    """Free and cached answers need no disk."""
    asked = world.openai.asked
    free = await world.ask("local-llama", stream=True)
    assert (free.status, free.ended) == (200, "whole"), free.body
    kept = await world.ask("gpt-4o-mini", "keep this", temperature=0)
    assert (kept.status, kept.lodestar["cache"]) == (200, "hit"), kept.body
    assert world.openai.asked == asked, "a cached answer was asked for again"


async def wait_healed(world: World, disks: Disks) -> None:
    with trio.fail_after(HEALED_S):
        while not await ask_paid(world, disks, stream=False):  # noqa: ASYNC110  it tries again in its own time
            await trio.sleep(0.02)
