"""Windows of time: the day, week or month that an instant is in, everything, or the hours before it. Pure.

Law: calendar windows follow one another without a gap and without an overlap, in every zone and through every change
of its clocks: a window begins at the first instant that is not before its first midnight, and ends where the next one
begins. A midnight that comes twice counts the first time; one that is left out is the instant at which it is.
"""

import re
from datetime import UTC, date, datetime, timedelta
from typing import Literal
from zoneinfo import ZoneInfo

import msgspec

MS_PER_S = 1_000
MS_PER_HOUR = 3_600 * MS_PER_S
MAX_HOURS = 366 * 24
_ROLLING = re.compile(r"(\d{1,4})h")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

Kind = Literal["day", "week", "month", "total", "rolling"]


class Window(msgspec.Struct, frozen=True):
    """A kind of window. ``hours`` is how far a rolling one looks back, otherwise 0."""

    kind: Kind
    hours: int = 0

    def __str__(self) -> str:
        return f"{self.hours}h" if self.kind == "rolling" else self.kind

    @property
    def words(self) -> str:
        """As a sentence names it: ``this month``, ``the last 24 hours``."""
        if self.kind == "rolling":
            return f"the last {self.hours} hours"
        return "all time" if self.kind == "total" else "today" if self.kind == "day" else f"this {self.kind}"


def parse_window(text: str) -> Window:
    """``day``, ``week``, ``month``, ``total`` or ``24h`` → Window. Raises ``ValueError``."""
    if text in ("day", "week", "month", "total"):
        return Window(text)  # type: ignore[arg-type]
    match = _ROLLING.fullmatch(text)
    hours = int(match[1]) if match else 0
    if not 1 <= hours <= MAX_HOURS:
        raise ValueError(f"expected day, week, month, total, or hours such as 24h (1 to {MAX_HOURS})")
    return Window("rolling", hours)


def bounds_ms(window: Window, at_ms: int, zone: ZoneInfo) -> tuple[int, int | None]:
    """The window that ``at_ms`` is in: its start (inclusive) and its end (exclusive; None where it has none).

    A rolling window ends now and begins its hours before.
    """
    if window.kind == "total":
        return 0, None
    if window.kind == "rolling":
        return at_ms - window.hours * MS_PER_HOUR, at_ms
    first = _first_day(window.kind, _day_of(at_ms, zone))
    start = midnight_ms(first, zone)
    while at_ms < start:  # the second pass of a midnight that comes twice, or a zone that jumped back over one
        first = _first_day(window.kind, first - timedelta(days=1))
        start = midnight_ms(first, zone)
    following = _next(window.kind, first)
    end = midnight_ms(following, zone)
    while at_ms >= end:
        first, start = following, end
        following = _next(window.kind, first)
        end = midnight_ms(following, zone)
    return start, end


def midnight_ms(day: date, zone: ZoneInfo) -> int:
    """When ``day`` begins in ``zone``."""
    local = datetime(day.year, day.month, day.day, tzinfo=zone)
    return (local.astimezone(UTC) - _EPOCH) // timedelta(milliseconds=1)


def _day_of(at_ms: int, zone: ZoneInfo) -> date:
    return (_EPOCH + timedelta(milliseconds=at_ms)).astimezone(zone).date()


def _first_day(kind: Kind, day: date) -> date:
    if kind == "week":
        return day - timedelta(days=day.weekday())
    return day.replace(day=1) if kind == "month" else day


def _next(kind: Kind, first: date) -> date:
    if kind == "month":
        return (first.replace(day=28) + timedelta(days=4)).replace(day=1)
    return first + timedelta(days=7 if kind == "week" else 1)
