"""The same works once more, in memory: what a ledger's tables must look like after any number of them.

Law: works run in the order in which they were given to the store, each alone; so after a power cut a file must look
as its shadow did after some number of them, and after no fewer than were acknowledged.
"""

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import apsw
import trio

from lodestard.domain.ports import Row, Tx, Value
from lodestard.ledger import SCHEMA
from lodestard.store import FileStore
from lodestard.store.schema import migrate
from tests.fakes.memory_store import MemoryTx

T = TypeVar("T")
Work = Callable[[Tx], object]
Look = Callable[[str], Sequence[Row]]
_TABLES = "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite%' ORDER BY name"
DRAWN = ("export_salt",)
"""Drawn by lot when the tables are made, so that no two ledgers have the same."""


def look_of(tables: Look) -> int:
    """What all tables hold, as one number."""
    names = [str(name) for (name,) in tables(_TABLES) if name not in DRAWN]
    return hash(tuple((name, tuple(tables(f'SELECT * FROM "{name}"'))) for name in names))


class Shadow:
    """A ledger's tables in memory. ``looks``: how they were after each number of works, from none on."""

    def __init__(self) -> None:
        self._connection = apsw.Connection(":memory:")
        self._connection.pragma("foreign_keys", 1)
        self._tx = MemoryTx(self._connection)
        migrate(self._tx, (SCHEMA,))
        self.looks = [self._look()]

    def play(self, works: Sequence[Work]) -> None:
        """Run them, and keep how it looks after each."""
        for work in works:
            self.run(work)
            self.looks.append(self._look())

    def run(self, work: Work) -> None:
        self._connection.execute("SAVEPOINT work")
        try:
            work(self._tx)
        except Exception:  # noqa: BLE001  it was undone alone in the file, too
            self._connection.execute("ROLLBACK TO work")
        self._connection.execute("RELEASE work")

    def _look(self) -> int:
        return look_of(self._tx.execute)


class WatchedStore:
    """The ``Store`` port over a real one, with a list of all works. ``acknowledged`` is told how many are durable."""

    def __init__(self, store: FileStore, works: list[Work], acknowledged: Callable[[int], object]) -> None:
        self._store = store
        self._works = works
        self._acknowledged = acknowledged

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    async def commit(self, work: Callable[[Tx], T]) -> T:
        await trio.lowlevel.checkpoint_if_cancelled()  # as the store does, before it takes the work
        self.given(work)
        number = len(self._works)
        value = await self._store.commit(work)
        self._acknowledged(number)
        return value

    def post(self, work: Work) -> None:
        self.given(work)
        self._store.post(work)

    def given(self, work: Work) -> None:
        self._works.append(work)

    def read(self, sql: str, params: Sequence[Value] = ()) -> list[Row]:
        return self._store.read(sql, params)

    async def query(self, sql: str, params: Sequence[Value] = ()) -> list[Row]:
        return await self._store.query(sql, params)
