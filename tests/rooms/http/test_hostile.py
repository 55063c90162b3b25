"""Requests that break RFC 9112 (or smell of smuggling): each is refused, closed and never reaches the handler."""

import pytest
import trio

from lodestard.domain.settings import Limits
from lodestard.http import HttpExchange
from tests.fakes.http_server import build_server, read_answers, serving

LIMITS = Limits(head_bytes=4096, keep_alive_s=1.0)
GET = b"GET / HTTP/1.1\r\n"
HOST = b"Host: a\r\n"
POST = b"POST / HTTP/1.1\r\nHost: a\r\n"
CHUNKED = POST + b"Transfer-Encoding: chunked\r\n\r\n"
END = b"\r\n"

HEADS: dict[str, tuple[bytes, int]] = {
    # request line, RFC 9112 section 3
    "2.2 bare LF": (b"GET / HTTP/1.1\nHost: a\n\n", 400),
    "2.2 bare LF in a field": (GET + b"Host: a\nX: b\r\n\r\n", 400),
    "2.2 bare CR in a field": (GET + HOST + b"X: a\rb\r\n\r\n", 400),
    "2.2 whitespace before the first field": (GET + b" X: b\r\n" + HOST + END, 400),
    "2.2 two empty lines first": (END + END + GET + HOST + END, 400),
    "2.3 lower-case name": (b"GET / http/1.1\r\n" + HOST + END, 400),
    "2.3 HTTP/2.9": (b"GET / HTTP/2.9\r\n" + HOST + END, 505),
    "2.3 HTTP/1.2": (b"GET / HTTP/1.2\r\n" + HOST + END, 505),
    "2.3 HTTP/1.10": (b"GET / HTTP/1.10\r\n" + HOST + END, 400),
    "2.3 HTTP/11": (b"GET / HTTP/11\r\n" + HOST + END, 400),
    "HTTP/2 preface": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505),
    "HTTP/0.9": (b"GET /\r\n\r\n", 400),
    "TLS": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400),
    "3 two spaces": (b"GET  / HTTP/1.1\r\n" + HOST + END, 400),
    "3 a tab": (b"GET\t/ HTTP/1.1\r\n" + HOST + END, 400),
    "3 trailing space": (b"GET / HTTP/1.1 \r\n" + HOST + END, 400),
    "3 leading space": (b" GET / HTTP/1.1\r\n" + HOST + END, 400),
    "3 space in the target": (b"GET /a b HTTP/1.1\r\n" + HOST + END, 400),
    "3.1 method no token": (b"GE(T / HTTP/1.1\r\n" + HOST + END, 400),
    "3.1 method empty": (b" / HTTP/1.1\r\n" + HOST + END, 400),
    "3.2 target relative": (b"GET a HTTP/1.1\r\n" + HOST + END, 400),
    "3.2 target with fragment": (b"GET /a#b HTTP/1.1\r\n" + HOST + END, 400),
    "3.2 target with bytes above ASCII": (b"GET /\xc3\xa4 HTTP/1.1\r\n" + HOST + END, 400),
    "3.2 target with bad escape": (b"GET /%zz HTTP/1.1\r\n" + HOST + END, 400),
    "3.2 target with NUL": (b"GET /\0 HTTP/1.1\r\n" + HOST + END, 400),
    "3.2 target with escaped NUL": (b"GET /%00 HTTP/1.1\r\n" + HOST + END, 400),
    "3.2.2 absolute-form, other host": (b"GET http://b/ HTTP/1.1\r\n" + HOST + END, 400),
    "3.2.2 absolute-form, other scheme": (b"GET ftp://a/ HTTP/1.1\r\n" + HOST + END, 400),
    "3.2.2 absolute-form with userinfo": (b"GET http://x@a/ HTTP/1.1\r\n" + HOST + END, 400),
    "3.2.3 CONNECT": (b"CONNECT a:443 HTTP/1.1\r\n" + HOST + END, 501),
    "3.2.4 asterisk of GET": (b"GET * HTTP/1.1\r\n" + HOST + END, 400),
    "3.2 no Host": (GET + END, 400),
    "3.2 two Hosts": (GET + HOST + HOST + END, 400),
    "3.2 two Hosts of HTTP/1.0": (b"GET / HTTP/1.0\r\n" + HOST + HOST + END, 400),
    "3.2 Host empty": (GET + b"Host:\r\n\r\n", 400),
    "3.2 Host with a path": (GET + b"Host: a/b\r\n\r\n", 400),
    "3.2 Host with userinfo": (GET + b"Host: x@a\r\n\r\n", 400),
    "3.2 Host with a bad port": (GET + b"Host: a:99999\r\n\r\n", 400),
    "3.2 Host with two ports": (GET + b"Host: a:1:2\r\n\r\n", 400),
    "3.2 Host a list": (GET + b"Host: a, b\r\n\r\n", 400),
    # fields, section 5
    "5.1 space before the colon": (GET + b"Host : a\r\n\r\n", 400),
    "5.1 tab before the colon": (GET + HOST + b"X\t: a\r\n\r\n", 400),
    "5.1 no colon": (GET + HOST + b"nonsense\r\n\r\n", 400),
    "5.1 no name": (GET + HOST + b": a\r\n\r\n", 400),
    "5.1 name no token": (GET + HOST + b"X(): a\r\n\r\n", 400),
    "5.2 obs-fold": (GET + HOST + b"X: a\r\n b\r\n\r\n", 400),
    "5.2 obs-fold with a tab": (GET + HOST + b"X: a\r\n\tb\r\n\r\n", 400),
    "5.5 NUL in a value": (GET + HOST + b"X: a\0b\r\n\r\n", 400),
    "5.5 DEL in a value": (GET + HOST + b"X: a\x7fb\r\n\r\n", 400),
    "5.5 ESC in a value": (GET + HOST + b"X: \x1b[31m\r\n\r\n", 400),
    "too many fields": (GET + HOST + b"X: a\r\n" * 100 + END, 431),
    "a large head": (GET + HOST + b"X: " + b"a" * 5000 + b"\r\n\r\n", 431),
    "a large head without an end": (GET + HOST + b"X: " + b"a" * 9000, 431),
    "3 a long target": (b"GET /" + b"a" * 5000 + b" HTTP/1.1\r\n" + HOST + END, 414),
    # framing, section 6
    "6.1 CL and TE": (POST + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
    "6.1 TE and CL": (POST + b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n", 400),
    "6.1 TE of HTTP/1.0": (b"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
    "6.1 unknown coding": (POST + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 501),
    "6.1 identity": (POST + b"Transfer-Encoding: identity\r\n\r\n", 400),
    "6.3 chunked not last": (POST + b"Transfer-Encoding: chunked, gzip\r\n\r\n", 400),
    "6.1 chunked twice": (POST + b"Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n", 400),
    "6.1 chunked in two lines": (POST + b"Transfer-Encoding: chunked\r\n" * 2 + b"\r\n0\r\n\r\n", 400),
    "6.1 xchunked": (POST + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n", 400),
    "6.1 quoted chunked": (POST + b'Transfer-Encoding: "chunked"\r\n\r\n0\r\n\r\n', 400),
    "6.1 chunked with parameter": (POST + b"Transfer-Encoding: chunked;a=b\r\n\r\n0\r\n\r\n", 400),
    "6.1 empty coding": (POST + b"Transfer-Encoding:\r\n\r\n", 400),
    "6.2 two lengths": (POST + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\nab", 400),
    "6.2 the same length twice": (POST + b"Content-Length: 1\r\nContent-Length: 1\r\n\r\na", 400),
    "6.2 length a list": (POST + b"Content-Length: 1, 1\r\n\r\na", 400),
    "6.2 length with a sign": (POST + b"Content-Length: +1\r\n\r\na", 400),
    "6.2 length negative": (POST + b"Content-Length: -1\r\n\r\na", 400),
    "6.2 length hexadecimal": (POST + b"Content-Length: 0x1\r\n\r\na", 400),
    "6.2 length with a space": (POST + b"Content-Length: 1 1\r\n\r\na", 400),
    "6.2 length empty": (POST + b"Content-Length:\r\n\r\n", 400),
    "6.2 length too long": (POST + b"Content-Length: " + b"9" * 40 + b"\r\n\r\n", 400),
    "6.2 length in other digits": (POST + b"Content-Length: \xb2\r\n\r\n", 400),
    "10.1.1 unknown expectation": (POST + b"Expect: 200-ok\r\nContent-Length: 1\r\n\r\na", 417),
}

BODIES: dict[str, tuple[bytes, int]] = {
    # chunked coding, section 7.1; a handler sees these only as a fault of read_body
    "7.1 size not hexadecimal": (b"g\r\n", 400),
    "7.1 size with 0x": (b"0x5\r\nhello\r\n0\r\n\r\n", 400),
    "7.1 size with a sign": (b"-5\r\nhello\r\n0\r\n\r\n", 400),
    "7.1 size empty": (b"\r\n", 400),
    "7.1 size overflows": (b"FFFFFFFFF\r\n", 400),
    "7.1 space after the size": (b"5 \r\nhello\r\n0\r\n\r\n", 400),
    "7.1 space before the size": (b" 5\r\nhello\r\n0\r\n\r\n", 400),
    "7.1.1 bare semicolon": (b"5;\r\nhello\r\n0\r\n\r\n", 400),
    "7.1.1 space in an extension": (b"5 ;a=b\r\nhello\r\n0\r\n\r\n", 400),
    "7.1.1 control byte in an extension": (b"5;a=\x01\r\nhello\r\n0\r\n\r\n", 400),
    "7.1.1 bare LF in an extension": (b"5;a\nhello\r\n0\r\n\r\n", 400),
    "7.1.1 long extension": (b"5;a=" + b"b" * 20_000 + b"\r\nhello\r\n0\r\n\r\n", 400),
    "7.1.1 many extensions": ((b"1;a=" + b"b" * 900 + b"\r\nx\r\n") * 20 + b"0\r\n\r\n", 400),
    "7.1 bare LF after the size": (b"5\nhello\r\n0\r\n\r\n", 400),
    "7.1 bare CR after the size": (b"5\rXhello\r\n0\r\n\r\n", 400),
    "7.1 data longer than its size": (b"5\r\nhello!\r\n0\r\n\r\n", 400),
    "7.1 data without CRLF": (b"5\r\nhello0\r\n\r\n", 400),
    "7.1 bare LF after the data": (b"5\r\nhello\n0\r\n\r\n", 400),
    "7.1.2 trailer no field": (b"0\r\nnonsense\r\n\r\n", 400),
    "7.1.2 trailer folded": (b"0\r\nX: a\r\n b\r\n\r\n", 400),
    "7.1.2 trailers too long": (b"0\r\n" + (b"X: " + b"a" * 900 + b"\r\n") * 20 + b"\r\n", 400),
    "a chunk larger than the limit": (b"FFFFFFFF\r\n", 413),
}


async def unreachable(exchange: HttpExchange) -> None:
    await trio.lowlevel.checkpoint()
    raise AssertionError("a handler was reached")


async def reads(exchange: HttpExchange) -> None:
    await exchange.read_body()
    raise AssertionError("a body was read")


@pytest.mark.parametrize("name", HEADS)
async def test_a_bad_head_is_refused(name: str, caplog: pytest.LogCaptureFixture) -> None:
    data, status = HEADS[name]
    async with serving(build_server(unreachable, limits=LIMITS)) as running:
        client = await running.connect()
        await client.send(data + GET + HOST + END)  # a smuggled second request is never read
        (answer,) = read_answers((await client.read_all()).removesuffix(b"<reset>"))
    assert (answer.status, answer.closes, answer.complete) == (status, True, True)
    assert caplog.records == []


@pytest.mark.parametrize("name", BODIES)
async def test_a_bad_chunked_body_is_refused(name: str, caplog: pytest.LogCaptureFixture) -> None:
    data, status = BODIES[name]
    async with serving(build_server(reads, limits=LIMITS)) as running:
        client = await running.connect()
        await client.send(CHUNKED + data + GET + HOST + END)
        (answer,) = read_answers((await client.read_all()).removesuffix(b"<reset>"))
    assert (answer.status, answer.closes, answer.complete) == (status, True, True)
    assert caplog.records == []


@pytest.mark.parametrize(
    "data",
    [
        b"OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET http://A:80/x?y HTTP/1.1\r\nHost: a:80\r\n\r\n",
        b"GET http://a HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET http://a?x HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET /v1/models/meta%2Fllama:8b?a[]=1&b={} HTTP/1.1\r\nHost: [::1]:4000\r\n\r\n",
        b"PROPFIND / HTTP/1.1\r\nhost:a:\r\nX:\r\nY: \t a\xff b \t\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 00\r\n\r\n",
    ],
)
async def test_what_is_unusual_but_right_is_served(data: bytes) -> None:
    async def handler(exchange: HttpExchange) -> None:
        await exchange.respond(200, [], exchange.path.encode())

    async with serving(build_server(handler)) as running:
        client = await running.connect()
        assert (await client.ask(data)).status == 200


@pytest.mark.parametrize(
    "lying", [b"Content-Length: 209715200\r\n\r\n", b"Content-Length: 9999999999999999999\r\n\r\n"]
)
async def test_a_body_over_the_limit_is_refused_before_it_is_read(lying: bytes) -> None:
    async with serving(build_server(reads)) as running:
        client = await running.connect()
        answer = await client.ask(POST + lying)
    assert (answer.status, answer.closes) == (413, True)


async def test_a_chunked_body_over_the_limit_is_refused_on_the_way() -> None:
    async with serving(build_server(reads, limits=Limits(body_bytes=100_000))) as running:
        client = await running.connect()
        answer = await client.ask(CHUNKED + (b"4000\r\n" + b"a" * 0x4000 + b"\r\n") * 7)
    assert (answer.status, answer.closes) == (413, True)
