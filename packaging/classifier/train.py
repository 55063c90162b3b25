"""Trains the classifier's linear model on generated prompts: ``make train-classifier``.

Softmax regression by stochastic gradient descent over hashed features, on top of what the built-in rules say, the mean
of the last passes quantised to one signed byte a weight. The same sources make the same file.

    train.py            writes lodestard/classify/model.bin, and beside this file what it was made of
    train.py --check    says whether that file is what would be written
    train.py --folds 5  validates on phrases that were left out, and writes nothing
"""

import hashlib
import math
import random
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from generate import SEED, Prompt, make_prompts

from lodestard.classify.model import SPOKEN, read_model, write_model
from lodestard.classify.reading import read
from lodestard.classify.task_rules import Fired, ask_rules, compile_rules, make_ready, read_table
from lodestard.classify.words import BUCKETS, hash_features
from lodestard.domain.request import Conversation, Format, Message, Request, TextPart, Tool

TARGET = Path(__file__).parents[2] / "lodestard/classify/model.bin"
RECORD = Path(__file__).with_name("made-of.txt")
EVERY = 8
"""Features of so many prompts are looked at to tell whether they are still what was learned from."""

PASSES = 9
RATE = 0.3
DECAY = 0.002
DROPPED = 0.3
"""The share of a prompt's features that one step does not see, so that no single word decides."""

MOST_STEPS = BUCKETS * len(SPOKEN) // 1000
SOFTENED = 0.06
"""How much of a label's certainty is spread over all kinds."""


@dataclass(frozen=True)
class Sample:
    features: list[int]
    offset: list[float]
    label: int
    phrase: str


def build(prompt: Prompt) -> Request:
    """The request that a client would have made of it."""
    messages = [Message(role="user", parts=(TextPart(prompt.text),))]
    if prompt.system:
        messages.insert(0, Message(role="system", parts=(TextPart(prompt.system),)))
    conversation = Conversation(
        messages=tuple(messages),
        tools=tuple(Tool(name=name) for name in prompt.tools),
        format=Format(kind=prompt.format),  # type: ignore[arg-type]
    )
    return Request(
        dialect="openai",
        alias="auto",
        stream=False,
        include_usage=False,
        members={},
        conversation=conversation,
        size_bytes=0,
    )


def offset_of(fired: Sequence[Fired]) -> list[float]:
    """What the rules say of each kind."""
    said = dict.fromkeys(SPOKEN, 0.0)
    for rule in fired:
        said[rule.kind] += rule.weight
    return list(said.values())


def make_samples(prompts: Sequence[Prompt]) -> list[Sample]:
    rules = compile_rules(())
    samples = []
    for prompt in prompts:
        reading = read(build(prompt))
        fired = ask_rules(rules, reading, make_ready(reading.said, reading.user))
        features = hash_features(reading, fired)
        samples.append(Sample(features, offset_of(fired), SPOKEN.index(prompt.kind), prompt.phrase))
    return samples


def softmax(scores: Sequence[float]) -> list[float]:
    top = max(scores)
    parts = [math.exp(score - top) for score in scores]
    total = sum(parts)
    return [part / total for part in parts]


def score(weights: list[list[float]], sample: Sample, features: Sequence[int]) -> list[float]:
    by = 1 / math.sqrt(len(features) or 1)
    sums = (sum(column) for column in zip(*(weights[at] for at in features), strict=True))
    return [base + total * by for base, total in zip(sample.offset, sums, strict=True)]


def train(samples: Sequence[Sample], seed: int = SEED) -> list[list[float]]:
    """A row for each bucket, of one weight for each kind."""
    dice = random.Random(seed)
    width = len(SPOKEN)
    weights = [[0.0] * width for _ in range(BUCKETS)]
    mean = [[0.0] * width for _ in range(BUCKETS)]
    order = list(range(len(samples)))
    for turn in range(PASSES):
        dice.shuffle(order)
        rate = RATE / (1 + 0.5 * turn)
        for at in order:
            _step(weights, samples[at], rate, dice)
        keep = 1 - DECAY * rate * 10
        weights = [[weight * keep for weight in row] for row in weights]
        if turn >= PASSES // 2:
            mean = [
                [one + two for one, two in zip(row, now, strict=True)] for row, now in zip(mean, weights, strict=True)
            ]
    count = PASSES - PASSES // 2
    return [[weight / count for weight in row] for row in mean]


