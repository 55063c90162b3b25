"""What every client speaks to: a real ``lodestard`` in front of real simulator processes."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fakes.process import QUIET, Daemon, World, get, overlay, simulated

MODELS = {
    "gpt-3.5-turbo": {"route": ["gpu/deepseek-coder:6.7b"]},
    "local-llama": {"route": ["gpu/llama3.1:8b"]},
    "vision": {"route": ["gpu/moondream:1.8b"]},
    "gpt-4o-mini": {"route": ["paid/gpt-4o-mini"]},
}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Everything here runs a client program or library as it is."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.client)


@pytest.fixture(scope="session")
def world() -> Iterator[World]:
    with simulated() as world:
        yield world


@pytest.fixture(scope="session")
def house(world: World, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    """A running daemon; every test looks at its own rows only."""
    daemon = Daemon(tmp_path_factory.mktemp("clients"), overlay(overlay(world.settings(), QUIET), {"models": MODELS}))
    try:
        yield daemon.start()
        daemon.verify()
        assert sum(row["cost_nano_usd"] for row in daemon.rows(1000)) >= world.billed_nano_usd()
    finally:
        daemon.end()


@pytest.fixture
def base_url(house: Daemon) -> str:
    return f"http://127.0.0.1:{house.port}/v1"


def fail_next(world: World, *faults: str | None) -> None:
    """The provider's next requests go wrong like this."""
    answer = get(world.openai_port, "/__sim/faults", "POST", {"faults": faults})
    assert answer.status == 200, answer.body
