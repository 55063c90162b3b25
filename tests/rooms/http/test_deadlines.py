"""Slow clients, on a clock that jumps."""

import pytest
import trio
import trio.testing

from lodestard.domain.settings import Limits
from lodestard.http import ClientLeft, HttpExchange
from lodestard.http.connection import PARTING_S
from tests.fakes.http_server import HOST, build_server, echo, serving

LIMITS = Limits(head_timeout_s=10, keep_alive_s=75, body_grace_s=10, body_min_bytes_per_s=100, write_timeout_s=30)
GET = b"GET / HTTP/1.1\r\n" + HOST + b"\r\n"


async def test_a_new_connection_that_says_nothing(autojump_clock: trio.testing.MockClock) -> None:
    async with serving(build_server(echo, limits=LIMITS)) as running:
        client = await running.connect()
        assert await client.read_all() == b""
        assert trio.current_time() == pytest.approx(75, abs=0.1)


async def test_idle_connections_are_closed_in_their_turn(autojump_clock: trio.testing.MockClock) -> None:
    async with serving(build_server(echo, limits=LIMITS)) as running:
        first, second = await running.connect(), await running.connect()
        await trio.sleep(50)
        assert (await first.ask(GET)).status == 200
        assert await second.read_all() == b""
        assert trio.current_time() == pytest.approx(75, abs=0.1)
        assert await first.read_all() == b""
        assert trio.current_time() == pytest.approx(125, abs=0.1)
        await trio.sleep(2 * PARTING_S)
        assert running.server.connections == 0


async def test_a_dribbled_head(autojump_clock: trio.testing.MockClock) -> None:
    async with serving(build_server(echo, limits=LIMITS)) as running:
        client = await running.connect()
        await trio.sleep(30)
        for byte in GET[:9]:
            await client.send(bytes([byte]))
            await trio.sleep(1)
        answer = await client.read()
        assert (answer.status, answer.closes) == (408, True)
        assert trio.current_time() == pytest.approx(40, abs=0.1)


async def test_a_head_that_is_given_up_ends_quietly(autojump_clock: trio.testing.MockClock) -> None:
    async with serving(build_server(echo, limits=LIMITS)) as running:
        client = await running.connect()
        await client.send(GET[:-3])
        await client.stream.send_eof()
        assert await client.read_all() == b""


@pytest.mark.parametrize("framing", [b"Content-Length: 100000\r\n\r\n", b"Transfer-Encoding: chunked\r\n\r\n"])
async def test_a_stalled_body(framing: bytes, autojump_clock: trio.testing.MockClock) -> None:
    async with serving(build_server(echo, limits=LIMITS)) as running:
        client = await running.connect()
        answer = await client.ask(b"POST / HTTP/1.1\r\n" + HOST + framing)
        assert (answer.status, answer.closes) == (408, True)
        assert trio.current_time() == pytest.approx(10, abs=0.1)


