"""F13: what is no request, or two at once, never reaches a handler; whatever is sent, the process serves on."""

from pathlib import Path

import pytest

from lodestard.store import open_snapshot
from tests.fakes.process import Daemon, wait_for
from tests.faults.doses import Figure, Tell, dose
from tests.faults.figures import MIB, descriptors, memory_bytes
from tests.faults.processes import measured
from tests.faults.smuggling import SETTINGS, Tally, hold_to_rules, mangle_at

pytestmark = pytest.mark.daemon
SHORT, TABLE = 400, 6_000
MOST_MORE_BYTES = 24 * MIB


def count_rows(daemon: Daemon) -> int:
    """The requests in the ledger of a daemon that has ended."""
    with open_snapshot(daemon.state_dir / "ledger.db") as snapshot:
        ((count,),) = snapshot.read("SELECT count(*) FROM request")
    return int(count or 0)


def test_rules_at_the_process(tmp_path: Path, tell: Tell) -> None:
    tally = Tally()
    with measured(tmp_path, None, SETTINGS) as daemon:
        refusals = hold_to_rules(daemon.port, tally)
        assert daemon.answers()
        assert daemon.stop() == 0
    assert refusals > 150
    assert count_rows(daemon) == tally.reached
    tell(Figure("F13 what RFC 9112 refuses", f"{refusals} of {tally.count} cases", f"{tally}; none in the ledger"))


def test_mangled_requests(tmp_path: Path, seed: int, tell: Tell) -> None:
    count, tally = dose(SHORT, TABLE), Tally()
    with measured(tmp_path, None, SETTINGS) as daemon:
        assert daemon.process is not None
        pid = daemon.process.pid
        mangle_at(daemon.port, seed - 1, 100, Tally())
        before_bytes, before = memory_bytes(pid), descriptors(pid)
        mangle_at(daemon.port, seed, count, tally)
        assert daemon.answers()
        more_bytes = memory_bytes(pid) - before_bytes
        wait_for(lambda: descriptors(pid) <= before, "descriptors as before")
        assert more_bytes <= MOST_MORE_BYTES
        assert daemon.stop() == 0
    figure = f"{tally}; {tally.reached} reached a handler; {more_bytes / MIB:.1f} MiB more"
    tell(Figure("F13 mangled requests", f"{count}", figure))
