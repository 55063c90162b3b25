"""A closed-loop client: each connection sends its next request when its last answer is whole.

``python -m tests.bench.load PORT CONNECTIONS SECONDS MODE`` prints one ``Figures`` as JSON. ``MODE`` is plain (never
cached: no temperature is given), streamed, or cached (temperature 0: the same answer every time).
"""

import select
import socket
import sys
import time
from contextlib import ExitStack
from typing import Literal

import msgspec

Mode = Literal["plain", "streamed", "cached"]

MODEL = "bench"
CHUNKED = b"transfer-encoding: chunked"
HEAD_END = b"\r\n\r\n"
LAST_CHUNK = b"\r\n0\r\n\r\n"
PATIENCE_S = 10.0


class Figures(msgspec.Struct, frozen=True):
    """What one run measured. Times are of whole answers, but for ``first_p50_ms``: to the first byte."""

    requests: int
    per_s: float
    p50_ms: float
    p99_ms: float
    first_p50_ms: float


class LoadError(Exception):
    """The server did not answer as it should."""


def request_bytes(mode: Mode) -> bytes:
    """One chat completion request of about 1 KB."""
    content = "Explain what a closed-loop load test measures. " * 20
    members: dict[str, object] = {"model": MODEL, "messages": [{"role": "user", "content": content}]}
    if mode == "streamed":
        members["stream"] = True
    if mode == "cached":
        members["temperature"] = 0
    body = msgspec.json.encode(members)
    head = (
        "POST /v1/chat/completions HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\n"
        f"content-length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


class Connection:
    """One keep-alive connection with one request under way."""

    def __init__(self, port: int, request: bytes) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._request = request
        self._received = bytearray()
        self._sent_s = 0.0
        self._first_s = 0.0

    def send(self) -> None:
        self._received.clear()
        self._first_s = 0.0
        self._sent_s = time.perf_counter()
        self.socket.sendall(self._request)

    def receive(self) -> tuple[float, float] | None:
        """Seconds to the first byte and to the last, once the answer is whole."""
        data = self.socket.recv(262_144)
        if not data:
            raise LoadError(f"the server closed the connection after {bytes(self._received[:200])!r}")
        self._first_s = self._first_s or time.perf_counter()
        self._received += data
        if not self._is_whole():
            return None
        return self._first_s - self._sent_s, time.perf_counter() - self._sent_s

    def _is_whole(self) -> bool:
        received = self._received
        head_end = received.find(HEAD_END)
        if head_end < 0:
            return False
        head = bytes(received[:head_end]).lower()
        if not head.startswith(b"http/1.1 200"):
            raise LoadError(bytes(received[:600]).decode(errors="replace"))
        if CHUNKED in head:
            return received.endswith(LAST_CHUNK)
        length = int(head.partition(b"content-length:")[2].partition(b"\r\n")[0])
        return len(received) >= head_end + len(HEAD_END) + length


def measure(port: int, connections: int, seconds: float, mode: Mode) -> Figures:
    """Load the server for ``seconds``. Raises ``LoadError`` on anything but whole answers with status 200."""
    request = request_bytes(mode)
    opened: dict[int, Connection] = {}
    with ExitStack() as stack:
        epoll = stack.enter_context(select.epoll())
        for _ in range(connections):
            connection = Connection(port, request)
            stack.enter_context(connection.socket)
            opened[connection.socket.fileno()] = connection
            epoll.register(connection.socket.fileno(), select.EPOLLIN)
        started_s = time.perf_counter()
        for connection in opened.values():
            connection.send()
        firsts, wholes = _turn(epoll, opened, started_s + seconds)
        elapsed_s = time.perf_counter() - started_s
    return _figures(firsts, wholes, elapsed_s)


def _turn(epoll: select.epoll, opened: dict[int, Connection], until_s: float) -> tuple[list[float], list[float]]:
    firsts: list[float] = []
    wholes: list[float] = []
    under_way = len(opened)
    while under_way:
        events = epoll.poll(PATIENCE_S)
        if not events:
            raise LoadError(f"no answer for {PATIENCE_S:.0f} s")
        for fd, _ in events:
            times = opened[fd].receive()
            if times is None:
                continue
            firsts.append(times[0])
            wholes.append(times[1])
            if time.perf_counter() < until_s:
                opened[fd].send()
            else:
                under_way -= 1
    return firsts, wholes


def _figures(firsts: list[float], wholes: list[float], elapsed_s: float) -> Figures:
    firsts.sort()
    wholes.sort()
    count = len(wholes)
    return Figures(
        requests=count,
        per_s=count / elapsed_s,
        p50_ms=wholes[count // 2] * 1000,
        p99_ms=wholes[min(count - 1, count * 99 // 100)] * 1000,
        first_p50_ms=firsts[count // 2] * 1000,
    )


def main(port: str, connections: str, seconds: str, mode: str) -> None:
    figures = measure(int(port), int(connections), float(seconds), msgspec.convert(mode, Mode))
    print(msgspec.json.encode(figures).decode())  # noqa: T201


if __name__ == "__main__":
    try:
        main(*sys.argv[1:])
    except LoadError as error:
        sys.exit(f"load: {error}")
