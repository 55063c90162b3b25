"""One request after another over real loopback sockets."""

import os
import socket
from pathlib import Path

import pytest
import trio
import trio.testing

from lodestard.http import HttpExchange, open_unix_listener
from tests.fakes.http_server import HOST, build_server, echo, serving

POST = b"POST /v1/chat?x=1 HTTP/1.1\r\n" + HOST + b"Content-Length: 5\r\n\r\nhello"


async def test_a_request_is_answered_and_the_connection_stays() -> None:
    async with serving(build_server(echo)) as running:
        client = await running.connect()
        first = await client.ask(POST)
        second = await client.ask(b"GET / HTTP/1.1\r\n" + HOST + b"\r\n")
    assert first.status == 200
    assert first.body == b"POST\n/v1/chat\nx=1\nhost=localhost&content-length=5\n\nhello"
    assert {"date", "content-type", "content-length"} == set(first.headers)
    assert second.body.startswith(b"GET\n/\n\n")


async def test_pipelined_requests_are_answered_in_order() -> None:
    async with serving(build_server(echo)) as running:
        client = await running.connect()
        await client.send(b"".join(b"GET /%d HTTP/1.1\r\n%b\r\n" % (number, HOST) for number in range(50)))
        answers = [await client.read(number + 1) for number in range(50)]
    assert [answer.body.split(b"\n")[1] for answer in answers] == [b"/%d" % number for number in range(50)]


async def test_close_is_honoured() -> None:
    async with serving(build_server(echo)) as running:
        client = await running.connect()
        answer = await client.ask(b"GET / HTTP/1.1\r\n" + HOST + b"Connection: foo, Close\r\n\r\n")
        assert answer.closes
        assert await client.is_closed()


