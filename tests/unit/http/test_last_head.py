"""The head that came last: whatever comes after it, what is found is what reading would give."""

from hypothesis import given
from hypothesis import strategies as st

from lodestard.domain.settings import Limits
from lodestard.http.faults import Refused
from lodestard.http.head import RequestHead, read_head
from lodestard.http.last_head import MOST_BYTES, LastHead

LINES = (
    "content-length: 12",
    "Content-Length: 7",
    "content-length: 012",
    "content-length:  12",
    "content-length: 0",
    "content-length: 999999999999999999999",
    "transfer-encoding: chunked",
    "x-a: content-length: 12",
    "x-a: 1",
    "connection: close",
)
heads = st.lists(st.sampled_from(LINES), max_size=3).map(
    lambda lines: "".join(f"{line}\r\n" for line in ("POST /v1/x HTTP/1.1", "host: a", *lines, "")).encode()
)


def facts(head: RequestHead) -> tuple[object, ...]:
    return (
        *(head.method, head.path, head.query, head.host, head.headers.items(), head.headers.get("content-length")),
        *(head.length, head.modern, head.persistent, head.continues),
    )


def read(raw: bytes) -> RequestHead | None:
    try:
        return read_head(raw, Limits())
    except Refused:
        return None


@given(st.lists(heads, min_size=2, max_size=6))
def test_what_is_found_is_what_reading_gives(raws: list[bytes]) -> None:
    last = LastHead()
    for raw in raws:
        found, fresh = last.find(bytearray(raw)), read(raw)
        if found is not None:
            assert fresh is not None
            assert facts(found) == facts(fresh)
        elif fresh is not None:
            last.note(bytearray(raw), fresh)


def test_the_same_head_is_not_read_again_nor_one_with_another_length() -> None:
    last, raw = LastHead(), b"POST / HTTP/1.1\r\nhost: a\r\nContent-Length: 12\r\nx-b: c\r\n\r\n"
    head = read_head(raw, Limits())
    last.note(raw, head)
    assert last.find(raw) is head
    other = last.find(raw.replace(b"12", b"1234"))
    assert other is not None
    assert (other.length, other.headers.get("content-length"), other.headers.get("x-b")) == (1234, "1234", "c")
    assert head.length == 12


def test_a_large_head_is_not_kept() -> None:
    last, raw = LastHead(), b"GET / HTTP/1.1\r\nhost: a\r\nx-a: " + b"a" * MOST_BYTES + b"\r\n\r\n"
    last.note(raw, read_head(raw, Limits()))
    assert last.find(raw) is None
