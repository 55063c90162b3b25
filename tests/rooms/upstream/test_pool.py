"""The pool: reuse, limits, order, deadlines, what is sent twice."""

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from lodestard.domain.errors import Code, HouseFault, UpstreamFault
from lodestard.upstream.call import Call, Timeouts
from lodestard.upstream.pool import PoolSettings, open_pool
from lodestard.upstream.request_head import Fields
from tests.fakes.scripted_pool import ORIGIN, POST, fetch, pool_with
from tests.fakes.scripted_server import (
    OK,
    Peer,
    Script,
    answers,
    answers_then_closes,
    closes,
    hangs,
    reads_only,
    scripted,
)


async def test_a_request_as_it_goes_out_and_its_answer(autojump_clock: object) -> None:
    async with pool_with(answers(b"HTTP/1.1 201 Made\r\nX-A: 1\r\nx-a: 2\r\ncontent-length: 2\r\n\r\nhi")) as (
        pool,
        server,
    ):
        async with pool.request(Call(method="POST", path="/p?q=1", headers=(("x-b", "3"),), body=b"{}")) as response:
            assert response.status == 201
            assert response.headers == {"x-a": "1, 2", "content-length": "2"}
            assert (response.content_type, response.coded) == (b"", False)
            assert await response.receive_some() == b"hi"
            assert await response.receive_some() == b""
            assert response.complete
        head = b"POST /p?q=1 HTTP/1.1\r\ncontent-length: 2\r\nhost: gpu.lan:11434\r\naccept-encoding: identity\r\n"
        assert server.requests == [head + b"x-b: 3\r\n\r\n{}"]


async def test_connections_are_reused_last_in_first_out(autojump_clock: object) -> None:
    async with pool_with(answers(OK)) as (pool, server):
        async with pool.request(POST) as first:
            assert await fetch(pool) == b"ok"  # on a second connection, which comes back first
            await first.receive_some()
        assert (pool.status.open, pool.status.idle, pool.status.leased) == (2, 2, 0)
        await fetch(pool)
        await fetch(pool)
        assert (pool.status.dialled, pool.status.reused) == (2, 2)
        assert len(server.requests) == 4


async def test_never_more_connections_than_the_limit_and_first_come_first_served(autojump_clock: object) -> None:
    order: list[int] = []

    async def ask(number: int) -> None:
        async with pool.request(POST) as response:
            order.append(number)
            await trio.sleep(1 + number / 8)  # so that no two leave at once
            await response.receive_some()

    async with pool_with(answers(OK), connections=2) as (pool, server):
        async with trio.open_nursery() as nursery:
            for number in range(6):
                nursery.start_soon(ask, number)
                await wait_all_tasks_blocked()
            assert (pool.status.waiting, pool.status.open) == (4, 2)
        assert order == [0, 1, 2, 3, 4, 5]
        assert len(server.peers) == 2


async def test_waiting_for_a_connection_has_a_limit(autojump_clock: trio.testing.MockClock) -> None:
    call = Call(method="POST", path="/", timeouts=Timeouts(queue_s=7))
    async with pool_with(answers(OK), connections=1) as (pool, _), pool.request(POST):
        start = trio.current_time()
        with pytest.raises(UpstreamFault, match=r"t600 \(gpu.lan:11434\).*within 7 s") as caught:
            await fetch(pool, call)
        assert trio.current_time() - start == 7
        assert (caught.value.code, caught.value.sent) == (Code.UPSTREAM_TIMEOUT, False)
        assert pool.status.waiting == 0


async def test_a_waiter_dials_when_the_connection_it_waited_for_is_closed(autojump_clock: object) -> None:
    async with pool_with(answers_then_closes(OK), answers(OK), connections=1) as (pool, server):
        async with trio.open_nursery() as nursery, pool.request(POST):  # left before its end: closed
            nursery.start_soon(fetch, pool)
            await wait_all_tasks_blocked()
        assert len(server.peers) == 2


