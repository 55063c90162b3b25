"""The listener under TLS: what it speaks, whom it refuses, and that nothing is lost, torn or waited for in vain."""

import logging
import os
import select
import socket
import ssl
import struct
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from functools import partial
from pathlib import Path

import pytest
import trio
import trio.testing

from lodestard.domain.settings import Limits
from lodestard.http import Certificate, ClientLeft, HttpExchange, read_certificate
from lodestard.http.load import Load
from lodestard.http.tls_wire import TlsWire
from tests.fakes.certificate import make_certificate
from tests.fakes.http_server import Client, Handler, Serving, build_server, echo, read_answers, serving
from tests.fakes.world import eventually

GET = b"GET /a HTTP/1.1\r\nHost: localhost\r\n\r\n"
RESET = struct.pack("ii", 1, 0)
BIG = 3_000_000


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return read_certificate(*make_certificate(tmp_path_factory.mktemp("tls")))


def trusting(certificate: Certificate, *, newest: ssl.TLSVersion | None = None) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=certificate.file)
    context.set_alpn_protocols(["h2", "http/1.1"])
    if newest is not None:
        context.maximum_version = newest
    return context


@asynccontextmanager
async def house(
    certificate: Certificate, handler: Handler = echo, limits: Limits | None = None
) -> AsyncIterator[Serving]:
    server = build_server(handler, limits=limits, find_context=lambda: certificate.context)
    async with serving(server, secure=True) as running:
        yield running


async def connect(
    running: Serving, certificate: Certificate, newest: ssl.TLSVersion | None = None
) -> trio.SSLStream[trio.SocketStream]:
    plain = (await running.connect()).stream
    stream = trio.SSLStream(plain, trusting(certificate, newest=newest), server_hostname="127.0.0.1")
    await stream.do_handshake()
    return stream


def client_of(stream: trio.SSLStream[trio.SocketStream]) -> Client:
    return Client(stream)  # type: ignore[arg-type]


