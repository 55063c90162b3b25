"""The table ``[modules.statusline]``."""

from typing import Annotated

from msgspec import Meta

from lodestard.module import ModuleSettings


class StatuslineSettings(ModuleSettings, frozen=True):
    """``interval_s`` is the least time between two looks at the figures; the file is written where they differ."""

    interval_s: Annotated[float, Meta(ge=1)] = 1.0
