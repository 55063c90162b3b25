"""Accepting, refusing, draining."""

import errno
import os
import resource
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial

import pytest
import trio
import trio.testing

from lodestard.domain.settings import Limits
from lodestard.http import HttpExchange, adopt_listeners
from lodestard.http.acceptor import Acceptor
from lodestard.http.connection import PARTING_S
from lodestard.http.server import DRAIN_GRACE_S
from tests.fakes.http_server import HOST, Client, build_server, echo, read_answers, serving

GET = b"GET / HTTP/1.1\r\n" + HOST + b"\r\n"


async def _is_turned_away(client: Client) -> bool:
    (answer,) = read_answers((await client.read_all()).removesuffix(b"<reset>"))
    return (answer.status, answer.closes, answer.complete) == (503, True, True)


async def test_a_cap_on_connections() -> None:
    async with serving(build_server(echo, limits=Limits(connections=2))) as running:
        clients = [await running.connect() for _ in range(2)]
        assert [(await client.ask(GET)).status for client in clients] == [200, 200]
        assert running.server.connections == 2
        assert await _is_turned_away(await running.connect())
        await clients[0].stream.aclose()
        await trio.testing.wait_all_tasks_blocked()
        assert (await (await running.connect()).ask(GET)).status == 200


async def test_a_cap_for_each_peer() -> None:
    async with serving(build_server(echo, limits=Limits(connections_per_peer=1))) as running:
        first = await running.connect("127.0.0.2")
        assert (await first.ask(GET)).status == 200
        assert await _is_turned_away(await running.connect("127.0.0.2"))
        assert (await (await running.connect("127.0.0.3")).ask(GET)).status == 200


async def test_hosts_and_origins() -> None:
    server = build_server(echo, hosts=frozenset({"box.lan"}), origins=("https://ui.example",))
    async with serving(server) as running:
        client = await running.connect()
        for fields, status in (
            (b"Host: Box.Lan:4000\r\n", 200),
            (b"Host: 127.8.9.1:4000\r\n", 200),
            (b"Host: evil.example\r\n", 403),
            (HOST + b"Origin: http://localhost\r\n", 200),
            (HOST + b"Origin: null\r\n", 403),
            (HOST + b"Origin: https://ui.example\r\nSec-Fetch-Site: cross-site\r\n", 200),
            (HOST + b"Sec-Fetch-Site: cross-site\r\n", 403),
        ):
            answer = await client.ask(b"GET /x HTTP/1.1\r\n" + fields + b"\r\n")
            assert (answer.status, answer.closes) == (status, False), fields
            assert status == 200 or answer.body.startswith(b"forbidden_")


async def test_drain_lets_exchanges_end_and_closes_the_rest(autojump_clock: trio.testing.MockClock) -> None:
    async def handler(exchange: HttpExchange) -> None:
        await trio.sleep(5)
        await exchange.respond(200, [], b"done")

    async with serving(build_server(handler)) as running:
        silent, busy = await running.connect(), await running.connect()
        await busy.send(GET)
        await trio.testing.wait_all_tasks_blocked()
        running.server.begin_drain()
        assert await silent.read_all() == b""
        assert trio.current_time() < 1
        answer = await busy.read()
        assert (answer.body, answer.closes) == (b"done", True)
        await busy.stream.aclose()
        await running.ended.wait()
        await running.server.wait_closed()
        assert trio.current_time() == pytest.approx(5, abs=0.1)
        with pytest.raises(OSError, match="all attempts to connect"):
            await running.connect()


async def test_a_request_on_its_way_to_a_draining_server_is_answered(autojump_clock: trio.testing.MockClock) -> None:
    async with serving(build_server(echo)) as running:
        client = await running.connect()
        await client.ask(GET)
        running.server.begin_drain()
        await trio.sleep(0.1)
        answer = await client.ask(GET)
        assert (answer.status, answer.closes) == (200, True)
        await client.stream.aclose()
        await running.ended.wait()


async def test_a_request_that_crosses_the_end_meets_no_reset(autojump_clock: trio.testing.MockClock) -> None:
    async with serving(build_server(echo)) as running:
        client = await running.connect()
        await client.ask(GET)
        running.server.begin_drain()
        await trio.sleep(DRAIN_GRACE_S + PARTING_S / 2)
        await client.send(GET)
        assert await client.read_all() == b""
        await client.stream.aclose()
        await running.ended.wait()


