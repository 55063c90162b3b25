"""The last values of one figure, and what they say of the next one.

Law: bounded and robust. The newest counts most, and half as much ``HALF_LIFE`` values later; quantiles, never means,
so that one absurd value moves nothing. Few values say little: the interval then reaches beyond them, as far as values
of that kind usually scatter. Owner: ``Rates``.
"""

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from math import exp, log

from lodestard.domain.residency import Figure

WINDOW = 64
HALF_LIFE = 16
LOW, HALF, HIGH = 0.1, 0.5, 0.9
STEP_VALUES = 6
"""So many in a row beyond the interval of all before: something was changed, and what was before says nothing."""
REACH = 2.0
_WEIGHTS = tuple(0.5 ** (age / HALF_LIFE) for age in range(WINDOW))
_LATEST_LAST = tuple(_WEIGHTS[:number][::-1] for number in range(WINDOW + 1))
_TOTALS = tuple(sum(weights) + 1.0 for weights in _LATEST_LAST)
"""Worked out once for each number of values: an estimate lies on the way of every request."""


class Samples:
    """Positive values, oldest first. ``scatter``: how far values usually are apart, as a standard deviation of their
    logarithm; ``steps``: whether a run of values beyond the interval makes it forget those before."""

    __slots__ = ("_figure", "_scatter", "_steps", "_values")

    def __init__(self, scatter: float, values: Iterable[float] = (), *, steps: bool = True) -> None:
        self._scatter = scatter
        self._steps = steps
        self._values = list(values)[-WINDOW:]
        self._figure: Figure | None = None

    def __len__(self) -> int:
        return len(self._values)

    @property
    def values(self) -> Sequence[float]:
        return self._values

    def add(self, value: float) -> None:
        """One more. It must be positive and finite."""
        self._values.append(value)
        del self._values[:-WINDOW]
        self._figure = None
        if self._steps and has_stepped(self._values, self._scatter):
            del self._values[:-STEP_VALUES]

    def figure(self) -> Figure:
        """What the next value is likely to be. There must be one."""
        if self._figure is None:
            self._figure = estimate(self._values, self._scatter)
        return self._figure


def has_stepped(values: Sequence[float], scatter: float) -> bool:
    """Whether the last few are all above, or all below, the interval of those before."""
    before, latest = values[:-STEP_VALUES], values[-STEP_VALUES:]
    if len(before) < STEP_VALUES:
        return False
    known = estimate(before, scatter)
    return min(latest) > known.high or max(latest) < known.low


def estimate(values: Sequence[float], scatter: float) -> Figure:
    """The weighted median and the interval that four in five of the next values are within.

    The i-th of n equally weighted values stands at i / (n + 1), which is what it is worth on average as a quantile of
    the next one; between two, and beyond the outermost, one goes in a straight line over logarithms.
    """
    number = len(values)
    every, weights, total = list(map(log, values)), _LATEST_LAST[number], _TOTALS[number]
    order = sorted(range(number), key=every.__getitem__)
    logs, below, shares = [every[at] for at in order], 0.5, []
    for at in order:
        weight = weights[at]
        shares.append((below + weight / 2) / total)
        below += weight
    middle = _at(HALF, shares, logs)
    first = min(logs[0], middle - REACH * scatter)
    last = max(logs[-1], middle + REACH * scatter)
    shares, logs = [0.0, *shares, 1.0], [first, *logs, last]
    value, low, high = (exp(_at(share, shares, logs)) for share in (HALF, LOW, HIGH))
    return Figure(value, low, high, number)


def _at(share: float, shares: Sequence[float], values: Sequence[float]) -> float:
    """The value at ``share``, by straight lines between points; the outermost point beyond them."""
    right = bisect_left(shares, share)
    if right == 0 or right == len(shares):
        return values[min(right, len(values) - 1)]
    left_share, right_share = shares[right - 1], shares[right]
    left = values[right - 1]
    return left + (values[right] - left) * (share - left_share) / (right_share - left_share)
