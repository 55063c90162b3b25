"""OpenAI's Responses API as an upstream: what its events and bodies say."""

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lodestard.domain.errors import CallerFault, Code, Fault, UpstreamFault
from lodestard.domain.reply import Piece, Reply, ToolCallPiece, assemble
from lodestard.domain.usage import Usage
from lodestard.protocols.codec import MAX_ANSWER_BYTES, ReplyReader
from lodestard.protocols.openai.chat import StreamWriter, read_request, write_reply
from lodestard.protocols.responses.plain import open_plain
from lodestard.protocols.responses.stream import open_stream

HEAD = {"id": "resp_1", "object": "response", "created_at": 17, "model": "gpt-x", "error": None, "instructions": "be"}
USAGE = {
    "input_tokens": 30,
    "input_tokens_details": {"cached_tokens": 4, "cache_write_tokens": 0},
    "output_tokens": 9,
    "output_tokens_details": {"reasoning_tokens": 3},
    "total_tokens": 39,
}
USED = Usage(prompt_tokens=30, completion_tokens=9, cached_tokens=4, reasoning_tokens=3)
THOUGHT: dict[str, Any] = {"id": "rs_1", "type": "reasoning", "summary": [{"type": "summary_text", "text": "hm"}]}
SEALED: dict[str, Any] = THOUGHT | {"encrypted_content": "gAAAAé"}
TEXT: dict[str, Any] = {
    "id": "msg_1",
    "type": "message",
    "role": "assistant",
    "content": [{"type": "output_text", "text": "héy", "annotations": [], "logprobs": []}],
}
CALL: dict[str, Any] = {"id": "fc_1", "type": "function_call", "call_id": "c1", "name": "f", "arguments": '{"a":1}'}
OTHER: dict[str, Any] = {"id": "fc_2", "type": "function_call", "call_id": "c2", "name": "g", "arguments": "{}"}


def event(kind: str, **members: Any) -> bytes:
    body = json.dumps({"type": kind, **members}, separators=(",", ":"), ensure_ascii=False).encode()
    return b"event: %b\ndata: %b\n\n" % (kind.encode(), body)


def ended(kind: str = "completed", *items: dict[str, Any], **members: Any) -> bytes:
    response = {**HEAD, "status": kind, "output": items, "usage": USAGE, "service_tier": "default", **members}
    return event(f"response.{kind}", response=response)


BEGUN = event("response.created", response={**HEAD, "status": "in_progress", "output": [], "usage": None})


def delta(text: str, at: int = 0, **more: Any) -> bytes:
    return event("response.output_text.delta", item_id="m", output_index=at, content_index=0, delta=text, **more)


def item(kind: str, at: int, body: dict[str, Any]) -> bytes:
    return event(f"response.output_item.{kind}", output_index=at, item=body)


def argued(text: str, at: int) -> bytes:
    return event("response.function_call_arguments.delta", output_index=at, delta=text)


WHOLE = b"".join(
    (
        BEGUN,
        event("response.in_progress", response={**HEAD, "status": "in_progress", "output": []}),
        item("added", 0, THOUGHT | {"summary": []}),
        event("response.reasoning_summary_part.added", output_index=0, summary_index=0, part={}),
        event("response.reasoning_summary_text.delta", output_index=0, summary_index=0, delta="h"),
        event("response.reasoning_summary_text.delta", output_index=0, summary_index=0, delta="m"),
        event("response.reasoning_summary_text.done", output_index=0, text="hm"),
        item("done", 0, SEALED),
        item("added", 1, TEXT | {"content": []}),
        event("response.content_part.added", output_index=1, part={"type": "output_text", "text": ""}),
        delta("hé", 1, logprobs=[], obfuscation="abc"),
        delta("y", 1, logprobs=[]),
        event("response.output_text.done", output_index=1, text="héy"),
        event("response.content_part.done", output_index=1, part={}),
        item("done", 1, TEXT),
        item("added", 2, CALL | {"arguments": ""}),
        argued('{"a":', 2),
        argued("1}", 2),
        event("response.function_call_arguments.done", output_index=2, arguments='{"a":1}'),
        item("done", 2, CALL),
        item("added", 3, OTHER | {"arguments": ""}),
        event("response.function_call_arguments.done", output_index=3, arguments="{}"),
        item("done", 3, OTHER),
        event("response.something.new", output_index=3, delta={"deep": [1]}),
        ended("completed", SEALED, TEXT, CALL, OTHER),
    )
)


