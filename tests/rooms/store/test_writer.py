"""What the store does when its file can't be written: who is told, what is kept, how it heals."""

from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import apsw
import msgspec
import pytest
import trio

from lodestard.domain.clock import SystemClock
from lodestard.domain.errors import Code, HouseFault
from lodestard.domain.ports import Store, Tx
from lodestard.store import FileStore, Health, Run, StoreOptions, open_snapshot, open_store, run_in_thread, run_inline
from lodestard.store import database as database_module
from lodestard.store.writer import Pace
from tests.fakes.faulty_disk import FaultyDisk, faulty_disk


class Schema(msgspec.Struct, frozen=True):
    owner: str = "notes"
    scripts: tuple[str, ...] = ("CREATE TABLE note (id INTEGER PRIMARY KEY, text TEXT NOT NULL) STRICT",)


class Switch:
    """An executor whose disk can be pulled out."""

    def __init__(self, error: Exception | None = None) -> None:
        self.error: Exception | None = error
        self.calls = 0

    async def run(self, work: Callable[[], Any]) -> Any:
        await trio.lowlevel.checkpoint()
        self.calls += 1
        if self.error is not None:
            raise self.error
        return work()


FULL = apsw.FullError("database or disk is full")


def opened(path: Path, run: Run = run_inline, pace: Pace | None = None) -> AbstractAsyncContextManager[FileStore]:
    options = StoreOptions(durable=True, pace=pace or Pace())
    return open_store(path, (Schema(),), options=options, clock=SystemClock(), run=run)


def add(text: str) -> Callable[[Tx], None]:
    def work(tx: Tx) -> None:
        tx.execute("INSERT INTO note (text) VALUES (?)", (text,))

    return work


def texts(store: Store) -> list[str]:
    return [str(text) for (text,) in store.read("SELECT text FROM note ORDER BY id")]


def health(store: FileStore) -> Health:
    return store.health


async def wait_healed(store: FileStore) -> None:
    while not health(store).ok:  # noqa: ASYNC110  its health is looked at, not announced
        await trio.sleep(0.01)


