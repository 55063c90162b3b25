"""Answers: every place where they can be cut, every portion they can come in, everything that is refused."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lodestard.upstream.answer import MAX_FIELDS, MAX_FRAMING_BYTES, MAX_HEAD_BYTES, MAX_INTERIMS, AnswerReader
from lodestard.upstream.faults import Lost, Malformed

LENGTH = b"HTTP/1.1 200 OK\r\nContent-Length: 11\r\nX-A: b\r\n\r\nhello world"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n6;x=y\r\n world\r\n0\r\nX-T: 1\r\n\r\n"
DELIMITED = b"HTTP/1.1 200 OK\r\nX-A: b\r\n\r\nhello world"
INTERIM = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n" + LENGTH
CASES = [LENGTH, CHUNKED, INTERIM]


def read(data: bytes, *, bodiless: bool = False) -> AnswerReader:
    reader = AnswerReader()
    reader.begin(bodiless=bodiless)
    reader.feed(data)
    return reader


@pytest.mark.parametrize("data", CASES)
def test_whole(data: bytes) -> None:
    reader = read(data)
    assert (reader.status, reader.take(), reader.take()) == (200, b"hello world", b"")
    assert reader.complete
    assert reader.reusable
    reader.feed_eof()


@pytest.mark.parametrize("data", CASES)
def test_cut_at_every_byte(data: bytes) -> None:
    for at in range(len(data)):
        reader = AnswerReader()
        if at:
            reader.feed(data[:at])
        with pytest.raises(Lost) as caught:
            reader.feed_eof()
        assert caught.value.answered == (at > 0)
        assert b"hello world".startswith(reader.take())
        assert not reader.reusable


@given(st.sampled_from([*CASES, DELIMITED]), st.lists(st.integers(0, 150), max_size=10))
def test_portions_do_not_matter(data: bytes, cuts: list[int]) -> None:
    reader = AnswerReader()
    edges = [0, *sorted(cut for cut in cuts if cut < len(data)), len(data)]
    body = b""
    for start, end in itertools.pairwise(edges):
        if start < end:
            reader.feed(memoryview(data)[start:end])
            body += reader.take()
    reader.feed_eof()
    assert body == b"hello world"
    assert reader.complete
    assert reader.reusable == (data is not DELIMITED)


def test_an_answer_that_ends_with_its_connection() -> None:
    reader = read(DELIMITED)
    before = reader.complete
    reader.feed_eof()
    assert (before, reader.complete, reader.reusable) == (False, True, False)


@pytest.mark.parametrize("status", [b"204 No Content", b"304 Not Modified"])
def test_statuses_without_a_body(status: bytes) -> None:
    reader = read(b"HTTP/1.1 " + status + b"\r\n\r\n")
    assert reader.complete
    assert reader.reusable


def test_answers_follow_one_another_on_a_connection() -> None:
    reader = AnswerReader()
    for data in (LENGTH, CHUNKED, LENGTH):
        reader.begin()
        reader.feed(data)
        assert reader.take() == b"hello world"
        assert reader.reusable


def test_a_second_answer_that_nobody_asked_for_spoils_the_connection() -> None:
    for more in (b"HTTP/1.1 200 OK\r\n", LENGTH, b"junk", b"HTTP/1.1 200 \x1b\r\n", b"HTTP/2.0 999\r\n\r\n"):
        reader = read(LENGTH + more)
        assert reader.take() == b"hello world"
        assert (reader.complete, reader.reusable, reader.status) == (True, False, 200)


@pytest.mark.parametrize(
    ("head", "reusable"),
    [
        (b"HTTP/1.1 204 No Content\r\nContent-Length: 3\r\n\r\nabc", False),
        (b"HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", False),
        (b"HTTP/1.1 304 Not Modified\r\nContent-Length: 3\r\n\r\nabc", False),
        (b"HTTP/1.1 304 Not Modified\r\nContent-Length: 3\r\n\r\n", True),
    ],
)
def test_a_body_where_none_may_be_is_never_content(head: bytes, reusable: bool) -> None:
    """RFC 9112 section 6.3: these end with their head, whatever it says; what follows spoils the connection."""
    reader = read(head)
    assert (reader.complete, reader.take(), reader.reusable) == (True, b"", reusable)


def test_a_trailer_changes_nothing() -> None:  # RFC 9110 section 6.5.1
    reader = read(IN_CHUNKS + b"3\r\nabc\r\n0\r\nTransfer-Encoding: gzip\r\nConnection: close\r\n\r\n")
    assert (reader.take(), reader.fields, reader.complete) == (b"abc", [(b"Transfer-Encoding", b"chunked")], True)


def test_a_reason_may_be_absent_or_in_any_tongue() -> None:  # RFC 9112 section 4: it carries no meaning
    for line in (b"HTTP/1.1 200 \r\n", b"HTTP/1.1 200\r\n", b"HTTP/1.1 200 \xc3\xa4\tb\r\n"):
        assert read(line + SIZED).take() == b"abc"


def test_interim_answers_are_read_past_up_to_a_number() -> None:  # RFC 9110 section 15.2
    interim = b"HTTP/1.1 100 Continue\r\n\r\n"
    assert read(interim * MAX_INTERIMS + LENGTH).take() == b"hello world"
    for portion in (1, 7, 100_000):
        reader, flood = AnswerReader(), interim * (MAX_INTERIMS + 1) + LENGTH
        with pytest.raises(Malformed, match="interim"):
            for at in range(0, len(flood), portion):
                reader.feed(flood[at : at + portion])
        assert not reader.reusable


@pytest.mark.parametrize(
    ("head", "reusable"),
    [
        (b"HTTP/1.0 200 OK\r\n", False),
        (b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\n", True),
        (b"HTTP/1.1 200 OK\r\nConnection: close\r\n", False),
        (b"HTTP/1.1 200 OK\r\nConnection: keep-alive, Close\r\n", False),
        (b"HTTP/1.1 200 OK\r\nConnection: keep-alive\r\nConnection: close\r\n", False),
    ],
)
def test_who_closes_says_so(head: bytes, reusable: bool) -> None:  # RFC 9112 section 9.3
    reader = read(head + SIZED)
    assert (reader.take(), reader.reusable) == (b"abc", reusable)


def test_an_answer_to_head_has_no_body() -> None:
    reader = read(LENGTH, bodiless=True)
    assert (reader.complete, reader.reusable, reader.take()) == (True, False, b"")


OK = b"HTTP/1.1 200 OK\r\n"
SIZED = b"Content-Length: 3\r\n\r\nabc"
IN_CHUNKS = OK + b"Transfer-Encoding: chunked\r\n\r\n"
REFUSED = {
    # the status line, RFC 9112 section 4
    "another protocol": b"RTSP/1.0 200 OK\r\n" + SIZED,
    "yet another": b"ICE/1.0 200 OK\r\n" + SIZED,
    "a line end first": b"\r\n" + OK + SIZED,
    "a line feed first": b"\n" + OK + SIZED,
    "version in lower case": b"http/1.1 200 OK\r\n" + SIZED,
    "version 1.10": b"HTTP/1.10 200 OK\r\n" + SIZED,
    "version 01.1": b"HTTP/01.1 200 OK\r\n" + SIZED,
    "version alone": b"HTTP/1.1\r\n" + SIZED,
    "a space first": b" HTTP/1.1 200 OK\r\n" + SIZED,
    "version 1.2": b"HTTP/1.2 200 OK\r\n" + SIZED,
    "two spaces": b"HTTP/1.1  200 OK\r\n" + SIZED,
    "a tab": b"HTTP/1.1\t200 OK\r\n" + SIZED,
    "status of four digits": b"HTTP/1.1 2000 OK\r\n" + SIZED,
    "status of two digits": b"HTTP/1.1 20 OK\r\n" + SIZED,
    "status without its space": b"HTTP/1.1 200-OK\r\n" + SIZED,
    "NUL in the reason": b"HTTP/1.1 200 O\0K\r\n" + SIZED,
    "ESC in the reason": b"HTTP/1.1 200 \x1b[31m\r\n" + SIZED,
    "bare CR in the reason": b"HTTP/1.1 200 O\rK\r\n" + SIZED,
    # fields, section 5
    "space before the colon": OK + b"X : y\r\n" + SIZED,
    "tab before the colon": OK + b"X\t: y\r\n" + SIZED,
    "name beyond ASCII": OK + b"X\xff: y\r\n" + SIZED,
    "folded by a tab": OK + b"X: a\r\n\tb\r\n" + SIZED,
    "folded length": OK + b"Content-Length:\r\n 3\r\n\r\nabc",
    "no name": OK + b": y\r\n" + SIZED,
    "name no token": OK + b"X(): y\r\n" + SIZED,
    "no colon": OK + b"nonsense\r\n" + SIZED,
    "space before the first field": OK + b" X: y\r\n" + SIZED,
    "control byte in a value": OK + b"X: \x01\r\n" + SIZED,
    "DEL in a value": OK + b"X: \x7f\r\n" + SIZED,
    "bare CR in a value": OK + b"X: a\rb\r\n" + SIZED,
    "bare LF after a value": OK + b"X: a\nY: b\r\n" + SIZED,
    "bare LF for the head's end": OK + b"Content-Length: 3\r\n\nabc",
    "more fields than are taken": OK + b"A: b\r\n" * (MAX_FIELDS + 1) + SIZED,
    # framing, section 6
    "empty length": OK + b"Content-Length:\r\n\r\n",
    "length after a vertical tab": OK + b"Content-Length: \x0b3\r\n\r\nabc",
    "length with a comma": OK + b"Content-Length: 3,\r\n\r\nabc",
    "no length of a 304": b"HTTP/1.1 304 N\r\nContent-Length: x\r\n\r\n",
    "length and chunked of a 204": b"HTTP/1.1 204 N\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n",
    "chunked with a parameter": OK + b"Transfer-Encoding: chunked;q=1\r\n\r\n0\r\n\r\n",
    "chunked with a comma": OK + b"Transfer-Encoding: chunked,\r\n\r\n0\r\n\r\n",
    "gzip and chunked in two lines": OK + b"Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "length in two words": OK + b"Content-Length: 3 3\r\n\r\nabc",
    "hexadecimal length": OK + b"Content-Length: 0x3\r\n\r\nabc",
    "length with an underscore": OK + b"Content-Length: 1_0\r\n\r\nabc",
    "negative length": OK + b"Content-Length: -3\r\n\r\nabc",
    "overflowing length": OK + b"Content-Length: 99999999999999999999\r\n\r\nabc",
    "two different lengths of a 204": b"HTTP/1.1 204 N\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\n",
    "chunked twice": OK + b"Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n",
    "chunked in two lines": OK + b"Transfer-Encoding: chunked\r\n" * 2 + b"\r\n0\r\n\r\n",
    "empty coding": OK + b"Transfer-Encoding:\r\n\r\nabc",
    "coding identity": OK + b"Transfer-Encoding: identity\r\n\r\nabc",
    "coding after a vertical tab": OK + b"Transfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n",
    "chunked and length in 1.0": b"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n" + SIZED,
    "a body after a 103": b"HTTP/1.1 103 E\r\nContent-Length: 3\r\n\r\nabc" + OK + SIZED,
    "a 100 that closes": b"HTTP/1.1 100 C\r\nConnection: close\r\n\r\n" + OK + SIZED,
    # chunks, section 7.1
    "size with a space": IN_CHUNKS + b"3 \r\nabc\r\n0\r\n\r\n",
    "size with 0x": IN_CHUNKS + b"0x3\r\nabc\r\n0\r\n\r\n",
    "size with a sign": IN_CHUNKS + b"+3\r\nabc\r\n0\r\n\r\n",
    "empty size": IN_CHUNKS + b"\r\nabc\r\n0\r\n\r\n",
    "overflowing size": IN_CHUNKS + b"10000000000000003\r\nabc\r\n0\r\n\r\n",
    "bare LF after a size": IN_CHUNKS + b"3\nabc\r\n0\r\n\r\n",
    "bare LF after the data": IN_CHUNKS + b"3\r\nabc\n0\r\n\r\n",
    "size after a space": IN_CHUNKS + b" 3\r\nabc\r\n0\r\n\r\n",
    "size with a tab": IN_CHUNKS + b"3\t\r\nabc\r\n0\r\n\r\n",
    "empty extension": IN_CHUNKS + b"3;\r\nabc\r\n0\r\n\r\n",
    "two semicolons": IN_CHUNKS + b"3; ;\r\nabc\r\n0\r\n\r\n",
    "tab in an extension": IN_CHUNKS + b"3;\ta\r\nabc\r\n0\r\n\r\n",
    "extension never closed": IN_CHUNKS + b'3;a="x\r\nabc\r\n0\r\n\r\n',
    "line end in a quoted extension": IN_CHUNKS + b'3;a="x\r\n"\r\nabc\r\n0\r\n\r\n',
    "bare CR in an extension": IN_CHUNKS + b"3;a\rb\r\nabc\r\n0\r\n\r\n",
    "extension beyond ASCII": IN_CHUNKS + b"3;a=\xff\r\nabc\r\n0\r\n\r\n",
    "bare LF in an extension": IN_CHUNKS + b"3;a\nabc\r\n0\r\n\r\n",
    "control byte in an extension": IN_CHUNKS + b"3;a=\x01\r\nabc\r\n0\r\n\r\n",
    "bare LF for the end": IN_CHUNKS + b"3\r\nabc\r\n0\n\n",
    "trailer no field": IN_CHUNKS + b"0\r\nnonsense\r\n\r\n",
    "space before a trailer's colon": IN_CHUNKS + b"0\r\nX : a\r\n\r\n",
    "trailer folded": IN_CHUNKS + b"0\r\nX: a\r\n b\r\n\r\n",
    "trailer with a NUL": IN_CHUNKS + b"0\r\nX: \0\r\n\r\n",
    "a length for a trailer": IN_CHUNKS + b"0\r\nContent-Length: 5\r\n\r\n",
    # what came before
    "length and chunked": b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n",
    "chunked and length": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n",
    "two lengths": b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 3\r\n\r\nabc",
    "list of lengths": b"HTTP/1.1 200 OK\r\nContent-Length: 3, 3\r\n\r\nabc",
    "signed length": b"HTTP/1.1 200 OK\r\nContent-Length: +3\r\n\r\nabc",
    "coding gzip": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\nabc",
    "coding gzip, chunked": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    "chunked in 1.0": b"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "version 2": b"HTTP/2.0 200 OK\r\nContent-Length: 3\r\n\r\nabc",
    "version 0.9": b"HTTP/0.9 200 OK\r\nContent-Length: 3\r\n\r\nabc",
    "status 099": b"HTTP/1.1 099 OK\r\nContent-Length: 3\r\n\r\nabc",
    "status 700": b"HTTP/1.1 700 OK\r\nContent-Length: 3\r\n\r\nabc",
    "folded field": b"HTTP/1.1 200 OK\r\nX: a\r\n b\r\n\r\n",
    "bare lf": b"HTTP/1.1 200 OK\nContent-Length: 3\n\nabc",
    "nul": b"HTTP/1.1 200 OK\r\nX: a\0\r\n\r\n",
    "upgrade": b"HTTP/1.1 101 Switching\r\nUpgrade: h2c\r\nConnection: upgrade\r\n\r\n",
    "upgrade without words": b"HTTP/1.1 101 Switching\r\n\r\nabc",
    "not HTTP": b"SSH-2.0-OpenSSH\r\n",
    "chunk too long": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabcd\r\n0\r\n\r\n",
    "large head": b"HTTP/1.1 200 OK\r\nX: " + b"a" * MAX_HEAD_BYTES + b"\r\n\r\n",
    "endless head": b"HTTP/1.1 200 OK\r\nX: " + b"a" * MAX_HEAD_BYTES,
    "many fields": b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * MAX_HEAD_BYTES,
    "large trailers": (
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX: " + b"a" * MAX_FRAMING_BYTES + b"a"
    ),
}


@pytest.mark.parametrize("data", REFUSED.values(), ids=REFUSED.keys())
def test_refused(data: bytes) -> None:
    reader = AnswerReader()
    with pytest.raises(Malformed):
        reader.feed(data)
    assert not reader.reusable


@pytest.mark.parametrize("data", REFUSED.values(), ids=REFUSED.keys())
def test_refused_byte_by_byte(data: bytes) -> None:
    reader = AnswerReader()
    with pytest.raises(Malformed):
        for at in range(len(data)):
            reader.feed(data[at : at + 1])
    assert not reader.reusable


def test_a_head_dribbled_within_the_limit_is_read() -> None:
    reader = AnswerReader()
    for byte in b"HTTP/1.1 200 OK\r\n" + b"X: " + b"a" * 20_000 + b"\r\nContent-Length: 0\r\n\r\n":
        reader.feed(bytes((byte,)))
    assert reader.complete


@given(st.binary(max_size=200))
def test_no_bytes_can_crash_it(data: bytes) -> None:
    reader = AnswerReader()
    try:
        reader.feed(b"HTTP/1.1 200 OK\r\n" + data)
        reader.feed_eof()
    except (Malformed, Lost):
        pass


@pytest.mark.parametrize("taken_between", [True, False])
@pytest.mark.parametrize("step", [0, 1, 7])
def test_what_follows_an_answer_is_none_of_its_body(step: int, *, taken_between: bool) -> None:
    one = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"
    stream = one + one.replace(b"abc", b"xyz")
    reader, body = AnswerReader(), b""
    for start in range(0, len(stream), step or len(stream)):
        reader.feed(stream[start : start + (step or len(stream))])
        body += reader.take() if taken_between else b""
    assert body + reader.take() == b"abcde"
    assert reader.complete
    assert not reader.reusable


def test_an_answer_to_head_has_no_body_whatever_follows() -> None:
    reader = AnswerReader()
    reader.begin(bodiless=True)
    reader.feed(b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nabc")
    assert (reader.take(), reader.complete, reader.reusable) == (b"", True, False)