def read(stream: bytes, *, step: int = 0, passing: bool = False) -> list[Piece]:
    running = open_stream(passing=passing)
    pieces: list[Piece] = []
    for start in range(0, len(stream), step or len(stream)):
        pieces += running.feed(stream[start : start + (step or len(stream))])
    pieces += running.finish()
    assert running.done
    assert running.body == b""
    return pieces


def whole(*, step: int = 0, passing: bool = False) -> Reply:
    return assemble(read(WHOLE, step=step, passing=passing))


def caught(stream: bytes) -> Fault:
    running = open_stream(passing=True)
    with pytest.raises(Fault) as found:
        running.feed(stream)
        running.finish()
    assert not running.done
    with pytest.raises(Fault) as again:
        running.finish()
    assert again.value is found.value
    return found.value


@pytest.mark.parametrize("step", [0, 1, 2, 7, 64])
def test_a_whole_answer_in_any_portions(step: int) -> None:
    reply = whole(step=step)
    (choice,) = reply.choices
    assert (reply.id, reply.model, reply.created, reply.usage) == ("resp_1", "gpt-x", 17, USED)
    assert (choice.text, choice.reasoning, choice.refusal, choice.finish) == ("héy", "hm", "", "tool_calls")
    assert choice.tool_calls == (ToolCallPiece(0, "c1", "f", '{"a":1}'), ToolCallPiece(1, "c2", "g", "{}"))
    (thought,) = choice.thoughts
    assert (thought.dialect, json.loads(bytes(thought.raw)), thought.call_id) == ("responses", SEALED, "")
    assert reply.complete
    assert not reply.extra


def test_the_pieces_of_another_dialect_s_client_have_no_bytes_of_the_upstream() -> None:
    pieces = read(WHOLE)
    assert not any(piece.raw or piece.extra for piece in pieces)
    assert [piece.text for piece in pieces if piece.text] == ["hé", "y"]
    calls = [call for piece in pieces for call in piece.tool_calls]
    assert calls == [
        ToolCallPiece(0, "c1", "f"),
        ToolCallPiece(0, arguments='{"a":'),
        ToolCallPiece(0, arguments="1}"),
        ToolCallPiece(1, "c2", "g"),
        ToolCallPiece(1, arguments="{}"),
    ]


@pytest.mark.parametrize("step", [0, 1, 9])
def test_a_client_of_the_dialect_gets_the_bytes_that_came(step: int) -> None:
    pieces = read(WHOLE, step=step, passing=True)
    assert b"".join(piece.raw for piece in pieces) == WHOLE
    assert len(pieces) == WHOLE.count(b"\n\n")
    reply = assemble(pieces)
    assert {name: json.loads(bytes(raw)) for name, raw in reply.extra.items()} == {
        "instructions": "be",
        "service_tier": "default",
    }
    assert msgspec.structs.replace(reply, extra={}) == whole()


def test_a_chat_client_reads_the_answer() -> None:
    asked = {"model": "a", "messages": [{"role": "user", "content": "x"}], "stream": True}
    writer = StreamWriter(read_request(json.dumps(asked).encode(), depth=9), 1, "ours")
    chunks = [json.loads(line[6:]) for line in writer.write(read(WHOLE)).split(b"\n\n") if line]
    deltas = [choice["delta"] for chunk in chunks for choice in chunk["choices"]]
    assert deltas[0] == {"role": "assistant", "content": "", "reasoning_content": "h"}
    assert [one["content"] for one in deltas[1:] if one.get("content")] == ["hé", "y"]
    assert chunks[-1]["choices"][0]["finish_reason"] == "tool_calls"
    assert writer.close().endswith(b"data: [DONE]\n\n")


FINISHED_AT = WHOLE.index(b"event: response.completed")


