"""What the pool does on its own: connections ready ahead of need, old ones closed."""

import trio
import trio.testing

from lodestard.upstream.faults import Blame
from lodestard.upstream.pool import PoolSettings, open_pool
from lodestard.upstream.request_head import Fields
from lodestard.upstream.wire import Wire
from tests.fakes.scripted_pool import ORIGIN, POST, fetch, pool_with
from tests.fakes.scripted_server import OK, answers, answers_then_closes, scripted


async def test_idle_connections_expire(autojump_clock: trio.testing.MockClock) -> None:
    async with pool_with(answers(OK), idle_expiry_s=60, sweep_s=5) as (pool, _):
        await fetch(pool)
        await trio.sleep(59)
        assert pool.status.idle == 1
        await trio.sleep(7)
        assert pool.status.open == 0
        await fetch(pool)  # and again, after the keeper had nothing to look at
        await trio.sleep(66)
        assert pool.status.open == 0


async def test_what_the_server_closed_is_cleared_away(autojump_clock: trio.testing.MockClock) -> None:
    async with pool_with(answers_then_closes(OK), sweep_s=5) as (pool, _):
        await fetch(pool)
        await trio.sleep(6)
        assert pool.status.open == 0


async def test_connections_are_kept_ready(autojump_clock: trio.testing.MockClock) -> None:
    async with pool_with(answers(OK), preopen=2, connections=3, idle_expiry_s=60) as (pool, server):
        await trio.sleep(1)
        assert (pool.status.idle, pool.status.dialled) == (2, 2)
        async with pool.request(POST) as first:
            await trio.sleep(1)
            assert (pool.status.idle, pool.status.open) == (2, 3)
            async with pool.request(POST) as second:
                await trio.sleep(1)
                assert (pool.status.idle, pool.status.open) == (1, 3)  # the limit
                await second.receive_some()
            await first.receive_some()
        assert pool.status.reused == 2
        await trio.sleep(200)
        assert pool.status.idle >= 2
        assert pool.status.open <= 3
        assert len(server.requests) == 2


async def test_preopening_is_tried_again_ever_more_slowly(autojump_clock: trio.testing.MockClock) -> None:
    tries: list[float] = []
    async with scripted(answers(OK)) as server:

        async def dial() -> Wire:
            tries.append(trio.current_time() - start)
            if len(tries) < 6:
                raise Blame("t600", ORIGIN).unreachable("connection refused")
            return await server.dial()

        start = trio.current_time()
        settings = PoolSettings(upstream="t600", origin=ORIGIN, preopen=1)
        async with open_pool(settings, Fields(ORIGIN), dial=dial) as pool:
            await trio.sleep(40)
            assert tries == [0, 1, 3, 7, 15, 31]
            assert (pool.status.failed, pool.status.idle) == (5, 1)


async def test_a_connection_opened_ahead_serves_whoever_waits(autojump_clock: trio.testing.MockClock) -> None:
    async with scripted(answers(OK)) as server:

        async def dial() -> Wire:
            await trio.sleep(3)
            return await server.dial()

        settings = PoolSettings(upstream="t600", origin=ORIGIN, preopen=1, connections=1)
        async with open_pool(settings, Fields(ORIGIN), dial=dial) as pool:
            await trio.sleep(1)
            start = trio.current_time()
            assert await fetch(pool) == b"ok"
            assert trio.current_time() - start == 2
            assert pool.status.dialled == 1


async def test_a_failed_preopening_makes_room_for_whoever_waits(autojump_clock: trio.testing.MockClock) -> None:
    async with scripted(answers(OK)) as server:
        dials = 0

        async def dial() -> Wire:
            nonlocal dials
            dials += 1
            if dials == 1:
                await trio.sleep(3)
                raise Blame("t600", ORIGIN).unreachable("connection refused")
            return await server.dial()

        settings = PoolSettings(upstream="t600", origin=ORIGIN, preopen=1, connections=1)
        async with open_pool(settings, Fields(ORIGIN), dial=dial) as pool:
            await trio.sleep(1)
            assert await fetch(pool) == b"ok"


async def test_closing_the_pool_ends_a_preopening(autojump_clock: trio.testing.MockClock) -> None:
    async def dial() -> Wire:
        await trio.sleep_forever()
        raise AssertionError

    settings = PoolSettings(upstream="t600", origin=ORIGIN, preopen=1)
    async with open_pool(settings, Fields(ORIGIN), dial=dial) as pool:
        await trio.sleep(1)
        assert pool.status.open == 1
    assert pool.status.open == 0
