"""Moments as Go writes them (RFC 3339 with up to nine decimals and an offset), to and from unix time. Pure.

Law: arithmetic alone: no calendar module, no clock, no time zone of this machine. What is no moment is None.
"""

import re

_MOMENT = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)[Tt ](\d\d):(\d\d):(\d\d)(?:\.(\d{1,9})\d*)?(?:[Zz]|([+-])(\d\d):(\d\d))", re.ASCII
)
_DAYS_TO_1970 = 719_468  # from the first of March of the year 0
_MONTH_DAYS = (31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)


def unix_ms(text: str) -> int | None:
    """``"2026-11-20T11:00:00.5+01:00"`` → milliseconds since 1970 began in UTC, rounded down; None for what is none.

    Years before 1970 give negative numbers. A leap second counts as the first second of the next minute.
    """
    found = _MOMENT.fullmatch(text)
    if found is None:
        return None
    year, month, day, hour, minute, second = (int(part) for part in found.groups()[:6])
    fraction, sign, offset_hours, offset_minutes = found.groups()[6:]
    offset = (int(offset_hours or 0), int(offset_minutes or 0))
    if not _is_day(year, month, day) or max(hour, offset[0]) > 23 or max(minute, offset[1]) > 59 or second > 60:
        return None
    seconds = ((_days(year, month, day) * 24 + hour) * 60 + minute) * 60 + second
    seconds -= (-1 if sign == "-" else 1) * (offset[0] * 60 + offset[1]) * 60
    return seconds * 1000 + int((fraction or "").ljust(3, "0")[:3])


def write_ms(moment_ms: int) -> str:
    """Milliseconds since 1970 began → ``"2026-11-20T10:00:00.5Z"``, without zeros at the end, as Go writes it."""
    seconds, fraction_ms = divmod(moment_ms, 1000)
    days, second = divmod(seconds, 86_400)
    year, month, day = _date(days)
    fraction = f".{fraction_ms:03d}".rstrip("0") if fraction_ms else ""
    clock = f"{second // 3600:02d}:{second // 60 % 60:02d}:{second % 60:02d}"
    return f"{year:04d}-{month:02d}-{day:02d}T{clock}{fraction}Z"


def _date(days: int) -> tuple[int, int, int]:
    """The other way round than ``_days``: eras of 400 years, each from a first of March."""
    era, day_of_era = divmod(days + _DAYS_TO_1970, 146_097)
    year_of_era = (day_of_era - day_of_era // 1460 + day_of_era // 36_524 - day_of_era // 146_096) // 365
    day_of_year = day_of_era - (365 * year_of_era + year_of_era // 4 - year_of_era // 100)
    from_march = (5 * day_of_year + 2) // 153
    month = from_march + 3 if from_march < 10 else from_march - 9
    return 400 * era + year_of_era + (month < 3), month, day_of_year - (153 * from_march + 2) // 5 + 1


def _is_day(year: int, month: int, day: int) -> bool:
    if not 1 <= month <= 12:
        return False
    leap = month == 2 and year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
    return 1 <= day <= _MONTH_DAYS[month - 1] + leap


def _days(year: int, month: int, day: int) -> int:
    """Since 1970 began. A year is counted from March, so that its leap day is its last."""
    if month < 3:
        year, month = year - 1, month + 12
    return 365 * year + year // 4 - year // 100 + year // 400 + (153 * (month - 3) + 2) // 5 + day - 1 - _DAYS_TO_1970