async def test_a_full_disk_is_told_kept_and_healed(
    tmp_path: Path, autojump_clock: trio.testing.MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    switch = Switch()
    async with opened(tmp_path / "a.db", switch.run) as store:
        await store.commit(add("before"))
        switch.error = FULL
        store.post(add("posted first"))
        with pytest.raises(HouseFault) as caught:
            await store.commit(add("refused"))
        assert caught.value.code is Code.STORE_UNAVAILABLE
        assert "disk is full" in caught.value.message
        assert caught.value.retry_after_s == 1.0
        store.post(add("posted second"))
        assert (health(store).ok, health(store).queued) == (False, 2)
        assert health(store).failing_since_ms is not None
        assert texts(store) == ["before"]

        calls = switch.calls
        with pytest.raises(HouseFault):
            await store.commit(add("refused at once"))
        assert switch.calls == calls
        await trio.sleep(60)
        assert 50 < switch.calls - calls < 70

        switch.error = None
        start = trio.current_time()
        await wait_healed(store)
        assert trio.current_time() - start <= 1.1
        await store.commit(add("after"))
        assert texts(store) == ["before", "posted first", "posted second", "after"]
        assert (health(store).lost, health(store).reason) == (0, "")
    assert caplog.text.count("trying again") == 1
    assert caplog.text.count("can be written again") == 1


async def test_it_heals_although_nothing_was_posted(tmp_path: Path, autojump_clock: object) -> None:
    switch = Switch()
    async with opened(tmp_path / "a.db", switch.run) as store:
        switch.error = OSError(5, "Input/output error")
        with pytest.raises(HouseFault):
            await store.commit(add("refused"))
        switch.error = None
        await trio.sleep(0.2)
        assert health(store).ok
        await store.commit(add("after"))
        assert texts(store) == ["after"]


async def test_a_defect_in_the_executor_does_not_end_the_writer(
    tmp_path: Path, autojump_clock: object, caplog: pytest.LogCaptureFixture
) -> None:
    switch = Switch()
    async with opened(tmp_path / "a.db", switch.run) as store:
        switch.error = ZeroDivisionError("a defect")
        with pytest.raises(HouseFault, match="ZeroDivisionError"):
            await store.commit(add("refused"))
        switch.error = None
        await trio.sleep(0.2)
        await store.commit(add("after"))
    assert "a defect in the writer" in caplog.text


async def test_posts_are_bounded_and_their_loss_is_logged(
    tmp_path: Path, autojump_clock: object, caplog: pytest.LogCaptureFixture
) -> None:
    switch = Switch()
    async with opened(tmp_path / "a.db", switch.run, Pace(max_posts=3)) as store:
        switch.error = FULL
        with pytest.raises(HouseFault):
            await store.commit(add("refused"))
        for number in range(5):
            store.post(add(str(number)))
        assert (health(store).queued, health(store).lost) == (3, 2)
        assert caplog.text.count("the queue is full") == 1
        switch.error = None
        await trio.sleep(1)
        assert texts(store) == ["0", "1", "2"]


async def test_closing_while_it_fails_gives_up_in_time(
    tmp_path: Path, autojump_clock: object, caplog: pytest.LogCaptureFixture
) -> None:
    class Broken(Switch):
        async def run(self, work: Callable[[], Any]) -> Any:
            if "commit_batch" not in repr(work):
                return work()
            return await super().run(work)

    switch = Broken()
    async with opened(tmp_path / "a.db", switch.run) as store:
        switch.error = FULL
        with pytest.raises(HouseFault):
            await store.commit(add("refused"))
        store.post(add("lost"))
        store.post(add("lost too"))
        await trio.sleep(3)
        start = trio.current_time()
    assert 4.9 <= trio.current_time() - start <= 6
    assert store.health.lost == 2
    assert "2 written never" in caplog.text


async def test_closing_while_it_fails_writes_what_it_can(tmp_path: Path, autojump_clock: object) -> None:
    switch = Switch()

    async def mend() -> None:
        await trio.sleep(2)
        switch.error = None

    async with trio.open_nursery() as nursery, opened(tmp_path / "a.db", switch.run) as store:
        switch.error = FULL
        with pytest.raises(HouseFault):
            await store.commit(add("refused"))
        store.post(add("kept"))
        nursery.start_soon(mend)
    async with opened(tmp_path / "a.db") as store:
        assert texts(store) == ["kept"]


def files(path: Path) -> list[str]:
    with open_snapshot(path) as snapshot:
        assert snapshot.read("PRAGMA integrity_check") == [("ok",)]
        return [str(text) for (text,) in snapshot.read("SELECT text FROM note ORDER BY id")]


async def write_all(store: FileStore, disk: FaultyDisk, fail_at: int) -> list[str]:
    """Commits and posts while the disk's n-th operation fails. What must be in the file afterwards."""
    expected = []
    disk.fail_at = disk.operations + fail_at
    for number in range(6):
        store.post(add(f"post {number} " + "x" * 9_000))
        expected.append(f"post {number}")
        try:
            await store.commit(add(f"commit {number} " + "y" * 9_000))
            expected.append(f"commit {number}")
        except HouseFault as fault:
            assert fault.code is Code.STORE_UNAVAILABLE
    await trio.sleep(3)
    assert health(store).ok
    return expected


@pytest.mark.parametrize("fail_at", range(1, 40, 2))
async def test_whatever_write_or_sync_fails_the_file_has_what_was_promised(
    tmp_path: Path, autojump_clock: object, fail_at: int
) -> None:
    path = tmp_path / "a.db"
    with faulty_disk() as disk:
        async with opened(path) as store:
            expected = await write_all(store, disk, fail_at)
            assert disk.operations >= disk.fail_at
    assert [" ".join(text.split()[:2]) for text in files(path)] == expected


async def test_a_really_full_disk(tmp_path: Path, autojump_clock: object) -> None:
    path = tmp_path / "a.db"
    with faulty_disk() as disk:
        async with opened(path) as store:
            await store.commit(add("before"))
            disk.full = True
            for _ in range(3):
                with pytest.raises(HouseFault, match="disk is full"):
                    await store.commit(add("refused"))
                await trio.sleep(2)
            store.post(add("posted"))
            assert texts(store) == ["before"]
            disk.full = False
            await trio.sleep(1.1)
            assert texts(store) == ["before", "posted"]
    assert files(path) == ["before", "posted"]


async def test_a_file_that_cannot_be_made_on_a_full_disk(tmp_path: Path, autojump_clock: object) -> None:
    with faulty_disk() as disk:
        disk.full = True
        with pytest.raises(HouseFault, match="disk is full"):
            async with opened(tmp_path / "a.db"):
                raise AssertionError
        disk.full = False
        async with opened(tmp_path / "a.db") as store:
            await store.commit(add("one"))


async def test_a_lock_of_another_program_is_told_in_time_and_healed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database_module, "WRITER_BUSY_MS", 20)
    async with opened(tmp_path / "a.db", run_in_thread) as store:
        other = apsw.Connection(str(tmp_path / "a.db"))
        other.execute("BEGIN IMMEDIATE")
        with trio.fail_after(2), pytest.raises(HouseFault, match="another program has locked it"):
            await store.commit(add("refused"))
        assert texts(store) == []
        store.post(add("posted"))
        other.execute("ROLLBACK")
        other.close()
        with trio.fail_after(5):
            await wait_healed(store)
        assert texts(store) == ["posted"]


