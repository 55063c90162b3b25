"""The two splitters of streams: any portions give the same events and the same failure, in bounded memory."""

import itertools
import tracemalloc
from collections.abc import Callable, Iterable

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from lodestard.domain.errors import Code, UpstreamFault
from lodestard.protocols.event_reader import Splitter
from lodestard.protocols.ndjson import LineParser
from lodestard.protocols.sse import SseParser

MIB = 1024 * 1024
PORTION_BYTES = 64 * 1024
BOUND = 24
MAKERS: dict[str, Callable[[int], Splitter]] = {"sse": SseParser, "ndjson": LineParser}
PARTS = [
    *(b"data: ", b"data:", b"data", b"event: x", b"id: " + b"9" * 20, b"retry: 1", b": a comment", b":", b"datax: 1"),
    *(b"\r", b"\n", b"\r\n", b"\n\n", b"\r\r", b"\r\n\r\n", b"\n\r"),
    *(
        b"\xef\xbb\xbf",
        b"\xef\xbb",
        b"\0",
        b" ",
        b"  ",
        b"\x0b",
        b"\xc3",
        b"\xff",
        b'{"a":1}',
        b"xxxxxxxxxxxxxxxxxxxxxxx",
    ),
]
STREAMS = st.one_of(st.lists(st.sampled_from(PARTS), max_size=24).map(b"".join), st.binary(max_size=80))


def read(parser: Splitter, portions: Iterable[bytes]) -> tuple[list[bytes], str]:
    """Every event, and how it ended. A parser that has failed fails again."""
    events: list[bytes] = []
    try:
        for portion in portions:
            events += parser.feed(portion)
        events += parser.finish()
    except UpstreamFault as fault:
        with pytest.raises(UpstreamFault):
            parser.feed(b"data: late\n\n")
        with pytest.raises(UpstreamFault):
            parser.finish()
        return events, fault.code
    return events, ""


def cut(stream: bytes, places: Iterable[int]) -> list[bytes]:
    edges = [0, *sorted(place for place in places if place < len(stream)), len(stream)]
    return [stream[low:high] for low, high in itertools.pairwise(edges)]


@pytest.mark.parametrize("kind", MAKERS)
@given(stream=STREAMS, places=st.lists(st.integers(0, 200), max_size=8), bound=st.sampled_from([BOUND, MIB]))
@example(stream=b"data: 1\n\ndata: " + b"x" * 40 + b"\n\n", places=[], bound=BOUND)
@example(stream=b"data: 1\n\ndata: " + b"x" * 40 + b"\n\n", places=[8], bound=BOUND)
@example(stream=b"data: 1\r\r\n: " + b"x" * 40, places=[9], bound=BOUND)
@example(stream=b"{}\n" + b" " * BOUND + b"{}\n{}", places=[5], bound=BOUND)
def test_any_portions_give_the_same(kind: str, stream: bytes, places: list[int], bound: int) -> None:
    whole = read(MAKERS[kind](bound), [stream])
    assert read(MAKERS[kind](bound), cut(stream, places)) == whole
    assert read(MAKERS[kind](bound), [stream[at : at + 1] for at in range(len(stream))]) == whole


@pytest.mark.parametrize("kind", MAKERS)
def test_every_boundary(kind: str) -> None:
    stream = b'\xef\xbb\xbfdata: {"a":\r\ndata: 1}\r\n\r\n: \0\rid\rdata\n\ndata:x\r\r\n{"b":2}\r\n\n{"c":3}'
    whole = read(MAKERS[kind](MIB), [stream])
    assert len(whole[0]) > 2
    for at in range(len(stream)):
        assert read(MAKERS[kind](MIB), [stream[:at], stream[at:]]) == whole, at


@given(size=st.integers(BOUND - 12, BOUND + 12), places=st.lists(st.integers(0, 80), max_size=4))
def test_the_bound_is_one_place(size: int, places: list[int]) -> None:
    """An event counts with the ends of its lines, a line of JSON without."""
    for kind, line, counted in (
        ("sse", b"data: ".ljust(size, b"x") + b"\n\n", size + 1),
        ("ndjson", b"x" * size + b"\n", size),
    ):
        events, fault = read(MAKERS[kind](BOUND), cut(line, places))
        assert (len(events), fault) == ((1, "") if counted <= BOUND else (0, Code.UPSTREAM_GARBAGE))


def flood(parser: Splitter, first: bytes, unit: bytes, total_bytes: int) -> tuple[int, int]:
    """→ how much it took before it refused, and its memory's peak over that time."""
    portion = (unit * (PORTION_BYTES // len(unit) + 1))[:PORTION_BYTES]
    fed_bytes = 0
    tracemalloc.start()
    try:
        parser.feed(first)
        while fed_bytes < total_bytes:
            fed_bytes += len(portion)
            parser.feed(portion)
    except UpstreamFault:
        return fed_bytes, tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    raise AssertionError("it was never refused")


@pytest.mark.repeats
@pytest.mark.parametrize(
    ("kind", "first", "unit"),
    [
        ("sse", b"data: ", b"x" * 100),
        ("sse", b": ", b"x" * 100),
        ("sse", b"id: ", b"9" * 100),
        ("sse", b"", b"data: " + b"x" * 300 + b"\n"),
        ("sse", b"", b"data: " + b"x" * 300 + b"\r"),
        ("ndjson", b"", b"x" * 100),
    ],
)
def test_an_event_of_64_mib_is_refused_in_bounded_memory(kind: str, first: bytes, unit: bytes) -> None:
    fed_bytes, peak_bytes = flood(MAKERS[kind](16 * MIB), first, unit, 64 * MIB)
    assert fed_bytes <= 16 * MIB + 2 * PORTION_BYTES
    assert peak_bytes <= (16 + 4) * MIB


@pytest.mark.repeats
def test_short_lines_take_no_more_memory_than_long_ones() -> None:
    for unit in (b"data\n", b"data:\n", b"data: xy\n", b"data:\r"):
        _, peak_bytes = flood(SseParser(MIB // 2), b"", unit, 2 * MIB)
        assert peak_bytes <= MIB // 2 + 4 * MIB  # a portion cut into its lines is most of it


@pytest.mark.repeats
def test_time_is_linear_in_an_event_however_it_is_dribbled() -> None:
    """Three bytes at a time: quadratic work would be 10 ** 11 copied bytes."""
    parser = SseParser(2 * MIB)
    parser.feed(b"data: ")
    for _ in range(200_000):
        parser.feed(b"xxx")
    (event,) = parser.feed(b"\n\n")
    assert len(event) == 600_000


@settings(max_examples=50)
@given(st.lists(st.sampled_from([b"data", b"data:", b"data: a", b"data:  b"]), min_size=2, max_size=30))
def test_lines_of_one_event_are_joined(lines: list[bytes]) -> None:
    (event,) = SseParser().feed(b"\n".join(lines) + b"\n\n")
    assert event == b"\n".join(line[5:].removeprefix(b" ") for line in lines)


def test_a_mark_before_lines_of_json_is_read_over_once() -> None:
    assert LineParser().feed(b"\xef\xbb\xbf{}\n\xef\xbb\xbf{}\n") == [b"{}", b"\xef\xbb\xbf{}"]
    assert read(LineParser(), [b"\xef", b"\xbb\xbf{}"]) == ([b"{}"], "")


def test_only_the_white_space_of_json_is_read_over() -> None:
    assert LineParser().feed(b" {}\t\r\n\x0c{}\n") == [b"{}", b"\x0c{}"]
