"""What is said of backups in a line. Pure."""

from datetime import UTC, datetime, tzinfo

MS_PER_S = 1_000
S_PER_MIN, S_PER_H, S_PER_D = 60, 3_600, 86_400


def describe_last(now_ms: int, newest_ms: int | None) -> str:
    """``3 h ago, verified``."""
    if newest_ms is None:
        return "none yet"
    return f"{describe_age(max(0, now_ms - newest_ms))} ago, verified"


def describe_age(age_ms: int) -> str:
    age_s = age_ms // MS_PER_S
    for unit, length_s in (("d", S_PER_D), ("h", S_PER_H), ("min", S_PER_MIN)):
        if age_s >= length_s:
            return f"{age_s // length_s} {unit}"
    return f"{age_s} s"


def day_of(now_ms: int, zone: tzinfo) -> str:
    return datetime.fromtimestamp(now_ms // MS_PER_S, UTC).astimezone(zone).date().isoformat()
