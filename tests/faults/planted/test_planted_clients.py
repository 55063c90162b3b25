"""Real processes with a defect that clients' faults must bring to light, one by one."""

from pathlib import Path

import pytest

from tests.faults.bodies import CASES, IMPATIENT, Worst, overfeed
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
