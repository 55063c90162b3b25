"""How it stops: what is under way ends whole, unless somebody is in a hurry."""

import os
import pty
import signal

import pytest

from tests.fakes.process import Daemon, MakeDaemon, wait_for

pytestmark = pytest.mark.daemon


def refuses(daemon: Daemon) -> bool:
    try:
        daemon.get("/health/live")
    except ConnectionRefusedError:
        return True
    return False


def test_sigterm_lets_what_is_under_way_end(make_daemon: MakeDaemon) -> None:
    daemon = make_daemon().start()
    stream = daemon.stream("slow", "tell me something long", max_tokens=50)
    stream.wait_text()
    daemon.signal(signal.SIGTERM)
    wait_for(lambda: refuses(daemon), "new connections are refused")
    assert daemon.running
    answer = stream.rest()
    assert answer.whole
    assert answer.done
    assert daemon.wait() == 0
    assert "draining: 1 requests under way" in daemon.log
    report = daemon.verify()
    assert (report["requests"], report["attempts"]) == (1, 1)


def test_a_second_sigterm_cuts_and_the_ledger_adds_up(make_daemon: MakeDaemon) -> None:
    daemon = make_daemon().start()
    stream = daemon.stream("stuck", "never mind")
    stream.wait_text()
    daemon.signal(signal.SIGTERM)
    daemon.wait_log("draining")
    daemon.signal(signal.SIGTERM)
    answer = stream.rest()
    assert not answer.whole
    assert not answer.done
    assert daemon.wait() == 0
    assert "stopping now" in daemon.log
    assert "Traceback" not in daemon.log
    report = daemon.verify()
    assert report["attempts"] == 1
    assert report["cost_nano_usd"] > 0  # nobody knows what it cost: charged at its hold


def test_sigint_stops_an_idle_daemon(make_daemon: MakeDaemon) -> None:
    daemon = make_daemon().start()
    daemon.signal(signal.SIGINT)
    assert daemon.wait() == 0


def test_a_terminal_that_is_closed_stops_what_was_started_in_it(make_daemon: MakeDaemon) -> None:
    ours, its = pty.openpty()
    daemon = make_daemon().start(stderr=its)
    os.close(its)
    daemon.signal(signal.SIGHUP)
    assert b"reload" in read_until(ours, b"reload")
    assert daemon.running
    os.close(ours)
    daemon.signal(signal.SIGHUP)
    assert daemon.wait() == 0
    daemon.verify()


def read_until(fd: int, word: bytes) -> bytes:
    text = b""
    while word not in text:
        text += os.read(fd, 4096)
    return text


def test_drain_has_a_deadline(make_daemon: MakeDaemon) -> None:
    daemon = make_daemon({"server": {"drain_s": 0.3}}).start()
    stream = daemon.stream("stuck", "never mind")
    stream.wait_text()
    done = daemon.ctl("drain")
    assert done.returncode == 0
    assert "1 request under way" in done.stdout
    assert not stream.rest().whole
    assert daemon.wait() == 0
    daemon.verify()


def test_what_began_before_a_reload_gets_its_time_too(make_daemon: MakeDaemon) -> None:
    daemon = make_daemon().start()
    stream = daemon.stream("slow", "tell me something long", max_tokens=50)
    stream.wait_text()
    assert daemon.ctl("config", "reload").returncode == 0
    daemon.signal(signal.SIGTERM)
    assert stream.rest().done
    assert daemon.wait() == 0
    report = daemon.verify()
    assert (report["requests"], report["attempts"]) == (1, 1)
