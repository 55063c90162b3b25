"""httpx over our pool: its answers, its exceptions, and the pool's own rules."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import pytest
import trio

from lodestard.upstream.httpx_transport import PoolTransport
from lodestard.upstream.origin import Origin
from lodestard.upstream.pool import Pool, PoolSettings, open_pool
from lodestard.upstream.request_head import Fields
from tests.fakes.scripted_server import OK, Script, ScriptedServer, answers, answers_then_closes, closes, listening
from tests.fakes.scripted_server import reads_only as never_answers


@asynccontextmanager
async def client_of(*scripts: Script) -> AsyncIterator[tuple[httpx.AsyncClient, Pool, ScriptedServer]]:
    async with listening(*scripts) as (server, port):
        origin = Origin("http", "127.0.0.1", port)
        fields = Fields(origin, [("authorization", "Bearer ours")])
        async with open_pool(PoolSettings(upstream="x", origin=origin, connections=1), fields) as pool:
            base = f"http://127.0.0.1:{port}"
            async with httpx.AsyncClient(transport=PoolTransport(pool), trust_env=False, base_url=base) as client:
                yield client, pool, server


async def test_requests_share_the_pool() -> None:
    async with client_of(answers(OK)) as (client, pool, server):
        answer = await client.get("/api/version?x=1")
        assert (answer.status_code, answer.text, answer.headers["content-length"]) == (200, "ok", "2")
        answer = await client.post("/api/show", json={"model": "m"}, headers={"Authorization": "Bearer theirs"})
        assert answer.status_code == 200
        assert (len(server.peers), pool.status.reused) == (1, 1)
        assert server.requests[0].startswith(b"GET /api/version?x=1 HTTP/1.1\r\nhost: 127.0.0.1:")
        assert b"theirs" not in server.requests[1]
        assert server.requests[1].count(b"Bearer ours") == 1
        assert server.requests[1].endswith(b'{"model":"m"}')
        assert server.requests[0].count(b"accept-encoding: identity") == 1


async def test_bodies_are_streamed() -> None:
    reply = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nab\r\n2\r\ncd\r\n0\r\n\r\n"
    async with client_of(answers(reply)) as (client, pool, _):
        async with client.stream("GET", "/") as answer:
            assert pool.status.leased == 1
            assert b"".join([part async for part in answer.aiter_raw()]) == b"abcd"
        assert (pool.status.leased, pool.status.idle) == (0, 1)
        async with client.stream("GET", "/"):
            pass  # left unread
        assert pool.status.leased == 0
        assert (await client.head("/")).status_code == 200


async def test_redirects_stay_with_the_caller_and_cannot_leave_the_origin() -> None:
    reply = b"HTTP/1.1 302 Found\r\nlocation: http://127.0.0.2:1/\r\ncontent-length: 0\r\n\r\n"
    async with client_of(answers(reply)) as (client, _, __):
        assert (await client.get("/")).status_code == 302
        with pytest.raises(httpx.UnsupportedProtocol, match="not the origin of upstream x"):
            await client.get("/", follow_redirects=True)
        with pytest.raises(httpx.UnsupportedProtocol):
            await client.get("https://127.0.0.1/")


async def test_a_header_that_cannot_be_sent() -> None:
    async with client_of(answers(OK)) as (client, _, __):
        with pytest.raises(httpx.LocalProtocolError, match="x-a holds a character"):
            await client.get("/", headers={"x-a": "b\x7f"})


@pytest.mark.parametrize(
    ("script", "kind"),
    [
        (closes, httpx.ReadError),
        (never_answers, httpx.ReadTimeout),
        (answers(b"nonsense\r\n"), httpx.RemoteProtocolError),
        (answers_then_closes(OK[:-1]), httpx.ReadError),
    ],
)
async def test_exceptions(script: Script, kind: type[httpx.TransportError]) -> None:
    async with client_of(script) as (client, pool, _):
        with pytest.raises(kind, match="upstream x") as caught:
            await client.get("/", timeout=0.1)
        assert type(caught.value) is kind
        assert caught.value.request.url.path == "/"
        assert pool.status.open == 0


async def test_unreachable_and_full() -> None:
    origin = Origin("http", "127.0.0.1", 1)
    async with (
        open_pool(PoolSettings(upstream="x", origin=origin), Fields(origin)) as pool,
        httpx.AsyncClient(transport=PoolTransport(pool), trust_env=False) as client,
    ):
        with pytest.raises(httpx.ConnectError, match="connection refused"):
            await client.get("http://127.0.0.1:1/")
    async with client_of(answers(OK)) as (client, pool, _), client.stream("GET", "/"):
        with pytest.raises(httpx.ConnectTimeout, match="became free"):
            await client.get("/", timeout=httpx.Timeout(None, pool=0.05))
        assert pool.status.waiting == 0


async def test_a_cancelled_request_gives_its_connection_up() -> None:
    async with client_of(never_answers, answers(OK)) as (client, pool, _):
        with trio.move_on_after(0.05):
            await client.get("/")
        assert pool.status.open == 0
        assert (await client.get("/")).text == "ok"
