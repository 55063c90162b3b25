"""F12: no file descriptors left: the control socket answers, nothing spins, and a second later all is well."""

import resource
from pathlib import Path

import pytest

from lodestard.start import OPEN_FILES
from tests.fakes.process import QUIET, Daemon, simulated
from tests.faults.doses import Figure, Tell
from tests.faults.exhaustion import FLOOD, MOST_SHARE, SPARE, Strain, strain
from tests.faults.processes import measured

pytestmark = pytest.mark.daemon
RECOVERED_S = 1.0
LOOSER = 5


def check(seen: Strain) -> None:
    assert seen.share <= MOST_SHARE
    assert seen.recovered_s <= RECOVERED_S * LOOSER


def test_clients_that_take_all_descriptors(tmp_path: Path, tell: Tell) -> None:
    with simulated() as world, measured(tmp_path, world) as daemon:
        assert daemon.ask("auto").status == 200
        seen = strain(daemon, SPARE, "are turned away")
        none = strain(daemon, 0, "can't be accepted")
        assert daemon.answers()
    tell(Figure("F12 descriptors: clients take them", f"{FLOOD} clients", str(seen)))
    tell(Figure("F12 descriptors: there are none", f"{FLOOD} clients", str(none)))
    check(seen)
    check(none)


def test_a_shell_that_allows_few(tmp_path: Path) -> None:
    """What a shell allows softly is not what the process may have."""
    daemon = Daemon(tmp_path, dict(QUIET))
    try:
        daemon.start(wrap=("sh", "-c", 'ulimit -Sn 128 && exec "$@"', "sh"))
        assert daemon.process is not None
        soft, hard = resource.prlimit(daemon.process.pid, resource.RLIMIT_NOFILE)
        assert soft == min(OPEN_FILES, hard)
    finally:
        daemon.end()