async def test_a_file_that_was_moved_away_is_not_written(tmp_path: Path, autojump_clock: object) -> None:
    path, away = tmp_path / "a.db", tmp_path / "away.db"
    async with opened(path) as store:
        await store.commit(add("before"))
        path.rename(away)
        with pytest.raises(HouseFault, match="No such file"):
            await store.commit(add("refused"))
        path.touch()
        await trio.sleep(1)
        assert "replaced while open" in health(store).reason
        away.rename(path)
        await trio.sleep(1.1)
        await store.commit(add("after"))
    assert files(path) == ["before", "after"]


async def test_an_error_of_the_file_that_a_work_swallows_still_fails_it(
    tmp_path: Path, autojump_clock: object
) -> None:
    def careless(tx: Tx) -> str:
        try:
            tx.execute("INSERT INTO note (text) VALUES (?)", ("x" * 20_000_000,))
        except HouseFault:
            return "swallowed"
        return "written"

    with faulty_disk() as disk:
        async with opened(tmp_path / "a.db") as store:
            await store.commit(lambda tx: tx.execute("PRAGMA cache_size = 10"))
            disk.full = True
            with pytest.raises(HouseFault, match="disk is full"):
                await store.commit(careless)
            disk.full = False
            await trio.sleep(1)
            assert texts(store) == []


class Memo:
    """A joint work: writes its text, and says how many were done together."""

    def __init__(self, text: str, groups: list[int]) -> None:
        self._text = text
        self._groups = groups

    def __call__(self, tx: Tx) -> None:
        self.together(tx, (self,))

    def together(self, tx: Tx, works: "Sequence[Memo]") -> None:
        self._groups.append(len(works))
        tx.execute_many("INSERT INTO memo (text) VALUES (?)", [(work._text,) for work in works])


async def test_joint_works_that_stand_together_are_done_together_in_order(tmp_path: Path) -> None:
    groups: list[int] = []
    async with opened(tmp_path / "a.db") as store:
        await store.commit(lambda tx: tx.execute("CREATE TABLE memo (text TEXT NOT NULL)"))
        for text in ("a", "b", "c"):
            store.post(Memo(text, groups))
        store.post(lambda tx: tx.execute("INSERT INTO memo VALUES ('d')"))
        store.post(Memo("e", groups))
        await store.commit(lambda _tx: None)
        assert store.read("SELECT text FROM memo ORDER BY rowid") == [(text,) for text in "abcde"]
        assert groups == [3, 1]
        assert (store.health.works, store.health.lost) == (7, 0)


async def test_one_joint_work_that_fails_is_lost_alone(tmp_path: Path) -> None:
    groups: list[int] = []
    async with opened(tmp_path / "a.db") as store:
        await store.commit(lambda tx: tx.execute("CREATE TABLE memo (text TEXT UNIQUE)"))
        for text in ("a", "b", "a", "c"):
            store.post(Memo(text, groups))
        await store.commit(lambda _tx: None)
        assert store.read("SELECT text FROM memo ORDER BY rowid") == [("a",), ("b",), ("c",)]
        assert groups == [4, 1, 1, 1, 1]
        assert store.health.lost == 1
