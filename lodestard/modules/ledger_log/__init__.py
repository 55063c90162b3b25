"""The ledger a second time, as lines of JSON that a person can read: a backup that needs no program of ours.

Owns the daily files in its folder; adds ``ledger_log`` to ``lodestarctl status``.
"""

from lodestard.module import Module
from lodestard.modules.ledger_log.loop import run_ledger_log
from lodestard.modules.ledger_log.settings import LedgerLogSettings

MODULE = Module("ledger_log", "the ledger as lines of JSON", LedgerLogSettings, run_ledger_log)
