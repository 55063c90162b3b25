"""How far predicted waits were off, and intervals that have learned from it.

Law: what was told is held against what came. Each side of the interval is scaled by a factor of its own: a wait
beyond that side multiplies it by ``exp(0.9 * PACE)``, any other one by ``exp(-0.1 * PACE)``. While the factor is
within its bounds, the share of waits beyond that side can then differ from one in ten by no more than the logarithm
of the factor's change over ``PACE`` times their number, whatever waits are like; so four in five come to be within.
Owner: this object, in sync code.
"""

from collections.abc import Mapping
from math import exp, inf, isfinite

import msgspec

from lodestard.domain.residency import Wait, WaitErrors

VERSION = 1
WINDOW = 128
PACE = 0.2
BEYOND = 0.1
LEAST_FACTOR, MOST_FACTOR = 0.25, 10.0
LEAST_SHARE, LEAST_S = 0.03, 0.02
"""An interval reaches at least this far either way, of what is likely and in seconds, before it is scaled."""
LONGEST_S = 1e6
DIGITS = 4


class Hindsight:
    """The factors of one host's intervals, and its last errors."""

    def __init__(self) -> None:
        self._below = 1.0
        self._above = 1.0
        self._errors: list[float] = []
        self._within: list[bool] = []
        self._count = 0

    def corrected(self, wait: Wait) -> Wait:
        """``wait`` with the interval that past errors suggest. What is likely stays."""
        likely_s = wait.likely_s
        least_s = LEAST_S + LEAST_SHARE * likely_s
        low_s = likely_s - self._below * max(least_s, likely_s - wait.low_s)
        high_s = likely_s + self._above * max(least_s, wait.high_s - likely_s)
        return msgspec.structs.replace(wait, low_s=max(0.0, low_s), high_s=high_s)

    def note(self, predicted: Wait, actual_s: float) -> None:
        """What had been told (the corrected one), and the seconds that it took."""
        if not (isfinite(actual_s) and 0 <= actual_s <= LONGEST_S and abs(predicted.likely_s) < inf):
            return
        self._below = _follow(self._below, missed=actual_s < predicted.low_s)
        self._above = _follow(self._above, missed=actual_s > predicted.high_s)
        self._errors.append(abs(actual_s - predicted.likely_s))
        self._within.append(predicted.low_s <= actual_s <= predicted.high_s)
        del self._errors[:-WINDOW], self._within[:-WINDOW]
        self._count += 1

    def errors(self) -> WaitErrors:
        """Of the last waits; ``count`` is of all."""
        errors = sorted(self._errors)
        if not errors:
            return WaitErrors()
        return WaitErrors(
            count=self._count,
            median_s=errors[len(errors) // 2],
            p90_s=errors[min(len(errors) - 1, len(errors) * 9 // 10)],
            within_percent=round(100 * sum(self._within) / len(self._within)),
        )

    def dump(self) -> dict[str, object]:
        """All of it, for a document. ``take`` reads it."""
        return {
            "version": VERSION,
            "below": self._below,
            "above": self._above,
            "errors": [float(f"{error:.{DIGITS}g}") for error in self._errors],
            "within": [int(within) for within in self._within],
            "count": self._count,
        }

    def take(self, document: Mapping[str, object]) -> None:
        """Go on from what ``dump`` gave. What is not as it should be counts as not seen."""
        if document.get("version") != VERSION:
            document = {}
        self._below = _read_factor(document.get("below"))
        self._above = _read_factor(document.get("above"))
        self._errors = _read_errors(document.get("errors"))
        self._within = _read_flags(document.get("within"))
        if len(self._errors) != len(self._within):
            self._errors, self._within = [], []
        count = document.get("count")
        self._count = max(len(self._errors), count if type(count) is int and count < LONGEST_S**2 else 0)


def _follow(factor: float, *, missed: bool) -> float:
    """The factor after one more wait that was, or was not, beyond its side."""
    return min(MOST_FACTOR, max(LEAST_FACTOR, factor * exp(PACE * (missed - BEYOND))))


def _read_factor(value: object) -> float:
    if type(value) in (int, float) and LEAST_FACTOR <= value <= MOST_FACTOR:  # type: ignore[operator]
        return float(value)  # type: ignore[arg-type]
    return 1.0


def _read_errors(listed: object) -> list[float]:
    if not isinstance(listed, list | tuple):
        return []
    numbers = [one for one in listed[-WINDOW:] if type(one) in (int, float)]
    return [float(one) for one in numbers if 0 <= one <= LONGEST_S]


def _read_flags(listed: object) -> list[bool]:
    if not isinstance(listed, list | tuple):
        return []
    return [one == 1 for one in listed[-WINDOW:] if type(one) in (int, bool)]
