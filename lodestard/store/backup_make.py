"""Makes a backup: the ledger of one moment, the small files of the state folder, the configuration's TOML.

Law: a backup gets its name when it is whole, durable, read back and found good; whatever fails before that leaves
nothing behind, and no older backup is touched. The ledger is copied in steps over one pinned moment, so writing goes
on meanwhile. Blocks: runs in the executor. Source: sqlite.org/backup.html.
"""

import errno
import os
import shutil
import stat
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import apsw

from lodestard.domain.backup import FORMAT, Backup, LedgerMark, LeftOut, Manifest, Part, Step, Tell
from lodestard.domain.errors import Code, HouseFault
from lodestard.store.backup_archive import (
    LEDGER,
    NAME,
    BadBackupError,
    bad,
    read_archive,
    sum_file,
    write_archive,
)
from lodestard.store.backup_folder import file_of, id_of, making, note_verified, sum_of
from lodestard.store.backup_secrets import find_secrets
from lodestard.store.backup_verify import SPARE_BYTES
from lodestard.store.database import prepare_file, sync_folder
from lodestard.store.faults import fault_of, half_restored
from lodestard.store.whole_file import write_whole

PAGES_A_STEP = 256
SYNC_BYTES = 16 << 20
MOST_SMALL_BYTES = 8 << 20
MS_PER_S = 1_000
Mark = Callable[[Path], LedgerMark]


class Source(NamedTuple):
    """What is backed up. ``small``: names in the state folder; ``drop_ins``: the folder of the configuration's."""

    state_dir: Path
    small: Sequence[str]
    config_file: Path | None
    drop_ins: Path | None
    versions: dict[str, str]


class Hands(NamedTuple):
    """What is handed in. ``mark`` checks a ledger and gives its figures, or raises ``HouseFault``; ``breathe`` is
    called between steps, and raises where it is to be given up; ``now_ms`` is the clock."""

    mark: Mark
    tell: Tell
    breathe: Callable[[], object]
    now_ms: Callable[[], int]


def make_backup(source: Source, folder: Path, hands: Hands) -> tuple[Backup, Manifest]:
    """Make one in ``folder``, which is made where it is missing. Raises ``HouseFault``; then there is nothing new."""
    try:
        with making(folder) as work:
            _require_room(source.state_dir, folder)
            return _make(source, folder, work, hands)
    except (apsw.NotADBError, apsw.CorruptError) as error:  # what is written is new; what is read may be damaged
        raise fault_of(source.state_dir / LEDGER, error) from error
    except (OSError, apsw.Error) as error:
        raise fault_of(folder, error) from error
    except BadBackupError as error:
        raise bad(folder, f"what was written can't be read back: {error}") from error


def _make(source: Source, folder: Path, work: Path, hands: Hands) -> tuple[Backup, Manifest]:
    at_ms = _free_moment(folder, hands.now_ms())  # of before the copy: what comes later counts as after the backup
    copy_in_steps(source.state_dir / LEDGER, work / LEDGER, hands)
    sources, left_out = gather(source, work)
    hands.tell(Step(what="checking"))
    mark = hands.mark(work / LEDGER)
    parts = tuple(Part(name, *sum_file(path)) for name, path in sources.items())
    manifest = Manifest(
        format=FORMAT,
        id=id_of(at_ms),
        at_ms=at_ms,
        versions=source.versions,
        ledger=mark,
        parts=parts,
        left_out=tuple(left_out),
    )
    archive = work / "archive"
    summed = write_archive(archive, manifest, sources, _between(hands))
    with archive.open("rb") as file:
        if read_archive(file, None, lambda _: None, _between(hands)) != manifest:
            raise BadBackupError("another manifest was read than was written")
    return _give_name(file_of(folder, manifest.id), archive, summed, hands.now_ms(), manifest), manifest


def _give_name(final: Path, archive: Path, summed: str, now_ms: int, manifest: Manifest) -> Backup:
    """All that a full disk could spoil is written before: a backup that nobody has noted would never be deleted."""
    beside = sum_of(archive)
    write_whole(beside, f"{summed}  {final.name}\n".encode())
    note_verified(final.parent, final.name, now_ms, archive)
    archive.replace(final)
    beside.replace(sum_of(final))
    sync_folder(final.parent)
    size = final.stat().st_size
    return Backup(id=manifest.id, file=str(final), at_ms=manifest.at_ms, bytes=size, verified_ms=now_ms)


def _between(hands: Hands) -> Tell:
    def tell(step: Step) -> None:
        hands.breathe()
        hands.tell(step)

    return tell


def _free_moment(folder: Path, now_ms: int) -> int:
    """Now, to the second; a later one where that has a backup already."""
    at_ms = now_ms // MS_PER_S * MS_PER_S
    while file_of(folder, id_of(at_ms)).exists():
        at_ms += MS_PER_S
    return at_ms


