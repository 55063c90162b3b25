"""What one choice takes: ``python -m tests.bench.routing.decision``.

Fifty models, a hundred rules of every sort but one (patterns over the prompt are bounded apart), and for each choice
another request, another task and other figures. Times are of ``choose_route`` alone; memory is the peak of what
Python allocated during all choices, over what the catalogue itself takes.
"""

import argparse
import random
import sys
import time
import tracemalloc
from collections.abc import Callable, Sequence
from decimal import Decimal
from itertools import cycle, islice

import msgspec

from lodestard.domain.choice import Asked, Figures
from lodestard.domain.feedback import Cell
from lodestard.domain.request import Caller
from lodestard.domain.routing_settings import Rule, When
from lodestard.domain.settings import Model, ModelPrice, Settings, Upstream
from lodestard.domain.task import KINDS, Task
from lodestard.domain.upstream import Candidate
from lodestard.routing.catalog import Catalog, build_catalog
from lodestard.routing.choose import View, choose_route

CANDIDATES, RULES, DECISIONS = 50, 100, 10_000
GOAL_MS = 0.3
ALIAS = "auto"
VARIETY = 500
"""How many different requests there are; they come again and again."""
FAMILIES = (
    "gpt-4o",
    "gpt-4o-mini",
    "claude-sonnet-4-5",
    "llama3.1:8b",
    "gemini-2.5-flash",
    "qwen2.5-coder:7b",
    "other",
)

SEEN = [(Cell("edit", 0.5, 10.0 + number, 3.0), Cell("debug", 0.7, 4.0, 2.0)) for number in range(7)]
"""What was seen of models: the same objects from choice to choice, as the gateway has them."""


class Timed(msgspec.Struct, frozen=True):
    """Milliseconds of the processor's that one choice takes (it never waits; so other processes don't count), and
    kibibytes at the most. ``candidates`` were weighed on average.
    """

    median_ms: float
    p99_ms: float
    peak_kib: float
    candidates: float


Turn = tuple[Asked, Task, Callable[[Candidate], Figures]]


def make_catalog(candidates: int = CANDIDATES, rules: int = RULES) -> Catalog:
    """One alias with so many models of a paid and a free upstream."""
    names = [f"{'paid' if place % 3 else 'free'}/{name}-{place}" for place, name in _families(candidates)]
    upstreams = {
        name: Upstream(dialect="openai", url="http://127.0.0.1", free=name == "free") for name in ("paid", "free")
    }
    prices = {name: ModelPrice(input=Decimal("0.5"), output=Decimal(2)) for name in names if name.startswith("paid")}
    settings = Settings(
        upstreams=upstreams,
        models={ALIAS: Model(route=tuple(names), prefer="balanced")},
        prices=prices,
        rules=tuple(make_rule(place) for place in range(rules)),
    )
    return build_catalog(settings, frozenset({"openai"}))


def _families(count: int) -> list[tuple[int, str]]:
    return list(enumerate(islice(cycle(FAMILIES), count)))


def make_rule(place: int) -> Rule:
    """Some fit often, most never; now and then one forbids a model."""
    whens = (
        When(task=(KINDS[place % len(KINDS)],)),
        When(client=(f"client-{place}*", "aider*")),
        When(project=(f"team-{place}-*",)),
        When(min_prompt_tokens=1000 * (place + 1), tools=True),
        When(tag=(f"tag-{place}",)),
        When(min_hardness=0.9, hours="22:00-06:00"),
        When(user=("ann", "ben"), days=("sat", "sun")),
    )
    forbid = (f"paid/*-{place % CANDIDATES}",) if place % 10 == 0 else ()
    return Rule(name=f"rule {place}", priority=place % 5, when=whens[place % len(whens)], forbid=forbid)


def make_turns(count: int = VARIETY) -> list[Turn]:
    luck = random.Random("decisions")
    return [_turn(luck) for _ in range(count)]


def _turn(luck: random.Random) -> Turn:
    caller = Caller(
        client=luck.choice(("aider/0.86", "client-7", "curl")), project=f"team-{luck.randrange(200)}-web", user="ann"
    )
    asked = Asked(
        alias=ALIAS,
        caller=caller,
        prompt_tokens=luck.randrange(50, 20_000),
        tools=luck.random() < 0.3,
        minute=luck.randrange(1440),
        day=luck.choice(("mon", "sat")),
    )
    seen = [Figures(wait_s=luck.choice((None, 3.0)), first_s=1.0, cells=cells) for cells in SEEN]
    task = Task(kind=luck.choice(KINDS), hardness=luck.random(), sure=0.5)
    return asked, task, lambda candidate: seen[len(candidate.target.model) % 7]


def time_choices(decisions: int = DECISIONS) -> Timed:
    """Timed one by one; memory in a second pass, for watching it takes time."""
    catalog, turns = make_catalog(), make_turns()
    ns, weighed = list[int](), 0
    for asked, task, figures_of in islice(cycle(turns), decisions):
        view = View(catalog=catalog, figures_of=figures_of)
        began = time.thread_time_ns()
        plan = choose_route(asked, task, view)
        ns.append(time.thread_time_ns() - began)
        weighed += len(plan.candidates)
    ns.sort()
    peak = peak_kib(catalog, turns[:decisions])
    return Timed(ns[len(ns) // 2] / 1e6, ns[len(ns) * 99 // 100] / 1e6, peak, weighed / decisions)


def peak_kib(catalog: Catalog, turns: Sequence[Turn]) -> float:
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        tracemalloc.reset_peak()
        for asked, task, figures_of in turns:
            choose_route(asked, task, View(catalog=catalog, figures_of=figures_of))
        return (tracemalloc.get_traced_memory()[1] - before) / 1024
    finally:
        tracemalloc.stop()


def write_timed(timed: Timed) -> str:
    met = "met" if timed.median_ms <= GOAL_MS else "MISSED"
    return (
        f"A choice among {CANDIDATES} models with {RULES} rules ({timed.candidates:.0f} weighed on average): median"
        f" {timed.median_ms:.3f} ms, p99 {timed.p99_ms:.3f} ms (goal {GOAL_MS} ms: {met}), memory at the most"
        f" {timed.peak_kib:,.0f} KiB."
    )


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.routing.decision")
    parser.add_argument("--decisions", type=int, default=DECISIONS)
    print(write_timed(time_choices(parser.parse_args(arguments).decisions)))  # noqa: T201
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
