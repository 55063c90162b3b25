"""``make bench-dashboard``: the live screen over a ledger of a million requests, on a pty, as a Markdown table.

Measured: how long until the first frame, what the screen and the daemon cost while nothing happens, and how long each
key takes until its frame is painted. Exits with 1 where a limit is not kept.
"""

import argparse
import os
import select
import statistics
import sys
import tempfile
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import apsw
import trio

from lodestard.ledger.rollups import advance
from tests.bench.ledger_rows import SetClock, opened
from tests.fakes.ports import free_port
from tests.fakes.process import Daemon, environ
from tests.fakes.pseudo_terminal import PseudoTerminal

ROWS = 1_000_000
DAYS = 90
SLICE = 50_000
IDLE_S = 30.0
PRESSES = 260
SIZE = (160, 50)
END = b"\x1b[?2026l"
END_KEY, HOME_KEY, PAGE_KEY = "\x1b[F", "\x1b[H", "\x1b[6~"
LIST_KEYS = ("j", "k", PAGE_KEY, HOME_KEY, END_KEY, HOME_KEY, "s")
KEYS = ("4", *LIST_KEYS, "6", *LIST_KEYS, "2", "j", "k", "s", "t", "3", "j", "k", "s", "1", "?", "x", "5", "t")
FRAME_S = 2.0
MOST_CORE = 0.02
MOST_MB = 80.0
MOST_KEY_MS = 50.0

FILL = """
WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < :rows)
INSERT INTO request (seq, id, state, received_ms, alias, dialect, stream, principal, project, user, session, client,
    upstream, model, cache, outcome, status, attempts, prompt_tokens, completion_tokens, cached_tokens,
    cache_write_tokens, reasoning_tokens, cost_nano_usd, unknown_nano_usd, baseline_nano_usd, total_us, overhead_us)
SELECT i, printf('req_%024d', i), 'closed', :since + i * :step, 'auto', 'openai', 1, '', 'project ' || (i % 23), '',
    'session ' || (i / 40), 'aider', 'canned', 'model-' || (i % 17), 'miss', 'ok', 200, 1, 1000 + i % 900, i % 300,
    0, 0, 0, 1000 * (i % 4000), 0, 9000000, 900000, 300 FROM n;
WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < :rows)
INSERT INTO attempt (request_seq, ordinal, upstream, model, free, state, started_ms, ended_ms, total_us,
    held_nano_usd, cost_nano_usd, price, prompt_tokens, completion_tokens, reason)
SELECT i, 1, 'canned', 'model-' || (i % 17), 0, 'captured', :since + i * :step, :since + i * :step, 900000,
    1000 * (i % 4000), 1000 * (i % 4000), '', 1000 + i % 900, i % 300, '' FROM n;
"""


@dataclass
class Measured:
    """What was measured; times in seconds, memory in MB (10⁶ bytes), load in cores."""

    rows: int
    first_frame_s: float = 0.0
    second_frame_s: float = 0.0
    core: float = 0.0
    daemon_core: float = 0.0
    resident_mb: float = 0.0
    keys_ms: list[float] = field(default_factory=list)
    missed: int = 0

    @property
    def key_p95_ms(self) -> float:
        return statistics.quantiles(self.keys_ms, n=20)[-1] if len(self.keys_ms) > 1 else float("inf")

    @property
    def kept(self) -> bool:
        """Whether every limit is kept."""
        fast = not self.missed and self.key_p95_ms <= MOST_KEY_MS
        return fast and self.core <= MOST_CORE and self.resident_mb <= MOST_MB


def settings() -> dict[str, object]:
    """A daemon with nobody behind it."""
    upstream = {"dialect": "openai", "url": f"http://127.0.0.1:{free_port()}/v1", "free": True}
    return {
        "upstreams": {"canned": upstream},
        "models": {"auto": {"route": ["canned/model-1"]}},
        "modules": {"health": {"interval_s": 3600.0}},
    }


