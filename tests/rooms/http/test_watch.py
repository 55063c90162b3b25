"""A handler that waits: its client leaves, its ticks go out, its errors come out as they are."""

import socket
import struct
from collections.abc import Awaitable, Callable

import pytest
import trio
import trio.testing

from lodestard.domain.errors import CallerFault, Code
from lodestard.http import ClientLeft, HttpExchange
from tests.fakes.http_server import HOST, build_server, serving

GET = b"GET / HTTP/1.1\r\n" + HOST + b"\r\n"
RESET = struct.pack("ii", 1, 0)


async def _nothing() -> None:
    await trio.lowlevel.checkpoint()


async def refuse() -> None:
    await trio.lowlevel.checkpoint()
    raise CallerFault(Code.INVALID_REQUEST, "no")


TICKS: list[Callable[[], Awaitable[None]] | None] = [None, _nothing]


@pytest.mark.parametrize("on_tick", TICKS)
@pytest.mark.parametrize("how", ["end", "close", "reset"])
async def test_on_leave_is_called_once_and_sends_fail(
    how: str, on_tick: Callable[[], Awaitable[None]] | None
) -> None:
    left: list[str] = []
    done = trio.Event()

    async def handler(exchange: HttpExchange) -> None:
        gone = trio.Event()

        def on_leave() -> None:
            left.append("left")
            gone.set()

        async with exchange.watch(on_leave, tick_s=1000, on_tick=on_tick) as watch:
            await gone.wait()
            await trio.testing.wait_all_tasks_blocked()
            assert watch.left
            with pytest.raises(ClientLeft):
                await exchange.respond(200, [], b"too late")
        done.set()

    async with serving(build_server(handler)) as running:
        client = await running.connect()
        await client.send(GET)
        await trio.testing.wait_all_tasks_blocked()
        sock = client.stream.socket
        if how == "end":
            sock.shutdown(socket.SHUT_WR)
        elif how == "reset":
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        if how != "end":
            sock.close()
        await done.wait()
    assert left == ["left"]


async def test_leaving_can_cancel_the_handler() -> None:
    done = trio.Event()

    async def handler(exchange: HttpExchange) -> None:
        with trio.CancelScope() as scope:
            async with exchange.watch(scope.cancel):
                await trio.sleep_forever()
        assert scope.cancelled_caught
        done.set()

    async with serving(build_server(handler)) as running:
        client = await running.connect()
        await client.send(GET)
        await trio.testing.wait_all_tasks_blocked()
        client.stream.socket.close()
        await done.wait()


async def test_the_next_request_is_kept() -> None:
    left: list[str] = []

    async def handler(exchange: HttpExchange) -> None:
        async with exchange.watch(lambda: left.append("left")):
            await trio.testing.wait_all_tasks_blocked()
            assert await exchange.read_body() == b"hi"
            await exchange.respond(200, [], exchange.path.encode())

    def post(path: bytes) -> bytes:
        return b"POST " + path + b" HTTP/1.1\r\n" + HOST + b"Content-Length: 2\r\n\r\nhi"

    async with serving(build_server(handler)) as running:
        client = await running.connect()
        await client.send(post(b"/a") + post(b"/b"))
        assert [(await client.read(number)).body for number in (1, 2)] == [b"/a", b"/b"]
        assert (await client.ask(post(b"/c"))).body == b"/c"
    assert left == []


async def test_nothing_is_called_outside() -> None:
    left: list[str] = []

    async def handler(exchange: HttpExchange) -> None:
        async with exchange.watch(lambda: left.append("left")):
            pass
        await exchange.respond(200, [], b"")

    async with serving(build_server(handler)) as running:
        client = await running.connect()
        await client.ask(GET)
        await client.stream.send_eof()
        assert await client.is_closed()
    assert left == []


