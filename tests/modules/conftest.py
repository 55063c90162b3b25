"""The simulator, for the tests that leave modules out of a whole daemon."""

from collections.abc import Iterator

import pytest

from tests.fakes.process import World, simulated


@pytest.fixture(scope="session")
def world() -> Iterator[World]:
    with simulated() as world:
        yield world
