"""How far predicted waits were off: what is told learns from it, and its interval.

Law: what was told is held against what came, among waits of one kind (``Foreseen.group``): what is foreseen with
nothing known, at an idle model, or of work that gives way to others is not wrong in the same ways. What is likely is
stretched by the median of what came over what had been foreseen: nobody foresees who will come, and the same clients
come again. Then each side of the interval is scaled by a factor of its own: a wait beyond that side multiplies it by
``exp(0.9 * PACE)``, any other one by ``exp(-0.1 * PACE)``. While the factor is within its bounds, the share of waits
beyond that side can then differ from one in ten by no more than the logarithm of the factor's change over ``PACE``
times their number, whatever waits are like; so four in five come to be within. Owner: this object, in sync code.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from math import exp, inf, isfinite, log

import msgspec

from lodestard.domain.residency import Wait, WaitErrors

VERSION = 2
WINDOW = 128
MOST_GROUPS = 16
MOST_NAME_CHARS = 64
PACE = 0.2
BEYOND = 0.1
LEAST_FACTOR, MOST_FACTOR = 0.25, 10.0
RATIOS, LEAST_RATIOS = 31, 10
GIVES_WAY = 3.0
"""Where the upper side's factor begins for work that others overtake: who will come is not foreseen."""
DOUBTS = 6
"""So many imagined waits that came as foreseen keep the first real ones from saying everything."""
MOST_STRETCH = round(log(5.0), 4)
SMALL_S = 0.2
"""Added to both before their ratio is taken: tenths of a second are no proportion."""
LEAST_SHARE, LEAST_S = 0.03, 0.05
"""An interval reaches at least this far either way, of what is likely and in seconds, before it is scaled."""
LONGEST_S = 1e6
DIGITS = 4
AT_ONCE, INTERACTIVE = "at once", "interactive"
"""The group of those that nothing keeps, which are not counted among waits; what is in the names of those that
nothing overtakes."""


class Foreseen(Wait, frozen=True, kw_only=True):
    """A wait with its kind; ``raw_s`` is what was likely before it was corrected, None where it was not."""

    group: str = ""
    raw_s: float | None = None


