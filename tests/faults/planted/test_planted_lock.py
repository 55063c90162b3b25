"""Defects that a locked or a lost file would bring to light, planted one by one; the check must see each."""

from pathlib import Path
from typing import Any

import pytest

from lodestard.domain.errors import Fault
from lodestard.ledger import Ledger
from lodestard.store import database
from tests.fakes import world as worlds
from tests.faults.locks import Patience, lock_for_long, take_away
from tests.faults.planted.finding import found
from tests.faults.planted.late_hold import hold_later

BUSY_MS = 100


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worlds, "PATIENCE_S", 3.0)
    monkeypatch.setattr(database, "WRITER_BUSY_MS", BUSY_MS)


async def test_a_writer_that_waits_too_long(ram_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database, "WRITER_BUSY_MS", 2_000)
    with found("refused only after"):
        await lock_for_long(ram_path, Patience(0.5, BUSY_MS / 1_000))


async def test_a_hold_that_goes_on_without_its_ledger(ram_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hold = Ledger.hold

    async def hold_anyway(self: Ledger, *what: Any) -> Any:
        try:
            return await hold(self, *what)
        except Fault:
            return await hold_later(self, *what)

    monkeypatch.setattr(Ledger, "hold", hold_anyway)
    with found("answered while it was locked"):
        await lock_for_long(ram_path, Patience(0.5, BUSY_MS / 1_000))


@pytest.mark.parametrize("put_another", [False, True], ids=["gone", "another in its place"])
async def test_a_file_that_is_written_wherever_it_is(
    ram_path: Path, monkeypatch: pytest.MonkeyPatch, put_another: bool
) -> None:
    monkeypatch.setattr(database.Place, "check", lambda _self: None)
    with found("answered without its ledger"):
        await take_away(ram_path, put_another=put_another)
