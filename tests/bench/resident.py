"""What residency costs a request whose model is in memory and that nobody competes with: CPU and latency, in pairs.

``python -m tests.bench.resident [ROUNDS] [REQUESTS]``: two daemons before one simulated Ollama that takes no time,
one with residency and one without; each round sends so many requests over one connection to one of them and then to
the other, in an order that alternates. CPU is the daemon process's own, by the kernel. Written as a Markdown table;
the last line is the median of the rounds' differences.
"""

import http.client
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.fakes.process import CHAT, QUIET, Daemon, connect, overlay, question, run_simulator

ROUNDS, REQUESTS = 8, 400
WARM_UP = 200
NS_PER_MS = 1_000_000
LLAMA = "llama3.1:8b"
PROMPT = "def sort(items):\n    return sorted(items, key=lambda item: item.name)\n" * 120
"""About 8 KB, as an editor's or a small chat's."""


@dataclass(frozen=True)
class Cost:
    """Of one request, in milliseconds."""

    cpu_ms: float
    p50_ms: float


@contextmanager
def opened(folder: Path, ollama_port: int, *, enabled: bool) -> Iterator[Daemon]:
    """A daemon with residency or without."""
    upstream = {
        "dialect": "ollama",
        "url": f"http://127.0.0.1:{ollama_port}",
        "free": True,
        "keep_alive": "30m",
        "options": {"num_ctx": 16384},
    }
    settings: dict[str, Any] = {
        "upstreams": {"t600": upstream},
        "models": {"local-llama": {"route": [f"t600/{LLAMA}"]}},
        "residency": {"enabled": enabled},
        "cache": {"enabled": False},
        "log": {"level": "warning"},
    }
    folder.mkdir()
    daemon = Daemon(folder, overlay(settings, QUIET))
    try:
        yield daemon.start()
    finally:
        daemon.end()


def cpu_s(daemon: Daemon) -> float:
    """What its process has used, user and system, to the nanosecond where the kernel tells."""
    assert daemon.process is not None
    tasks = Path(f"/proc/{daemon.process.pid}/task")
    return sum(int((task / "schedstat").read_text().split()[0]) for task in tasks.iterdir()) / 1e9


def spend(daemon: Daemon, connection: http.client.HTTPConnection, requests: int, first: int) -> Cost:
    """So many requests, one after the other."""
    took_ns: list[int] = []
    before_s = cpu_s(daemon)
    for number in range(first, first + requests):
        body = json.dumps(question("local-llama", f"{PROMPT} {number}", stream=True)).encode()
        began_ns = time.perf_counter_ns()
        connection.request("POST", CHAT, body, {"content-type": "application/json"})
        answer = connection.getresponse()
        data = answer.read()
        took_ns.append(time.perf_counter_ns() - began_ns)
        assert answer.status == 200, data
        assert b"[DONE]" in data, data
    used_s = cpu_s(daemon) - before_s
    return Cost(1_000 * used_s / requests, statistics.median(took_ns) / NS_PER_MS)


def measure(rounds: int, requests: int) -> list[tuple[Cost, Cost]]:
    """With residency and without, round by round."""
    pairs: list[tuple[Cost, Cost]] = []
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        (port,) = stack.enter_context(run_simulator("--profile", "instant", "--ollama-port", "0"))
        daemons = [
            stack.enter_context(opened(folder / str(enabled), port, enabled=enabled)) for enabled in (True, False)
        ]
        connections = [connect(daemon.port) for daemon in daemons]
        for daemon, connection in zip(daemons, connections, strict=True):
            spend(daemon, connection, WARM_UP, 0)
        for number in range(rounds):
            costs: dict[int, Cost] = {}
            for at in (0, 1) if number % 2 else (1, 0):
                costs[at] = spend(daemons[at], connections[at], requests, (2 * number + at + 1) * requests + WARM_UP)
            pairs.append((costs[0], costs[1]))
    return pairs


def report(pairs: list[tuple[Cost, Cost]]) -> str:
    lines = [
        "| round | CPU with, ms | without | added | p50 with, ms | without | added |",
        "|---|---|---|---|---|---|---|",
    ]
    for number, (on, off) in enumerate(pairs, 1):
        lines.append(
            f"| {number} | {on.cpu_ms:.3f} | {off.cpu_ms:.3f} | {on.cpu_ms - off.cpu_ms:+.3f}"
            f" | {on.p50_ms:.3f} | {off.p50_ms:.3f} | {on.p50_ms - off.p50_ms:+.3f} |"
        )
    cpu_ms = statistics.median(on.cpu_ms - off.cpu_ms for on, off in pairs)
    p50_ms = statistics.median(on.p50_ms - off.p50_ms for on, off in pairs)
    lines.append(f"\nResidency adds {cpu_ms:.3f} ms of CPU and {p50_ms:.3f} ms at the median to a request.")
    return "\n".join(lines)


def main(argv: list[str]) -> None:
    rounds, requests = (int(word) for word in (argv + [str(ROUNDS), str(REQUESTS)][len(argv) :])[:2])
    print(report(measure(rounds, requests)))  # noqa: T201  its one output


if __name__ == "__main__":
    main(sys.argv[1:])
