"""Times as people write them: ``7d``, ``24h``, ``today``, ``month``, ``2025-11-30``. Pure.

Law: days and months begin in the ledger's zone, so that a report and the day's figures can't disagree.
"""

import re
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from lodestard.domain.errors import CallerFault, Code

MS_PER_S = 1_000
UNIT_S = {"s": 1, "m": 60, "h": 3_600, "d": 86_400, "w": 7 * 86_400}
_AGE = re.compile(r"(\d{1,6})([smhdw])")
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")
EXAMPLES = "7d, 24h, today, yesterday, month or a date like 2025-11-30"


def read_age_s(text: str, param: str) -> int:
    """``90m`` → 5400 seconds. Raises ``CallerFault``."""
    match = _AGE.fullmatch(text.strip().lower())
    if match is None:
        raise CallerFault(Code.INVALID_REQUEST, f"{text!r} is no age: say 90m, 24h or 7d.", param=param)
    return int(match[1]) * UNIT_S[match[2]]


def read_since_ms(text: str, now_ms: int, zone: ZoneInfo) -> int:
    """The instant from which on. Raises ``CallerFault``."""
    return (
        _start_ms(_read_day(text, now_ms, zone, "since"), zone) if _is_day(text) else _ago_ms(text, now_ms, "since")
    )


def read_until_ms(text: str, now_ms: int, zone: ZoneInfo) -> int:
    """The instant before which; a day is included whole. Raises ``CallerFault``."""
    if not _is_day(text):
        return _ago_ms(text, now_ms, "until")
    return _start_ms(_read_day(text, now_ms, zone, "until") + timedelta(days=1), zone)


def _is_day(text: str) -> bool:
    return text in ("today", "yesterday", "month") or _DATE.fullmatch(text) is not None


def _ago_ms(text: str, now_ms: int, param: str) -> int:
    if _AGE.fullmatch(text.strip().lower()) is None:
        raise CallerFault(Code.INVALID_REQUEST, f"{text!r} is no time: say {EXAMPLES}.", param=param)
    return max(0, now_ms - read_age_s(text, param) * MS_PER_S)


def _read_day(text: str, now_ms: int, zone: ZoneInfo, param: str) -> date:
    today = datetime.fromtimestamp(now_ms / MS_PER_S, UTC).astimezone(zone).date()
    named = {"today": today, "yesterday": today - timedelta(days=1), "month": today.replace(day=1)}
    if text in named:
        return named[text]
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise CallerFault(Code.INVALID_REQUEST, f"{text!r} is no date.", param=param) from None


def _start_ms(day: date, zone: ZoneInfo) -> int:
    return int(datetime(day.year, day.month, day.day, tzinfo=zone).timestamp() * MS_PER_S)


def today_ms(now_ms: int, zone: ZoneInfo) -> int:
    """When the day of ``now_ms`` began."""
    return read_since_ms("today", now_ms, zone)
