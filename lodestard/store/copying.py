"""A copy of a database, whole and of one moment, by SQLite's online backup (sqlite.org/backup.html).

Law: a copy appears under its name only once it is complete, sound and durable. Blocking: runs in the executor.
"""

import os
from pathlib import Path

import apsw

from lodestard.store.database import prepare_file, sync_folder
from lodestard.store.faults import damaged, fault_of


def copy_database(source: Path, target: Path) -> None:
    """Copy ``source`` to ``target`` (0600). Raises ``HouseFault``; an older copy is kept then."""
    part = target.with_name(target.name + ".part")
    try:
        part.unlink(missing_ok=True)
        prepare_file(part)
        _copy(source, part)
        part.replace(target)
        sync_folder(target.parent)
    except (apsw.Error, OSError) as error:
        part.unlink(missing_ok=True)
        raise fault_of(target, error) from error


def _copy(source: Path, part: Path) -> None:
    reading = apsw.Connection(str(source), flags=apsw.SQLITE_OPEN_READONLY)
    writing = apsw.Connection(str(part), flags=apsw.SQLITE_OPEN_READWRITE)
    try:
        with writing.backup("main", reading, "main") as copying:
            copying.step(-1)
        writing.pragma("journal_mode", "delete")
        if writing.execute("PRAGMA quick_check(1)").fetchall() != [("ok",)]:
            raise damaged(source, "its copy is not sound")
    finally:
        writing.close()
        reading.close()
    _sync(part)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
