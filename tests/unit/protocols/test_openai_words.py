"""Chunks that are read many at once say what they say one by one; what is no plain word is left to the slow way."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lodestard.domain.errors import Fault
from lodestard.domain.reply import Piece, Reply, assemble
from lodestard.protocols.openai import words as openai_words
from lodestard.protocols.openai.chat import StreamWriter, read_request
from lodestard.protocols.openai.stream import open_stream
from lodestard.protocols.openai.words import Words, read_words

DONE = b"[DONE]"
REQUEST = read_request(
    json.dumps(
        {
            "model": "m",
            "messages": [{"role": "user", "content": "hi"}],
            "stream": True,
            "stream_options": {"include_usage": True},
        }
    ).encode(),
    depth=64,
)


def event(delta: dict[str, Any], finish: str | None = None, index: int = 0, **more: Any) -> bytes:
    choice = {"index": index, "delta": delta, "finish_reason": finish}
    return json.dumps({"id": "c", "object": "chat.completion.chunk", "choices": [choice], **more}).encode()


def word(text: str) -> bytes:
    return event({"content": text})


words = st.text(max_size=5).map(word)
odd = st.sampled_from(
    [
        event({"role": "assistant", "content": ""}),
        event({"content": "x"}, usage=None, error=None, service_tier="default"),
        event({"content": "x"}, service_tier="flex"),
        event({"content": "x"}, service_tier=7),
        event({"content": "x", "tool_calls": [], "refusal": None, "reasoning": ""}),
        event({"content": "x", "reasoning_content": "hm"}),
        event({"content": ["x"]}),
        event({"content": None}),
        event({"content": [{"type": "text", "text": "part"}]}),
        event({"tool_calls": [{"index": 0, "id": "i", "function": {"name": "f", "arguments": "{}"}}]}),
        event({"content": "x"}, index=1),
        event({"content": "x"}, "stop"),
        event({"content": "x"}, ""),
        event({}, "stop"),
        event({}, choices=[]),
        event({}, choices=[], usage={"prompt_tokens": 3, "completion_tokens": 2}),
        event({}, choices=None),
        event({"content": "x"}, object="error"),
        event({"content": "x"}, error={"message": "broken"}),
        event({"content": "x"}, error=""),
        event({"content": "x"}, logprobs={"content": []}),
        event({"content": "x"}, later={"member": [1, {}]}),
        b"",
        b"5",
        b"null",
        b"{}",
        b"{",
        b'{"choices":[',
        b"]}",
        word("a") + b"," + word("b"),
        b'{"choices":[{"delta":{"content":"\xff"}}]}',
        DONE,
    ]
)
runs = st.lists(words | words | words | odd, min_size=1, max_size=60)


def read(events: list[bytes], at_once: int) -> tuple[Reply, bytes, object]:
    """The whole, what a client of the dialect gets, and how it ended, where so many events come at a time."""
    reader = open_stream(1)
    pieces: list[Piece] = []
    ended: object = None
    try:
        for first in range(0, len(events), at_once):
            portion = b"".join(b"data: %b\n\n" % data for data in events[first : first + at_once])
            pieces += reader.feed(portion)
        pieces += reader.finish()
    except Fault as fault:
        ended = (fault.code, str(fault))
    return assemble(pieces), StreamWriter(REQUEST, 1, "ours").write(pieces), ended


@given(runs, st.integers(2, 60))
def test_many_at_once_are_what_they_are_one_by_one(events: list[bytes], at_once: int) -> None:
    assert read(events, at_once) == read(events, 1)


@given(st.lists(st.text(max_size=5), min_size=1, max_size=30), st.sampled_from([None, "default", "flex"]))
def test_words_are_read_at_once(texts: list[str], tier: str | None) -> None:
    events = [event({"content": text}, service_tier=tier, provider={"name": "somebody"}) for text in texts]
    assert read_words(events) == Words("".join(texts), tier, len([text for text in texts if text]))


@given(st.lists(words, max_size=9), odd, st.lists(words, max_size=9))
def test_one_that_is_more_spoils_the_run_or_is_a_word(before: list[bytes], one: bytes, after: list[bytes]) -> None:
    alone = read_words([one])
    run = read_words([*before, one, *after])
    assert (run is None) == (alone is None)


def test_what_is_json_only_together_is_not_read_together() -> None:
    first, second = word("a").split(b": ", 1)
    assert read_words([first, second, word("b") + b"," + word("c")]) is None
    assert read_words([word("a"), word("b") + b"," + word("c")]) is None
    mark = openai_words._DIGITS
    assert read_words([word("a") + b"," + mark + b"," + word("b")]) is None
    assert read_words([word("a"), word(mark.decode())]) is None


def test_a_planted_reader_that_does_not_look_for_its_mark_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two events, of which neither is JSON, are two words then."""
    halves = [b'{"x":[{}', b"{}]," + word("a")[1:] + openai_words._BETWEEN + word("b")]
    assert read_words(halves) is None
    monkeypatch.setattr(openai_words, "_DIGITS", b"{}" + openai_words._BETWEEN)
    assert read_words(halves) is not None


def test_several_words_are_one_piece_with_their_own_bytes() -> None:
    events = [word(str(number)) for number in range(30)]
    reader = open_stream(1)
    portion = b"".join(b"data: %b\n\n" % data for data in events)
    pieces = reader.feed(portion)
    assert len(pieces) < len(events) / 2
    assert b"".join(piece.raw for piece in pieces) == portion
    assert sum(piece.words for piece in pieces) == len(events)
