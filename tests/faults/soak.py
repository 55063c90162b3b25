"""F20: mixed traffic at full rate, for long: what the process's memory and descriptors do.

Everything that clients do at once: whole and streamed answers, cached ones, refusals of every kind, answers that are
left in the midst. The slope is that of a line through what was resident, after the warm-up, against the requests.
"""

import random
import socket
import statistics
import struct
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

from tests.fakes.process import PAID_MODEL, Daemon, wait_for
from tests.faults.crowd import Crowd
from tests.faults.figures import KIB, descriptors, memory_bytes
from tests.faults.raw import dial, write_chat, write_post

CLIENTS = 4
SAMPLE_S = 0.25
LEAST_WARM_S = 1.0
POOLED = 16
"""Connections to upstreams that stay open for the next request."""
PER = 1_000
KEPT_ALIVE = 50
"""Requests on one connection, before the next is opened."""
_RESET = struct.pack("ii", 1, 0)


@dataclass(frozen=True)
class Sample:
    requests: int
    memory_bytes: int
    descriptors: int


@dataclass(frozen=True)
class Slope:
    """What came of it. ``per_thousand_bytes``: the growth by a thousand requests."""

    requests: int
    seconds: float
    per_thousand_bytes: float
    first_descriptors: int
    last_descriptors: int

    def __str__(self) -> str:
        rate = f"{self.requests} requests, {self.requests / self.seconds:.0f} a second"
        slope = f"{self.per_thousand_bytes / KIB:+.1f} KiB each {PER} requests"
        return f"{rate}; {slope}; descriptors {self.first_descriptors} → {self.last_descriptors}"


@dataclass
class Soak(Crowd):
    """Clients that ask until they are told to stop."""

    daemon: Daemon
    seed: int
    kinds: Counter[str] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)

    def jobs(self) -> list[Callable[[], object]]:
        return [partial(self._run, number) for number in range(CLIENTS)]

    @property
    def requests(self) -> int:
        return self.kinds.total()

    def _run(self, number: int) -> None:
        luck = random.Random(f"{self.seed} {number}")
        while not self.stopped.is_set():
            try:
                self._talk(luck, number)
            except (OSError, AssertionError) as error:
                self.faults.append(repr(error))
                return

    def _talk(self, luck: random.Random, number: int) -> None:
        """One connection's life; a refusal of its bytes, or leaving, ends it sooner."""
        with dial(self.daemon.port, peer=number) as sock:
            for _ in range(KEPT_ALIVE):
                if self.stopped.is_set():
                    return
                kind = luck.choices(tuple(KINDS), weights=[kind.weight for kind in KINDS.values()])[0]
                goes_on = KINDS[kind].act(sock, luck)
                self.kinds[kind] += 1
                if not goes_on:
                    return


def _whole(sock: socket.socket, request: bytes, status: int) -> bool:
    """Ask, and read the whole answer; True where the connection goes on."""
    sock.sendall(request)
    data = b""
    while b"\r\n\r\n" not in data:
        data += _receive(sock)
    head, _, body = data.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 %d " % status), data[:300]
    if b"transfer-encoding: chunked" in head:
        while not body.endswith(b"\r\n0\r\n\r\n"):
            body += _receive(sock)
        assert b"data: [DONE]" in body, body[-300:]
    else:
        length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
        while len(body) < length:
            body += _receive(sock)
    return b"connection: close" not in head


def _receive(sock: socket.socket) -> bytes:
    data = sock.recv(65_536)
    assert data, "the connection ended within an answer"
    return data


def _plain(sock: socket.socket, luck: random.Random) -> bool:
    return _whole(sock, write_chat("auto", f"question {luck.random()}"), 200)


def _streamed(sock: socket.socket, luck: random.Random) -> bool:
    return _whole(sock, write_chat("auto", f"question {luck.random()}", stream=True), 200)


def _cached(sock: socket.socket, luck: random.Random) -> bool:
    text, stream = f"question {luck.randrange(8)}", luck.random() < 0.5
    return _whole(sock, write_chat("auto", text, temperature=0, stream=stream), 200)


def _paid(sock: socket.socket, luck: random.Random) -> bool:
    return _whole(sock, write_chat("paid", f"question {luck.random()}", max_tokens=20), 200)


def _refused(sock: socket.socket, luck: random.Random) -> bool:
    requests = (
        (write_chat("nobody-has-it"), 404),
        (write_post(b"{"), 400),
        (write_post(b"", {"content-length": "99000000"}), 413),
        (write_post(b"{}", {"content-type": "text/plain"}), 415),
        (b"GET / HTTP/1.1\r\nhost: a\r\nhost: b\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nhost: elsewhere.example\r\n\r\n", 403),
        (b"GET /nowhere HTTP/1.1\r\nhost: localhost\r\n\r\n", 404),
    )
    return _whole(sock, *luck.choice(requests))


def _left(sock: socket.socket, luck: random.Random) -> bool:
    """Away before the answer, or in the midst of it."""
    sock.sendall(write_chat("auto", f"question {luck.random()}", stream=luck.random() < 0.7))
    if luck.random() < 0.5:
        _receive(sock)
    if luck.random() < 0.5:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
    return False


@dataclass(frozen=True)
class Kind:
    act: Callable[[socket.socket, random.Random], bool]
    weight: int


KINDS = {
    "plain": Kind(_plain, 6),
    "streamed": Kind(_streamed, 4),
    "cached": Kind(_cached, 6),
    "paid": Kind(_paid, 2),
    "refused": Kind(_refused, 3),
    "left": Kind(_left, 1),
}


def soak(daemon: Daemon, seed: int, seconds: float, warm_requests: int = 0) -> Slope:
    """So many seconds of it, after so many requests (or as many as come in as long a time), and its slope."""
    assert daemon.process is not None
    pid, samples = daemon.process.pid, list[Sample]()
    assert daemon.ask(PAID_MODEL).status == 404  # everything that is loaded when it is first needed is
    at_rest = descriptors(pid)
    with Soak(daemon, seed) as traffic:
        until_s = time.monotonic() + max(seconds, LEAST_WARM_S)
        while time.monotonic() < until_s and traffic.requests < warm_requests and not traffic.faults:
            time.sleep(SAMPLE_S)
        until_s = time.monotonic() + seconds
        while time.monotonic() < until_s and not traffic.faults:
            samples.append(Sample(traffic.requests, memory_bytes(pid), descriptors(pid)))
            time.sleep(SAMPLE_S)
    assert not traffic.faults, f"seed {seed}: {traffic.faults}"
    assert set(traffic.kinds) == set(KINDS), f"seed {seed}: not all kinds: {traffic.kinds}"
    daemon.wait_idle()
    wait_for(lambda: daemon.ctl_json("status")["connections"] == 0, "the end of all connections")
    assert descriptors(pid) <= at_rest + POOLED, f"seed {seed}: {at_rest} descriptors before, {descriptors(pid)} now"
    line = statistics.linear_regression([each.requests for each in samples], [each.memory_bytes for each in samples])
    first, last = samples[: len(samples) // 2], samples[len(samples) // 2 :]
    return Slope(
        requests=samples[-1].requests - samples[0].requests,
        seconds=seconds,
        per_thousand_bytes=line.slope * PER,
        first_descriptors=max(each.descriptors for each in first),
        last_descriptors=max(each.descriptors for each in last),
    )
