"""How likely a model's answer is good: what is assumed of it, moved by what was seen of its work.

Law: what is assumed holds until more than a few answers speak against it; one bad answer never turns a choice over,
and some dozens do. Hardness moves the odds by ``SPREAD`` logits from the easiest to the hardest
(a one-parameter item response model: Rasch, "Probabilistic Models for Some Intelligence and Attainment Tests", 1960).
Pure.
"""

from collections.abc import Mapping, Sequence
from math import exp, log

from lodestard.domain.feedback import Cell
from lodestard.domain.task import KINDS

SPREAD = 6.0
WHOLE, OWN = 0.6, 0.3
"""How far a model is likely off what its family makes believe, in logits: as a whole, and in one kind besides."""

STEPS, MOST_STEP = 6, 1.0
MOST_FITTED = 1_024
PLACE: Mapping[str, int] = {kind: place for place, kind in enumerate(KINDS)}
_LEAST, _MOST = 0.002, 0.998


def logistic(logit: float) -> float:
    return 1.0 / (1.0 + exp(-logit)) if logit > -50.0 else 0.0


def logit(share: float) -> float:
    """The odds of a share, as a logarithm; of none and of all, as if it were nearly so."""
    held = min(_MOST, max(_LEAST, share))
    return log(held / (1.0 - held))


Abilities = tuple[float, ...]
"""A logit for each of ``KINDS``, in their order."""


_fitted: dict[tuple[int, int], tuple[Abilities, tuple[Cell, ...], Abilities]] = {}


def fit_abilities(assumed: Abilities, cells: tuple[Cell, ...]) -> Abilities:
    """What is assumed of a model, moved by what was seen: as a whole, and then each kind a little by itself.

    Remembered for these very two, which are the same objects from choice to choice; to hash them costs more than the
    rest of a choice. Both are held as long as their ids are.
    """
    key = (id(assumed), id(cells))
    found = _fitted.get(key)
    if found is None:
        if len(_fitted) >= MOST_FITTED:
            _fitted.clear()
        found = _fitted[key] = (assumed, cells, _fit_all(assumed, cells))
    return found[2]


def _fit_all(assumed: Abilities, cells: tuple[Cell, ...]) -> Abilities:
    """One offset for the model, and one for each kind that was seen.

    The likeliest offsets, each answer judged at its own hardness (a maximum a posteriori estimate by Newton's steps):
    one for all kinds, then one for each that was seen.
    """
    whole = _fit([(assumed[PLACE[cell.kind]], cell) for cell in cells], WHOLE)
    moved = [ability + whole for ability in assumed]
    for kind in {cell.kind for cell in cells}:
        place = PLACE[kind]
        moved[place] += _fit([(moved[place], cell) for cell in cells if cell.kind == kind], OWN)
    return tuple(moved)


def _fit(seen: Sequence[tuple[float, Cell]], deviation: float) -> float:
    """The likeliest offset of abilities, of which ``deviation`` is how far it is likely from none."""
    precision, offset = 1.0 / (deviation * deviation), 0.0
    for _ in range(STEPS):
        slope, bend = -offset * precision, precision
        for ability, cell in seen:
            likely, count = expect_quality(ability + offset, cell.hardness), cell.good + cell.bad
            slope += cell.good - count * likely
            bend += count * likely * (1.0 - likely)
        offset += max(-MOST_STEP, min(MOST_STEP, slope / bend))
    return offset


def expect_quality(ability: float, hardness: float) -> float:
    """How likely an answer is good."""
    return logistic(ability - SPREAD * (hardness - 0.5))
