"""Backups, joined: the store copies and packs, the ledger says whether a copy adds up, threads do it beside the loop.

Law: the loop never waits; one backup at a time; a cancelled one leaves nothing. What must be in a backup is listed
here, what must not is too: keys are in none.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeVar
from zoneinfo import ZoneInfo

import trio
from msgspec.structs import replace

from lodestard import __version__
from lodestard.config.source import DROP_IN_FOLDER
from lodestard.domain.backup import BackupRules, LedgerMark, Made, Shelf, Step, Tell, Verified
from lodestard.domain.clock import Clock
from lodestard.domain.errors import Code, HouseFault
from lodestard.ledger import SCHEMA, verify
from lodestard.store import open_snapshot
from lodestard.store.faults import fault_of

STATE_FILES = (
    "alerts.json",
    "eval-idle.json",
    "projects.json",
    "residency.json",
    "tasks.bin",
    "tokens.json",
    "use.json",
)
"""What the house has learned and was told. Not the cache, nor what is made anew (``prices.json``)."""
FOLDER = "backups"
MS_PER_S = 1_000
Breathe = Callable[[], bool]
T = TypeVar("T")

_SCHEMAS = "SELECT owner, version FROM schema_version ORDER BY owner"
_NEWEST = "SELECT id, received_ms FROM request ORDER BY seq DESC LIMIT 1"


@dataclass(frozen=True, slots=True)
class BackupRoom:
    """Implements ``domain.backup.BackupsPort``. ``timezone`` is the ledger's: its days are those of the retention.

    ``settle`` waits until what was posted to the ledger is in its file.
    """

    state_dir: Path
    config_file: Path | None
    timezone: str
    clock: Clock
    settle: Callable[[], Awaitable[object]] | None = None

    async def make(self, rules: BackupRules, tell: Tell) -> Made:
        def tell_loop(step: Step) -> None:
            trio.from_thread.run_sync(tell, step)

        if self.settle is not None:
            await self.settle()
        return await self._in_thread(partial(self.make_now, rules, tell_loop, check_cancelled))

    async def shelf(self, rules: BackupRules) -> Shelf:
        return await self._in_thread(partial(self.read_shelf, rules))

    async def verify(self, rules: BackupRules, which: str) -> Verified:
        return await self._in_thread(partial(self.verify_now, rules, which, check_cancelled))

    async def _in_thread(self, work: Callable[[], T]) -> T:
        own = trio.CapacityLimiter(1)  # it takes minutes: none of the threads that others share
        return await trio.to_thread.run_sync(work, limiter=own)

    # -- what blocks -------------------------------------------------------------------------------------------

    def folder(self, rules: BackupRules) -> Path:
        return Path(rules.dir).expanduser() if rules.dir else self.state_dir / FOLDER

    def make_now(self, rules: BackupRules, tell: Tell, breathe: Breathe) -> Made:
        """Make one, then delete what need not be kept. Raises ``HouseFault``."""
        # Here, for most of the day nobody makes one: 6 modules, with tarfile and zstd 12 ms and 2 MB.
        from lodestard.store.backup_make import Hands, Source, make_backup

        began_ns = self.clock.monotonic_ns()
        drop_ins = self.config_file.parent / DROP_IN_FOLDER if self.config_file else None
        source = Source(self.state_dir, STATE_FILES, self.config_file, drop_ins, {"lodestard": __version__})
        hands = Hands(partial(mark_ledger, breathe=breathe), tell, breathe, self.clock.now_ms)
        folder = self.folder(rules)
        backup, manifest = make_backup(source, folder, hands)
        deleted = self.prune(rules)
        took_ms = (self.clock.monotonic_ns() - began_ns) // 1_000_000
        kept = [each for each in self.read_shelf(rules).backups if each.id == backup.id]
        return Made(backup=kept[0] if kept else backup, manifest=manifest, took_ms=took_ms, deleted=deleted)

    def prune(self, rules: BackupRules) -> tuple[str, ...]:
        """Delete what need not be kept; their ids. Raises ``HouseFault``."""
        from lodestard.store.backup_folder import delete_backup

        gone = tuple(backup for backup in self.read_shelf(rules).backups if not backup.kept)
        try:
            for backup in gone:
                delete_backup(self.folder(rules), backup)
        except OSError as error:
            raise fault_of(self.folder(rules), error) from error
        return tuple(backup.id for backup in gone)

    def read_shelf(self, rules: BackupRules) -> Shelf:
        """What there is, and why it is kept. Raises ``HouseFault``."""
        from lodestard.store.backup_folder import list_backups
        from lodestard.store.backup_retention import choose_kept

        folder = self.folder(rules)
        try:
            found = list_backups(folder)
            same_disk = _disk_of(folder) == _disk_of(self.state_dir)
        except OSError as error:
            raise fault_of(folder, error) from error
        kept = choose_kept(found, rules, ZoneInfo(self.timezone))
        backups = tuple(replace(backup, kept=kept[backup.id]) for backup in found)
        return Shelf(folder=str(folder), backups=backups, same_disk=same_disk)

    def verify_now(self, rules: BackupRules, which: str, breathe: Breathe) -> Verified:
        """Look at one of the folder's, and write down what was found. Raises ``Fault``."""
        from lodestard.store.backup_folder import find_backup, making, note_verified
        from lodestard.store.backup_verify import verify_backup

        folder = self.folder(rules)
        try:
            file = find_backup(folder, which)
            with making(folder) as work:
                mark = partial(mark_ledger, breathe=breathe)
                found = verify_backup(file, work, mark, lambda _step: breathe())
                note_verified(folder, file.name, None if found.faults else self.clock.now_ms())
        except OSError as error:
            raise fault_of(folder, error) from error
        return found


