"""Bytes → keys, in whatever pieces they come."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lodestarctl.dashboard.keys import MOST_PASTE, MOST_SEQUENCE, Decoder, Key


def char(text: str) -> Key:
    return Key("char", text)


def named(names: str) -> list[Key]:
    return [Key(name) for name in names.split()]


@pytest.mark.parametrize(
    ("data", "keys"),
    [
        (b"q", [char("q")]),
        ("日é".encode(), [char("日"), char("é")]),
        (b"\x03\t\r\n\x7f\x15\x0c", named("ctrl-c tab enter enter backspace ctrl-u ctrl-l")),
        (b"\x1b[A\x1b[B\x1b[C\x1b[D", named("up down right left")),
        (b"\x1bOA\x1bOH\x1bOF\x1bOM", named("up home end enter")),
        (b"\x1b[1~\x1b[4~\x1b[5~\x1b[6~\x1b[7~\x1b[8~", named("home end pgup pgdn home end")),
        (b"\x1b[H\x1b[F\x1b[Z\x1b[3~", named("home end backtab delete")),
        (b"\x1b[1;5A\x1b[5;2~", [Key("up"), Key("pgup")]),
        (b"\x1b[99~\x1b[?1;2c\x1b[<0;1;1M", [Key("enter")]),  # unknown: dropped; a mouse's is no more than a key
        (b"\x00\x01\x1c", []),
        (b"\x1b[200~two\nlines\x1b[A\x1b[201~q", [Key("paste", "two\nlines\x1b[A"), char("q")]),
        (b"\x1bq", [Key("esc"), char("q")]),
        (b"\x1b\x1b[A", [Key("esc"), Key("up")]),
        (b"\xff", [char("�")]),
    ],
)
def test_keys_are_told_apart_however_they_are_cut(data: bytes, keys: list[Key]) -> None:
    assert Decoder().feed(data) == keys
    decoder = Decoder()
    assert [key for at in range(len(data)) for key in decoder.feed(data[at : at + 1])] == keys


def test_a_lone_esc_is_one_once_nothing_follows() -> None:
    decoder = Decoder()
    assert (decoder.feed(b"\x1b"), decoder.waits) == ([], True)
    assert (decoder.flush(), decoder.waits) == ([Key("esc")], False)
    assert decoder.feed(b"\x1b[") == []
    assert decoder.flush() == [Key("esc"), char("[")]
    assert decoder.flush() == []


def test_what_is_pasted_is_bounded_and_never_a_key() -> None:
    decoder = Decoder()
    assert decoder.feed(b"\x1b[200~" + b"q" * (MOST_PASTE * 3)) == []
    assert (decoder.waits, decoder.flush()) == (False, [])
    (pasted,) = decoder.feed(b"\x1b[201~")
    assert (pasted.name, len(pasted.text)) == ("paste", MOST_PASTE)


@given(st.lists(st.binary(max_size=40)))
def test_any_bytes_give_keys_and_nothing_grows(pieces: list[bytes]) -> None:
    decoder = Decoder()
    for piece in pieces:
        for key in decoder.feed(piece):
            assert key.name
            assert key.name != "char" or key.text.isprintable()
        assert len(decoder._rest) <= MOST_SEQUENCE + 40
    decoder.flush()
