"""What Anthropic answers, streamed and plain: events and messages → pieces, and how an answer ends."""

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lodestard.domain.errors import Code, Fault, UpstreamFault
from lodestard.domain.reply import Piece, Reply, assemble
from lodestard.domain.request import Thought
from lodestard.domain.usage import Usage
from lodestard.protocols.anthropic.plain import open_plain
from lodestard.protocols.anthropic.stream import open_stream
from lodestard.protocols.codec import MAX_ANSWER_BYTES

USAGE = {"input_tokens": 10, "cache_creation_input_tokens": 4, "cache_read_input_tokens": 6, "output_tokens": 1}


def event(kind: str, **members: Any) -> bytes:
    data = json.dumps({"type": kind, **members}, separators=(",", ":"), ensure_ascii=False)
    return f"event: {kind}\ndata: {data}\n\n".encode()


def start(**members: Any) -> bytes:
    message = {"id": "msg_1", "type": "message", "role": "assistant", "model": SONNET, "content": [], "usage": USAGE}
    return event("message_start", message={**message, "stop_reason": None, "stop_sequence": None, **members})


def block(index: int, **members: Any) -> bytes:
    return event("content_block_start", index=index, content_block=members)


def delta(index: int, kind: str, **members: Any) -> bytes:
    return event("content_block_delta", index=index, delta={"type": kind, **members})


def stop(index: int) -> bytes:
    return event("content_block_stop", index=index)


def ending(reason: str | None = "end_turn", usage: Any = None, **members: Any) -> bytes:
    said = {"stop_reason": reason, "stop_sequence": None, **members}
    return event("message_delta", delta=said, usage={"output_tokens": 9} if usage is None else usage)


SONNET = "claude-sonnet-4-5-20250929"
PING = event("ping")
DONE = event("message_stop")
SAID = block(0, type="text", text="") + delta(0, "text_delta", text="hé") + delta(0, "text_delta", text="y") + stop(0)
WHOLE = b"".join(
    (
        start(container={"id": "c"}),
        PING,
        block(0, type="thinking", thinking="", signature=""),
        delta(0, "thinking_delta", thinking="h"),
        delta(0, "thinking_delta", thinking="m"),
        delta(0, "signature_delta", signature="Eq"),
        delta(0, "signature_delta", signature="oB"),
        stop(0),
        block(1, type="redacted_thinking", data="EmwK"),
        stop(1),
        block(2, type="text", text=""),
        delta(2, "text_delta", text="hé"),
        delta(2, "citations_delta", citation={"type": "char_location"}),
        delta(2, "text_delta", text="y"),
        stop(2),
        block(3, type="server_tool_use", id="srvtoolu_1", name="web_search", input={}),
        delta(3, "input_json_delta", partial_json='{"q":1}'),
        stop(3),
        block(4, type="web_search_tool_result", tool_use_id="srvtoolu_1", content=[{"type": "x", "text": 5}]),
        stop(4),
        block(5, type="tool_use", id="toolu_1", name="f", input={}),
        delta(5, "input_json_delta", partial_json=""),
        delta(5, "input_json_delta", partial_json='{"a":'),
        delta(5, "input_json_delta", partial_json="1}"),
        stop(5),
        block(6, type="tool_use", id="toolu_2", name="g", input={}),
        stop(6),
        event("something_new", index=-1, delta="x"),
        ending("tool_use"),
        DONE,
    )
)
THOUGHTS = (
    Thought("anthropic", msgspec.Raw(b'{"type":"thinking","thinking":"hm","signature":"EqoB"}')),
    Thought("anthropic", msgspec.Raw(b'{"type":"redacted_thinking","data":"EmwK"}')),
)


def read(stream: bytes, *, step: int = 0, passing: bool = False) -> list[Piece]:
    running = open_stream(passing=passing)
    pieces: list[Piece] = []
    for at in range(0, len(stream), step or max(1, len(stream))):
        pieces += running.feed(stream[at : at + (step or len(stream))])
    pieces += running.finish()
    assert (running.done, running.body) == (True, b"")
    return pieces


