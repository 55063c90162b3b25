"""Answers as JSON lines: what is written is read again, and a bad line costs only itself."""

import base64

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from lodestard.cache.entry import Entry, pack
from lodestard.cache.transfer import MAX_LINE_BYTES, BadLine, Line, read_lines, write_line
from lodestard.domain.reply import Choice, Reply
from lodestard.domain.upstream import Target

REPLY = Reply(
    id="x",
    choices=(
        Choice(text="hé\n", finish="stop", logprobs=msgspec.Raw(b'{"content":[]}')),
        Choice(text="2", finish="stop"),
    ),
    body=b"{}\n",
    extra={"a": msgspec.Raw(b'{"b":1}')},
)
ENTRY = Entry(key="ab" * 32, target=Target("u", "m/x"), created_ms=5, cost_nano_usd=7, packed=pack(REPLY))


def test_a_line_is_plain_json() -> None:
    line = msgspec.json.decode(write_line(ENTRY))

    assert (line["key"], line["target"], line["created_ms"], line["cost_nano_usd"]) == ("ab" * 32, "u/m/x", 5, 7)
    assert line["reply"]["extra"] == {"a": {"b": 1}}
    assert base64.b64decode(line["reply"]["body"]) == b"{}\n"


@given(st.integers(1, 700))
def test_lines_are_read_again_however_they_are_cut(size: int) -> None:
    text = write_line(ENTRY) + b"\n\n" + write_line(ENTRY)
    chunks = [text[at : at + size] for at in range(0, len(text), size)]

    assert list(read_lines(chunks)) == [Line(1, ENTRY), Line(3, ENTRY)]


def test_bad_lines_are_told_by_number_and_repeat_nothing() -> None:
    good = write_line(ENTRY)
    bad = [
        b"secret",
        b"\xff",
        good.replace(b'"u/m/x"', b'"u"'),
        good.replace(b"abab", b"ABAB"),
        good.replace(b":7,", b":-7,"),
        good.replace(b'"stop"', b"null"),
        good.replace(b",null]", b"]"),
        b"[" * 100_000,
    ]

    found = list(read_lines([b"\n".join([*bad, good])]))

    assert [line.number for line in found] == list(range(1, len(bad) + 2))
    assert [type(line) for line in found] == [BadLine] * len(bad) + [Line]
    assert not any("secret" in str(line) for line in found)


def test_a_line_without_end_is_not_held() -> None:
    chunk = b"x" * 1_000_000

    found = list(read_lines([*([chunk] * 20), b"\n" + write_line(ENTRY), b"\n", *([chunk] * 17)]))

    assert [line.number for line in found] == [1, 2, 3]
    assert isinstance(found[0], BadLine)
    assert found[0].reason == f"longer than {MAX_LINE_BYTES} bytes"
    assert isinstance(found[1], Line)
    assert isinstance(found[2], BadLine)
