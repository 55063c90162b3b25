"""A look at an upstream: its status over its own pool, its key along, and a connection that serves again."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from lodestard.domain.errors import Code, UpstreamFault
from lodestard.upstream.look import MOST_BYTES, look
from lodestard.upstream.origin import Origin
from lodestard.upstream.pool import Pool, PoolSettings, open_pool
from lodestard.upstream.request_head import Fields
from tests.fakes.scripted_server import OK, Script, ScriptedServer, answers, closes, listening, reads_only

UNSEEN = b"HTTP/1.1 503 Service Unavailable\r\ncontent-length: 2\r\n\r\nno"
ENDLESS = b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % (2 * MOST_BYTES) + b"x" * (MOST_BYTES + 1)
CUT = b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nshort"


@asynccontextmanager
async def pool_to(*scripts: Script) -> AsyncIterator[tuple[Pool, ScriptedServer, str]]:
    async with listening(*scripts) as (server, port):
        origin = Origin("http", "127.0.0.1", port)
        fields = Fields(origin, [("authorization", "Bearer ours")])
        async with open_pool(PoolSettings(upstream="x", origin=origin, connections=1), fields) as pool:
            yield pool, server, f"http://127.0.0.1:{port}/v1/"


async def test_a_status_over_the_pool_s_own_connection() -> None:
    async with pool_to(answers(OK)) as (pool, server, url):
        assert await look(pool, url, "/models") == 200
        assert await look(pool, url, "/models") == 200
        assert (len(server.peers), pool.status.reused, pool.status.leased) == (1, 1, 0)
        assert server.requests[0].startswith(b"GET /v1/models HTTP/1.1\r\nhost: 127.0.0.1:")
        assert server.requests[0].count(b"Bearer ours") == 1


async def test_a_bad_status_is_an_answer() -> None:
    async with pool_to(answers(UNSEEN)) as (pool, _, url):
        assert await look(pool, url, "/models") == 503


async def test_no_more_is_read_than_can_be_right() -> None:
    async with pool_to(answers(ENDLESS)) as (pool, _, url):
        with trio.fail_after(10):
            assert await look(pool, url, "/models") == 200
        assert (pool.status.leased, pool.status.idle) == (0, 0)


@pytest.mark.parametrize(
    ("script", "code"), [(closes, Code.UPSTREAM_CUT), (answers(b"what?"), Code.UPSTREAM_GARBAGE)]
)
async def test_what_is_no_answer_is_a_fault(script: Script, code: str) -> None:
    async with pool_to(script) as (pool, _, url):
        with pytest.raises(UpstreamFault) as caught:
            await look(pool, url, "/models")
        assert caught.value.code == code
        assert pool.status.leased == 0


async def test_a_look_that_is_given_up_leaves_the_pool_as_it_was() -> None:
    async with pool_to(reads_only) as (pool, server, url):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(look, pool, url, "/models")
            await server.met.wait()
            await wait_all_tasks_blocked()
            nursery.cancel_scope.cancel()
        assert (pool.status.leased, pool.status.open) == (0, 0)
