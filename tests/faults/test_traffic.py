"""Whatever comes at once, the books add up and nothing is left behind."""

import logging
from pathlib import Path

import pytest

from tests.fakes.world import open_world
from tests.faults.doses import Figure, Tell, dose
from tests.faults.traffic import CLIENTS, OVERLAY, Storm, blow, check_providers, check_secrets

SHORT, TABLE = 3, 40


async def test_random_traffic(tmp_path: Path, seed: int, tell: Tell, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    rounds, storm = dose(SHORT, TABLE), Storm(seed)
    async with open_world(tmp_path, OVERLAY) as world:
        for number in range(rounds):
            storm.seed = seed + number
            await blow(world, storm)
    unknown = check_providers(world)
    check_secrets(tmp_path, caplog.text)
    assert not [record.getMessage() for record in caplog.records if record.exc_info]
    came_of_it = ", ".join(f"{count} {what}" for what, count in sorted(storm.outcomes.items()))
    tell(Figure("random traffic", f"{rounds} x {CLIENTS} requests", f"{came_of_it}; {unknown} unknown"))
