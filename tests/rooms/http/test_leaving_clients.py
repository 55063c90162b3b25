"""Clients that leave at every moment of a connection that is watched across its exchanges: nothing is left."""

import random
import socket
import struct
from collections.abc import Iterator
from contextlib import suppress

import pytest
import trio
import trio.testing

from lodestard.http import ClientLeft, HttpExchange, HttpServer
from lodestard.http import server as servers
from lodestard.http.sentry import Sentry
from tests.fakes.http_server import HOST, Client, Serving, build_server, serving
from tests.fakes.world import eventually

RESET = struct.pack("ii", 1, 0)
GET = b"GET / HTTP/1.1\r\n" + HOST + b"\r\n"
WAIT = GET.replace(b"/ ", b"/wait ")
BIG = GET.replace(b"/ ", b"/big ")
POST = b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: 4\r\n\r\nbody"


class House:
    """A handler that watches, and what became of each exchange."""

    def __init__(self) -> None:
        self.seen: list[str] = []
        self.left: list[str] = []
        self.sentries: list[Sentry] = []

    async def __call__(self, exchange: HttpExchange) -> None:
        number = f"{len(self.seen)} {exchange.path}"
        self.seen.append(number)
        await exchange.read_body()

        def leave() -> None:
            self.left.append(number)
            exchange.scope.cancel()

        async with exchange.watch(leave):
            await trio.sleep(1_000 if exchange.path == "/wait" else 0)
        await exchange.respond(200, [], b"a" * (20_000_000 if exchange.path == "/big" else 5))

    @property
    def sentry(self) -> Sentry:
        return self.sentries[-1]


@pytest.fixture
def house(monkeypatch: pytest.MonkeyPatch) -> Iterator[House]:
    house = House()

    def open_sentry() -> Sentry:
        house.sentries.append(Sentry())
        return house.sentry

    monkeypatch.setattr(servers, "Sentry", open_sentry)
    yield house


def reset(client: Client) -> None:
    client.stream.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
    client.stream.socket.close()


async def nothing_is_left(server: HttpServer, house: House, log: pytest.LogCaptureFixture) -> None:
    await eventually(lambda: not (server.connections or house.sentry._known), "the end of all connections")
    assert not house.sentry._watched
    assert server.exchanges == server._traffic.load.held_bytes == 0
    assert not server._traffic._idle
    assert not log.records


@pytest.mark.parametrize("leave", ["reset", "end", "half"])
async def test_between_two_requests(house: House, leave: str, caplog: pytest.LogCaptureFixture) -> None:
    async with serving(build_server(house)) as running:
        client = await running.connect()
        assert (await client.ask(GET)).status == 200
        match leave:
            case "reset":
                reset(client)
            case "end":
                await client.stream.aclose()
            case _:
                await client.stream.send_eof()
                assert await client.is_closed()
        await nothing_is_left(running.server, house, caplog)
    assert house.left == []


@pytest.mark.parametrize("leave", ["reset", "end"])
async def test_within_the_second_request(house: House, leave: str, caplog: pytest.LogCaptureFixture) -> None:
    async with serving(build_server(house)) as running:
        client = await running.connect()
        assert (await client.ask(GET)).status == 200
        await client.send(WAIT)
        await trio.testing.wait_all_tasks_blocked(0.01)
        if leave == "reset":
            reset(client)
        else:
            await client.stream.aclose()
        await nothing_is_left(running.server, house, caplog)
    assert house.left == ["1 /wait"]


async def test_with_a_pipelined_request_behind(house: House, caplog: pytest.LogCaptureFixture) -> None:
    """What comes after a client has left is not begun."""
    async with serving(build_server(house)) as running:
        client = await running.connect()
        await client.send(WAIT + GET + POST)
        await trio.testing.wait_all_tasks_blocked(0.01)
        await client.stream.aclose()
        await nothing_is_left(running.server, house, caplog)
    assert (house.seen, house.left) == (["0 /wait"], ["0 /wait"])


@pytest.mark.parametrize("leave", ["reset", "end"])
async def test_while_the_answer_is_written(house: House, leave: str, caplog: pytest.LogCaptureFixture) -> None:
    async with serving(build_server(house)) as running:
        client = await running.connect()
        await client.send(BIG)
        await trio.testing.wait_all_tasks_blocked(0.02)
        assert running.server._traffic.load.held_bytes > 1_000_000
        if leave == "reset":
            reset(client)
        else:
            await client.stream.aclose()
        await nothing_is_left(running.server, house, caplog)


async def test_a_descriptor_that_is_used_again(house: House, caplog: pytest.LogCaptureFixture) -> None:
    """A new connection has the number of one that left; it is not told of that."""
    async with serving(build_server(house)) as running:
        for number in range(40):
            first = await running.connect()
            assert (await first.ask(GET)).status == 200
            await first.send(WAIT)
            reset(first)
            second = await running.connect()
            assert (await second.ask(GET)).status == 200
            await trio.testing.wait_all_tasks_blocked()
            assert (await second.ask(POST)).status == 200, number
            await second.stream.aclose()
        await nothing_is_left(running.server, house, caplog)
    assert all(left.endswith(" /wait") for left in house.left)


@pytest.mark.parametrize("seed", range(5))
async def test_at_any_moment(house: House, seed: int, caplog: pytest.LogCaptureFixture) -> None:
    luck = random.Random(seed)
    async with serving(build_server(house)) as running:
        async with trio.open_nursery() as nursery:
            for _ in range(60):
                nursery.start_soon(come_and_go, running, random.Random(luck.random()))
        await nothing_is_left(running.server, house, caplog)


async def come_and_go(running: Serving, luck: random.Random) -> None:
    """Some requests, whole or not, one by one or at once; then it leaves in one way or another."""
    await trio.sleep(luck.random() * 0.05)
    client = await running.connect()
    for _ in range(luck.randrange(4)):
        request = luck.choice((GET, GET, POST, BIG, WAIT, GET + POST, POST[:-2], GET[:-3]))
        try:
            await client.send(request)
            if luck.random() < 0.6:
                with trio.move_on_after(luck.random() * 0.01):
                    await client.stream.receive_some(luck.choice((1, 100_000)))
        except (trio.BrokenResourceError, ClientLeft):
            break
    if luck.random() < 0.3:
        with suppress(trio.BrokenResourceError):
            await client.stream.send_eof()
        await trio.sleep(luck.random() * 0.01)
    reset(client) if luck.random() < 0.5 else client.stream.socket.close()
