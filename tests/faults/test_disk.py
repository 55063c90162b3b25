"""F3: what can't be written down is not spent."""

import random
import shutil
from pathlib import Path

import pytest

from tests.fakes.world import open_world
from tests.faults.disks import FLOWS, Disks, fail_at, fail_opening, fill_up, rot
from tests.faults.doses import Figure, Tell, some_of

SHORT = 4


@pytest.mark.parametrize("flow", FLOWS)
async def test_the_nth_operation_fails(ram_path: Path, seed: int, tell: Tell, flow: str) -> None:
    disks = Disks()
    operations = await fail_at(_folder(ram_path, 0), 0, disks, FLOWS[flow])
    assert disks.refused == 0
    points = some_of(range(1, operations + 1), SHORT, random.Random(seed))
    for at in points:
        await fail_at(_folder(ram_path, at), at, disks, FLOWS[flow])
    what = f"{len(points)} of {operations} operations"
    tell(Figure(f"F3 n-th operation fails: {flow}", what, f"{disks.refused} refused, all healed"))


@pytest.mark.parametrize("new", [True, False], ids=["new", "kept"])
async def test_the_nth_operation_of_opening_fails(ram_path: Path, seed: int, tell: Tell, new: bool) -> None:
    disks, kept = Disks(), _folder(ram_path, 0)
    async with open_world(kept) as world:
        await world.ask("local-llama")

    async def open_at(at: int) -> int:
        folder = _folder(ram_path, at)
        if not new:
            shutil.copytree(kept / "state", folder / "state")
        return await fail_opening(folder, at, disks)

    operations = await open_at(-1)
    points = some_of(range(1, operations + 1), SHORT, random.Random(seed))
    for at in points:
        await open_at(at)
    figure = f"{disks.not_opened} not opened, and then opened"
    tell(
        Figure(
            f"F3 n-th operation fails: opening a {'new' if new else 'kept'} one",
            f"{len(points)} of {operations} operations",
            figure,
        )
    )


async def test_the_disk_is_full_for_a_while(ram_path: Path, tell: Tell) -> None:
    disks = Disks()
    await fill_up(ram_path, disks)
    tell(Figure("F3 disk full", "1", f"{disks.refused} refused"))


async def test_its_pages_go_bad_while_it_is_open(ram_path: Path, tell: Tell) -> None:
    disks = Disks()
    await rot(ram_path, disks)
    tell(Figure("F4 pages go bad under way", "1", f"{disks.refused} refused"))


def _folder(parent: Path, number: int) -> Path:
    folder = parent / str(number)
    folder.mkdir()
    return folder
