"""The processes of a benchmark: the canned upstream, the bare relay and lodestard, each on a port of its own."""

import http.client
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import msgspec

from tests.bench.load import MODEL, Figures, LoadError, Mode
from tests.fakes.ports import free_port

START_S = 20.0
STOP_S = 10.0
POLL_S = 0.002
KIB = 1024

CONFIG = """\
state_dir = "{folder}/state"

[server]
listen = ["127.0.0.1:{port}"]

[control]
socket = "{folder}/control.sock"

[log]
level = "{level}"

[upstreams.canned]
dialect = "openai"
url = "http://127.0.0.1:{upstream_port}/v1"
free = true
connections = 64
concurrency = 64
preopen = 2

[models.{model}]
route = ["canned/canned"]
"""


@dataclass(frozen=True)
class Server:
    """A server under load. ``ready_s`` is from its start to its first answer, where that was measured."""

    name: str
    port: int
    pid: int
    ready_s: float = 0.0

    def resident_mb(self) -> float:
        """The memory that it holds now, in MB (10⁶ bytes)."""
        lines = Path(f"/proc/{self.pid}/status").read_text().splitlines()
        kib = next(int(line.split()[1]) for line in lines if line.startswith("VmRSS:"))
        return kib * KIB / 1e6

    def load(self, connections: int, seconds: float, mode: Mode) -> Figures:
        """Load it from a process of its own. Raises ``LoadError`` where it does not answer as it should."""
        arguments = (str(self.port), str(connections), str(seconds), mode)
        done = subprocess.run(
            [sys.executable, "-m", "tests.bench.load", *arguments], capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise LoadError(f"{self.name}: {done.stderr.strip()[-2000:]}")
        return msgspec.json.decode(done.stdout, type=Figures)


@contextmanager
def printing_its_port(name: str, *arguments: str) -> Iterator[Server]:
    """``python -m`` a server that prints its port once it listens."""
    command = [sys.executable, "-m", *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=_environ()) as process:
        assert process.stdout is not None
        try:
            yield Server(name, int(process.stdout.readline()), process.pid)
        finally:
            stop(process)


@contextmanager
def lodestard(upstream: Server, folder: Path, *, level: str = "info") -> Iterator[Server]:
    """The real daemon before ``upstream``, with its ledger and its cache in ``folder``."""
    port = free_port()
    config = folder / "lodestard.toml"
    text = CONFIG.format(folder=folder, port=port, upstream_port=upstream.port, model=MODEL, level=level)
    config.write_text(text)
    log = folder / "log.txt"
    started_s = time.perf_counter()
    with log.open("wb") as output:
        command = [sys.executable, "-m", "lodestard", "--config", str(config)]
        process = subprocess.Popen(command, stdout=output, stderr=output, env=_environ())
    try:
        ready_s = _wait_ready(process, port, log) - started_s
        yield Server("lodestard", port, process.pid, ready_s)
    finally:
        stop(process)


def _wait_ready(process: subprocess.Popen[bytes], port: int, log: Path) -> float:
    deadline_s = time.perf_counter() + START_S
    while time.perf_counter() < deadline_s and process.poll() is None:
        if _answers(port):
            return time.perf_counter()
        time.sleep(POLL_S)
    raise LoadError(f"lodestard did not become ready:\n{log.read_text(errors='replace')[-4000:]}")


def _answers(port: int) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=1)
    try:
        connection.request("GET", "/health/live")
        return connection.getresponse().status == http.client.OK
    except OSError:
        return False
    finally:
        connection.close()


def stop(process: subprocess.Popen[str] | subprocess.Popen[bytes]) -> None:
    """SIGINT: at once, without a drain; then what is stronger."""
    process.send_signal(signal.SIGINT)
    try:
        process.wait(STOP_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _environ() -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE")}
    return kept | {"PYTHONUNBUFFERED": "1"}
