"""The table ``[modules.eval_idle]``."""

import re
from typing import Annotated

from msgspec import Meta

from lodestard.domain.record import Count, Positive, Seconds
from lodestard.domain.upstream import Target
from lodestard.module import ModuleSettings

HOURS = re.compile(r"([01]\d|2[0-3]):([0-5]\d)-([01]\d|2[0-3]):([0-5]\d)")
MINUTES_AN_HOUR = 60
Span = tuple[int, int]


class EvalIdleSettings(ModuleSettings, frozen=True):
    """``quiet_s``: how long nobody must have asked. ``hours``: only then, as ``22:00-07:00``.

    ``models``: only these, "upstream/model". ``skip_projects``: whose requests are left alone. ``lookback_days``: how
    old a request may be; ``max_prompt_tokens`` and ``max_answer_tokens`` how long. ``timeout_s``: how long a replay
    may take, its waiting included.
    """

    enabled: bool = False
    per_day: Count = 200
    quiet_s: Seconds = 120.0
    hours: str = ""
    models: tuple[str, ...] = ()
    skip_projects: tuple[str, ...] = ()
    lookback_days: Annotated[Positive, Meta(le=366)] = 14
    max_prompt_tokens: Positive = 6_000
    max_answer_tokens: Positive = 1_500
    timeout_s: Seconds = 600.0

    def __post_init__(self) -> None:
        for name in self.models:
            try:
                Target.parse(name)
            except ValueError as error:
                raise ValueError(f"models: {error}") from None
        if self.hours and read_hours(self.hours) is None:
            raise ValueError("hours: expected a span of the day as 22:00-07:00")

    @property
    def span(self) -> Span | None:
        """``hours`` as minutes of the day; None for the whole day."""
        return read_hours(self.hours)


def read_hours(text: str) -> Span | None:
    """``22:00-07:00`` → (1320, 420); None for anything else. Pure."""
    match = HOURS.fullmatch(text)
    if match is None:
        return None
    begin_hour, begin_minute, end_hour, end_minute = (int(number) for number in match.groups())
    return begin_hour * MINUTES_AN_HOUR + begin_minute, end_hour * MINUTES_AN_HOUR + end_minute
