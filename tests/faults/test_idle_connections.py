"""F10: idle connections by the thousand cost little memory each, and others next to nothing."""

from pathlib import Path

import pytest

from tests.fakes.process import simulated
from tests.faults.doses import Figure, Tell, dose
from tests.faults.figures import allow_descriptors
from tests.faults.idlers import MOST_EACH_BYTES, price_of_idling
from tests.faults.processes import measured

pytestmark = pytest.mark.daemon
SHORT, TABLE = 1_000, 10_000
SPARE_DESCRIPTORS = 1_000
LOOSER = 5
MOST_SLOWER = 2


def test_idle_connections(tmp_path: Path, tell: Tell) -> None:
    count = min(dose(SHORT, TABLE), TABLE)
    allow_descriptors(count + SPARE_DESCRIPTORS)
    with simulated() as world, measured(tmp_path, world) as daemon:
        cost = price_of_idling(daemon, count, dose(150, 1_000))
    tell(Figure("F10 idle connections", f"{count}", str(cost)))
    assert cost.each_bytes <= MOST_EACH_BYTES
    assert cost.p99_with_s <= cost.p99_without_s * MOST_SLOWER * LOOSER
