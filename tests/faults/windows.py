"""F14: windows of time in every zone of the world, about every change of its clocks.

What must hold: each instant is in exactly one day, week and month; these follow one another without a gap or an
overlap; their lengths are sane; a clock that is stepped back opens no window again.
"""

import random
from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from lodestard.budget.windows import Window, bounds_ms, parse_window

MINUTE_MS = 60_000
HOUR_MS = 60 * MINUTE_MS
DAY_MS = 24 * HOUR_MS
YEARS = range(1971, 2101)
CALENDAR = tuple(parse_window(text) for text in ("day", "week", "month"))
DAYS = {"day": (1, 2), "week": (7, 7), "month": (28, 31)}
"""Where a zone has left out a day, the one before it goes on to the next."""
NEAR_MS = (-DAY_MS, -HOUR_MS, -1, 0, 1, HOUR_MS, DAY_MS)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def ms(at: datetime) -> int:
    return (at.astimezone(UTC) - _EPOCH) // timedelta(milliseconds=1)


def changes_ms(zone: ZoneInfo, years: Iterable[int]) -> Iterator[int]:
    """The instants of those years at which the zone's clocks change."""
    for year in years:
        months = [ms(datetime(year, month, 1, tzinfo=UTC)) for month in range(1, 13)]
        for low_ms, high_ms in zip(months, [*months[1:], ms(datetime(year + 1, 1, 1, tzinfo=UTC))], strict=True):
            if _offset(low_ms, zone) != _offset(high_ms, zone):
                yield _find_change(low_ms, high_ms, zone)


def _find_change(low_ms: int, high_ms: int, zone: ZoneInfo) -> int:
    while high_ms - low_ms > 1:
        middle_ms = (low_ms + high_ms) // 2
        if _offset(middle_ms, zone) == _offset(low_ms, zone):
            low_ms = middle_ms
        else:
            high_ms = middle_ms
    return high_ms


def _offset(at_ms: int, zone: ZoneInfo) -> timedelta | None:
    return (_EPOCH + timedelta(milliseconds=at_ms)).astimezone(zone).utcoffset()


def _date(at_ms: int, zone: ZoneInfo) -> date:
    return (_EPOCH + timedelta(milliseconds=at_ms)).astimezone(zone).date()


def begins_a_day(at_ms: int, zone: ZoneInfo) -> bool:
    """Whether it is midnight, or where the clocks leave midnight out, the first instant after it."""
    local = (_EPOCH + timedelta(milliseconds=at_ms)).astimezone(zone)
    new = _date(at_ms, zone) > _date(at_ms - 1, zone)
    return new and (local.time() == time(0) or _offset(at_ms, zone) != _offset(at_ms - 1, zone))


def awkward_ms(zone: ZoneInfo, years: Iterable[int], luck: random.Random) -> Iterator[int]:
    """Instants about every change of the clocks, about New Year and leap days, and anywhere."""
    for year in years:
        for change_ms in changes_ms(zone, (year,)):
            yield from (change_ms + near_ms for near_ms in NEAR_MS)
        for month, day in ((1, 1), (2, 28), (3, 1)):
            midnight = datetime(year, month, day, tzinfo=zone)
            yield from (ms(midnight) + near_ms for near_ms in NEAR_MS)
        yield luck.randrange(ms(datetime(year, 1, 1, tzinfo=UTC)), ms(datetime(year + 1, 1, 1, tzinfo=UTC)))


def check_instant(window: Window, at_ms: int, zone: ZoneInfo) -> None:
    """It is in exactly one window, whose neighbours begin where it ends and end where it begins."""
    where = f"{window} in {zone} at {(_EPOCH + timedelta(milliseconds=at_ms)).isoformat()}"
    start_ms, end_ms = bounds_ms(window, at_ms, zone)
    assert end_ms is not None, where
    assert start_ms <= at_ms < end_ms, f"{where}: it is not in its own window"
    for inside_ms in (start_ms, (start_ms + end_ms) // 2, end_ms - 1):
        assert bounds_ms(window, inside_ms, zone) == (start_ms, end_ms), f"{where}: two windows overlap"
    assert bounds_ms(window, end_ms, zone)[0] == end_ms, f"{where}: a gap or an overlap after it"
    assert bounds_ms(window, start_ms - 1, zone)[1] == start_ms, f"{where}: a gap or an overlap before it"
    assert begins_a_day(start_ms, zone), f"{where}: it does not begin at midnight"
    fewest, most = DAYS[window.kind]
    days = (_date(end_ms, zone) - _date(start_ms, zone)).days
    assert fewest <= days <= most, f"{where}: {days} days long"


def check_nesting(at_ms: int, zone: ZoneInfo) -> None:
    """A week and a month begin where one of their days begins."""
    for window in CALENDAR[1:]:
        start_ms, end_ms = bounds_ms(window, at_ms, zone)
        assert end_ms is not None
        for edge_ms in (start_ms, end_ms):
            assert bounds_ms(CALENDAR[0], edge_ms, zone)[0] == edge_ms, f"{window} in {zone}: no day begins with it"
