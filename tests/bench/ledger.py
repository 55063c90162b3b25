"""``make bench-ledger``: a ledger of a million requests: how quick it is, and that all views of it say the same.

What takes how long is a Markdown table. What must hold is checked on the way: by whatever costs are grouped, in every
format of an export and on Prometheus's page the sums are the same, by 0 nano-dollars, also after old requests were
deleted.
"""

import argparse
import csv
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from time import perf_counter, process_time, thread_time
from typing import Any, get_args

import msgspec
import trio
from prometheus_client.parser import text_string_to_metric_families

from lodestard.domain.settings import Settings
from lodestard.ledger import Ledger, retention, rollups, verify
from lodestard.ledger.aggregate import BY, TIMES
from lodestard.ledger.exporting import ExportOptions, Format, command_of
from lodestard.ledger.figures import CostRow
from lodestard.ledger.retention import delete_old
from lodestard.ledger.rollups import advance
from lodestard.modules.metrics.heard import Heard
from lodestard.modules.metrics.page import LEVERS, Page
from lodestard.modules.metrics.settings import MetricsSettings
from lodestard.store import FileStore, open_snapshot
from tests.bench.ledger_rows import BEGIN_MS, SetClock, fill, opened
from tests.fakes.rooms import ScriptedSender, make_runtime

SUMMED = tuple(name for name in CostRow.__struct_fields__ if name not in ("key", "group"))
ZONE = "Europe/Berlin"
Sums = dict[str, int]


@dataclass
class Table:
    """The figures, in the order in which they were measured."""

    lines: list[tuple[str, str, str]] = field(default_factory=list)

    def add(self, what: str, measured: str, wanted: str = "") -> None:
        self.lines.append((what, measured, wanted))
        sys.stderr.write(f"{what}: {measured}\n")

    def show(self) -> None:
        rows = [("what", "measured", "wanted"), ("---", "---", "---"), *self.lines]
        sys.stdout.write("".join(f"| {' | '.join(row)} |\n" for row in rows))


@dataclass
class Stopwatch:
    """How long each call of a work took, and how much of that the CPU: the rest is the machine's other work."""

    took_ms: list[float] = field(default_factory=list)
    cpu_ms: list[float] = field(default_factory=list)

    @contextmanager
    def around(self, module: Any, name: str) -> Iterator[None]:
        """Time ``module.name`` while in the context."""
        real = getattr(module, name)

        def timed(*args: Any, **members: Any) -> Any:
            start, cpu_start = perf_counter(), thread_time()
            try:
                return real(*args, **members)
            finally:
                self.cpu_ms.append((thread_time() - cpu_start) * 1_000)
                self.took_ms.append((perf_counter() - start) * 1_000)

        setattr(module, name, timed)
        try:
            yield
        finally:
            setattr(module, name, real)

    def __str__(self) -> str:
        middle_ms, longest_ms = statistics.median(self.took_ms), max(self.took_ms)
        slices = f"{len(self.took_ms)} slices, median {middle_ms:.1f} ms"
        return f"{slices}, longest {longest_ms:.1f} ms (CPU {max(self.cpu_ms):.1f} ms)"


# -- what the views say --------------------------------------------------------------------------------------------


def added(rows: Iterable[Mapping[str, Any]]) -> Sums:
    """The sum of every figure over ``rows``."""
    sums = dict.fromkeys(SUMMED, 0)
    for row in rows:
        for name in SUMMED:
            sums[name] += int(row[name])
    return sums


def added_costs(rows: Iterable[CostRow]) -> Sums:
    return added(msgspec.structs.asdict(row) for row in rows)


def read_export(file: Path, form: Format) -> Iterator[dict[str, Any]]:
    """The rows of an export as another program reads them."""
    if form == "csv":
        with file.open(newline="", encoding="utf-8") as lines:
            yield from csv.DictReader(lines, strict=True)
        return
    with file.open("rb") as lines:  # a member a line in both forms, so that a gigabyte need not be in memory
        for line in lines:
            if line.startswith(b"{"):
                yield msgspec.json.decode(line.rstrip(b",\n"))


async def read_prometheus(ledger: Ledger) -> Sums:
    """The sums of what Prometheus's page says of money and requests."""
    async with trio.open_nursery() as nursery:
        runtime = make_runtime(nursery, ScriptedSender({}), settings=Settings())
        object.__setattr__(runtime, "ledger", ledger)
        _, page = await Page(runtime, MetricsSettings(), Heard()).read()
        nursery.cancel_scope.cancel()
    sums: Sums = {}
    for family in text_string_to_metric_families(page.decode()):
        for sample in family.samples:
            name = sample.name.removeprefix("lodestar_").removesuffix("_total")
            if lever := sample.labels.get("lever"):
                name = f"saved_{lever}_nano_usd"
            if name in SUMMED:
                sums[name] = sums.get(name, 0) + int(sample.value)
    assert all(f"saved_{lever}_nano_usd" in sums for lever in LEVERS), sums
    return sums


async def views(ledger: Ledger, exports: Mapping[Format, Path]) -> dict[str, Sums]:
    """The total of all requests, as each view has it."""
    said = {f"costs by {by}": added_costs(await ledger.reports.costs(by, timezone=ZONE)) for by in BY}
    for by in TIMES:
        said[f"{by} x model"] = added_costs(await ledger.reports.series(by, "model", timezone=ZONE))
    for form, file in exports.items():
        said[form] = added(read_export(file, form))
    said["prometheus"] = await read_prometheus(ledger)
    return said


