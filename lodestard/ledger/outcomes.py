"""How often each model's answers were of use, by kind of work: sums in memory, of which the old ones fade. Pure.

Law: changed only by ``feedback.py``, in sync code; bounded, and what was counted longest ago goes first. The time is
handed in.
"""

from collections import OrderedDict

from lodestard.domain.feedback import HALF_LIFE_MS, MOST_SHOWN, TOLD, WENT_ON, Cell, Given, WentOn, kind_of

MOST_TARGETS = 256
BUCKETS = 5
"""How finely hardness is told apart."""

STALE_MS = 600_000
"""After which time cells are read anew, for they fade."""

Place = tuple[str, int]
"""A kind of work, and how hard it was."""


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


class Sums:
    """Of one model: what it was ``told`` of, and what merely has ``shown``. ``made``: the cells, and when."""

    __slots__ = ("made", "shown", "told")

    def __init__(self) -> None:
        self.told: dict[Place, Tally] = {}
        self.shown: dict[Place, Tally] = {}
        self.made: tuple[int, tuple[Cell, ...]] | None = None

    def cells(self, now_ms: int) -> tuple[Cell, ...]:
        """The same object until something is told, complained of, or stale."""
        if self.made is None or now_ms - self.made[0] >= STALE_MS:
            shown = read_cells(self.shown, now_ms)
            share = min(1.0, MOST_SHOWN / max(MOST_SHOWN, sum([cell.good + cell.bad for cell in shown])))
            held = [cell._replace(good=cell.good * share, bad=cell.bad * share) for cell in shown]
            self.made = (now_ms, (*read_cells(self.told, now_ms), *held))
        return self.made[1]


def read_cells(sums: dict[Place, Tally], now_ms: int) -> list[Cell]:
    return [Cell(kind, (bucket + 0.5) / BUCKETS, *tally.at(now_ms)) for (kind, bucket), tally in sums.items()]


class Outcomes:
    """The sums of all models."""

    def __init__(self) -> None:
        self._sums: OrderedDict[str, Sums] = OrderedDict()

    def cells(self, target: str, now_ms: int) -> tuple[Cell, ...]:
        """All that was seen of a target, by kind and hardness."""
        sums = self._sums.get(target)
        return () if sums is None else sums.cells(now_ms)

    def add(self, given: Given, now_ms: int) -> None:
        self._change(given, given.weight, now_ms)

    def take_back(self, given: Given, now_ms: int) -> None:
        self._change(given, -given.weight, now_ms)

    def go_on(self, went_on: WentOn, now_ms: int) -> None:
        """Nobody has complained. Cells that are made stand till they are stale: it comes with nearly every answer."""
        tally_at(self._of(went_on.target).shown, went_on.kind, went_on.hardness, now_ms).add(
            "good", WENT_ON * faded(now_ms - went_on.at_ms), now_ms
        )

    def _change(self, given: Given, weight: float, now_ms: int) -> None:
        sums = self._of(given.target)
        sums.made = None
        chosen = sums.told if given.source in TOLD else sums.shown
        left = weight * faded(now_ms - given.at_ms)
        kind = kind_of(given.kind)  # a row may be of another release
        tally_at(chosen, kind, given.hardness, now_ms).add(given.verdict, left, now_ms)

    def _of(self, target: str) -> Sums:
        sums = self._sums.get(target)
        if sums is None:
            sums = self._sums[target] = Sums()
            if len(self._sums) > MOST_TARGETS:
                self._sums.popitem(last=False)
        self._sums.move_to_end(target)
        return sums


def tally_at(sums: dict[Place, Tally], kind: str, hardness: float, now_ms: int) -> Tally:
    place = (kind, min(BUCKETS - 1, max(0, int(hardness * BUCKETS))))
    tally = sums.get(place)
    if tally is None:
        tally = sums[place] = Tally(now_ms)
    return tally


def faded(age_ms: int) -> float:
    """What is left of a verdict after that time."""
    return float(0.5 ** (max(0, age_ms) / HALF_LIFE_MS))
