"""Real sockets on 127.0.0.1: plain and TLS connections, and every way in which they can't be had."""

import socket
import ssl
from pathlib import Path

import pytest
import trio

from lodestard.domain.errors import Code, UpstreamFault
from lodestard.upstream.call import Call, Timeouts
from lodestard.upstream.dial import Dialler
from lodestard.upstream.faults import Blame
from lodestard.upstream.origin import Origin
from lodestard.upstream.pool import PoolSettings, open_pool
from lodestard.upstream.request_head import Fields
from tests.fakes.scripted_pool import POST, fetch
from tests.fakes.scripted_server import OK, Peer, ScriptedServer, answers, answers_then_closes, hangs, listening

Certificate = tuple[Path, Path]


async def test_plain_requests_over_one_connection() -> None:
    async with listening(answers(OK)) as (server, port):
        origin = Origin("http", "127.0.0.1", port)
        async with open_pool(PoolSettings(upstream="x", origin=origin), Fields(origin)) as pool:
            for _ in range(3):
                assert await fetch(pool) == b"ok"
            assert (len(server.peers), pool.status.reused) == (1, 2)


async def test_large_bodies_both_ways() -> None:
    size = 5_000_000
    head = f"HTTP/1.1 200 OK\r\ncontent-length: {size}\r\n\r\n".encode()
    async with listening(answers(head + b"a" * size)) as (server, port):
        origin = Origin("http", "127.0.0.1", port)
        async with open_pool(PoolSettings(upstream="x", origin=origin), Fields(origin)) as pool:
            call = Call(method="POST", path="/", body=b"q" * size)
            assert await fetch(pool, call) == b"a" * size
            assert server.requests[0].endswith(b"\r\n\r\n" + call.body)
            assert pool.status.idle == 1


async def test_a_connection_closed_while_idle_is_noticed() -> None:
    async with listening(answers_then_closes(OK), answers(OK)) as (server, port):
        origin = Origin("http", "127.0.0.1", port)
        async with open_pool(PoolSettings(upstream="x", origin=origin), Fields(origin)) as pool:
            assert await fetch(pool) == b"ok"
            await _wait_until_gone(server)
            assert await fetch(pool) == b"ok"
            assert (len(server.peers), pool.status.reused) == (2, 0)


async def test_bytes_that_come_while_idle_spoil_the_connection() -> None:
    async def chatty(peer: Peer) -> None:
        await peer.read_request()
        await peer.send(OK)
        await idle.wait()
        await peer.send(b"HTTP/1.1 408 Timeout\r\n\r\n")
        said.set()
        await trio.sleep_forever()

    idle, said = trio.Event(), trio.Event()

    async with listening(chatty, answers(OK)) as (server, port):
        origin = Origin("http", "127.0.0.1", port)
        async with open_pool(PoolSettings(upstream="x", origin=origin), Fields(origin)) as pool:
            assert await fetch(pool) == b"ok"
            idle.set()
            await said.wait()
            await trio.sleep(0.01)  # the loopback device's own time
            assert await fetch(pool) == b"ok"
            assert len(server.peers) == 2


async def test_a_request_that_the_server_stops_reading() -> None:
    """Some of it was sent, but never all: nothing can have been acted on."""

    async def reads_a_little(peer: Peer) -> None:
        await peer.stream.receive_some(1000)
        await trio.sleep(0.02)
        await _reset(peer)

    async with listening(reads_a_little, hangs) as (_, port):
        origin = Origin("http", "127.0.0.1", port)
        async with open_pool(PoolSettings(upstream="x", origin=origin), Fields(origin)) as pool:
            for code, timeouts in ((Code.UPSTREAM_CUT, Timeouts()), (Code.UPSTREAM_TIMEOUT, Timeouts(head_s=0.05))):
                with pytest.raises(UpstreamFault) as caught:
                    await fetch(pool, Call(method="POST", path="/", body=b"x" * 20_000_000, timeouts=timeouts))
                assert (caught.value.code, caught.value.sent, caught.value.billed) == (code, False, False)
                assert pool.status.open == 0


async def _reset(peer: Peer) -> None:
    """RST instead of FIN."""
    assert isinstance(peer.stream, trio.SocketStream)
    peer.stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
    await peer.close()


