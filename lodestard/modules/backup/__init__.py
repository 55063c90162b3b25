"""Backs the ledger up once a day, with the small files of the state folder and the configuration.

Owns the schedule and the backups' folder; adds ``backup`` to ``lodestarctl status`` and the verbs ``backup.now``,
``backup.list`` and ``backup.verify``; raises an alert where a backup failed.
"""

from lodestard.module import Module
from lodestard.modules.backup.loop import run_backup
from lodestard.modules.backup.settings import BackupSettings

MODULE = Module("backup", "backs the ledger up every day", BackupSettings, run_backup)