@pytest.mark.parametrize("newest", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
async def test_requests_one_after_another(certificate: Certificate, newest: ssl.TLSVersion) -> None:
    async with house(certificate) as running:
        assert running.server.addresses == (f"https://127.0.0.1:{running.port}",)
        stream = await connect(running, certificate, newest)
        assert stream.selected_alpn_protocol() == "http/1.1"
        client = client_of(stream)
        for length in (0, 10, 100_000, BIG):
            head = b"POST /x HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n" % length
            answer = await client.ask(head + b"x" * length)
            assert (answer.status, answer.complete) == (200, True)
            assert answer.body.endswith(b"x" * length)
        answer = await client.ask(GET + GET)
        assert (await client.read(6)).status == answer.status == 200


async def test_a_request_that_comes_with_the_handshake_s_end_is_answered(certificate: Certificate) -> None:
    """A client of TLS 1.3 sends its request with its Finished; nothing comes after it."""
    async with house(certificate) as running:
        plain = (await running.connect()).stream
        ours = Sealed(certificate)
        while not ours.is_done():
            if ours.advance():
                ours.feed(await plain.receive_some(65536))
                continue
            await plain.send_all(ours.seal(GET if ours.is_done() else b""))
        while not ours.received:
            ours.feed(await plain.receive_some(65536))
        assert read_answers(ours.received)[0].status == 200


class Sealed:
    """A client's end between two buffers, so that a test decides what goes when."""

    def __init__(self, certificate: Certificate, newest: ssl.TLSVersion | None = None) -> None:
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        context = trusting(certificate, newest=newest)
        self.tls = context.wrap_bio(self.incoming, self.outgoing, server_hostname="127.0.0.1")
        self.shaken = False
        self.received = b""

    def is_done(self) -> bool:
        return self.shaken

    def advance(self) -> bool:
        """Whether it waits for the other end."""
        with suppress(ssl.SSLWantReadError):
            self.tls.do_handshake()
            self.shaken = True
        return not self.shaken and not self.outgoing.pending

    def seal(self, data: bytes) -> bytes:
        """``data`` behind what is to be sent."""
        if data:
            self.tls.write(data)
        return self.outgoing.read()

    def feed(self, data: bytes) -> None:
        self.incoming.write(data)
        if not self.shaken:
            return
        with suppress(ssl.SSLWantReadError):
            while piece := self.tls.read(65536):
                self.received += piece


@pytest.mark.parametrize("newest", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
async def test_byte_by_byte(certificate: Certificate, newest: ssl.TLSVersion) -> None:
    async with house(certificate) as running:
        plain = (await running.connect()).stream
        ours = Sealed(certificate, newest)
        while not ours.is_done():
            if ours.advance():
                ours.feed(await plain.receive_some(1))
            for byte in ours.outgoing.read():
                await plain.send_all(bytes([byte]))
        ours.tls.write(GET)
        for byte in ours.outgoing.read():
            await plain.send_all(bytes([byte]))
        while b"/a" not in ours.received:
            ours.feed(await plain.receive_some(1))
        assert read_answers(ours.received)[0].status == 200


async def test_an_end_is_said(certificate: Certificate) -> None:
    """A close_notify ends it: trio's stream tells an end that was only cut by an exception."""
    async with house(certificate) as running:
        stream = await connect(running, certificate)
        await stream.send_all(b"GET /a HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        data = b""
        while piece := await stream.receive_some(65536):
            data += piece
        assert read_answers(data)[0].complete


async def test_an_aborted_answer_of_no_length_is_reset(certificate: Certificate) -> None:
    async def handler(exchange: HttpExchange) -> None:
        await exchange.start(200, [])
        await exchange.send(b"half")
        exchange.abort()

    async with house(certificate, handler) as running:
        stream = await connect(running, certificate)
        await stream.send_all(b"GET /a HTTP/1.0\r\nHost: localhost\r\n\r\n")
        with pytest.raises(trio.BrokenResourceError):
            while await stream.receive_some(65536):
                pass


@pytest.mark.parametrize("newest", [ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1])
async def test_old_versions_are_refused(
    certificate: Certificate, newest: ssl.TLSVersion, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "lodestard")
    context = trusting(certificate)
    with pytest.warns(DeprecationWarning):
        context.minimum_version = newest
        context.maximum_version = newest
    context.set_ciphers("ALL:@SECLEVEL=0")
    async with house(certificate) as running:
        plain = (await running.connect()).stream
        stream = trio.SSLStream(plain, context, server_hostname="127.0.0.1")
        with pytest.raises(trio.BrokenResourceError) as refused:
            await stream.do_handshake()
        assert "PROTOCOL_VERSION" in str(refused.value.__cause__)
        told = [record for record in caplog.records if "handshake failed" in record.getMessage()]
        assert [record.levelname for record in told] == ["DEBUG"]


async def test_plain_http_is_told_so(certificate: Certificate) -> None:
    async with house(certificate) as running:
        client = await running.connect()
        answer = await client.ask(GET)
        assert (answer.status, answer.closes, answer.complete) == (400, True, True)
        assert b"TLS" in answer.body
        garbage = await running.connect()
        await garbage.send(b"\x00\x01garbage that is no handshake")
        await garbage.read_all()  # an alert, and the end


@pytest.mark.parametrize("sent", [b"", b"\x16", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"])
async def test_a_handshake_takes_no_longer_than_a_head(
    certificate: Certificate, sent: bytes, autojump_clock: trio.testing.MockClock
) -> None:
    autojump_clock.autojump_threshold = 0.05
    async with house(certificate, limits=Limits(head_timeout_s=10.0)) as running:
        client = await running.connect()
        began_s = trio.current_time()
        if sent:
            await client.send(sent)
        assert await client.is_closed()
        assert trio.current_time() - began_s == pytest.approx(10.0, abs=0.5)
        assert running.server.connections == 0


async def test_who_goes_in_the_midst_of_a_handshake_is_no_trouble(
    certificate: Certificate, caplog: pytest.LogCaptureFixture
) -> None:
    async with house(certificate) as running:
        for end in ("close", "reset"):
            client = await running.connect()
            await client.send(b"\x16\x03\x01")
            if end == "reset":
                client.stream.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
            client.stream.socket.close()
        await eventually(lambda: not running.server.connections)
        assert (await client_of(await connect(running, certificate)).ask(GET)).status == 200
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]


async def test_a_drain_waits_for_no_handshake_and_ends_idle_connections_politely(certificate: Certificate) -> None:
    async with house(certificate) as running:
        half = await running.connect()
        await half.send(b"\x16\x03\x01")
        stream = await connect(running, certificate)
        assert (await client_of(stream).ask(GET)).status == 200
        running.server.begin_drain()
        with trio.fail_after(3):
            await running.server.wait_closed()
        assert await stream.receive_some(100) == b""
        assert await half.is_closed()


async def test_a_client_that_leaves_is_noticed(certificate: Certificate) -> None:
    left = trio.Event()

    async def handler(exchange: HttpExchange) -> None:
        async with exchange.watch(left.set):
            await trio.sleep_forever()

    async with house(certificate, handler) as running:
        stream = await connect(running, certificate)
        await stream.send_all(GET)
        await eventually(lambda: running.server.exchanges)
        await trio.aclose_forcefully(stream)
        with trio.fail_after(2):
            await left.wait()
        running.life.cancel()


async def test_a_slow_reader_gets_all_of_it_in_order(certificate: Certificate) -> None:
    pieces = [bytes([number % 251]) * 70_000 for number in range(40)]

    async def handler(exchange: HttpExchange) -> None:
        await exchange.start(200, [])
        for piece in pieces:
            with trio.move_on_after(0.002):  # cancelled sends are sent whole all the same
                await exchange.send(piece)
        await exchange.finish()

    async with house(certificate, handler) as running:
        client = client_of(await connect(running, certificate))
        await client.send(GET)
        await trio.sleep(0.1)
        answer = await client.read()
        body = answer.body
        assert answer.complete
        while body:  # some were cancelled before their first byte; the others are whole and in order
            index = next(number for number, piece in enumerate(pieces) if body.startswith(piece))
            body = body[len(pieces[index]) :]
            pieces = pieces[index + 1 :]


async def test_an_answer_arrives_though_the_request_still_comes(certificate: Certificate) -> None:
    """It lingers: what comes is read and thrown away, so that the answer is not lost to a reset."""
    async with house(certificate, limits=Limits(body_bytes=1000)) as running:
        stream = await connect(running, certificate)
        await stream.send_all(b"POST /a HTTP/1.1\r\nHost: localhost\r\nContent-Length: 900000\r\n\r\n")
        with suppress(trio.BrokenResourceError):
            await stream.send_all(b"x" * 300_000)
        answer = await client_of(stream).read()
        assert (answer.status, answer.complete) == (413, True)


async def test_openssl_s_own_client_may_change_its_keys(certificate: Certificate) -> None:
    async with house(certificate) as running:
        command = f"openssl s_client -connect 127.0.0.1:{running.port} -tls1_3 -CAfile {certificate.file}"
        said = await trio.to_thread.run_sync(change_keys, command.split())
        assert b"HTTP/1.1 200 OK" in said


def change_keys(command: list[str]) -> bytes:
    """Talk to ``openssl s_client``: one of its commands once it has shaken hands, then a request."""
    said = b""
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=subprocess.STDOUT) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        for line, until in ((b"", b"Verify return code: 0"), (b"K\n", b"KEYUPDATE"), (GET, b"\n/a\n")):
            process.stdin.write(line)
            process.stdin.flush()
            while until not in said and select.select([process.stdout], [], [], 10)[0]:
                if not (piece := os.read(process.stdout.fileno(), 65536)):
                    break
                said += piece
        process.kill()
    return said


async def test_the_scheme_is_told(certificate: Certificate) -> None:
    async def handler(exchange: HttpExchange) -> None:
        await exchange.respond(200, [], str(exchange.secure).encode())

    async with house(certificate, handler) as running:
        assert (await client_of(await connect(running, certificate)).ask(GET)).body == b"True"


async def test_too_many_connections_are_closed_without_a_word(certificate: Certificate) -> None:
    async with house(certificate, limits=Limits(connections=1)) as running:
        stream = await connect(running, certificate)
        assert (await client_of(stream).ask(GET)).status == 200
        assert await (await running.connect()).is_closed()


# -- the wire alone ------------------------------------------------------------------------------------------------


@asynccontextmanager
async def pair(certificate: Certificate, *, buffer_bytes: int = 0) -> AsyncIterator[tuple[TlsWire, ssl.SSLSocket]]:
    """Our wire and a client's socket that have shaken hands."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        theirs = socket.create_connection(listener.getsockname())
        ours, _ = listener.accept()
    if buffer_bytes:
        theirs.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer_bytes)
        ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, buffer_bytes)
    ours.setblocking(False)
    wire = TlsWire(ours, 30.0, Load(), certificate.context)
    client = trusting(certificate).wrap_socket(theirs, server_hostname="127.0.0.1", do_handshake_on_connect=False)
    client.settimeout(10)
    with client:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(partial(trio.to_thread.run_sync, client.do_handshake))
            assert await wire.shake_hands()
        yield wire, client
        wire.close()


async def test_data_with_an_end_behind_it_is_given_before_the_end(certificate: Certificate) -> None:
    async with pair(certificate) as (wire, client):
        client.sendall(b"last words")
        client.settimeout(0.01)
        with suppress(OSError):
            client.unwrap()  # it waits for our own, which comes later
        client.close()
        while wire.received != b"last words":
            assert await wire.receive()
        assert not await wire.receive()
        assert not await wire.receive()


async def test_what_is_no_tls_loses_the_connection(certificate: Certificate) -> None:
    async with pair(certificate) as (wire, client):
        with socket.socket(fileno=client.detach()) as raw:
            raw.sendall(b"\x17\x03\x03\x00\x20" + b"x" * 32)
            with pytest.raises(ClientLeft):
                while True:
                    await wire.receive()
            assert wire.broken
            with pytest.raises(ClientLeft):
                await wire.send(b"a")


async def test_sends_of_several_tasks_are_not_mixed(certificate: Certificate) -> None:
    length = 60_000  # some records of TLS each, and many times the buffer
    texts = [bytes([65 + number]) * length for number in range(5)]
    got = bytearray()

    async with pair(certificate, buffer_bytes=4096) as (wire, client):

        def read_all() -> None:
            while len(got) < sum(map(len, texts)):
                got.extend(client.recv(65536))

        async with trio.open_nursery() as nursery:
            for text in texts:
                nursery.start_soon(wire.send, text)
            await trio.testing.wait_all_tasks_blocked()
            waiting = wire.unsent
            await trio.to_thread.run_sync(read_all)
        assert (waiting, wire.unsent) == (True, False)
    assert sorted(texts) == sorted(got[at : at + length] for at in range(0, len(got), length))


async def at_once(_fd: int) -> None:
    await trio.lowlevel.checkpoint()


async def test_readiness_for_nothing_is_borne(certificate: Certificate, monkeypatch: pytest.MonkeyPatch) -> None:
    async with pair(certificate) as (wire, _):
        monkeypatch.setattr(trio.lowlevel, "wait_readable", at_once)
        assert await wire.receive()
        assert wire.received == b""


async def test_nothing_is_sent_behind_the_end(certificate: Certificate) -> None:
    async with pair(certificate) as (wire, client):
        wire.end_sending()
        with pytest.raises(ClientLeft):
            await wire.send(b"more")
        assert await trio.to_thread.run_sync(client.recv, 100) == b""


async def test_records_of_openssl_s_own_wait_for_room_and_go_before_what_follows(
    certificate: Certificate, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with pair(certificate) as (wire, client):
        wire._tls.write(b"first, ")  # a record that nobody has sent yet
        with monkeypatch.context() as full:
            full.setattr(TlsWire, "_try_send", lambda _self, _data: 0)
            wire._send_records()
        assert wire.unsent
        await wire.send(b"second")
        got = b""
        while len(got) < len(b"first, second"):
            got += await trio.to_thread.run_sync(client.recv, 100)
        assert got == b"first, second"


# -- certificates --------------------------------------------------------------------------------------------------


def test_what_is_no_certificate_is_told_with_file_and_reason(tmp_path: Path) -> None:
    cert, key = make_certificate(tmp_path)
    other = tmp_path / "other"
    other.mkdir()
    _, other_key = make_certificate(other)
    text = tmp_path / "text.pem"
    text.write_text("no certificate")
    text.chmod(0o600)
    both = tmp_path / "both.pem"
    both.write_text(cert.read_text() + key.read_text())
    both.chmod(0o600)
    assert read_certificate(both, both).file == str(both)
    wrong = {
        (cert, other_key): "the key is not the certificate's",
        (cert, text): "no certificate with an unencrypted key",
        (text, key): "there is no certificate in it",
        (cert, tmp_path / "gone"): "No such file",
        (tmp_path / "gone", key): "No such file",
    }
    for (one, another), words in wrong.items():
        with pytest.raises(ValueError, match=words) as told:
            read_certificate(one, another)
        assert str(tmp_path) in str(told.value)
        assert "PRIVATE" not in str(told.value)


@pytest.mark.parametrize("mode", [0o644, 0o604, 0o620, 0o666])
def test_a_key_that_everybody_may_read_is_refused(tmp_path: Path, mode: int) -> None:
    cert, key = make_certificate(tmp_path)
    key.chmod(mode)
    with pytest.raises(ValueError, match="chmod 600"):
        read_certificate(cert, key)
    key.chmod(0o640)
    assert read_certificate(cert, key).file == str(cert)


def test_a_key_with_a_password_asks_nobody(tmp_path: Path) -> None:
    cert, key = make_certificate(tmp_path)
    locked = tmp_path / "locked.pem"
    command = f"openssl pkey -in {key} -aes256 -passout pass:secret -out {locked}"
    subprocess.run(command.split(), check=True, capture_output=True)
    locked.chmod(0o600)
    with pytest.raises(ValueError, match="unencrypted"):
        read_certificate(cert, locked)


def test_when_a_certificate_ends(tmp_path: Path) -> None:
    cert, key = make_certificate(tmp_path)
    told = subprocess.run(
        ["openssl", "x509", "-in", str(cert), "-noout", "-enddate"], check=True, capture_output=True, text=True
    )
    expected_s = ssl.cert_time_to_seconds(told.stdout.strip().partition("=")[2])
    assert read_certificate(cert, key).expires_ms == expected_s * 1000
