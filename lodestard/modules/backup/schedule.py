"""When a backup is due. Pure.

Law: one a day, at a time of day in the ledger's zone. One that was missed is due as soon as somebody can make it.
"""

from datetime import UTC, datetime, time, timedelta, tzinfo

from lodestard.domain.backup import Shelf

MS_PER_S = 1_000
LATE_MS = 6 * 3_600 * MS_PER_S
AHEAD_MS = 3_600 * MS_PER_S  # clocks are set right by seconds; two backups in one of them have later names


def last_due_ms(now_ms: int, at: str, zone: tzinfo) -> int:
    """The latest instant, at or before now, at which one was due."""
    now = datetime.fromtimestamp(now_ms / MS_PER_S, UTC).astimezone(zone)
    moment = time.fromisoformat(at)
    for days in (0, 1, 2):
        due = datetime.combine(now.date() - timedelta(days=days), moment, zone)
        due_ms = int(due.timestamp()) * MS_PER_S
        if due_ms <= now_ms:
            return due_ms
    raise AssertionError("two days ago was before now")


def newest_good_ms(shelf: Shelf, now_ms: int) -> int | None:
    """When the newest verified backup was made. One from the future does not count: a clock that was ahead once must
    not keep others from being made until then.
    """
    good = (each.at_ms for each in shelf.backups if each.verified_ms is not None)
    return max((at_ms for at_ms in good if at_ms <= now_ms + AHEAD_MS), default=None)


def is_due(now_ms: int, newest_ms: int | None, at: str, zone: tzinfo) -> bool:
    """Whether there is none since the last time that one was due."""
    return newest_ms is None or newest_ms < last_due_ms(now_ms, at, zone)


def is_late(now_ms: int, newest_ms: int | None, started_ms: int, at: str, zone: tzinfo) -> bool:
    """Whether one is due for hours, in which somebody could have made it."""
    due_ms = last_due_ms(now_ms, at, zone)
    return is_due(now_ms, newest_ms, at, zone) and now_ms - max(due_ms, started_ms) > LATE_MS
