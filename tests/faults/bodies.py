"""F9: bodies that are too much: 200 MB, by whatever way, against the real process.

What must hold: a 413 that the client can read, before more than the largest body was read of it; memory stays
bounded; no handler has seen it; the process serves on.
"""

import gzip
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from lodestard.http.content import _load_zstd
from tests.fakes.process import Daemon, question
from tests.faults.figures import MIB, forget_peak, memory_bytes, peak_bytes
from tests.faults.raw import Said, say, write_post

HUGE_BYTES = 200_000_000
CAP_BYTES = 32 * MIB
IN_SOCKETS_BYTES = 16 * MIB  # what the kernel holds of a connection on loopback, at both ends
MOST_MORE_BYTES = 3 * CAP_BYTES
"""A body of just the largest size is in memory twice while it is handed over; and as much for the allocator."""
IMPATIENT = {"server": {"limits": {"body_grace_s": 1.0, "body_min_bytes_per_s": 32 * MIB}}}
"""Else whoever stays away is waited for as long as what came of it is worth: hours."""
_PIECE = b"a" * 65_536


@dataclass(frozen=True)
class Case:
    """``sends`` is what a client sends; ``status``: the first answer's; ``ends``: then its side ends."""

    name: str
    sends: Callable[[], Iterator[bytes]]
    status: int
    ends: bool = False


def sized() -> Iterator[bytes]:
    yield write_post(b"", {"content-length": str(HUGE_BYTES)})
    yield from _pieces(HUGE_BYTES)


def chunked() -> Iterator[bytes]:
    yield write_post(b"", {"content-length": "", "transfer-encoding": "chunked"})
    for piece in _pieces(HUGE_BYTES):
        yield b"%x\r\n%b\r\n" % (len(piece), piece)
    yield b"0\r\n\r\n"


def longer_than_said() -> Iterator[bytes]:
    """Its head says 100 kB: a request, and then what is none."""
    yield write_post(b"", {"content-length": "100000"})
    yield from _pieces(HUGE_BYTES)


def shorter_than_said() -> Iterator[bytes]:
    yield write_post(b"", {"content-length": str(CAP_BYTES)})
    yield from _pieces(CAP_BYTES // 2)


def bomb_of_gzip() -> Iterator[bytes]:
    yield write_post(gzip.compress(_big_json(), compresslevel=1), {"content-encoding": "gzip", "connection": "close"})


def bomb_of_zstd() -> Iterator[bytes]:
    yield write_post(_load_zstd().compress(_big_json()), {"content-encoding": "zstd", "connection": "close"})


def _big_json() -> bytes:
    return json.dumps(question("auto", "?")).encode().replace(b"?", b"a" * HUGE_BYTES)


def _pieces(size: int) -> Iterator[bytes]:
    for at in range(0, size, len(_PIECE)):
        yield _PIECE[: size - at]


CASES = (
    Case("sized", sized, 413),
    Case("chunked", chunked, 413),
    Case("longer than said", longer_than_said, 400),
    Case("ends too early", shorter_than_said, 400, ends=True),
    Case("stays away", shorter_than_said, 408),
    Case("gzip of 200 MB", bomb_of_gzip, 413),
    Case("zstd of 200 MB", bomb_of_zstd, 413),
)


@dataclass
class Worst:
    """The most that any case took."""

    sent_bytes: int = 0
    more_bytes: int = 0

    def __str__(self) -> str:
        return f"at most {self.sent_bytes / MIB:.0f} MiB taken of 200 MB, {self.more_bytes / MIB:.0f} MiB more memory"


def overfeed(daemon: Daemon, case: Case, worst: Worst) -> Said:
    """One case, and what it may take."""
    assert daemon.process is not None
    pid = daemon.process.pid
    before_bytes = memory_bytes(pid)
    forget_peak(pid)
    said = say(daemon.port, case.sends(), ends=case.ends)
    more_bytes = peak_bytes(pid) - before_bytes
    assert said.closed, f"{case.name}: the connection was left open"
    assert said.statuses[:1] == (case.status,), f"{case.name}: {said.data[:300]!r}"
    assert b"connection: close" in said.data.lower(), f"{case.name}: {said.data[:300]!r}"
    assert said.sent_bytes <= CAP_BYTES + IN_SOCKETS_BYTES, f"{case.name}: {said.sent_bytes} bytes were read"
    assert more_bytes <= MOST_MORE_BYTES, f"{case.name}: {more_bytes} bytes more memory"
    worst.sent_bytes = max(worst.sent_bytes, said.sent_bytes)
    worst.more_bytes = max(worst.more_bytes, more_bytes)
    return said
