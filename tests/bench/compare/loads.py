"""The loaders, each a process of its own: wrk (closed loop), h2load (a fixed rate), streams.c (many streams)."""

import subprocess
from dataclasses import dataclass
from pathlib import Path

import msgspec

from tests.bench.compare import kit
from tests.bench.compare.asks import Ask

LUA = kit.HERE / "load.lua"
TIMEOUT_S = 30
COUNTED = "(each request counts on here)"
PATIENCE_S = 60.0
STREAMS_PATIENCE_S = 15


class LoadFailedError(Exception):
    """A load that did not end as it should: answers that failed, or a loader that did."""


@dataclass(frozen=True)
class Seen:
    """What a load measured: how many answers (or events), in which time, and how long each took."""

    count: int
    seconds: float
    p50_ms: float
    p99_ms: float
    first_ms: float | None = None
    unfinished: int = 0


class _Summary(msgspec.Struct):
    requests: int
    duration_us: float
    bytes: int
    p50_us: float
    p99_us: float
    failed: int


def closed_loop(port: int, ask: Ask, connections: int, seconds: int, least_bytes: int) -> Seen:
    """wrk: each connection sends its next request when its last answer is whole. None may have come yet."""
    url = f"http://127.0.0.1:{port}{ask.path}"
    with kit.scratch(ask.body) as body:
        environ = {
            "LOAD_BODY": str(body),
            "LOAD_HEADERS": "\n".join(f"{n}: {v}" for n, v in ask.all_headers().items()),
        }
        command = [kit.find("wrk"), "-t1", f"-c{connections}", f"-d{seconds}s", f"--timeout={TIMEOUT_S}s"]
        told = _run([*command, "-s", str(LUA), url], environ)
    summary = msgspec.json.decode(told.splitlines()[-1], type=_Summary)
    if summary.failed or summary.bytes < least_bytes * summary.requests:
        raise LoadFailedError(f"{summary.failed} of {summary.requests} answers failed, {summary.bytes} bytes came")
    if summary.requests == 0:
        return Seen(0, summary.duration_us / 1e6, summary.duration_us / 1000, summary.duration_us / 1000)
    return Seen(summary.requests, summary.duration_us / 1e6, summary.p50_us / 1000, summary.p99_us / 1000)


def fixed_rate(port: int, ask: Ask, per_s: int, seconds: int) -> Seen:
    """h2load on one connection: ``per_s`` requests a second, or as many as the server can."""
    url = f"http://127.0.0.1:{port}{ask.path}"
    headers = [part for name, value in ask.all_headers().items() for part in ("-H", f"{name}: {value}")]
    count = per_s * seconds
    with kit.scratch(ask.body) as body, kit.scratch(b"") as log:
        command = [kit.find("h2load"), "--h1", "-c1", f"-n{count}", f"--rps={per_s}", f"--log-file={log}"]
        _run([*command, *headers, f"--data={body}", url])
        lines = [line.split("\t") for line in log.read_text().splitlines()]
    times_ms = sorted(int(took_us) / 1000 for _, status, took_us in lines if status == "200")
    if len(times_ms) != count:
        raise LoadFailedError(f"{count - len(times_ms)} of {count} answers failed")
    lasted_s = (
        max(int(began) + int(took) for began, _, took in lines) - min(int(began) for began, _, _ in lines)
    ) / 1e6
    return Seen(count, lasted_s, times_ms[count // 2], times_ms[min(count - 1, count * 99 // 100)])


def streams(port: int, ask: Ask, count: int, stagger_ms: int, repeat_ms: int) -> Seen:
    """Many streams: events, and how late each came after the upstream had sent it (where it says so).

    Each is asked again until ``repeat_ms`` have passed.
    What isn't whole after ``STREAMS_PATIENCE_S`` is left; what came until then counts.
    """
    with kit.scratch(ask.whole()) as request:
        numbers = map(str, (port, count, stagger_ms, repeat_ms, STREAMS_PATIENCE_S))
        told = _run([kit.compiled("streams"), *numbers, str(request)])
    figures = dict(pair.split("=") for pair in told.split())
    if int(figures["failed"]) or int(figures["events"]) == 0:
        raise LoadFailedError(f"streams: {told.strip()}")
    return Seen(
        count=int(figures["events"]),
        seconds=float(figures["seconds"]),
        p50_ms=float(figures["late_p50_us"]) / 1000,
        p99_ms=float(figures["late_p99_us"]) / 1000,
        first_ms=float(figures["first_us"]) / 1000,
        unfinished=int(figures["unfinished"]),
    )


def _run(command: list[str], environ: dict[str, str] | None = None) -> str:
    try:
        done = subprocess.run(
            command, env=environ, capture_output=True, text=True, check=False, timeout=PATIENCE_S, cwd=Path("/")
        )
    except subprocess.TimeoutExpired as error:
        raise LoadFailedError(f"{command[0]} did not end within {PATIENCE_S:.0f} s") from error
    if done.returncode:
        raise LoadFailedError(f"{command[0]}: {(done.stderr or done.stdout).strip()[-2000:]}")
    return done.stdout
