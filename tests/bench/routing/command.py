"""The command: make the data or read it, try all policies, a process for each core; time choices; live a day."""

import argparse
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from itertools import product
from multiprocessing import get_context
from pathlib import Path

from tests.bench.routing.day import live_all, write_day_report
from tests.bench.routing.day_script import CALLS
from tests.bench.routing.decision import DECISIONS, time_choices, write_timed
from tests.bench.routing.docs import write_docs
from tests.bench.routing.generate import generate
from tests.bench.routing.measure import measure, measure_world
from tests.bench.routing.report import TOTALS, Result, write_curve, write_result, write_totals
from tests.bench.routing.table import read_table, write_table
from tests.bench.routing.worlds import WORLDS

NAMES = tuple(world.name for world in WORLDS)
USUAL_PARTS = ("worlds", "choices", "day")
SEEDS, COUNT, QUICK_COUNT = (1, 2), 1500, 400


def main(arguments: Sequence[str]) -> int:
    options = _read(arguments)
    if options.write is not None:
        return _write(options)
    report = list[str]()
    for part in ["csv"] if options.csv else options.parts:
        lines = list(PARTS[part](options))
        print("\n".join(lines))  # noqa: T201
        report += lines[lines.index(TOTALS) :] if TOTALS in lines else lines
    if options.docs:
        write_docs(report)
    return 0


def _report_tables(options: argparse.Namespace) -> Iterator[str]:
    yield from _report([measure(read_table(file)) for file in options.csv], options)


def _report_worlds(options: argparse.Namespace) -> Iterator[str]:
    seeds = ", ".join(map(str, options.seeds))
    yield f"Worlds: {', '.join(options.worlds)}; seeds: {seeds}; {options.count} prompts each."
    yield ""
    yield from _report(list(_measure_worlds(options)), options)


def _report_choices(options: argparse.Namespace) -> Iterator[str]:
    yield "## One choice"
    yield ""
    yield write_timed(time_choices(DECISIONS // 10 if options.quick else DECISIONS))
    yield ""


def _report_day(options: argparse.Namespace) -> Iterator[str]:
    yield "## A day"
    yield ""
    seed = options.seeds[0]
    yield from write_day_report(live_all(seed, CALLS // 4 if options.quick else CALLS), seed)


PARTS: Mapping[str, Callable[[argparse.Namespace], Iterator[str]]] = {
    "worlds": _report_worlds,
    "choices": _report_choices,
    "day": _report_day,
    "csv": _report_tables,
}


def _measure_worlds(options: argparse.Namespace) -> Iterator[Result]:
    keys = list(product(options.worlds, options.seeds))
    with ProcessPoolExecutor(options.processes, mp_context=get_context("spawn")) as pool:
        yield from pool.map(measure_world, *zip(*keys, strict=True), [options.count] * len(keys))


def _report(results: Sequence[Result], options: argparse.Namespace) -> Iterator[str]:
    for result in results:
        if options.every or options.csv or result.name.endswith(f"/{options.seeds[0]}"):
            yield from write_result(result)
            yield from write_curve(result, "lodestar")
    yield from write_totals(results)


def _write(options: argparse.Namespace) -> int:
    """The first world's data as a CSV."""
    world = next(world for world in WORLDS if world.name == options.worlds[0])
    with options.write.open("w", encoding="utf-8", newline="") as out:
        write_table(generate(world, options.seeds[0], options.count), out)
    return 0


def _read(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make bench-routing BENCH=", description=__doc__)
    parser.add_argument("--parts", nargs="+", choices=USUAL_PARTS, default=USUAL_PARTS)
    parser.add_argument("--worlds", nargs="+", choices=NAMES, default=NAMES)
    parser.add_argument("--seeds", nargs="+", type=int, default=SEEDS)
    parser.add_argument("--count", type=int, default=COUNT, help="prompts of each world and seed")
    parser.add_argument("--csv", nargs="+", type=Path, default=(), help="measure on these tables instead")
    parser.add_argument("--write", type=Path, help="write the first world's data as a table, and nothing else")
    parser.add_argument("--every", action="store_true", help="the table of every seed, not of the first alone")
    parser.add_argument("--docs", action="store_true", help="write what it comes to into its page too")
    parser.add_argument("--quick", action="store_true", help=f"one seed, {QUICK_COUNT} prompts a world")
    parser.add_argument("--processes", type=int, default=2)
    options = parser.parse_args(arguments)
    if options.quick:
        options.seeds, options.count = options.seeds[:1], QUICK_COUNT
    return options
