"""The table ``[modules.backup]``."""

import re

from lodestard.domain.backup import BackupRules
from lodestard.domain.record import Count
from lodestard.module import ModuleSettings

_AT = re.compile(r"([01]\d|2[0-3]):[0-5]\d")


class BackupSettings(ModuleSettings, frozen=True):
    """``dir``: empty means ``backups`` in the state folder. ``at``: a time of day in the ledger's zone."""

    dir: str = ""
    at: str = "03:30"
    keep_daily: Count = 7
    keep_weekly: Count = 4
    keep_monthly: Count = 12

    def __post_init__(self) -> None:
        if self.dir and not self.dir.startswith(("/", "~/")):
            raise ValueError("dir: expected an absolute path, or one that starts with ~/")
        if not _AT.fullmatch(self.at):
            raise ValueError('at: expected a time of day such as "03:30"')

    @property
    def rules(self) -> BackupRules:
        return BackupRules(
            dir=self.dir,
            keep_daily=self.keep_daily,
            keep_weekly=self.keep_weekly,
            keep_monthly=self.keep_monthly,
        )
