"""Heads of answers."""

import pytest

from lodestard.http import answer
from lodestard.http.headers import Headers


class StoppedClock:
    """Wall time stands where it is put."""

    def __init__(self) -> None:
        self.ms = 0

    def now_ms(self) -> int:
        return self.ms

    def monotonic_ns(self) -> int:
        raise AssertionError("not asked for")


def test_a_head_is_written() -> None:
    head = answer.write_head(
        200, [("Content-Type", "a/b"), ("Connection", "x"), ("Date", "y")], "content-length: 1\r\n"
    )
    assert head == b"HTTP/1.1 200 OK\r\nContent-Type: a/b\r\ncontent-length: 1\r\n\r\n"


def test_a_status_without_a_name() -> None:
    assert answer.write_head(499, [], "") == b"HTTP/1.1 499 \r\n\r\n"


@pytest.mark.parametrize("status", [0, 100, 101, 103, 199, 600, 1000])
def test_what_is_no_final_status(status: int) -> None:
    with pytest.raises(ValueError, match="final"):
        answer.write_head(status, [], "")


@pytest.mark.parametrize(("name", "value"), [("a", "b\r\nc: d"), ("a", "b\n"), ("a\r", "b"), ("a", "b\0")])
def test_no_field_breaks_out_of_its_line(name: str, value: str) -> None:
    with pytest.raises(ValueError, match="line break"):
        answer.write_head(200, [(name, value)], "")


def test_what_latin_1_lacks_is_replaced() -> None:
    assert b"a: \xe4?\r\n" in answer.write_head(200, [("a", "ä€")], "")


def test_a_given_length() -> None:
    assert answer.read_given_length([("a", "b"), ("Content-Length", "12")]) == 12
    assert answer.read_given_length([]) is None
    with pytest.raises(ValueError, match="not a number"):
        answer.read_given_length([("content-length", "1²")])


def test_the_date_follows_the_clock() -> None:  # RFC 9110 section 5.6.7
    clock = StoppedClock()
    line = answer.DateLine(clock)
    assert line.read() == "date: Thu, 01 Jan 1970 00:00:00 GMT\r\n"
    clock.ms = 784_111_777_999
    assert line.read() == "date: Sun, 06 Nov 1994 08:49:37 GMT\r\n"
    assert line.read() is line.read()


def test_headers_are_found_in_any_case() -> None:
    headers = Headers([("Accept", "a"), ("X-Key", "secret"), ("ACCEPT", "b")])
    assert headers.get("x-key") == "secret"
    assert headers.get("accept") == "a, b"
    assert headers.get_all("Accept") == ["a", "b"]
    assert headers.get_all("none") == []
    assert headers.get("none") is None
    assert headers.items() == [("accept", "a"), ("x-key", "secret"), ("accept", "b")]
    assert ("ACCEPT" in headers, 1 in headers, len(headers), list(headers)) == (True, False, 3, ["accept", "x-key"])
    assert "secret" not in repr(headers)
