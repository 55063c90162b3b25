"""A server of the comparison: started as a process of its own, ready when its first answer is right."""

import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from tests.bench.compare import kit, procs
from tests.bench.compare.asks import Ask, Dialect, Want
from tests.bench.compare.check import WrongError, check

START_S = 120.0
STOP_S = 10.0
POLL_S = 0.002
SLOW_POLL_S = 0.05
SLOW_AFTER_S = 3.0
QUIET_SHARE = 0.05
QUIET_STEP_S = 0.1
MOST_SETTLING_S = 5.0
FIRST = Want("1k")


class StartError(Exception):
    """A server that did not come up."""


@dataclass(frozen=True)
class Gateway:
    """``pid`` is None where we may not see whose it is: then it has no CPU and no memory in the tables."""

    name: str
    port: int
    dialect: Dialect
    pid: int | None
    ready_s: float | None = None

    def ask(self, want: Want) -> Ask:
        return self.dialect(want)

    def cpu_s(self) -> float | None:
        return None if self.pid is None else procs.cpu_s(self.pid)

    def settle(self) -> None:
        """Wait until it has done with what its last clients left behind."""
        deadline_s = time.perf_counter() + MOST_SETTLING_S
        while self.pid is not None and time.perf_counter() < deadline_s:
            before_s = procs.cpu_s(self.pid)
            time.sleep(QUIET_STEP_S)
            if procs.cpu_s(self.pid) - before_s <= QUIET_SHARE * QUIET_STEP_S:
                return


@dataclass(frozen=True)
class Setup:
    """How a server is started. ``command`` listens on ``port``; of our environment it gets the path alone."""

    name: str
    command: Sequence[str]
    port: int
    dialect: Dialect
    environ: Mapping[str, str] = field(default_factory=dict)
    stop_with: signal.Signals = signal.SIGTERM

    @contextmanager
    def started(self, folder: Path) -> Iterator[Gateway]:
        """The server, from its first right answer to its end. Raises ``StartError``."""
        log = folder / f"{self.name}.log"
        environ = {"PATH": os.environ["PATH"], "HOME": str(folder), "TZ": "UTC", **self.environ}
        started_s = time.perf_counter()
        with log.open("ab") as output:
            process = subprocess.Popen(
                self.command, cwd=kit.ROOT, env=environ, stdin=subprocess.DEVNULL, stdout=output, stderr=output,
                start_new_session=True,
            )  # fmt: skip
        try:
            ready_s = self._wait(process, started_s) - started_s
            yield Gateway(self.name, self.port, self.dialect, process.pid, ready_s)
        except StartError as error:
            raise StartError(f"{error}\n{log.read_text(errors='replace')[-3000:]}") from None
        finally:
            self._stop(process)

    def _wait(self, process: subprocess.Popen[bytes], started_s: float) -> float:
        wrong: Exception | None = None
        while (waited_s := time.perf_counter() - started_s) < START_S:
            if process.poll() is not None:
                raise StartError(f"{self.name} ended with {process.returncode}")
            try:
                check(self.port, self.dialect(FIRST), FIRST)
            except (OSError, WrongError) as error:
                wrong = error
                time.sleep(POLL_S if waited_s < SLOW_AFTER_S else SLOW_POLL_S)
            else:
                return time.perf_counter()
        raise StartError(f"{self.name} was not ready after {START_S:.0f} s: {wrong}")

    def _stop(self, process: subprocess.Popen[bytes]) -> None:
        with suppress(ProcessLookupError):
            process.send_signal(self.stop_with)
        with suppress(subprocess.TimeoutExpired):
            process.wait(STOP_S)
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


@contextmanager
def refused_port() -> Iterator[int]:
    """A port that refuses every connection: it is taken, and nobody listens."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield taken.getsockname()[1]
