"""What every journey starts from: a house that serves, and the log that it writes."""

import logging
import re
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from lodestard.log import StderrOutlet
from tests.fakes.world import World, eventually, open_world


@pytest.fixture
async def world(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> AsyncIterator[World]:
    """A house with the usual configuration. It may warn of what a test breaks, but it never logs a defect."""
    caplog.set_level(logging.INFO)
    async with open_world(tmp_path) as opened:
        yield opened
    assert not [record.getMessage() for record in caplog.records if record.levelno >= logging.ERROR]


class Log:
    """What the house has written to its log, line by line."""

    def __init__(self, file: Path) -> None:
        self._file = file

    @property
    def text(self) -> str:
        return self._file.read_text()

    @property
    def requests(self) -> list[dict[str, str]]:
        """The figures of each request's record."""
        lines = [line for line in self.text.splitlines() if " request_id=" in line]
        return [dict(re.findall(r"(\w+)=(\S+)", line)) for line in lines]

    async def wait_requests(self, count: int) -> list[dict[str, str]]:
        await eventually(lambda: len(self.requests) >= count, f"{count} records of requests")
        return self.requests


@pytest.fixture
def log(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> Iterator[Log]:
    """The log as it leaves the process."""
    caplog.set_level(logging.INFO)
    file = tmp_path / "log.txt"
    with file.open("wb") as out:
        outlet = StderrOutlet(out.fileno())
        root = logging.getLogger()
        root.addHandler(outlet)
        yield Log(file)
        root.removeHandler(outlet)
