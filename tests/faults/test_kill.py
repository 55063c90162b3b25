"""F1: whatever moment the process is killed at, nothing that was billed is missing from the ledger."""

from decimal import Decimal
from pathlib import Path

import pytest

from lodestard.domain.settings import Budget
from tests.fakes.process import QUIET, Daemon, environ, overlay, simulated
from tests.faults.audit import NANO_PER_USD, audit
from tests.faults.doses import Figure, Tell, dose
from tests.faults.kills import bills, check_killed, kill_at_any_time, kill_under_load

pytestmark = pytest.mark.daemon
SHORT, TABLE = 3, 40


def test_kill_9_under_a_budget(tmp_path: Path, seed: int, tell: Tell) -> None:
    kills, refused = dose(SHORT, TABLE), 0
    usd = Decimal("0.01") * kills
    budgets = {"all": Budget(window="total", usd=usd, at_limit="refuse")}
    answered: list[str] = []
    with simulated() as world:
        table = {"all": {"window": "total", "usd": str(usd), "at_limit": "refuse"}}
        daemon = Daemon(tmp_path, overlay(overlay(world.settings(), QUIET), {"budgets": table}))
        try:
            for number in range(kills):
                daemon.start(env=environ(tmp_path, coverage=False))
                load = kill_at_any_time(daemon, seed + number)
                answered, refused = answered + load.answered, refused + load.refused
                check_killed(daemon, bills(world), answered)
            daemon.start(env=environ(tmp_path, coverage=False))
            daemon.wait_idle()
            seen = audit(daemon.state_dir / "ledger.db", budgets)
            assert daemon.verify()["cost_nano_usd"] >= world.billed_nano_usd()
            assert world.billed_nano_usd() <= usd * NANO_PER_USD
            assert daemon.stop() == 0
        finally:
            daemon.end()
    most = f"{seen.most['all']} of {usd * NANO_PER_USD:.0f} nano-USD at the most"
    figure = f"{most}; {len(answered)} answers, {refused} refused"
    tell(Figure("I4 kill -9 under a budget", f"{kills} kills", figure))


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
