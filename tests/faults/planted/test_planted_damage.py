"""Defects that damage would bring to light, planted one by one; the check must see each."""

import random
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from lodestard.store import StoreOptions, database, filestore
from lodestard.store.snapshot import Snapshot, _connect
from tests.faults.damage import OF_A_KILLED_ONE, REFUSED, check_refused, make_ledgers
from tests.faults.planted.finding import found
from tests.faults.powercuts import DURABLE


async def damage(
    folder: Path, what: str, options: StoreOptions = DURABLE, *, times: int = 1, state: str = "killed"
) -> None:
    ledgers = await make_ledgers(folder)
    for seed in range(times):
        ledger = folder / str(seed)
        shutil.copytree(getattr(ledgers, state), ledger)
        {**REFUSED, **OF_A_KILLED_ONE}[what](ledger, random.Random(seed))
        await check_refused(ledger, options)


async def test_a_ledger_that_is_set_aside_by_itself(ram_path: Path, autojump_clock: object) -> None:
    with found("was opened"):
        await damage(ram_path, "flipped page", StoreOptions(durable=True, disposable=True))


async def test_a_file_that_nobody_checks(
    ram_path: Path, autojump_clock: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "check_soundness", lambda _connection, _path: None)
    with found("was opened|were changed"):
        await damage(ram_path, "flipped page", times=20)


@pytest.mark.parametrize("what", ["missing file", "empty file", "missing WAL", "empty WAL"])
async def test_what_vanished_is_taken_for_new(
    ram_path: Path, autojump_clock: object, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    monkeypatch.setattr(filestore, "_require_presence", lambda _path, _lock: None)
    open_writer = database.open_writer
    monkeypatch.setattr(
        database, "open_writer", lambda path, durable, kept: open_writer(path, durable=durable, kept=False)
    )
    with found("was opened|were changed"):
        await damage(ram_path, what)


async def test_an_empty_database_is_taken_for_new(
    ram_path: Path, autojump_clock: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    open_writer = database.open_writer
    monkeypatch.setattr(
        database, "open_writer", lambda path, durable, kept: open_writer(path, durable=durable, kept=False)
    )
    with found("was opened"):
        await damage(ram_path, "empty database", state="closed")


@pytest.mark.parametrize("what", ["flipped page", "newer schema"])
async def test_closing_writes_the_wal_into_it(
    ram_path: Path, autojump_clock: object, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    check = database.check_soundness

    def trust_and_check(connection: object, path: Path) -> None:
        database.trust(connection)  # type: ignore[arg-type]
        check(connection, path)  # type: ignore[arg-type]

    monkeypatch.setattr(database, "check_soundness", trust_and_check)
    with found("were changed"):
        await damage(ram_path, what)


async def test_a_look_at_an_empty_file(
    ram_path: Path, autojump_clock: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    @contextmanager
    def open_anyway(path: Path) -> Iterator[Snapshot]:
        connection = _connect(path)
        yield Snapshot(connection, path)
        connection.close()

    monkeypatch.setattr("tests.faults.damage.open_snapshot", open_anyway)
    with found("looking has changed"):
        await damage(ram_path, "empty file")
