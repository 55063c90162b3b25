"""F12: a process that has no file descriptors left, because clients hold them all.

What must hold: the control socket answers, again and again; whoever waits for a descriptor costs no processor time;
a second after the clients (or the need) are gone, everything is as before.
"""

import resource
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from lodestard.http import KEPT_DESCRIPTORS
from tests.fakes.process import POLL_S, Daemon, wait_for
from tests.faults.figures import descriptors, processor_s

SPARE = KEPT_DESCRIPTORS + 6
"""Some clients are let in; the others must leave what is kept alone."""
FLOOD = 60
WATCHED_S = 0.6
MOST_SHARE = 0.25
"""Of one processor: five times of what waiting at a tenth of a second may cost."""
ASKED = 2


@dataclass
class Strain:
    """What it was like: how long the control socket took at the most, the processor's share, and the recovery."""

    control_s: float = 0.0
    share: float = 0.0
    recovered_s: float = 0.0

    def __str__(self) -> str:
        control = f"control socket in {self.control_s * 1e3:.0f} ms, {self.share:.1%} of a processor"
        return f"{control}, well after {self.recovered_s * 1e3:.0f} ms"


@contextmanager
def few_descriptors(daemon: Daemon, spare: int) -> Iterator[None]:
    """The process can open ``spare`` more than it has now, and no more.

    As where it has come to its limit by itself, no number below that is free, but for the spare ones: a number above,
    once given up, could not be had again. So clients that only stand there fill the gaps first.
    """
    assert daemon.process is not None
    pid = daemon.process.pid
    with ExitStack() as standing:
        while gaps := count_gaps(pid):
            for _ in range(gaps):
                standing.enter_context(socket.create_connection(("127.0.0.1", daemon.port)))
        before = resource.prlimit(pid, resource.RLIMIT_NOFILE)
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (descriptors(pid) + spare, before[1]))
        try:
            yield
        finally:
            resource.prlimit(pid, resource.RLIMIT_NOFILE, before)


def count_gaps(pid: int) -> int:
    """How many numbers are free below the highest that is taken, once none comes or goes."""
    wait_for(lambda: at_rest(pid), "descriptors at rest")
    taken = {int(file.name) for file in Path(f"/proc/{pid}/fd").iterdir()}
    return max(taken) + 1 - len(taken)


def at_rest(pid: int) -> bool:
    """Whether none comes or goes for a while."""
    seen = set()
    for _ in range(20):
        seen.add(descriptors(pid))
        time.sleep(POLL_S)
    return len(seen) == 1


def ask_control(daemon: Daemon) -> None:
    try:
        assert daemon.ctl("--json", "status").returncode == 0  # a process, which can be given up
    except subprocess.TimeoutExpired:
        raise AssertionError("the control socket does not answer") from None


def strain(daemon: Daemon, spare: int, told: str) -> Strain:
    """Clients take all descriptors and keep them; then they go. ``told``: what the log must say of it."""
    assert daemon.process is not None
    pid, seen, log_bytes = daemon.process.pid, Strain(), len(daemon.log)
    with few_descriptors(daemon, spare):
        socks = [socket.create_connection(("127.0.0.1", daemon.port)) for _ in range(FLOOD)]
        try:
            wait_for(lambda: told in daemon.log[log_bytes:], "no descriptor is left")
            began_s, used_s = time.monotonic(), processor_s(pid)
            time.sleep(WATCHED_S)
            seen.share = (processor_s(pid) - used_s) / (time.monotonic() - began_s)
            for _ in range(ASKED):
                began_s = time.monotonic()
                ask_control(daemon)
                seen.control_s = max(seen.control_s, time.monotonic() - began_s)
        finally:
            for sock in socks:
                sock.close()
    began_s = time.monotonic()
    wait_for(lambda: daemon.ask("auto").status == 200, "it answers again")
    seen.recovered_s = time.monotonic() - began_s
    return seen
