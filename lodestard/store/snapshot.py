"""A database seen from outside: read-only, at one moment, beside the daemon or without it.

Law: changes nothing in the database. For checks and exports that run in a process of their own.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import apsw

from lodestard.domain.errors import Code, HouseFault
from lodestard.domain.ports import Row, Value
from lodestard.store.database import APPLICATION_ID, require_sqlite
from lodestard.store.faults import damaged, fault_of, vanished

STEPS_BETWEEN_BREATHS = 100_000  # of SQLite's machine: about a millisecond


class Snapshot:
    """One moment of a database. Blocking; for one thread."""

    __slots__ = ("_connection", "path")

    def __init__(self, connection: apsw.Connection, path: Path) -> None:
        self._connection = connection
        self.path = path

    def read(self, sql: str, params: Sequence[Value] = ()) -> list[Row]:
        """Rows of one statement. Raises ``HouseFault``."""
        return list(self.rows(sql, params))

    def rows(self, sql: str, params: Sequence[Value] = ()) -> Iterator[Row]:
        """The same, one after the other, for what doesn't fit into memory."""
        try:
            yield from self._connection.execute(sql, tuple(params) or None)
        except apsw.Error as error:
            raise fault_of(self.path, error) from error


@contextmanager
def open_snapshot(path: Path, breathe: Callable[[], bool] | None = None) -> Iterator[Snapshot]:
    """Open ``path`` for reading. ``breathe`` is called while it reads; what it raises ends that.

    Raises ``HouseFault(STORE_UNAVAILABLE)``: missing, damaged, not ours, forbidden.
    """
    require_sqlite()
    if not path.is_file():
        raise HouseFault(Code.STORE_UNAVAILABLE, f"{path} is not there")
    if path.stat().st_size == 0:  # SQLite would delete the WAL beside it, even to read
        raise vanished(path)
    connection = _connect(path)
    if breathe is not None:
        connection.set_progress_handler(breathe, STEPS_BETWEEN_BREATHS)
    try:
        yield Snapshot(connection, path)
    finally:
        connection.close()


def _connect(path: Path) -> apsw.Connection:
    try:
        try:
            return _connect_as(path, path.absolute().as_uri())
        except (apsw.CantOpenError, apsw.ReadOnlyError):
            return _connect_immutable(path)
    except apsw.Error as error:
        raise fault_of(path, error) from error


def _connect_immutable(path: Path) -> apsw.Connection:
    """For a reader that may not make the -shm file beside it: right only where no WAL waits to be read."""
    if path.with_name(path.name + "-wal").exists():
        raise HouseFault(Code.STORE_UNAVAILABLE, f"{path} can't be read: run this as its owner")
    return _connect_as(path, f"{path.absolute().as_uri()}?immutable=1")


def _connect_as(path: Path, name: str) -> apsw.Connection:
    connection = apsw.Connection(name, flags=apsw.SQLITE_OPEN_READONLY | apsw.SQLITE_OPEN_URI)
    try:
        connection.set_busy_timeout(2_000)
        if connection.pragma("application_id") != APPLICATION_ID:
            raise damaged(path, "it is not a database of Lodestar")  # noqa: TRY301  closed on the way out
        connection.execute("BEGIN")
        connection.execute("SELECT 1 FROM sqlite_schema LIMIT 1").fetchall()
    except BaseException:
        connection.close()
        raise
    return connection
