"""The table ``[modules.ledger_log]``."""

from lodestard.domain.record import Positive
from lodestard.module import ModuleSettings


class LedgerLogSettings(ModuleSettings, frozen=True):
    """``folder``: where the daily files are; empty means ``ledger-log`` in the state folder."""

    enabled: bool = False
    folder: str = ""
    keep_days: Positive = 365

    def __post_init__(self) -> None:
        if self.folder and not self.folder.startswith(("/", "~/")):
            raise ValueError("folder: expected an absolute path, or one that starts with ~/")
