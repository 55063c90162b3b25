"""How far predicted waits are off: what each request was told when it came, beside what came.

The daemon's own rooms on the mock clock, residency on, from the first day: nothing is known but what is assumed of
any card. What came is the client's time to the first token where it streams; otherwise it goes by the server's own
figures, for a client that does not stream sees no first token. Who left before it is counted apart: nobody knows how
long it would have been. ``python -m tests.bench.gpu.waits --help`` says what can be asked for; it prints Markdown.
"""

import argparse
import random
import sys
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from itertools import product
from multiprocessing import get_context
from statistics import median
from typing import Any
from unittest.mock import patch

import msgspec

from lodestard.domain.request import Request, TextPart
from lodestard.domain.residency import Ask, Wait
from lodestard.domain.usage import Durations, Usage
from lodestard.residency.card import NS_PER_S, Card
from lodestard.residency.state import Visit
from lodestard.simulator.card.figures import DEMO
from tests.bench.gpu import drive
from tests.bench.gpu.clients import batch
from tests.bench.gpu.drive import Run, simulate
from tests.bench.gpu.figures import percentile
from tests.bench.gpu.machines import MACHINES
from tests.bench.gpu.traffic import DEEPSEEK, LLAMA, Workload
from tests.bench.gpu.workloads import NAMES, plan_workload

BURST, BURST_SIZE = "burst", 9
WORKLOADS = (BURST, *NAMES)
"""``burst``: nine requests at once, of either model, the first that the daemon ever sees; after minutes nine more."""
CARDS = {**{name: MACHINES[name] for name in ("x1", "x0.5", "x1.5")}, "demo": DEMO}
SEEDS = (1, 2, 3)
PHASES = ((0, "first 10"), (10, "10 to 50"), (50, "later"))
"""By how many answers the card had learned from when the request came."""
COLUMNS = ("n", "left", "came p50", "error p50", "error p90", "bias", "within %", "below %", "above %")


class Told(msgspec.Struct):
    """One request: what it was told when it came, and the seconds that came of it; None where it left before.

    ``known``: from how many answers the card had learned by then. ``waited``: it could not begin at once.
    """

    key: str
    rank: str
    known: int
    waited: bool
    wait: Wait | None
    came_s: float | None = None


class Watch:
    """What was told in one run."""

    def __init__(self) -> None:
        self.told: dict[int, Told] = {}
        self.learned = 0

    def make_card(self, *arguments: Any) -> Card:
        """In place of ``Card``, as the room calls it."""
        return WatchedCard(self, *arguments)

    def see(self, run: Run) -> Sequence[Told]:
        """All of it, with what the clients saw of it where they saw it."""
        seen = {sent.ask.key: sent for sent in run.sent if sent.ask.stream}
        for told in self.told.values():
            sent = seen.get(told.key)
            if sent is not None:
                told.came_s = None if sent.first_s is None else sent.first_s - sent.asked_s
        return tuple(self.told.values())


