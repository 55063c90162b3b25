"""What Lodestar set itself, and by how much it was met or missed. Pure.

Ratios are made within a round, of servers that were loaded one after the other, and the median of them counts.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from tests.bench.compare.cases import DIRECT, NGINX, RELAY, STREAMS, US
from tests.bench.compare.results import Results, Shot, median

LEAST_TIMES = {"litellm": 60.0, "portkey": 8.0, NGINX: 0.1}
MOST_ADDED_P50, MOST_ADDED_P99, DREAM = 2.0, 5.0, 1.3
MOST_STREAMS = 1.6
LEAST_LONG = 0.25
MOST_REST_MB, MOST_IDLE_KIB, MOST_READY_S = 60.0, 14.0, 0.6
MOST_GROWTH = 1.10
LEAST_MS = 1e-3


@dataclass(frozen=True)
class Line:
    """One target. ``values`` are the rounds'; none where it was not measured."""

    what: str
    values: list[float]
    at_most: bool
    wanted: float
    unit: str = ""

    def __str__(self) -> str:
        sense = "<=" if self.at_most else ">="
        wanted = f"{sense} {self.wanted:g}{self.unit}"
        if not self.values:
            return f"| {self.what} | - | - | {wanted} | not measured |"
        measured = median(self.values)
        spread = f"{min(self.values):.3g} … {max(self.values):.3g}"
        return f"| {self.what} | {measured:.3g}{self.unit} | {spread} | {wanted} | {self.verdict(measured)} |"

    def verdict(self, measured: float) -> str:
        """Met or missed, and how far it is from the target."""
        met = measured <= self.wanted if self.at_most else measured >= self.wanted
        if measured <= 0:
            return "met" if met else "MISSED"
        better = self.wanted / measured if self.at_most else measured / self.wanted
        return (
            f"met, with {better:.2f}x in hand"
            if met
            else f"MISSED: {1 / better:.2f}x too {'much' if self.at_most else 'little'}"
        )


def lines(results: Results) -> Iterator[Line]:
    """Every target, in the order of the issue that set them."""
    for server, wanted in LEAST_TIMES.items():
        values = _ratios(results, "plain-1k", 32, _share_of(server, "per_s"))
        yield Line(f"requests/s, 32 connections ({server} = 1)", values, at_most=False, wanted=wanted, unit="x")
    for figure, wanted in (("p50_ms", MOST_ADDED_P50), ("p99_ms", MOST_ADDED_P99)):
        values = _ratios(results, "latency", 1, _added(figure))
        yield Line(f"{figure[:3]} added, 1 connection, fixed rate (the relay's = 1)", values, True, wanted, "x")
        values = _ratios(results, "plain-1k", 1, _added(figure))
        yield Line(f"{figure[:3]} added, 1 connection, closed loop (the relay's = 1)", values, True, wanted, "x")
    values = _ratios(results, "cached", 1, _share_of(RELAY, "p50_ms"))
    yield Line("cached p50, 1 connection (the relay's whole p50 = 1)", values, True, 1.0, "x")
    for figure, name in (("cpu_us", "CPU"), ("p99_ms", "p99")):
        values = _ratios(results, "paced", STREAMS, _share_of(RELAY, figure))
        yield Line(
            f"{STREAMS} streams at 50 events/s: {name} of an event (the relay's = 1)", values, True, MOST_STREAMS, "x"
        )
    values = _ratios(results, "long", 1, _share_of(NGINX, "per_s"))
    yield Line("one stream of 64-byte events (nginx's rate = 1)", values, at_most=False, wanted=LEAST_LONG, unit="x")
    yield from _of_itself(results)


def _of_itself(results: Results) -> Iterator[Line]:
    about = results.about(US)
    rest = [] if about is None or about.rest_mb is None else [about.rest_mb]
    idle = [] if about is None or about.idle_kib is None else [about.idle_kib]
    yield Line("memory at rest", rest, True, MOST_REST_MB, " MB")
    yield Line("memory of an idle connection", idle, True, MOST_IDLE_KIB, " KiB")
    yield Line("ready after", [] if about is None else about.ready_s, True, MOST_READY_S, " s")
    for growth in results.growth:
        yield Line(f"{growth.what}, {growth.size} (empty = 1)", growth.ratios, True, MOST_GROWTH, "x")


def _ratios(
    results: Results, case: str, connections: int, figure: Callable[[dict[str, Shot]], float | None]
) -> list[float]:
    row = results.row(case, connections)
    return [] if row is None else row.ratio(figure)


def _share_of(server: str, figure: str) -> Callable[[dict[str, Shot]], float | None]:
    def share(shots: dict[str, Shot]) -> float | None:
        ours, theirs = getattr(shots[US], figure), getattr(shots[server], figure)
        return ours / theirs if ours is not None and theirs else None

    return share


def _added(figure: str) -> Callable[[dict[str, Shot]], float | None]:
    def added(shots: dict[str, Shot]) -> float | None:
        direct, relay, ours = (getattr(shots[server], figure) for server in (DIRECT, RELAY, US))
        # Where the machine was busier while the upstream was asked, the relay seems to add nothing: no ratio then.
        return float((ours - direct) / (relay - direct)) if relay - direct > LEAST_MS else None

    return added
