"""The store as its users see it: commits, posts, reads, versions, one process, sound files."""

import os
import shutil
import stat
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, contextmanager
from pathlib import Path
from typing import Any

import apsw
import msgspec
import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from lodestard.domain.clock import SystemClock
from lodestard.domain.errors import Code, HouseFault
from lodestard.domain.ports import Row, Store, Tx
from lodestard.store import (
    FileStore,
    Run,
    StoreOptions,
    database,
    open_snapshot,
    open_store,
    run_in_thread,
    run_inline,
)
from lodestard.store.faults import UnusableFault
from lodestard.store.writer import Pace


class Schema(msgspec.Struct, frozen=True):
    owner: str
    scripts: tuple[str, ...]


NOTES = Schema(
    "notes", ("CREATE TABLE note (id INTEGER PRIMARY KEY, text TEXT NOT NULL) STRICT; CREATE INDEX n ON note (text)",)
)


def opened(
    path: Path, *schemas: Schema, run: Run = run_inline, **options: Any
) -> AbstractAsyncContextManager[FileStore]:
    wanted = StoreOptions(**{"durable": True, **options})
    return open_store(path, schemas or (NOTES,), options=wanted, clock=SystemClock(), run=run)


def add(text: str) -> Any:
    def work(tx: Tx) -> int:
        tx.execute("INSERT INTO note (text) VALUES (?)", (text,))
        return tx.changes()

    return work


def run_sql(sql: str) -> Callable[[Tx], list[Row]]:
    return lambda tx: tx.execute(sql)


def texts(store: Store) -> list[str]:
    return [str(text) for (text,) in store.read("SELECT text FROM note ORDER BY id")]


async def test_what_is_committed_is_read_at_once_and_after_reopening(tmp_path: Path, autojump_clock: object) -> None:
    path = tmp_path / "state" / "a.db"
    async with opened(path) as store:
        assert await store.commit(add("one")) == 1
        assert texts(store) == ["one"]
        assert await store.query("SELECT count(*) FROM note WHERE text = ?", ("one",)) == [(1,)]
        store.post(add("two"))
    assert not path.with_name("a.db-wal").exists()
    async with opened(path) as store:
        assert texts(store) == ["one", "two"]


async def test_a_kill_before_the_first_write_is_no_loss(tmp_path: Path) -> None:
    """What is on the disk while it is open opens again, though nobody has written since it was opened."""
    path = tmp_path / "a.db"
    async with opened(path) as store:
        await store.commit(add("one"))
    killed = tmp_path / "killed"
    async with opened(path):
        shutil.copytree(tmp_path, killed, ignore=shutil.ignore_patterns("killed"))
    assert (killed / "a.db-wal").stat().st_size
    async with opened(killed / "a.db") as store:
        assert texts(store) == ["one"]


async def test_files_are_for_their_owner_only(tmp_path: Path) -> None:
    path = tmp_path / "state" / "a.db"
    async with opened(path) as store:
        await store.commit(add("one"))
        modes = {each.name: stat.S_IMODE(each.stat().st_mode) for each in path.parent.iterdir()}
    assert modes == {"a.db": 0o600, "a.db-wal": 0o600, "a.db-shm": 0o600, "a.db.lock": 0o600}
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    path.chmod(0o644)
    async with opened(path):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


async def test_pragmas(tmp_path: Path) -> None:
    async with opened(tmp_path / "a.db") as store:
        assert store.read("PRAGMA journal_mode") == [("wal",)]
        assert await store.commit(run_sql("PRAGMA synchronous")) == [(2,)]
        assert await store.commit(run_sql("PRAGMA foreign_keys")) == [(1,)]
        assert store.read("PRAGMA application_id") == [(database.APPLICATION_ID,)]
    async with opened(tmp_path / "b.db", durable=False) as store:
        assert await store.commit(run_sql("PRAGMA synchronous")) == [(1,)]


async def test_concurrent_commits_share_one_transaction(tmp_path: Path, autojump_clock: object) -> None:
    async with opened(tmp_path / "a.db") as store:
        before = store.health.commits
        async with trio.open_nursery() as nursery:
            for number in range(64):
                nursery.start_soon(store.commit, add(str(number)))
        assert store.health.commits - before == 1
        assert len(texts(store)) == 64


