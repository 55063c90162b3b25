"""Data from a world and a seed: the same world and seed, the same data, byte for byte."""

import math
import random
from collections.abc import Iterator, Mapping

from tests.bench.routing.cases import Case, Data, Outcome
from tests.bench.routing.prompts import write_prompt
from tests.bench.routing.worlds import (
    COMPLETION_TOKENS,
    DIFFICULTY,
    OWN_NOISE,
    PAIR_NOISE,
    PROMPT_TOKENS,
    SHARE,
    SHARP,
    Maker,
    World,
)

CHARS_PER_TOKEN = 4
FARTHEST = math.log(3)
"""A price stays within a third and three times of what the list says."""
PICO_PER_NANO = 1000
Abilities = Mapping[str, Mapping[str, float]]


def generate(world: World, seed: int, count: int) -> Data:
    """``count`` cases. Texts, tokens and scores have dice of their own, so that worlds differ only where they say."""
    name = f"{world.name}/{seed}"
    asks, luck = random.Random(f"asks {seed}"), random.Random(f"answers {name}")
    abilities = draw_abilities(world, random.Random(f"abilities {seed}"))
    prices = _drift(world, random.Random(f"prices {name}"))
    cases = tuple(_case(world, abilities, next(prices), (asks, luck)) for _ in range(count))
    rates = {model: maker.rate for model, maker in world.models.items()}
    return Data(name, tuple(world.models), cases, rates)


def draw_abilities(world: World, luck: random.Random) -> Abilities:
    """Of each model for each kind."""
    return {
        model: {kind: maker.ability + maker.kinds.get(kind, 0.0) + luck.gauss(0, OWN_NOISE) for kind in DIFFICULTY}
        for model, maker in world.models.items()
    }


def logistic(value: float) -> float:
    return 1 / (1 + math.exp(-value))


def _case(
    world: World, abilities: Abilities, prices: Mapping[str, float], dice: tuple[random.Random, random.Random]
) -> Case:
    asks, luck = dice
    (kind,) = asks.choices(tuple(SHARE), tuple(SHARE.values()))
    difficulty = asks.gauss(DIFFICULTY[kind] - world.easier, world.spread)
    prompt = write_prompt(asks, kind, difficulty, world.vague)
    around = PROMPT_TOKENS[kind] * asks.lognormvariate(0, 0.6)
    prompt_tokens = len(prompt) // CHARS_PER_TOKEN + round(around)
    completion_tokens = COMPLETION_TOKENS[kind] * asks.lognormvariate(0.15 * difficulty, 0.4)
    outcomes = {}
    for model, maker in world.models.items():
        able = abilities[model][kind] - difficulty
        score, judged = _score(world, luck, SHARP * (able + luck.gauss(0, PAIR_NOISE)))
        written = max(1, round(completion_tokens * maker.wordy * luck.lognormvariate(0, 0.15)))
        cost = round(_cost_nano_usd(maker, prompt_tokens, written) * prices[model])
        odds = round(logistic(SHARP * able), 4)
        outcomes[model] = Outcome(score, cost, judged, prompt_tokens, written, odds)
    return Case(prompt, kind, round(logistic(difficulty), 4), prompt_tokens, outcomes)


def _score(world: World, luck: random.Random, suits: float) -> tuple[float, float]:
    """The truth, and what was thought of it."""
    chance = logistic(suits)
    noise, dice, blind = luck.gauss(0, 0.15), luck.random(), luck.random() < world.blind
    score = round(min(1.0, max(0.0, chance + noise)), 3) if world.graded else float(dice < chance)
    return score, (1 - score if blind else score)


def _cost_nano_usd(maker: Maker, prompt_tokens: int, completion_tokens: int) -> float:
    rate = maker.rate
    return (prompt_tokens * rate.input_pico_usd + completion_tokens * rate.output_pico_usd) / PICO_PER_NANO


def _drift(world: World, luck: random.Random) -> Iterator[Mapping[str, float]]:
    """What the price of the moment is to the list's, case by case."""
    logs = dict.fromkeys(world.models, 0.0)
    while True:
        yield {model: math.exp(value) for model, value in logs.items()}
        for model, value in logs.items():
            logs[model] = max(-FARTHEST, min(FARTHEST, value + luck.gauss(0, world.drift)))
