"""The ``Store`` port over a database in memory: everything inline, and failing when it is told to.

It keeps what it holds when a room that used it is closed, as a file would: so a test can "restart".
"""

from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

import apsw
import trio

from lodestard.domain.errors import Code, HouseFault
from lodestard.domain.ports import Migrations, Row, Tx, Value

T = TypeVar("T")


class MemoryTx:
    """A transaction under way."""

    def __init__(self, connection: apsw.Connection) -> None:
        self._connection = connection

    def execute(self, sql: str, params: Sequence[Value] = ()) -> list[Row]:
        return self._connection.execute(sql, tuple(params) or None).fetchall()

    def execute_many(self, sql: str, rows: Iterable[Sequence[Value]]) -> None:
        self._connection.executemany(sql, rows)

    def changes(self) -> int:
        return self._connection.changes()


class MemoryStore:
    """``broken`` makes every call fail as a full or missing disk does; ``commits`` counts what was written."""

    def __init__(self, migrations: Sequence[Migrations] = ()) -> None:
        self.connection = apsw.Connection(":memory:")
        self.broken = False
        self.commits = 0
        for owner in migrations:
            for script in owner.scripts:
                self.connection.execute(script)

    async def commit(self, work: Callable[[Tx], T]) -> T:
        await trio.lowlevel.checkpoint()
        self._check()
        with self.connection:
            value = work(MemoryTx(self.connection))
        self.commits += 1
        return value

    def post(self, work: Callable[[Tx], object]) -> None:
        if not self.broken:
            with self.connection:
                work(MemoryTx(self.connection))

    def read(self, sql: str, params: Sequence[Value] = ()) -> list[Row]:
        self._check()
        return self.connection.execute(sql, tuple(params) or None).fetchall()

    async def query(self, sql: str, params: Sequence[Value] = ()) -> list[Row]:
        await trio.lowlevel.checkpoint()
        return self.read(sql, params)

    def _check(self) -> None:
        if self.broken:
            raise HouseFault(Code.STORE_UNAVAILABLE, "the disk is full")