@dataclass(slots=True)
class _Group:
    """``ratios`` are logarithms of what came over what was foreseen, oldest first."""

    below: float = 1.0
    above: float = 1.0
    ratios: list[float] = field(default_factory=list)

    def stretch(self) -> float:
        """What is likely, by what was foreseen."""
        doubts = DOUBTS if len(self.ratios) < RATIOS else 0
        ordered = sorted([*self.ratios, *[0.0] * doubts])
        return exp(ordered[len(ordered) // 2]) if ordered else 1.0

    def reach(self) -> tuple[float, float]:
        """Between which parts of what is likely four in five of the last ones were; 1 where too few are known."""
        if len(self.ratios) < LEAST_RATIOS:
            return 1.0, 1.0
        ordered = sorted(self.ratios)
        low, middle, high = (ordered[int(share * len(ordered))] for share in (0.1, 0.5, 0.9))
        return exp(low - middle), exp(high - middle)


def _first(group: str) -> _Group:
    """Before anything has come."""
    return _Group(above=1.0 if group in ("", AT_ONCE) or INTERACTIVE in group else GIVES_WAY)


class Hindsight:
    """What one host's waits have taught, by their kind, and its last errors."""

    def __init__(self) -> None:
        self._groups: dict[str, _Group] = {}
        self._errors: list[float] = []
        self._within: list[bool] = []
        self._count = 0

    def corrected(self, wait: Foreseen) -> Foreseen:
        """``wait`` as past ones of its kind suggest: what is likely, and its interval."""
        group = self._groups.get(wait.group) or _first(wait.group)
        stretch = group.stretch()
        likely_s = min(LONGEST_S, stretch * wait.likely_s)
        least_s = LEAST_S + LEAST_SHARE * likely_s
        least, most = group.reach()
        low_s = likely_s - group.below * max(
            least_s, stretch * (wait.likely_s - wait.low_s), likely_s * (1.0 - least)
        )
        high_s = likely_s + group.above * max(
            least_s, stretch * (wait.high_s - wait.likely_s), likely_s * (most - 1.0)
        )
        return msgspec.structs.replace(
            wait, likely_s=likely_s, low_s=max(0.0, low_s), high_s=high_s, raw_s=wait.likely_s
        )

    def note(self, told: Foreseen, came_s: float) -> None:
        """What had been told (the corrected one), and the seconds that it took."""
        if not (isfinite(came_s) and 0 <= came_s <= LONGEST_S and abs(told.likely_s) < inf):
            return
        if told.group not in self._groups and len(self._groups) >= MOST_GROUPS:
            return
        group = self._groups.setdefault(told.group, _first(told.group))
        group.below = _follow(group.below, missed=came_s < told.low_s)
        group.above = _follow(group.above, missed=came_s > told.high_s)
        raw_s = told.likely_s if told.raw_s is None else told.raw_s
        ratio = log((came_s + SMALL_S) / (max(0.0, raw_s) + SMALL_S))
        group.ratios.append(round(min(MOST_STRETCH, max(-MOST_STRETCH, ratio)), DIGITS))
        del group.ratios[:-RATIOS]
        if told.group != AT_ONCE:
            self._count_error(told, came_s)

    def _count_error(self, told: Wait, came_s: float) -> None:
        self._errors.append(abs(came_s - told.likely_s))
        self._within.append(told.low_s <= came_s <= told.high_s)
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
            "groups": {
                name: {"below": group.below, "above": group.above, "ratios": list(group.ratios)}
                for name, group in self._groups.items()
            },
            "errors": _rounded(self._errors),
            "within": [int(within) for within in self._within],
            "count": self._count,
        }

    def take(self, document: Mapping[str, object]) -> None:
        """Go on from what ``dump`` gave. What is not as it should be counts as not seen."""
        if document.get("version") != VERSION:
            document = {}
        self._groups = dict(_read_groups(document.get("groups")))
        self._errors = _read_numbers(document.get("errors"), 0, LONGEST_S)[-WINDOW:]
        self._within = _read_flags(document.get("within"))
        if len(self._errors) != len(self._within):
            self._errors, self._within = [], []
        count = document.get("count")
        self._count = max(len(self._errors), count if type(count) is int and count < LONGEST_S**2 else 0)


def _follow(factor: float, *, missed: bool) -> float:
    """The factor after one more wait that was, or was not, beyond its side."""
    return min(MOST_FACTOR, max(LEAST_FACTOR, factor * exp(PACE * (missed - BEYOND))))


def _rounded(values: list[float]) -> list[float]:
    return [float(f"{value:.{DIGITS}g}") for value in values]


def _read_groups(listed: object) -> Iterator[tuple[str, _Group]]:
    for name, entry in list(listed.items())[:MOST_GROUPS] if isinstance(listed, Mapping) else ():
        if isinstance(name, str) and len(name) <= MOST_NAME_CHARS and isinstance(entry, Mapping):
            ratios = _read_numbers(entry.get("ratios"), -MOST_STRETCH, MOST_STRETCH)[-RATIOS:]
            yield name, _Group(_read_factor(entry.get("below")), _read_factor(entry.get("above")), ratios)


def _read_factor(value: object) -> float:
    if type(value) in (int, float) and LEAST_FACTOR <= value <= MOST_FACTOR:  # type: ignore[operator]
        return float(value)  # type: ignore[arg-type]
    return 1.0


def _read_numbers(listed: object, least: float, most: float) -> list[float]:
    if not isinstance(listed, list | tuple):
        return []
    numbers = [one for one in listed[-WINDOW:] if type(one) in (int, float)]
    return [float(one) for one in numbers if least <= one <= most]


def _read_flags(listed: object) -> list[bool]:
    if not isinstance(listed, list | tuple):
        return []
    return [one == 1 for one in listed[-WINDOW:] if type(one) in (int, bool)]
