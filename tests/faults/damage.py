"""F4: a ledger whose files were damaged, lost or exchanged, and what is made of them at the next start.

What must hold: the house does not open and says what to do, and no byte of the files has changed; or it opens with a
ledger that adds up and has not lost what was closed. Never does it begin with an empty one, nor set anything aside.
"""

import hashlib
import random
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import apsw

from lodestard.domain.errors import Code, HouseFault
from lodestard.ledger import SCHEMA, open_ledger, verify
from lodestard.store import StoreOptions, open_snapshot, open_store, run_inline
from tests.faults.powercuts import DURABLE, FILE, Life, LoopClock, live

PAGE = 4096
WAL = f"{FILE}-wal"
_WAL_HEADER, _FRAME = 32, 24 + PAGE
KEPT_APART = (f"{FILE}-shm", f"{FILE}.lock")  # the one is rebuilt, the other says who holds it
WHAT_TO_DO = ("latest backup", "install that version again")

Damage = Callable[[Path, random.Random], None]


@dataclass(frozen=True)
class Ledgers:
    """Two folders of the same ledger: one as it was closed, one as it was when its process was killed."""

    closed: Path
    killed: Path
    requests: int


async def make_ledgers(folder: Path) -> Ledgers:
    """A ledger with some traffic in it. The killed one has had checkpoints, and more in its WAL."""
    first, closed, killed = folder / "first", folder / "closed", folder / "killed"
    first.mkdir()
    await live(Life([], random.Random(4)), first)
    shutil.copytree(first, closed)
    clock = LoopClock()
    async with open_store(first / FILE, (SCHEMA,), options=DURABLE, clock=clock, run=run_inline) as store:
        await store.commit(lambda tx: tx.execute("UPDATE request SET total_us = total_us + 1"))
        shutil.copytree(first, killed)
        ((requests,),) = store.read("SELECT count(*) FROM request")
    shutil.rmtree(first)
    return Ledgers(closed, killed, int(requests or 0))


# -- damages -------------------------------------------------------------------------------------------------------


def flip_page(folder: Path, luck: random.Random) -> None:
    """Every bit of one page that is in use is wrong."""
    file = folder / FILE
    pages = _pages_in_use(folder)
    _invert(file, (luck.choice(pages) - 1) * PAGE, PAGE)


def flip_header(folder: Path, luck: random.Random) -> None:
    _invert(folder / FILE, 0, 100)


def cut_file(folder: Path, luck: random.Random) -> None:
    file = folder / FILE
    _truncate(file, luck.randrange(512, file.stat().st_size - PAGE, 512))


def lose_file(folder: Path, luck: random.Random) -> None:
    (folder / FILE).unlink()


def empty_file(folder: Path, luck: random.Random) -> None:
    _truncate(folder / FILE, 0)


def lose_tables(folder: Path, luck: random.Random) -> None:
    """A database without anything in it, as ``sqlite3 ledger.db VACUUM`` makes one."""
    _replace(folder, "PRAGMA user_version = 1")


def exchange(folder: Path, luck: random.Random) -> None:
    _replace(folder, "CREATE TABLE theirs (x); INSERT INTO theirs VALUES (1)")


def write_text(folder: Path, luck: random.Random) -> None:
    (folder / FILE).write_bytes(b"Dear diary, " * 2_000)


def come_from_the_future(folder: Path, luck: random.Random) -> None:
    connection = apsw.Connection(str(folder / FILE))
    connection.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1)
    connection.execute("UPDATE schema_version SET version = version + 1")
    connection.close()


def lose_wal(folder: Path, luck: random.Random) -> None:
    (folder / WAL).unlink()


def empty_wal(folder: Path, luck: random.Random) -> None:
    _truncate(folder / WAL, 0)


def cut_wal(folder: Path, luck: random.Random) -> None:
    _truncate(folder / WAL, luck.randrange(_WAL_HEADER, (folder / WAL).stat().st_size))


def flip_wal(folder: Path, luck: random.Random) -> None:
    frames = ((folder / WAL).stat().st_size - _WAL_HEADER) // _FRAME
    _invert(folder / WAL, _WAL_HEADER + luck.randrange(frames) * _FRAME, _FRAME)


