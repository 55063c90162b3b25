"""What a daemon at rest has never loaded and never looked up, after its start, its first answer and its first probes.

It takes no times: a library that is not there costs none. Libraries come in through other libraries, so the process
itself is asked, by a hook of Python's own that its start is handed.
"""

import ipaddress
from pathlib import Path

import pytest

from tests.fakes.process import Daemon, MakeDaemon, environ, wait_for

pytestmark = pytest.mark.daemon

NEVER_AT_REST = {
    "anyio",
    "asyncio",
    "certifi",
    "click",
    "backports",
    "genai_prices",
    "h11",
    "http.server",
    "httpcore",
    "httpx",
    "importlib.metadata",
    "lodestard.modules.alerts.channels",
    "lodestard.modules.eval_idle.loop",
    "lodestard.modules.reconcile.loop",
    "lodestard.offline",
    "lodestard.simulator",
    "multiprocessing",
    "prometheus_client",
    "pydantic",
    "pygments",
    "rich",
    "smtplib",
    "unittest",
    "urllib.request",
    "zipfile",
}

RECORDER = """
import os, sys

record = os.open({file!r}, os.O_WRONLY | os.O_APPEND | os.O_CREAT)

def hear(event, arguments):
    if event in ("import", "socket.getaddrinfo", "socket.gethostbyname"):
        os.write(record, f"{{event}} {{arguments[0]}}\\n".encode())

sys.addaudithook(hear)
"""


def start_recorded(daemon: Daemon) -> Path:
    """The daemon, started; the file gets a line for each import and each look-up of a name."""
    hooks = daemon.folder / "hooks"
    hooks.mkdir()
    file = daemon.folder / "heard"
    (hooks / "sitecustomize.py").write_text(RECORDER.format(file=str(file)))
    daemon.start(env=environ(daemon.folder, {"PYTHONPATH": str(hooks)}, coverage=False))
    return file


def heard(file: Path, event: str) -> set[str]:
    lines = [line.split(" ", 1) for line in file.read_text().splitlines()]
    return {said for kind, said in lines if kind == event}


def probed(daemon: Daemon) -> bool:
    states = {upstream["name"]: upstream["state"] for upstream in daemon.ctl_json("status")["upstreams"]}
    return (states["gpu"], states["paid"]) == ("up", "up")


def test_what_is_never_loaded_or_looked_up_until_somebody_needs_it(make_daemon: MakeDaemon) -> None:
    daemon = make_daemon()
    file = start_recorded(daemon)
    assert daemon.ask("auto").status == 200
    assert daemon.ask("paid").status == 200
    wait_for(lambda: probed(daemon), "upstreams of both kinds were probed")

    loaded = heard(file, "import")
    assert {"trio", "apsw", "lodestard.daemon", "lodestard.modules.metrics.loop"} <= loaded
    assert loaded & NEVER_AT_REST == set()
    looked_up = heard(file, "socket.getaddrinfo") | heard(file, "socket.gethostbyname")
    assert looked_up
    for host in looked_up:
        ipaddress.ip_address(host)


def test_what_is_loaded_once_it_is_needed(make_daemon: MakeDaemon) -> None:
    daemon = make_daemon()
    file = start_recorded(daemon)
    assert b"lodestar_requests" in daemon.get("/metrics").body
    assert "prometheus_client" in heard(file, "import")
