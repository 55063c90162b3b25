"""Bodies that are too much: refused before they are kept, whatever their head says."""

import pytest
import trio

from lodestard.domain.settings import Limits
from lodestard.http import HttpExchange
from lodestard.http.chunks import MAX_SMALL_CHUNKS, SMALL_CHUNK_BYTES
from tests.fakes.http_server import build_server, echo, serving
from tests.rooms.http.rules import CHUNKED, POST


async def reads(exchange: HttpExchange) -> None:
    await exchange.read_body()
    raise AssertionError("a body was read")


@pytest.mark.parametrize(
    "lying", [b"Content-Length: 209715200\r\n\r\n", b"Content-Length: 9999999999999999999\r\n\r\n"]
)
async def test_a_body_over_the_limit_is_refused_before_it_is_read(lying: bytes) -> None:
    async with serving(build_server(reads)) as running:
        client = await running.connect()
        answer = await client.ask(POST + lying)
    assert (answer.status, answer.closes) == (413, True)


async def test_a_chunked_body_over_the_limit_is_refused_on_the_way() -> None:
    async with serving(build_server(reads, limits=Limits(body_bytes=100_000))) as running:
        client = await running.connect()
        answer = await client.ask(CHUNKED + (b"4000\r\n" + b"a" * 0x4000 + b"\r\n") * 7)
    assert (answer.status, answer.closes) == (413, True)


@pytest.mark.parametrize("most", [1_000, pytest.param(MAX_SMALL_CHUNKS, marks=pytest.mark.repeats)])
async def test_a_body_in_too_many_small_chunks_is_refused(most: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each costs microseconds: without this, 200 MB on the wire would keep a core busy for minutes."""
    monkeypatch.setattr("lodestard.http.chunks.MAX_SMALL_CHUNKS", most)
    async with serving(build_server(reads)) as running:
        client = await running.connect()
        await client.send(CHUNKED)
        small = b"1\r\na\r\n" * 10_000
        with pytest.raises(trio.BrokenResourceError):
            for _ in range(40):
                await client.send(small)
        assert (await client.read()).status == 400


@pytest.mark.repeats
async def test_many_chunks_that_are_long_enough_are_taken() -> None:
    chunk = b"%x\r\n%b\r\n" % (SMALL_CHUNK_BYTES, b"a" * SMALL_CHUNK_BYTES)
    async with serving(build_server(echo)) as running:
        client = await running.connect()
        await client.send(CHUNKED)
        for _ in range(12):
            await client.send(chunk * (MAX_SMALL_CHUNKS // 10))
        answer = await client.ask(b"0\r\n\r\n")
    assert answer.status == 200
    assert answer.body.endswith(b"a" * (12 * (MAX_SMALL_CHUNKS // 10) * SMALL_CHUNK_BYTES))