async def test_a_thread_groups_what_comes_while_it_writes(tmp_path: Path) -> None:
    async with opened(tmp_path / "a.db", run=run_in_thread) as store:
        async with trio.open_nursery() as nursery:
            for number in range(64):
                nursery.start_soon(store.commit, add(str(number)))
        assert store.health.commits <= 4
        assert len(texts(store)) == 64
        assert await store.query("SELECT count(*) FROM note") == [(64,)]


async def test_a_post_waits_for_company_but_not_long(tmp_path: Path, autojump_clock: trio.testing.MockClock) -> None:
    async with opened(tmp_path / "a.db") as store:
        await trio.lowlevel.checkpoint()
        before = store.health.commits
        start = trio.current_time()
        store.post(add("one"))
        await trio.sleep(0.5)
        store.post(add("two"))
        assert texts(store) == [] and store.health.queued == 2
        await trio.sleep(0.5)
        assert texts(store) == ["one", "two"]
        assert trio.current_time() - start <= 1.0
        assert store.health.commits - before == 1
        store.post(add("three"))
        await store.commit(add("four"))
        assert texts(store) == ["one", "two", "three", "four"]
        assert store.health.commits - before == 2


async def test_many_posts_do_not_wait_for_the_second_to_end(tmp_path: Path, autojump_clock: object) -> None:
    async with opened(tmp_path / "a.db") as store:
        for number in range(2_500):
            store.post(add(str(number)))
        with trio.fail_after(0.1):
            await wait_all_tasks_blocked()
        assert not store.health.queued
        assert texts(store) == [str(number) for number in range(2_500)]


async def test_a_work_that_raises_is_undone_alone(tmp_path: Path, autojump_clock: object) -> None:
    def fail(tx: Tx) -> None:
        tx.execute("INSERT INTO note (text) VALUES ('never')")
        raise LookupError("no such thing")

    async def expect_failure(store: FileStore) -> None:
        with pytest.raises(LookupError, match="no such thing"):
            await store.commit(fail)

    async with opened(tmp_path / "a.db") as store, trio.open_nursery() as nursery:
        nursery.start_soon(store.commit, add("before"))
        nursery.start_soon(expect_failure, store)
        nursery.start_soon(store.commit, add("after"))
    async with opened(tmp_path / "a.db") as store:
        assert sorted(texts(store)) == ["after", "before"]
        assert store.health.ok


async def test_a_statement_that_fails_is_a_fault_of_ours(tmp_path: Path, autojump_clock: object) -> None:
    async with opened(tmp_path / "a.db") as store:
        for sql in ("INSERT INTO note (text) VALUES (NULL)", "SELEKT 1"):
            with pytest.raises(HouseFault) as caught:
                await store.commit(run_sql(sql))
            assert caught.value.code is Code.INTERNAL
        for read in (store.read, store.query):
            with pytest.raises(HouseFault):
                found: Any = read("SELECT * FROM nowhere")
                await found
        assert store.health.ok


async def test_a_post_that_fails_by_itself_is_logged_and_counted(
    tmp_path: Path, autojump_clock: object, caplog: pytest.LogCaptureFixture
) -> None:
    async with opened(tmp_path / "a.db") as store:
        store.post(run_sql("INSERT INTO note (text) VALUES (NULL)"))
        store.post(add("kept"))
        await trio.sleep(1)
        assert texts(store) == ["kept"]
        assert store.health.lost == 1
    assert "the work itself failed" in caplog.text


async def test_a_cancelled_caller_does_not_undo_its_commit(tmp_path: Path) -> None:
    async with opened(tmp_path / "a.db", run=run_in_thread) as store:
        with trio.move_on_after(1) as scope:
            scope_of_body = scope

            def work(tx: Tx) -> None:
                tx.execute("INSERT INTO note (text) VALUES ('kept')")
                trio.from_thread.run_sync(scope_of_body.cancel)

            await store.commit(work)
        assert scope.cancelled_caught
        await store.commit(add("next"))
        assert texts(store) == ["kept", "next"]
        with trio.CancelScope() as scope:
            scope.cancel()
            await store.commit(add("never queued"))
        assert len(texts(store)) == 2


