"""What a window will have cost when it ends, as an interval, with the method's own error so far.

Law: integers only; nothing here knows a calendar or a clock. The interval reaches as far as the same method, asked on
earlier days of the same record, was ever wrong, and further the shorter that record is; it is never below what is
spent already. Too little data gives a reason, not a guess.
"""

from collections.abc import Callable, Sequence

import msgspec

WEEK = 7
LONGEST_DAYS = 60
FEWEST_DAYS = 14
FEWEST_PAID_DAYS = 5
WEEKDAYS_SHOW_DAYS = 6 * WEEK
RECENT_DAYS = 14
MILLE = 1_000
Week = tuple[int, ...]
"""What a day is expected to cost, by the number of days since the record's first one, modulo seven."""


class Projection(msgspec.Struct, frozen=True, kw_only=True):
    """What the window will have cost at its end; ``low <= likely <= high``, and none below what is spent already.

    ``error_per_mille`` is the median error of ``method`` (of what the days then cost), asked ``back_tests`` times on
    the same ``days`` for the following ``back_test_days``. Nothing left to guess has neither method nor error.
    """

    low_nano_usd: int
    likely_nano_usd: int
    high_nano_usd: int
    error_per_mille: int = 0
    method: str = ""
    days: int = 0
    back_tests: int = 0
    back_test_days: int = 0


class NotEnough(msgspec.Struct, frozen=True, kw_only=True):
    """Why there is no projection. ``days`` are those since the first cost, ``paid_days`` those with one."""

    reason: str
    days: int = 0
    paid_days: int = 0


class _Trial(msgspec.Struct, frozen=True):
    """What the following days were expected to cost on an earlier day, and what they cost.

    ``squares``: of each day's error. Over a whole week the days' errors hide one another.
    """

    expected: int
    actual: int
    squares: int


class _BackTest(msgspec.Struct, frozen=True):
    """From which day on the method is asked, each time for ``horizon`` days."""

    start: int
    horizon: int


def project(
    days: Sequence[int], spent_so_far: int, days_left: int, today_left_per_mille: int = 0
) -> Projection | NotEnough:
    """The window's cost at its end, in nano-USD.

    ``days``: the cost of each whole day before today, oldest first, without gaps; the last 60 are looked at, from the
    first with a cost on. ``spent_so_far``: in the window, today included. ``days_left``: whole days of the window
    after today; ``today_left_per_mille``: of today.
    """
    if not days_left and not today_left_per_mille:
        return Projection(low_nano_usd=spent_so_far, likely_nano_usd=spent_so_far, high_nano_usd=spent_so_far)
    known = _since_first_cost(days[-LONGEST_DAYS:])
    if (lacking := _find_lack(known)) is not None:
        return lacking
    left_mille = days_left * MILLE + today_left_per_mille
    test = _plan_back_test(len(known), -(-left_mille // MILLE))
    method, trials = _choose_method(known, test)
    week, today = METHODS[method](known), len(known)
    rest = _sum_days(week, today + 1, days_left) + _round_up(week[today % WEEK] * today_left_per_mille, MILLE)
    below, above = _reach(trials, left_mille, test, len(known))
    return Projection(
        low_nano_usd=spent_so_far + max(0, rest - below),
        likely_nano_usd=spent_so_far + rest,
        high_nano_usd=spent_so_far + rest + above,
        error_per_mille=_median([_error_per_mille(trial) for trial in trials]),
        method=method,
        days=len(known),
        back_tests=len(trials),
        back_test_days=test.horizon,
    )


def _since_first_cost(days: Sequence[int]) -> Sequence[int]:
    """Days before anything was paid for say nothing of those after."""
    first = next((at for at, cost in enumerate(days) if cost), len(days))
    return days[first:]


def _find_lack(known: Sequence[int]) -> NotEnough | None:
    paid = sum(1 for cost in known if cost)
    if len(known) < FEWEST_DAYS:
        reason = f"{len(known)} of the {FEWEST_DAYS} days that a projection needs have passed since the first cost"
    elif paid < FEWEST_PAID_DAYS:
        reason = f"only {paid} of the last {len(known)} days had costs; a projection needs {FEWEST_PAID_DAYS}"
    else:
        return None
    return NotEnough(reason=reason, days=len(known), paid_days=paid)


def _plan_back_test(known_days: int, days_left: int) -> _BackTest:
    """A week ahead at most: longer tries would overlap so much that they say the same thing again."""
    start = 2 * WEEK if known_days >= WEEKDAYS_SHOW_DAYS else WEEK
    return _BackTest(start, max(1, min(days_left, (known_days - start) // 2, WEEK)))


def _flat(known: Sequence[int]) -> Week:
    return (_round_up(sum(known), len(known)),) * WEEK


def _recent(known: Sequence[int]) -> Week:
    return _flat(known[-RECENT_DAYS:])


def _weekday(known: Sequence[int]) -> Week:
    return tuple(_round_up(sum(known[at::WEEK]), len(known[at::WEEK])) for at in range(WEEK))


METHODS: dict[str, Callable[[Sequence[int]], Week]] = {"flat": _flat, "recent": _recent, "weekday": _weekday}
"""The one that would have been wrong by least is taken; of equals, the first."""


def _has_enough(method: str, known: Sequence[int]) -> bool:
    return method != "weekday" or len(known) >= WEEKDAYS_SHOW_DAYS


def _try_out(method: Callable[[Sequence[int]], Week], known: Sequence[int], test: _BackTest) -> list[_Trial]:
    return [_try_once(method, known, at, test.horizon) for at in range(test.start, len(known) - test.horizon + 1)]


def _try_once(method: Callable[[Sequence[int]], Week], known: Sequence[int], at: int, horizon: int) -> _Trial:
    week = method(known[:at])
    squares = sum((known[day] - week[day % WEEK]) ** 2 for day in range(at, at + horizon))
    return _Trial(_sum_days(week, at, horizon), sum(known[at : at + horizon]), squares)


def _sum_days(week: Week, first: int, number: int) -> int:
    return sum(week[at % WEEK] for at in range(first, first + number))


def _choose_method(known: Sequence[int], test: _BackTest) -> tuple[str, list[_Trial]]:
    """The method that would have been wrong by least so far, and how it did."""
    tried = [(name, _try_out(method, known, test)) for name, method in METHODS.items() if _has_enough(name, known)]
    return min(tried, key=lambda one: sum(trial.squares for trial in one[1]))


def _reach(trials: Sequence[_Trial], left_mille: int, test: _BackTest, known_days: int) -> tuple[int, int]:
    """How far the interval goes below and above what is likely: as the worst trials each way, for the days left.

    A short record has seen few errors: 14 days answer for twice what they saw, 60 for a quarter more.
    """
    errors = [trial.actual - trial.expected for trial in trials]
    scale, parts = left_mille * (known_days + FEWEST_DAYS), test.horizon * MILLE * known_days
    return _round_up(max(0, -min(errors)) * scale, parts), _round_up(max(0, *errors) * scale, parts)


def _error_per_mille(trial: _Trial) -> int:
    if not trial.actual:
        return MILLE if trial.expected else 0
    return _round_up(abs(trial.actual - trial.expected) * MILLE, trial.actual)


def _median(values: list[int]) -> int:
    return sorted(values)[len(values) // 2]


def _round_up(amount: int, parts: int) -> int:
    return -(-amount // parts)