def check_whole(reply: Reply) -> None:
    (choice,) = reply.choices
    assert (reply.id, reply.model, choice.finish) == ("msg_1", SONNET, "tool_calls")
    assert (choice.text, choice.reasoning, choice.thoughts) == ("héy", "hm", THOUGHTS)
    calls = [(call.index, call.id, call.name, call.arguments) for call in choice.tool_calls]
    assert calls == [(0, "toolu_1", "f", '{"a":1}'), (1, "toolu_2", "g", "{}")]
    assert reply.usage == Usage(prompt_tokens=20, completion_tokens=9, cached_tokens=6, cache_write_tokens=4)
    assert reply.complete


# -- streamed ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("passing", [False, True])
@pytest.mark.parametrize("step", [0, 1, 2, 7, 64])
def test_a_whole_answer_in_any_portions(step: int, passing: bool) -> None:
    pieces = read(WHOLE, step=step, passing=passing)
    check_whole(assemble(pieces))
    assert b"".join(piece.raw for piece in pieces) == (WHOLE if passing else b"")


def test_split_at_every_byte() -> None:
    pieces = read(WHOLE)
    for at in range(len(WHOLE)):
        running = open_stream(passing=False)
        assert running.feed(WHOLE[:at]) + running.feed(WHOLE[at:]) + running.finish() == pieces


def test_pieces_one_by_one() -> None:
    assert read(start() + PING + SAID + ending() + DONE) == [
        Piece(id="msg_1", model=SONNET),
        Piece(text="hé"),
        Piece(text="y"),
        Piece(finish="stop"),
        Piece(usage=Usage(prompt_tokens=20, completion_tokens=9, cached_tokens=6, cache_write_tokens=4)),
    ]


def test_what_only_this_dialect_says_of_the_whole() -> None:
    stream = start(container={"id": "c"}) + SAID + ending("stop_sequence", stop_sequence="END") + DONE
    reply = assemble(read(stream, passing=True))
    assert {name: bytes(raw) for name, raw in reply.extra.items()} == {
        "container": b'{"id":"c"}',
        "stop_sequence": b'"END"',
    }
    assert assemble(read(stream)).extra == {}


@pytest.mark.parametrize(
    ("reason", "finish"),
    [
        ("end_turn", "stop"),
        ("stop_sequence", "stop"),
        ("max_tokens", "length"),
        ("model_context_window_exceeded", "length"),
        ("tool_use", "tool_calls"),
        ("refusal", "content_filter"),
        ("pause_turn", "length"),
        ("something_new", "error"),
    ],
)
def test_how_it_ended(reason: str, finish: str) -> None:
    assert assemble(read(start() + SAID + ending(reason) + DONE)).choices[0].finish == finish
    body = json.dumps({**MESSAGE, "stop_reason": reason}).encode()
    assert read_plain(body).choices[0].finish == finish


@pytest.mark.parametrize(
    ("stream", "code"),
    [
        (b"", Code.UPSTREAM_CUT),
        (start() + SAID, Code.UPSTREAM_CUT),
        (start() + SAID + ending(), Code.UPSTREAM_CUT),
        (start() + SAID + ending(None) + DONE, Code.UPSTREAM_CUT),
        (start() + DONE, Code.UPSTREAM_CUT),
        ((start() + SAID + ending() + DONE)[:-1], Code.UPSTREAM_CUT),
        (b"data: [DONE]\n\n", Code.UPSTREAM_GARBAGE),
        (b"data: 5\n\n", Code.UPSTREAM_GARBAGE),
        (b"data: {}\n\n", Code.UPSTREAM_GARBAGE),
        (b'data: {"type":5}\n\n', Code.UPSTREAM_GARBAGE),
        (event("message_start", message=5), Code.UPSTREAM_GARBAGE),
        (event("message_start"), Code.UPSTREAM_GARBAGE),
        (start(id=5), Code.UPSTREAM_GARBAGE),
        (delta(0, "text_delta"), Code.UPSTREAM_GARBAGE),
        (delta(0, "text_delta", text=5), Code.UPSTREAM_GARBAGE),
        (delta(-1, "text_delta", text="x"), Code.UPSTREAM_GARBAGE),
        (delta(0, "input_json_delta"), Code.UPSTREAM_GARBAGE),
        (event("content_block_start", index=0), Code.UPSTREAM_GARBAGE),
        (block(0, type="tool_use", id=5), Code.UPSTREAM_GARBAGE),
        (block(5000, type="text", text=""), Code.UPSTREAM_GARBAGE),
        (b'data: {"type":"message_start","message":' + b"[" * 5000 + b"\n\n", Code.UPSTREAM_GARBAGE),
    ],
)
def test_what_is_no_answer(stream: bytes, code: Code) -> None:
    with pytest.raises(UpstreamFault) as caught:
        read(stream)
    assert (caught.value.code, caught.value.billed) == (code, True)


