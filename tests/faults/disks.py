"""F3: the ledger's disk fails at its n-th write, sync, open, truncation or deletion, or is full for a while.

What must hold: a paid model is refused before its upstream hears of it; free and cached answers go on; it heals.
"""

from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import apsw
import trio

from lodestard.budget.judge import Relief
from lodestard.domain.errors import Code, HouseFault
from tests.fakes.faulty_disk import FaultyDisk, faulty_disk
from tests.fakes.world import CHAT, Answer, World, chat, open_world

HEALED_S = 5.0
BUDGET = "[budgets.all]\nusd = 0.00001\nhard = false\nalert_at = [1, 50, 95]\n"
"""It is overrun at once, so that alerts are written down, too."""


@dataclass
class Disks:
    """The disk under one house, as a context to open it in; and how many requests were refused."""

    disk: FaultyDisk = field(default_factory=FaultyDisk)
    refused: int = 0
    not_opened: int = 0
    fail_first_at: int = 0

    @contextmanager
    def __call__(self, rots: str = "") -> Iterator[None]:
        with faulty_disk(thorough=True) as self.disk:
            self.disk.rots = rots
            self.disk.fail_at = self.fail_first_at
            yield


async def fail_at(folder: Path, at: int, disks: Disks, flow: "Flow") -> int:
    """A small flow over a disk whose operation number ``at`` fails; how many operations there were."""
    async with open_world(folder, BUDGET, around=disks()) as world:
        assert (await world.ask("gpt-4o-mini", "keep this", temperature=0)).status == 200
        await world.settle()
        disks.disk.operations, disks.disk.fail_at = 0, at
        await flow(world, disks)
        await ask_others(world)
        await wait_healed(world, disks)
        return disks.disk.operations


async def fail_opening(folder: Path, at: int, disks: Disks) -> int:
    """A house that is opened over a disk whose operation number ``at`` fails: it serves, or says why; then it serves.

    Gives how many operations it took to open.
    """
    disks.fail_first_at = at
    try:
        operations = await _open_and_ask(folder, disks)
    except (HouseFault, BaseExceptionGroup) as error:
        others = error.split(HouseFault)[1] if isinstance(error, BaseExceptionGroup) else None
        assert others is None, f"it can't be opened, and does not say why: {others!r}"
        disks.not_opened += 1
        disks.fail_first_at = 0
        operations = await _open_and_ask(folder, disks)
    return operations


async def _open_and_ask(folder: Path, disks: Disks) -> int:
    async with open_world(folder, around=disks()) as world:
        operations = disks.disk.operations
        await wait_healed(world, disks)
        return operations


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


async def rot(folder: Path, disks: Disks) -> None:
    """Every page of the ledger that is read for a while is damaged: nothing may be built on it or written over it."""
    apsw.connection_hooks.append(keep_few_pages)
    try:
        async with open_world(folder, around=disks(rots="ledger.db")) as world:
            assert (await world.ask("gpt-4o-mini", "keep this", temperature=0)).status == 200
            await world.settle()
            disks.disk.rotten = True
            refused = [not await ask_paid(world, disks, stream=stream) for stream in (False, True) * 4]
            await ask_others(world)
            disks.disk.rotten = False
            assert any(refused), "paid models answered on a damaged ledger"
            assert refused == sorted(refused), "paid models answered again, on a ledger that was damaged before"
            await wait_healed(world, disks)
    finally:
        apsw.connection_hooks.remove(keep_few_pages)


def keep_few_pages(connection: apsw.Connection) -> None:
    """So few that a page must be read again."""
    connection.pragma("cache_size", 1)


# -- flows ---------------------------------------------------------------------------------------------------------

Flow = Callable[[World, Disks], Awaitable[object]]


async def ask_plain(world: World, disks: Disks) -> None:
    for stream in (False, True, False):
        await ask_paid(world, disks, stream=stream)
        await ask_others(world)


async def ask_streamed(world: World, disks: Disks) -> None:
    for _ in range(2):
        await ask_paid(world, disks, stream=True)
        await ask_others(world)


async def fall_back(world: World, disks: Disks) -> None:
    """The first upstream fails, so that there are two holds."""
    for _ in range(2):
        asked = (world.openai.asked, world.xai.asked)
        world.openai.fail("status=500")
        answer = await world.ask("paid-first")
        world.openai.simulator.faults.clear()
        if answer.status != 200:
            check_refused(answer, disks)
            assert world.xai.asked == asked[1], "refused, but the second upstream was asked"
        await ask_others(world)


async def leave(world: World, disks: Disks) -> None:
    """The client goes in the midst of it, and the answer is drained."""
    async with world.open() as talk:
        with world.openai.held(after=2):
            await talk.send("POST", CHAT, chat("gpt-4o-mini", "and then?", stream=True))
            answer = await talk.receive_head()
            if answer.status != 200:
                check_refused(await talk.receive(), disks)
            await talk.leave()
    await world.settle()
    await ask_others(world)


async def lift_a_budget(world: World, disks: Disks) -> None:
    """A person's act is in force once it is on the disk, or not at all."""
    relief = Relief(
        id=0, budget="all", value="", until_ms=world.ledger.now_ms() + 60_000, extra=5, reason="why", who="ann"
    )
    budgets = world.ledger.budgets
    try:
        await budgets.override(relief)
    except HouseFault as fault:
        assert fault.code is Code.STORE_UNAVAILABLE
        assert not [one for standing in budgets.standings() for one in standing.reliefs], "in force, but not written"
        disks.refused += 1
    else:
        written = world.ledger._store.read("SELECT reason FROM budget_act")
        assert written == [("why",)], "in force, but not written"
    await ask_paid(world, disks, stream=False)


FLOWS: Mapping[str, Flow] = {
    "plain": ask_plain,
    "streamed": ask_streamed,
    "fallback": fall_back,
    "left": leave,
    "override": lift_a_budget,
}


async def ask_paid(world: World, disks: Disks, *, stream: bool) -> bool:
    """Served, or refused without an upstream call."""
    asked = world.openai.asked
    answer = await world.ask("gpt-4o-mini", stream=stream)
    if answer.status == 200:
        assert answer.ended == "whole"
        return True
    check_refused(answer, disks)
    assert world.openai.asked == asked, "refused, but the upstream was asked"
    return False


def check_refused(answer: Answer, disks: Disks) -> None:
    assert (answer.status, answer.error["code"]) == (503, "ledger_unavailable"), answer.body
    disks.refused += 1


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
