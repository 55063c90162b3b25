"""A disk that writes down what is asked of it: an SQLite VFS, the default while it is installed.

Law: the record is all that a power cut needs to know: every write, truncation, sync, new name and deleted name, in
order. What SQLite's unix VFS syncs of a folder is recorded as it does it (os_unix.c, ``unixSync`` and
``unixDelete``): the folder of a new WAL or journal with that file's first sync, and of a deletion that asks for it.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partialmethod
from pathlib import Path
from typing import Any
from unittest.mock import patch

import apsw

from lodestard.store import database
from lodestard.store.lock import Lock

CHECKPOINT_PAGES = 40  # in place of a thousand, so that a short run has many checkpoints
_JOURNALS = apsw.SQLITE_OPEN_WAL | apsw.SQLITE_OPEN_MAIN_JOURNAL


@dataclass(frozen=True, slots=True)
class Write:
    inode: int
    offset: int
    data: bytes


@dataclass(frozen=True, slots=True)
class Truncate:
    inode: int
    size: int


@dataclass(frozen=True, slots=True)
class Sync:
    """What a file holds is on the disk."""

    inode: int


@dataclass(frozen=True, slots=True)
class Name:
    """A name of the folder means this file from now on, or none."""

    name: str
    inode: int | None


@dataclass(frozen=True, slots=True)
class SyncFolder:
    """The names are on the disk."""


Operation = Write | Truncate | Sync | Name | SyncFolder


@dataclass
class Record:
    """All operations on the files of one folder, and what those that were there before them held."""

    before: dict[str, bytes] = field(default_factory=dict)
    operations: list[Operation] = field(default_factory=list)
    sync_lies: bool = False
    _inodes: dict[str, int] = field(default_factory=dict)
    _made: int = 0

    def inode(self, name: str) -> int:
        """The file that ``name`` means; a new one where it means none."""
        if name not in self._inodes:
            self._made += 1
            self._inodes[name] = self._made
            if name not in self.before:
                self.operations.append(Name(name, self._made))
        return self._inodes[name]

    def delete(self, name: str) -> None:
        self._inodes.pop(name, None)
        self.operations.append(Name(name, None))

    def sync(self, inode: int) -> None:
        if not self.sync_lies:
            self.operations.append(Sync(inode))

    def sync_folder(self) -> None:
        if not self.sync_lies:
            self.operations.append(SyncFolder())


@contextmanager
def recorded(folder: Path) -> Iterator[Record]:
    """Inside, databases in ``folder`` are recorded. They must be closed before leaving. Nothing is really synced."""
    record = Record({file.name: file.read_bytes() for file in folder.iterdir()})
    for name in record.before:
        record.inode(name)
    vfs = _install(record)
    apsw.connection_hooks.append(_checkpoint_often)
    try:
        with (
            patch.object(database, "sync_folder", lambda _folder: record.sync_folder()),
            patch.object(Lock, "_write", partialmethod(_write_lock, record=record, write=Lock._write)),
        ):
            yield record
    finally:
        apsw.connection_hooks.remove(_checkpoint_often)
        vfs.unregister()
        apsw.set_default_vfs("unix")


def _write_lock(lock: Lock, state: str, *, record: Record, write: Callable[[Lock, str], None]) -> None:
    """The lock file is no database; it is written whole, then synced."""
    inode = record.inode(lock.path.name)
    write(lock, state)
    text = lock.path.read_bytes()
    record.operations += [Write(inode, 0, text), Truncate(inode, len(text))]
    record.sync(inode)


def _checkpoint_often(connection: apsw.Connection) -> None:
    connection.wal_autocheckpoint(CHECKPOINT_PAGES)


def _install(record: Record) -> apsw.VFS:
    class File(apsw.VFSFile):
        def __init__(self, name: Any, flags: list[int]) -> None:
            self.inode = record.inode(_last(name))
            self.new_name = bool(flags[0] & _JOURNALS and flags[0] & apsw.SQLITE_OPEN_CREATE)
            super().__init__("unix", name, flags)

        def xWrite(self, data: bytes, offset: int) -> None:  # noqa: N802
            record.operations.append(Write(self.inode, offset, bytes(data)))
            super().xWrite(data, offset)

        def xTruncate(self, size: int) -> None:  # noqa: N802
            record.operations.append(Truncate(self.inode, size))
            super().xTruncate(size)

        def xSync(self, _flags: int) -> None:  # noqa: N802
            record.sync(self.inode)
            if self.new_name:
                self.new_name = False
                record.sync_folder()

    class Disk(apsw.VFS):
        def __init__(self) -> None:
            super().__init__("recorded", "unix", makedefault=True)

        def xOpen(self, name: Any, flags: list[int]) -> apsw.VFSFile:  # noqa: N802
            return File(name, flags)

        def xDelete(self, name: str, sync: bool) -> None:  # noqa: N802
            super().xDelete(name, sync)
            record.delete(_last(name))
            if sync:
                record.sync_folder()

    return Disk()


def _last(name: Any) -> str:
    path = name.filename() if isinstance(name, apsw.URIFilename) else str(name)
    return Path(path).name