def test_kinds_that_are_not_known_are_passed_over() -> None:
    odd = (
        delta(0, "new_delta", text={"a": 1})
        + block(1, type="new_block", id=7, input="x")
        + delta(1, "input_json_delta", partial_json="{}")
        + event("new event!", type_of="x", message=[1])
        + event("ping", index="none")
        + stop(9)
    )
    stream = start() + odd + SAID + ending() + DONE
    assert read(stream) == read(start() + SAID + ending() + DONE)
    raw = b"".join(piece.raw for piece in read(stream, passing=True))
    assert raw == stream.replace(b"event: new event!\n", b""), "a name that is no name is not written as one"


def test_a_call_s_input_that_came_at_once() -> None:
    at_once = block(0, type="tool_use", id="t", name="f", input={"a": 1}) + stop(0)
    unclosed = block(1, type="tool_use", id="u", name="g", input={"b": 2})
    both = block(2, type="tool_use", id="v", name="h", input={"c": 3}) + delta(
        2, "input_json_delta", partial_json='{"d":4}'
    )
    (choice,) = assemble(read(start() + at_once + both + unclosed + ending("tool_use") + DONE)).choices
    assert [(call.id, call.arguments) for call in choice.tool_calls] == [
        ("t", '{"a":1}'),
        ("v", '{"d":4}'),
        ("u", '{"b":2}'),
    ]


def test_a_thought_without_a_signature_can_not_come_back() -> None:
    unsigned = block(0, type="thinking", thinking="hm") + stop(0)
    hidden = (
        block(1, type="thinking", thinking="", signature="") + delta(1, "signature_delta", signature="S") + stop(1)
    )
    (choice,) = assemble(read(start() + unsigned + hidden + SAID + ending() + DONE)).choices
    assert choice.reasoning == "hm"
    assert [bytes(thought.raw) for thought in choice.thoughts] == [
        b'{"type":"thinking","thinking":"","signature":"S"}'
    ]


def test_what_follows_the_end_is_not_read() -> None:
    assert read(start() + SAID + ending() + DONE + b"data: nonsense\n\n") == read(start() + SAID + ending() + DONE)


ERROR = event("error", error={"type": "overloaded_error", "message": "Overloaded"})


def test_an_error_in_the_middle() -> None:
    running = open_stream(passing=True)
    pieces = running.feed(start() + SAID + ERROR + ending() + DONE)
    assert assemble(pieces).choices[0].text == "héy"
    assert isinstance(running.fault, UpstreamFault)
    with pytest.raises(UpstreamFault) as caught:
        running.finish()
    assert (caught.value.code, caught.value.billed, caught.value.status) == (Code.UPSTREAM_BUSY, True, None)
    assert not running.done


