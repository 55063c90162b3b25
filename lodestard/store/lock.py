"""One process a database: a lock file beside it, held while the store is open.

Law: the lock is the kernel's (flock), so it ends with the process, however that ends; the file itself stays. Its
text says who holds it and whether the database has ever been there, so that a database that has vanished is never
taken for a new one; and whether it was closed, for until then the latest of it is in its WAL.
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lodestard.domain.errors import Code, HouseFault

_KEPT = "database kept"
_OPEN = "not closed"


class Lock:
    """The lock while it is held. ``kept`` says that the database was there when it was last closed or killed.

    ``left_open``: it was killed, or the power failed; a WAL that is on the disk had been written by then.
    """

    __slots__ = ("_descriptor", "kept", "left_open", "path")

    def __init__(self, path: Path, descriptor: int) -> None:
        self.path = path
        self._descriptor = descriptor
        before = _text(descriptor)
        self.kept = _KEPT in before
        self.left_open = _OPEN in before
        self._write(_OPEN if self.left_open else "")

    def mark_open(self) -> None:
        """From now on the database is expected to be there, and its WAL beside it: both are on the disk."""
        self.kept = True
        self._write(_OPEN)

    def mark_closed(self) -> None:
        """From now on its WAL may go. Comes before that, so that a crash between the two is no alarm."""
        self._write("")

    def _write(self, state: str) -> None:
        text = f"{os.getpid()}\n{_KEPT if self.kept else ''}\n{state}\n".encode()
        os.pwrite(self._descriptor, text, 0)
        os.ftruncate(self._descriptor, len(text))
        os.fsync(self._descriptor)


@contextmanager
def hold_lock(database: Path) -> Iterator[Lock]:
    """Hold ``<database>.lock``. Raises ``HouseFault(STORE_UNAVAILABLE)`` where another process has it."""
    path = database.with_name(database.name + ".lock")
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise HouseFault(Code.STORE_UNAVAILABLE, f"{path} can't be opened: {error.strerror}") from error
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            owner = _text(descriptor).partition("\n")[0] or "unknown"
            raise HouseFault(
                Code.STORE_UNAVAILABLE, f"{database} is in use by another process (pid {owner}); stop that one first"
            ) from error
        yield _take(path, descriptor)
    finally:
        os.close(descriptor)


def _take(path: Path, descriptor: int) -> Lock:
    try:
        return Lock(path, descriptor)
    except OSError as error:
        raise HouseFault(Code.STORE_UNAVAILABLE, f"{path} can't be written: {error.strerror}") from error


def _text(descriptor: int) -> str:
    return os.pread(descriptor, 256, 0).decode("ascii", "replace")