async def test_a_connection_that_the_server_closed_while_idle_is_not_used(autojump_clock: object) -> None:
    async with pool_with(answers_then_closes(OK), answers(OK)) as (pool, server):
        await fetch(pool)
        await wait_all_tasks_blocked()
        assert await fetch(pool) == b"ok"
        assert (len(server.requests), pool.status.reused, pool.status.open) == (2, 0, 1)


async def closes_at_the_second(peer: Peer) -> None:
    await peer.read_request()
    await peer.send(OK)
    await peer.read_request()


@pytest.mark.parametrize("free", [True, False])
async def test_a_reset_on_a_reused_connection(free: bool, autojump_clock: object) -> None:
    """What may cost money twice is not sent twice; what is free is sent once more."""
    async with pool_with(closes_at_the_second, answers(OK), resend_on_reset=free) as (pool, server):
        await fetch(pool)
        if free:
            assert await fetch(pool) == b"ok"
            assert len(server.requests) == 3
        else:
            with pytest.raises(UpstreamFault, match="before it answered") as caught:
                await fetch(pool)
            assert (caught.value.code, caught.value.sent) == (Code.UPSTREAM_CUT, True)
            assert len(server.requests) == 2
        assert pool.status.leased == 0


async def test_a_request_that_could_not_be_written_goes_out_again(autojump_clock: object) -> None:
    async def closes_unseen(peer: Peer) -> None:
        await peer.read_request()
        await peer.send(OK)
        await trio.aclose_forcefully(peer.stream)  # without the pool being told
        await trio.sleep_forever()

    async with pool_with(closes_unseen, answers(OK)) as (pool, _):
        await fetch(pool)
        await wait_all_tasks_blocked()
        assert await fetch(pool) == b"ok"
        assert (pool.status.dialled, pool.status.reused) == (2, 1)


async def test_a_reset_on_a_new_connection_is_final(autojump_clock: object) -> None:
    async with pool_with(closes, answers(OK), resend_on_reset=True) as (pool, server):
        with pytest.raises(UpstreamFault) as caught:
            await fetch(pool)
        assert (caught.value.code, caught.value.sent, caught.value.upstream) == (Code.UPSTREAM_CUT, True, "t600")
        assert len(server.requests) == 1
        assert pool.status.open == 0


async def test_an_early_answer_is_heard_although_the_request_broke_off(autojump_clock: object) -> None:
    refusal = b"HTTP/1.1 413 No\r\ncontent-length: 3\r\n\r\nbig"

    async def refuses(peer: Peer) -> None:
        assert isinstance(peer.stream, trio.StapledStream)
        peer.stream.receive_stream.close()
        await peer.send(refusal)
        await trio.sleep_forever()

    async with pool_with(refuses) as (pool, _):
        async with pool.request(POST) as response:
            assert response.status == 413
            assert await response.receive_some() == b"big"
        assert pool.status.open == 0


@pytest.mark.parametrize(
    ("script", "timeouts", "after_s", "says"),
    [
        (reads_only, Timeouts(head_s=5), 5, "began no answer within 5 s"),
        (hangs, Timeouts(head_s=5), 5, "began no answer within 5 s"),
        (reads_only, Timeouts(head_s=50, whole_s=20), 20, "began no answer within 20 s"),
    ],
)
async def test_no_head_in_time(
    script: Script, timeouts: Timeouts, after_s: int, says: str, autojump_clock: object
) -> None:
    call = Call(method="POST", path="/", timeouts=timeouts)
    async with pool_with(script) as (pool, _):
        start = trio.current_time()
        with pytest.raises(UpstreamFault, match=says) as caught:
            await fetch(pool, call)
        assert trio.current_time() - start == after_s
        assert (caught.value.code, caught.value.sent) == (Code.UPSTREAM_TIMEOUT, True)
        assert pool.status.open == 0


async def test_a_head_that_dribbles(autojump_clock: object) -> None:
    async def script(peer: Peer) -> None:
        await peer.read_request()
        for byte in b"HTTP/1.1 200 OK\r\n" + b"x-a: 1\r\n" * 100:
            await trio.sleep(1)
            await peer.send(bytes((byte,)))

    async with pool_with(script) as (pool, _):
        start = trio.current_time()
        with pytest.raises(UpstreamFault, match="began no answer within 30 s") as caught:
            await fetch(pool, Call(method="POST", path="/", timeouts=Timeouts(head_s=30, idle_s=2)))
        assert trio.current_time() - start == 30
        assert caught.value.sent
        assert pool.status.open == 0


