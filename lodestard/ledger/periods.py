"""Quarters of an hour, and the hours, days, weeks and months of a zone that they are in.

Law: pure. All spans are counted in quarters of an hour since 1970 (UTC); every zone's offset, and every change of it,
falls on one, so no period ever cuts a quarter.
"""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import NamedTuple
from zoneinfo import ZoneInfo

from lodestard.ledger.figures import QUARTER_MS
from lodestard.ledger.schema.rollup import QUARTERS_A_DAY

QUARTERS_AN_HOUR = 4
QUARTER_S = QUARTER_MS // 1_000
FORMS = {"hour": "%Y-%m-%dT%H:00", "day": "%Y-%m-%d", "week": "%G-W%V", "month": "%Y-%m"}
LAST_QUARTER = 253_402_300_799 // QUARTER_S - QUARTERS_A_DAY  # the end of year 9999, less a day for any zone


class Range(NamedTuple):
    """Quarters from ``first`` until before ``end``."""

    first: int
    end: int


class Piece(NamedTuple):
    """A range in which rows of one ``span`` are read; ``offset`` is what the zone's clocks are ahead, in quarters."""

    span: int
    first: int
    end: int
    offset: int = 0


def quarters(since_ms: int, until_ms: int) -> Range:
    """[since, until), both aligned down, so that ranges that touch share nothing and miss nothing."""
    return Range(max(0, since_ms) // QUARTER_MS, max(0, until_ms) // QUARTER_MS)


def plan_spans(wanted: Range) -> list[Piece]:
    """Whole days where there are any, and quarters before and after them."""
    first_day = -(-wanted.first // QUARTERS_A_DAY) * QUARTERS_A_DAY
    end_day = wanted.end // QUARTERS_A_DAY * QUARTERS_A_DAY
    if first_day >= end_day:
        return [Piece(1, wanted.first, wanted.end)]
    days = [Piece(QUARTERS_A_DAY, first_day, end_day)]
    around = (Piece(1, wanted.first, first_day), Piece(1, end_day, wanted.end))
    return days + [piece for piece in around if piece.first < piece.end]


def plan_offsets(wanted: Range, zone: ZoneInfo) -> list[Piece]:
    """The range cut where the zone's offset changes. A wider range than the years 1 to 9999 is cut to them."""
    first, end = wanted.first, min(wanted.end, LAST_QUARTER)
    return list(_offsets(first, end, zone)) if first < end else []


def _offsets(first: int, end: int, zone: ZoneInfo) -> Iterator[Piece]:
    offset, start = offset_of(first, zone), first
    for day in range(first // QUARTERS_A_DAY + 1, end // QUARTERS_A_DAY + 2):
        after = min(day * QUARTERS_A_DAY, end)
        while offset_of(after, zone) != offset:
            change = _first_change(start, after, offset, zone)
            yield Piece(1, start, change, offset)
            offset, start = offset_of(change, zone), change
    if start < end:
        yield Piece(1, start, end, offset)


def _first_change(low: int, high: int, offset: int, zone: ZoneInfo) -> int:
    """The first quarter above ``low`` that has another offset; ``high`` has one."""
    low = max(low, high - QUARTERS_A_DAY)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if offset_of(middle, zone) == offset else (low, middle)
    return high


@lru_cache(maxsize=20_000)
def offset_of(quarter: int, zone: ZoneInfo) -> int:
    """How far the zone's clocks are ahead of UTC then, in quarters."""
    ahead = datetime.fromtimestamp(quarter * QUARTER_S, UTC).astimezone(zone).utcoffset() or timedelta()
    return int(ahead.total_seconds()) // QUARTER_S


def length_of(by: str) -> int:
    """How many quarters the periods have that ``by`` is made of: hours, or days."""
    return QUARTERS_AN_HOUR if by == "hour" else QUARTERS_A_DAY


def key_of(by: str, period: int) -> str:
    """The name of the ``period``-th hour, or of what the ``period``-th day belongs to, as clocks there show it."""
    if by == "hour":
        days, hour = divmod(period, 24)
        return f"{_day(days).isoformat()}T{hour:02}:00"
    return _day(period).strftime(FORMS[by])


@lru_cache(maxsize=4_000)
def _day(number: int) -> date:
    return date(1970, 1, 1) + timedelta(days=number)
