"""A case's text from its hidden truth. The only place where the truth leaves traces in words, and it leaves few.

Law: a prompt is a pure function of its kind, its difficulty, how vague its world is, and the dice.
"""

import math
import random

from tests.bench.routing.words import BESIDE, EASY, FILLER, HARD, OPENINGS, SLOTS, VAGUE

MISLED = 0.15
"""How often what somebody says of a task's difficulty has nothing to do with it."""
MOST_LINES = 40


def write_prompt(luck: random.Random, kind: str, difficulty: float, vague: float) -> str:
    """``difficulty`` is latent: about -3 … 3. ``vague``: how often the opening tells nothing, or of another kind."""
    felt = luck.gauss(0, 1.2) if luck.random() < MISLED + vague / 2 else difficulty
    opening = _fill(luck, luck.choice(_openings(luck, kind, vague)))
    if kind == "autocomplete":
        return "\n".join((*_lines(luck, kind, felt), opening))
    said = [opening, *_remarks(luck, felt)]
    lines = _lines(luck, kind, felt)
    return " ".join(said) + ("\n\n" + "\n".join(lines) if lines else "")


def _openings(luck: random.Random, kind: str, vague: float) -> tuple[str, ...]:
    if kind == "autocomplete" or luck.random() >= vague:
        return OPENINGS[kind]
    return VAGUE if luck.random() < 0.7 else OPENINGS[luck.choice(sorted(OPENINGS))]


def _remarks(luck: random.Random, felt: float) -> list[str]:
    """More of what makes it hard the harder it feels, and small talk."""
    hard = min(3, _poisson(luck, math.exp(0.9 * felt - 0.9)))
    easy = luck.random() < 0.4 / (1 + math.exp(1.5 * felt))
    remarks = [*luck.sample(HARD, hard), *luck.sample(EASY, int(easy)), *luck.sample(FILLER, luck.randint(0, 3))]
    luck.shuffle(remarks)
    return remarks


def _lines(luck: random.Random, kind: str, felt: float) -> list[str]:
    pool = luck.choice(BESIDE[kind])
    if not pool:
        return []
    count = luck.lognormvariate(1.6 + 0.25 * felt, 0.8)
    return [luck.choice(pool) for _ in range(max(1, min(MOST_LINES, round(count))))]


def _fill(luck: random.Random, template: str) -> str:
    return template.format(**{slot: luck.choice(words) for slot, words in SLOTS.items()})


def _poisson(luck: random.Random, mean: float) -> int:
    """Knuth's way; ``mean`` is small."""
    limit, count, product = math.exp(-min(mean, 20.0)), 0, luck.random()
    while product > limit:
        count += 1
        product *= luck.random()
    return count
