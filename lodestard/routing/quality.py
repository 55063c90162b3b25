"""How likely a model's answer is good: what is assumed of it, moved by what was seen of its work.

Law: what was seen counts as so many answers, what is assumed as ``PRIOR_ANSWERS``; so one bad answer never turns a
choice over, and some dozens do. Hardness moves the odds by ``SPREAD`` logits from the easiest to the hardest
(a one-parameter item response model: Rasch, "Probabilistic Models for Some Intelligence and Attainment Tests", 1960).
Pure.
"""

from math import exp, log

PRIOR_ANSWERS = 12.0
SPREAD = 6.0
_LEAST, _MOST = 0.002, 0.998


def logistic(logit: float) -> float:
    return 1.0 / (1.0 + exp(-logit)) if logit > -50.0 else 0.0


def logit(share: float) -> float:
    """The odds of a share, as a logarithm; of none and of all, as if it were nearly so."""
    held = min(_MOST, max(_LEAST, share))
    return log(held / (1.0 - held))


def with_evidence(ability: float, good: float, bad: float) -> float:
    """The logit after ``good`` good answers and ``bad`` bad ones, of middling hardness."""
    seen = good + bad
    if seen <= 0.0:
        return ability
    return logit((logistic(ability) * PRIOR_ANSWERS + good) / (PRIOR_ANSWERS + seen))


def expect_quality(ability: float, hardness: float) -> float:
    """How likely an answer is good."""
    return logistic(ability - SPREAD * (hardness - 0.5))
