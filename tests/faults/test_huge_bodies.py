"""F9: 200 MB by whatever way: refused before it is read, in bounded memory, and the client can read why."""

from pathlib import Path

import pytest

from tests.fakes.process import simulated
from tests.faults.bodies import CASES, IMPATIENT, Worst, overfeed
from tests.faults.doses import Figure, Tell, dose
from tests.faults.processes import measured

pytestmark = pytest.mark.daemon
SHORT, TABLE = 1, 3


def test_huge_bodies(tmp_path: Path, tell: Tell) -> None:
    rounds, worst = dose(SHORT, TABLE), Worst()
    with simulated() as world, measured(tmp_path, world, IMPATIENT) as daemon:
        for _ in range(rounds):
            for case in CASES:
                overfeed(daemon, case, worst)
                assert daemon.ask("auto").status == 200, case.name
        rows = daemon.rows()
    assert len(rows) == rounds * len(CASES), "a body that was refused came as far as the ledger"
    tell(Figure("F9 huge bodies", f"{rounds} x {len(CASES)} of 200 MB", str(worst)))
