"""The same traffic on a real Ollama, where ``OLLAMA_HOST`` names one that answers: shortened, and on the real clock.

What only a simulator knows is not measured: when a request's service began, what the card spent its time on. Swaps
are what ``/api/ps`` shows, four times a second. Answers are as long as the planned ones at most. A request that fails
is counted, and the others go on.
"""

from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from functools import partial
from typing import TypeVar

import httptools
import msgspec
import trio

from tests.bench.gpu.doors import Connect, Lodestard, Ollama
from tests.bench.gpu.drive import Visit, let_loose
from tests.bench.gpu.figures import Figures, first_s, percentile
from tests.bench.gpu.house import NoKeepsake, Place, open_lodestard, settings_of
from tests.bench.gpu.traffic import DEEPSEEK, LLAMA
from tests.bench.gpu.workloads import plan_workload

T = TypeVar("T")
DEFAULT_PORT = 11434
REACH_S = 3.0
LOOK_S = 0.25
SHARES = {"mixed-both": 0.1, "back-to-back": 0.34}
"""Which workloads, and how much of them: on a T600 about seven minutes for each way of asking."""

MODES = ("fifo", "residency", "agreed")


class NoOllama(Exception):
    """There is none to measure; the text says why."""


def read_host(environ: Mapping[str, str]) -> tuple[str, int]:
    """Host and port of ``OLLAMA_HOST`` in its usual forms. Raises ``NoOllama``."""
    text = environ.get("OLLAMA_HOST", "").strip().removeprefix("http://").rstrip("/")
    if not text:
        raise NoOllama("OLLAMA_HOST is not set")
    host, _, port = text.rpartition(":") if ":" in text else (text, "", str(DEFAULT_PORT))
    if not port.isdigit() or "/" in text:
        raise NoOllama(f"OLLAMA_HOST={text} is no http address with a port")
    return host or "127.0.0.1", int(port)


async def measure(host: str, port: int, shares: Mapping[str, float] = SHARES) -> dict[tuple[str, str], Figures]:
    """Figures by workload and mode. Raises ``NoOllama`` where it does not answer or lacks a model."""
    connect: Connect = partial(trio.open_tcp_stream, host, port)
    await _check(connect)
    found: dict[tuple[str, str], Figures] = {}
    for workload, share in shares.items():
        for mode in MODES:
            found[workload, mode] = await _measure_one(
                Visit(plan_workload(workload, 1, share), strict=False), mode, connect
            )
    return found


def write_report(found: Mapping[tuple[str, str], Figures]) -> Iterator[str]:
    """Markdown, line by line."""
    names = list(dict.fromkeys(name for figures in found.values() for name in figures))
    yield f"| workload | mode | {' | '.join(names)} |"
    yield f"|{'---|' * (2 + len(names))}"
    for (workload, mode), figures in found.items():
        yield f"| {workload} | {mode} | {' | '.join(f'{figures[n]:g}' if n in figures else '' for n in names)} |"


async def _measure_one(visit: Visit, mode: str, connect: Connect) -> Figures:
    swaps = Swaps(connect)
    async with _open_place(mode, connect) as place, trio.open_nursery() as nursery:
        nursery.start_soon(swaps.run)
        await let_loose(visit, place)
        nursery.cancel_scope.cancel()
    return read_visit(visit) | {"swaps_seen": swaps.seen}


@asynccontextmanager
async def _open_place(mode: str, connect: Connect) -> AsyncIterator[Place]:
    if mode == "agreed":
        yield Place(Ollama(agreed=True, capped=True), connect)
        return
    async with open_lodestard(settings_of(mode), connect, NoKeepsake()) as path:
        yield Place(Lodestard(capped=True), partial(trio.open_unix_socket, path))


class Swaps:
    """Looks at who is loaded. Owner of the count."""

    def __init__(self, connect: Connect) -> None:
        self._connect = connect
        self.seen = 0

    async def run(self) -> None:
        """Until cancelled. Between two models there is none, so who was there last is remembered."""
        last = await self._look()
        while True:
            await trio.sleep(LOOK_S)
            if loaded := await self._look():
                self.seen += len(loaded - last)
                last = loaded

    async def _look(self) -> frozenset[str]:
        listed = await get(self._connect, "/api/ps", Models)
        return frozenset(model.name for model in listed.models)


class Named(msgspec.Struct):
    name: str


class Models(msgspec.Struct):
    """What ``/api/ps`` and ``/api/tags`` list."""

    models: list[Named] = []


async def _check(connect: Connect) -> None:
    try:
        with trio.fail_after(REACH_S):
            listed = await get(connect, "/api/tags", Models)
    except (OSError, trio.TooSlowError, trio.BrokenResourceError, httptools.HttpParserError, ValueError) as error:
        raise NoOllama(f"it does not answer as an Ollama does ({type(error).__name__})") from None
    missing = {LLAMA, DEEPSEEK} - {model.name for model in listed.models}
    if missing:
        raise NoOllama(f"it has no {' and no '.join(sorted(missing))}")


async def get(connect: Connect, path: str, kind: type[T]) -> T:
    """One GET. Raises ``ValueError`` for what is not of this kind."""
    stream = await connect()
    reader = _Body()
    parser = httptools.HttpResponseParser(reader)
    try:
        await stream.send_all(f"GET {path} HTTP/1.1\r\nhost: localhost\r\n\r\n".encode())
        while not reader.whole:
            data = await stream.receive_some(65536)
            if not data:
                raise ValueError(f"{path}: cut")
            parser.feed_data(data)
    finally:
        await trio.aclose_forcefully(stream)
    return msgspec.json.decode(reader.body, type=kind)


class _Body:
    """httptools' callbacks."""

    def __init__(self) -> None:
        self.body = b""
        self.whole = False

    def on_body(self, data: bytes) -> None:
        self.body += data

    def on_message_complete(self) -> None:
        self.whole = True


def read_visit(visit: Visit) -> Figures:
    """What can be read from the clients' side alone."""
    wanted = [sent for sent in visit.sent if not sent.ask.superseded and not sent.failed]
    waits = {
        "interactive": [first_s(visit, sent) for sent in wanted if sent.ask.interactive],
        "job": [first_s(visit, sent) for sent in wanted if sent.ask.kind == "job"],
    }
    answered = sum(sent.done_s is not None for sent in visit.sent)
    found: Figures = {
        "lasted_s": visit.ended_s - visit.began_s,
        "answered": answered,
        "failed": sum(sent.failed for sent in visit.sent),
        "gave_up": sum(sent.left_s is not None and not sent.ask.superseded for sent in visit.sent),
    }
    for name, seconds in waits.items():
        if seconds:
            found[f"{name}_first_p50_s"] = percentile(seconds, 0.5)
            found[f"{name}_first_p95_s"] = percentile(seconds, 0.95)
    return {name: round(value, 2) for name, value in found.items()}
