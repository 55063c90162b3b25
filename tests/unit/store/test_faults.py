"""What SQLite and the system say, in the house's words."""

from pathlib import Path

import apsw
import pytest

from lodestard.domain.errors import Code, HouseFault
from lodestard.store.faults import UnusableFault, fault_of

PATH = Path("/var/lib/lodestar/ledger.db")


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (apsw.FullError("database or disk is full"), "the disk is full; make room"),
        (apsw.BusyError("database is locked"), "another program has locked it"),
        (apsw.IOError("disk I/O error"), "disk I/O error"),
        (PermissionError(13, "Permission denied"), "Permission denied"),
    ],
)
def test_a_file_that_cannot_be_used_may_be_tried_again(error: Exception, said: str) -> None:
    fault = fault_of(PATH, error)
    assert fault.code is Code.STORE_UNAVAILABLE
    assert said in fault.message
    assert str(PATH) in fault.message
    assert fault.retry_after_s == 1.0


def test_a_damaged_file_is_not_tried_again() -> None:
    for error in (apsw.CorruptError("malformed"), apsw.NotADBError("not a database")):
        fault = fault_of(PATH, error)
        assert isinstance(fault, UnusableFault)
        assert fault.retry_after_s is None
        assert "latest backup" in fault.message


def test_a_mistake_in_a_statement_is_ours() -> None:
    fault = fault_of(PATH, apsw.ConstraintError("NOT NULL constraint failed: note.text"))
    assert fault.code is Code.INTERNAL
    assert not isinstance(fault, UnusableFault)


def test_a_fault_stays_the_fault_that_it_is() -> None:
    fault = HouseFault(Code.SHUTTING_DOWN, "closing")
    assert fault_of(PATH, fault) is fault
