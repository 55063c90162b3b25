"""Is a backup good? Reads all of it, opens its ledger and has that checked.

Law: changes nothing but the note that it was verified; a bad one is told with a reason and left where it is. Blocks.
"""

import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

import apsw

from lodestard.domain.backup import LedgerMark, Manifest, Tell, Verified
from lodestard.domain.errors import Code, HouseFault
from lodestard.domain.ports import Migrations, Tx
from lodestard.store.backup_archive import LEDGER, BadBackupError, read_archive, sum_file
from lodestard.store.backup_folder import sum_of
from lodestard.store.batch import Work, commit_batch
from lodestard.store.database import Place, open_writer, trust
from lodestard.store.faults import fault_of
from lodestard.store.schema import migrate

Mark = Callable[[Path], LedgerMark]
SPARE_BYTES = 64 << 20  # the ledger of a daemon that runs may be on the same disk


def verify_backup(file: Path, near: Path | None, mark: Mark, tell: Tell) -> Verified:
    """What is wrong with it, if anything. ``near``: where its ledger is unpacked for the look; None: the temporary
    folder. Raises ``OSError`` where it can't be read, ``HouseFault`` where there is no room to look: it may be good.
    """
    with tempfile.TemporaryDirectory(prefix=".look-", dir=near) as name, file.open("rb") as stream:
        folder = Path(name)
        try:
            _compare_sum(file)
            manifest = unpack(stream, folder, tell, SPARE_BYTES)
            check_mark(manifest, folder / LEDGER, mark)
        except BadBackupError as error:
            return Verified(file=str(file), faults=(str(error),))
    return Verified(file=str(file), manifest=manifest)


def unpack(stream: BinaryIO, folder: Path, tell: Tell, spare_bytes: int = 0) -> Manifest:
    """Everything below ``folder``, whose disk has ``spare_bytes`` more. Raises ``BadBackupError``, ``OSError``, and
    ``HouseFault`` where there is no room.
    """

    def require_room(total: int) -> None:
        free = shutil.disk_usage(folder).free
        if total + spare_bytes > free:
            raise HouseFault(
                Code.STORE_UNAVAILABLE,
                f"The backup says that it holds {total:,} bytes, and only {free:,} are free under {folder.parent}:"
                " make room.",
            )

    return read_archive(stream, folder, require_room, tell)


def migrated_copy(ledger: Path, target: Path, migrations: Migrations) -> Path:
    """A copy of a ledger with its tables brought up to date. Raises ``HouseFault``."""
    try:
        shutil.copyfile(ledger, target)
    except OSError as error:
        raise fault_of(target, error) from error
    write_alone(target, migrations)
    return target


def write_alone(path: Path, migrations: Migrations, run: Callable[[Tx], object] | None = None) -> None:
    """Bring the tables of a database that nobody else has up to date, then ``run``, whole or not at all.

    Raises ``HouseFault``, also where it is not all in the file itself at the end.
    """
    try:
        connection = open_writer(path, durable=run is not None, kept=True)
        try:
            for each in (lambda tx: migrate(tx, (migrations,)), *([run] if run is not None else [])):
                work = Work(each)
                if (error := commit_batch(connection, Place(path), [work]) or work.error) is not None:
                    raise fault_of(path, error) from error
            trust(connection)
        finally:
            connection.close()
        left = _left_in_wal(path)
    except (apsw.Error, OSError) as error:
        raise fault_of(path, error) from error
    if left:
        raise HouseFault(Code.STORE_UNAVAILABLE, f"{path}: its WAL could not be put into it; is the disk full?")


def _left_in_wal(path: Path) -> bool:
    wal = path.with_name(f"{path.name}-wal")
    return wal.exists() and wal.stat().st_size > 0


def _compare_sum(file: Path) -> None:
    """With the sum beside it; where there is none, what is inside must do."""
    beside = sum_of(file)
    try:
        told = beside.read_text("ascii").split()[:1]
    except (FileNotFoundError, UnicodeDecodeError):
        return
    if told and sum_file(file)[1] != told[0]:
        raise BadBackupError(f"its SHA-256 is not the one in {beside.name}")


def check_mark(manifest: Manifest, ledger: Path, mark: Mark) -> None:
    """Whether the ledger adds up, and is the one of the manifest. Raises ``BadBackupError``."""
    try:
        found = mark(ledger)
    except HouseFault as fault:
        raise BadBackupError(f"its ledger: {fault.message}") from None
    if found != manifest.ledger:
        raise BadBackupError("its manifest is of another ledger: the figures differ")
