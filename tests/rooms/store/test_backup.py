"""Backups of a real ledger: made, looked at, spoilt in every way, put back, interrupted, carried over."""

import errno
import io
import os
import shutil
import stat
import tarfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import apsw
import msgspec
import pytest
import trio
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lodestard.backups import BackupRoom, mark_ledger
from lodestard.control.messages.backup import Restored, RestoreItem, RestorePlan
from lodestard.domain.backup import BackupRules, LedgerMark, Made, Manifest, Part, Step
from lodestard.domain.clock import SystemClock
from lodestard.domain.closing import Closing
from lodestard.domain.errors import CallerFault, HouseFault
from lodestard.domain.request import Caller
from lodestard.domain.usage import Usage
from lodestard.ledger import SCHEMA
from lodestard.recovering import Wanted, restore, resume, verify_file
from lodestard.store import StoreOptions, backup_make, backup_restore, open_snapshot, open_store
from lodestard.store.backup_archive import (
    BadBackupError,
    load_zstd,
    read_archive,
    read_manifest,
    sum_file,
    write_archive,
)
from lodestard.store.backup_folder import NOTES, delete_backup, file_of, list_backups, sum_of
from lodestard.store.backup_restore import unfinished
from tests.fakes.small_ledger import COST_NANO_USD, HOLD_NANO_USD, PAID, opened_ledger, serve

RULES = BackupRules()
ZSTD = load_zstd()
NO_TEXT = b'{"id":"\xff","at":"\xff"}'


def nothing(_step: Step) -> None:
    """Nobody watches."""


@dataclass
class House:
    """A state folder, its configuration, and who backs it up."""

    folder: Path

    def __post_init__(self) -> None:
        (self.state_dir / "projects.json").parent.mkdir(mode=0o700, parents=True)
        (self.state_dir / "projects.json").write_bytes(b"trusted")
        (self.state_dir / "prices.json").write_bytes(b"made anew")
        self.config.write_text('[upstreams.openai]\nkey = { file = "/k" }\n')
        (self.folder / "conf.d").mkdir()
        (self.folder / "conf.d/10-mine.toml").write_text("[server]\ndrain_s = 3.0\n")

    @property
    def state_dir(self) -> Path:
        return self.folder / "state"

    @property
    def ledger(self) -> Path:
        return self.state_dir / "ledger.db"

    @property
    def config(self) -> Path:
        return self.folder / "lodestard.toml"

    @property
    def room(self) -> BackupRoom:
        return BackupRoom(self.state_dir, self.config, "UTC", SystemClock())

    @property
    def backups(self) -> Path:
        return self.state_dir / "backups"

    def back_up(self) -> Made:
        return self.room.make_now(RULES, nothing, lambda: False)

    def restore(
        self, file: Path, to: Path | None = None, *, keep: bool = False, agree: bool = True
    ) -> tuple[RestorePlan | None, Restored | None]:
        plans: list[RestorePlan] = []

        def agreed(item: RestoreItem) -> bool:
            assert item.plan is not None
            plans.append(item.plan)
            return agree

        folder = to or self.state_dir
        with file.open("rb") as stream:
            wanted = Wanted(file, stream, folder, folder / "ledger-log", keep_spent=keep)
            done = restore(wanted, agreed)
        return (plans[0] if plans else None), done


@pytest.fixture
def house(tmp_path: Path) -> House:
    made = House(tmp_path / "house")
    trio.run(begin, made.ledger)
    return made


async def begin(path: Path) -> None:
    async with opened_ledger(path) as ledger:
        await serve(ledger, 3, "alpha")


def requests_of(path: Path) -> set[str]:
    with open_snapshot(path) as snapshot:
        return {str(name) for (name,) in snapshot.read("SELECT id FROM request")}


def plain_of(made: Made) -> bytes:
    return bytes(ZSTD.decompress(Path(made.backup.file).read_bytes()))


# -- making ------------------------------------------------------------------------------------------------------


