"""The table that the fault tests end with: fault, dose, whether it held, and a figure. Seeds too."""

import logging
import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from io import StringIO
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.canaries import CLIENT_KEY, require_none, search, with_canary
from tests.fakes.process import SENT_ALONG, World, simulated
from tests.fakes.world import Talk
from tests.faults.doses import Figure, Tell, draw_seed

_PROPERTY = "fault"


@pytest.fixture
def seed(record_property: Any) -> int:
    """This test's seed, told in the table and in the report of a failure."""
    drawn = draw_seed()
    record_property("seed", drawn)
    print(f"LODESTAR_SEED={drawn}")  # noqa: T201  shown where the test fails
    return drawn


@pytest.fixture(scope="session")
def world() -> Iterator[World]:
    """The simulators as processes, for those who need no meter of their own."""
    with simulated() as world:
        yield world


@pytest.fixture
def tell(record_property: Any) -> Tell:
    """Puts a row into the table. The last word of a test is whether it held."""

    def put(figure: Figure) -> None:
        record_property(_PROPERTY, figure)

    return put


@pytest.fixture(autouse=True)
def no_canary_escapes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """I9, whatever a test does: every client sends a key that opens nothing, and no key is in what is left behind.

    Answers are looked at by whoever reads them.
    """
    send = Talk.send

    async def send_with_key(
        self: Talk, method: str, path: str, body: object = None, headers: Mapping[str, str] | None = None
    ) -> None:
        await send(self, method, path, body, with_canary(dict(headers or {})))

    monkeypatch.setattr(Talk, "send", send_with_key)
    monkeypatch.setitem(SENT_ALONG, "x-api-key", CLIENT_KEY)
    with captured_log() as log:
        yield
    require_none(log.getvalue().encode(errors="replace"), "the log")
    search(tmp_path)


@contextmanager
def captured_log() -> Iterator[StringIO]:
    """What the house logs from here on, down to the finest."""
    text, logger = StringIO(), logging.getLogger("lodestard")
    handler = logging.StreamHandler(text)
    level = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.DEBUG)
    try:
        yield text
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)


@pytest.fixture
def ram_path(tmp_path: Path) -> Iterator[Path]:
    """A folder in memory, where there is one: for files that are synced often and need not outlive the machine."""
    memory = "/dev/shm"
    if not os.access(memory, os.W_OK):
        yield tmp_path
        return
    with tempfile.TemporaryDirectory(dir=memory) as folder:
        yield Path(folder)
        search(Path(folder))


def pytest_terminal_summary(terminalreporter: Any) -> None:
    rows = [row for held in ("passed", "failed") for row in _rows(terminalreporter.stats.get(held, ()), held)]
    if not rows:
        return
    terminalreporter.write_sep("-", "faults")
    rows = [("fault", "dose", "held", "figure"), *sorted(rows)]
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    for row in rows:
        cells = [cell.ljust(width) for cell, width in zip(row, [*widths, 0], strict=True)]
        terminalreporter.write_line("  ".join(cells).rstrip())


def _rows(reports: Any, held: str) -> list[tuple[str, str, str, str]]:
    rows: list[tuple[str, str, str, str]] = []
    for report in reports:
        told = getattr(report, "user_properties", ())
        seeds = [f"; seed {value}" for name, value in told if name == "seed"]
        figures = [value for name, value in told if name == _PROPERTY]
        if held == "failed" and not figures and "/faults/" in report.nodeid:
            figures = [Figure(report.nodeid.rpartition("::")[2], "-", "failed")]
        yes = "yes" if held == "passed" else "NO"
        rows += [(each.fault, each.dose, yes, each.figure + "".join(seeds)) for each in figures]
    return rows
