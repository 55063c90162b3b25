"""A hand-written ASGI application on our server."""

from collections.abc import Callable
from typing import Any

import pytest
import trio
import trio.testing

from lodestard.domain.settings import Limits
from lodestard.http.asgi import Application, Message, Receive, Send, asgi_handler
from tests.fakes.http_server import HOST, build_server, serving

GET = b"GET /a%20b?q=1 HTTP/1.1\r\n" + HOST + b"\r\n"
START: Message = {"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/plain")]}


def body(data: bytes, *, more: bool = False) -> Message:
    return {"type": "http.response.body", "body": data, "more_body": more}


async def test_scope_body_and_a_whole_answer() -> None:
    scopes: list[Any] = []
    messages: list[Any] = []

    async def app(scope: Message, receive: Receive, send: Send) -> None:
        scopes.append(scope)
        messages.append(await receive())
        await send({**START, "headers": [(b"X-A", b"\xe4"), (b"Content-Length", b"2")]})
        await send(body(b"hi"))
        messages.append(await receive())

    request = b"POST /a%20b?q=1 HTTP/1.1\r\nHost: localhost:4000\r\nContent-Length: 3\r\n\r\nabc"
    async with serving(build_server(asgi_handler(app))) as running:
        client = await running.connect()
        answer = await client.ask(request)
        assert (answer.body, answer.headers["x-a"], answer.headers["content-length"]) == (b"hi", "ä", "2")
        assert (await client.ask(request)).status == 200
    assert messages[:2] == [
        {"type": "http.request", "body": b"abc", "more_body": False},
        {"type": "http.disconnect"},
    ]
    scope = scopes[0]
    assert (scope["type"], scope["method"], scope["http_version"]) == ("http", "POST", "1.1")
    assert (scope["path"], scope["raw_path"], scope["query_string"]) == ("/a b", b"/a%20b", b"q=1")
    assert (scope["server"], scope["client"]) == (("localhost", 4000), ("127.0.0.1", 0))
    assert scope["headers"] == [(b"host", b"localhost:4000"), (b"content-length", b"3")]


async def test_a_streamed_answer_comes_as_it_is_sent() -> None:
    go_on = trio.Event()

    async def app(scope: Message, receive: Receive, send: Send) -> None:
        await send(START)
        await send(body(b"one", more=True))
        await go_on.wait()
        await send(body(b"two", more=True))
        await send(body(b""))

    async with serving(build_server(asgi_handler(app))) as running:
        client = await running.connect()
        await client.send(GET)
        assert b"one" in await client.stream.receive_some()
        go_on.set()
        data = b""
        while not data.endswith(b"0\r\n\r\n"):
            data += await client.stream.receive_some()
    assert data == b"3\r\ntwo\r\n0\r\n\r\n"


async def test_a_client_that_leaves_is_a_disconnect() -> None:
    seen: list[object] = []

    async def app(scope: Message, receive: Receive, send: Send) -> None:
        await receive()
        await send(START)
        await send(body(b"one", more=True))
        seen.append((await receive())["type"])
        with pytest.raises(OSError, match="left"):
            await send(body(b"two", more=True))
        seen.append("raised")
        raise RuntimeError("as frameworks do when their client leaves")

    async with serving(build_server(asgi_handler(app))) as running:
        client = await running.connect()
        await client.send(GET)
        await client.stream.receive_some()
        client.stream.socket.close()
        while len(seen) < 2:
            await trio.testing.wait_all_tasks_blocked()
    assert seen == ["http.disconnect", "raised"]


async def test_a_send_that_finds_the_client_gone(autojump_clock: trio.testing.MockClock) -> None:
    raised = trio.Event()

    async def app(scope: Message, receive: Receive, send: Send) -> None:
        await send(START)
        try:
            while True:
                await send(body(b"a" * 100_000, more=True))
        except OSError:
            raised.set()
            raise

    async with serving(build_server(asgi_handler(app))) as running:
        client = await running.connect()
        await client.send(GET)
        await raised.wait()
        await client.read_all()


async def test_a_bad_body_is_answered_for_the_application(caplog: pytest.LogCaptureFixture) -> None:
    async def app(scope: Message, receive: Receive, send: Send) -> None:
        assert (await receive())["type"] == "http.disconnect"
        await send(START)

    async with serving(build_server(asgi_handler(app), limits=Limits(body_bytes=10))) as running:
        client = await running.connect()
        answer = await client.ask(b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: 11\r\n\r\n")
    assert (answer.status, answer.closes) == (413, True)
    assert caplog.records == []


def wrong(*messages: Message) -> Application:
    async def app(scope: Message, receive: Receive, send: Send) -> None:
        for message in messages:
            await send(message)

    return app


@pytest.mark.parametrize(
    "build",
    [
        lambda: wrong(),
        lambda: wrong(START),
        lambda: wrong(START, START),
        lambda: wrong(body(b"early")),
        lambda: wrong({"type": "websocket.accept"}),
    ],
)
async def test_an_application_that_breaks_the_rules(build: Callable[[], Application]) -> None:
    async with serving(build_server(asgi_handler(build()))) as running:
        client = await running.connect()
        assert (await client.ask(GET)).status == 500


async def test_an_application_that_stops_in_its_answer_is_cut() -> None:
    async with serving(build_server(asgi_handler(wrong(START, body(b"half", more=True))))) as running:
        client = await running.connect()
        await client.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        answer = await client.read()
    assert (answer.status, answer.body, answer.complete) == (200, b"half", False)
