"""The command: run the workloads, a process for each core; compare with the baseline; print Markdown."""

import argparse
import os
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from itertools import product
from multiprocessing import get_context

import trio

from tests.bench.gpu import real
from tests.bench.gpu.baseline import Key, Runs, differences, read_baseline, write_baseline
from tests.bench.gpu.docs import write_docs
from tests.bench.gpu.drive import simulate
from tests.bench.gpu.figures import Figures, read_bounds, read_figures, read_later_switches
from tests.bench.gpu.house import MODES, RESIDENT
from tests.bench.gpu.machines import MACHINES
from tests.bench.gpu.report import write_report
from tests.bench.gpu.targets import write_targets
from tests.bench.gpu.workloads import NAMES

SKEWED = ("dear-swaps", "cheap-swaps")
SEEDS = (1, 2, 3)
FORESEEN = ("gaps",)
"""Where it matters what an earlier run has taught."""
QUICK_SHARE = 0.1
SKIPPED, ALL_SIMULATED = "The same traffic on a real Ollama: skipped,", "Everything above is simulated."


def main(arguments: Sequence[str]) -> int:
    """Status 1 where a run came out otherwise than the baseline has it."""
    options = _read(arguments)
    keys, runs = list(plan_keys(options)), dict[Key, Figures]()
    task = partial(run_one, share=QUICK_SHARE if options.quick else 1.0)
    with ProcessPoolExecutor(options.processes, mp_context=get_context("spawn")) as pool:
        for key, figures in zip(keys, pool.map(task, keys), strict=True):
            runs[key] = figures
            _tell(f"{len(runs)} of {len(keys)}: {key}")
    if options.write_baseline:
        write_baseline({key: figures for key, figures in runs.items() if key.mode not in RESIDENT})
    baseline = runs if options.quick else read_baseline()
    report = [*write_targets(runs, baseline), *write_report(runs, baseline)]
    if options.docs:
        write_docs(report)
    print("\n".join(report))  # noqa: T201
    print("\n".join(measure_real(options)))  # noqa: T201
    return warn_of_changes(runs, baseline)


def measure_real(options: argparse.Namespace) -> Iterator[str]:
    """The table of the real Ollama, or why there is none."""
    if options.quick or options.no_real:
        yield f"{SKIPPED} it was not asked for. {ALL_SIMULATED}"
        return
    try:
        host, port = real.read_host(os.environ)
        found = trio.run(real.measure, host, port)
    except real.NoOllama as reason:
        yield f"{SKIPPED} {reason}. {ALL_SIMULATED}"
    else:
        yield f"The same traffic, shortened, on the Ollama at {host}:{port}, on the real clock:"
        yield ""
        yield from real.write_report(found)


def plan_keys(options: argparse.Namespace) -> Iterator[Key]:
    """What is to be run, in the order of the report. What is for information has one seed."""
    for workload, machine in product(options.workloads, options.machines):
        for mode, seed in product(options.modes, options.seeds):
            once = mode == "direct" or machine in SKEWED
            if (seed == options.seeds[0] or not once) and (mode != "taught" or workload in FORESEEN):
                yield Key(mode, workload, machine, seed)


def run_one(key: Key, share: float) -> Figures:
    """One run, from the beginning, in this process."""
    run = simulate(key.workload, key.machine, key.mode, key.seed, share)
    found = read_figures(run, key.machine)
    return {**found, **read_bounds(run), **read_later_switches(run)} if key.mode in RESIDENT else found


def warn_of_changes(runs: Runs, baseline: Runs) -> int:
    """Says which runs came out otherwise than the baseline has them, and where; 1 where there are any."""
    changed = 0
    for key, figures in runs.items():
        if key in baseline and (found := differences(figures, baseline[key])):
            changed = 1
            print(f"{key} is not the baseline any more: {'; '.join(found)}", file=sys.stderr)  # noqa: T201
    return changed


def _tell(text: str) -> None:
    """How far it is: one line that is written over on a terminal."""
    terminal = sys.stderr.isatty()
    print(f"\r{text}\x1b[K" if terminal else text, end="" if terminal else "\n", file=sys.stderr)  # noqa: T201


def _read(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make bench-gpu BENCH=", description=__doc__)
    parser.add_argument("--workloads", nargs="+", choices=NAMES, default=NAMES)
    parser.add_argument("--machines", nargs="+", choices=tuple(MACHINES), default=tuple(MACHINES))
    parser.add_argument("--modes", nargs="+", choices=MODES, default=MODES)
    parser.add_argument("--seeds", nargs="+", type=int, default=SEEDS)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--quick", action="store_true", help="a tenth of everything; compares with nothing")
    parser.add_argument("--no-real", action="store_true", help="leave the Ollama at OLLAMA_HOST alone")
    parser.add_argument("--write-baseline", action="store_true", help="keep these runs as the baseline")
    parser.add_argument("--docs", action="store_true", help="write the tables into docs/benchmarks-gpu.md too")
    return parser.parse_args(arguments)
