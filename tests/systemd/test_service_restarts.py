"""Restarts that nobody notices: systemd restarts the daemon while clients ask, stream and wait (F16).

The price is told too: how long the longest wait of a new connection was.
"""

import pytest

from tests.systemd.debian import Debian
from tests.systemd.load import Crowd, Seen, load
from tests.systemd.service import CONFIG, PACED, UNIT, ctl, messages, shown, start

pytestmark = pytest.mark.systemd

RESTARTS = 20
CROWD = Crowd(until="/run/enough", streamed="slow")


@pytest.fixture(scope="module", autouse=True)
def served(debian: Debian) -> None:
    debian.write(CONFIG, PACED)
    start(debian)


def drains(debian: Debian) -> list[str]:
    """What the daemon said of each drain: for how long at the most."""
    return [text.rpartition("at most ")[2] for text in messages(debian) if text.startswith("draining: ")]


def tell(what: str, seen: Seen) -> None:
    print(f"{what}: longest wait of a new connection {seen.longest_wait_s} s, {seen}")  # noqa: T201


@pytest.mark.parametrize("command", ["restart", "try-restart"])
def test_a_restart_drains_for_as_long_as_a_restart_may(debian: Debian, command: str) -> None:
    before, pid = len(drains(debian)), shown(debian, "MainPID")
    debian.run("systemctl", command, UNIT)
    assert shown(debian, "MainPID") != pid
    assert drains(debian)[before:] == ["5 s"]


def test_it_does_so_without_a_bus(debian: Debian) -> None:
    before = len(drains(debian))
    debian.run("systemctl", "stop", "dbus.socket", "dbus.service")
    debian.run("systemctl", "restart", UNIT)
    debian.run("systemctl", "start", "dbus.socket")
    assert drains(debian)[before:] == ["5 s"]


def test_a_stop_drains_for_as_long_as_a_stop_may(debian: Debian) -> None:
    before = len(drains(debian))
    debian.run("systemctl", "stop", UNIT)
    assert shown(debian, "Result") == "success"
    start(debian)
    assert drains(debian)[before:] == ["60 s"]


def test_a_reload_by_any_name_is_no_restart(debian: Debian) -> None:
    before, pid = len(drains(debian)), shown(debian, "MainPID")
    for command in ("reload-or-restart", "try-reload-or-restart"):
        debian.run("systemctl", command, UNIT)
    assert drains(debian)[before:] == []
    assert shown(debian, "MainPID") == pid


def test_restarts_under_load_lose_no_request_and_break_no_stream(debian: Debian) -> None:
    pids = set()
    with load(debian, CROWD) as seen:
        for _ in range(RESTARTS):
            debian.run("systemctl", "restart", UNIT)
            pids.add(shown(debian, "MainPID"))
    tell(f"{RESTARTS} restarts", seen)
    assert len(pids) == RESTARTS
    assert (seen.failed, seen.broken) == ([], [])
    assert seen.answered > 5 * RESTARTS
    assert seen.streamed > RESTARTS / 2
    assert seen.longest_wait_s < 60
    assert ctl(debian, "ledger", "verify")["ok"]


def test_a_long_answer_ends_before_the_new_one_begins(debian: Debian) -> None:
    crowd = Crowd(until="/run/enough", streams=1, streamed="paced", stream_tokens=2)
    with load(debian, crowd) as seen:
        debian.wait_until(lambda: ctl(debian, "status")["exchanges"] > 0, "the stream")
        debian.run("systemctl", "restart", UNIT)
    tell("a restart with a long stream", seen)
    assert (seen.failed, seen.broken) == ([], [])
    assert seen.stream_s > 2


def test_a_drain_that_is_longer_than_the_unit_has_time_for_is_heeded(debian: Debian) -> None:
    debian.write(f"/run/systemd/system/{UNIT}.d/test.conf", "[Service]\nTimeoutStopSec=1\n")
    debian.run("systemctl", "daemon-reload")
    crowd = Crowd(until="/run/enough", short=0, kept=0, streams=1, streamed="paced", stream_tokens=2)
    with load(debian, crowd) as seen:
        debian.wait_until(lambda: ctl(debian, "status")["exchanges"] > 0, "the stream")
        debian.run("touch", crowd.until)
        debian.run("systemctl", "stop", UNIT)
        assert shown(debian, "Result") == "success"
    assert (seen.streamed, seen.broken) == (1, [])
    debian.run("rm", f"/run/systemd/system/{UNIT}.d/test.conf")
    debian.run("systemctl", "daemon-reload")
    start(debian)


def test_what_does_not_end_in_time_holds_up_new_clients_no_longer_than_that(debian: Debian) -> None:
    crowd = Crowd(until="/run/enough", kept=0, streams=1, streamed="stuck")
    with load(debian, crowd) as seen:
        debian.wait_until(lambda: ctl(debian, "status")["exchanges"] > 0, "the stream that never ends")
        debian.run("systemctl", "restart", UNIT)
    tell("a restart with a stream that never ends", seen)
    assert seen.failed == []
    assert seen.broken != []
    assert 5 <= seen.longest_wait_s < 60
