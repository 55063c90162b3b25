"""One group commit: many works, one transaction, one fsync.

Law: a work that raises is undone alone; an error of the file undoes them all. Works go without savepoints, which are
a fifth of the price of a small work, until one raises: then all are undone and run again, each in a savepoint of its
own. Joint works that stand together are done together, statement by statement, which is half of their price. Runs in
the executor and touches only what it is given.
"""

from collections.abc import Callable, Iterable, Sequence
from itertools import groupby
from pathlib import Path
from typing import cast

import apsw
import trio

from lodestard.domain.ports import Joint, Row, Tx, Value
from lodestard.store.database import Place
from lodestard.store.faults import FILE_ERRORS, fault_of


class Work:
    """A piece of writing on its way: what to run, who waits for it (``done``, None for nobody), how it ended."""

    __slots__ = ("done", "error", "run", "value")

    def __init__(self, run: Callable[[Tx], object], done: trio.Event | None = None) -> None:
        self.run = run
        self.done = done
        self.value: object = None
        self.error: Exception | None = None


class Transaction:
    """The ``Tx`` port over the writing connection. ``broken`` is the file's error, once there was one."""

    __slots__ = ("_connection", "_path", "broken")

    def __init__(self, connection: apsw.Connection, path: Path) -> None:
        self._connection = connection
        self._path = path
        self.broken: apsw.Error | None = None

    def execute(self, sql: str, params: Sequence[Value] = ()) -> list[Row]:
        try:
            return self._connection.execute(sql, tuple(params) or None).fetchall()
        except FILE_ERRORS as error:
            self.broken = error
            raise fault_of(self._path, error) from error
        except apsw.Error as error:
            raise fault_of(self._path, error) from error

    def execute_many(self, sql: str, rows: Iterable[Sequence[Value]]) -> None:
        try:
            self._connection.executemany(sql, rows)
        except FILE_ERRORS as error:
            self.broken = error
            raise fault_of(self._path, error) from error
        except apsw.Error as error:
            raise fault_of(self._path, error) from error

    def changes(self) -> int:
        return self._connection.changes()


def commit_batch(connection: apsw.Connection, place: Place, works: Sequence[Work]) -> Exception | None:
    """Run ``works`` in order and commit. None once they are durable, otherwise the file's error: none of them holds.

    A work that itself raised has its ``error`` set and is the only one undone.
    """
    tx = Transaction(connection, place.path)
    try:
        place.check()
        connection.execute("BEGIN IMMEDIATE")
        if not _run_all(tx, works):
            _roll_back(connection)
            connection.execute("BEGIN IMMEDIATE")
            for work in works:
                _run_one(connection, tx, work)
        connection.execute("COMMIT")
    except (apsw.Error, OSError) as error:
        _roll_back(connection)
        return error
    except BaseException:
        _roll_back(connection)
        raise
    return None


def _run_all(tx: Transaction, works: Sequence[Work]) -> bool:
    """False where one of them raised, which spoils what the others have written."""
    for kind, group in groupby(works, _kind_of):
        neighbours = list(group)
        error: Exception | None = None
        try:
            if kind is None:
                _run_each(tx, neighbours)
            else:
                _run_together(tx, neighbours)
        except Exception as raised:  # noqa: BLE001  it raises again, alone
            error = raised
        if tx.broken is not None:
            raise tx.broken
        if error is not None:
            return False
    return True


def _run_each(tx: Transaction, works: Sequence[Work]) -> None:
    for work in works:
        work.error = None
        work.value = work.run(tx)
        if tx.broken is not None:
            return


def _run_together(tx: Transaction, works: Sequence[Work]) -> None:
    for work in works:
        work.error = None
    joint = [cast("Joint", work.run) for work in works]
    joint[0].together(tx, joint)


def _kind_of(work: Work) -> type[object] | None:
    """Works of one kind are done together; None for those that go alone."""
    if work.done is not None or not hasattr(work.run, "together"):
        return None
    return type(work.run)


def _run_one(connection: apsw.Connection, tx: Transaction, work: Work) -> None:
    work.error = None
    connection.execute("SAVEPOINT work")
    try:
        work.value = work.run(tx)
    except Exception as error:  # noqa: BLE001  it goes to the one who asked for the work, or is logged by the writer
        work.error = error
    if tx.broken is not None:
        raise tx.broken
    if work.error is not None:
        connection.execute("ROLLBACK TO work")
    connection.execute("RELEASE work")


def _roll_back(connection: apsw.Connection) -> None:
    if connection.in_transaction:
        connection.execute("ROLLBACK")
