"""Restarts that do lose something; the load must notice each."""

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.fakes.handing_over import Holder, holding
from tests.fakes.process import QUIET, Daemon, Overlay, World, environ, overlay
from tests.faults.planted import rude_drain
from tests.faults.restarts import Load, check_load, restart_under_load

pytestmark = pytest.mark.daemon
RESTARTS = 2
SEED = 4


def restart_badly(world: World, folder: Path, more: Overlay, begin: Callable[[Daemon, Holder], None]) -> Load:
    """Load over restarts where ``begin`` starts each process."""
    with holding(folder / "held.sock") as holder:
        daemon = Daemon(folder, overlay(overlay(world.settings(), QUIET), more), port=holder.port)

        def restart() -> None:
            daemon.stop()
            begin(daemon, holder)

        try:
            begin(daemon, holder)
            return restart_under_load(daemon, SEED, RESTARTS, restart)
        finally:
            daemon.end()


def test_streams_that_are_cut(world: World, tmp_path: Path) -> None:
    def begin(daemon: Daemon, holder: Holder) -> None:
        daemon.start(env=environ(tmp_path, coverage=False), **holder.how)

    load = restart_badly(world, tmp_path, {"server": {"drain_s": 0.01}}, begin)
    with pytest.raises(AssertionError, match=r"broken|status 5"):
        check_load(load)


def test_sockets_that_are_closed_in_between(world: World, tmp_path: Path) -> None:
    def begin(daemon: Daemon, holder: Holder) -> None:
        holder.sockets["proxy"].close()
        daemon.start(env=environ(tmp_path, coverage=False))

    load = restart_badly(world, tmp_path, {}, begin)
    with pytest.raises(AssertionError, match="not connected"):
        check_load(load)


def test_waiting_connections_that_are_reset(world: World, tmp_path: Path) -> None:
    def begin(daemon: Daemon, holder: Holder) -> None:
        how = holder.how
        how["wrap"] += [sys.executable, rude_drain.__file__]
        daemon.start(env=environ(tmp_path, coverage=False), **how)

    load = restart_badly(world, tmp_path, {}, begin)
    with pytest.raises(AssertionError, match="ConnectionResetError"):
        check_load(load)
