"""F10: thousands of connections that were used once and wait, and what they cost those who ask meanwhile."""

import http.client
import json
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from tests.fakes.process import CHAT, Daemon, connect, question, wait_for
from tests.faults.figures import KIB, memory_bytes
from tests.faults.raw import dial

PER_PEER = 200  # of the 256 that one address may have
MOST_EACH_BYTES = 14 * KIB
_ASK = b"GET /health/live HTTP/1.1\r\nhost: localhost\r\n\r\n"


@contextmanager
def idle_connections(daemon: Daemon, count: int) -> Iterator[None]:
    """So many, from as many addresses as it takes; each has had one answer and waits for nothing."""
    with ExitStack() as stack:
        socks = [stack.enter_context(dial(daemon.port, peer=number // PER_PEER)) for number in range(count)]
        for sock in socks:
            sock.sendall(_ASK)
        for sock in socks:
            assert sock.recv(4_096).startswith(b"HTTP/1.1 200 "), "an idle connection was not served"
        yield
        _check_open(socks)


def _check_open(socks: list[socket.socket]) -> None:
    for sock in socks:
        sock.setblocking(False)
        try:
            data = sock.recv(1)
        except BlockingIOError:
            continue
        raise AssertionError(f"an idle connection was closed: {data!r}")


@dataclass(frozen=True)
class Cost:
    """What each idle connection takes, and the 99th percentile of a request's time without them and with them."""

    each_bytes: float
    p99_without_s: float
    p99_with_s: float

    def __str__(self) -> str:
        p99 = f"p99 {self.p99_without_s * 1e3:.1f} ms without, {self.p99_with_s * 1e3:.1f} ms with"
        return f"{self.each_bytes / KIB:.1f} KiB each; {p99}"


def price_of_idling(daemon: Daemon, count: int, asked: int) -> Cost:
    assert daemon.process is not None
    pid = daemon.process.pid
    measure(daemon, asked)
    without_s = measure(daemon, asked)
    before_bytes = memory_bytes(pid)
    with idle_connections(daemon, count):
        each_bytes = (memory_bytes(pid) - before_bytes) / count
        with_s = measure(daemon, asked)
    wait_for(lambda: daemon.ctl_json("status")["connections"] <= 1, "the end of all connections")
    return Cost(each_bytes, without_s, with_s)


def measure(daemon: Daemon, count: int) -> float:
    """The 99th percentile of the seconds that a plain request takes on a connection that is kept."""
    body = json.dumps(question("auto", temperature=0.9)).encode()
    connection, times = connect(daemon.port), []
    try:
        for _ in range(count):
            began_s = time.perf_counter()
            connection.request("POST", CHAT, body, {"content-type": "application/json"})
            response = connection.getresponse()
            response.read()
            times.append(time.perf_counter() - began_s)
            assert response.status == http.client.OK
    finally:
        connection.close()
    return sorted(times)[count * 99 // 100]
