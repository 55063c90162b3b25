"""However a stream of bytes is cut into segments, the handler sees the same requests."""

import itertools

import trio
import trio.testing
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lodestard.http import HttpExchange
from tests.fakes.http_server import build_server, serving

SIZED = b"POST /a?b HTTP/1.1\r\nHost: localhost\r\nX: 1\r\nContent-Length: 5\r\n\r\nhello"
CHUNKED = (
    b"\r\nPOST /c HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
    b"3;x=y\r\nabc\r\n2\r\nde\r\n0\r\nT: 1\r\n\r\n"
)
PLAIN = b"GET http://localhost/d HTTP/1.1\r\nHost: localhost\r\n\r\n"
STREAM = SIZED + CHUNKED + PLAIN + SIZED
SEEN = [
    ("POST", "/a", "b", b"hello"),
    ("POST", "/c", "", b"abcde"),
    ("GET", "/d", "", b""),
    ("POST", "/a", "b", b"hello"),
]


async def see(segments: list[bytes]) -> list[tuple[str, str, str, bytes]]:
    """What a handler sees of a stream that comes in these segments, each of which is read before the next is sent."""
    seen = []

    async def handler(exchange: HttpExchange) -> None:
        seen.append((exchange.method, exchange.path, exchange.query, await exchange.read_body()))
        await exchange.respond(200, [], b"")

    async with serving(build_server(handler)) as running:
        client = await running.connect()
        for segment in segments:
            await client.send(segment)
            await trio.testing.wait_all_tasks_blocked()
        await client.stream.send_eof()
        await client.read_all()
    return seen


async def test_every_byte_boundary() -> None:
    for position in range(1, len(STREAM)):
        assert await see([STREAM[:position], STREAM[position:]]) == SEEN, position


async def test_byte_by_byte() -> None:
    assert await see([STREAM[at : at + 1] for at in range(len(STREAM))]) == SEEN


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(cuts=st.sets(st.integers(1, len(STREAM) - 1), max_size=12))
def test_random_segments(cuts: set[int]) -> None:
    edges = [0, *sorted(cuts), len(STREAM)]
    assert trio.run(see, [STREAM[low:high] for low, high in itertools.pairwise(edges)]) == SEEN


@settings(max_examples=60, deadline=None)
@given(where=st.integers(0, len(STREAM)), junk=st.binary(min_size=1, max_size=3), cut=st.integers(1, len(STREAM) - 1))
def test_a_damaged_stream_is_seen_alike_however_it_is_cut(where: int, junk: bytes, cut: int) -> None:
    damaged = STREAM[:where] + junk + STREAM[where + len(junk) :]
    assert trio.run(see, [damaged]) == trio.run(see, [damaged[:cut], damaged[cut:]])
