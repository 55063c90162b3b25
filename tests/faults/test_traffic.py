"""Whatever comes at once, the books add up and nothing is left behind."""

import logging
from decimal import Decimal
from pathlib import Path

import pytest

from lodestard.domain.settings import Budget
from tests.fakes.world import open_world
from tests.faults.audit import audit
from tests.faults.doses import Figure, Tell, dose
from tests.faults.races import write_budgets
from tests.faults.traffic import CLIENTS, OVERLAY, Storm, blow, check_providers, check_secrets

SHORT, TABLE = 3, 40


BUDGETS = {
    "all": Budget(window="day", usd=Decimal("1.5")),
    "mini": Budget(scope="model", of="openai/gpt-4o-mini", usd=Decimal("0.02"), at_limit="refuse"),
    "xai": Budget(scope="provider", of="xai", window="24h", usd=Decimal("0.4")),
}


async def test_random_traffic_under_budgets(ram_path: Path, seed: int, tell: Tell) -> None:
    rounds, storm = dose(SHORT, TABLE), Storm(seed)
    for number in range(rounds):
        folder, storm.seed = ram_path / str(number), seed + number
        folder.mkdir()
        async with open_world(folder, OVERLAY + write_budgets(BUDGETS)) as world:
            await blow(world, storm)
        check_providers(world)
        seen = audit(folder / "state" / "ledger.db", BUDGETS)
        assert seen.most.keys() == BUDGETS.keys()
    came_of_it = ", ".join(f"{count} {what}" for what, count in sorted(storm.outcomes.items()))
    tell(Figure("I4 random traffic over sockets", f"{rounds} x {CLIENTS} requests", f"none overrun; {came_of_it}"))


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
