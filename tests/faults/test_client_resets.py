"""F6: a client may be gone at any moment; what it leaves behind is paid for, freed and put back."""

import random
from pathlib import Path

import pytest

from tests.fakes.world import open_world
from tests.faults.dialects import OVERLAY
from tests.faults.doses import Figure, Tell, some_of
from tests.faults.quiet import come_to_rest
from tests.faults.reading import dial, reset
from tests.faults.resets import KINDS, OTHERS, Kind, count_sends, reset_after, reset_in_request

SHORT = 12


@pytest.mark.parametrize("kind", [*KINDS, *OTHERS], ids=str)
async def test_a_reset_at_each_send_of_the_upstream(tmp_path: Path, kind: Kind, tell: Tell) -> None:
    async with open_world(tmp_path, OVERLAY) as world:
        sends = await count_sends(world, kind)
        for after in range(sends + 1):
            await reset_after(world, kind, after)
        assert (await kind.ask(world, "and now?")).succeeded
    how = f"{'streamed' if kind.stream else 'plain'}{', shared' if kind.shared else ''}"
    how += "" if kind.client == "openai" else f", {kind.client} client"
    tell(Figure(f"F6 client resets: {kind.alias}, {how}", f"{sends + 1} sends", "freed" if kind.free else "drained"))


async def test_a_reset_at_each_byte_of_the_request(tmp_path: Path, seed: int, tell: Tell) -> None:
    kind = KINDS[-1]
    async with open_world(tmp_path) as world:
        size = len(kind.request("half of it"))
        points = some_of(range(size), SHORT, random.Random(seed))
        for at in points:
            await reset_in_request(world, kind, at)
    tell(Figure("F6 client resets in its request", f"{len(points)} of {size} bytes", "upstream not asked"))


async def test_a_drain_is_bounded(tmp_path: Path, tell: Tell) -> None:
    async with open_world(tmp_path, "[server]\nleave_drain_s = 0.1\n") as world:
        world.openai.fail("stall=900")
        stream = await dial(world.address)
        await stream.send_all(KINDS[4].request("one that never ends"))
        await world.openai.wait_asked()
        await reset(stream)
        await world.openai.wait_left()
        await come_to_rest(world)
        totals = world.ledger.totals()
        assert totals.unknown_today_nano_usd >= world.openai.bill_nano_usd > 0
    tell(Figure("F6 client resets, upstream stuck", "1", "given up after leave_drain_s, charged at its hold"))
