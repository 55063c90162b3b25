"""How often each model's answers were of use, by kind of work: sums in memory, of which the old ones fade. Pure.

Law: changed only by ``feedback.py``, in sync code; bounded, and what was counted longest ago goes first. The time is
handed in.
"""

from collections import OrderedDict

from lodestard.domain.feedback import HALF_LIFE_MS, Cell, Given

MOST = 4_096
MOST_TARGETS = 256
BUCKETS = 5
"""How finely hardness is told apart."""

STALE_MS = 600_000
"""After which time cells are read anew, for they fade."""

Key = tuple[str, str, str | None]
"""Target, kind, and the project; None for all of them together."""


class Tally:
    """Two sums as they were at one instant."""

    __slots__ = ("at_ms", "bad", "good")

    def __init__(self, at_ms: int) -> None:
        self.good = 0.0
        self.bad = 0.0
        self.at_ms = at_ms

    def at(self, now_ms: int) -> tuple[float, float]:
        left = faded(now_ms - self.at_ms)
        return self.good * left, self.bad * left

    def add(self, verdict: str, weight: float, now_ms: int) -> None:
        """Less than nothing is never left: sums that faded apart may not take away exactly what they were given."""
        good, bad = self.at(now_ms)
        self.good = max(0.0, good + weight) if verdict == "good" else good
        self.bad = max(0.0, bad + weight) if verdict == "bad" else bad
        self.at_ms = now_ms


class Outcomes:
    """The sums."""

    def __init__(self) -> None:
        self._tallies: OrderedDict[Key, Tally] = OrderedDict()
        self._buckets: OrderedDict[str, dict[tuple[str, int], Tally]] = OrderedDict()
        self._cells: dict[str, tuple[int, tuple[Cell, ...]]] = {}

    def counts(self, target: str, kind: str, project: str | None, now_ms: int) -> tuple[float, float]:
        """(good, bad): how many answers that a person judged just now they are worth."""
        tally = self._tallies.get((target, kind, project))
        return (0.0, 0.0) if tally is None else tally.at(now_ms)

    def cells(self, target: str, now_ms: int) -> tuple[Cell, ...]:
        """All that was seen of a target, by kind and hardness; the same object until something changes."""
        made = self._cells.get(target)
        if made is not None and now_ms - made[0] < STALE_MS:
            return made[1]
        buckets = self._buckets.get(target)
        if not buckets:
            return ()
        cells = tuple(
            [Cell(kind, (bucket + 0.5) / BUCKETS, *tally.at(now_ms)) for (kind, bucket), tally in buckets.items()]
        )
        self._cells[target] = (now_ms, cells)
        return cells

    def add(self, given: Given, now_ms: int) -> None:
        self._change(given, given.weight, now_ms)

    def take_back(self, given: Given, now_ms: int) -> None:
        self._change(given, -given.weight, now_ms)

    def _change(self, given: Given, weight: float, now_ms: int) -> None:
        left = weight * faded(now_ms - given.at_ms)
        for project in (None, given.project) if given.project else (None,):
            key = (given.target, given.kind, project)
            tally = self._tallies.get(key)
            if tally is None:
                tally = self._tallies[key] = Tally(now_ms)
            self._tallies.move_to_end(key)
            tally.add(given.verdict, left, now_ms)
        while len(self._tallies) > MOST:
            self._tallies.popitem(last=False)
        self._change_cell(given, left, now_ms)

    def _change_cell(self, given: Given, weight: float, now_ms: int) -> None:
        self._cells.pop(given.target, None)
        buckets = self._buckets.setdefault(given.target, {})
        self._buckets.move_to_end(given.target)
        place = (given.kind, min(BUCKETS - 1, max(0, int(given.hardness * BUCKETS))))
        buckets.setdefault(place, Tally(now_ms)).add(given.verdict, weight, now_ms)
        if len(self._buckets) > MOST_TARGETS:
            self._cells.pop(self._buckets.popitem(last=False)[0], None)


def faded(age_ms: int) -> float:
    """What is left of a verdict after that time."""
    return float(0.5 ** (max(0, age_ms) / HALF_LIFE_MS))