class WatchedCard(Card):
    """A card that has it written down what it tells; otherwise like any other."""

    def __init__(self, watch: Watch, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._watch = watch

    def enqueue(self, ask: Ask) -> Visit:
        visit = super().enqueue(ask)
        known = self._watch.learned
        self._watch.told[visit.id] = Told(key_of(ask.request), visit.asked.rank, known, visit.waited, visit.predicted)
        return visit

    def learn(self, visit: Visit, usage: Usage | None, durations: Durations | None) -> None:
        self._watch.learned += 1
        if durations is not None and visit.begun_s is not None:
            first_s = (durations.load_ns + durations.prefill_ns) / NS_PER_S
            self._watch.told[visit.id].came_s = visit.begun_s - visit.arrived_s + first_s
        super().learn(visit, usage, durations)


def key_of(request: Request) -> str:
    """The text that tells a request of a workload from all others."""
    return next(part.text for part in request.conversation.messages[-1].parts if type(part) is TextPart)


def watch(workload: str, card: str, seed: int) -> Sequence[Told]:
    """One run, from the beginning."""
    seen = Watch()
    with (
        patch("lodestard.residency.room.Card", seen.make_card),
        patch.dict(MACHINES, CARDS),
        patch.object(drive, "plan_workload", plan),
    ):
        run = simulate(workload, card, "residency", seed)
    return seen.see(run)


def plan(name: str, seed: int, share: float = 1.0) -> Workload:
    """A workload of the benchmark, or bursts: minutes apart, so that each finds the card idle."""
    if name != BURST:
        return plan_workload(name, seed, share)
    luck = random.Random(f"{name} {seed}")
    models = (LLAMA, DEEPSEEK)
    lanes = (batch(luck, models, BURST_SIZE, width=BURST_SIZE, begins_s=at_s) for at_s in (0.0, 240.0, 480.0, 720.0))
    return Workload(name=name, lanes=tuple(lanes))


# -- figures ---------------------------------------------------------------------------------------------------------


def rows(told: Sequence[Told]) -> Iterator[tuple[str, Sequence[Told]]]:
    """Those that waited, by how much was known; and those that began at once."""
    for rank in ("interactive", "background"):
        some = [one for one in told if one.rank == rank]
        for (least, name), most in zip(PHASES, [least for least, _ in PHASES[1:]] + [1 << 30], strict=True):
            yield f"{rank} | {name}", [one for one in some if one.waited and least <= one.known < most]
        yield f"{rank} | at once", [one for one in some if not one.waited]


def measure(told: Iterable[Told]) -> Sequence[str]:
    """A row's cells. Bias is the median of what was told less what came."""
    known = [(one.wait, one.came_s) for one in told if one.wait is not None and one.came_s is not None]
    left = sum(one.came_s is None for one in told)
    if not known:
        return ("0", str(left), *("" for _ in COLUMNS[2:]))
    errors = [wait.likely_s - came_s for wait, came_s in known]
    size = sorted(map(abs, errors))
    below = sum(came_s < wait.low_s for wait, came_s in known)
    above = sum(came_s > wait.high_s for wait, came_s in known)
    seconds = (median(came_s for _, came_s in known), median(size), percentile(size, 0.9), median(errors))
    shares = (len(known) - below - above, below, above)
    return (
        str(len(known)),
        str(left),
        *(f"{value:.1f}" for value in seconds),
        *(f"{100 * share / len(known):.0f}" for share in shares),
    )


def write_report(found: dict[tuple[str, str], list[Told]]) -> Iterator[str]:
    """Markdown: a table of all runs, and one of all workloads together."""
    yield f"| workload | card | rank | known | {' | '.join(COLUMNS)} |"
    yield "|---|---|---|---|" + "---:|" * len(COLUMNS)
    together: dict[str, list[Told]] = {}
    for (workload, card), told in found.items():
        for name, some in rows(told):
            if some:
                yield f"| {workload} | {card} | {name} | {' | '.join(measure(some))} |"
            together.setdefault(f"{card} | {name}", []).extend(some)
    for name, some in together.items():
        yield f"| all | {name} | {' | '.join(measure(some))} |"


# -- the command -----------------------------------------------------------------------------------------------------


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.gpu.waits", description=__doc__)
    parser.add_argument("--workloads", nargs="+", choices=WORKLOADS, default=WORKLOADS)
    parser.add_argument("--cards", nargs="+", choices=tuple(CARDS), default=tuple(CARDS))
    parser.add_argument("--seeds", nargs="+", type=int, default=SEEDS)
    parser.add_argument("--processes", type=int, default=2)
    options = parser.parse_args(arguments)
    keys = list(product(options.workloads, options.cards, options.seeds))
    found: dict[tuple[str, str], list[Told]] = {}
    with ProcessPoolExecutor(options.processes, mp_context=get_context("spawn")) as pool:
        for (workload, card, _), told in zip(keys, pool.map(watch, *zip(*keys, strict=True)), strict=True):
            found.setdefault((workload, card), []).extend(told)
    print("\n".join(write_report(found)))  # noqa: T201
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
