"""The chunked coding, fed in pieces."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lodestard.http.chunks import ChunkReader, TooLarge
from lodestard.http.faults import Refused

EXTENSIONS = st.sampled_from([b"", b";a", b";a=b", b';a="b c\\""', b";a=b;c"])
TRAILERS = st.sampled_from([b"", b"A: b\r\n", b"A:\r\nB: c\r\n"])


def take(data: bytes, *, limit_bytes: int = 1000) -> ChunkReader:
    reader = ChunkReader(limit_bytes)
    reader.take(bytearray(data))
    return reader


@given(
    chunks=st.lists(st.tuples(st.binary(min_size=1, max_size=40), EXTENSIONS), max_size=6),
    trailers=TRAILERS,
    cuts=st.sets(st.integers(0, 400), max_size=8),
)
def test_what_is_written_is_read_however_it_is_cut(
    chunks: list[tuple[bytes, bytes]], trailers: bytes, cuts: set[int]
) -> None:
    wire = b"".join(b"%X%b\r\n%b\r\n" % (len(data), extension, data) for data, extension in chunks)
    wire += b"0\r\n" + trailers + b"\r\n"
    stream, received, reader = wire + b"GET /next", bytearray(), ChunkReader(1000)
    edges = [0, *sorted(cut for cut in cuts if cut < len(stream)), len(stream)]
    for low, high in itertools.pairwise(edges):
        received += stream[low:high]
        reader.take(received)
    assert reader.complete
    assert reader.body == b"".join(data for data, _ in chunks)
    assert received == b"GET /next"


def test_the_limit_counts_the_content() -> None:
    assert take(b"5\r\nhello\r\n0\r\n\r\n", limit_bytes=5).complete
    with pytest.raises(TooLarge):
        take(b"5\r\nhello\r\n1\r\n", limit_bytes=5)


def test_what_has_been_read_is_used_up_even_before_an_error() -> None:
    received = bytearray(b"1\r\na\r\nz\r\n")
    with pytest.raises(Refused):
        ChunkReader(10).take(received)
    assert received == b"z\r\n"


@pytest.mark.parametrize("data", [b"5\r", b"5", b"", b"5\r\nhel", b"5\r\nhello\r", b"0\r\n", b"0\r\nA: b\r\n\r"])
def test_what_is_not_whole_waits(data: bytes) -> None:
    assert not take(data).complete
