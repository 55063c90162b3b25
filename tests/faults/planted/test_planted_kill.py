"""A process that dials before its hold is durable; the check after a kill must see what is missing."""

import sys
from pathlib import Path

import pytest

from tests.fakes.process import QUIET, Daemon, environ, overlay, simulated
from tests.faults.kills import bills, check_killed, kill_under_load
from tests.faults.planted import late_hold

pytestmark = pytest.mark.daemon


def test_a_hold_that_is_written_too_late(tmp_path: Path) -> None:
    with simulated() as world:
        daemon = Daemon(tmp_path, overlay(world.settings(), QUIET))
        try:
            daemon.start(wrap=(sys.executable, late_hold.__file__), env=environ(tmp_path, coverage=False))
            answered = kill_under_load(daemon, 1)
            with pytest.raises(AssertionError, match=r"without an attempt|not in the ledger"):
                check_killed(daemon, bills(world), answered)
        finally:
            daemon.end()