def test_an_answer_that_is_cut_anywhere_is_never_a_silent_success() -> None:
    for at in range(len(WHOLE)):
        running = open_stream()
        running.feed(WHOLE[:at])
        with pytest.raises(UpstreamFault) as found:
            running.finish()
        assert found.value.code is Code.UPSTREAM_CUT


def test_what_follows_the_end_is_ignored() -> None:
    running = open_stream()
    running.feed(WHOLE + b"data: [DONE]\n\n")
    assert (running.feed(b"data: nonsense\n\n"), running.finish()) == ([], [])


def test_the_mark_of_another_api_is_no_end() -> None:
    assert caught(BEGUN + delta("x") + b"data: [DONE]\n\n").code is Code.UPSTREAM_CUT


# -- what comes without deltas -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "stream",
    [
        ended("completed", SEALED, TEXT, CALL, OTHER),
        BEGUN + ended("completed", SEALED, TEXT, CALL, OTHER),
        BEGUN + b"".join(item("done", at, one) for at, one in enumerate((SEALED, TEXT, CALL, OTHER))) + ended(),
        BEGUN
        + b"".join(item("added", 0, one) + item("done", 0, one) for one in (SEALED, TEXT, CALL, OTHER))
        + ended("completed", SEALED, TEXT, CALL, OTHER),
    ],
)
@pytest.mark.parametrize("passing", [False, True])
def test_what_comes_without_deltas_is_taken_from_the_end(stream: bytes, passing: bool) -> None:
    pieces = read(stream, passing=passing)
    reply = assemble(pieces)
    assert msgspec.structs.replace(reply, extra={}) == whole()
    if passing:
        assert b"".join(piece.raw for piece in pieces) == stream


def test_arguments_of_a_call_that_never_began_come_with_its_end() -> None:
    stream = argued("{", 5) + argued("}", 5) + item("done", 5, OTHER) + ended()
    assert assemble(read(stream)).choices[0].tool_calls == (ToolCallPiece(0, "c2", "g", "{}"),)


def test_calls_that_all_say_that_they_are_the_first() -> None:
    calls = b"".join(
        item("added", 0, one | {"arguments": ""}) + argued(str(one["arguments"]), 0) + item("done", 0, one)
        for one in (CALL, OTHER)
    )
    found = assemble(read(calls + ended())).choices[0].tool_calls
    assert found == (ToolCallPiece(0, "c1", "f", '{"a":1}'), ToolCallPiece(1, "c2", "g", "{}"))


def test_several_thoughts_are_paragraphs() -> None:
    def said(kind: str, at: int, **more: Any) -> bytes:
        return event(f"response.reasoning_summary_{kind}", output_index=0, summary_index=at, **more)

    stream = b"".join(
        (
            *(said("part.added", 0), said("text.delta", 0, delta="a"), said("part.added", 1)),
            *(said("text.delta", 1, delta="b"), item("done", 0, THOUGHT), delta("x", 1), ended()),
        )
    )
    (choice,) = assemble(read(stream)).choices
    assert (choice.reasoning, choice.thoughts) == ("a\n\nb", ())
    raw = event("response.reasoning_text.delta", output_index=0, delta="raw")
    assert assemble(read(raw + ended())).choices[0].reasoning == "raw"


def test_logprobs_are_told_as_chat_completions_tell_them() -> None:
    token = {"token": "x", "logprob": -1, "top_logprobs": []}
    found = assemble(read(delta("x", logprobs=[token]) + delta("y", logprobs=[token]) + ended())).choices[0].logprobs
    assert found is not None
    assert json.loads(bytes(found)) == {"content": [token, token]}
    assert assemble(read(delta("x", logprobs=5) + ended())).choices[0].logprobs is None
    part = {"type": "output_text", "text": "x", "logprobs": [token]}
    plain = assemble(plainly(output=[TEXT | {"content": [part, part]}])).choices[0].logprobs
    assert plain is not None
    assert json.loads(bytes(plain)) == {"content": [token, token]}


