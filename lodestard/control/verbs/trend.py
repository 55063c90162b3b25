"""The course of time: by which step, from which instant, and with the steps in which nothing was asked. Pure.

Law: steps are those of the ledger's zone and have the names that its reports give them.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Literal
from zoneinfo import ZoneInfo

from lodestard.control.messages.figures import CostRow
from lodestard.control.verbs.projecting import next_month
from lodestard.control.verbs.when import MS_PER_S

Step = Literal["hour", "day", "week", "month"]
NAMES: Mapping[Step, str] = {"hour": "%Y-%m-%dT%H:00", "day": "%Y-%m-%d", "week": "%G-W%V", "month": "%Y-%m"}
MOST_HOURS = 48
MOST_DAYS = 62
MOST_WEEKS = 62
DAY_MS = 86_400_000


def choose_step(span_ms: int) -> Step:
    """The finest that gives no more lines than somebody would read."""
    if span_ms <= MOST_HOURS * DAY_MS // 24:
        return "hour"
    if span_ms <= MOST_DAYS * DAY_MS:
        return "day"
    return "week" if span_ms <= MOST_WEEKS * 7 * DAY_MS else "month"


def read_start_ms(begins_ms: int, step: Step, zone: ZoneInfo) -> int:
    """The first instant from ``begins_ms`` on at which a step begins, so that no step is shown in part."""
    begins = _local(begins_ms, zone)
    floor = FLOORS[step](begins)
    return int((floor if floor == begins else NEXT[step](floor)).timestamp() * MS_PER_S)


def fill_gaps(rows: Sequence[CostRow], step: Step, ends_ms: int, zone: ZoneInfo) -> tuple[CostRow, ...]:
    """With a row for each step from the first with a request to the one before ``ends_ms``."""
    if not rows:
        return ()
    known = {row.name: row for row in rows}
    empty = dict.fromkeys(_steps(rows[0].name, step, ends_ms, zone))
    return tuple(known.get(name, CostRow(name=name)) for name in {**empty, **dict.fromkeys(known)})


def _steps(first: str, step: Step, ends_ms: int, zone: ZoneInfo) -> Iterator[str]:
    at = _read_name(first, step, zone)
    while at.timestamp() * MS_PER_S < ends_ms:
        yield at.strftime(NAMES[step])
        at = NEXT[step](at)


def _read_name(name: str, step: Step, zone: ZoneInfo) -> datetime:
    text, form = (f"{name}-1", f"{NAMES[step]}-%u") if step == "week" else (name, NAMES[step])
    return datetime.strptime(text, form).replace(tzinfo=zone)


def _local(instant_ms: int, zone: ZoneInfo) -> datetime:
    return datetime.fromtimestamp(instant_ms / MS_PER_S, UTC).astimezone(zone)


def _floor_hour(at: datetime) -> datetime:
    return at.replace(minute=0, second=0, microsecond=0)


def _floor_day(at: datetime) -> datetime:
    return at.replace(hour=0, minute=0, second=0, microsecond=0, fold=0)


def _next_hour(at: datetime) -> datetime:
    """An hour later on every clock: what the zone's own clock then shows may be one more, or the same again."""
    return (at.astimezone(UTC) + timedelta(hours=1)).astimezone(at.tzinfo)


FLOORS: Mapping[Step, Callable[[datetime], datetime]] = {
    "hour": _floor_hour,
    "day": _floor_day,
    "week": lambda at: _floor_day(at) - timedelta(days=at.weekday()),
    "month": lambda at: _floor_day(at).replace(day=1),
}
NEXT: Mapping[Step, Callable[[datetime], datetime]] = {
    "hour": _next_hour,
    "day": lambda at: at + timedelta(days=1),
    "week": lambda at: at + timedelta(days=7),
    "month": lambda at: datetime.combine(next_month(at.date()), at.timetz()),
}
