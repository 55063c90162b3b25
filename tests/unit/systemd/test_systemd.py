"""What is said to systemd, and what is taken from it."""

import fcntl
import logging
import os
import socket
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from lodestard.systemd import (
    Notifier,
    SystemdExtraMissing,
    journal_stream_is,
    listen_fds,
    require_extra,
    service_unit,
    sockets_are_ours,
    watchdog_interval_s,
    write_listen_fds,
)


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(str(tmp_path / "notify"))
        listening.settimeout(1)
        yield listening


def stream_name(fd: int) -> str:
    stat = os.fstat(fd)
    return f"{stat.st_dev}:{stat.st_ino}"


def without_systemd_python(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "systemd", None)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda notifier: notifier.ready("two upstreams"), "READY=1\nSTATUS=two upstreams"),
        (lambda notifier: notifier.status("draining 3\nREADY=1"), "STATUS=draining 3 READY=1"),
        (lambda notifier: notifier.reloading(123_456), "RELOADING=1\nMONOTONIC_USEC=123456"),
        (lambda notifier: notifier.stopping(150), "STOPPING=1\nEXTEND_TIMEOUT_USEC=150000000"),
        (lambda notifier: notifier.watchdog(), "WATCHDOG=1"),
    ],
)
def test_each_news_is_one_message(call: Callable[[Notifier], None], message: str) -> None:
    sent: list[str] = []
    call(Notifier(sent.append))
    assert sent == [message]


def test_off_systemd_nothing_is_said() -> None:
    notifier = Notifier.from_environ({})
    notifier.ready("nobody hears it")
    assert not notifier.active


def test_a_manager_that_is_gone_stops_nothing(caplog: pytest.LogCaptureFixture) -> None:
    def refuse(message: str) -> None:
        raise ConnectionRefusedError(111, "Connection refused")

    with caplog.at_level(logging.WARNING, "lodestard"):
        Notifier(refuse).watchdog()
    assert "systemd could not be told" in caplog.text