@pytest.mark.parametrize(("per_second", "status"), [(100, 200), (90, 408)])
async def test_a_dribbled_body(per_second: int, status: int, autojump_clock: trio.testing.MockClock) -> None:
    seconds = 120
    async with serving(build_server(echo, limits=LIMITS)) as running:
        client = await running.connect()
        await client.send(b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: %d\r\n\r\n" % (per_second * seconds))
        for _ in range(seconds):
            try:
                await client.send(b"a" * per_second)
            except trio.BrokenResourceError:
                break
            await trio.sleep(1)
        assert (await client.read()).status == status


@pytest.mark.parametrize(
    "framing", [b"Content-Length: 10\r\n\r\nhalf", b"Transfer-Encoding: chunked\r\n\r\n9\r\nhalf"]
)
async def test_a_body_that_ends_early(framing: bytes) -> None:
    async with serving(build_server(echo)) as running:
        client = await running.connect()
        await client.send(b"POST / HTTP/1.1\r\n" + HOST + framing)
        await client.stream.send_eof()
        answer = await client.read()
    assert (answer.status, answer.closes) == (400, True)


async def test_a_reader_that_stops(autojump_clock: trio.testing.MockClock) -> None:
    raised = trio.Event()

    async def handler(exchange: HttpExchange) -> None:
        await exchange.start(200, [])
        with pytest.raises(ClientLeft):
            while True:
                await exchange.send(b"a" * 100_000)
        raised.set()
        await exchange.send(b"more")

    async with serving(build_server(handler, limits=LIMITS)) as running:
        client = await running.connect()
        await client.send(GET)
        await raised.wait()
        assert trio.current_time() == pytest.approx(30, abs=0.1)
        assert (await client.read_all()).endswith(b"<reset>")


async def test_a_slow_reader_is_waited_for(autojump_clock: trio.testing.MockClock) -> None:
    body = b"a" * 16_000_000

    async def handler(exchange: HttpExchange) -> None:
        await exchange.respond(200, [], body)

    async with serving(build_server(handler, limits=LIMITS)) as running:
        client = await running.connect()
        await client.send(GET)
        got = 0
        while got < len(body):
            await trio.sleep(20)
            for _ in range(40):
                got += len(await client.stream.receive_some(65536))
                if got >= len(body):
                    break
        assert trio.current_time() > 60


async def test_a_very_slow_reader_is_waited_for_too(autojump_clock: trio.testing.MockClock) -> None:
    """One that takes so little at a time that the socket is not writable again within the time."""
    done = trio.Event()

    async def handler(exchange: HttpExchange) -> None:
        await exchange.respond(200, [], b"a" * 16_000_000)
        done.set()

    async with serving(build_server(handler, limits=LIMITS)) as running:
        client = await running.connect()
        await client.send(GET)
        for _ in range(12):
            await trio.sleep(10)
            for _ in range(3):
                await client.stream.receive_some(65536)
        assert trio.current_time() == 120
        assert running.server.exchanges == 1
        with trio.fail_after(10):
            while not done.is_set():
                assert await client.stream.receive_some(1 << 20)


async def test_cancellation_with_a_stalled_reader_returns_at_once(autojump_clock: trio.testing.MockClock) -> None:
    async def handler(exchange: HttpExchange) -> None:
        await exchange.respond(200, [], b"a" * 50_000_000)

    async with serving(build_server(handler)) as running:
        client = await running.connect()
        await client.send(GET)
        await trio.testing.wait_all_tasks_blocked()
        assert running.server.exchanges == 1
        running.life.cancel()
        await running.ended.wait()
        assert trio.current_time() == 0
        assert (running.server.exchanges, running.server.connections) == (0, 0)


async def test_a_body_can_be_read_again_after_a_cancellation() -> None:
    first_try = trio.CancelScope()

    async def handler(exchange: HttpExchange) -> None:
        with first_try:
            await exchange.read_body()
        assert await exchange.read_body() == await exchange.read_body() == b"hello"
        await exchange.respond(200, [], b"")

    async with serving(build_server(handler)) as running:
        client = await running.connect()
        await client.send(b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: 5\r\n\r\nhe")
        await trio.testing.wait_all_tasks_blocked()
        first_try.cancel()
        await trio.testing.wait_all_tasks_blocked()
        assert (await client.ask(b"llo")).status == 200


async def test_a_cancelled_send_is_never_torn() -> None:
    size = 12_000_000

    async def handler(exchange: HttpExchange) -> None:
        await exchange.start(200, [])
        for number in range(4):
            with trio.CancelScope() as scope:
                scope.cancel()
                await exchange.send(bytes([number]) * size)
        await exchange.finish()

    async with serving(build_server(handler)) as running:
        client = await running.connect()
        answer = await client.ask(GET)
    assert answer.complete
    assert answer.body.startswith(bytes(size))
    assert all(answer.body.count(number) in (0, size) for number in range(4))
