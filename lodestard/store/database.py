"""Opening a database file: its place, its permissions, its pragmas, its health.

Law: a file is used only if it is ours, sound and complete; otherwise a fault says what to do and nothing has been
changed. Everything here blocks: it runs in the store's executor.
"""

import os
from pathlib import Path

import apsw

from lodestard.domain.errors import Code, HouseFault
from lodestard.store.faults import damaged, vanished

APPLICATION_ID = 0x4C4F4445  # "LODE"
OLDEST_SQLITE = (3, 51, 3)  # before it, resetting the WAL could damage a database (sqlite.org/releaselog/3_51_3.html)
WRITER_BUSY_MS = 2_000
READER_BUSY_MS = 50
QUICK_CHECK_BYTES = 32 * 1024 * 1024  # below this, checking the whole file at open takes well under half a second


def require_sqlite(version: str = apsw.sqlite_lib_version()) -> None:
    """Raises ``HouseFault(INTERNAL)`` where the SQLite in use could damage a database."""
    if tuple(int(part) for part in version.split(".")) < OLDEST_SQLITE:
        wanted = ".".join(map(str, OLDEST_SQLITE))
        raise HouseFault(Code.INTERNAL, f"SQLite {version} is too old: lodestard needs {wanted} or newer")


def prepare_file(path: Path) -> bool:
    """Make the file (0600) if it is not there. True where it was made or was still empty."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        status = os.fstat(descriptor)
        if status.st_mode & 0o077 and status.st_uid == os.geteuid():
            os.fchmod(descriptor, 0o600)
        return status.st_size == 0
    finally:
        os.close(descriptor)


def prepare_folder(folder: Path) -> None:
    """Make the folder, for its owner only, where it is missing. One that is there keeps its mode."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)


def sync_folder(folder: Path) -> None:
    """Make the names in ``folder`` durable: a new file's name is not, after its contents were synced."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def open_writer(path: Path, *, durable: bool, kept: bool) -> apsw.Connection:
    """The connection that writes. Raises ``apsw.Error``, or a fault where the file is not ours.

    ``kept``: it has been there before, so an empty one is not taken. Until ``trust`` is called, closing it leaves
    the WAL as it is: what is in there must not get into a damaged file, or one of another program.
    """
    connection = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READWRITE, statementcachesize=200)
    try:
        connection.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1)
        connection.set_busy_timeout(WRITER_BUSY_MS)
        _harden(connection)
        _claim(connection, path, kept=kept)
        _require_wal(connection, path)
        connection.pragma("synchronous", "full" if durable else "normal")
        connection.pragma("journal_size_limit", 16 * 1024 * 1024)
    except BaseException:
        connection.close()
        raise
    return connection


def trust(connection: apsw.Connection) -> None:
    """The file is ours and sound: closing may put what is in the WAL into it."""
    connection.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 0)


def begin_wal(connection: apsw.Connection) -> None:
    """Write something: until then a WAL is empty, and after a kill an empty one is taken for one that was lost.

    Not the first page: a copy of it in the WAL would hide that the one in the file is damaged. And a row that comes
    and goes: what changes nothing is not written.
    """
    with connection:
        connection.execute("INSERT INTO schema_version VALUES ('', 0)")
        connection.execute("DELETE FROM schema_version WHERE owner = ''")


def _require_wal(connection: apsw.Connection, path: Path) -> None:
    if connection.pragma("journal_mode", "wal") != "wal":
        raise HouseFault(Code.STORE_UNAVAILABLE, f"{path}: its file system can't do WAL; put it on a local disk")


def open_reader(path: Path) -> apsw.Connection:
    """A connection that only reads."""
    connection = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY, statementcachesize=200)
    connection.set_busy_timeout(READER_BUSY_MS)
    _harden(connection)
    return connection


def _harden(connection: apsw.Connection) -> None:
    for option in (apsw.SQLITE_DBCONFIG_DQS_DDL, apsw.SQLITE_DBCONFIG_DQS_DML, apsw.SQLITE_DBCONFIG_TRUSTED_SCHEMA):
        connection.config(option, 0)
    connection.config(apsw.SQLITE_DBCONFIG_DEFENSIVE, 1)
    connection.pragma("foreign_keys", 1)
    connection.pragma("cell_size_check", 1)
    connection.pragma("temp_store", "memory")


def _claim(connection: apsw.Connection, path: Path, *, kept: bool) -> None:
    owner = connection.pragma("application_id")
    empty = not connection.execute("SELECT 1 FROM sqlite_schema LIMIT 1").fetchall()
    if owner != APPLICATION_ID and (owner or not empty):
        raise damaged(path, "it is a database of another program")
    if kept and empty:
        raise vanished(path)
    if owner != APPLICATION_ID:
        connection.pragma("application_id", APPLICATION_ID)


def check_soundness(connection: apsw.Connection, path: Path) -> None:
    """Read every page of a file that is small enough. Raises ``UnusableFault`` with what was found."""
    if path.stat().st_size > QUICK_CHECK_BYTES:
        return
    problems = connection.execute("PRAGMA quick_check(1)").fetchall()
    if problems != [("ok",)]:
        raise damaged(path, str(problems[0][0]).splitlines()[0])


class Place:
    """Where the opened file was. Writing to a file that has since been moved or deleted would lose it silently."""

    __slots__ = ("_identity", "path")

    def __init__(self, path: Path) -> None:
        self.path = path
        self._identity = self._stat()

    def _stat(self) -> tuple[int, int]:
        status = self.path.stat()
        return status.st_dev, status.st_ino

    def check(self) -> None:
        """Raises ``OSError`` where another file, or none, is there now."""
        if self._stat() != self._identity:
            raise FileNotFoundError(2, "it was replaced while open; restart lodestard", str(self.path))