async def test_an_answer_that_began_before_a_drain_does_not_keep_its_connection(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async def handler(exchange: HttpExchange) -> None:
        await exchange.start(200, [])
        await trio.sleep(5)
        await exchange.finish()

    async with serving(build_server(handler)) as running:
        client = await running.connect()
        await client.send(GET)
        await trio.sleep(1)
        running.server.begin_drain()
        answer = await client.read()
        assert (answer.complete, answer.closes) == (True, False)
        assert await client.read_all() == b""
        await client.stream.aclose()
        await running.ended.wait()
        assert trio.current_time() == pytest.approx(5, abs=3 * DRAIN_GRACE_S)


async def test_sockets_that_are_handed_on_keep_clients_waiting(autojump_clock: trio.testing.MockClock) -> None:
    async with serving(build_server(echo)) as running:
        kept = running.server.hand_on()
        running.server.begin_drain()
        await running.ended.wait()
        assert running.server.hand_on() == []
        client = await running.connect()
        await client.send(GET)
        listeners = adopt_listeners(kept)
        next_one = build_server(echo)
        async with trio.open_nursery() as nursery:
            await nursery.start(next_one.serve, listeners)
            assert (await client.read()).status == 200
            assert next_one.addresses == running.server.addresses
            nursery.cancel_scope.cancel()


async def test_a_drain_without_connections_is_over_at_once(autojump_clock: trio.testing.MockClock) -> None:
    async with serving(build_server(echo)) as running:
        running.server.begin_drain()
        await running.ended.wait()
        assert trio.current_time() == 0


async def test_cancellation_closes_everything(autojump_clock: trio.testing.MockClock) -> None:
    async def handler(exchange: HttpExchange) -> None:
        await trio.sleep_forever()

    async with serving(build_server(handler)) as running:
        clients = [await running.connect() for _ in range(3)]
        await clients[0].send(GET)
        await clients[1].send(GET[:-5])
        await trio.testing.wait_all_tasks_blocked()
        running.life.cancel()
        await running.ended.wait()
        assert all([await client.is_closed() for client in clients])
        assert trio.current_time() == 0


async def test_lingering_is_bounded(autojump_clock: trio.testing.MockClock) -> None:
    async def refuse(exchange: HttpExchange) -> None:
        await exchange.respond(404, [], b"no")

    head = b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: 10000000\r\n\r\n"
    async with serving(build_server(refuse)) as running:
        client = await running.connect()
        assert (await client.ask(head)).status == 404
        with pytest.raises(trio.BrokenResourceError):
            for _ in range(200):
                await client.send(b"a" * 50_000)
        client = await running.connect()
        assert (await client.ask(head)).status == 404
        await trio.sleep(1.5)
        assert running.server.connections == 0


@contextmanager
def without_descriptors() -> Iterator[None]:
    """None can be opened any more; one that is given up can be had again, for no other below the limit is free."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    highest = max(int(name) for name in os.listdir("/proc/self/fd"))
    with ExitStack() as gaps:
        while (limit := os.dup(0)) < highest:
            gaps.callback(os.close, limit)
        os.close(limit)
        resource.setrlimit(resource.RLIMIT_NOFILE, (limit, hard))
        try:
            yield
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


async def test_running_out_of_descriptors(
    caplog: pytest.LogCaptureFixture, autojump_clock: trio.testing.MockClock
) -> None:
    async with serving(build_server(echo)) as running:
        clients = [socket.socket() for _ in range(3)]
        for client in clients:
            client.setblocking(False)
        with without_descriptors():
            for client in clients:
                client.connect_ex(("127.0.0.1", running.port))
            await trio.sleep(20)
            assert running.server.connections == 1  # the reserve
        await trio.sleep(0.2)
        assert running.server.connections == 3
        for client in clients:
            client.close()
    assert [record.levelname for record in caplog.records] == ["WARNING"] * 2  # at most one in ten seconds


async def test_what_one_door_kept_in_reserve_comes_back_to_it(autojump_clock: trio.testing.MockClock) -> None:
    """Clients wait at the proxy's door for any descriptor; the operator is answered at the other, again and again."""
    async with serving(build_server(echo)) as proxy, serving(build_server(echo)) as control:
        with ExitStack() as stack:
            clients, operators = ([stack.enter_context(trio.socket.socket()) for _ in range(3)] for _ in range(2))
            stack.enter_context(without_descriptors())
            for client in clients:
                await client.connect(("127.0.0.1", proxy.port))
            for operator in operators:
                await trio.sleep(1)
                await operator.connect(("127.0.0.1", control.port))
                await operator.send(GET.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
                with trio.fail_after(5):
                    assert (await operator.recv(100)).startswith(b"HTTP/1.1 200")


class ScriptedListener:
    """accept() gives or raises what the script says, then would block."""

    def __init__(self, script: list[int]) -> None:
        self.script = script

    def accept(self) -> tuple[str, str]:
        if not self.script:
            raise BlockingIOError
        number = self.script.pop(0)
        if number:
            raise OSError(number, os.strerror(number))
        return "socket", "address"


async def test_what_accept_says() -> None:
    begun: list[tuple[object, object]] = []

    def begin(sock: object, address: object, _freed: object) -> None:
        begun.append((sock, address))

    listener = ScriptedListener([errno.ECONNABORTED, 0, errno.EMFILE, 0, 0, errno.EMFILE, errno.EMFILE, errno.ENFILE])
    acceptor = Acceptor(listener, begin)  # type: ignore[arg-type]
    assert acceptor._accept_burst()  # a lost connection, a good one, one on the reserve
    assert len(begun) == 2
    assert not acceptor._accept_burst()  # a good one, which renews the reserve, and two failures
    assert len(begun) == 3
    assert not acceptor._accept_burst()  # nothing left in reserve
    assert acceptor._accept_burst()  # nobody there
    acceptor._give_up_reserve()
    await trio.lowlevel.checkpoint()


async def test_a_connection_that_is_gone_at_once_is_no_trouble() -> None:
    begun: list[str] = []
    async with serving(build_server(echo)) as running:
        ours, theirs = socket.socketpair()
        theirs.close()
        ours.close()
        async with trio.open_nursery() as nursery:
            running.server._begin(None, ours, None, partial(begun.append, "freed"))  # type: ignore[arg-type]
            assert not nursery.child_tasks
    assert begun == ["freed"]


async def test_the_last_descriptors_are_kept(
    caplog: pytest.LogCaptureFixture, autojump_clock: trio.testing.MockClock
) -> None:
    server = build_server(echo)
    server._kept_descriptors = 10_000_000
    async with serving(server) as running:
        for _ in range(3):
            answer = await (await running.connect()).read()
            assert (answer.status, answer.closes) == (503, True)
        assert running.server.connections == 0
    assert len(caplog.records) == 1