def disagreements(said: Mapping[str, Sums]) -> list[str]:
    """Where a view says something else than ``costs by all``, by as little as a nano-dollar."""
    truth = said["costs by all"]
    return [
        f"{view}: {name} is {sums[name]}, not {truth[name]}"
        for view, sums in said.items()
        for name in sums
        if sums[name] != truth[name]
    ]


def run_export(path: Path, form: Format, target: Path, *, names: bool = False) -> tuple[float, float, float]:
    """Export to a file by the real program: seconds, those of the CPU, and the most memory that it took, in MB."""
    start = perf_counter()
    with target.open("wb") as output:
        child = subprocess.Popen(command_of(path, ExportOptions(format=form, names=names)), stdout=output)
        _, status, usage = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
    assert child.returncode == 0, child.returncode
    return perf_counter() - start, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1_000


# -- the bench -----------------------------------------------------------------------------------------------------


async def time_groupings(ledger: Ledger, table: Table) -> None:
    for by in BY:
        took_ms = []
        for _ in range(15):
            start = perf_counter()
            await ledger.reports.costs(by, timezone=ZONE)
            took_ms.append((perf_counter() - start) * 1_000)
        wanted = "p50 <= 100 ms" if by == "model" else ""
        p50_ms, p95_ms = statistics.median(took_ms), statistics.quantiles(took_ms, n=20)[-1]
        table.add(f"costs by {by}", f"p50 {p50_ms:.1f} ms, p95 {p95_ms:.1f} ms", wanted)


async def keep_house(path: Path, clock: SetClock, table: Table, work: Callable[[FileStore, Ledger], Any]) -> None:
    async with opened(path, clock) as (store, ledger):
        await work(store, ledger)
        await time_groupings(ledger, table)


def time_verify(path: Path, table: Table) -> None:
    start, cpu_start = perf_counter(), process_time()
    with open_snapshot(path) as snapshot:
        report = verify(snapshot, idle=True)
    took_s, cpu_s = perf_counter() - start, process_time() - cpu_start
    assert report.ok, report.problems
    wanted = f"<= {max(1, report.requests // 100_000)} s"
    table.add(f"verify of {report.requests:,} requests", f"{took_s:.1f} s (CPU {cpu_s:.1f} s)", wanted)


async def compare(path: Path, clock: SetClock, folder: Path, table: Table, when: str) -> None:
    """Export in every format and let all views be compared."""
    exports: dict[Format, Path] = {}
    for form in get_args(Format):
        exports[form] = folder / f"export.{form}"
        took_s, cpu_s, memory_mb = run_export(path, form, exports[form])
        size_mb = exports[form].stat().st_size / 1e6
        table.add(
            f"export {form}, {when}",
            f"{took_s:.1f} s (CPU {cpu_s:.1f} s), {memory_mb:.0f} MB of memory, {size_mb:.0f} MB written",
            "<= 10 s, <= 100 MB",
        )
    async with opened(path, clock) as (_, ledger):
        said = await views(ledger, exports)
    wrong = disagreements(said)
    assert not wrong, wrong
    table.add(f"largest difference between {len(said)} views, {when}", "0 nano-USD", "0 nano-USD")


async def bench(rows: int, folder: Path) -> Table:
    """The whole table. Raises where views disagree."""
    table, path = Table(), folder / "ledger.db"
    start = perf_counter()
    clock = await fill(path, rows)
    table.add("written through the ledger", f"{rows / (perf_counter() - start):,.0f} requests/s")
    table.add("file", f"{path.stat().st_size / 1e6:.0f} MB")

    async def count(store: FileStore, ledger: Ledger) -> None:
        watch, begun = Stopwatch(), perf_counter()
        with watch.around(rollups, "write_slice"):
            while await advance(store, ledger._settled, clock.now_ms):
                pass
        table.add(f"counting {rows:,} requests", f"{perf_counter() - begun:.1f} s", "")
        table.add("of that in the writer", str(watch), "longest <= 20 ms")

    async def delete(store: FileStore, _: Ledger) -> None:
        watch, begun = Stopwatch(), perf_counter()
        with watch.around(retention, "write_deletion"):
            while await delete_old(store, (BEGIN_MS + clock.ms) // 2):
                pass
        table.add("deleting the older half", f"{perf_counter() - begun:.1f} s", "")
        table.add("of that in the writer", str(watch), "longest <= 20 ms")

    await keep_house(path, clock, table, count)
    table.add("file, counted", f"{path.stat().st_size / 1e6:.0f} MB")
    time_verify(path, table)
    await compare(path, clock, folder, table, "all rows there")
    await keep_house(path, clock, table, delete)
    time_verify(path, table)
    await compare(path, clock, folder, table, "half of them deleted")
    return table


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.ledger")
    parser.add_argument("rows", type=int, nargs="?", default=1_000_000)
    parser.add_argument("--folder", help="where to work; a RAM disk measures the program instead of the disk")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=asked.folder) as folder:
        trio.run(bench, asked.rows, Path(folder)).show()


if __name__ == "__main__":
    main()
