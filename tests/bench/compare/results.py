"""What a run found, as it is kept in a file and as the report reads it."""

import statistics
from collections.abc import Callable
from pathlib import Path

import msgspec


class Shot(msgspec.Struct, frozen=True):
    """One load of one server. ``cpu_us`` is the server's CPU time for each answer (or event), all its processes.

    ``unfinished`` are streams that were not whole when the loader's patience ended.
    """

    per_s: float
    p50_ms: float
    p99_ms: float
    cpu_us: float | None = None
    first_ms: float | None = None
    unfinished: int = 0


class Row(msgspec.Struct, frozen=True):
    """One case at one number of connections: its rounds, each by label. ``failed`` says why a label has no shots."""

    case: str
    title: str
    unit: str
    connections: int
    rounds: list[dict[str, Shot]]
    failed: dict[str, str]

    def labels(self) -> list[str]:
        found: dict[str, None] = {}
        for shots in self.rounds:
            found |= dict.fromkeys(shots)
        return list(found)

    def values(self, label: str, figure: str) -> list[float]:
        found = (getattr(shots[label], figure) for shots in self.rounds if label in shots)
        return [value for value in found if value is not None]

    def ratio(self, figure: Callable[[dict[str, Shot]], float | None]) -> list[float]:
        """A figure of each round in which all that it needs took part: a pair, measured within seconds."""
        found = []
        for shots in self.rounds:
            try:
                value = figure(shots)
            except KeyError:
                continue
            if value is not None:
                found.append(value)
        return found


class About(msgspec.Struct, frozen=True):
    """A server apart from its loads. What isn't known is None."""

    name: str
    ready_s: list[float] = []
    rest_mb: float | None = None
    peak_mb: float | None = None
    idle_kib: float | None = None
    missing: str = ""


class Growth(msgspec.Struct, frozen=True):
    """What a request costs with a full store, as a multiple of the same with an empty one: each round's ratio."""

    what: str
    size: str
    ratios: list[float]


class Results(msgspec.Struct, frozen=True):
    """A whole run. ``load_before`` is the machine's load average over a minute before the first server."""

    date: str
    machine: str
    load_before: float
    load_after: float
    steal_percent: float
    seconds: int
    rounds: int
    versions: dict[str, str]
    servers: list[About]
    rows: list[Row]
    growth: list[Growth] = []

    def row(self, case: str, connections: int) -> Row | None:
        return next((row for row in self.rows if row.case == case and row.connections == connections), None)

    def about(self, name: str) -> About | None:
        return next((server for server in self.servers if server.name == name and not server.missing), None)


def median(values: list[float]) -> float:
    return float(statistics.median(values))


def write(path: Path, results: Results) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(msgspec.json.format(msgspec.json.encode(results)))


def read(path: Path) -> Results:
    """Raises ``OSError`` where there is none, ``msgspec.ValidationError`` where it is another version's."""
    return msgspec.json.decode(path.read_bytes(), type=Results)
