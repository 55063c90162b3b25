"""The targets: what was asked of residency, what was measured on each machine, and whether that is enough. Pure.

Law: a target is judged by the median over seeds, of ratios of one run to another one with the same traffic; what is
missed is told as plainly as what is met. Nothing is left out because it is missed.
"""

import statistics
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from tests.bench.gpu.baseline import Key, Runs
from tests.bench.gpu.figures import Figures
from tests.bench.gpu.machines import MACHINES

Read = Callable[[Figures], float | None]
Judge = Callable[[float], bool]
MIXES = ("mixed", "mixed-both", "mixed-any", "busy")
PATIENCE_S, BACKGROUND_PATIENCE_S = 60.0, 900.0
"""``[residency]``'s defaults: after so long nobody overtakes a request any more."""


class Ratio(NamedTuple):
    """A figure beside another mode's, in the same traffic: at most ``bound``, or at least, where it is ``wanted``."""

    title: str
    figure: str
    workloads: Sequence[str]
    bound: float
    wanted: bool = False

    def met(self, ratio: float) -> bool:
        return ratio >= self.bound if self.wanted else ratio <= self.bound


class Limit(NamedTuple):
    """A figure of its own that may be ``bound`` at most, with the mode in which it is measured."""

    title: str
    figure: str
    workloads: Sequence[str]
    bound: float
    mode: str = "residency"


RATIOS = (
    Ratio("model swaps per answer, at most 1/4", "swaps_per_100", (*MIXES, "saturated"), 1 / 4),
    Ratio("time lost to swaps per request, at most 1/3", "lost_s_per_request", (*MIXES, "saturated"), 1 / 3),
    Ratio("p95 wait of interactive requests, at most 1/3", "interactive_start_p95_s", MIXES, 1 / 3),
    Ratio("the same of Aider's, who does not give up after 10 s", "aider_start_p95_s", MIXES, 1 / 3),
    Ratio("throughput at saturation, at least 1.5", "answered_per_h", ("saturated",), 1.5, wanted=True),
)
NOBODY_LEAVES = ("saturated", "gaps", "back-to-back")
ALL = (*MIXES, *NOBODY_LEAVES)
FOREVER = float("inf")
LIMITS = (
    Limit("perceived swap, p50 below 0.5 s: foreseen, first day, all tasks", "switch_p50_s", ("gaps",), 0.5),
    Limit("the same without the first three tasks", "later_switch_p50_s", ("gaps",), 0.5),
    Limit("the same with what a run of another seed has taught", "switch_p50_s", ("gaps",), 0.5, "taught"),
    Limit("and its p95, of which nothing was asked", "switch_p95_s", ("gaps",), FOREVER, "taught"),
    Limit("perceived swap, p50 below 0.5 s: either model may answer", "any_swap_p50_s", ("mixed-any",), 0.5),
    Limit(
        "and the whole wait, behind others too, of which nothing was asked",
        "any_start_p50_s",
        ("mixed-any",),
        FOREVER,
    ),
    Limit("back to back, at most the load's floor + 10 %", "switch_p50_of_floor", ("back-to-back",), 1.1),
    Limit("longest wait at a screen, at most the 60 s of its patience", "interactive_start_most_s", ALL, PATIENCE_S),
    Limit("longest wait of a job, at most the 900 s of its patience", "job_start_most_s", ALL, BACKGROUND_PATIENCE_S),
    Limit("requests that were sent away", "refused", ALL, 0),
    Limit("models in memory at once", "models_at_once", ALL, 1),
    Limit("most on the card, in MB of its 4,295", "most_mb", ALL, 4295),
    Limit("reloads because of other options", "reloads", ALL, 0),
    Limit("loads that a client's leaving aborted", "aborted_loads", ALL, 0),
)


def write_targets(runs: Runs, baseline: Runs) -> Iterator[str]:
    """Markdown, line by line: what was asked of residency, and what came of it."""
    machines = [name for name in MACHINES if any(key.machine == name for key in runs)]
    yield "What was asked, and whether it is met. Each is the median over seeds, with the least and most behind it."
    yield ""
    yield from _head("target", "workload", "beside", *machines)
    for ratio in RATIOS:
        for workload in ratio.workloads:
            for other in ("fifo", "agreed"):
                cells = [_ratio_cell(ratio, workload, machine, other, runs, baseline) for machine in machines]
                if any(cells):
                    yield _row(ratio.title, workload, other, *cells)
    for limit in LIMITS:
        cells = [_limit_cell(limit, machine, runs) for machine in machines]
        if any(cells):
            where = ", ".join(limit.workloads) if limit.workloads != ALL else "all, the worst run"
            yield _row(limit.title, where, "", *cells)
    yield ""


def _head(*titles: str) -> Iterator[str]:
    yield _row(*titles)
    yield f"|{'---|' * len(titles)}"


def _row(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"


def _ratio_cell(ratio: Ratio, workload: str, machine: str, other: str, runs: Runs, baseline: Runs) -> str:
    found = list[float]()
    for key in _keys(runs, "residency", workload, machine):
        beside = baseline.get(key._replace(mode=other), {})
        if beside.get(ratio.figure) and ratio.figure in runs[key]:
            found.append(runs[key][ratio.figure] / beside[ratio.figure])
    if not found:
        swapless = any(baseline.get(key._replace(mode=other)) for key in _keys(runs, "residency", workload, machine))
        return "none there" if swapless else ""
    return _say(found, ratio.met(statistics.median(found)), ratio.bound)


def _limit_cell(limit: Limit, machine: str, runs: Runs) -> str:
    found = [
        runs[key][limit.figure]
        for workload in limit.workloads
        for key in _keys(runs, limit.mode, workload, machine)
        if limit.figure in runs[key]
    ]
    if not found:
        return ""
    if len(limit.workloads) > 1:
        found = [max(found)]
    return _say(found, statistics.median(found) <= limit.bound, limit.bound)


def _keys(runs: Runs, mode: str, workload: str, machine: str) -> list[Key]:
    return [key for key in runs if key[:3] == (mode, workload, machine)]


def _say(found: Sequence[float], met: bool, bound: float) -> str:
    """The median with its spread, and the verdict, by how much where it is missed."""
    middle = statistics.median(found)
    text = f"{middle:.3g}" if middle < 100 else f"{middle:.0f}"
    if len(found) > 1 and min(found) != max(found):
        text += f" ({min(found):.3g} to {max(found):.3g})"
    if met:
        return text if bound == FOREVER else f"{text} **met**"
    return f"{text} missed by {abs(middle / bound - 1):.0%}" if bound else f"{text} missed"