async def test_ticks_and_sends_go_out_whole(autojump_clock: trio.testing.MockClock) -> None:
    piece, comment = b"a" * 200_000, b": ka\n\n"
    ticks = 0

    async def handler(exchange: HttpExchange) -> None:
        async def on_tick() -> None:
            nonlocal ticks
            ticks += 1
            await exchange.send(comment)

        await exchange.start(200, [])
        async with exchange.watch(lambda: None, tick_s=0.5, on_tick=on_tick):
            for _ in range(100):
                await exchange.send(piece)
            await trio.sleep(2.2)
        assert ticks >= 4
        await exchange.finish()

    async with serving(build_server(handler)) as running:
        client = await running.connect()
        await client.send(GET)
        await trio.sleep(3)  # meanwhile the handler blocks in a send, and so do its ticks
        answer = await client.read()
    assert answer.complete
    pieces = answer.body.replace(comment, b"|")
    assert pieces.replace(b"|", b"") == piece * 100
    assert all(len(part) % len(piece) == 0 for part in pieces.split(b"|"))


async def test_a_tick_may_start_the_answer(autojump_clock: trio.testing.MockClock) -> None:
    async def handler(exchange: HttpExchange) -> None:
        async def on_tick() -> None:
            if not exchange.started:
                await exchange.start(200, [])
            await exchange.send(b".")

        async with exchange.watch(lambda: None, tick_s=2, on_tick=on_tick):
            await trio.sleep(5)
        await exchange.send(b"end")
        await exchange.finish()

    async with serving(build_server(handler)) as running:
        client = await running.connect()
        assert (await client.ask(GET)).body == b"..end"


async def test_a_tick_that_finds_the_client_gone(autojump_clock: trio.testing.MockClock) -> None:
    left: list[str] = []

    async def handler(exchange: HttpExchange) -> None:
        async def on_tick() -> None:
            await trio.lowlevel.checkpoint()
            raise ClientLeft

        async with exchange.watch(lambda: left.append("left"), tick_s=1, on_tick=on_tick):
            await trio.sleep(5)
        with pytest.raises(ClientLeft):
            await exchange.respond(200, [], b"")

    async with serving(build_server(handler)) as running:
        client = await running.connect()
        await client.send(GET)
        assert await client.is_closed()
    assert left == ["left"]


@pytest.mark.parametrize("on_tick", TICKS)
async def test_what_the_inside_raises_comes_out_as_it_is(on_tick: Callable[[], Awaitable[None]] | None) -> None:
    caught: list[BaseException] = []

    async def handler(exchange: HttpExchange) -> None:
        try:
            async with exchange.watch(lambda: None, tick_s=1, on_tick=on_tick):
                await refuse()
        except BaseException as error:
            caught.append(error)
            raise

    async with serving(build_server(handler)) as running:
        client = await running.connect()
        assert (await client.ask(GET)).status == 400
    assert [type(error) for error in caught] == [CallerFault]


async def test_what_a_tick_raises_cancels_the_inside(autojump_clock: trio.testing.MockClock) -> None:
    async def handler(exchange: HttpExchange) -> None:
        async with exchange.watch(lambda: None, tick_s=1, on_tick=refuse):
            await trio.sleep_forever()

    async with serving(build_server(handler)) as running:
        client = await running.connect()
        assert (await client.ask(GET)).status == 400


async def test_an_outer_cancellation_passes_through_a_ticking_watch(autojump_clock: trio.testing.MockClock) -> None:
    async def handler(exchange: HttpExchange) -> None:
        with trio.move_on_after(3) as scope:
            async with exchange.watch(lambda: None, tick_s=1, on_tick=_nothing):
                await trio.sleep_forever()
        assert scope.cancelled_caught
        await exchange.respond(200, [], b"late")

    async with serving(build_server(handler)) as running:
        client = await running.connect()
        assert (await client.ask(GET)).body == b"late"


async def test_an_on_leave_that_fails_does_not_blind_the_server(caplog: pytest.LogCaptureFixture) -> None:
    left = trio.Event()

    async def handler(exchange: HttpExchange) -> None:
        def on_leave() -> None:
            if exchange.path == "/bad":
                raise ValueError("secret")
            left.set()

        async with exchange.watch(on_leave):
            await trio.sleep_forever()

    async with serving(build_server(handler)) as running:
        for path in (b"/bad", b"/good"):
            client = await running.connect()
            await client.send(GET.replace(b"/", path, 1))
            await trio.testing.wait_all_tasks_blocked()
            client.stream.socket.close()
        await left.wait()
    assert [record.getMessage() for record in caplog.records] == ["on_leave failed with ValueError"]
