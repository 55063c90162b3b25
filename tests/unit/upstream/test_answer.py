"""Answers: every place where they can be cut, every portion they can come in, everything that is refused."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lodestard.upstream.answer import MAX_FRAMING_BYTES, MAX_HEAD_BYTES, AnswerReader
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
    for more in (b"HTTP/1.1 200 OK\r\n", LENGTH, b"junk"):
        reader = read(LENGTH + more)
        assert reader.take() == b"hello world"
        assert (reader.complete, reader.reusable, reader.status) == (True, False, 200)


def test_an_answer_to_head_has_no_body() -> None:
    reader = read(LENGTH, bodiless=True)
    assert (reader.complete, reader.reusable, reader.take()) == (True, False, b"")


REFUSED = {
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
