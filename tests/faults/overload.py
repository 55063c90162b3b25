"""More than the house may hold: bodies that come slowly until there is no room for another.

What must hold: new requests get a 503 with ``retry-after``, those without a body are served, memory stays near the
limit, ``lodestarctl status`` says so; and when the slow ones are gone, so is all of it.
"""

import socket
import time
from dataclasses import dataclass

from tests.fakes.process import Daemon, wait_for
from tests.faults.figures import MIB, forget_peak, memory_bytes, peak_bytes
from tests.faults.raw import dial, read_to_end, write_post

LIMIT_BYTES = 64 * MIB
SETTINGS = {"server": {"limits": {"buffered_bytes": LIMIT_BYTES}}}
BODY_BYTES = 8 * MIB
SENT_BYTES = 4 * MIB
MOST_MORE_BYTES = 2 * LIMIT_BYTES
ASKED = 20


@dataclass(frozen=True)
class Overload:
    """``refused``: of the slow ones; ``recovered_s``: how long after they left a request was served."""

    refused: int
    more_bytes: int
    recovered_s: float

    def __str__(self) -> str:
        more = f"{self.more_bytes / MIB:.0f} MiB more memory of {LIMIT_BYTES / MIB:.0f} allowed"
        return f"{self.refused} refused; {more}; well after {self.recovered_s * 1e3:.0f} ms"


def begin(daemon: Daemon, number: int) -> socket.socket:
    """A client that sends half of a body; it may be refused in the midst of it."""
    sock = dial(daemon.port, peer=number)
    try:
        sock.sendall(write_post(b"", {"content-length": str(BODY_BYTES)}))
        sock.sendall(b"a" * SENT_BYTES)
    except (BrokenPipeError, ConnectionResetError):
        pass
    return sock


def overload(daemon: Daemon, clients: int) -> Overload:
    assert daemon.process is not None
    pid = daemon.process.pid
    before_bytes = memory_bytes(pid)
    forget_peak(pid)
    socks = [begin(daemon, number) for number in range(clients)]
    try:
        wait_for(lambda: daemon.ask("auto").status == 503, "a new request is sent away")
        check_shedding(daemon)
        refused = sum(was_refused(sock) for sock in socks)
    finally:
        for sock in socks:
            sock.close()
    more_bytes = peak_bytes(pid) - before_bytes
    began_s = time.monotonic()
    wait_for(lambda: daemon.ask("auto").status == 200, "requests are served again")
    recovered_s = time.monotonic() - began_s
    wait_for(lambda: b"\nlodestar_buffered_bytes 0.0\n" in daemon.get("/metrics").body, "nothing is held any more")
    assert more_bytes <= MOST_MORE_BYTES, f"{more_bytes} bytes more memory"
    return Overload(refused, more_bytes, recovered_s)


def check_shedding(daemon: Daemon) -> None:
    """While it lasts."""
    for _ in range(ASKED):
        answer = daemon.ask("auto")
        assert answer.status == 503, answer
        assert answer.json["error"]["code"] == "overloaded", answer.json
        assert int(answer.headers["retry-after"]) >= 1, answer.headers
        assert daemon.answers(), "health is not told"
        assert daemon.get("/v1/models").status == 200, "models are not listed"
    problems = daemon.ctl_json("status")["problems"]
    assert any("held for clients" in problem["what"] for problem in problems), problems


def was_refused(sock: socket.socket) -> bool:
    """Whether it has got its 503 by now."""
    sock.settimeout(0.01)
    data, _ = read_to_end(sock)
    assert not data or b" 503 " in data[:20], data[:200]
    return bool(data)
