"""F7: an upstream may say anything at all; the house stays up, honest and no cheaper than the bill."""

import ctypes
import gc
import logging
import resource
from pathlib import Path

import pytest

from tests.fakes.world import open_world
from tests.faults.dialects import OVERLAY
from tests.faults.doses import Figure, Tell, dose
from tests.faults.garbage import Tally, ask_for_garbage

SHORT, TABLE = 300, 1_500
MOST_MORE_MIB = 64
_MIB = 1 << 20


def resident_mib() -> float:
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)  # what the C library only keeps for later is not used
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize() / _MIB


async def test_garbage(tmp_path: Path, seed: int, tell: Tell, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    seeds, tally = dose(SHORT, TABLE), Tally()
    async with open_world(tmp_path, OVERLAY) as world:
        before_mib = resident_mib()
        for number in range(seeds):
            await ask_for_garbage(world, seed + number, tally)
            if number % 25 == 0:
                assert (await world.ask("local-llama")).status == 200
                assert (await world.ask("gpt-4o-mini", stream=True)).ended == "whole"
        more_mib = resident_mib() - before_mib
    assert not [record.getMessage() for record in caplog.records if record.exc_info]
    assert more_mib <= MOST_MORE_MIB
    tell(Figure("F7 garbage", f"{seeds} seeds", f"{tally}; {more_mib:.1f} MiB more"))
