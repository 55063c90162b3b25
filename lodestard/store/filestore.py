"""A database file as the house sees it: the ``Store`` port over one writer and two readers.

Law: what is opened here is closed here, in the reverse order, whatever happens between; leaving the context writes
what was posted. Short reads run in the loop on a connection of their own, long ones in the executor on another.
"""

import logging
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import TypeVar

import apsw
import msgspec
import trio

from lodestard.domain.clock import Clock
from lodestard.domain.errors import HouseFault
from lodestard.domain.ports import Migrations, Row, Tx, Value
from lodestard.store import database
from lodestard.store.batch import Work, commit_batch
from lodestard.store.copying import copy_database
from lodestard.store.executor import Run, run_in_thread, run_until_left
from lodestard.store.faults import UnusableFault, fault_of, half_restored, vanished
from lodestard.store.lock import Lock, hold_lock
from lodestard.store.schema import migrate
from lodestard.store.writer import Health, Pace, Writer

T = TypeVar("T")
_log = logging.getLogger(__name__)
_STEPS_BETWEEN_LOOKS = 10_000  # of SQLite's machine: about 0.1 ms


class StoreOptions(msgspec.Struct, frozen=True, kw_only=True):
    """``durable``: each commit is synced before anyone is told (FULL), otherwise a power cut may lose the last ones.

    ``disposable``: a damaged file, or one of a newer version, is set aside and made anew; for caches only.
    """

    durable: bool
    disposable: bool = False
    pace: Pace = Pace()


class FileStore:
    """Implements ``domain.ports.Store``. Made by ``open_store``."""

    def __init__(self, path: Path, writer: Writer, *, run: Run) -> None:
        self.path = path
        self._writer = writer
        self._run = run
        self._near = database.open_reader(path)
        self._far: apsw.Connection | None = None
        self._turn = trio.Lock()

    @property
    def health(self) -> Health:
        """How writing fares, now."""
        return self._writer.health

    async def commit(self, work: Callable[[Tx], T]) -> T:
        """See the port. ``work`` must touch nothing but ``Tx``: after an error of the file nothing of it holds."""
        return await self._writer.commit(work)

    def post(self, work: Callable[[Tx], object]) -> None:
        """See the port. ``work`` may run more than once; one that itself raises is logged and lost."""
        self._writer.post(work)

    def read(self, sql: str, params: Sequence[Value] = ()) -> list[Row]:
        """See the port. Raises ``HouseFault``."""
        try:
            return self._near.execute(sql, tuple(params) or None).fetchall()
        except apsw.Error as error:
            raise fault_of(self.path, error) from error

    async def query(self, sql: str, params: Sequence[Value] = ()) -> list[Row]:
        """See the port. One at a time; cancelling ends it within about a millisecond. Raises ``HouseFault``."""
        async with self._turn:
            left = trio.Event()
            fetched = await run_until_left(self._run, partial(self._fetch, sql, params, left.is_set), left.set)
        if isinstance(fetched, Exception):
            raise fault_of(self.path, fetched) from fetched
        return fetched

    def _fetch(self, sql: str, params: Sequence[Value], left: Callable[[], bool]) -> list[Row] | apsw.Error:
        try:
            if self._far is None:
                self._far = database.open_reader(self.path)
            self._far.set_progress_handler(left, _STEPS_BETWEEN_LOOKS)
            return self._far.execute(sql, tuple(params) or None).fetchall()
        except apsw.Error as error:
            return error

    async def migrate(self, migrations: Migrations) -> None:
        """Bring one more owner's tables up to date, in the running store. Raises ``HouseFault``."""
        await self.commit(lambda tx: migrate(tx, (migrations,)))

    async def integrity_check(self) -> list[str]:
        """What SQLite finds wrong with the file: nothing, if all is well. Reads every page."""
        rows = await self.query("PRAGMA integrity_check")
        orphans = await self.query("PRAGMA foreign_key_check")
        problems = [str(text) for (text,) in rows if text != "ok"]
        return problems + [f"{table!s} row {row!s}: no such {parent!s}" for table, row, parent, _ in orphans]

    async def backup(self, target: Path) -> None:
        """Copy the database, as it is at one moment, to ``target`` (0600, replaced whole). Writing goes on meanwhile.

        Raises ``HouseFault``. Cancelling waits for the copy's end.
        """
        await self.commit(_nothing)
        await self._run(partial(copy_database, self.path, target))

    def close_readers(self) -> None:
        """For ``open_store`` alone."""
        self._near.close()
        if self._far is not None:
            self._far.close()


