"""F16: a restart under load is not noticed, but for a pause."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from tests.fakes.handing_over import holding
from tests.fakes.process import QUIET, Daemon, World, environ, overlay
from tests.faults.doses import Figure, Tell, dose
from tests.faults.restarts import Load, check_books, check_load, restart_under_load

pytestmark = pytest.mark.daemon
SHORT, TABLE = 2, 10
MOST_S = 15.0
"""The longest that a client may wait, which is a start and what is left of a stream: five times what is seen."""


def figure(load: Load) -> str:
    again = load.outcomes["asked again"]
    return f"{load.answered} answers, none broken, {again} asked again, longest {load.longest_s:.2f} s"


def watch(daemon: Daemon, seed: int, start: Callable[[], object], restart: Callable[[], object]) -> Load:
    """Start ``daemon``, restart it under load and end it; all that must hold has held."""
    try:
        start()
        load = restart_under_load(daemon, seed, dose(SHORT, TABLE), restart)
        check_load(load)
        assert daemon.stop() == 0
        check_books(load, daemon)
    finally:
        daemon.end()
    assert load.longest_s < MOST_S
    return load


def test_with_socket_activation(world: World, tmp_path: Path, seed: int, tell: Tell) -> None:
    """As ``systemctl restart`` does: a SIGTERM, then another process with the same sockets."""
    with holding(tmp_path / "held.sock") as holder:
        daemon = Daemon(tmp_path, overlay(world.settings(), QUIET), port=holder.port)
        start = partial(daemon.start, env=environ(tmp_path, coverage=False), **holder.how)

        def restart() -> None:
            assert daemon.stop() == 0
            start()

        load = watch(daemon, seed, start, restart)
    tell(Figure("F16 restart, socket activation", f"{dose(SHORT, TABLE)} restarts", figure(load)))


def test_by_itself(world: World, tmp_path: Path, seed: int, tell: Tell) -> None:
    """``lodestarctl restart``: the process begins anew, with its sockets and its number."""
    daemon = Daemon(tmp_path, overlay(world.settings(), QUIET))

    def restart() -> None:
        assert daemon.ctl_json("restart")["state"] == "ready"

    load = watch(daemon, seed, partial(daemon.start, env=environ(tmp_path, coverage=False)), restart)
    tell(Figure("F16 restart, by itself", f"{dose(SHORT, TABLE)} restarts", figure(load)))
