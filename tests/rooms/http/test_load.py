"""What is held for clients is counted to the byte, and what is too much is sent away, never kept."""

import gzip

import pytest
import trio
import trio.testing

from lodestard.domain.settings import Limits
from lodestard.http import ClientLeft, HttpExchange, HttpServer, Load, read_content
from lodestard.http.load import RECENT_S
from tests.fakes.http_server import HOST, Client, build_server, echo, serving

LIMIT_BYTES = 1_000_000
LIMITS = Limits(body_bytes=700_000, buffered_bytes=LIMIT_BYTES)
GET = b"GET / HTTP/1.1\r\n" + HOST + b"\r\n"


def post(size_bytes: int) -> bytes:
    return b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: %d\r\n\r\n" % size_bytes


CHUNKED = b"POST / HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\n"


def load_of(server: HttpServer) -> Load:
    return server._traffic.load


async def send(client: Client, data: bytes) -> None:
    """Send, and wait until it is read."""
    await client.send(data)
    await trio.testing.wait_all_tasks_blocked(0.01)


async def test_bodies_under_way_keep_new_requests_out() -> None:
    server = build_server(echo, limits=LIMITS)
    load = load_of(server)
    async with serving(server) as running:
        slow = [await running.connect() for _ in range(2)]
        for client in slow:
            await send(client, post(600_000) + b"a" * 480_000)
        assert (load.held_bytes, load.heavy, load.sends_away) == (960_000, True, True)
        client = await running.connect()
        refused = await client.ask(post(2) + b"hi")
        assert (refused.status, refused.closes) == (503, False)
        assert (await client.ask(GET)).status == 200
        assert load.shed_requests == 1
        await slow[0].stream.aclose()
        await trio.testing.wait_all_tasks_blocked(0.01)
        assert load.held_bytes == 480_000
        assert (await client.ask(post(2) + b"hi")).status == 200
        assert (await slow[1].ask(b"a" * 120_000)).status == 200
        assert load.held_bytes == 0


@pytest.mark.parametrize("head", [post(700_000), CHUNKED + b"aae60\r\n"])
async def test_a_body_that_finds_no_room_is_given_up(head: bytes) -> None:
    server = build_server(echo, limits=LIMITS)
    async with serving(server) as running:
        first, second = await running.connect(), await running.connect()
        await send(first, post(600_000) + b"a" * 500_000)
        await send(second, head + b"a" * 400_000)
        answer = await second.ask(b"a" * 200_000)
        assert (answer.status, answer.closes) == (503, True)
        await second.stream.aclose()
        await trio.testing.wait_all_tasks_blocked(0.01)
        assert load_of(server).held_bytes == 500_000
        assert (await first.ask(b"a" * 100_000)).status == 200


async def test_a_body_is_held_until_it_is_answered() -> None:
    held: list[int] = []

    async def handler(exchange: HttpExchange) -> None:
        for _ in range(2):
            await exchange.read_body()
            held.append(load.held_bytes)
        await exchange.respond(200, [], b"")

    server = build_server(handler, limits=LIMITS)
    load = load_of(server)
    async with serving(server) as running:
        client = await running.connect()
        assert (await client.ask(post(5) + b"hello")).status == 200
        assert (await client.ask(post(300_000) + b"a" * 300_000)).status == 200
    assert held == [5, 5, 300_000, 300_000]
    assert load.held_bytes == 0


async def test_what_is_decompressed_counts() -> None:
    async def handler(exchange: HttpExchange) -> None:
        content = await read_content(exchange, LIMITS)
        assert load.held_bytes > len(content)
        await exchange.respond(200, [], b"")

    server = build_server(handler, limits=LIMITS)
    load = load_of(server)
    body = gzip.compress(b"a" * 600_000)
    request = (
        b"POST / HTTP/1.1\r\n"
        + HOST
        + b"Content-Encoding: gzip\r\nContent-Length: %d\r\n\r\n%b"
        % (
            len(body),
            body,
        )
    )
    async with serving(server) as running:
        client = await running.connect()
        assert (await client.ask(request)).status == 200
        load.put(500_000)
        assert (await client.ask(request)).status == 503
        assert load.held_bytes == 500_000


async def test_what_a_slow_reader_has_not_taken_counts(autojump_clock: trio.testing.MockClock) -> None:
    async def handler(exchange: HttpExchange) -> None:
        with pytest.raises(ClientLeft):
            await exchange.respond(200, [], b"a" * 50_000_000)

    server = build_server(handler, limits=LIMITS)
    load = load_of(server)
    async with serving(server) as running:
        client = await running.connect()
        await client.send(GET)
        await trio.sleep(1)
        assert 30_000_000 < load.held_bytes < 50_000_000
        assert load.heavy
        await trio.sleep(20)
        assert load.held_bytes == 0


async def test_connections_that_are_turned_away_are_counted(autojump_clock: trio.testing.MockClock) -> None:
    server = build_server(echo, limits=Limits(connections_per_peer=1))
    async with serving(server) as running:
        kept = await running.connect()
        assert (await kept.ask(GET)).status == 200
        assert (await (await running.connect()).read()).status == 503
        assert load_of(server).turned_away == 1
        assert load_of(server).sends_away
        await trio.sleep(RECENT_S + 1)
        assert not load_of(server).sends_away


async def test_a_count_that_is_full(autojump_clock: trio.testing.MockClock) -> None:
    load = Load(100)
    assert load.take(94)
    assert not load.heavy
    assert load.take(6)
    assert (load.heavy, load.over) == (True, False)
    assert not load.take(1)
    assert load.take(-10)
    load.put(20)
    assert (load.held_bytes, load.over, load.shed_requests) == (110, True, 1)
