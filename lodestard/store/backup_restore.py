"""Puts a backup's state in place of what is in a folder, whole, and keeps what was there.

Law: everything is unpacked and checked beside its place before anything is moved; nothing is ever deleted, what was
there goes aside. The moves are written down first, so that whoever is interrupted can be followed up, by the same
command; until that, the ledger does not open. The ledger's own lock is held throughout. Blocks.
"""

import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import msgspec

from lodestard.domain.errors import Code, HouseFault
from lodestard.store.backup_archive import LEDGER
from lodestard.store.database import prepare_folder, sync_folder
from lodestard.store.faults import fault_of
from lodestard.store.lock import Lock, hold_lock
from lodestard.store.whole_file import write_whole

PLAN = f"{LEDGER}.restoring"
STAGED = ".restore"
ASIDE = "set-aside-"
CONFIG = "restored-config"
OF_LEDGER = (LEDGER, f"{LEDGER}-wal", f"{LEDGER}-shm", f"{LEDGER}-journal")


class Moves(msgspec.Struct, frozen=True):
    """What is to be done: names that go to ``aside``, then names that come from the staged folder."""

    id: str
    aside: str
    leave: tuple[str, ...]
    come: tuple[str, ...]


@contextmanager
def place_held(folder: Path) -> Iterator[Lock]:
    """The folder, made where it is missing, with its ledger's lock. Raises ``HouseFault`` where somebody has it."""
    try:
        prepare_folder(folder)
    except OSError as error:
        raise fault_of(folder, error) from error
    with hold_lock(folder / LEDGER) as lock:
        yield lock


def stage_folder(folder: Path) -> Path:
    """An empty folder to unpack into, on the same file system as the place. Raises ``HouseFault``, ``OSError``."""
    if (folder / PLAN).exists():
        raise HouseFault(Code.STORE_UNAVAILABLE, f"{folder}: an earlier restore is not finished; finish that first")
    staged = folder / STAGED
    if staged.exists():
        shutil.rmtree(staged)  # ours, and never put in place
    staged.mkdir(mode=0o700)
    return staged


def plan_moves(folder: Path, name: str, small: Sequence[str]) -> Moves:
    """What will be moved where, from what is staged. ``small``: state files that go though nothing comes for them."""
    staged = folder / STAGED
    come = [LEDGER, *sorted(path.name for path in (staged / "state").glob("*"))]
    leave = [each for each in dict.fromkeys((*OF_LEDGER[1:], LEDGER, *come, *small)) if (folder / each).exists()]
    aside, number = f"{ASIDE}{name}", 1
    while (folder / aside).exists():
        number += 1
        aside = f"{ASIDE}{name}-{number}"
    return Moves(name, aside, tuple(leave), tuple(come))


def put_in_place(folder: Path, moves: Moves, lock: Lock) -> Path | None:
    """Write down the moves, then make them. Raises ``OSError``; ``finish`` goes on from wherever that was. The folder
    in which the backup's configuration is, if it has one.

    What is staged has durable names first: otherwise a power failure could leave the moves and nothing to be moved.
    """
    for staged in (folder / STAGED, folder / STAGED / "state", folder / STAGED / "config"):
        if staged.is_dir():
            sync_folder(staged)
    write_whole(folder / PLAN, msgspec.json.encode(moves))
    return _move(folder, moves, lock)


def unfinished(folder: Path) -> Moves | None:
    """The moves of a restore that was interrupted. Raises ``HouseFault`` where they can't be read."""
    try:
        return msgspec.json.decode((folder / PLAN).read_bytes(), type=Moves)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError, RecursionError) as error:
        raise HouseFault(Code.STORE_UNAVAILABLE, f"{folder / PLAN} can't be read: {error}") from error


def finish(folder: Path, moves: Moves, lock: Lock) -> None:
    """Make the moves that are left. Raises ``OSError``; ``HouseFault`` where what is to come is gone."""
    there = (folder / LEDGER).exists() and ((folder / moves.aside / LEDGER).exists() or LEDGER not in moves.leave)
    if not there and not (folder / STAGED / LEDGER).exists():
        raise HouseFault(
            Code.STORE_UNAVAILABLE,
            f"The ledger that was to come is not in {folder / STAGED} any more. What was there is in"
            f" {folder / moves.aside} or still in its place: delete {folder / PLAN}, then restore again.",
        )
    _move(folder, moves, lock)


def _move(folder: Path, moves: Moves, lock: Lock) -> Path | None:
    """Each move is one rename; which are done is seen from what is still staged."""
    staged, aside = folder / STAGED, folder / moves.aside
    aside.mkdir(mode=0o700, exist_ok=True)
    for name in moves.leave:  # once what comes is in its place, what is there is no longer the old one
        waits = name not in moves.come or _staged(staged, name).exists()
        if waits and (folder / name).exists() and not (aside / name).exists():
            (folder / name).rename(aside / name)
    sync_folder(aside)
    sync_folder(folder)
    for name in moves.come:
        if _staged(staged, name).exists():
            _staged(staged, name).rename(folder / name)
    config = _keep_config(folder, staged, moves.id)
    sync_folder(folder)
    lock.kept = True
    lock.mark_closed()
    if not any(aside.iterdir()):
        aside.rmdir()
    (folder / PLAN).unlink()
    shutil.rmtree(staged, ignore_errors=True)
    sync_folder(folder)
    return config


def _staged(staged: Path, name: str) -> Path:
    return staged / name if name == LEDGER else staged / "state" / name


def _keep_config(folder: Path, staged: Path, name: str) -> Path | None:
    """The configuration is laid beside, for a person to compare: it is not put in force."""
    source = staged / "config"
    if not source.is_dir():
        return None
    target = folder / f"{CONFIG}-{name}"
    number = 1
    while target.exists():
        number += 1
        target = folder / f"{CONFIG}-{name}-{number}"
    return source.rename(target)


def become_owner(folder: Path, wanted: Sequence[int]) -> None:
    """As root: go on as whoever the folder belongs to, so that every file is theirs and none of theirs leads us on.

    ``wanted``: user and group for a folder that is not there yet. Does nothing for anybody else.
    """
    if os.geteuid() != 0:
        return
    if not folder.exists():
        folder.mkdir(mode=0o700, parents=True)
        os.chown(folder, wanted[0], wanted[1], follow_symlinks=False)
    status = folder.stat()
    if status.st_uid == 0:
        return
    os.setgroups([])
    os.setresgid(status.st_gid, status.st_gid, status.st_gid)
    os.setresuid(status.st_uid, status.st_uid, status.st_uid)