def dribbles(every_s: float) -> Script:
    async def script(peer: Peer) -> None:
        await peer.read_request()
        await peer.send(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n")
        for _ in range(100):
            await trio.sleep(every_s)
            await peer.send(b".")

    return script


@pytest.mark.parametrize(
    ("every_s", "timeouts", "after_s", "says"),
    [
        (1, Timeouts(idle_s=2, whole_s=10.5), 10.5, "had not ended its answer after 10.5 s"),
        (9, Timeouts(idle_s=2, whole_s=10.5), 2, "sent nothing for 2 s"),
        (1, Timeouts(idle_s=2), 100, ""),
    ],
)
async def test_a_body_that_dribbles(
    every_s: float, timeouts: Timeouts, after_s: float, says: str, autojump_clock: object
) -> None:
    call = Call(method="POST", path="/", timeouts=timeouts)
    async with pool_with(dribbles(every_s)) as (pool, _):
        start = trio.current_time()
        if says:
            with pytest.raises(UpstreamFault, match=says) as caught:
                await fetch(pool, call)
            assert (caught.value.code, caught.value.sent) == (Code.UPSTREAM_TIMEOUT, True)
        else:
            assert await fetch(pool, call) == b"." * 100
        assert trio.current_time() - start == after_s


async def test_garbage_is_named_and_the_connection_closed(autojump_clock: object) -> None:
    async with pool_with(answers(b"SSH-2.0-OpenSSH_9.2\r\n")) as (pool, _):
        with pytest.raises(UpstreamFault, match="can't be read") as caught:
            await fetch(pool)
        assert caught.value.code == Code.UPSTREAM_GARBAGE
        assert pool.status.open == 0


async def test_garbage_in_the_body(autojump_clock: object) -> None:
    async def script(peer: Peer) -> None:
        await peer.read_request()
        await peer.send(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n")
        await wait_all_tasks_blocked()
        await peer.send(b"xyz\r\n")

    async with pool_with(script) as (pool, _):
        async with pool.request(POST) as response:
            with pytest.raises(UpstreamFault) as caught:
                assert await response.receive_some() == b"ok"
                await response.receive_some()
        assert caught.value.code == Code.UPSTREAM_GARBAGE
        assert pool.status.open == 0


@pytest.mark.parametrize(
    "reply",
    [
        OK + b"HTTP/1.1 200 OK\r\n",
        b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\nok",
        b"HTTP/1.0 200 OK\r\ncontent-length: 2\r\n\r\nok",
    ],
)
async def test_what_is_not_to_be_reused_is_closed(reply: bytes, autojump_clock: object) -> None:
    async with pool_with(answers(reply)) as (pool, _):
        assert await fetch(pool) == b"ok"
        assert pool.status.open == 0


async def test_a_head_request_ends_with_its_head(autojump_clock: object) -> None:
    async with pool_with(answers(b"HTTP/1.1 200 OK\r\ncontent-length: 2000\r\n\r\n")) as (pool, _):
        async with pool.request(Call(method="HEAD", path="/")) as response:
            assert await response.receive_some() == b""
        assert pool.status.open == 0


async def test_a_pool_that_is_closed_takes_no_more_requests(autojump_clock: object) -> None:
    async with scripted(answers(OK)) as server:
        settings = PoolSettings(upstream="t600", origin=ORIGIN)
        async with open_pool(settings, Fields(ORIGIN), dial=server.dial) as pool:
            response = pool.request(POST)
            await response.__aenter__()
            await fetch(pool)
        assert (pool.status.idle, pool.status.leased) == (0, 1)
        with pytest.raises(HouseFault) as caught:
            await fetch(pool)
        assert caught.value.code == Code.SHUTTING_DOWN
        await response.receive_some()
        await response.__aexit__(None, None, None)
        assert pool.status.open == 0
