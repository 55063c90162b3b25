"""When an alert that could not be delivered is tried again, and when it is given up. Pure."""

from collections.abc import Iterable

from lodestard.modules.alerts.notice import DAY_MS, Notice

FIRST_PAUSE_S = 5.0
LONGEST_PAUSE_S = 3_600.0
GIVE_UP_MS = DAY_MS
MAX_DOUBLINGS = 20


def pause_s(failures: int) -> float:
    """How long a channel rests after so many failures in a row: 5 s, 10 s, 20 s … one hour."""
    return min(FIRST_PAUSE_S * (1 << min(failures - 1, MAX_DOUBLINGS)), LONGEST_PAUSE_S)


def is_given_up(notice: Notice, now_ms: int) -> bool:
    """After a day nobody needs to be woken for it any more; it stays on the list."""
    return now_ms - notice.at_ms > GIVE_UP_MS


def choose_next(waiting: Iterable[Notice], tried: dict[str, int]) -> Notice | None:
    """Which one to deliver: the one that failed least often, the oldest of those.

    So one that is refused again and again for what it says holds up no other. ``tried`` counts failures by key.
    """
    return min(waiting, key=lambda notice: (tried.get(notice.alert.key, 0), notice.at_ms), default=None)
