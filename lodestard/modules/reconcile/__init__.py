"""Compares what providers say they billed with the ledger, by upstream and UTC day.

Owns nothing but its schedule: differences are posted to the ledger's own book; adds ``reconcile`` to ``lodestarctl
status`` and the verbs ``reconcile.run`` and ``reconcile.show``; raises an alert where they are far apart.
"""

from lodestard.module import Module
from lodestard.modules.reconcile.loop import run_reconcile
from lodestard.modules.reconcile.settings import ReconcileSettings

MODULE = Module("reconcile", "compares providers' bills with the ledger", ReconcileSettings, run_reconcile)