def test_refusals() -> None:
    said = event("response.refusal.delta", output_index=0, delta="no")
    refused = TEXT | {"content": [{"type": "refusal", "refusal": "no"}]}
    for stream in (
        said + item("done", 0, refused) + ended(),
        item("done", 0, refused) + ended(),
        ended("completed", refused),
    ):
        (choice,) = assemble(read(stream)).choices
        assert (choice.text, choice.refusal, choice.finish) == ("", "no", "stop")


@pytest.mark.parametrize(
    ("details", "finish"),
    [
        ({"reason": "max_output_tokens"}, "length"),
        ({"reason": "content_filter"}, "content_filter"),
        ({"reason": "who knows"}, "error"),
        ({}, "error"),
        (None, "error"),
    ],
)
def test_answers_that_were_cut_off(details: object, finish: str) -> None:
    streamed = assemble(read(delta("x") + ended("incomplete", incomplete_details=details)))
    plain = assemble(plainly(status="incomplete", incomplete_details=details, output=[TEXT]))
    assert streamed.choices[0].finish == plain.choices[0].finish == finish
    assert streamed.usage == plain.usage == USED
    silent = event("response.incomplete", response={**HEAD, "incomplete_details": details})
    assert assemble(read(delta("x") + silent)).choices[0].finish == finish


@pytest.mark.parametrize("kind", ["web_search_call", "custom_tool_call", "mcp_call", ""])
def test_what_can_not_be_told_again_is_not_worth_keeping(kind: str) -> None:
    odd = {"type": kind, "id": "x", "call_id": "c", "name": "n", "input": "in"}
    stream = item("added", 0, odd) + item("done", 0, odd) + delta("x", 1) + ended("completed", odd, TEXT)
    assert not assemble(read(stream, passing=True)).complete
    assert not assemble(read(ended("completed", odd), passing=True)).complete
    assert not assemble(plainly(passing=True, output=[odd, TEXT])).complete
    assert assemble(read(stream)).complete


def test_the_input_of_a_custom_tool_is_its_arguments() -> None:
    odd = {"type": "custom_tool_call", "id": "x", "call_id": "c", "name": "n", "input": "in"}
    said = event("response.custom_tool_call_input.delta", output_index=0, delta="in")
    done = event("response.custom_tool_call_input.done", output_index=0, input="in")
    wanted = (ToolCallPiece(0, "c", "n", "in"),)
    for middle in (said, said + done, done, b""):
        stream = item("added", 0, odd) + middle + item("done", 0, odd) + ended()
        assert assemble(read(stream, passing=True)).choices[0].tool_calls == wanted


# -- failures ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("stream", "code", "words"),
    [
        (ended("failed", error={"code": "server_error", "message": "it broke"}), Code.UPSTREAM_ERROR, "it broke"),
        (ended("failed", error=None), Code.UPSTREAM_ERROR, "did not say why"),
        (ended("failed", error="text"), Code.UPSTREAM_ERROR, "text"),
        (event("response.cancelled", response={**HEAD, "status": "cancelled"}), Code.UPSTREAM_ERROR, "cancelled"),
        (ended("completed", error={"message": "after all"}), Code.UPSTREAM_ERROR, "after all"),
        (event("response.completed", response={**HEAD, "status": "failed"}), Code.UPSTREAM_ERROR, "failed"),
        (event("error", code="server_error", message="flat", param=None), Code.UPSTREAM_ERROR, "flat"),
        (event("error", error={"type": "x", "message": "inner"}), Code.UPSTREAM_ERROR, "inner"),
        (b'data: {"error":{"message":"bare","code":429}}\n\n', Code.UPSTREAM_RATE_LIMITED, "bare"),
        (b"data: nonsense\n\n", Code.UPSTREAM_GARBAGE, "no part"),
        (b"data: []\n\n", Code.UPSTREAM_GARBAGE, "no part"),
        (event("response.completed"), Code.UPSTREAM_GARBAGE, "no part"),
        (event("response.output_item.added"), Code.UPSTREAM_GARBAGE, "no part"),
        (event("response.output_item.done", item=5), Code.UPSTREAM_GARBAGE, "no part"),
        (event("response.failed", response=[]), Code.UPSTREAM_GARBAGE, "no part"),
        (item("done", 0, TEXT | {"content": 5}), Code.UPSTREAM_GARBAGE, "no part"),
        (b'data: {"delta":' + b"[" * 5000 + b"\n\n", Code.UPSTREAM_GARBAGE, "no part"),
        (b'data: {"type":"response.output_text.delta","delta":"\xff"}\n\n', Code.UPSTREAM_GARBAGE, "no part"),
        (item("done", 0, SEALED).replace("é".encode(), b"\xff"), Code.UPSTREAM_GARBAGE, "no part"),
        (ended().replace(b'"be"', b'"\xff"'), Code.UPSTREAM_GARBAGE, "no part"),
        (item("done", 0, SEALED | {"x": [[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]}), Code.UPSTREAM_GARBAGE, "no part"),
    ],
)
def test_errors_in_the_middle(stream: bytes, code: Code, words: str) -> None:
    fault = caught(BEGUN + delta("x") + stream)
    assert (fault.code, words in fault.message) == (code, True)
    assert isinstance(fault, UpstreamFault)
    assert (fault.status, fault.billed) == (None, True)


