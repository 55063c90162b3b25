"""The table ``[modules.health]``."""

from typing import Annotated

from msgspec import Meta

from lodestard.domain.record import Positive, Seconds
from lodestard.module import ModuleSettings


class HealthSettings(ModuleSettings, frozen=True):
    """``failures_to_down`` probes in a row must fail before an upstream counts as down; one success is enough
    to count as up again."""

    interval_s: Seconds = 15.0
    timeout_s: Seconds = 5.0
    failures_to_down: Annotated[Positive, Meta(le=100)] = 2