async def test_resets_before_and_in_an_answer() -> None:
    async def resets_at_once(peer: Peer) -> None:
        await peer.read_request()
        await _reset(peer)

    async def resets_in_the_body(peer: Peer) -> None:
        await peer.read_request()
        await peer.send(OK[:-1])
        await trio.sleep(0.05)
        await _reset(peer)

    async with listening(resets_at_once, resets_in_the_body) as (_, port):
        origin = Origin("http", "127.0.0.1", port)
        async with open_pool(PoolSettings(upstream="x", origin=origin), Fields(origin)) as pool:
            for says in ("before it answered", "in the middle of its answer"):
                with pytest.raises(UpstreamFault, match=says) as caught:
                    await fetch(pool)
                assert (caught.value.code, caught.value.sent) == (Code.UPSTREAM_CUT, True)
                assert pool.status.open == 0


async def test_many_arrivals_do_not_starve_other_tasks() -> None:
    async def floods(peer: Peer) -> None:
        await peer.read_request()
        await peer.send(b"HTTP/1.1 200 OK\r\n\r\n")
        for _ in range(60):
            await peer.send(b"x" * 65536)

    turns = 0

    async def count_turns() -> None:
        nonlocal turns
        while True:
            await trio.lowlevel.checkpoint()
            turns += 1

    async with listening(floods) as (_, port), trio.open_nursery() as nursery:
        origin = Origin("http", "127.0.0.1", port)
        async with open_pool(PoolSettings(upstream="x", origin=origin), Fields(origin)) as pool:
            nursery.start_soon(count_turns)
            assert len(await fetch(pool)) == 60 * 65536
        nursery.cancel_scope.cancel()
    assert turns >= 3


def _dialler(origin: Origin, *, timeout_s: float = 5, ca_file: str = "") -> Dialler:
    return Dialler(Blame("x", origin), timeout_s=timeout_s, ca_file=ca_file)


async def _fail(dialler: Dialler) -> UpstreamFault:
    with pytest.raises(UpstreamFault) as caught:
        await dialler()
    fault = caught.value
    assert (fault.sent, fault.billed, fault.upstream) == (False, False, "x")
    assert fault.__cause__ is None
    return fault


async def test_refused() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
        fault = await _fail(_dialler(Origin("http", "127.0.0.1", port)))
    assert fault.code == Code.UPSTREAM_UNREACHABLE
    assert fault.message == (
        f"upstream x (127.0.0.1:{port}) can't be reached: connection refused; "
        "is the server running, and does it listen on this address?"
    )


async def test_a_name_that_cannot_be_resolved(monkeypatch: pytest.MonkeyPatch) -> None:
    async def getaddrinfo(*_args: object, **_kwargs: object) -> object:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(trio.socket, "getaddrinfo", getaddrinfo)
    fault = await _fail(_dialler(Origin("http", "nowhere.invalid", 80)))
    assert (fault.code, "can't be resolved" in fault.message) == (Code.UPSTREAM_UNREACHABLE, True)


async def test_a_name_that_is_none() -> None:
    fault = await _fail(_dialler(Origin("http", "a" * 70 + ".example", 80)))
    assert (fault.code, "no name that can be looked up" in fault.message) == (Code.UPSTREAM_UNREACHABLE, True)


async def test_connecting_takes_too_long(monkeypatch: pytest.MonkeyPatch, autojump_clock: object) -> None:
    async def never(*_args: object) -> trio.SocketStream:
        await trio.sleep_forever()
        raise AssertionError

    monkeypatch.setattr(trio, "open_tcp_stream", never)
    start = trio.current_time()
    fault = await _fail(_dialler(Origin("http", "127.0.0.1", 9), timeout_s=5))
    assert trio.current_time() - start == 5
    assert (fault.code, "within 5 s" in fault.message) == (Code.UPSTREAM_TIMEOUT, True)


class TlsServer:
    """A scripted server behind TLS."""

    def __init__(self, certificate: Certificate, server: ScriptedServer) -> None:
        self.context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        self.context.load_cert_chain(*certificate)
        self.context.set_alpn_protocols(["h2", "http/1.1"])
        self.server = server
        self.protocols: list[str | None] = []

    async def handle(self, stream: trio.SocketStream) -> None:
        tls = trio.SSLStream(stream, self.context, server_side=True)
        try:
            await tls.do_handshake()
        except trio.BrokenResourceError:
            return
        self.protocols.append(tls.selected_alpn_protocol())
        await self.server.handle(tls)


async def _listen(nursery: trio.Nursery, server: TlsServer) -> int:
    listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
    nursery.start_soon(trio.serve_listeners, server.handle, listeners)
    port = listeners[0].socket.getsockname()[1]
    assert isinstance(port, int)
    return port


