"""F19: three days on the mock clock, with faults by seed: nothing is lost, nothing is left, nothing grows."""

import logging
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import pytest
from trio.testing import MockClock

from tests.faults.days import MOST_EACH_BYTES, MOST_MORE, VISITS, Days, live
from tests.faults.doses import Figure, Tell, dose, factor
from tests.faults.traffic import CANARY, look_for

SHORT_H, TABLE_H = 2, 72
SEEDS = 2
MOST_TASKS = 4
"""That come and go at rest: a look at the card, a write of what was learned."""


@pytest.fixture
def traced() -> Iterator[None]:
    """Memory is counted by allocation: what the C library keeps for later is not the house's."""
    tracemalloc.start()
    yield
    tracemalloc.stop()


@pytest.mark.usefixtures("traced")
async def test_days(
    ram_path: Path, seed: int, tell: Tell, caplog: pytest.LogCaptureFixture, autojump_clock: MockClock
) -> None:
    hours, seeds = min(dose(SHORT_H, TABLE_H), TABLE_H), dose(1, SEEDS)
    caplog.set_level(logging.INFO)
    for number in range(seeds):
        folder, days = ram_path / str(number), Days(seed + number, hours)
        folder.mkdir()
        await live(folder, days)
        look_for([CANARY, "sk-still"], folder, caplog.text)
        assert not [record.getMessage() for record in caplog.records if record.exc_info]
        caplog.clear()
        tell(Figure("F19 simulated hours", f"{hours} h, {VISITS} requests each", str(days)))
        assert max(days.tasks) - min(days.tasks) <= MOST_TASKS, days.tasks
        assert len(days.descriptors) == 1, days.descriptors
        if factor():  # two hours are too short to tell
            assert days.growth <= MOST_MORE, days.memory
            assert days.each_bytes <= MOST_EACH_BYTES, days.memory
