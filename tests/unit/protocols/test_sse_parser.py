"""The event parser against a slow and plain reading of the standard, however the bytes are portioned."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lodestard.domain.errors import Code, UpstreamFault
from lodestard.protocols.sse import SseParser


def read_slowly(data: bytes) -> list[bytes]:
    """The standard's algorithm, one byte after the other, on the whole stream."""
    data = data.removeprefix(b"\xef\xbb\xbf").replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    events: list[bytes] = []
    buffer: list[bytes] = []
    for line in data.split(b"\n")[:-1]:
        if not line:
            if buffer:
                events.append(b"\n".join(buffer))
            buffer = []
            continue
        name, _, value = line.partition(b":")
        if name == b"data":
            buffer.append(value.removeprefix(b" "))
    return events


LINES = st.sampled_from(
    [
        b"data: {}",
        b"data:x",
        b"data",
        b"data:  y",
        b": ping",
        b"event: error",
        b"id: 1",
        b"",
        b"",
        b"a\0b",
        b"datax: 1",
    ]
)
ENDS = st.sampled_from([b"\n", b"\r", b"\r\n"])
STREAMS = st.builds(
    lambda mark, lines: mark + b"".join(line + end for line, end in lines),
    st.sampled_from([b"", b"\xef\xbb\xbf", b"\xef\xbb"]),
    st.lists(st.tuples(LINES, ENDS), max_size=12),
)


@given(STREAMS, st.data())
def test_portions_do_not_matter(stream: bytes, data: st.DataObject) -> None:
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=8)))
    parser = SseParser()
    events: list[bytes] = []
    for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True):
        events += parser.feed(stream[start:end])
    assert events == read_slowly(stream)


def test_every_byte_on_its_own() -> None:
    stream = b'\xef\xbb\xbf: hello\r\n\r\ndata: {"a":\r\ndata: 1}\r\n\r\rdata: \xc3\xa9\n\ndata:\n\ndata: cut'
    parser = SseParser()
    events = [event for at in range(len(stream)) for event in parser.feed(stream[at : at + 1])]
    assert events == [b'{"a":\n1}', b"\xc3\xa9", b""] == read_slowly(stream)
    assert parser.finish() == []


@given(st.binary(max_size=200))
def test_any_bytes_are_read_as_the_standard_says(stream: bytes) -> None:
    assert SseParser().feed(stream) == read_slowly(stream)


@pytest.mark.parametrize("line", [b"data: ", b": ", b""])
def test_an_event_that_never_ends_is_refused(line: bytes) -> None:
    parser = SseParser(max_event_bytes=1000)
    parser.feed(line)
    with pytest.raises(UpstreamFault) as caught:
        for _ in range(20):
            parser.feed(b"x" * 100)
    assert caught.value.code is Code.UPSTREAM_GARBAGE


def test_many_small_lines_of_one_event_are_bounded_too() -> None:
    parser = SseParser(max_event_bytes=1000)
    with pytest.raises(UpstreamFault):
        parser.feed(b"data:\n" * 1001)
    assert len(SseParser(max_event_bytes=1000).feed(b"data: 12345\n\n" * 1000)) == 1000