async def test_tls(certificate: Certificate) -> None:
    async with trio.open_nursery() as nursery:
        server = TlsServer(certificate, ScriptedServer(nursery, answers(OK)))
        port = await _listen(nursery, server)
        origin = Origin("https", "127.0.0.1", port)
        settings = PoolSettings(upstream="x", origin=origin, ca_file=str(certificate[0]), preopen=1)
        async with open_pool(settings, Fields(origin)) as pool:
            await trio.sleep(0.1)  # session tickets have come: that is no reason to drop it
            assert pool.status.idle == 1
            assert await fetch(pool) == b"ok"
            assert await fetch(pool) == b"ok"
            assert pool.status.reused == 2
            assert server.protocols[0] == "http/1.1"
        nursery.cancel_scope.cancel()


async def test_tls_connections_closed_while_idle_are_noticed(certificate: Certificate) -> None:
    async with trio.open_nursery() as nursery:
        scripted_server = ScriptedServer(nursery, answers_then_closes(OK), answers(OK))
        port = await _listen(nursery, TlsServer(certificate, scripted_server))
        origin = Origin("https", "127.0.0.1", port)
        settings = PoolSettings(upstream="x", origin=origin, ca_file=str(certificate[0]))
        async with open_pool(settings, Fields(origin)) as pool:
            assert await fetch(pool) == b"ok"
            await _wait_until_gone(scripted_server)
            assert await fetch(pool) == b"ok"
            assert (pool.status.dialled, pool.status.reused) == (2, 0)
        nursery.cancel_scope.cancel()


async def test_tls_an_end_without_close_notify_is_a_cut(certificate: Certificate) -> None:
    delimited = b"HTTP/1.1 200 OK\r\n\r\nonly a part"
    async with trio.open_nursery() as nursery:
        port = await _listen(nursery, TlsServer(certificate, ScriptedServer(nursery, answers_then_closes(delimited))))
        origin = Origin("https", "127.0.0.1", port)
        settings = PoolSettings(upstream="x", origin=origin, ca_file=str(certificate[0]))
        async with open_pool(settings, Fields(origin)) as pool:
            with pytest.raises(UpstreamFault, match="in the middle") as caught:
                await fetch(pool)
            assert caught.value.code == Code.UPSTREAM_CUT
        nursery.cancel_scope.cancel()


async def test_tls_not_trusted_and_wrong_name(certificate: Certificate) -> None:
    async with trio.open_nursery() as nursery:
        port = await _listen(nursery, TlsServer(certificate, ScriptedServer(nursery, answers(OK))))
        fault = await _fail(_dialler(Origin("https", "127.0.0.1", port)))
        assert "its certificate is not trusted (self-signed certificate)" in fault.message
        fault = await _fail(_dialler(Origin("https", "localhost", port), ca_file=str(certificate[0])))
        assert "Hostname mismatch" in fault.message
        nursery.cancel_scope.cancel()


async def test_tls_to_a_server_that_speaks_none() -> None:
    async def shouts(peer: Peer) -> None:
        await peer.send(b"SSH-2.0-OpenSSH_9.2\r\n")
        await trio.sleep_forever()

    async with listening(shouts) as (_, port):
        fault = await _fail(_dialler(Origin("https", "127.0.0.1", port)))
    assert "does this port speak https?" in fault.message


async def test_tls_to_a_server_that_hangs_up() -> None:
    async def hangs_up(peer: Peer) -> None:
        await trio.lowlevel.checkpoint()

    async with listening(hangs_up) as (_, port):
        fault = await _fail(_dialler(Origin("https", "127.0.0.1", port)))
    assert fault.code == Code.UPSTREAM_UNREACHABLE


async def test_a_tls_handshake_counts_as_connecting() -> None:
    async with listening(hangs) as (_, port):
        fault = await _fail(_dialler(Origin("https", "127.0.0.1", port), timeout_s=0.05))
    assert fault.code == Code.UPSTREAM_TIMEOUT


@pytest.mark.parametrize("content", [None, "no certificate"])
async def test_a_ca_file_that_cannot_be_read(content: str | None, tmp_path: Path) -> None:
    path = tmp_path / "ca.pem"
    if content is not None:
        path.write_text(content)
    fault = await _fail(_dialler(Origin("https", "127.0.0.1", 9), ca_file=str(path)))
    assert f"its ca_file {path} can't be read" in fault.message


async def _wait_until_gone(server: ScriptedServer) -> None:
    with trio.fail_after(5):
        await server.peers[0].left.wait()
        await trio.sleep(0.01)  # the loopback device's own time


def test_the_call_shows_no_body() -> None:
    assert repr(POST) == "Call('POST', '/api/chat')"
