"""Simulators on memory streams, with a wall clock that stands still."""

from collections.abc import Awaitable, Callable

import pytest
import trio

from lodestard.simulator.server import Simulator
from tests.fakes.sim_client import SimClient

WALL_NS = 1_795_168_800_123_456_000  # 2026-11-20T10:00:00.123456Z

Connect = Callable[[Simulator], Awaitable[SimClient]]


@pytest.fixture
def wall_ns() -> Callable[[], int]:
    return lambda: WALL_NS


@pytest.fixture
def connect(nursery: trio.Nursery) -> Connect:
    """A new connection to a simulator, served in the test's nursery."""

    async def open_client(simulator: Simulator) -> SimClient:
        return SimClient(await simulator.opener(nursery)())

    return open_client