@pytest.mark.parametrize(
    ("first", "last", "usage"),
    [
        (
            USAGE,
            {"output_tokens": 9},
            Usage(prompt_tokens=20, completion_tokens=9, cached_tokens=6, cache_write_tokens=4),
        ),
        ({}, {"input_tokens": 3, "output_tokens": 9}, Usage(prompt_tokens=3, completion_tokens=9)),
        (
            {"input_tokens": 0, "output_tokens": 0},
            {"input_tokens": 5, "output_tokens": 2},
            Usage(prompt_tokens=5, completion_tokens=2),
        ),
        (
            USAGE,
            {"output_tokens": 0},
            Usage(prompt_tokens=20, completion_tokens=1, cached_tokens=6, cache_write_tokens=4),
        ),
        (USAGE, {}, None),
        (USAGE, {"output_tokens": -1}, None),
        (USAGE, {"output_tokens": "9"}, None),
        (None, {"output_tokens": 9}, None),
        ({"input_tokens": 1.5}, {"output_tokens": 9}, None),
    ],
)
def test_usage_is_told_with_the_end(first: Any, last: Any, usage: Usage | None) -> None:
    assert assemble(read(start(usage=first) + SAID + ending(usage=last) + DONE)).usage == usage


def test_an_event_that_is_too_large() -> None:
    running = open_stream(passing=False)
    with pytest.raises(UpstreamFault) as caught:
        running.feed(b"data: " + b"x" * (MAX_ANSWER_BYTES + 1))
    assert caught.value.code is Code.UPSTREAM_GARBAGE


_WORDS = st.lists(
    st.sampled_from(
        [start(), PING, SAID, DONE, ending(), ending(None), ERROR, stop(0), b"data: ", b"\n\n", b"{", WHOLE[:300]]
    )
    | st.binary(max_size=5),
    max_size=12,
)


@given(_WORDS, st.integers(1, 40), st.booleans())
def test_nothing_but_faults_comes_out_of_garbage(words: list[bytes], step: int, passing: bool) -> None:
    stream = b"".join(words)

    def outcome(size: int) -> tuple[list[Piece], str]:
        running = open_stream(passing=passing)
        pieces: list[Piece] = []
        try:
            for at in range(0, len(stream), size):
                pieces += running.feed(stream[at : at + size])
            pieces += running.finish()
        except Fault as fault:
            return pieces, fault.code
        return pieces, ""

    assert outcome(step) == outcome(max(1, len(stream)))


# -- plain ---------------------------------------------------------------------------------------------------------

MESSAGE: dict[str, Any] = {
    "id": "msg_1",
    "type": "message",
    "role": "assistant",
    "model": SONNET,
    "content": [
        {"type": "thinking", "thinking": "hm", "signature": "EqoB"},
        {"type": "redacted_thinking", "data": "EmwK"},
        {"type": "text", "text": "hé"},
        {"type": "server_tool_use", "id": 5, "name": "web_search", "input": {}},
        {"type": "text", "text": "y", "citations": [{}]},
        {"type": "tool_use", "id": "toolu_1", "name": "f", "input": {"a": 1}},
        {"type": "tool_use", "id": "toolu_2", "name": "g", "input": {}},
    ],
    "stop_reason": "tool_use",
    "stop_sequence": None,
    "container": {"id": "c"},
    "usage": {**USAGE, "output_tokens": 9},
}
PLAIN = json.dumps(MESSAGE, separators=(",", ":"), ensure_ascii=False).encode()


def read_plain(body: bytes, *, passing: bool = False, step: int = 0) -> Reply:
    running = open_plain(passing=passing)
    for at in range(0, len(body), step or max(1, len(body))):
        assert running.feed(body[at : at + (step or len(body))]) == []
    pieces = running.finish()
    assert running.done
    assert running.body == (body if passing else b"")
    assert running.finish() == []
    return assemble(pieces)


