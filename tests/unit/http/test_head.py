"""Heads: what they mean, why they are refused, and that llhttp never reads them otherwise."""

import contextlib

import httptools
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from lodestard.domain.errors import Code
from lodestard.domain.settings import Limits
from lodestard.http.faults import Refused
from lodestard.http.head import RequestHead, check_unfinished, read_head

LIMITS = Limits()


def read(*lines: str) -> RequestHead:
    return read_head(("\r\n".join(lines) + "\r\n\r\n").encode("latin-1"), LIMITS)


def test_a_head_is_read() -> None:
    head = read("POST /v1/x?a=b&c HTTP/1.1", "HOST: Box:80", "Content-Length:  12 ", "Accept: a", "accept: b")
    assert (head.method, head.path, head.query, head.host) == ("POST", "/v1/x", "a=b&c", "box:80")
    assert (head.length, head.modern, head.persistent, head.continues) == (12, True, True, False)
    assert head.headers.get("accept") == "a, b"


@pytest.mark.parametrize(
    ("connection", "persistent"),
    [("keep-alive", True), ("close", False), ("CLOSE", False), ("te,  close", False), ("closed", True), ("", True)],
)
def test_persistence(connection: str, persistent: bool) -> None:  # RFC 9112 section 9.3
    assert read("GET / HTTP/1.1", "Host: a", f"Connection: {connection}").persistent is persistent


def test_http_1_0_is_old() -> None:
    head = read("GET / HTTP/1.0", "Expect: nonsense", "Connection: keep-alive")
    assert (head.modern, head.persistent, head.continues, head.host) == (False, False, False, "")


def test_expectations() -> None:
    assert read("POST / HTTP/1.1", "Host: a", "Expect: 100-continue", "Transfer-Encoding: chunked").continues


@pytest.mark.parametrize(
    ("lines", "status", "words"),
    [
        (("GET / HTTP/3.0", "Host: a"), 505, "only HTTP/1.0 and HTTP/1.1"),
        (("GET /",), 400, "request line"),
        (("GET / HTTP/1.1", "Host: a", " b"), 400, "second line"),
        (("GET / HTTP/1.1", "Host : a"), 400, "space before its colon"),
        (("GET / HTTP/1.1", "Host"), 400, "header field is not"),
        (("GET / HTTP/1.1",), 400, "no Host"),
        (("CONNECT a:1 HTTP/1.1", "Host: a:1"), 501, "method"),
        (("GET https://a/ HTTP/1.1", "Host: a"), 421, "https"),
    ],
)
def test_a_refusal_says_why(lines: tuple[str, ...], status: int, words: str) -> None:
    with pytest.raises(Refused, match=words) as caught:
        read(*lines)
    assert caught.value.status == status


def test_over_tls_an_http_target_is_misdirected() -> None:  # RFC 9110 section 7.4
    for scheme, secure in (("http", False), ("https", True)):
        raw = f"GET {scheme}://b/ HTTP/1.1\r\nHost: a\r\nX: y\r\n\r\n".encode()
        head = read_head(raw, LIMITS, secure=secure)
        assert (head.host, head.headers.items()) == ("b", [("x", "y"), ("host", "b")])
        with pytest.raises(Refused) as caught:
            read_head(raw, LIMITS, secure=not secure)
        assert caught.value.status == 421


def test_an_unfinished_head_is_refused_as_soon_as_it_is_spoiled() -> None:
    for fine in (b"", b"GET / HTTP/1.1\r", b"GET / HTTP/1.1\r\nHo", b"\r\nG"):
        check_unfinished(bytearray(fine), 0, LIMITS)
        check_unfinished(bytearray(fine), len(fine), LIMITS)
    for bad in (b"GET / HTTP/1.1\n", b"GET / HTTP/1.1\rHost", b"\x16\x03", b"G\0", b"\x7f"):
        with pytest.raises(Refused, match="bare CR or LF"):
            check_unfinished(bytearray(bad), 0, LIMITS)
    with pytest.raises(Refused, match="bare CR or LF"):
        check_unfinished(bytearray(b"a\rb"), 2, LIMITS)  # its CR was the last byte before
    check_unfinished(bytearray(b"a\r\nb"), 2, LIMITS)  # the LF's CR was looked at before


