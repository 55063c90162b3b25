"""``make bench-relay``: a direct call, a bare relay and lodestard, side by side in one run, as a Markdown table.

Machines differ and their neighbours come and go, so what counts is ratios: the servers are loaded in turn, round
after round, each round gives one ratio, and the table has the medians.
"""

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from tests.bench.load import Figures, LoadError, Mode
from tests.bench.processes import Server, lodestard, printing_its_port

SERVERS = ("direct", "relay", "lodestard")
CONNECTIONS = (1, 8, 32)
REST_S = 1.0
WARM_S = 0.3

MOST_ADDED = 3.0
LEAST_SHARE = 0.25
MOST_REST_MB = 70.0
MOST_READY_S = 1.0


@dataclass(frozen=True)
class Cell:
    """One row of the table: all rounds of one kind of load, by server."""

    mode: Mode
    connections: int
    rounds: tuple[dict[str, Figures], ...]

    def median(self, server: str, figure: str) -> float:
        return float(statistics.median(getattr(figures[server], figure) for figures in self.rounds))

    def per_s_share(self) -> float:
        """lodestard's requests/s as a share of the relay's."""
        return statistics.median(f["lodestard"].per_s / f["relay"].per_s for f in self.rounds)

    def added(self) -> float:
        """The p50 that lodestard adds to a direct call, in units of what the relay adds."""
        return statistics.median(_added(figures) for figures in self.rounds)


def _added(figures: dict[str, Figures]) -> float:
    relay_ms = figures["relay"].p50_ms - figures["direct"].p50_ms
    return (figures["lodestard"].p50_ms - figures["direct"].p50_ms) / max(relay_ms, 1e-6)


@dataclass(frozen=True)
class Rest:
    """lodestard before it is asked anything."""

    ready_s: float
    memory_mb: float


def main(arguments: Sequence[str]) -> int:
    options = _read(arguments)
    try:
        with ExitStack() as stack:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="lodestar-bench-")))
            upstream = stack.enter_context(printing_its_port("direct", "tests.bench.upstream"))
            relay = stack.enter_context(printing_its_port("relay", "tests.bench.relay", str(upstream.port)))
            if options.without_lodestard:
                servers, rest = [upstream, relay], None
            else:
                ours = stack.enter_context(lodestard(upstream, folder))
                time.sleep(REST_S)
                servers, rest = [upstream, relay, ours], Rest(ours.ready_s, ours.resident_mb())
            report(list(measure(servers, options)), rest)
    except LoadError as error:
        print(f"bench: {error}", file=sys.stderr)  # noqa: T201
        return 1
    return 0


def _read(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make bench-relay BENCH=", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="how often the servers take turns")
    parser.add_argument("--seconds", type=float, default=1.0, help="how long each is loaded in a turn")
    parser.add_argument("--without-lodestard", action="store_true", help="only the direct call and the relay")
    return parser.parse_args(arguments)


def measure(servers: Sequence[Server], options: argparse.Namespace) -> Iterator[Cell]:
    """Every kind of load, on the servers that it makes sense for."""
    modes: tuple[Mode, ...] = ("plain", "streamed", "cached")
    for mode in modes:
        loaded = [server for server in servers if mode != "cached" or server.name == "lodestard"]
        if not loaded:
            continue
        for server in loaded:
            server.load(8, WARM_S, mode)
        for connections in CONNECTIONS:
            yield _cell(loaded, connections, mode, options)


def _cell(servers: Sequence[Server], connections: int, mode: Mode, options: argparse.Namespace) -> Cell:
    rounds = []
    for number in range(options.rounds):
        turn = servers if number % 2 == 0 else tuple(reversed(servers))
        rounds.append({server.name: server.load(connections, options.seconds, mode) for server in turn})
    print(f"measured {mode} at {connections}", file=sys.stderr)  # noqa: T201
    return Cell(mode, connections, tuple(rounds))


def report(cells: Sequence[Cell], rest: Rest | None) -> None:
    """Print the tables: every figure, and what was expected."""
    print("\n".join([*_figures_table(cells), "", *_expectations_table(cells, rest)]))  # noqa: T201


def _figures_table(cells: Iterable[Cell]) -> Iterator[str]:
    yield "| load | connections | server | requests/s | p50 ms | p99 ms | first byte p50 ms |"
    yield "|---|---|---|---|---|---|---|"
    for cell in cells:
        for server in sorted(cell.rounds[0], key=SERVERS.index):
            yield (
                f"| {cell.mode} | {cell.connections} | {server} | {cell.median(server, 'per_s'):,.0f} "
                f"| {cell.median(server, 'p50_ms'):.3f} | {cell.median(server, 'p99_ms'):.3f} "
                f"| {cell.median(server, 'first_p50_ms'):.3f} |"
            )


def _expectations_table(cells: Sequence[Cell], rest: Rest | None) -> Iterator[str]:
    if rest is None:
        return
    by_load = {(cell.mode, cell.connections): cell for cell in cells}
    plain, at_32 = by_load["plain", 1], by_load["plain", 32]
    streamed, streamed_32 = by_load["streamed", 1], by_load["streamed", 32]
    cached = by_load["cached", 1].median("lodestard", "p50_ms") / plain.median("relay", "p50_ms")
    yield "| what | measured | expected | |"
    yield "|---|---|---|---|"
    yield _line("p50 added, plain, 1 connection (relay = 1)", plain.added(), "<=", MOST_ADDED)
    yield _line("p50 added, streamed, 1 connection (relay = 1)", streamed.added(), "<=", MOST_ADDED)
    yield _line("requests/s, plain, 32 connections (relay = 1)", at_32.per_s_share(), ">=", LEAST_SHARE)
    yield _line("requests/s, streamed, 32 connections (relay = 1)", streamed_32.per_s_share(), ">=", LEAST_SHARE)
    yield _line("cached p50, 1 connection (relay's whole p50 = 1)", cached, "<=", 1.0)
    yield _line("memory at rest, MB", rest.memory_mb, "<=", MOST_REST_MB)
    yield _line("ready after, s", rest.ready_s, "<=", MOST_READY_S)


def _line(what: str, measured: float, sense: str, expected: float) -> str:
    met = measured <= expected if sense == "<=" else measured >= expected
    return f"| {what} | {measured:.2f} | {sense} {expected:g} | {'met' if met else 'MISSED'} |"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
