"""How often the classifier is right on prompts that it never saw, beside simpler ways; how hard; how long it takes.

    .venv/bin/python -m tests.bench.classify [--misses]

The hand-written prompts (``tests/data/tasks``) are the judge. Baselines: always the commonest kind; a naive Bayes on
a bag of words, trained on the same generated prompts as the model; rules alone; the model alone. Prompts whose shape
alone says what they are (autocomplete, embeddings, Aider's calls) are counted apart.
"""

import statistics
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence

import msgspec

from lodestard.classify.classify import classify
from lodestard.classify.model import SPOKEN, load_model
from lodestard.classify.reading import read
from lodestard.classify.task_rules import TaskRules, ask_rules, compile_rules, make_ready
from lodestard.classify.words import hash_features
from lodestard.domain.request import Request
from lodestard.domain.task import KINDS
from tests.bench.generated import read_generated
from tests.bench.labelled import LEVELS, Labelled, ask, make_request, read_labelled
from tests.bench.routing.bag_of_words import Bag

TIMES = 200
LARGE_BYTES = 100 * 1024
BOUNDS = (0.33, 0.62)
"""Below the first is easy, above the second hard: set on the generated prompts."""

RULES = compile_rules(())
NO_RULES = TaskRules()


class Judged(msgspec.Struct, frozen=True):
    entry: Labelled
    kind: str
    hardness: float
    sure: float


def judge(entries: Sequence[Labelled]) -> list[Judged]:
    found = [(entry, classify(entry.request, RULES)) for entry in entries]
    return [Judged(entry, task.kind, task.hardness, task.sure) for entry, task in found]


def accuracy(judged: Sequence[Judged]) -> float:
    return sum(one.kind == one.entry.kind for one in judged) / len(judged)


def share(entries: Sequence[Labelled], choose: Callable[[Request], str]) -> float:
    """How often a way of choosing is right."""
    return sum(choose(entry.request) == entry.kind for entry in entries) / len(entries)


def by_rules(request: Request) -> str:
    reading = read(request)
    sums = dict.fromkeys(SPOKEN, 0.0)
    for fired in ask_rules(RULES, reading, make_ready(reading.said, reading.user)):
        sums[fired.kind] += fired.weight
    best = max(sums, key=sums.__getitem__)
    return best if sums[best] > 0 else "chat"


def by_model(request: Request) -> str:
    reading = read(request)
    fired = ask_rules(RULES, reading, make_ready(reading.said, reading.user))
    scores = load_model().score(hash_features(reading, fired))
    return SPOKEN[scores.index(max(scores))]


def by_bag_of_words() -> Callable[[Request], str]:
    """By the words of the last message alone, learned from the same generated prompts as the model."""
    bag = Bag((_last(request), kind) for request, kind, _ in read_generated())
    return lambda request: bag.kind_of(_last(request))


def _last(request: Request) -> str:
    return request.conversation.messages[-1].text


def level_of(hardness: float) -> str:
    return LEVELS[sum(hardness > bound for bound in BOUNDS)]


def rank_correlation(judged: Sequence[Judged]) -> float:
    """Spearman's: 1 where the order is the person's, 0 where it has nothing to do with it."""
    said = _ranks([LEVELS.index(one.entry.hardness) for one in judged])
    found = _ranks([one.hardness for one in judged])
    return statistics.correlation(said, found)


def _ranks(values: Sequence[float]) -> list[float]:
    order = sorted(range(len(values)), key=values.__getitem__)
    ranks = [0.0] * len(values)
    at = 0
    while at < len(order):
        end = at
        while end + 1 < len(order) and values[order[end + 1]] == values[order[at]]:
            end += 1
        for place in order[at : end + 1]:
            ranks[place] = (at + end) / 2
        at = end + 1
    return ranks


def confusion(judged: Sequence[Judged]) -> list[str]:
    """A line a kind: how many, how many right, and what the others were taken for."""
    lines = []
    for kind in KINDS:
        taken = Counter(one.kind for one in judged if one.entry.kind == kind)
        wrong = ", ".join(f"{name} {count}" for name, count in taken.most_common() if name != kind)
        lines.append(f"| {kind} | {taken.total()} | {taken[kind]} | {wrong} |")
    return lines


def samples() -> dict[str, Request]:
    """What is timed."""
    words = "The parser reads a line, splits it at the comma and gives back what it found in there. "
    code = "def scan(rows, depth):\n    for row in rows:\n        if row.depth > depth:\n            yield row\n"
    prose, source = (text * (LARGE_BYTES // len(text)) for text in (words, code))
    whole = ask(f"Please fix the bug in this file.\n\n```python\n{source}\n```\nIt fails on Windows.", prose)
    turns = whole.conversation.messages
    return {
        "100 KB of code": whole,
        "100 KB of prose": ask(f"Summarise this text.\n\n{prose}"),
        "100 KB in 200 turns": make_request((turns[0], *(ask(words * 6).conversation.messages * 200), turns[1])),
        "a short question": ask("how do I list files by size?"),
    }


def median_ms(request: Request) -> float:
    took = []
    for _ in range(TIMES):
        start = time.perf_counter()
        classify(request, RULES)
        took.append(time.perf_counter() - start)
    return statistics.median(took) * 1e3


def report(entries: Sequence[Labelled]) -> list[str]:
    judged = judge(entries)
    unshaped = [one for one in judged if not one.entry.shaped]
    plain = [one.entry for one in unshaped]
    (_, most), *_ = Counter(entry.kind for entry in plain).most_common()
    sure = [one for one in unshaped if one.sure >= 0.5]
    lines = [
        f"prompts: {len(judged)}, {len(plain)} of them not told by their shape alone",
        f"right: {accuracy(judged):.1%} of all, {accuracy(unshaped):.1%} of those not told by their shape",
        f"where sure >= 0.5: {accuracy(sure):.1%} right, {len(sure) / len(plain):.0%} of them",
        f"baselines on those: majority {most / len(plain):.1%}, bag of words {share(plain, by_bag_of_words()):.1%}",
        f"parts on those: rules alone {share(plain, by_rules):.1%}, model alone {share(plain, by_model):.1%}",
        "",
        "| kind | prompts | right | taken for |",
        "|---|---|---|---|",
        *confusion(judged),
        "",
        f"hardness: rank correlation {rank_correlation(judged):.2f}, {rank_correlation(unshaped):.2f} without shapes",
        "| judged by a person | found easy | medium | hard |",
        "|---|---|---|---|",
    ]
    for level in LEVELS:
        found = Counter(level_of(one.hardness) for one in judged if one.entry.hardness == level)
        lines.append(f"| {level} | {' | '.join(str(found[name]) for name in LEVELS)} |")
    return lines


def main(arguments: Sequence[str]) -> None:
    entries = read_labelled()
    lines = report(entries)
    start = time.perf_counter()
    load_model.__wrapped__()
    lines += ["", f"load: {(time.perf_counter() - start) * 1e3:.1f} ms", "| request | median ms |", "|---|---|"]
    lines += [f"| {name} | {median_ms(request):.2f} |" for name, request in samples().items()]
    if "--misses" in arguments:
        lines += [
            f"{one.entry.kind} -> {one.kind}: {one.entry.request.conversation.messages[-1].text[:100]!r}"
            for one in judge(entries)
            if one.kind != one.entry.kind
        ]
    sys.stdout.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    main(sys.argv[1:])