def test_news_arrive_at_a_real_socket(manager: socket.socket, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("systemd.daemon")
    monkeypatch.setenv("NOTIFY_SOCKET", manager.getsockname())
    notifier = Notifier.from_environ(os.environ)
    assert notifier.active
    notifier.ready("up")
    assert manager.recv(4096) == b"READY=1\nSTATUS=up"


def test_news_arrive_at_an_abstract_socket(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("systemd.daemon")
    name = f"lodestar-test-{os.getpid()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(f"\0{name}")
        listening.settimeout(1)
        monkeypatch.setenv("NOTIFY_SOCKET", f"@{name}")
        Notifier.from_environ(os.environ).stopping(1.5)
        assert listening.recv(4096) == b"STOPPING=1\nEXTEND_TIMEOUT_USEC=1500000"


def test_under_systemd_the_extra_is_required(monkeypatch: pytest.MonkeyPatch) -> None:
    without_systemd_python(monkeypatch)
    with pytest.raises(SystemdExtraMissing) as missing:
        Notifier.from_environ({"NOTIFY_SOCKET": "/run/systemd/notify"})
    assert "apt-get install gcc pkg-config libsystemd-dev python3-dev" in str(missing.value)
    assert "pip install lodestard[systemd]" in str(missing.value)


def test_with_the_journal_on_stderr_the_extra_is_required(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    without_systemd_python(monkeypatch)
    with (tmp_path / "stderr").open("w") as stream:
        with pytest.raises(SystemdExtraMissing):
            require_extra({"JOURNAL_STREAM": stream_name(stream.fileno())}, stream.fileno())
        require_extra({"JOURNAL_STREAM": "8:1234"}, stream.fileno())


def test_elsewhere_the_extra_is_not_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    without_systemd_python(monkeypatch)
    require_extra({})


@pytest.mark.parametrize("text", ["", "8", "8:", "a:b", "8:1234:5"])
def test_an_odd_journal_stream_is_not_ours(text: str, tmp_path: Path) -> None:
    with (tmp_path / "stderr").open("w") as stream:
        assert not journal_stream_is(stream.fileno(), {"JOURNAL_STREAM": text})


def test_the_journal_stream_is_known_by_device_and_inode(tmp_path: Path) -> None:
    with (tmp_path / "stderr").open("w") as stream:
        assert journal_stream_is(stream.fileno(), {"JOURNAL_STREAM": stream_name(stream.fileno())})


def test_a_closed_stderr_is_no_journal_stream(tmp_path: Path) -> None:
    with (tmp_path / "stderr").open("w") as stream:
        fd, name = stream.fileno(), stream_name(stream.fileno())
    assert not journal_stream_is(fd, {"JOURNAL_STREAM": name})


@pytest.mark.parametrize(
    ("environ", "interval_s"),
    [
        ({}, None),
        ({"WATCHDOG_USEC": "30000000"}, 15.0),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": str(os.getpid())}, 15.0),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "1"}, None),
        ({"WATCHDOG_USEC": "0"}, None),
        ({"WATCHDOG_USEC": "soon"}, None),
    ],
)
def test_the_watchdog_is_fed_at_half_its_time(environ: dict[str, str], interval_s: float | None) -> None:
    assert watchdog_interval_s(environ) == interval_s


def test_no_sockets_without_systemd() -> None:
    assert listen_fds({}) == {}


def test_another_process_sockets_are_not_ours() -> None:
    environ = {"LISTEN_PID": "1", "LISTEN_FDS": "2", "LISTEN_FDNAMES": "proxy:control", "HOME": "/root"}
    assert listen_fds(environ) == {}
    assert environ == {"HOME": "/root"}


@pytest.fixture
def handed_over(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    """Three open descriptors in a row, as systemd leaves them."""
    start = 200
    with socket.socket() as original:
        fds = [os.dup2(original.fileno(), start + index, inheritable=True) for index in range(3)]
        monkeypatch.setattr("lodestard.systemd.FIRST_FD", start)
        yield fds
    for fd in fds:
        os.close(fd)


def test_sockets_come_by_name_and_close_on_exec(handed_over: list[int]) -> None:
    environ = {"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": "3", "LISTEN_FDNAMES": "proxy:control"}
    proxy, control, unnamed = handed_over
    assert listen_fds(environ) == {"proxy": [proxy], "control": [control], "unknown": [unnamed]}
    assert all(fcntl.fcntl(fd, fcntl.F_GETFD) & fcntl.FD_CLOEXEC for fd in handed_over)
    assert environ == {}


def test_two_sockets_of_one_name_stay_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lodestard.systemd.fcntl.fcntl", lambda *_: 0)
    environ = {"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": "2", "LISTEN_FDNAMES": "proxy:proxy"}
    assert listen_fds(environ) == {"proxy": [3, 4]}


@pytest.mark.parametrize("ours", [True, False])
def test_sockets_are_handed_on_as_they_came(monkeypatch: pytest.MonkeyPatch, *, ours: bool) -> None:
    monkeypatch.setattr("lodestard.systemd.fcntl.fcntl", lambda *_: 0)
    environ: dict[str, str] = {}
    write_listen_fds(environ, ["proxy", "control"], ours=ours)
    assert listen_fds(environ) == {"proxy": [3], "control": [4]}
    assert sockets_are_ours(environ) is ours
    assert environ == {}


@pytest.mark.parametrize(
    ("notify", "group", "unit"),
    [
        ("/run/systemd/notify", "0::/system.slice/lodestard.service\n", "lodestard.service"),
        ("/run/systemd/notify", "0::/user.slice/session-3.scope\n", ""),
        ("/run/systemd/notify", None, ""),
        ("", "0::/system.slice/lodestard.service\n", ""),
    ],
)
def test_the_unit_that_it_runs_as(tmp_path: Path, notify: str, group: str | None, unit: str) -> None:
    file = tmp_path / "cgroup"
    if group is not None:
        file.write_text(group)
    assert service_unit({"NOTIFY_SOCKET": notify}, file) == unit
