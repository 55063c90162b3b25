"""The table ``[modules.metrics]``."""

from lodestard.domain.record import Seconds
from lodestard.module import ModuleSettings


class MetricsSettings(ModuleSettings, frozen=True):
    """``max_age_s``: figures from the ledger are read anew when they are older than this."""

    path: str = "/metrics"
    max_age_s: Seconds = 10.0
