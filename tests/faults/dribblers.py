"""F11: clients that send a head or a body, or take an answer, by single bytes; and what others notice of them.

What must hold: whoever asks meanwhile is answered; each slow one is closed when its time is up, and no sooner; one
address has only so many connections.
"""

import contextlib
import http.client
import json
import select
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from lodestard.domain.settings import Limits
from tests.fakes.process import CHAT, Daemon, World, connect, question
from tests.faults.crowd import Crowd
from tests.faults.idlers import PER_PEER
from tests.faults.raw import dial, read_to_end, write_chat, write_post

KINDS = {"head": 0.6, "body": 0.36, "read": 0.04}
"""Of each kind so much of all. Those that read slowly take megabytes of the kernel's memory each."""
TICK_S = 0.25
LATE_S = 5.0
HURRIED = {"head_timeout_s": 1.0, "body_grace_s": 1.0, "write_timeout_s": 1.0}
BIG_TEXT = "words of a long answer " * 5_000
BIG = write_chat("paid", "a long answer", temperature=0)
_HEAD = b"POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\nx-slow: "
_BODY = write_post(b"{", {"content-length": "1000000"})
_SMALL_WINDOW_BYTES = 65_536
_PIPELINED = 80
"""Answers of 65 kB: together more than the kernel takes."""


@dataclass
class Slow:
    """One of them. ``closed_s``: how long after its first byte the other end had enough."""

    kind: str
    sock: socket.socket
    began_s: float
    closed_s: float | None = None

    def dribble(self) -> None:
        with contextlib.suppress(OSError):
            if self.kind == "read":
                self.sock.recv(1)
            else:
                self.sock.send(b"a")


@dataclass
class Dribble(Crowd):
    """So many slow clients, until they are closed. ``asked``: how long each request of a good client took."""

    daemon: Daemon
    slow: list[Slow] = field(default_factory=list)
    asked: list[float] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)

    def jobs(self) -> list[Callable[[], object]]:
        return [self._ask]

    def __exit__(self, *error: object) -> None:
        super().__exit__(*error)
        for each in self.slow:
            each.sock.close()

    def _ask(self) -> None:
        """A good client, again and again."""
        body = json.dumps(question("auto", temperature=0.9)).encode()
        connection = connect(self.daemon.port)
        while not self.stopped.is_set():
            began_s = time.monotonic()
            try:
                connection.request("POST", CHAT, body, {"content-type": "application/json"})
                response = connection.getresponse()
                response.read()
            except (OSError, http.client.HTTPException) as error:
                self.faults.append(repr(error))
                break
            if response.status != http.client.OK:
                self.faults.append(str(response.status))
            self.asked.append(time.monotonic() - began_s)
            time.sleep(TICK_S / 10)
        connection.close()

    def begin(self, count: int) -> None:
        for kind, share in KINDS.items():
            for _ in range(round(count * share)):
                self.slow.append(self._begin(kind, 10 + len(self.slow) // PER_PEER))

    def _begin(self, kind: str, peer: int) -> Slow:
        sock = dial(self.daemon.port, peer=peer, window_bytes=_SMALL_WINDOW_BYTES if kind == "read" else 0)
        sock.sendall({"head": _HEAD, "body": _BODY, "read": BIG * _PIPELINED}[kind])
        sock.setblocking(False)
        return Slow(kind, sock, time.monotonic())

    def go_on(self, patience_s: float) -> None:
        """Dribble until all are closed, or for so long."""
        poll = select.epoll()
        by_fd = {each.sock.fileno(): each for each in self.slow}
        for fd in by_fd:
            poll.register(fd, select.EPOLLRDHUP)
        until_s = time.monotonic() + patience_s
        while by_fd and time.monotonic() < until_s:
            tick_s = time.monotonic() + TICK_S
            while (left_s := tick_s - time.monotonic()) > 0:
                for fd, _ in poll.poll(left_s, len(by_fd)):
                    poll.unregister(fd)
                    each = by_fd.pop(fd)
                    each.closed_s = time.monotonic() - each.began_s
                if not by_fd:
                    break
            for each in by_fd.values():
                each.dribble()
        poll.close()

    def check(self, limits: Limits, late_s: float) -> dict[str, float]:
        """Everybody was closed, none too early; the longest that one of each kind was suffered."""
        assert not self.faults, f"a good client: {self.faults[:3]}"
        allowed_s = {
            "head": limits.head_timeout_s,
            "body": limits.body_grace_s,
            "read": limits.write_timeout_s,
        }
        longest_s = dict.fromkeys(KINDS, 0.0)
        for each in self.slow:
            assert each.closed_s is not None, f"a slow {each.kind} is still there"
            least_s, most_s = allowed_s[each.kind] - TICK_S, allowed_s[each.kind] + late_s
            assert least_s <= each.closed_s <= most_s, f"a slow {each.kind} was closed after {each.closed_s:.1f} s"
            longest_s[each.kind] = max(longest_s[each.kind], each.closed_s)
        return longest_s


def keep_big(world: World, daemon: Daemon) -> None:
    """From now on the long answer is cached."""
    world.answer_next(BIG_TEXT)
    asked = [daemon.ask("paid", "a long answer", temperature=0) for _ in range(2)]
    assert asked[1].headers["x-lodestar-cache"] == "hit", asked[1].headers


def fill_up(daemon: Daemon, most: int, beyond: int) -> int:
    """One address opens ``beyond`` connections more than it may have; how many are turned away, each with a 503."""
    socks = [dial(daemon.port, peer=1) for _ in range(most + beyond)]
    try:
        turned_away = 0
        for sock in socks:
            sock.settimeout(0.05)
            data, closed = read_to_end(sock) if turned_away or sock is socks[most] else (b"", False)
            if closed:
                assert data.startswith(b"HTTP/1.1 503 "), data[:200]
                assert b"retry-after: " in data, data[:200]
                turned_away += 1
        return turned_away
    finally:
        for sock in socks:
            sock.close()
