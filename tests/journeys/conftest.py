"""What every journey starts from: a house that serves, and the log that it writes."""

import logging
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.fakes.world import World, open_world


@pytest.fixture
async def world(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> AsyncIterator[World]:
    """A house with the usual configuration. It may warn of what a test breaks, but it never logs a defect."""
    caplog.set_level(logging.INFO)
    async with open_world(tmp_path) as opened:
        yield opened
    assert not [record.getMessage() for record in caplog.records if record.levelno >= logging.ERROR]