def test_too_large_is_a_code_of_its_own() -> None:
    with pytest.raises(Refused) as caught:
        check_unfinished(bytearray(b"GET /" + b"a" * LIMITS.head_bytes), 0, LIMITS)
    assert (caught.value.status, caught.value.fault.code) == (414, Code.REQUEST_TOO_LARGE)


class Llhttp:
    """What httptools makes of the same bytes."""

    def __init__(self, raw: bytes) -> None:
        self.target = b""
        self.fields: list[tuple[str, str]] = []
        self.heads = 0
        self.parser = httptools.HttpRequestParser(self)
        with contextlib.suppress(httptools.HttpParserUpgrade):
            self.parser.feed_data(raw)

    def on_url(self, url: bytes) -> None:
        self.target += url

    def on_header(self, name: bytes, value: bytes) -> None:
        self.fields.append((name.decode("latin-1").lower(), value.decode("latin-1").rstrip(" \t")))

    def on_headers_complete(self) -> None:
        self.heads += 1


LLHTTP_METHODS = ["GET", "POST", "HEAD", "OPTIONS", "DELETE", "PUT", "PATCH"]
PIECES = st.sampled_from(
    [
        *LLHTTP_METHODS,
        *(" ", "  ", "\t", "\r\n", "\r\n\r\n", "\n", "\r", ":", ": ", ",", ";", "\0", "\x7f", "\xff", "\\", '"', "%"),
        *("/", "/a?b", "*", "http://a/", "//a", "HTTP/1.1", "HTTP/1.0", "HTTP/1.2", "http/1.1"),
        *(
            "Host",
            "Host: a",
            "Content-Length",
            "Content-Length: 5",
            "Transfer-Encoding: chunked",
            "Connection: close",
        ),
        *(
            "X",
            "x-y",
            "a",
            "b c",
            "5",
            "+5",
            "05",
            "chunked",
            "Upgrade: h2c",
            "Connection: upgrade",
            "Expect: 100-continue",
        ),
    ]
)
MOSTLY_RIGHT = st.tuples(
    st.sampled_from(LLHTTP_METHODS),
    st.sampled_from(["/", "/a?b=c", "http://a/", "*", "/%41"]),
    st.sampled_from(["HTTP/1.1", "HTTP/1.0"]),
    st.lists(PIECES, max_size=12).map("".join),
).map(lambda parts: "{} {} {}\r\nHost: a\r\n{}\r\n\r\n".format(*parts))


@given(text=st.one_of(MOSTLY_RIGHT, st.lists(PIECES, max_size=20).map(lambda parts: "".join(parts) + "\r\n\r\n")))
@example(text="GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: h2c\r\n\r\n")
@example(text="POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 05\r\n\r\n")
def test_llhttp_reads_what_we_accept_in_the_same_way(text: str) -> None:
    """Two readers that agree leave no room for smuggling. llhttp may refuse less than we do, never read otherwise."""
    raw = text[: text.index("\r\n\r\n") + 4].encode("latin-1")
    try:
        ours = read_head(raw, LIMITS)
    except Refused:
        return
    theirs = Llhttp(raw)
    assert theirs.heads == 1
    assert theirs.parser.get_method().decode() == ours.method
    assert theirs.fields == ours.headers.items()
    target = ours.path + (f"?{ours.query}" if ours.query else "")
    assert theirs.target.decode().removesuffix("?").endswith(target.removesuffix("?") if target != "/" else "")
    assert theirs.parser.get_http_version() == ("1.1" if ours.modern else "1.0")
    if ours.persistent and "upgrade" not in ours.headers:
        assert theirs.parser.should_keep_alive()


@given(st.binary(max_size=200))
def test_any_bytes_are_a_head_or_refused(data: bytes) -> None:
    try:
        read_head(data + b"\r\n\r\n", LIMITS)
    except Refused as refused:
        assert 400 <= refused.status < 600
