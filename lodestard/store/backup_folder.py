"""The folder of the backups: which there are, which of them was verified, one maker at a time.

Law: a file counts by its name alone, and as verified only while it has the size and the time that it had then.
Nothing is deleted that is not named like a backup of ours. Blocks.
"""

import fcntl
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from lodestard.domain.backup import Backup, BusyFault
from lodestard.domain.errors import CallerFault, Code
from lodestard.store.database import prepare_folder
from lodestard.store.whole_file import write_whole

NOTES = "verified.json"
LOCK = ".lock"
MAKING = ".making"
STAMP = "%Y%m%dT%H%M%SZ"
MS_PER_S = 1_000
_NAME = re.compile(r"lodestar-(\d{8}T\d{6}Z)\.tar\.zst")


class Note(msgspec.Struct, frozen=True):
    """That a file was verified, and how to know it again."""

    at_ms: int
    bytes: int
    mtime_ns: int


def id_of(at_ms: int) -> str:
    """``20261126T033000Z``."""
    return datetime.fromtimestamp(at_ms // MS_PER_S, UTC).strftime(STAMP)


def file_of(folder: Path, name: str) -> Path:
    return folder / f"lodestar-{name}.tar.zst"


def sum_of(file: Path) -> Path:
    """Where its SHA-256 is, as ``sha256sum -c`` reads it."""
    return file.with_name(f"{file.name}.sha256")


def list_backups(folder: Path) -> list[Backup]:
    """What is there, the newest first. Raises ``OSError``; no folder is an empty one."""
    notes = read_notes(folder)
    found = []
    for path in folder.iterdir() if folder.is_dir() else ():
        at_ms = _moment(path.name)
        if at_ms is None or path.is_symlink() or not path.is_file():
            continue
        status = path.stat()
        note = notes.get(path.name)
        known = note is not None and (note.bytes, note.mtime_ns) == (status.st_size, status.st_mtime_ns)
        found.append(
            Backup(
                id=id_of(at_ms),
                file=str(path),
                at_ms=at_ms,
                bytes=status.st_size,
                verified_ms=note.at_ms if note is not None and known else None,
            )
        )
    return sorted(found, key=lambda backup: backup.id, reverse=True)


def find_backup(folder: Path, which: str) -> Path:
    """One by its id, or the newest. Raises ``CallerFault``."""
    found = list_backups(folder)
    chosen = [backup for backup in found if which in ("", backup.id)]
    if chosen:
        return Path(chosen[0].file)
    what = f"no backup is called {which!r}; lodestarctl backup list shows them" if which else "there is no backup"
    raise CallerFault(Code.INVALID_REQUEST, f"In {folder} {what}.", param="backup")


def note_verified(folder: Path, name: str, at_ms: int | None, file: Path | None = None) -> None:
    """Write down that ``name`` was verified, or (None) that it must not count as that. Raises ``OSError``.

    ``file``: what will have that name.
    """
    notes = {each: note for each, note in read_notes(folder).items() if (folder / each).exists()}
    notes.pop(name, None)
    if at_ms is not None:
        status = (file or folder / name).stat()
        notes[name] = Note(at_ms, status.st_size, status.st_mtime_ns)
    write_whole(folder / NOTES, msgspec.json.format(msgspec.json.encode(notes)))


def read_notes(folder: Path) -> dict[str, Note]:
    """What was verified; nothing where the notes are lost, for then it is verified again."""
    try:
        return msgspec.json.decode((folder / NOTES).read_bytes(), type=dict[str, Note])
    except (OSError, ValueError, RecursionError):
        return {}


def delete_backup(folder: Path, backup: Backup) -> None:
    """Its sum first, which is nothing alone. Raises ``OSError``."""
    file = file_of(folder, backup.id)
    sum_of(file).unlink(missing_ok=True)
    file.unlink(missing_ok=True)


@contextmanager
def making(folder: Path) -> Iterator[Path]:
    """A folder to work in, for one at a time; gone at the end. Raises ``BusyFault``, ``OSError``."""
    prepare_folder(folder)
    descriptor = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            message = f"A backup is being made or looked at in {folder}; wait until it is done."
            raise BusyFault(Code.STORE_UNAVAILABLE, message) from None
        work = folder / MAKING
        shutil.rmtree(work, ignore_errors=True)  # what a crash has left
        work.mkdir(mode=0o700)
        try:
            yield work
        finally:
            shutil.rmtree(work, ignore_errors=True)
    finally:
        os.close(descriptor)


def _moment(name: str) -> int | None:
    match = _NAME.fullmatch(name)
    if match is None:
        return None
    try:
        return int(datetime.strptime(match[1], STAMP).replace(tzinfo=UTC).timestamp()) * MS_PER_S
    except ValueError:
        return None
