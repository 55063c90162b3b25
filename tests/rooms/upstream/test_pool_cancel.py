"""A request that is cancelled, wherever it is, leaves the pool as it found it."""

from collections.abc import Awaitable, Callable

import pytest
import trio
import trio.testing
from trio.testing import wait_all_tasks_blocked

from lodestard.upstream.call import Call
from lodestard.upstream.origin import Origin
from lodestard.upstream.pool import Pool, PoolSettings, open_pool
from lodestard.upstream.request_head import Fields
from lodestard.upstream.wire import Wire
from tests.fakes.scripted_pool import ORIGIN, POST, fetch, pool_with
from tests.fakes.scripted_server import (
    OK,
    Peer,
    Script,
    ScriptedServer,
    answers,
    hangs,
    listening,
    reads_only,
    scripted,
)

PART = b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\npart"
LARGE = Call(method="POST", path="/", body=b"x" * 30_000_000)


def answers_in_part(part: bytes) -> Script:
    async def script(peer: Peer) -> None:
        await peer.read_request()
        await peer.send(part)
        await trio.sleep_forever()

    return script


FROZEN: dict[str, tuple[Script, Call]] = {
    "sending": (hangs, LARGE),
    "before the head": (reads_only, POST),
    "in the head": (answers_in_part(PART[:20]), POST),
    "in the body": (answers_in_part(PART), POST),
    "in a chunk": (answers_in_part(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n9\r\npart"), POST),
}


@pytest.mark.parametrize(("script", "call"), FROZEN.values(), ids=FROZEN.keys())
async def test_cancelled_on_a_real_connection(script: Script, call: Call) -> None:
    async with listening(script, answers(OK)) as (server, port):
        origin = Origin("http", "127.0.0.1", port)
        async with open_pool(PoolSettings(upstream="t600", origin=origin, connections=1), Fields(origin)) as pool:
            await _cancel_when_frozen(pool, lambda: fetch(pool, call), server.met)
            assert (pool.status.open, pool.status.leased, pool.status.waiting) == (0, 0, 0)
            assert await fetch(pool) == b"ok"
            assert (pool.status.open, pool.status.idle) == (1, 1)
            assert len(server.peers) == 2


@pytest.mark.parametrize(("script", "call"), FROZEN.values(), ids=FROZEN.keys())
async def test_cancelled_on_a_reused_connection(script: Script, call: Call, autojump_clock: object) -> None:
    async def once_then_frozen(peer: Peer) -> None:
        await peer.read_request()
        await peer.send(OK)
        await script(peer)

    async with pool_with(once_then_frozen, answers(OK), connections=1, resend_on_reset=True) as (pool, _):
        await fetch(pool)
        await _cancel_when_frozen(pool, lambda: fetch(pool, POST))
        assert (pool.status.open, pool.status.leased) == (0, 0)
        assert await fetch(pool) == b"ok"


async def test_cancelled_while_it_waits_for_a_connection(autojump_clock: object) -> None:
    async with pool_with(answers(OK), connections=1) as (pool, server):
        async with pool.request(POST) as response:
            await _cancel_when_frozen(pool, lambda: fetch(pool))
            assert (pool.status.leased, pool.status.waiting) == (1, 0)
            await response.receive_some()
        assert pool.status.idle == 1
        assert await fetch(pool) == b"ok"
        assert len(server.peers) == 1


@pytest.mark.parametrize("cancelled_first", [True, False])
async def test_cancelled_as_the_connection_is_handed_over(cancelled_first: bool, autojump_clock: object) -> None:
    """Granted and cancelled in one step: the connection goes on to the next in the queue."""
    outcomes: list[str] = []

    async def ask(name: str, scope: trio.CancelScope) -> None:
        with scope:
            await fetch(pool)
            outcomes.append(name)

    async with pool_with(answers(OK), connections=1) as (pool, _), trio.open_nursery() as nursery:
        cancelled = trio.CancelScope()
        async with pool.request(POST) as response:
            await response.receive_some()
            nursery.start_soon(ask, "first", cancelled)
            await wait_all_tasks_blocked()
            nursery.start_soon(ask, "second", trio.CancelScope())
            await wait_all_tasks_blocked()
            if cancelled_first:
                cancelled.cancel()
        cancelled.cancel()
        await wait_all_tasks_blocked()
        assert outcomes == ["second"]
        assert (pool.status.leased, pool.status.waiting, pool.status.idle) == (0, 0, 1)


async def test_cancelled_while_it_dials(autojump_clock: object) -> None:
    async with scripted(answers(OK)) as server:
        dials = 0

        async def dial() -> Wire:
            nonlocal dials
            dials += 1
            if dials == 1:
                await trio.sleep_forever()
            return await server.dial()

        settings = PoolSettings(upstream="t600", origin=ORIGIN, connections=1)
        async with open_pool(settings, Fields(ORIGIN), dial=dial) as pool:
            await _cancel_when_frozen(pool, lambda: fetch(pool))
            assert pool.status.open == 0
            assert await fetch(pool) == b"ok"


async def test_a_waiter_gets_the_place_of_one_that_was_cancelled(autojump_clock: object) -> None:
    async with pool_with(reads_only, answers(OK), connections=1) as (pool, _), trio.open_nursery() as nursery:
        scope = trio.CancelScope()
        nursery.start_soon(_fetch_within, pool, scope)
        await wait_all_tasks_blocked()
        nursery.start_soon(fetch, pool)
        await wait_all_tasks_blocked()
        scope.cancel()
        await wait_all_tasks_blocked()
        assert (pool.status.leased, pool.status.waiting, pool.status.idle) == (0, 0, 1)


async def test_many_requests_cancelled_at_random_moments(autojump_clock: object) -> None:
    async def slow(peer: Peer) -> None:
        while await peer.read_request():
            await trio.sleep(0.5)
            await peer.send(PART)
            await trio.sleep(0.5)
            await peer.send(b" rest")

    async def ask(number: int) -> None:
        with trio.move_on_after(number % 23 / 7):
            await fetch(pool)

    async with pool_with(slow, connections=4) as (pool, server):
        async with trio.open_nursery() as nursery:
            for number in range(200):
                nursery.start_soon(ask, number)
        assert (pool.status.leased, pool.status.waiting) == (0, 0)
        assert pool.status.open == pool.status.idle <= 4
        assert await fetch(pool) == b"part rest"
        assert isinstance(server, ScriptedServer)


async def _fetch_within(pool: Pool, scope: trio.CancelScope) -> None:
    with scope:
        await fetch(pool)


async def _cancel_when_frozen(
    pool: Pool, work: Callable[[], Awaitable[bytes]], begun: trio.Event | None = None
) -> None:
    async def run() -> None:
        with scope:
            await work()

    scope = trio.CancelScope()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(run)
        if begun is not None:
            await begun.wait()
        await trio.sleep(0.05)
        assert pool.status.leased == 1
        scope.cancel()
    assert scope.cancelled_caught
