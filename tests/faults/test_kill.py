"""F1: whatever moment the process is killed at, nothing that was billed is missing from the ledger."""

from pathlib import Path

import pytest

from tests.fakes.process import QUIET, Daemon, environ, overlay, simulated
from tests.faults.doses import Figure, Tell, dose
from tests.faults.kills import bills, check_killed, kill_under_load

pytestmark = pytest.mark.daemon
SHORT, TABLE = 3, 40


def test_kill_9_under_load(tmp_path: Path, seed: int, tell: Tell) -> None:
    kills, found_open = dose(SHORT, TABLE), 0
    answered: list[str] = []
    with simulated() as world:
        daemon = Daemon(tmp_path, overlay(world.settings(), QUIET))
        try:
            for number in range(kills):
                daemon.start(env=environ(tmp_path, coverage=False))
                answered += kill_under_load(daemon, seed + number)
                found_open += check_killed(daemon, bills(world), answered)
            daemon.start(env=environ(tmp_path, coverage=False))
            daemon.wait_idle()
            report = daemon.verify()
            assert report["cost_nano_usd"] >= world.billed_nano_usd()
            assert daemon.ask("paid").status == 200
            assert daemon.stop() == 0
        finally:
            daemon.end()
    tell(Figure("F1 kill -9 under load", f"{kills} kills", f"{len(answered)} answers, {found_open} found open"))
