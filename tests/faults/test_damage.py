"""F4: a ledger that can't be trusted is not written to, not replaced, and nothing paid is asked without it."""

import random
import shutil
from pathlib import Path

import pytest

from tests.faults.damage import (
    OF_A_KILLED_ONE,
    OLDER,
    REFUSED,
    check_older,
    check_refused,
    make_ledgers,
)
from tests.faults.doses import Figure, Tell, dose

SHORT, TABLE = 2, 20


@pytest.mark.parametrize("what", [*REFUSED, *OF_A_KILLED_ONE])
async def test_damage_at_rest(ram_path: Path, autojump_clock: object, seed: int, tell: Tell, what: str) -> None:
    ledgers, times = await make_ledgers(ram_path), dose(SHORT, TABLE)
    damage = {**REFUSED, **OF_A_KILLED_ONE}[what]
    states = ("killed",) if what in OF_A_KILLED_ONE else ("killed", "closed")
    for number in range(times):
        for state in states:
            folder = ram_path / f"{state} {number}"
            shutil.copytree(getattr(ledgers, state), folder)
            damage(folder, random.Random(seed + number))
            await check_refused(folder)
            shutil.rmtree(folder)
    tell(Figure(f"F4 {what}", f"{times} x {', '.join(states)}", "refused, unchanged"))


@pytest.mark.parametrize("what", OLDER)
async def test_a_damaged_wal(ram_path: Path, autojump_clock: object, seed: int, tell: Tell, what: str) -> None:
    ledgers, times = await make_ledgers(ram_path), dose(SHORT, TABLE)
    for number in range(times):
        folder = ram_path / str(number)
        shutil.copytree(ledgers.killed, folder)
        OLDER[what](folder, random.Random(seed + number))
        await check_older(folder, ledgers.requests)
        shutil.rmtree(folder)
    tell(Figure(f"F4 {what}", f"{times}", "an earlier moment, whole"))
