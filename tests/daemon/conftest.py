"""The simulator once, a daemon for each file that does not end it, and others on request."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fakes.process import QUIET, Daemon, MakeDaemon, Overlay, World, overlay, simulated


@pytest.fixture(scope="session")
def world() -> Iterator[World]:
    with simulated() as world:
        yield world


@pytest.fixture(scope="module")
def house(world: World, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    """A running daemon that a file's tests share."""
    daemon = Daemon(tmp_path_factory.mktemp("d"), overlay(world.settings(), QUIET))
    try:
        yield daemon.start()
    finally:
        daemon.end()


@pytest.fixture
def make_daemon(world: World, tmp_path_factory: pytest.TempPathFactory) -> Iterator[MakeDaemon]:
    """Makes daemons that are not started yet, each in a folder of its own, and ends them all."""
    made: list[Daemon] = []

    def make(more: Overlay | None = None, *, alone: bool = False, folder: Path | None = None) -> Daemon:
        base = {} if alone else overlay(world.settings(), QUIET)
        made.append(Daemon(folder or tmp_path_factory.mktemp("d"), overlay(base, more or {})))
        return made[-1]

    yield make
    for daemon in made:
        daemon.end()