def test_a_prompt_that_is_too_long() -> None:
    fault = caught(ended("failed", error={"code": "context_length_exceeded", "message": "x"}))
    assert isinstance(fault, CallerFault)
    assert fault.code is Code.CONTEXT_LENGTH_EXCEEDED


def test_calls_without_number() -> None:
    many = b"".join(item("done", 0, OTHER) for _ in range(5000))
    assert caught(many).code is Code.UPSTREAM_GARBAGE


def test_an_event_without_end_is_refused_for_good() -> None:
    running = open_stream()
    with pytest.raises(UpstreamFault):
        running.feed(b"data: " + b"x" * (MAX_ANSWER_BYTES + 1))
    with pytest.raises(UpstreamFault):
        running.feed(b"")


def test_a_name_with_line_ends_brings_no_events_of_its_own() -> None:
    odd = {"type": "x\n\ndata: {}\n\n", "y": 1}
    stream = b"data: " + json.dumps(odd).encode() + b"\n\n"
    pieces = read(stream + ended(), passing=True)
    assert pieces[0].raw == stream
    assert read(stream + ended())[0].finish == "stop"


@pytest.mark.parametrize("created", [-1, 1e300, 17.5, None])
def test_a_time_that_makes_no_sense(created: object) -> None:
    stream = event("response.created", response={**HEAD, "created_at": created}) + ended()
    assert read(stream)[0].created == (17 if created == 17.5 else 0)


# -- plain ---------------------------------------------------------------------------------------------------------

BODY = {**HEAD, "status": "completed", "output": [SEALED, TEXT, CALL, OTHER], "usage": USAGE, "store": False}


def plain_reader(body: bytes, *, passing: bool = False, step: int = 0) -> tuple[ReplyReader, list[Piece]]:
    running = open_plain(passing=passing)
    for start in range(0, len(body), step or len(body) or 1):
        assert running.feed(body[start : start + (step or len(body))]) == []
    return running, running.finish()


def plainly(*, passing: bool = False, **members: Any) -> list[Piece]:
    return plain_reader(json.dumps({**BODY, **members}).encode(), passing=passing)[1]


@pytest.mark.parametrize("step", [0, 1, 7])
def test_a_plain_answer_is_the_streamed_one(step: int) -> None:
    body = json.dumps(BODY, separators=(",", ":"), ensure_ascii=False).encode()
    running, pieces = plain_reader(body, step=step, passing=True)
    reply = assemble(pieces)
    assert (running.done, running.body, running.finish()) == (True, body, [])
    assert set(reply.extra) == {"instructions", "store"}
    assert msgspec.structs.replace(reply, extra={}) == whole()
    running, pieces = plain_reader(body)
    assert (running.body, assemble(pieces)) == (b"", whole())


def test_a_chat_client_gets_a_plain_answer() -> None:
    request = read_request(b'{"model":"a","messages":[{"role":"user","content":"x"}]}', depth=9)
    written = json.loads(write_reply(assemble(plainly()), request, reply_id="ours", created=1))
    message = written["choices"][0]["message"]
    assert (message["content"], message["reasoning_content"]) == ("héy", "hm")
    assert [call["id"] for call in message["tool_calls"]] == ["c1", "c2"]
    assert written["usage"]["completion_tokens_details"] == {"reasoning_tokens": 3}