def test_what_is_in_it(house: House) -> None:
    made = house.back_up()
    file = Path(made.backup.file)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(house.backups.stat().st_mode) == 0o700
    assert made.backup.verified_ms is not None and "latest" in made.backup.kept
    assert made.manifest.ledger.requests == 3
    assert made.manifest.ledger.cost_nano_usd == 3 * COST_NANO_USD
    assert sum(made.manifest.ledger.books.values()) == 0
    names = [part.name for part in made.manifest.parts]
    assert names == ["ledger.db", "state/projects.json", "config/lodestard.toml", "config/conf.d/10-mine.toml"]
    plain = ZSTD.decompress(file.read_bytes())
    with tarfile.open(fileobj=io.BytesIO(plain)) as tar:  # a person needs nothing of ours
        assert tar.getnames() == ["manifest.json", *names]
    assert sum_of(file).read_text().split()[1] == file.name
    assert sorted(path.name for path in house.backups.iterdir()) == sorted(
        (".lock", "verified.json", file.name, sum_of(file).name)
    )
    assert not verify_file(file).faults


async def test_it_is_of_one_moment_while_others_write(house: House) -> None:
    async with opened_ledger(house.ledger) as ledger:
        entry = ledger.open_entry(Caller(), "a", dialect="openai_chat", stream=False)
        await ledger.hold(entry, PAID, HOLD_NANO_USD)
        made = house.back_up()
        assert made.manifest.ledger.requests == 4
        assert made.manifest.ledger.books["held"] == HOLD_NANO_USD


@pytest.mark.parametrize("pages", [1, 7])
async def test_commits_between_steps_do_not_begin_it_anew(
    house: House, monkeypatch: pytest.MonkeyPatch, pages: int
) -> None:
    monkeypatch.setattr(backup_make, "PAGES_A_STEP", pages)
    writing = apsw.Connection(str(house.ledger))
    steps: list[Step] = []

    def write(step: Step) -> None:
        steps.append(step)
        if step.what == "copying":
            writing.execute(
                "CREATE TABLE IF NOT EXISTS noise (text TEXT); INSERT INTO noise VALUES (?)", ("x" * 9_000,)
            )

    made = house.room.make_now(RULES, write, lambda: False)
    writing.close()
    copying = [step.done for step in steps if step.what == "copying"]
    assert len(copying) > 3 and copying == sorted(copying)
    assert made.manifest.ledger.requests == 3
    assert not verify_file(Path(made.backup.file)).faults


async def test_secrets_stay_out_and_that_is_told(house: House) -> None:
    (house.folder / "conf.d/20-bad.toml").write_text('[upstreams.x.headers]\nAuthorization = "Bearer abcdefghijkl"\n')
    (house.folder / "conf.d/30-worse.toml").write_text("no toml")
    made = house.back_up()
    assert {Path(left.name).name for left in made.manifest.left_out} == {"20-bad.toml", "30-worse.toml"}
    assert "headers.Authorization" in made.manifest.left_out[0].why
    assert b"abcdefghijkl" not in plain_of(made)


class GoneError(Exception):
    """Nobody is there any more."""


@pytest.mark.parametrize("what", ["copying", "packing", "reading"])
async def test_given_up_it_leaves_nothing(house: House, what: str) -> None:
    first = house.back_up()

    def leave(step: Step) -> None:
        if step.what == what:
            raise GoneError

    with pytest.raises(GoneError):
        house.room.make_now(RULES, leave, lambda: False)
    assert [each.id for each in house.room.read_shelf(RULES).backups] == [first.backup.id]
    assert len(list(house.backups.iterdir())) == 4


