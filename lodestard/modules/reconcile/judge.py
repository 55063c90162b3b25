"""Which days to look at, and what a difference means. Pure.

Law: money is compared in integers and decimals. Providers are late rather than wrong: a day that is not final may say
too little, which alarms nobody; too much is too much at once.
"""

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from decimal import ROUND_CEILING, Decimal

import msgspec

from lodestard.domain.bills import Look
from lodestard.domain.money import format_usd, parse_nano_usd
from lodestard.modules.reconcile.settings import ReconcileSettings

MS_PER_S = 1_000
PERCENT = 100


class Day(msgspec.Struct, frozen=True):
    """A UTC day to look at. ``final``: what is found now stands."""

    date: date
    final: bool

    @property
    def name(self) -> str:
        return self.date.isoformat()

    @property
    def start_ms(self) -> int:
        return start_s(self.date) * MS_PER_S


class Verdict(msgspec.Struct, frozen=True):
    """Whether to alarm, and why (not), for a person."""

    alarm: bool
    reason: str


def start_s(day: date) -> int:
    """Unix seconds at which a UTC day begins."""
    return int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp())


def day_of(now_ms: int) -> date:
    """The UTC day of an instant."""
    return datetime.fromtimestamp(now_ms // MS_PER_S, UTC).date()


def make_day(day: date, now_ms: int, settle_days: int) -> Day:
    """Final once ``settle_days`` have passed since its end."""
    return Day(day, (day_of(now_ms) - day).days > settle_days)


def plan_days(now_ms: int, known: Mapping[str, Look], settings: ReconcileSettings, kept_days: int) -> list[Day]:
    """The days that have ended, are not too long ago, and have no final look yet; the oldest first.

    Attempts are kept for ``kept_days``: a day that is not whole any more would be too little.
    """
    today = day_of(now_ms)
    days = [today - timedelta(days=ago) for ago in range(min(settings.lookback_days, kept_days - 1), 0, -1)]
    return [make_day(day, now_ms, settings.settle_days) for day in days if not _is_final(known.get(day.isoformat()))]


def _is_final(look: Look | None) -> bool:
    return look is not None and look.final


def first_day(now_ms: int, settings: ReconcileSettings) -> str:
    """The oldest day that is looked at."""
    return (day_of(now_ms) - timedelta(days=settings.lookback_days)).isoformat()


def tolerance_nano_usd(ours_nano_usd: int, theirs_nano_usd: int, settings: ReconcileSettings) -> int:
    """How far apart they may be: the larger of the percentage (of the larger amount) and the dollars."""
    share = Decimal(max(ours_nano_usd, theirs_nano_usd)) * settings.alarm_percent / PERCENT
    return max(int(share.to_integral_value(ROUND_CEILING)), parse_nano_usd(settings.alarm_usd))


def judge(ours_nano_usd: int, theirs_nano_usd: int, settings: ReconcileSettings, *, final: bool) -> Verdict:
    """What the difference means."""
    difference = theirs_nano_usd - ours_nano_usd
    limit = tolerance_nano_usd(ours_nano_usd, theirs_nano_usd, settings)
    if abs(difference) <= limit:
        return Verdict(alarm=False, reason=f"within ${format_usd(limit)}")
    if difference < 0 and not final:
        return Verdict(alarm=False, reason="they may still be adding it up")
    return Verdict(alarm=True, reason=f"beyond ${format_usd(limit)}")
