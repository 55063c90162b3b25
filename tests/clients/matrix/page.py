"""Writes docs/compatibility.md: ``python -m tests.clients.matrix.page``; with ``--check`` it only compares."""

import sys
from collections.abc import Iterator, Sequence
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path

import pytest

from tests.clients.matrix.cells import DIALECTS, FEATURES, IMPOSSIBLE, UPSTREAMS, Cell, read_cells

PAGE = Path(__file__).parents[3] / "docs" / "compatibility.md"
CLIENTS = Path(__file__).parents[1]

HEAD = """# Which client works over which upstream

Every client of the left column can speak to every upstream of the top row: Lodestar reads the client's dialect into
one intermediate form and writes the upstream's. Where both sides speak the same dialect, the bytes pass, and only
what must change is changed. What a dialect can't carry is refused with a clear error, or dropped and named in the
header `x-lodestar-dropped` and in `lodestarctl explain ID`; never silently.

A cell names the real clients that have shown it, in tests that run with every change against a real daemon and
simulated upstreams (no paid provider and no GPU is asked; the simulators are written apart from the translators).
What no test shows is `untested`: it may work. This page is written from the tests by `make docs-compatibility`.
"""


class Collector:
    """A pytest plugin that only looks."""

    def __init__(self) -> None:
        self.cells: list[Cell] = []

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        self.cells = list(read_cells(session.items))


def collect() -> Sequence[Cell]:
    """The cells that the tests of clients prove."""
    collector = Collector()
    arguments = ["--collect-only", "-qq", "-p", "no:cacheprovider", str(CLIENTS)]
    with redirect_stdout(StringIO()):
        code = pytest.main(arguments, plugins=[collector])
    if code != pytest.ExitCode.OK:
        raise SystemExit(f"the tests can't be collected ({code!r})")
    return collector.cells


def write(cells: Sequence[Cell]) -> str:
    """The page."""
    known = {cell.dialect for cell in cells}
    sections = [section(dialect, [cell for cell in cells if cell.dialect == dialect]) for dialect in DIALECTS]
    assert known <= DIALECTS.keys(), known
    return "\n".join([HEAD, *filter(None, sections)])


def section(dialect: str, cells: Sequence[Cell]) -> str:
    """One dialect of clients; nothing where no test speaks it."""
    if not cells:
        return ""
    features = [feature for feature in FEATURES if any(cell.feature == feature for cell in cells)]
    titles = " | ".join(UPSTREAMS.values())
    lines = [f"## {DIALECTS[dialect]}", "", f"| | {titles} |", "|---" * (len(UPSTREAMS) + 1) + "|"]
    lines += [f"| {FEATURES[feature]} | {' | '.join(row(dialect, feature, cells))} |" for feature in features]
    return "\n".join([*lines, ""])


def row(dialect: str, feature: str, cells: Sequence[Cell]) -> Iterator[str]:
    for upstream in UPSTREAMS:
        clients = sorted({cell.client for cell in cells if (cell.feature, cell.upstream) == (feature, upstream)})
        reason = IMPOSSIBLE.get((dialect, feature, upstream))
        yield ", ".join(clients) if clients else reason or "untested"


def main(arguments: Sequence[str]) -> int:
    text = write(collect())
    if "--check" in arguments:
        return int(not PAGE.exists() or PAGE.read_text() != text)
    PAGE.write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
