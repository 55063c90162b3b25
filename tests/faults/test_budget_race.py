"""F17: a budget that has room for fifty lets fifty through, however many ask at once."""

from pathlib import Path

import pytest

from tests.faults.doses import Figure, Tell, dose
from tests.faults.races import FIT, LAYOUTS, REQUESTS, Layout, race

SHORT, TABLE = 1, 3


@pytest.mark.parametrize("layout", LAYOUTS, ids=lambda layout: layout.name)
async def test_a_thousand_at_once(ram_path: Path, layout: Layout, tell: Tell) -> None:
    rounds, most = dose(SHORT, TABLE), {}
    for number in range(rounds):
        folder = ram_path / str(number)
        folder.mkdir()
        _, seen = await race(folder, layout)
        most = dict(seen.most)
    tell(
        Figure(f"F17 budget race: {layout.name}", f"{rounds} x {REQUESTS}", f"{FIT} dispatched; most {most} nano-USD")
    )