@pytest.mark.parametrize("passing", [False, True])
@pytest.mark.parametrize("step", [0, 1, 13])
def test_a_plain_message(step: int, passing: bool) -> None:
    reply = read_plain(PLAIN, passing=passing, step=step)
    check_whole(reply)
    assert {name: bytes(raw) for name, raw in reply.extra.items()} == (
        {"container": b'{"id":"c"}'} if passing else {}
    )


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", Code.UPSTREAM_CUT),
        (PLAIN[:-1], Code.UPSTREAM_CUT),
        (PLAIN[:40], Code.UPSTREAM_CUT),
        (b"[]", Code.UPSTREAM_GARBAGE),
        (b"{}", Code.UPSTREAM_GARBAGE),
        (b"<html>", Code.UPSTREAM_GARBAGE),
        (json.dumps({**MESSAGE, "content": None}).encode(), Code.UPSTREAM_GARBAGE),
        (json.dumps({**MESSAGE, "content": [5]}).encode(), Code.UPSTREAM_GARBAGE),
        (json.dumps({**MESSAGE, "content": [{"type": "text", "text": 5}]}).encode(), Code.UPSTREAM_GARBAGE),
        (json.dumps({**MESSAGE, "stop_reason": None}).encode(), Code.UPSTREAM_CUT),
        (b'{"type":"error","error":{"type":"api_error","message":"x"}}', Code.UPSTREAM_ERROR),
        (b"[" * 100_000, Code.UPSTREAM_GARBAGE),
        (PLAIN.replace("é".encode(), b"\xff"), Code.UPSTREAM_GARBAGE),
        (PLAIN.replace(b'{"a":1}', b'{"a":"\xff"}'), Code.UPSTREAM_GARBAGE),
    ],
)
def test_a_body_that_is_no_message(body: bytes, code: Code) -> None:
    running = open_plain(passing=True)
    running.feed(body)
    for _ in range(2):
        with pytest.raises(UpstreamFault) as caught:
            running.finish()
        assert (caught.value.code, caught.value.billed) == (code, True)
    with pytest.raises(UpstreamFault):
        running.feed(b"more")


def test_a_body_that_is_too_large() -> None:
    running = open_plain(passing=False)
    with pytest.raises(UpstreamFault) as caught:
        running.feed(b" " * (MAX_ANSWER_BYTES + 1))
    assert caught.value.code is Code.UPSTREAM_GARBAGE
    with pytest.raises(UpstreamFault):
        running.finish()


_BLOCKS = st.lists(
    st.one_of(
        st.builds(lambda said: {"type": "text", "text": said}, st.text(max_size=9)),
        st.builds(
            lambda said, seal: {"type": "thinking", "thinking": said, "signature": seal},
            st.text(max_size=9),
            st.text(max_size=4),
        ),
        st.builds(
            lambda name, given: {"type": "tool_use", "id": "toolu", "name": name, "input": given},
            st.text(max_size=5),
            st.dictionaries(st.text(max_size=3), st.integers() | st.text(max_size=3), max_size=3),
        ),
    ),
    max_size=6,
)


@given(_BLOCKS, st.sampled_from(["end_turn", "max_tokens", "tool_use"]))
def test_streamed_or_plain_it_is_the_same_answer(blocks: list[dict[str, Any]], reason: str) -> None:
    stream = start()
    for index, one in enumerate(blocks):
        if one["type"] == "text":
            stream += block(index, type="text", text="")
            stream += b"".join(delta(index, "text_delta", text=letter) for letter in one["text"])
        elif one["type"] == "thinking":
            stream += block(index, type="thinking", thinking="", signature="")
            stream += delta(index, "thinking_delta", thinking=one["thinking"])
            stream += delta(index, "signature_delta", signature=one["signature"])
        else:
            given = json.dumps(one["input"], separators=(",", ":"), ensure_ascii=False)
            stream += block(index, **{**one, "input": {}}) + delta(index, "input_json_delta", partial_json=given[:3])
            stream += delta(index, "input_json_delta", partial_json=given[3:])
        stream += stop(index)
    stream += ending(reason) + DONE
    message = {**MESSAGE, "container": None, "content": blocks, "stop_reason": reason}
    plain = read_plain(json.dumps(message, separators=(",", ":"), ensure_ascii=False).encode())
    assert assemble(read(stream)) == plain