async def test_http_1_0_gets_one_answer() -> None:
    async with serving(build_server(echo)) as running:
        client = await running.connect()
        answer = await client.ask(b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
        assert (answer.status, answer.closes) == (200, True)
        assert await client.is_closed()


async def test_an_empty_line_before_a_request_is_passed_over() -> None:  # RFC 9112 section 2.2
    async with serving(build_server(echo)) as running:
        client = await running.connect()
        assert (await client.ask(POST + b"\r\n")).status == 200
        assert (await client.ask(b"\r\nGET / HTTP/1.1\r\n" + HOST + b"\r\n")).status == 400
        client = await running.connect()
        assert (await client.ask(b"\r\nGET / HTTP/1.1\r\n" + HOST + b"\r\n")).status == 200


async def test_a_head_request_gets_no_body() -> None:
    async with serving(build_server(echo)) as running:
        client = await running.connect()
        await client.send(b"HEAD / HTTP/1.1\r\n" + HOST + b"Connection: close\r\n\r\n")
        head, _, rest = (await client.read_all()).partition(b"\r\n\r\n")
    assert b"content-length: 41" in head
    assert rest == b""


@pytest.mark.parametrize("status", [204, 304])
async def test_statuses_without_a_body(status: int) -> None:
    async def handler(exchange: HttpExchange) -> None:
        await exchange.respond(status, [("content-length", "7")], b"ignored")

    async with serving(build_server(handler)) as running:
        client = await running.connect()
        await client.send(b"GET / HTTP/1.1\r\n" + HOST + b"Connection: close\r\n\r\n")
        data = await client.read_all()
    assert data.startswith(b"HTTP/1.1 %d " % status)
    assert b"content-length" not in data
    assert data.endswith(b"\r\n\r\n")


async def test_upgrade_is_ignored() -> None:
    async with serving(build_server(echo)) as running:
        client = await running.connect()
        h2c = b"GET /a HTTP/1.1\r\n" + HOST + b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n\r\n"
        assert (await client.ask(h2c)).status == 200
        assert (await client.ask(b"GET /b HTTP/1.1\r\n" + HOST + b"\r\n")).body.startswith(b"GET\n/b\n")


async def test_a_streamed_answer_is_chunked() -> None:
    async def handler(exchange: HttpExchange) -> None:
        started = [exchange.started]
        await exchange.start(200, [("content-type", "text/event-stream")])
        assert [*started, exchange.started] == [False, True]
        for piece in (b"one", b"", b"two"):
            await exchange.send(piece)
        await exchange.finish()

    async with serving(build_server(handler)) as running:
        client = await running.connect()
        for _ in range(2):
            answer = await client.ask(b"GET / HTTP/1.1\r\n" + HOST + b"\r\n")
            assert (answer.body, answer.headers["transfer-encoding"]) == (b"onetwo", "chunked")
        client = await running.connect()
        await client.send(b"GET / HTTP/1.0\r\n\r\n")
        old = await client.read_all()
    assert old.endswith(b"\r\n\r\nonetwo")
    assert b"chunked" not in old


async def test_a_streamed_answer_may_have_a_length() -> None:
    async def handler(exchange: HttpExchange) -> None:
        await exchange.start(200, [("Content-Length", "6")])
        await exchange.send(b"one")
        if exchange.method == "HEAD":
            await exchange.finish()
            return
        with pytest.raises(RuntimeError):
            await exchange.send(b"more than that")
        with pytest.raises(RuntimeError):
            await exchange.finish()
        await exchange.send(b"two")
        await exchange.finish()
        with pytest.raises(RuntimeError):
            await exchange.send(b"late")

    async with serving(build_server(handler)) as running:
        client = await running.connect()
        answer = await client.ask(b"GET / HTTP/1.1\r\n" + HOST + b"\r\n")
        assert (answer.body, answer.complete) == (b"onetwo", True)
        client = await running.connect()
        await client.send(b"HEAD / HTTP/1.0\r\n\r\n")
        assert b"content-length: 6" in await client.read_all()


async def test_a_chunked_body_and_its_trailers() -> None:
    request = (
        b"POST / HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: Chunked\r\n\r\n"
        b'5\r\nhello\r\nA;a=b;c="d\\"e";f\r\n, my world\r\n0\r\nX-Sum: 1\r\n\r\n'
    )
    async with serving(build_server(echo)) as running:
        client = await running.connect()
        for _ in range(2):
            assert (await client.ask(request)).body.endswith(b"\n\nhello, my world")


async def test_a_body_is_asked_for_with_a_100() -> None:
    async with serving(build_server(echo)) as running:
        client = await running.connect()
        await client.send(b"POST / HTTP/1.1\r\n" + HOST + b"Expect: 100-Continue\r\nContent-Length: 2\r\n\r\n")
        assert (await client.read()).status == 100
        await client.send(b"hi")
        assert (await client.read(2)).body.endswith(b"\n\nhi")


async def test_a_body_that_was_not_read_ends_the_connection_unless_it_has_come() -> None:
    async def refuse(exchange: HttpExchange) -> None:
        await exchange.respond(404, [], b"no")

    head = b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: 5\r\n\r\n"
    async with serving(build_server(refuse)) as running:
        client = await running.connect()
        assert not (await client.ask(head + b"hello")).closes
        assert (await client.ask(head + b"he")).closes
        client = await running.connect()
        expecting = head.replace(b"Content", b"Expect: 100-continue\r\nContent", 1)
        answer = await client.ask(expecting)
        assert (answer.status, answer.closes) == (404, True)


async def test_a_large_answer_reaches_a_slow_reader_whole() -> None:
    body = bytes(range(256)) * 64 * 1024

    async def handler(exchange: HttpExchange) -> None:
        await exchange.respond(200, [], body)

    async with serving(build_server(handler)) as running:
        client = await running.connect()
        assert (await client.ask(b"GET / HTTP/1.1\r\n" + HOST + b"\r\n")).body == body
        assert (await client.ask(b"GET / HTTP/1.1\r\n" + HOST + b"\r\n")).body == body


async def test_peers_are_known(tmp_path: Path) -> None:
    peers = []

    async def handler(exchange: HttpExchange) -> None:
        peers.append(exchange.peer)
        assert (exchange.content_type, exchange.secure) == ("application/json", False)
        await exchange.respond(200, [], b"")

    request = b"GET / HTTP/1.1\r\n" + HOST + b"Content-Type: Application/JSON; charset=utf-8\r\n\r\n"
    async with serving(build_server(handler)) as running:
        client = await running.connect()
        await client.ask(request)
    server = build_server(handler)
    async with trio.open_nursery() as nursery:
        path = tmp_path / "s.sock"
        await nursery.start(server.serve, [await open_unix_listener(path)])
        stream = await trio.open_unix_socket(path)
        await stream.send_all(request)
        assert (await stream.receive_some()).startswith(b"HTTP/1.1 200")
        stream.socket.close()
        assert server.addresses == (str(path),)
        nursery.cancel_scope.cancel()
    tcp, unix = peers
    assert (tcp.address, tcp.uid, tcp.key) == ("127.0.0.1", None, "127.0.0.1")
    assert (unix.address, unix.pid, unix.uid, unix.gid) == ("", os.getpid(), os.getuid(), os.getgid())
    assert set(unix.groups) == set(os.getgroups())


async def test_nothing_is_asked_for_once_the_answer_has_begun() -> None:
    async def handler(exchange: HttpExchange) -> None:
        await exchange.start(200, [])
        await exchange.send(await exchange.read_body())
        await exchange.finish()

    async with serving(build_server(handler)) as running:
        client = await running.connect()
        await client.send(b"POST / HTTP/1.1\r\n" + HOST + b"Expect: 100-continue\r\nContent-Length: 2\r\n\r\n")
        await trio.testing.wait_all_tasks_blocked()
        answer = await client.ask(b"hi")
    assert (answer.status, answer.body, answer.closes) == (200, b"hi", True)


async def test_accepted_sockets_do_not_delay() -> None:
    delays = []

    async def handler(exchange: HttpExchange) -> None:
        with socket.socket(fileno=os.dup(exchange._link.wire.fd)) as sock:
            delays.append(sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))
            delays.append(sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE))
        await exchange.respond(200, [], b"")

    async with serving(build_server(handler)) as running:
        client = await running.connect()
        await client.ask(b"GET / HTTP/1.1\r\n" + HOST + b"\r\n")
    assert delays == [1, 60]