@asynccontextmanager
async def open_store(
    path: Path, migrations: Sequence[Migrations], *, options: StoreOptions, clock: Clock, run: Run = run_in_thread
) -> AsyncIterator[FileStore]:
    """Open the database at ``path``, making it if it is new, with every owner's tables up to date.

    Raises ``HouseFault(STORE_UNAVAILABLE)`` where the file is in use by another process, damaged, missing though it
    was there before, or newer than this code. Leaving writes what was posted, for at most ``pace.close_s``.
    """
    database.require_sqlite()
    _prepare_folder(path)
    with hold_lock(path) as lock:
        connection = await run(partial(_open, path, tuple(migrations), options, lock))
        try:
            store, writer = _join(path, connection, options=options, clock=clock, run=run)
            try:
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(writer.run_writer)
                    try:
                        yield store
                    finally:
                        writer.close()
            finally:
                store.close_readers()
        finally:
            with trio.CancelScope(shield=True):
                await run(partial(_close, path, connection, lock))


def _join(
    path: Path, connection: apsw.Connection, *, options: StoreOptions, clock: Clock, run: Run
) -> tuple[FileStore, Writer]:
    try:
        writer = Writer(connection, database.Place(path), run=run, clock=clock, pace=options.pace)
        return FileStore(path, writer, run=run), writer
    except (apsw.Error, OSError) as error:
        raise fault_of(path, error) from error


def _nothing(tx: Tx) -> None:
    """An empty work: once it is done, so is all that was posted before it."""


def _prepare_folder(path: Path) -> None:
    try:
        database.prepare_folder(path.parent)
    except OSError as error:
        raise fault_of(path.parent, error) from error


def _open(path: Path, migrations: Sequence[Migrations], options: StoreOptions, lock: Lock) -> apsw.Connection:
    try:
        connection = _open_sound(path, migrations, options, lock)
    except UnusableFault as fault:
        if not options.disposable:
            raise
        _log.warning("store %s: set aside and made anew: %s", path.name, fault.message)
        _set_aside(path)
        connection = _open_sound(path, migrations, options, lock)
    try:
        lock.mark_open()
    except OSError as error:
        connection.close()
        raise fault_of(lock.path, error) from error
    return connection


def _open_sound(path: Path, migrations: Sequence[Migrations], options: StoreOptions, lock: Lock) -> apsw.Connection:
    if path.with_name(f"{path.name}.restoring").exists():
        raise half_restored(path)
    try:
        kept = lock.kept and not options.disposable
        if kept:
            _require_presence(path, lock)
        new = database.prepare_file(path)
        connection = database.open_writer(path, durable=options.durable, kept=kept)
    except (apsw.Error, OSError) as error:
        raise fault_of(path, error) from error
    try:
        database.check_soundness(connection, path)
        _migrate(connection, path, migrations)
        database.begin_wal(connection)
        if new or not lock.left_open:
            database.sync_folder(path.parent)
        database.trust(connection)
    except (apsw.Error, OSError) as error:
        connection.close()
        raise fault_of(path, error) from error
    except HouseFault:
        connection.close()
        raise
    return connection


def _close(path: Path, connection: apsw.Connection, lock: Lock) -> None:
    try:
        lock.mark_closed()
    except OSError as error:  # the next one to open it misses its WAL, and says so
        _log.error("store %s: its lock file can't be written: %s", path.name, error)
    connection.close()


def _require_presence(path: Path, lock: Lock) -> None:
    """The file, and until it was closed its WAL: SQLite itself would go on without that, and with less."""
    for needed in (path, path.with_name(path.name + "-wal")) if lock.left_open else (path,):
        if not needed.exists() or needed.stat().st_size == 0:
            raise vanished(needed)


def _migrate(connection: apsw.Connection, path: Path, migrations: Sequence[Migrations]) -> None:
    work = Work(lambda tx: migrate(tx, migrations))
    error = commit_batch(connection, database.Place(path), [work]) or work.error
    if error is not None:
        raise error


def _set_aside(path: Path) -> None:
    path.replace(path.with_name(path.name + ".damaged"))
    for suffix in ("-wal", "-shm"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)
