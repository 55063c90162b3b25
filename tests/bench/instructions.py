"""``make bench-instructions``: what one request costs in instructions of the processor, counted by callgrind.

Timings on a shared machine say little; counts repeat within a hundredth. The daemon (or the bare relay) runs under
valgrind, counting nothing until it is warm. Then so many requests come over one connection, one after another; then
a tenth of them in as long a time, so that what time costs (commits, looks at upstreams, valgrind is slow) is known
too. The difference is what requests cost. User space only: what the kernel does is not in it, all threads are.
``--functions N`` adds the costliest C functions, as ``callgrind_annotate`` has them.
"""

import argparse
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from tests.bench import load
from tests.bench.load import Connection, LoadError
from tests.bench.processes import CONFIG, printing_its_port, stop
from tests.fakes.ports import free_port

Case = Literal["plain", "cached", "streamed", "paid"]

START_S = 120.0
REST_S = 22.0  # the upkeep of the ledger, which begins 20 s after its start, is another matter
POLL_S = 0.05
WARM = 60
SLOWER = 10
REQUESTS: dict[Case, int] = {"plain": 300, "cached": 300, "streamed": 40, "paid": 200}
PAID_MODEL = "dear"
PAID = f"""
[upstreams.dear]
dialect = "openai"
url = "http://127.0.0.1:{{upstream_port}}/v1"
connections = 64
preopen = 2

[prices."dear/canned"]
input = 3
output = 15
max_output_tokens = 4096

[models.{PAID_MODEL}]
route = ["dear/canned"]
"""


@dataclass(frozen=True)
class Counted:
    """A server under callgrind, that has been warmed."""

    port: int
    pid: int
    out: Path

    def count(self, case: Case, requests: int) -> float:
        """Instructions of one request."""
        ask(self.port, case, WARM)
        began_s = time.monotonic()
        many = self._count(case, requests)
        few = requests // SLOWER
        pace_s = (time.monotonic() - began_s) / few
        return (many - self._count(case, few, pace_s)) / (requests - few)

    def _count(self, case: Case, requests: int, pace_s: float = 0.0) -> int:
        self._control("-i", "on")
        self._control("-z")
        ask(self.port, case, requests, pace_s)
        self._control("-d", case)
        self._control("-i", "off")
        return read_total(self.latest())

    def latest(self) -> Path:
        """The last dump."""
        return max(self.out.parent.glob(f"{self.out.name}.*"), key=lambda path: path.stat().st_mtime_ns)

    def _control(self, *arguments: str) -> None:
        command = ["callgrind_control", *arguments, str(self.pid)]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def request_of(case: Case) -> bytes:
    """The request of one kind of load, of about 1 KB."""
    if case != "paid":
        return load.request_bytes(case)
    plain = load.request_bytes("plain")
    named, paid = f'"model":"{load.MODEL}"', f'"model":"{PAID_MODEL}"'.ljust(len(f'"model":"{load.MODEL}"'))
    return plain.replace(named.encode(), paid.encode())


def ask(port: int, case: Case, requests: int, pace_s: float = 0.0) -> None:
    """So many requests, one after another, over one connection; each begins ``pace_s`` after the last, or later."""
    connection = Connection(port, request_of(case))
    with connection.socket:
        connection.socket.settimeout(START_S)
        began_s = time.monotonic()
        for number in range(1, requests + 1):
            connection.send()
            while connection.receive() is None:
                pass
            time.sleep(max(0.0, began_s + number * pace_s - time.monotonic()))


def read_total(dump: Path) -> int:
    """What callgrind has counted between two dumps."""
    with dump.open() as lines:
        return next(int(line.split()[1]) for line in lines if line.startswith(("summary:", "totals:")))


@contextmanager
def counted(arguments: Sequence[str], port: int, folder: Path) -> Iterator[Counted]:
    """``python`` under callgrind with ``arguments``, once it answers at ``port``."""
    out = folder / "callgrind.out"
    command = ["valgrind", "--tool=callgrind", "--instr-atstart=no", f"--callgrind-out-file={out}", sys.executable]
    environ = {**os.environ, "PYTHONHASHSEED": "0"}
    with (folder / "log.txt").open("wb") as log:
        process = subprocess.Popen([*command, *arguments], stdout=log, stderr=log, env=environ)
    try:
        wait_for(process, port)
        yield Counted(port, process.pid, out)
    finally:
        stop(process)


def wait_for(process: subprocess.Popen[bytes], port: int) -> None:
    deadline_s = time.monotonic() + START_S
    while time.monotonic() < deadline_s and process.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
        except OSError:
            time.sleep(POLL_S)
        else:
            return
    raise LoadError("the server did not start under valgrind")


@contextmanager
def lodestard(upstream_port: int, folder: Path) -> Iterator[Counted]:
    """The real daemon, with its ledger and its cache."""
    port, config = free_port(), folder / "lodestard.toml"
    text = (CONFIG + PAID).format(
        folder=folder, port=port, upstream_port=upstream_port, model=load.MODEL, level="info"
    )
    config.write_text(text)
    with counted(("-m", "lodestard", "--config", str(config)), port, folder) as server:
        time.sleep(REST_S)
        yield server


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="make bench-instructions BENCH=", description=__doc__)
    parser.add_argument(
        "--case", dest="cases", action="append", choices=get_args(Case), help="all where none is named"
    )
    parser.add_argument("--times", type=float, default=1.0, help="how many times the usual number of requests")
    parser.add_argument("--functions", type=int, default=0, help="so many of the costliest C functions of each case")
    options = parser.parse_args(arguments)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="lodestar-count-")))
        upstream = stack.enter_context(printing_its_port("direct", "tests.bench.upstream"))
        server = stack.enter_context(lodestard(upstream.port, folder))
        print("| load | instructions of a request |\n|---|---|")  # noqa: T201
        for case in options.cases or get_args(Case):
            taken = server.count(case, int(REQUESTS[case] * options.times))
            print(f"| {case} | {taken:,.0f} |", flush=True)  # noqa: T201
            if options.functions:
                print(annotate(server.latest(), options.functions))  # noqa: T201
    return 0


def annotate(dump: Path, functions: int) -> str:
    command = ["callgrind_annotate", str(dump)]
    text = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    lines = [line for line in text.splitlines() if "%" in line]
    return "\n".join(lines[1 : functions + 1])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