def fill(path: Path, rows: int) -> None:
    """So many requests, the last of them a moment ago."""
    span_ms = DAYS * 86_400_000
    since_ms = time.time_ns() // 1_000_000 - span_ms
    connection = apsw.Connection(str(path))
    connection.pragma("synchronous", 0)
    with connection:
        connection.execute(FILL, {"rows": rows, "since": since_ms, "step": span_ms // rows})
    connection.close()


async def roll_up(path: Path) -> None:
    """Sum them up, as the daemon has done long before a ledger is that large."""
    clock = SetClock(time.time_ns() // 1_000_000)
    async with opened(path, clock) as (store, _):
        last = int(store.read("SELECT max(seq) FROM request")[0][0] or 0)
        more = True
        while more:
            more = await advance(store, lambda: last, clock.now_ms, most=SLICE)


def open_screen(daemon: Daemon) -> PseudoTerminal:
    kept = {name: value for name, value in environ(daemon.folder).items() if name not in ("TERM", "LANG", "NO_COLOR")}
    command = [sys.executable, "-m", "lodestarctl", "--socket", str(daemon.socket), "dashboard"]
    return PseudoTerminal(command, kept, SIZE)


def time_to_frame(daemon: Daemon) -> float:
    started_s = time.monotonic()
    screen = open_screen(daemon)
    screen.wait_text("Money", patience_s=300)
    took_s = time.monotonic() - started_s
    screen.close()
    return took_s


def cpu_s(pid: int) -> float:
    """User and system time that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def resident_mb(pid: int) -> float:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 / 1e6 for line in lines if line.startswith("VmRSS:"))


def press(screen: PseudoTerminal, key: str) -> float | None:
    """Milliseconds from the key to the end of its frame; None where none came."""
    while screen.pump(0.0):
        pass
    started_s = time.monotonic()
    screen.press(key)
    seen = b""
    while time.monotonic() - started_s < FRAME_S:
        ready, _, _ = select.select([screen.master], [], [], 0.05)
        if ready:
            seen += os.read(screen.master, 65_536)
        if END in seen:
            took_ms = (time.monotonic() - started_s) * 1_000
            screen.screen.feed(seen)
            return took_ms
    return None


def measure_idle(screen: PseudoTerminal, daemon: Daemon, measured: Measured, idle_s: float) -> None:
    assert daemon.process is not None
    watched = (screen.process.pid, daemon.process.pid)
    before = [cpu_s(pid) for pid in watched]
    ends_s = time.monotonic() + idle_s
    while (left_s := ends_s - time.monotonic()) > 0:
        screen.pump(min(left_s, 0.5))
    used = [cpu_s(pid) - was for pid, was in zip(watched, before, strict=True)]
    measured.core, measured.daemon_core = (seconds / idle_s for seconds in used)
    measured.resident_mb = resident_mb(screen.process.pid)


def measure(folder: Path, rows: int, presses: int, idle_s: float) -> Measured:
    measured = Measured(rows)
    daemon = Daemon(folder, settings())
    try:
        daemon.start()
        daemon.stop()
        fill(daemon.state_dir / "ledger.db", rows)
        trio.run(roll_up, daemon.state_dir / "ledger.db")
        daemon.start()
        measured.first_frame_s = time_to_frame(daemon)
        measured.second_frame_s = time_to_frame(daemon)
        screen = open_screen(daemon)
        try:
            screen.wait_text("Money", patience_s=300)
            measure_idle(screen, daemon, measured, idle_s)
            for at in range(presses):
                took_ms = press(screen, KEYS[at % len(KEYS)])
                measured.missed += took_ms is None
                measured.keys_ms += [] if took_ms is None else [took_ms]
        finally:
            screen.close()
    finally:
        daemon.end()
    return measured


def report(measured: Measured) -> Iterable[str]:
    """The table, line by line."""
    keys = measured.keys_ms or [float("inf")]
    yield f"A ledger of {measured.rows:,} requests in {DAYS} days; a terminal of {SIZE[0]} x {SIZE[1]}."
    yield ""
    yield "| | measured | limit |"
    yield "|---|---|---|"
    yield f"| first frame, the daemon just started | {measured.first_frame_s:.2f} s | |"
    yield f"| first frame, later | {measured.second_frame_s:.2f} s | |"
    yield f"| the screen's load, idle | {measured.core:.2%} of a core | {MOST_CORE:.0%} |"
    yield f"| the daemon's load meanwhile | {measured.daemon_core:.2%} of a core | |"
    yield f"| the screen's memory | {measured.resident_mb:.1f} MB | {MOST_MB:.0f} MB |"
    yield f"| key to paint, median of {len(measured.keys_ms)} | {statistics.median(keys):.1f} ms | |"
    yield f"| key to paint, p95 | {measured.key_p95_ms:.1f} ms | {MOST_KEY_MS:.0f} ms |"
    yield f"| key to paint, longest | {max(keys):.1f} ms | |"
    yield f"| keys without a frame | {measured.missed} | 0 |"


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=ROWS)
    parser.add_argument("--presses", type=int, default=PRESSES)
    parser.add_argument("--idle-s", type=float, default=IDLE_S)
    given = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder:
        measured = measure(Path(folder), given.rows, given.presses, given.idle_s)
    sys.stdout.write("".join(f"{line}\n" for line in report(measured)))
    return 0 if measured.kept else 1


if __name__ == "__main__":
    sys.exit(main())
