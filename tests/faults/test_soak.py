"""F20: mixed traffic at full rate: memory and descriptors stay what they are after the warm-up."""

import os
from pathlib import Path

import pytest

from tests.fakes.process import simulated
from tests.faults.doses import Figure, Tell, dose
from tests.faults.figures import KIB
from tests.faults.processes import measured
from tests.faults.soak import soak

pytestmark = pytest.mark.daemon
SHORT_S, TABLE_S = 4, 30
WARM_REQUESTS = 10_000
"""By then is there what is only kept up to a bound: pages of databases, samples of times."""
MOST_MORE_DESCRIPTORS = 4
LONG_S = 60
MOST_BYTES, LOOSER = KIB, 5
MOST_SOON_BYTES = 128 * KIB
"""For the shorter ones: 128 bytes of each request. What is learned, and what the C library keeps, still comes."""


def test_soak(tmp_path: Path, seed: int, tell: Tell) -> None:
    seconds = int(os.environ.get("LODESTAR_SOAK_S") or dose(SHORT_S, TABLE_S))
    with simulated() as world, measured(tmp_path, world) as daemon:
        slope = soak(daemon, seed, seconds, WARM_REQUESTS if seconds > SHORT_S else 0)
        assert daemon.stop() == 0
        assert daemon.verify()["ok"]
    tell(Figure("F20 soak", f"{seconds} s", str(slope)))
    if seconds > SHORT_S:  # a short one is all warm-up
        most_bytes = MOST_BYTES * LOOSER if seconds >= LONG_S else MOST_SOON_BYTES
        assert slope.per_thousand_bytes <= most_bytes
        assert slope.last_descriptors <= slope.first_descriptors + MOST_MORE_DESCRIPTORS
