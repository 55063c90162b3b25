"""F3: what can't be written down is not spent."""

import random
from pathlib import Path

from tests.faults.disks import Disks, fail_at, fill_up
from tests.faults.doses import Figure, Tell, some_of

SHORT = 10


async def test_the_nth_operation_fails(tmp_path: Path, seed: int, tell: Tell) -> None:
    disks = Disks()
    operations = await fail_at(_folder(tmp_path, 0), 0, disks)
    assert disks.refused == 0
    points = some_of(range(1, operations + 1), SHORT, random.Random(seed))
    for at in points:
        await fail_at(_folder(tmp_path, at), at, disks)
    tell(Figure("F3 n-th write or sync fails", f"{len(points)} of {operations}", f"{disks.refused} refused"))


async def test_the_disk_is_full_for_a_while(tmp_path: Path, tell: Tell) -> None:
    disks = Disks()
    await fill_up(tmp_path, disks)
    tell(Figure("F3 disk full", "1", f"{disks.refused} refused"))


def _folder(parent: Path, number: int) -> Path:
    folder = parent / str(number)
    folder.mkdir()
    return folder
