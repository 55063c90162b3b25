"""Tells a person what cannot wait until they look: budgets near their limits, and whatever else raises an alert.

Owns the list of what was told and to whom it is still to be told; adds ``alerts`` to ``lodestarctl status`` and the
verbs ``alerts`` and ``alerts.test``.
"""

from lodestard.module import Module
from lodestard.modules.alerts.loop import run_alerts
from lodestard.modules.alerts.settings import AlertsSettings

MODULE = Module("alerts", "tells of budgets near their limits", AlertsSettings, run_alerts)
