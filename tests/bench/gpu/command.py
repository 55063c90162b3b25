"""The command: run the workloads, a process for each core; compare with the baseline; print Markdown."""

import argparse
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from itertools import product
from multiprocessing import get_context

from tests.bench.gpu.baseline import Key, Runs, differences, read_baseline, write_baseline
from tests.bench.gpu.drive import simulate
from tests.bench.gpu.figures import Figures, read_figures
from tests.bench.gpu.house import MODES
from tests.bench.gpu.machines import MACHINES
from tests.bench.gpu.report import write_report
from tests.bench.gpu.workloads import NAMES

SKEWED = ("dear-swaps", "cheap-swaps")
SEEDS = (1, 2, 3)
QUICK_SHARE = 0.1


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
        write_baseline(runs)
    baseline = runs if options.quick else read_baseline()
    print("\n".join(write_report(runs, baseline)))  # noqa: T201
    return warn_of_changes(runs, baseline)


def plan_keys(options: argparse.Namespace) -> Iterator[Key]:
    """What is to be run, in the order of the report. What is for information has one seed."""
    for workload, machine in product(options.workloads, options.machines):
        for mode, seed in product(options.modes, options.seeds):
            if seed == options.seeds[0] or not (mode == "direct" or machine in SKEWED):
                yield Key(mode, workload, machine, seed)


def run_one(key: Key, share: float) -> Figures:
    """One run, from the beginning, in this process."""
    return read_figures(simulate(key.workload, key.machine, key.mode, key.seed, share), key.machine)


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
    parser.add_argument("--write-baseline", action="store_true", help="keep these runs as the baseline")
    return parser.parse_args(arguments)
