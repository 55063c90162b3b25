"""Backups: what making, listing, verifying and restoring them tells."""

from lodestard.control.envelope import Message
from lodestard.domain.backup import Backup as Backup
from lodestard.domain.backup import LeftOut as LeftOut
from lodestard.domain.backup import Made as Made
from lodestard.domain.backup import Manifest as Manifest
from lodestard.domain.backup import Shelf as Shelf
from lodestard.domain.backup import Step as Step
from lodestard.domain.backup import Verified as Verified


class BackupItem(Message, frozen=True):
    """While one is made: ``step``; at the end: ``made``."""

    step: Step | None = None
    made: Made | None = None


class RestorePlan(Message, frozen=True, kw_only=True):
    """What a restore would do, before anything is changed.

    ``requests_now`` are those of the ledger that is there, None where there is none or it can't be read.
    ``unreadable`` says why it can't be read, or not be compared with the backup. ``forgotten`` is what only that one
    knows: how many requests came after the backup and what they were charged, or are still held. ``logged`` is what
    the ledger's log says instead, where the ledger can't: attempts, and nano-USD.
    """

    manifest: Manifest
    folder: str
    aside: str = ""
    requests_now: int | None = None
    unreadable: str = ""
    forgotten: int | None = None
    forgotten_nano_usd: int | None = None
    forgotten_held_nano_usd: int | None = None
    logged: int | None = None
    logged_nano_usd: int | None = None
    keep_spent: bool = False


class Restored(Message, frozen=True, kw_only=True):
    """What was done. ``resumed``: an earlier restore was brought to its end, and nothing else."""

    id: str
    folder: str
    aside: str = ""
    config: str = ""
    requests: int = 0
    cost_nano_usd: int = 0
    carried: int = 0
    resumed: bool = False


class RestoreItem(Message, frozen=True):
    """First the plan, then, once somebody has agreed, what was done."""

    plan: RestorePlan | None = None
    restored: Restored | None = None


def is_file(which: str) -> bool:
    """Whether a backup is named by its path, not by its id. Pure."""
    return "/" in which or which.endswith(".tar.zst")