def _step(weights: list[list[float]], sample: Sample, rate: float, dice: random.Random) -> None:
    features = [at for at in sample.features if dice.random() >= DROPPED] or sample.features
    chances = softmax(score(weights, sample, features))
    even = SOFTENED / len(SPOKEN)
    by = rate * 4 / math.sqrt(len(features))
    change = [by * (even + (1 - SOFTENED) * (kind == sample.label) - chance) for kind, chance in enumerate(chances)]
    for at in features:
        weights[at] = [weight + step for weight, step in zip(weights[at], change, strict=True)]


def quantise(weights: list[list[float]]) -> bytes:
    """The file's bytes: the largest weights are cut at four standard deviations, so that the others keep their steps."""
    flat = [weight for row in weights for weight in row]
    spread = math.sqrt(sum(weight * weight for weight in flat) / len(flat))
    scale = max(min(max(map(abs, flat)), 8 * spread) / 127, 1e-6)
    numbers = bytes(max(-127, min(127, round(weight / scale))) & 0xFF for weight in flat)
    return write_model(numbers, scale)


def validate(samples: Sequence[Sample], folds: int) -> float:
    """The share of prompts that a model gets right whose phrases it has not seen."""
    right = 0
    by_kind = dict.fromkeys(SPOKEN, 0)
    for fold in range(folds):
        held = [sample for sample in samples if fold_of(sample.phrase, folds) == fold]
        weights = train([sample for sample in samples if fold_of(sample.phrase, folds) != fold])
        for sample in held:
            scores = score(weights, sample, sample.features)
            good = scores.index(max(scores)) == sample.label
            right += good
            by_kind[SPOKEN[sample.label]] += good
    count = len(samples) // len(SPOKEN)
    print(" ".join(f"{kind} {number / count:.2f}" for kind, number in by_kind.items()))
    return right / len(samples)


def fold_of(phrase: str, folds: int) -> int:
    return int.from_bytes(hashlib.sha256(phrase.encode()).digest()[:4], "big") % folds


def made_of(prompts: Sequence[Prompt], model: bytes) -> str:
    """What ``model`` was made of, and itself, as two checksums: told in a second, where making it takes half a minute.

    The way of learning (this file), all prompts, the rules, and the features of each ``EVERY``-th prompt.
    """
    learned = hashlib.sha256(Path(__file__).read_bytes())
    for part in (*prompts, read_table()["tasks"], *make_samples(prompts[::EVERY])):
        learned.update(repr(part).encode("utf-8", "replace"))
    return f"{learned.hexdigest()} learned\n{hashlib.sha256(model).hexdigest()} {TARGET.name}\n"


def is_same(made: bytes, installed: bytes) -> bool:
    """But for a step here and there, where another machine's exp() rounds otherwise."""
    one, two = read_model(made), read_model(installed)
    steps = [abs(a - b) for a, b in zip(one.weights, two.weights, strict=True) if a != b]
    return (
        math.isclose(one.scale, two.scale, rel_tol=1e-6) and max(steps, default=0) <= 1 and len(steps) <= MOST_STEPS
    )


def main(arguments: Sequence[str]) -> int:
    prompts = list(make_prompts())
    samples = make_samples(prompts)
    if arguments[:1] == ["--folds"]:
        print(f"{validate(samples, int(arguments[1])):.3f} right on phrases that were left out")
        return 0
    data = quantise(train(samples))
    digest = hashlib.sha256(data).hexdigest()
    if arguments == ["--check"]:
        same = is_same(data, TARGET.read_bytes())
        print(f"{'the same' if same else 'DIFFERENT'}: {digest}")
        return 0 if same else 1
    TARGET.write_bytes(data)
    RECORD.write_text(made_of(prompts, data))
    print(f"{TARGET.name}: {len(data)} bytes, {len(samples)} prompts, sha256 {digest}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