def check_cancelled() -> bool:
    """For a thread of trio's: raises where its caller was cancelled."""
    trio.from_thread.check_cancelled()
    return False


def mark_ledger(path: Path, breathe: Breathe | None = None) -> LedgerMark:
    """The figures of a ledger's file that adds up. Raises ``HouseFault`` for one that does not, or is of a newer
    version; one of an older version is looked at in a copy, as the daemon would migrate it.
    """
    with open_snapshot(path) as snapshot:
        schemas = {str(owner): int(version or 0) for owner, version in snapshot.read(_SCHEMAS)}
        newest = snapshot.read(_NEWEST)
    version = schemas.get(SCHEMA.owner, 0)
    if version > len(SCHEMA.scripts):
        raise HouseFault(
            Code.STORE_UNAVAILABLE,
            f"it is of a newer lodestard (its tables have version {version}, this one knows {len(SCHEMA.scripts)}):"
            " install that version first",
        )
    looked_at = path if version == len(SCHEMA.scripts) else _migrated(path)
    with open_snapshot(looked_at, breathe) as snapshot:
        report = verify(snapshot)
    if not report.ok:
        raise HouseFault(Code.STORE_UNAVAILABLE, f"it does not add up: {'; '.join(report.problems[:3])}")
    return LedgerMark(
        requests=report.requests,
        attempts=report.attempts,
        postings=report.postings,
        cost_nano_usd=report.books.get("spent", 0) + report.books.get("unknown", 0),
        last=str(newest[0][0]) if newest else "",
        last_ms=int(newest[0][1] or 0) if newest else 0,
        books=report.books,
        schemas=schemas,
    )


def _migrated(path: Path) -> Path:
    from lodestard.store.backup_verify import migrated_copy

    return migrated_copy(path, path.with_name(f"{path.name}.migrated"), SCHEMA)


def _disk_of(folder: Path) -> int:
    """Which file system it is, or will be, on. Raises ``OSError``."""
    while not folder.exists():
        folder = folder.parent
    return folder.stat().st_dev