REFUSED: Mapping[str, Damage] = {
    "flipped page": flip_page,
    "flipped header": flip_header,
    "truncated file": cut_file,
    "missing file": lose_file,
    "empty file": empty_file,
    "empty database": lose_tables,
    "foreign database": exchange,
    "no database": write_text,
    "newer schema": come_from_the_future,
}
OF_A_KILLED_ONE: Mapping[str, Damage] = {"missing WAL": lose_wal, "empty WAL": empty_wal}
OLDER: Mapping[str, Damage] = {"truncated WAL": cut_wal, "flipped WAL": flip_wal}
"""What can't be told from a power cut: an earlier moment, which adds up and is not before the last checkpoint."""


def _invert(file: Path, at: int, size: int) -> None:
    data = bytearray(file.read_bytes())
    data[at : at + size] = bytes(255 - byte for byte in data[at : at + size])
    file.write_bytes(data)


def _truncate(file: Path, size: int) -> None:
    with file.open("r+b") as opened:
        opened.truncate(size)


def _replace(folder: Path, sql: str) -> None:
    for name in (FILE, WAL):
        (folder / name).unlink(missing_ok=True)
    connection = apsw.Connection(str(folder / FILE))
    connection.execute(sql)
    connection.close()


def _pages_in_use(folder: Path) -> list[int]:
    """Those that hold rows or keys of a table or an index: all but the first, what is free, what the WAL has anew."""
    copy = folder.with_name(f"{folder.name} looked at")
    shutil.copytree(folder, copy)
    connection = apsw.Connection(str(copy / FILE))
    wanted = "SELECT pageno FROM dbstat WHERE pagetype <> 'overflow' AND pageno BETWEEN 2 AND ?"
    pages = [int(page) for (page,) in connection.execute(wanted, ((folder / FILE).stat().st_size // PAGE,))]
    connection.close()
    shutil.rmtree(copy)
    return sorted({*pages} - _pages_in_wal(folder / WAL))


def _pages_in_wal(file: Path) -> set[int]:
    data = file.read_bytes() if file.exists() else b""
    return {int.from_bytes(data[at : at + 4], "big") for at in range(_WAL_HEADER, len(data), _FRAME)}


# -- what must hold ------------------------------------------------------------------------------------------------


def fingerprint(folder: Path) -> dict[str, str]:
    """What the files hold. An empty WAL is as good as none: SQLite makes one to read."""
    files = [file for file in folder.iterdir() if file.name not in KEPT_APART]
    files = [file for file in files if file.name != WAL or file.stat().st_size]
    return {file.name: f"{file.stat().st_size} {hashlib.sha256(file.read_bytes()).hexdigest()[:8]}" for file in files}


async def check_refused(folder: Path, options: StoreOptions = DURABLE) -> None:
    """It does not open, says what to do, and nothing has changed; and so again, and for who only looks."""
    before = fingerprint(folder)
    for _ in range(2):
        said = await _refusal(folder, options)
        assert said is not None, f"{folder}: it was opened"
        check_words(said)
        assert fingerprint(folder) == before, f"{folder}: its files were changed: {before} to {fingerprint(folder)}"
    try:
        with open_snapshot(folder / FILE) as snapshot:
            verify(snapshot)
    except HouseFault:
        pass
    assert fingerprint(folder) == before, f"{folder}: looking has changed its files: {before} {fingerprint(folder)}"


def check_words(said: str) -> None:
    assert FILE in said or "the database" in said, said
    assert any(words in said for words in WHAT_TO_DO), said


async def _refusal(folder: Path, options: StoreOptions) -> str | None:
    """What is said, or None where it opens."""
    clock = LoopClock()
    try:
        async with (
            open_store(folder / FILE, (SCHEMA,), options=options, clock=clock, run=run_inline) as store,
            open_ledger(store, clock),
        ):
            return None
    except HouseFault as fault:
        assert fault.code is Code.STORE_UNAVAILABLE
        return fault.message


async def check_older(folder: Path, requests: int) -> None:
    """It opens, adds up, and has what was closed."""
    said = await _refusal(folder, DURABLE)
    assert said is None, said
    with open_snapshot(folder / FILE) as snapshot:
        report = verify(snapshot, idle=True)
    assert report.ok, report.problems
    assert report.requests == requests
