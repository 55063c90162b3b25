"""Backups, as plain data: what one holds, which there are, which are kept."""

from collections.abc import Callable
from typing import Protocol

import msgspec

from lodestard.domain.errors import HouseFault
from lodestard.domain.record import Count, Record

FORMAT = 1


class BusyFault(HouseFault):
    """Somebody else makes or looks at one in that folder: nothing is wrong, and later will do."""


class BackupRules(Record, frozen=True):
    """Where backups are, and how many are kept. ``dir`` empty: ``backups`` below the state folder."""

    dir: str = ""
    keep_daily: Count = 7
    keep_weekly: Count = 4
    keep_monthly: Count = 12


class Part(msgspec.Struct, frozen=True):
    """One file in a backup."""

    name: str
    bytes: int
    sha256: str


class LeftOut(msgspec.Struct, frozen=True):
    """A file that is in no backup, and why."""

    name: str
    why: str


class LedgerMark(msgspec.Struct, frozen=True, kw_only=True):
    """A ledger at one moment. ``books`` are the balances, which sum to zero; ``last`` is the newest request."""

    requests: int = 0
    attempts: int = 0
    postings: int = 0
    cost_nano_usd: int = 0
    last: str = ""
    last_ms: int = 0
    books: dict[str, int] = {}
    schemas: dict[str, int] = {}


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """What a backup says of itself. ``parts`` are in the order in which they follow."""

    format: int
    id: str
    at_ms: int
    versions: dict[str, str]
    ledger: LedgerMark
    parts: tuple[Part, ...]
    left_out: tuple[LeftOut, ...] = ()


class Backup(msgspec.Struct, frozen=True, kw_only=True):
    """One in the folder. ``verified_ms`` is None where nobody has; ``kept`` says why it stays."""

    id: str
    file: str
    at_ms: int
    bytes: int
    verified_ms: int | None = None
    kept: tuple[str, ...] = ()


class Verified(msgspec.Struct, frozen=True, kw_only=True):
    """What was found in a backup. ``faults`` empty: it is good."""

    file: str
    faults: tuple[str, ...] = ()
    manifest: Manifest | None = None


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """How far making one is: ``done`` of ``total`` bytes of what it is at."""

    what: str
    done: int = 0
    total: int = 0


class Made(msgspec.Struct, frozen=True, kw_only=True):
    """A new backup, verified, and what went because of it."""

    backup: Backup
    manifest: Manifest
    took_ms: int
    deleted: tuple[str, ...] = ()


class Shelf(msgspec.Struct, frozen=True, kw_only=True):
    """All backups, the newest first. ``same_disk``: the folder shares its disk with the ledger."""

    folder: str
    backups: tuple[Backup, ...] = ()
    same_disk: bool = True


Tell = Callable[[Step], object]


class BackupsPort(Protocol):
    """Makes and looks at backups; everything that blocks runs beside the loop. All raise ``HouseFault``."""

    async def make(self, rules: BackupRules, tell: Tell) -> Made:
        """A new one, verified; then those that need not be kept are deleted. Cancelled, it leaves nothing."""
        ...

    async def shelf(self, rules: BackupRules) -> Shelf:
        """What there is."""
        ...

    async def verify(self, rules: BackupRules, which: str) -> Verified:
        """Look at one by its id, or at the newest. Raises ``CallerFault`` where there is none."""
        ...


class NoBackups:
    """Where nobody makes any."""

    async def make(self, _rules: BackupRules, _tell: Tell) -> Made:
        raise NotImplementedError

    async def shelf(self, rules: BackupRules) -> Shelf:
        return Shelf(folder=rules.dir)

    async def verify(self, _rules: BackupRules, _which: str) -> Verified:
        raise NotImplementedError