async def test_a_full_disk_leaves_nothing_and_says_so(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    first = house.back_up()

    def full(_descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("lodestard.store.backup_archive.os.fsync", full)
    with pytest.raises(HouseFault, match="the disk is full; make room"):
        house.back_up()
    monkeypatch.undo()
    assert [each.id for each in house.room.read_shelf(RULES).backups] == [first.backup.id]
    assert not (house.backups / ".making").exists()
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(10, 9, 1))
    with pytest.raises(HouseFault, match="MB are needed"):
        house.back_up()


async def test_where_it_can_not_be_noted_there_is_none(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that nobody has noted counts as made by nobody: the next try would lay another beside it, for ever."""

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(backup_make, "note_verified", full)
    with pytest.raises(HouseFault, match="the disk is full"):
        house.back_up()
    assert [path.name for path in house.backups.iterdir()] == [".lock"]


async def test_no_room_to_look_is_no_fault_of_the_backup(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    made = house.back_up()
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(10, 9, 1))
    with pytest.raises(HouseFault, match="make room"):
        house.room.verify_now(RULES, made.backup.id, lambda: False)
    assert house.room.read_shelf(RULES).backups[0].verified_ms


async def test_a_ledger_that_does_not_add_up_is_not_backed_up(house: House) -> None:
    connection = apsw.Connection(str(house.ledger))
    connection.execute("UPDATE request SET cost_nano_usd = 1 WHERE seq = 1")
    connection.close()
    with pytest.raises(HouseFault, match="does not add up"):
        house.back_up()
    assert not house.room.read_shelf(RULES).backups


async def test_old_ones_go_and_one_always_stays(house: House) -> None:
    rules = BackupRules(keep_daily=1, keep_weekly=0, keep_monthly=0)
    first = house.back_up()
    second = house.room.make_now(rules, nothing, lambda: False)
    assert second.deleted == ()  # both are of the last day
    assert first.backup.id in {each.id for each in house.room.read_shelf(rules).backups}
    none = BackupRules(keep_daily=0, keep_weekly=0, keep_monthly=0)
    assert house.room.prune(none) == ()
    foreign = house.backups / "notes.tar.zst"
    foreign.write_bytes(b"mine")
    old = file_of(house.backups, "20200101T000000Z")
    shutil.copy(second.backup.file, old)
    assert house.room.prune(none) == ()
    assert foreign.exists()
    (unknown,) = (each for each in house.room.read_shelf(none).backups if each.verified_ms is None)
    assert unknown.kept == ("not verified",)
    house.room.verify_now(none, unknown.id, lambda: False)
    shutil.copy(sum_of(Path(second.backup.file)), sum_of(old))
    assert house.room.prune(none) == (unknown.id,)
    assert not old.exists()
    assert not sum_of(old).exists()


async def test_killed_between_two_deletions_no_sum_is_left_alone(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    house.back_up()
    gone: list[str] = []
    monkeypatch.setattr(Path, "unlink", lambda path, **_: gone.append(path.suffix))
    delete_backup(house.backups, house.room.read_shelf(RULES).backups[0])
    assert gone == [".sha256", ".zst"]


# -- spoilt ------------------------------------------------------------------------------------------------------


def packed(plain: bytes) -> bytes:
    return bytes(ZSTD.compress(plain))


def faults_of(file: Path, data: bytes) -> tuple[str, ...]:
    spoilt = file.with_name("spoilt.tar.zst")
    spoilt.write_bytes(data)
    return verify_file(spoilt).faults


@pytest.fixture(scope="module")
def a_backup(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small one, its ledger a few bytes: for what is refused before the ledger is opened."""
    folder = tmp_path_factory.mktemp("b")
    (folder / "ledger.db").write_bytes(bytes(range(256)) * 9)
    (folder / "projects.json").write_bytes(b"trusted")
    parts = tuple(Part(name, *sum_file(folder / Path(name).name)) for name in ("ledger.db", "state/projects.json"))
    manifest = manifest_of(parts)
    write_archive(
        folder / "b.tar.zst", manifest, {part.name: folder / Path(part.name).name for part in parts}, nothing
    )
    return folder / "b.tar.zst"


def manifest_of(parts: tuple[Part, ...]) -> Manifest:
    return Manifest(format=1, id="20261126T033000Z", at_ms=0, versions={}, ledger=LedgerMark(), parts=parts)


def manifest_in(file: Path) -> Manifest:
    with file.open("rb") as stream:
        return read_manifest(stream)


def read_whole(data: bytes, folder: Path | None = None) -> Manifest:
    return read_archive(io.BytesIO(data), folder, lambda _: None, nothing)


def test_the_same_parts_give_the_same_bytes(a_backup: Path) -> None:
    manifest = manifest_in(a_backup)
    again = a_backup.with_name("again")
    sources = {part.name: a_backup.parent / Path(part.name).name for part in manifest.parts}
    write_archive(again, manifest, sources, nothing)
    assert again.read_bytes() == a_backup.read_bytes()
    assert read_whole(again.read_bytes()) == manifest


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_a_flipped_bit_is_refused_or_changes_nothing(a_backup: Path, data: st.DataObject) -> None:
    whole = a_backup.read_bytes()
    place = data.draw(st.integers(0, len(whole) * 8 - 1))
    spoilt = bytearray(whole)
    spoilt[place // 8] ^= 1 << (place % 8)
    try:
        assert read_whole(bytes(spoilt)) == read_whole(whole)
    except BadBackupError:
        return


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_one_that_is_cut_or_longer_is_refused(a_backup: Path, data: st.DataObject) -> None:
    whole = a_backup.read_bytes()
    cut = data.draw(st.integers(0, len(whole) - 1))
    with pytest.raises(BadBackupError):
        read_whole(whole[:cut])
    with pytest.raises(BadBackupError):
        read_whole(whole + data.draw(st.binary(min_size=1, max_size=40)))


def test_the_sum_beside_it_catches_every_bit(a_backup: Path) -> None:
    house_sum = sum_of(a_backup)
    house_sum.write_text(f"{'0' * 64}  {a_backup.name}\n")
    try:
        assert "SHA-256" in verify_file(a_backup).faults[0]
    finally:
        house_sum.unlink()


def with_manifest(a_backup: Path, change: Callable[[Manifest], Manifest]) -> bytes:
    """The same file under another manifest."""
    plain = ZSTD.decompress(a_backup.read_bytes())
    manifest = manifest_in(a_backup)
    size = tarfile.TarInfo.frombuf(plain[:512], "utf-8", "strict").size
    rest = plain[512 + size + -size % 512 :]
    head = msgspec.json.encode(change(manifest))
    info = tarfile.TarInfo("manifest.json")
    info.size = len(head)
    return packed(info.tobuf() + head + bytes(-len(head) % 512) + rest)


def renamed(name: str) -> Callable[[Manifest], Manifest]:
    def change(manifest: Manifest) -> Manifest:
        first, *rest = manifest.parts
        last = msgspec.structs.replace(rest[-1], name=name)
        return msgspec.structs.replace(manifest, parts=(first, last))

    return change


@pytest.mark.parametrize(
    "name",
    [
        "../../etc/passwd",
        "/etc/passwd",
        "state/../../x",
        "state/a/b",
        "state/..",
        "config/conf.d/../../x",
        "state/",
        "x",
        "state/ledger.db-wal",
        "state/ledger.db.restoring",
        "state/backups",
    ],
)
def test_names_that_lead_elsewhere_are_refused(a_backup: Path, tmp_path: Path, name: str) -> None:
    data = with_manifest(a_backup, renamed(name))
    with pytest.raises(BadBackupError, match="a part that no backup has"):
        read_whole(data, tmp_path / "deep")
    assert not list(tmp_path.rglob("*"))


def sized(bytes_of_ledger: int) -> Callable[[Manifest], Manifest]:
    def change(manifest: Manifest) -> Manifest:
        first, *rest = manifest.parts
        return msgspec.structs.replace(manifest, parts=(msgspec.structs.replace(first, bytes=bytes_of_ledger), *rest))

    return change


def test_sizes_that_nobody_has_are_refused_before_anything_is_written(a_backup: Path) -> None:
    with pytest.raises(HouseFault, match=r"says that it holds .* make room"):
        faults_of(a_backup, with_manifest(a_backup, sized(1 << 50)))
    with pytest.raises(BadBackupError, match="another size"):
        read_whole(with_manifest(a_backup, sized(7)))
    with pytest.raises(BadBackupError, match="nonsense"):
        read_whole(with_manifest(a_backup, sized(-1)))


def test_a_manifest_of_another_backup_is_refused(a_backup: Path) -> None:
    def swap(manifest: Manifest) -> Manifest:
        parts = tuple(msgspec.structs.replace(part, sha256="0" * 64) for part in manifest.parts)
        return msgspec.structs.replace(manifest, parts=parts)

    with pytest.raises(BadBackupError, match="not what its manifest says"):
        read_whole(with_manifest(a_backup, swap))
    with pytest.raises(BadBackupError, match="its format is 2"):
        read_whole(with_manifest(a_backup, lambda manifest: msgspec.structs.replace(manifest, format=2)))


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.DIRTYPE, tarfile.XHDTYPE, tarfile.GNUTYPE_LONGNAME])
def test_only_plain_files_are_in_one(a_backup: Path, kind: bytes) -> None:
    plain = bytearray(ZSTD.decompress(a_backup.read_bytes()))
    at = plain.index(b"ledger.db\0")
    info = tarfile.TarInfo.frombuf(bytes(plain[at : at + 512]), "utf-8", "strict")
    info.type, info.linkname = kind, "/etc/passwd"
    plain[at : at + 512] = info.tobuf()
    with pytest.raises(BadBackupError, match=r"where ledger\.db should be"):
        read_whole(packed(bytes(plain)))


async def test_a_manifest_of_another_ledger_is_refused(house: House) -> None:
    made = house.back_up()

    def lie(manifest: Manifest) -> Manifest:
        return msgspec.structs.replace(manifest, ledger=msgspec.structs.replace(manifest.ledger, requests=2))

    file = Path(made.backup.file)
    spoilt = file.with_name("spoilt.tar.zst")
    spoilt.write_bytes(with_manifest(file, lie))
    assert "of another ledger" in verify_file(spoilt).faults[0]
    with pytest.raises(HouseFault, match="of another ledger"):
        house.restore(spoilt)


async def test_nobody_knows_that_id(house: House) -> None:
    with pytest.raises(CallerFault, match="there is no backup"):
        house.room.verify_now(RULES, "", lambda: False)
    house.back_up()
    with pytest.raises(CallerFault, match="no backup is called 'x'"):
        house.room.verify_now(RULES, "x", lambda: False)


# -- put back ----------------------------------------------------------------------------------------------------


async def test_put_back_over_what_is_there(house: House) -> None:
    made = house.back_up()
    before = requests_of(house.ledger)
    async with opened_ledger(house.ledger) as ledger:
        await serve(ledger, 2)
    (house.state_dir / "projects.json").write_bytes(b"changed")
    (house.state_dir / "use.json").write_bytes(b"new since")
    plan, done = house.restore(Path(made.backup.file))
    assert plan is not None and done is not None
    assert (plan.requests_now, plan.forgotten, plan.forgotten_nano_usd) == (5, 2, 2 * COST_NANO_USD)
    assert requests_of(house.ledger) == before
    assert (house.state_dir / "projects.json").read_bytes() == b"trusted"
    assert not (house.state_dir / "use.json").exists()
    aside = Path(done.aside)
    assert requests_of(aside / "ledger.db") > before
    assert (aside / "use.json").read_bytes() == b"new since"
    assert (Path(done.config) / "conf.d/10-mine.toml").exists()
    assert stat.S_IMODE(house.ledger.stat().st_mode) == 0o600
    async with opened_ledger(house.ledger) as ledger:
        await serve(ledger, 1)
    assert mark_ledger(house.ledger).requests == 4


async def test_twice_gives_the_same_bytes(house: House, tmp_path: Path) -> None:
    file = Path(house.back_up().backup.file)
    house.restore(file, tmp_path / "one")
    house.restore(file, tmp_path / "two")
    for name in ("ledger.db", "projects.json"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()


async def test_without_agreement_nothing_changes(house: House) -> None:
    made = house.back_up()
    there = {path: path.read_bytes() for path in house.state_dir.rglob("*") if path.is_file()}
    _, done = house.restore(Path(made.backup.file), agree=False)
    assert done is None
    assert {path: path.read_bytes() for path in there} == there
    assert not (house.state_dir / ".restore").exists()


async def test_it_waits_for_nobody_who_has_the_ledger(house: House) -> None:
    made = house.back_up()
    async with opened_ledger(house.ledger):
        with pytest.raises(HouseFault, match="in use by another process"):
            house.restore(Path(made.backup.file))


async def test_over_one_that_was_killed(house: House) -> None:
    """Its lock says that a WAL must be there; the restored ledger has none, and opens all the same."""
    made = house.back_up()
    lock = house.ledger.with_name("ledger.db.lock")
    lock.write_text("1\ndatabase kept\nnot closed\n")
    house.ledger.with_name("ledger.db-wal").write_bytes(b"a WAL that must not get into the restored ledger")
    _, done = house.restore(Path(made.backup.file))
    assert done is not None
    assert (Path(done.aside) / "ledger.db-wal").exists()
    async with opened_ledger(house.ledger):
        assert len(requests_of(house.ledger)) == 3


async def test_after_the_ledger_was_lost_or_spoilt(house: House) -> None:
    made = house.back_up()
    house.ledger.write_bytes(b"nonsense" * 1_000)
    log = house.state_dir / "ledger-log"
    log.mkdir()
    lines = '{"at":"2099-01-01T00:00:00.000Z","event":"attempt","cost_nano_usd":7}\n' * 2 + "{broken\n"
    (log / "ledger-2099-01-01.jsonl").write_bytes(lines.encode() + NO_TEXT + b"\n")
    plan, done = house.restore(Path(made.backup.file))
    assert plan is not None and done is not None
    assert "ledger.db" in plan.unreadable
    assert (plan.forgotten, plan.logged, plan.logged_nano_usd) == (None, 2, 14)
    house.ledger.unlink()
    plan, done = house.restore(Path(made.backup.file))
    assert plan is not None and plan.requests_now is None and done is not None
    async with opened_ledger(house.ledger):
        assert len(requests_of(house.ledger)) == 3


@pytest.mark.parametrize("data", [b"", b"[]", b"{", NO_TEXT, b"[" * 200_000])
def test_notes_that_are_lost_are_written_anew(house: House, data: bytes) -> None:
    made = house.back_up()
    (house.backups / NOTES).write_bytes(data)
    (known,) = list_backups(house.backups)
    assert known.verified_ms is None
    assert not house.room.verify_now(RULES, made.backup.id, lambda: False).faults
    (known,) = list_backups(house.backups)
    assert known.verified_ms is not None


@pytest.mark.parametrize("data", [b"", b"{}", NO_TEXT, b"[" * 200_000])
def test_a_plan_that_is_damaged_stops_everybody(house: House, data: bytes) -> None:
    plan = house.state_dir / backup_restore.PLAN
    plan.write_bytes(data)
    with pytest.raises(HouseFault, match=r"restoring can't be read"):
        unfinished(house.state_dir)


def test_a_damaged_ledger_is_no_fault_of_the_backups(house: House) -> None:
    house.ledger.write_bytes(b"nonsense" * 1_000)
    with pytest.raises(HouseFault, match=r"state/ledger\.db is damaged"):
        house.back_up()


def test_what_is_half_restored_is_not_backed_up(house: House) -> None:
    (house.state_dir / backup_restore.PLAN).write_bytes(b"{}")
    with pytest.raises(HouseFault, match="that was interrupted"):
        house.back_up()
    assert not list(house.backups.glob("*.zst"))


def test_each_restore_tells_where_its_configuration_is(house: House) -> None:
    file = Path(house.back_up().backup.file)
    told = [done.config for _, done in (house.restore(file), house.restore(file)) if done is not None]
    assert len(set(told)) == 2
    assert all((Path(folder) / "lodestard.toml").is_file() for folder in told)


def test_a_file_is_no_place_for_one(house: House) -> None:
    made = house.back_up()
    (house.folder / "file").write_text("mine")
    assert unfinished(house.folder / "file") is None
    with pytest.raises(HouseFault, match="File exists"):
        house.restore(Path(made.backup.file), house.folder / "file")
    assert (house.folder / "file").read_text() == "mine"


LEAST_MOVES, ENOUGH = 5, 9
"""The ledger and one small file go and come, the configuration is laid beside; and what SQLite left by the ledger."""


@contextmanager
def renames_until(times: int, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Only so many renames, then the power fails."""
    left, real = [times], Path.rename

    def rename(path: Path, target: Path) -> Path:
        if not left[0]:
            raise GoneError
        left[0] -= 1
        return real(path, target)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "rename", rename)
        yield


@pytest.mark.parametrize("times", [*range(LEAST_MOVES + 1), ENOUGH])
async def test_interrupted_anywhere_the_same_command_ends_it(
    house: House, times: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = house.back_up()
    async with opened_ledger(house.ledger) as ledger:
        await serve(ledger, 2)
    later = requests_of(house.ledger)
    (house.state_dir / "projects.json").write_bytes(b"changed")
    interrupted = False
    with renames_until(times, monkeypatch):
        try:
            house.restore(Path(made.backup.file))
        except GoneError:
            interrupted = True
    assert interrupted or times >= LEAST_MOVES
    assert not (interrupted and times == ENOUGH)
    if interrupted:
        assert (house.state_dir / backup_restore.PLAN).exists()
        with pytest.raises(HouseFault, match="was interrupted"):
            async with opened_ledger(house.ledger):
                pass
        _, done = house.restore(Path(made.backup.file))
        assert done is not None and done.resumed
    aside = house.state_dir / f"set-aside-{made.backup.id}"
    assert requests_of(aside / "ledger.db") == later
    assert (aside / "projects.json").read_bytes() == b"changed"
    assert (house.state_dir / "projects.json").read_bytes() == b"trusted"
    assert not (house.state_dir / backup_restore.PLAN).exists()
    assert not (house.state_dir / ".restore").exists()
    async with opened_ledger(house.ledger):
        assert len(requests_of(house.ledger)) == 3


def test_an_interrupted_one_needs_its_backup_no_more(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    made = house.back_up()
    with renames_until(2, monkeypatch), pytest.raises(GoneError):
        house.restore(Path(made.backup.file))
    Path(made.backup.file).unlink()
    done = resume(house.state_dir)
    assert done is not None and done.resumed
    assert resume(house.state_dir) is None
    assert len(requests_of(house.ledger)) == 3


def test_what_was_to_come_is_missed(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody has tidied up in the midst: that is no end of a restore."""
    made = house.back_up()
    with renames_until(0, monkeypatch), pytest.raises(GoneError):
        house.restore(Path(made.backup.file))
    shutil.rmtree(house.state_dir / ".restore")
    with pytest.raises(HouseFault, match=r"is not in .* any more"):
        resume(house.state_dir)
    assert (house.state_dir / backup_restore.PLAN).exists()
    (house.state_dir / backup_restore.PLAN).unlink()
    assert len(requests_of(house.ledger)) == 3


# -- versions ----------------------------------------------------------------------------------------------------


class Older:
    """The ledger's tables as an earlier version had them."""

    owner = SCHEMA.owner
    scripts = SCHEMA.scripts[:1]


async def test_one_of_an_older_version_is_migrated_at_the_start(tmp_path: Path) -> None:
    house = House(tmp_path / "old")
    options = StoreOptions(durable=False)
    async with open_store(house.ledger, [Older()], options=options, clock=SystemClock()):
        pass
    made = house.back_up()
    assert made.manifest.ledger.schemas == {"ledger": 1}
    house.restore(Path(made.backup.file))
    async with opened_ledger(house.ledger) as ledger:
        await serve(ledger)
    assert mark_ledger(house.ledger).schemas == {"ledger": len(SCHEMA.scripts)}


async def test_one_of_a_newer_version_is_refused(house: House) -> None:
    connection = apsw.Connection(str(house.ledger))
    connection.execute("UPDATE schema_version SET version = version + 1 WHERE owner = 'ledger'")
    connection.close()
    with pytest.raises(HouseFault, match="of a newer lodestard"):
        mark_ledger(house.ledger)


# -- what was spent since ----------------------------------------------------------------------------------------


async def go_on(house: House) -> Made:
    """A backup while one request is under way, which ends after it; then two more, and one that a crash cuts."""
    async with opened_ledger(house.ledger) as ledger:
        entry = ledger.open_entry(Caller(project="alpha"), "a", dialect="openai_chat", stream=False)
        attempt = await ledger.hold(entry, PAID, HOLD_NANO_USD)
        made = await house.room.make(RULES, nothing)
        ledger.capture(attempt, Usage(prompt_tokens=1_000))
        closing = Closing(
            outcome="ok", status=200, cache="miss", target=PAID.target, usage=Usage(prompt_tokens=1_000)
        )
        ledger.close_entry(entry, closing)
        await serve(ledger, 2, "beta")
    return made


def all_rows(path: Path) -> dict[str, list[object]]:
    with open_snapshot(path) as snapshot:
        tables = ("request", "attempt", "posting", "trace", "session", "price_version")
        return {name: sorted(snapshot.read(f"SELECT * FROM {name}"), key=repr) for name in tables}


@pytest.mark.parametrize("keep", [False, True])
def test_what_was_spent_since_is_told_and_carried_over(tmp_path: Path, *, keep: bool) -> None:
    house = House(tmp_path / "house")
    trio.run(begin, house.ledger)
    made = trio.run(go_on, house)
    whole, before = all_rows(house.ledger), mark_ledger(house.ledger)
    plan, done = house.restore(Path(made.backup.file), keep=keep)
    assert plan is not None and done is not None
    assert (plan.forgotten, plan.forgotten_nano_usd) == (2, 3 * COST_NANO_USD)
    found = mark_ledger(house.ledger)
    if keep:
        assert all_rows(house.ledger) == whole
        assert (found.requests, found.cost_nano_usd, found.books) == (6, before.cost_nano_usd, before.books)
        assert (done.carried, done.cost_nano_usd) == (2, before.cost_nano_usd)
    else:
        assert found.requests == 4
        assert found.books["held"] == HOLD_NANO_USD
    trio.run(begin, house.ledger)
    report = mark_ledger(house.ledger)
    assert report.requests == (9 if keep else 7)
    assert report.books.get("held", 0) == 0


def test_nothing_is_carried_over_from_another_ledger(tmp_path: Path) -> None:
    house, other = House(tmp_path / "house"), House(tmp_path / "other")
    trio.run(begin, house.ledger)
    trio.run(begin, other.ledger)
    made = house.back_up()
    there = other.ledger.read_bytes()
    with pytest.raises(HouseFault, match="not the same ledger"):
        other.restore(Path(made.backup.file), keep=True)
    assert other.ledger.read_bytes() == there
    plan, _ = other.restore(Path(made.backup.file), agree=False)
    assert plan is not None and plan.forgotten is None and "not the same ledger" in plan.unreadable
    assert plan.requests_now == 3, "it can be read all the same"
