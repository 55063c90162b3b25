"""What translating costs beside passing through: ``python -m tests.bench.translation``.

For each dialect of clients, a request of 4 KB is read and written for each dialect of upstreams; for each pair, a
stream of words is read and written chunk by chunk, as its bytes would arrive. Figures are medians of rounds in one
process; what is *added* is over the pair that passes bytes through (OpenAI's chat on both sides), timed in turns.
"""

import argparse
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple

import msgspec

from lodestard.domain.errors import Fault
from lodestard.domain.request import Request
from lodestard.domain.settings import Upstream
from lodestard.protocols.clients import CLIENTS
from lodestard.protocols.codec import ClientCodec, UpstreamCodec
from lodestard.protocols.codecs import CODECS
from lodestard.protocols.responses.client import Responses
from tests.bench.translation_samples import REQUESTS, STREAMS, WORDS

DEPTH = 64
GOAL_REQUEST_MS, GOAL_CHUNK_US = 0.15, 20.0
PASSING = ("openai", "openai")


class Way(NamedTuple):
    """An upstream, as it is configured, by the name of its row."""

    name: str
    codec: UpstreamCodec
    settings: Upstream


class Timed(NamedTuple):
    """Medians: a request in milliseconds, a chunk in microseconds; None where the pair has none."""

    client: str
    upstream: str
    request_ms: float | None
    chunk_us: float | None


def ways() -> Iterator[Way]:
    """Every dialect of upstreams."""
    for name, codec in CODECS.items():
        yield Way(name, codec, msgspec.convert({"dialect": name, "url": "http://127.0.0.1/v1"}, Upstream))
    if "api" in Upstream.__struct_fields__:
        responses = {"dialect": "openai", "url": "http://127.0.0.1/v1", "api": "responses"}
        yield Way("responses", CODECS["openai"], msgspec.convert(responses, Upstream))


def best_of(work: Callable[[], object], times: int) -> float:
    """Seconds of one, as the mean of ``times``."""
    began = time.perf_counter()
    for _ in range(times):
        work()
    return (time.perf_counter() - began) / times


def request_work(client: ClientCodec, way: Way) -> Callable[[], object]:
    """Read 4 KB of a client, and write them for an upstream."""
    body = REQUESTS[client.dialect]

    def work() -> object:
        request = client.read_request(body, depth=DEPTH, headers={})
        return way.codec.write_request(request, "some-model", way.settings)

    return work


def stream_work(client: ClientCodec, way: Way, request: Request) -> Callable[[], object]:
    """Read a stream of an upstream, and write it for a client, event by event."""
    wire = way.codec.write_request(request, "some-model", way.settings)
    portions = STREAMS[way.name]

    def work() -> object:
        reader = way.codec.reader(wire)
        writer = client.stream_writer(request, created=1, reply_id="req_1")
        sent = len(writer.open())
        for portion in portions:
            sent += len(writer.write(reader.feed(portion)))
        return sent + len(writer.write(reader.finish())) + len(writer.close())

    return work


class Pair(NamedTuple):
    client: str
    upstream: str
    request: Callable[[], object]
    stream: Callable[[], object] | None


def pairs() -> Iterator[Pair]:
    """Every pair that has something to translate."""
    for client in (*CLIENTS, Responses()):
        if client.dialect not in REQUESTS:
            continue
        request = client.read_request(REQUESTS[client.dialect], depth=DEPTH, headers={})
        for way in ways():
            try:
                work = request_work(client, way)
                work()
            except Fault:
                continue  # this upstream does no such thing
            stream = stream_work(client, way, request) if way.name in STREAMS and request.stream else None
            yield Pair(client.dialect, way.name, work, stream)


def measure(rounds: int, times: int) -> Sequence[Timed]:
    """All pairs in turns, so that a busy moment of the machine hits all of them."""
    every = list(pairs())
    requests: list[list[float]] = [[] for _ in every]
    streams: list[list[float]] = [[] for _ in every]
    for _ in range(rounds):
        for at, pair in enumerate(every):
            requests[at].append(best_of(pair.request, times))
            if pair.stream is not None:
                streams[at].append(best_of(pair.stream, max(1, times // 20)) / WORDS)
    return [
        Timed(
            pair.client,
            pair.upstream,
            statistics.median(requests[at]) * 1e3,
            statistics.median(streams[at]) * 1e6 if streams[at] else None,
        )
        for at, pair in enumerate(every)
    ]


def write(timed: Sequence[Timed]) -> str:
    """The table in Markdown. What is added is over passing through."""
    passing = next(each for each in timed if (each.client, each.upstream) == PASSING)
    lines = ["| client | upstream | request, ms | added | chunk, µs | added |", "|---|---|---|---|---|---|"]
    for each in timed:
        request, chunk = _cells(each.request_ms, passing.request_ms), _cells(each.chunk_us, passing.chunk_us)
        lines.append(f"| {each.client} | {each.upstream} | {request} | {chunk} |")
    return "\n".join(lines)


def _cells(figure: float | None, passing: float | None) -> str:
    if figure is None or passing is None:
        return " | "
    return f"{figure:.3f} | {figure - passing:+.3f}"


def worst(timed: Sequence[Timed]) -> Mapping[str, float]:
    """What is added at the most."""
    passing = next(each for each in timed if (each.client, each.upstream) == PASSING)
    assert passing.request_ms is not None
    assert passing.chunk_us is not None
    return {
        "request_ms": max(each.request_ms - passing.request_ms for each in timed if each.request_ms is not None),
        "chunk_us": max(each.chunk_us - passing.chunk_us for each in timed if each.chunk_us is not None),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--times", type=int, default=200)
    asked = parser.parse_args()
    timed = measure(asked.rounds, asked.times)
    most = worst(timed)
    request = f"{most['request_ms']:.3f} ms a request (goal {GOAL_REQUEST_MS})"
    chunk = f"{most['chunk_us']:.1f} µs a chunk (goal {GOAL_CHUNK_US:g})"
    sys.stdout.write(f"{write(timed)}\n\nadded at the most: {request}, {chunk}\n")


if __name__ == "__main__":
    main()