async def test_closing_by_cancellation_still_writes_what_was_posted(tmp_path: Path, autojump_clock: object) -> None:
    with trio.move_on_after(5):
        async with opened(tmp_path / "a.db") as store:
            await trio.sleep(4.9)
            store.post(add("late"))
            await trio.sleep_forever()
    async with opened(tmp_path / "a.db") as store:
        assert texts(store) == ["late"]


async def test_after_closing_nothing_is_taken(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async with opened(tmp_path / "a.db") as store:
        pass
    with pytest.raises(HouseFault) as caught:
        await store.commit(add("one"))
    assert caught.value.code is Code.SHUTTING_DOWN
    store.post(add("one"))
    assert store.health.lost == 1
    assert "closed" in caplog.text


async def test_a_long_query_obeys_cancellation_and_the_next_one_works(tmp_path: Path) -> None:
    endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n"
    async with opened(tmp_path / "a.db", run=run_in_thread) as store:
        with trio.move_on_after(0.02) as scope:
            await store.query(endless)
        assert scope.cancelled_caught
        assert await store.query("SELECT 1") == [(1,)]
        await store.commit(add("one"))


async def test_versions_are_kept_per_owner(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    second = Schema("notes", (*NOTES.scripts, "ALTER TABLE note ADD COLUMN more TEXT"))
    other = Schema("pages", ("CREATE TABLE page (id INTEGER PRIMARY KEY) STRICT",))
    async with opened(path) as store:
        await store.commit(add("one"))
    async with opened(path, second) as store:
        assert store.read("SELECT text, more FROM note") == [("one", None)]
        await store.migrate(other)
        await store.migrate(other)
        versions = store.read("SELECT owner, version FROM schema_version ORDER BY owner")
        assert versions == [("notes", 2), ("pages", 1)]
    with pytest.raises(UnusableFault, match="newer lodestard"):
        async with opened(path):
            raise AssertionError
    async with opened(path, second):
        pass
    async with opened(path, disposable=True) as store:
        assert texts(store) == []


async def test_a_script_that_fails_leaves_the_version_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    broken = Schema("notes", (*NOTES.scripts, "CREATE TABLE half (id INTEGER) STRICT; SELEKT"))
    async with opened(path) as store:
        await store.commit(add("one"))
    with pytest.raises(HouseFault):
        async with opened(path, broken):
            raise AssertionError
    async with opened(path) as store:
        assert store.read("SELECT name FROM sqlite_schema WHERE name = 'half'") == []
        assert texts(store) == ["one"]


async def test_a_second_process_is_refused(tmp_path: Path) -> None:
    async with opened(tmp_path / "a.db"):
        with pytest.raises(HouseFault, match=f"in use by another process .pid {os.getpid()}"):
            async with opened(tmp_path / "a.db"):
                raise AssertionError
    async with opened(tmp_path / "a.db"):
        pass


async def test_an_old_sqlite_is_refused() -> None:
    with pytest.raises(HouseFault, match="too old"):
        database.require_sqlite("3.51.2")
    database.require_sqlite("3.51.3")
    database.require_sqlite("4.0.0")


async def make_damaged(path: Path, at: int) -> None:
    async with opened(path) as store:
        for number in range(300):
            store.post(add(f"note {number} " + "x" * 100))
    overwrite(path, at)


def overwrite(path: Path, at: int) -> None:
    data = bytearray(path.read_bytes())
    data[at : at + 64] = b"\xff" * 64
    path.write_bytes(data)


@pytest.mark.parametrize("at", [0, 4096 + 8, 3 * 4096 + 4, 6 * 4096 + 100])
async def test_a_damaged_file_is_refused_and_left_alone(tmp_path: Path, autojump_clock: object, at: int) -> None:
    path = tmp_path / "a.db"
    await make_damaged(path, at)
    before = path.read_bytes()
    with pytest.raises(UnusableFault, match="latest backup") as caught:
        async with opened(path):
            raise AssertionError
    assert caught.value.code is Code.STORE_UNAVAILABLE
    assert path.read_bytes() == before
    async with opened(path, disposable=True) as store:
        assert texts(store) == []
    assert path.with_name("a.db.damaged").read_bytes() == before


async def test_another_programs_database_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    foreign = apsw.Connection(str(path))
    foreign.execute("CREATE TABLE theirs (x)")
    foreign.close()
    with pytest.raises(UnusableFault, match="another program"):
        async with opened(path):
            raise AssertionError
    with pytest.raises(HouseFault, match="not a database of Lodestar"), open_snapshot(path):
        raise AssertionError


async def test_a_file_that_vanished_is_not_taken_for_a_new_one(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    async with opened(path) as store:
        await store.commit(add("money"))
    path.unlink()
    with pytest.raises(UnusableFault, match="was here and is gone"):
        async with opened(path):
            raise AssertionError
    path.touch()
    with pytest.raises(UnusableFault, match="gone or empty"):
        async with opened(path):
            raise AssertionError
    path.with_name("a.db.lock").unlink()
    async with opened(path) as store:
        assert texts(store) == []


async def test_places_that_cannot_hold_a_database(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "b.db").mkdir()
    (tmp_path / "c.db.lock").mkdir()
    for path in (tmp_path / "file" / "a.db", tmp_path / "b.db", tmp_path / "c.db"):
        with pytest.raises(HouseFault) as caught:
            async with opened(path):
                raise AssertionError
        assert caught.value.code is Code.STORE_UNAVAILABLE


async def test_backup_is_whole_and_can_be_opened(tmp_path: Path) -> None:
    copy = tmp_path / "copies" / "b.db"
    copy.parent.mkdir()
    async with opened(tmp_path / "a.db", run=run_in_thread) as store:
        await store.commit(add("one"))
        store.post(add("posted"))
        await store.backup(copy)
        await store.commit(add("later"))
        assert await store.integrity_check() == []
        with pytest.raises(HouseFault):
            await store.backup(tmp_path / "nowhere" / "b.db")
    assert [each.name for each in copy.parent.iterdir()] == ["b.db"]
    assert stat.S_IMODE(copy.stat().st_mode) == 0o600
    async with opened(copy) as store:
        assert texts(store) == ["one", "posted"]


async def test_integrity_check_names_what_is_wrong(tmp_path: Path) -> None:
    orphan = Schema(
        "x", ("CREATE TABLE a (id INTEGER PRIMARY KEY) STRICT", "CREATE TABLE b (a INTEGER REFERENCES a) STRICT")
    )
    path = tmp_path / "a.db"
    async with opened(path, orphan):
        pass
    careless = apsw.Connection(str(path))
    careless.execute("INSERT INTO b VALUES (7)")
    careless.close()
    async with opened(path, orphan) as store:
        assert await store.integrity_check() == ["b row 1: no such a"]


def snapshot_texts(path: Path) -> Sequence[object]:
    with open_snapshot(path) as snapshot:
        return snapshot.read("SELECT text FROM note ORDER BY id")


async def test_snapshots_beside_the_owner_and_without_it(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    async with opened(path) as store:
        await store.commit(add("one"))
        with open_snapshot(path) as snapshot:
            await store.commit(add("two"))
            assert snapshot.read("SELECT text FROM note") == [("one",)]
            assert list(snapshot.rows("SELECT text FROM note WHERE id = ?", (1,))) == [("one",)]
            with pytest.raises(HouseFault):
                snapshot.read("DELETE FROM note")
        assert snapshot_texts(path) == [("one",), ("two",)]
    assert snapshot_texts(path) == [("one",), ("two",)]
    with pytest.raises(HouseFault, match="not there"), open_snapshot(tmp_path / "b.db"):
        raise AssertionError
    (tmp_path / "c.db").write_bytes(b"not a database, but long enough to be looked at" * 100)
    with pytest.raises(UnusableFault), open_snapshot(tmp_path / "c.db"):
        raise AssertionError


@contextmanager
def as_somebody_else(folder: Path) -> Iterator[None]:
    """Able to read the folder's files, not to write there."""
    folder.chmod(0o555)
    user = os.geteuid()
    if user == 0:
        os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(user)
        folder.chmod(0o755)


async def test_a_snapshot_for_somebody_who_may_only_read() -> None:
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "a.db"
        async with opened(path) as store:
            await store.commit(add("one"))
        path.chmod(0o644)
        with as_somebody_else(path.parent):
            assert snapshot_texts(path) == [("one",)]
        path.with_name("a.db-wal").touch()
        with as_somebody_else(path.parent), pytest.raises(HouseFault, match="as its owner"), open_snapshot(path):
            raise AssertionError


async def test_default_pace() -> None:
    assert Pace().flush_s < 1.0
