"""A backup takes the place of what is in a state folder: checked before, agreed to, and nothing thrown away.

Law: until somebody agrees nothing is changed; a ledger that does not add up is never put in place. What only the
present ledger knows is told, and on demand carried over: what was spent after the backup was spent. Blocks.
"""

import shutil
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import BinaryIO, NamedTuple

from msgspec.structs import replace

from lodestard.backups import STATE_FILES, mark_ledger
from lodestard.control.messages.backup import Restored, RestoreItem, RestorePlan
from lodestard.domain.backup import LedgerMark, Manifest, Verified
from lodestard.domain.errors import Code, HouseFault
from lodestard.ledger import SCHEMA
from lodestard.ledger.carrying import Forgotten, carry_over, find_forgotten
from lodestard.store import Snapshot, open_snapshot
from lodestard.store.backup_archive import LEDGER, BadBackupError, bad
from lodestard.store.backup_log import sum_log
from lodestard.store.backup_restore import (
    PLAN,
    STAGED,
    finish,
    place_held,
    plan_moves,
    put_in_place,
    stage_folder,
    unfinished,
)
from lodestard.store.backup_verify import check_mark, migrated_copy, unpack, verify_backup, write_alone
from lodestard.store.faults import fault_of
from lodestard.store.lock import Lock

Agree = Callable[[RestoreItem], bool]


class Wanted(NamedTuple):
    """What is to be restored, and where. ``stream`` was opened before we became the folder's owner."""

    file: Path
    stream: BinaryIO
    folder: Path
    log: Path
    keep_spent: bool


def verify_file(file: Path) -> Verified:
    """What is wrong with a backup anywhere, if anything. Raises ``HouseFault`` where it can't be read."""
    try:
        return verify_backup(file, None, mark_ledger, lambda _step: None)
    except OSError as error:
        raise fault_of(file, error) from error


def restore(wanted: Wanted, agree: Agree) -> Restored | None:
    """Put it in place, once ``agree`` says so of the plan; None where it does not. Raises ``HouseFault``.

    Where an earlier restore was interrupted, that is brought to its end instead.
    """
    folder = wanted.folder
    try:
        with place_held(folder) as lock:
            if (done := _resume(folder, lock)) is not None:
                return done
            staged = stage_folder(folder)
            try:
                return _restore(wanted, staged, lock, agree)
            finally:
                if not (folder / PLAN).exists():
                    shutil.rmtree(staged, ignore_errors=True)
    except BadBackupError as error:
        raise bad(wanted.file, error) from None
    except OSError as error:
        raise fault_of(folder, error) from error


def resume(folder: Path) -> Restored | None:
    """Bring an interrupted restore to its end; None where there is none. Raises ``HouseFault``."""
    try:
        with place_held(folder) as lock:
            return _resume(folder, lock)
    except OSError as error:
        raise fault_of(folder, error) from error


def _resume(folder: Path, lock: Lock) -> Restored | None:
    if (moves := unfinished(folder)) is None:
        return None
    finish(folder, moves, lock)
    aside = folder / moves.aside
    return Restored(id=moves.id, folder=str(folder), aside=str(aside) if aside.exists() else "", resumed=True)


def _restore(wanted: Wanted, staged: Path, lock: Lock, agree: Agree) -> Restored | None:
    manifest = _unpack_checked(wanted, staged)
    plan = _plan(wanted, manifest, staged)
    moves = plan_moves(wanted.folder, manifest.id, STATE_FILES)  # after it: who reads a ledger leaves a -wal there
    if moves.leave:
        plan = replace(plan, aside=str(wanted.folder / moves.aside))
    if wanted.keep_spent and plan.forgotten is None:
        why = plan.unreadable or "there is none"
        raise HouseFault(Code.STORE_UNAVAILABLE, f"Nothing can be carried over from the ledger that is there: {why}.")
    if not agree(RestoreItem(plan=plan)):
        return None
    mark, carried = manifest.ledger, 0
    if wanted.keep_spent:  # also where no request came: one that was under way has ended, a budget was lifted
        mark = _carry(staged / LEDGER, wanted.folder / LEDGER)
        carried = mark.requests - manifest.ledger.requests
    config = put_in_place(wanted.folder, moves, lock)
    return Restored(
        id=manifest.id,
        folder=str(wanted.folder),
        aside=plan.aside,
        config=str(config or ""),
        requests=mark.requests,
        cost_nano_usd=mark.cost_nano_usd,
        carried=carried,
    )


def _unpack_checked(wanted: Wanted, staged: Path) -> Manifest:
    """Raises ``BadBackupError``, also where its ledger does not add up."""
    manifest = unpack(wanted.stream, staged, lambda _step: None)
    check_mark(manifest, staged / LEDGER, mark_ledger)
    return manifest


def _plan(wanted: Wanted, manifest: Manifest, staged: Path) -> RestorePlan:
    plan = RestorePlan(manifest=manifest, folder=str(wanted.folder), keep_spent=wanted.keep_spent)
    current = wanted.folder / LEDGER
    if current.exists():
        try:
            plan = replace(plan, requests_now=_count(current))
            return _compare(plan, staged / LEDGER, current)
        except HouseFault as fault:
            plan = replace(plan, unreadable=fault.message)
    logged = sum_log(wanted.log, manifest.at_ms)
    if logged is None:
        return plan
    return replace(plan, logged=logged[0], logged_nano_usd=logged[1])


def _count(current: Path) -> int:
    """How many requests the ledger that is there has. Raises ``HouseFault`` where it can't be read."""
    with open_snapshot(current) as snapshot:
        return int(snapshot.read("SELECT count(*) FROM request")[0][0] or 0)


def _compare(plan: RestorePlan, backup: Path, current: Path) -> RestorePlan:
    """What only the ledger that is there has. Raises ``HouseFault``, also where it is another one, or an earlier."""
    with open_snapshot(backup) as old, open_snapshot(current) as new:
        found: Forgotten = find_forgotten(old, new)
    return replace(
        plan,
        forgotten=found.requests,
        forgotten_nano_usd=found.cost_nano_usd,
        forgotten_held_nano_usd=found.held_nano_usd,
    )


# -- carrying over -----------------------------------------------------------------------------------------------


def _carry(staged: Path, current: Path) -> LedgerMark:
    """Write into the staged ledger what only the current one knows. Raises ``HouseFault`` where it then does not add
    up; nothing has been put in place by then.
    """
    with tempfile.TemporaryDirectory(prefix=f"{STAGED}-", dir=staged.parent) as name:
        before = migrated_copy(staged, Path(name) / LEDGER, SCHEMA)
        with open_snapshot(before) as old, open_snapshot(current) as new:
            _require_known(new)
            write_alone(staged, SCHEMA, partial(carry_over, backup=old, current=new))
    return mark_ledger(staged)


def _require_known(current: Snapshot) -> None:
    """Rows of a newer version have members that nobody here knows."""
    rows = current.read("SELECT version FROM schema_version WHERE owner = ?", (SCHEMA.owner,))
    if rows and int(rows[0][0] or 0) > len(SCHEMA.scripts):
        raise HouseFault(
            Code.STORE_UNAVAILABLE, "Nothing can be carried over: the ledger that is there is of a newer lodestard."
        )
