"""What was packed comes back exactly, and nothing else does."""

import struct
import zlib

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lodestard.cache.entry import CorruptError, Packed, freeze, pack, thaw, unpack
from lodestard.domain.reply import Choice, Reply, ToolCallPiece
from lodestard.domain.usage import Durations, Usage

RAW = msgspec.Raw(b'{ "a" : [1, 2.50], "\xc3\xa9": null }')
REPLY = Reply(
    id="chatcmpl-1",
    model="m",
    created=5,
    choices=(
        Choice(text="hé\n\0", reasoning="r", finish="stop", logprobs=RAW),
        Choice(tool_calls=(ToolCallPiece(0, "i", "n", "{}"),), finish="tool_calls"),
    ),
    usage=Usage(prompt_tokens=3, billed_nano_usd=7),
    durations=Durations(total_ns=1),
    dialect="openai",
    body=b'{"raw": \xff}',
    extra={"system_fingerprint": RAW},
)


def plain(reply: Reply) -> bytes:
    """Raw members compare by identity, their text doesn't."""
    return msgspec.json.encode(reply)


@pytest.mark.parametrize("limit", [0, 1_000_000])
def test_a_reply_comes_back_exactly_raw_members_and_body_too(limit: int) -> None:
    again = unpack(thaw(freeze(pack(REPLY), limit)))

    assert plain(again) == plain(REPLY)
    assert again.body == REPLY.body


def test_large_ones_are_compressed() -> None:
    packed = pack(msgspec.structs.replace(REPLY, body=b"x" * 10_000))

    assert len(freeze(packed, 2_048)) < 1_000
    assert len(freeze(packed, 100_000)) > 10_000
    assert packed.size_bytes > 10_000


@given(st.text(), st.binary(max_size=300), st.integers(0, 400))
def test_any_text_and_body_come_back(text: str, body: bytes, limit: int) -> None:
    text = text.encode("utf-8", "replace").decode()
    reply = Reply(choices=(Choice(text=text, finish="stop"),), body=body)

    assert unpack(thaw(freeze(pack(reply), limit))) == reply


@given(st.data(), st.sampled_from([0, 10_000]))
def test_a_flipped_bit_or_a_cut_is_never_an_answer(data: st.DataObject, limit: int) -> None:
    frozen = bytearray(freeze(pack(REPLY), limit))
    if data.draw(st.booleans()):
        frozen[data.draw(st.integers(0, len(frozen) - 1))] ^= 1 << data.draw(st.integers(0, 7))
        frozen[1] &= 1  # flags that nobody has given a meaning are not looked at
    else:
        del frozen[data.draw(st.integers(0, len(frozen) - 1)) :]
    try:
        packed = thaw(bytes(frozen))
        reply = unpack(packed)
    except CorruptError:
        return
    assert plain(reply) == plain(REPLY)


def test_data_that_expands_beyond_what_it_says() -> None:
    rest = zlib.compress(b" " * 10_000_000)
    bomb = struct.pack(">BBIII", 1, 1, zlib.crc32(rest), 10, 10) + rest

    with pytest.raises(CorruptError):
        thaw(bomb)


@pytest.mark.parametrize(
    "json", [b'{"reply":{},"logprobs":[1]}', b"", b"[]", b"{", b'{"choices": 5}', b"[" * 100_000, b'{"id": "\xff"}']
)
def test_what_is_no_reply(json: bytes) -> None:
    with pytest.raises(CorruptError):
        unpack(Packed(json, b""))
