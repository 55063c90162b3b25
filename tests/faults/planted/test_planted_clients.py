"""Real processes with a defect that clients' faults must bring to light, one by one."""

from pathlib import Path

import pytest

from tests.fakes.process import simulated
from tests.faults import smuggling
from tests.faults.bodies import CASES, IMPATIENT, Worst, overfeed
from tests.faults.idlers import MOST_EACH_BYTES, price_of_idling
from tests.faults.processes import measured

pytestmark = pytest.mark.daemon


@pytest.mark.parametrize("name", ["sized", "chunked"])
def test_a_body_that_is_read_before_it_is_refused(tmp_path: Path, name: str) -> None:
    case = next(case for case in CASES if case.name == name)
    with (
        measured(tmp_path, None, IMPATIENT, "reads it all") as daemon,
        pytest.raises(AssertionError, match=r"bytes were read|more memory|stays"),
    ):
        overfeed(daemon, case, Worst())


@pytest.mark.parametrize("defect", ["believes both lengths", "goes on after a refusal"])
def test_a_request_that_is_two(tmp_path: Path, defect: str) -> None:
    with (
        measured(tmp_path, None, smuggling.SETTINGS, defect) as daemon,
        pytest.raises(AssertionError, match=r"not \((400|501),\)|left open"),
    ):
        smuggling.hold_to_rules(daemon.port, smuggling.Tally())


def test_a_head_that_breaks_its_reader(tmp_path: Path) -> None:
    with (
        pytest.raises(AssertionError, match="a request failed"),
        measured(tmp_path, None, smuggling.SETTINGS, "stumbles over odd fields") as daemon,
    ):
        smuggling.mangle_at(daemon.port, 1, 50, smuggling.Tally())


def test_idle_connections_that_are_not_cheap(tmp_path: Path) -> None:
    with simulated() as world, measured(tmp_path, world, defect="keeps a buffer") as daemon:
        cost = price_of_idling(daemon, 300, 20)
    assert cost.each_bytes > 4 * MOST_EACH_BYTES