def test_an_empty_answer_and_one_without_a_status() -> None:
    assert assemble(plainly(output=[])).choices[0].finish == "stop"
    assert assemble(plainly(status=None, output=[TEXT])).choices[0].text == "héy"


def test_a_plain_answer_that_is_cut_anywhere() -> None:
    body = json.dumps(BODY).encode()
    for at in range(len(body)):
        running = open_plain()
        running.feed(body[:at])
        with pytest.raises(UpstreamFault):
            running.finish()
        with pytest.raises(UpstreamFault):
            running.finish()


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", Code.UPSTREAM_CUT),
        (b'{"output":[', Code.UPSTREAM_CUT),
        (b"<html></html>", Code.UPSTREAM_GARBAGE),
        (b"{}", Code.UPSTREAM_GARBAGE),
        (b'{"choices":[{"message":{"content":"x"}}]}', Code.UPSTREAM_GARBAGE),
        (b'{"output":[],"status":"queued"}', Code.UPSTREAM_GARBAGE),
        (b'{"output":[],"status":"in_progress"}', Code.UPSTREAM_GARBAGE),
        (b'{"output":[5]}', Code.UPSTREAM_GARBAGE),
        (b'{"output":[{"type":"message","content":[{"text":"\xff"}]}]}', Code.UPSTREAM_GARBAGE),
        (b'{"output":[],"status":"failed","error":{"code":"server_error","message":"x"}}', Code.UPSTREAM_ERROR),
        (b'{"output":[],"status":"cancelled"}', Code.UPSTREAM_ERROR),
        (b'{"error":{"message":"no","code":503}}', Code.UPSTREAM_ERROR),
    ],
)
def test_plain_failures(body: bytes, code: Code) -> None:
    running = open_plain()
    running.feed(body)
    with pytest.raises(UpstreamFault) as found:
        running.finish()
    assert (found.value.code, found.value.billed, running.body) == (code, True, b"")


# -- anything ------------------------------------------------------------------------------------------------------

JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=4),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["type", "content", "text", "call_id", "name", "arguments", "summary", "encrypted_content", "output"]
            ),
            inner | st.sampled_from(["message", "function_call", "reasoning", "output_text"]),
            max_size=5,
        )
    ),
    max_leaves=12,
)
KINDS = st.sampled_from(
    ["response.created", "response.output_item.added", "response.output_item.done", "response.output_text.delta",
     "response.function_call_arguments.delta", "response.completed", "response.failed", "error", "x", ""]
)  # fmt: skip


@given(
    st.lists(
        st.dictionaries(st.sampled_from(["delta", "item", "response", "output_index", "logprobs", "error"]), JUNK)
        | st.fixed_dictionaries({"type": KINDS, "item": JUNK, "response": JUNK, "output_index": JUNK}),
        max_size=4,
    ),
    st.booleans(),
)
def test_any_json_is_read_or_a_fault(events: list[dict[str, object]], passing: bool) -> None:
    stream = b"".join(b"data: " + json.dumps(one).replace("Infinity", "1").encode() + b"\n\n" for one in events)
    found: list[object] = []
    for step in (len(stream) or 1, 3):
        running, pieces = open_stream(passing=passing), []
        try:
            for at in range(0, len(stream), step):
                pieces += running.feed(stream[at : at + step])
            pieces += running.finish()
            failed = None
        except Fault as fault:
            failed = fault.code
        assemble(pieces)
        found.append((msgspec.json.encode(pieces), failed))
    assert found[0] == found[1]


@given(st.binary(max_size=60), st.sampled_from([b"", b"data: ", BEGUN, b'{"output":[']))
def test_any_bytes_are_read_or_a_fault(data: bytes, before: bytes) -> None:
    for running in (open_stream(), open_plain()):
        try:
            running.feed(before + data + b"\n\n")
            running.finish()
        except Fault as fault:
            assert fault.code in (Code.UPSTREAM_GARBAGE, Code.UPSTREAM_CUT)
