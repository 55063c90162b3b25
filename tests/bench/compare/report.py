"""A run as Markdown: the targets, a table for each case, and what one must know to read them. Pure."""

from collections.abc import Iterator

from tests.bench.compare import targets
from tests.bench.compare.cases import US
from tests.bench.compare.notes import NOTES
from tests.bench.compare.results import About, Results, Row, median

NOTHING = "-"
STREAM_CASES = ("paced", "long")


def report(results: Results) -> str:
    """The whole report, without a title."""
    return "\n".join([*_head(results), *_targets(results), *_servers(results), *_cases(results), *_notes()]) + "\n"


def _head(results: Results) -> Iterator[str]:
    versions = ", ".join(f"{name} {version}" for name, version in results.versions.items())
    yield f"Measured {results.date} on {results.machine}; {results.rounds} rounds of {results.seconds} s."
    load = f"{results.load_before:.2f} before and {results.load_after:.2f} after"
    yield f"The machine's load average was {load}; its host took {results.steal_percent:.1f} % of its CPU for others."
    yield f"Versions: {versions}."
    yield ""


def _targets(results: Results) -> Iterator[str]:
    yield "## Targets"
    yield ""
    yield "| what | measured | spread | wanted | |"
    yield "|---|--:|--:|--:|---|"
    yield from map(str, targets.lines(results))
    yield ""


def _servers(results: Results) -> Iterator[str]:
    yield "## At rest"
    yield ""
    yield "| server | ready after, s | memory at rest, MB | at the most, MB | an idle connection, KiB |"
    yield "|---|--:|--:|--:|--:|"
    for server in results.servers:
        yield _server(server)
    yield ""


def _server(server: About) -> str:
    if server.missing:
        return f"| {server.name} | left out: {server.missing} | | | |"
    ready = f"{median(server.ready_s):.2f}" if server.ready_s else NOTHING
    figures = (_figure(server.rest_mb, 1), _figure(server.peak_mb, 1), _figure(server.idle_kib, 1))
    return f"| {server.name} | {ready} | {' | '.join(figures)} |"


def _cases(results: Results) -> Iterator[str]:
    titles = dict.fromkeys((row.case, row.title) for row in results.rows)
    for case, title in titles:
        rows = [row for row in results.rows if row.case == case]
        late = "late " if case in STREAM_CASES else ""
        yield f"## {title}"
        yield ""
        times = f"{late}p50, ms | {late}p99, ms"
        yield f"| connections | server | {rows[0].unit} | spread | Lodestar is | {times} | CPU, µs |"
        yield "|--:|---|--:|--:|--:|--:|--:|--:|"
        for row in rows:
            yield from _row(row)
        yield ""


def _row(row: Row) -> Iterator[str]:
    for label in row.labels():
        rates = row.values(label, "per_s")
        cells = [f"{median(rates):,.0f}", f"{min(rates):,.0f} … {max(rates):,.0f}", _lodestar_is(row, label)]
        cells += [_time(row.values(label, name)) for name in ("p50_ms", "p99_ms")]
        cpu = row.values(label, "cpu_us")
        cells.append(_figure(median(cpu), 1) if cpu else NOTHING)
        yield f"| {row.connections} | {label}{_remark(row, label)} | {' | '.join(cells)} |"
    for label, why in row.failed.items():
        yield f"| {row.connections} | {label} | failed: {_cell(why)} | | | | | |"


def _remark(row: Row, label: str) -> str:
    unfinished = max(row.values(label, "unfinished"))
    words = [f"{unfinished:.0f} of {row.connections} not whole in time"] if unfinished else []
    if len(row.values(label, "per_s")) < len(row.rounds):
        words.append("1 round")
    return f" ({', '.join(words)})" if words else ""


def _lodestar_is(row: Row, label: str) -> str:
    ratios = row.ratio(lambda shots: shots[US].per_s / shots[label].per_s)
    return f"{median(ratios):.3g}x" if ratios else NOTHING


def _time(values: list[float]) -> str:
    return NOTHING if not values or min(values) < 0 else f"{median(values):.3f}"


def _figure(value: float | None, digits: int) -> str:
    return NOTHING if value is None else f"{value:,.{digits}f}"


def _cell(words: str) -> str:
    return " ".join(words.split())[:120].replace("|", "/")


def _notes() -> Iterator[str]:
    yield "## How it was measured"
    yield ""
    yield NOTES.rstrip()
