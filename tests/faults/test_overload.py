"""Too much at once is sent away with a 503; the house lives, and is well as soon as it has less to hold."""

from pathlib import Path

import pytest

from tests.fakes.process import simulated
from tests.faults.doses import Figure, Tell, dose
from tests.faults.overload import SETTINGS, Overload, overload
from tests.faults.processes import measured

pytestmark = pytest.mark.daemon
SHORT, TABLE = 1, 5
CLIENTS = 24
RECOVERED_S, LOOSER = 1.0, 5


def test_more_bodies_than_there_is_room_for(tmp_path: Path, tell: Tell) -> None:
    rounds, seen = dose(SHORT, TABLE), list[Overload]()
    with simulated() as world, measured(tmp_path, world, SETTINGS) as daemon:
        assert daemon.ask("auto").status == 200
        for _ in range(rounds):
            seen.append(overload(daemon, CLIENTS))
    worst = max(seen, key=lambda each: each.more_bytes)
    tell(Figure("load shedding", f"{rounds} x {CLIENTS} clients", str(worst)))
    assert all(each.refused for each in seen)
    assert max(each.recovered_s for each in seen) <= RECOVERED_S * LOOSER
