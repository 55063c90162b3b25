"""What systemd hands over and wants to hear, with a systemd that is a socket in this test."""

import json
import os
import signal
import socket
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.fakes.handing_over import holding
from tests.fakes.process import Daemon, MakeDaemon, environ, wait_for

pytestmark = pytest.mark.daemon

NOTIFY = """
import os, socket

def notify(state, *_more):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as speaker:
        speaker.sendto(state.encode(), os.environ["NOTIFY_SOCKET"])
"""
JOURNAL = """
import json, os

def send(**fields):
    with open(os.environ["TEST_JOURNAL"], "a") as journal:
        journal.write(json.dumps(fields) + "\\n")
"""


class Manager:
    """The other end of ``NOTIFY_SOCKET``."""

    def __init__(self, ear: socket.socket) -> None:
        self._ear = ear
        self.heard: list[str] = []

    def wait_for(self, line: str, *, times: int = 1) -> str:
        """The message with this line, once it has come so often."""

        def find() -> str:
            self._listen()
            found = [message for message in self.heard if line in message.split("\n")]
            return found[times - 1] if len(found) >= times else ""

        return wait_for(find, f"{line} (heard: {self.heard})")

    def _listen(self) -> None:
        try:
            while True:
                self.heard.append(self._ear.recv(4096).decode())
        except BlockingIOError:
            return


@contextmanager
def managing(folder: Path) -> Iterator[Manager]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as ear:
        ear.bind(str(folder / "notify"))
        ear.setblocking(False)
        yield Manager(ear)


def write_package(folder: Path, **files: str) -> Path:
    """A package ``systemd`` that comes before any that is installed."""
    package = folder / "python" / "systemd"
    package.mkdir(parents=True)
    for name, text in files.items():
        (package / f"{name}.py").write_text(text)
    return package.parent


def service_environ(daemon: Daemon, more: Mapping[str, str]) -> dict[str, str]:
    path = write_package(daemon.folder, __init__="", daemon=NOTIFY, journal=JOURNAL)
    return environ(daemon.folder, {"PYTHONPATH": str(path), **more})


def test_it_tells_how_it_is_from_start_to_stop(make_daemon: MakeDaemon) -> None:
    daemon = make_daemon()
    env = service_environ(daemon, {"NOTIFY_SOCKET": str(daemon.folder / "notify"), "WATCHDOG_USEC": "200000"})
    with managing(daemon.folder) as manager:
        daemon.start(env=env)
        ready = manager.wait_for("READY=1")
        assert f"STATUS=serving on 127.0.0.1:{daemon.port}" in ready
        manager.wait_for("WATCHDOG=1", times=3)

        began_usec = time.monotonic_ns() // 1000
        daemon.write({"log": {"level": "debug"}})
        daemon.signal(signal.SIGHUP)
        reloading = manager.wait_for("RELOADING=1")
        assert int(reloading.split("MONOTONIC_USEC=")[1]) >= began_usec
        assert "1 values changed" in manager.wait_for("READY=1", times=2)

        daemon.config.write_text("[server]\nlisten = 3\n")
        daemon.signal(signal.SIGHUP)
        assert "the old configuration serves" in manager.wait_for("READY=1", times=3)

        daemon.signal(signal.SIGTERM)
        manager.wait_for("STOPPING=1")
        manager.wait_for("STATUS=draining")
        assert daemon.wait() == 0


def test_the_log_goes_to_the_journal_with_its_fields(make_daemon: MakeDaemon) -> None:
    daemon = make_daemon()
    journal = daemon.folder / "journal"
    daemon.log_file.touch()
    stderr = daemon.log_file.stat()
    stream = f"{stderr.st_dev}:{stderr.st_ino}"
    daemon.start(env=service_environ(daemon, {"JOURNAL_STREAM": stream, "TEST_JOURNAL": str(journal)}))
    daemon.ask("auto")

    def find() -> dict[str, str]:
        records = [json.loads(line) for line in journal.read_text().splitlines()]
        return next((record for record in records if "LODESTAR_REQUEST_ID" in record), {})

    record = wait_for(find, "the request in the journal")
    assert record["LODESTAR_MODEL"] == "gpu/llama3.1:8b"
    assert record["PRIORITY"] == "6"
    assert daemon.stop() == 0
    assert daemon.log == ""


@pytest.mark.parametrize("variable", ["NOTIFY_SOCKET", "JOURNAL_STREAM"])
def test_without_the_python_package_it_says_what_to_install(make_daemon: MakeDaemon, variable: str) -> None:
    daemon = make_daemon()
    path = write_package(daemon.folder, __init__="raise ImportError('not here')")
    daemon.log_file.touch()
    stderr = daemon.log_file.stat()
    value = {"NOTIFY_SOCKET": "/nowhere", "JOURNAL_STREAM": f"{stderr.st_dev}:{stderr.st_ino}"}[variable]
    daemon.spawn(env=environ(daemon.folder, {"PYTHONPATH": str(path), variable: value}))
    assert daemon.wait() == 78
    assert "apt-get install" in daemon.log
    assert "libsystemd-dev" in daemon.log
    assert "Traceback" not in daemon.log


def test_it_serves_the_sockets_that_it_was_handed(make_daemon: MakeDaemon) -> None:
    daemon = make_daemon()
    handed, configured = daemon.folder / "handed.sock", daemon.port
    with holding(handed) as holder:
        daemon.port = holder.port
        daemon.start(**holder.how)
    assert daemon.ask("auto").status == 200
    assert not daemon.socket.exists()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", configured)).close()
    done = daemon.ctl("--socket", str(handed), "--json", "status")
    assert done.returncode == 0, done.stderr
    addresses = [listener["address"] for listener in json.loads(done.stdout)["data"]["listeners"]]
    assert f"127.0.0.1:{daemon.port}" in addresses
    assert daemon.stop() == 0
    assert handed.exists()  # it is the service manager's


def test_sockets_for_another_process_are_left_alone(make_daemon: MakeDaemon) -> None:
    daemon = make_daemon()
    handed = {"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": "2", "LISTEN_FDNAMES": "proxy:control"}
    daemon.start(env=environ(daemon.folder, handed))
    assert daemon.socket.exists()
    assert daemon.stop() == 0