def _require_room(state_dir: Path, folder: Path) -> None:
    """The copy and its archive, at half of it. On the ledger's own disk no hold could be written once it is full,
    so the least is left; more than that is found out by writing.
    """
    if (state_dir / f"{LEDGER}.restoring").exists():
        raise half_restored(state_dir / LEDGER)
    if not (state_dir / LEDGER).exists():
        raise HouseFault(Code.STORE_UNAVAILABLE, f"{state_dir} has no ledger yet: the first start makes it")
    wal = state_dir / f"{LEDGER}-wal"
    size = (state_dir / LEDGER).stat().st_size + (wal.stat().st_size if wal.exists() else 0)
    free = shutil.disk_usage(folder).free
    wanted = size + size // 2 + SPARE_BYTES
    if free < wanted:
        needed, there = wanted // 1_000_000, free // 1_000_000
        raise HouseFault(
            Code.STORE_UNAVAILABLE, f"{folder}: its disk is full: {needed} MB are needed, {there} MB are free"
        )


# -- the ledger --------------------------------------------------------------------------------------------------


def copy_in_steps(source: Path, target: Path, hands: Hands) -> None:
    """Copy a database, which others go on writing, as it is at one moment. Raises ``apsw.Error``, ``OSError``.

    The read transaction around it pins that moment: without it each commit of another connection would have the
    copy begin anew, under load for ever. What is copied is synced as it goes: all at once at the end would hold up
    the ledger's own commits.
    """
    prepare_file(target)
    reading = apsw.Connection(str(source), flags=apsw.SQLITE_OPEN_READONLY)
    writing = apsw.Connection(str(target), flags=apsw.SQLITE_OPEN_READWRITE)
    try:
        writing.pragma("synchronous", "off")
        writing.pragma("journal_mode", "off")
        reading.execute("BEGIN")
        reading.execute("SELECT 1 FROM sqlite_schema LIMIT 1").fetchall()
        _copy_pages(reading, writing, target, hands)
        writing.pragma("journal_mode", "delete")
    finally:
        writing.close()
        reading.close()
    _sync(target)


def _copy_pages(reading: apsw.Connection, writing: apsw.Connection, target: Path, hands: Hands) -> None:
    page_bytes = int(reading.pragma("page_size"))
    synced = 0
    with writing.backup("main", reading, "main") as copying:
        while not copying.done:
            copying.step(PAGES_A_STEP)
            done = (copying.page_count - copying.remaining) * page_bytes
            hands.breathe()
            hands.tell(Step(what="copying", done=done, total=copying.page_count * page_bytes))
            if done - synced >= SYNC_BYTES:
                _sync(target)
                synced = done


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


# -- small files -------------------------------------------------------------------------------------------------


def gather(source: Source, work: Path) -> tuple[dict[str, Path], list[LeftOut]]:
    """Copies of everything, by the name in the backup; and what must not, or can't, be in it."""
    found, left_out = {LEDGER: work / LEDGER}, []
    for name, path in _small_files(source):
        data = b""
        try:
            data = _read_small(path)
            why = "" if name.startswith("state/") else _why_not(data)
        except FileNotFoundError:
            continue
        except OSError as error:
            why = f"it can't be read: {error.strerror or error}"
        if why or not NAME.fullmatch(name):
            left_out.append(LeftOut(str(path), why or "its name has letters that a backup's file can't have"))
            continue
        found[name] = _write_copy(work / name, data)
    return found, left_out


def _small_files(source: Source) -> Iterable[tuple[str, Path]]:
    for name in sorted(source.small):
        yield f"state/{name}", source.state_dir / name
    if source.config_file is not None:
        yield f"config/{source.config_file.name}", source.config_file
    if source.drop_ins is not None and source.drop_ins.is_dir():
        for path in sorted(source.drop_ins.glob("*.toml")):
            if not path.name.startswith("."):
                yield f"config/conf.d/{path.name}", path


def _why_not(data: bytes) -> str:
    """Why a file of the configuration must not be in a backup; empty where it may."""
    try:
        secrets = find_secrets(data.decode("utf-8-sig"))
    except (ValueError, RecursionError):
        return "it is not TOML, so nobody can see whether a secret is in it"
    if secrets:
        return (
            f"a secret seems to be in it ({', '.join(secrets[:3])}): move that to a credential or a file of its own"
        )
    return ""


def _read_small(path: Path) -> bytes:
    """Raises ``OSError``; for what is no plain file, or too large, too."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OSError(errno.EINVAL, "it is no plain file")
        data = file.read(MOST_SMALL_BYTES + 1)
    if len(data) > MOST_SMALL_BYTES:
        raise OSError(errno.EFBIG, f"it is larger than {MOST_SMALL_BYTES} bytes")
    return data


def _write_copy(path: Path, data: bytes) -> Path:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
    return path
