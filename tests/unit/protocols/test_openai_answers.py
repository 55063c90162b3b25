"""OpenAI's dialect as an upstream: requests through, chunks and bodies back."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lodestard.domain.errors import CallerFault, Code, Fault, UpstreamFault
from lodestard.domain.reply import Piece, assemble
from lodestard.domain.request import Request
from lodestard.domain.settings import Upstream
from lodestard.domain.usage import Usage
from lodestard.protocols.codec import MAX_ANSWER_BYTES, ReplyReader
from lodestard.protocols.openai.chat import StreamWriter, read_request
from lodestard.protocols.openai.plain import PlainReader
from lodestard.protocols.openai.upstream import OpenAICodec
from lodestard.protocols.sse import unframe

CODEC = OpenAICodec()
PAID = Upstream(dialect="openai", url="https://api.example.test/v1")


def ask(**members: Any) -> Request:
    body = {"model": "m", "messages": [{"role": "user", "content": "hi"}], "stream": True, **members}
    return read_request(json.dumps(body).encode(), depth=64)


def reader(**members: Any) -> ReplyReader:
    return CODEC.reader(CODEC.write_request(ask(**members), "m", PAID))


def sse(*chunks: dict[str, Any], done: bool = True) -> bytes:
    events = [json.dumps(chunk, separators=(",", ":"), ensure_ascii=False).encode() for chunk in chunks]
    return b"".join(b"data: " + event + b"\n\n" for event in events + [b"[DONE]"] * done)


def chunk(
    delta: dict[str, Any] | None = None, finish: str | None = None, index: int = 0, **more: Any
) -> dict[str, Any]:
    choice = {"index": index, "delta": delta or {}, "finish_reason": finish}
    head = {
        "id": "chatcmpl-1",
        "object": "chat.completion.chunk",
        "created": 17,
        "model": "gpt-x",
        "choices": [choice],
    }
    return {**head, "system_fingerprint": "fp", **more}


USAGE = {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15}
USAGE_CHUNK = chunk(choices=[], usage=USAGE)
WHOLE = sse(
    chunk({"role": "assistant", "content": ""}, usage=None),
    chunk({"reasoning_content": "hm"}),
    chunk({"content": "hé"}),
    chunk({"content": "y"}),
    chunk({"tool_calls": [{"index": 0, "id": "c", "type": "function", "function": {"name": "f", "arguments": ""}}]}),
    chunk({"tool_calls": [{"index": 0, "function": {"arguments": '{"a":'}}]}),
    chunk({"tool_calls": [{"index": 0, "function": {"arguments": "1}"}}]}),
    chunk(finish="tool_calls"),
    USAGE_CHUNK,
)


def read(stream: bytes, *, step: int = 0, **members: Any) -> list[Piece]:
    running = reader(**members)
    pieces: list[Piece] = []
    for start in range(0, len(stream), step or len(stream)):
        pieces += running.feed(stream[start : start + (step or len(stream))])
    pieces += running.finish()
    assert running.done
    assert running.body == b""
    return pieces


def test_a_request_goes_through_with_its_unknown_members() -> None:
    body = (
        b'{"model":"alias", "messages":[{"role":"user","content":"\\u0068i","x":1.50}],"stream":true,'
        b'"stream_options":{"include_obfuscation":false},"web_search_options":{"a" : [1e2]}}'
    )
    wire = CODEC.write_request(read_request(body, depth=64), "gpt-4o", PAID)
    assert (wire.path, wire.streamed) == ("/v1/chat/completions", True)
    assert wire.body == (
        b'{"model":"gpt-4o","messages":[{"role":"user","content":"\\u0068i","x":1.50}],"stream":true,'
        b'"stream_options":{"include_obfuscation":false,"include_usage":true},"web_search_options":{"a" : [1e2]}}'
    )


def test_a_plain_request_stays_plain() -> None:
    wire = CODEC.write_request(ask(stream=False, n=3), "gpt-4o", PAID)
    assert (wire.streamed, wire.choices) == (False, 3)
    assert "stream_options" not in json.loads(wire.body)
    assert json.loads(CODEC.write_request(ask(stream_options=None), "m", PAID).body)["stream_options"] == {
        "include_usage": True
    }


@pytest.mark.parametrize("step", [0, 1, 2, 5, 64])
def test_a_whole_answer_in_any_portions(step: int) -> None:
    pieces = read(WHOLE, step=step)
    reply = assemble(pieces)
    (choice,) = reply.choices
    assert (reply.id, reply.model, reply.created) == ("chatcmpl-1", "gpt-x", 17)
    assert (choice.text, choice.reasoning, choice.finish) == ("héy", "hm", "tool_calls")
    (call,) = choice.tool_calls
    assert (call.id, call.name, call.arguments) == ("c", "f", '{"a":1}')
    assert reply.usage == Usage(prompt_tokens=10, completion_tokens=5)
    assert bytes(reply.extra["system_fingerprint"]) == b'"fp"'
    assert reply.complete


@pytest.mark.parametrize("step", [0, 1, 9])
def test_a_client_of_the_dialect_gets_the_bytes_that_came(step: int) -> None:
    request = ask(stream_options={"include_usage": True})
    writer = StreamWriter(request, 1, "ours")
    assert writer.open() + writer.write(read(WHOLE, step=step)) + writer.close() == WHOLE


def test_the_usage_that_only_we_asked_for_is_left_out() -> None:
    role = chunk({"role": "assistant", "content": ""}, usage=USAGE)
    filters = chunk(choices=[], prompt_filter_results=[])
    stream = sse(filters, role, chunk({"content": "x"}), chunk(finish="stop"), USAGE_CHUNK)
    writer = StreamWriter(ask(), 1, "ours")
    assert writer.write(read(stream)) + writer.close() == stream.replace(sse(USAGE_CHUNK, done=False), b"")


@pytest.mark.parametrize(
    ("early", "late", "tier"),
    [
        ("priority", "priority", "priority"),
        ("priority", None, "priority"),
        ("default", "flex", "flex"),
        ("default", "default", ""),
        (None, None, ""),
        (7, None, "unreadable"),
    ],
)
def test_how_it_was_served_is_in_its_usage(early: object, late: object, tier: str) -> None:
    stream = sse(chunk({"content": "x"}, "stop", service_tier=early), {**USAGE_CHUNK, "service_tier": late})
    reply = assemble(read(stream))
    assert reply.usage == Usage(prompt_tokens=10, completion_tokens=5, service_tier=tier)


def test_a_usage_chunk_that_makes_no_sense_is_left_out_too() -> None:
    bad = sse(chunk(choices=[], usage={"prompt_tokens": -5}), done=False)
    stream = sse(chunk({"content": "x"}, "stop"), done=False) + bad + sse()
    pieces = read(stream)
    assert assemble(pieces).usage is None
    writer = StreamWriter(ask(), 1, "ours")
    assert writer.write(pieces) + writer.close() == stream.replace(bad, b"")


def test_an_event_of_several_data_lines_stays_one() -> None:
    stream = b'data: {"choices":[{"delta":{"content":"x"},\ndata: "finish_reason":"stop"}]}\n\ndata: [DONE]\n\n'
    writer = StreamWriter(ask(), 1, "ours")
    assert writer.write(read(stream)) + writer.close() == stream


def test_a_chunk_of_several_choices_becomes_one_for_each() -> None:
    both = chunk(usage=USAGE, x=1)
    both["choices"] = [
        {"index": 0, "delta": {"content": "a"}, "finish_reason": "stop", "y": 1},
        {"index": 1, "delta": {"content": "b"}, "finish_reason": "length"},
    ]
    pieces = read(sse(both), n=2)
    assert [(piece.choice, piece.text, piece.finish) for piece in pieces] == [(0, "a", "stop"), (1, "b", "length")]
    raws = [json.loads(unframe(piece.raw)) for piece in pieces]
    assert [raw["choices"] for raw in raws] == [[both["choices"][0]], [both["choices"][1]]]
    assert ["usage" in raw for raw in raws] == [False, True]
    assert [raw["x"] for raw in raws] == [1, 1]
    assert [piece.usage is None for piece in pieces] == [True, False]


def test_calls_without_an_index_are_told_apart_by_their_ids() -> None:
    def call(name: str, **more: Any) -> dict[str, Any]:
        return chunk({"tool_calls": [{"function": {"name": name, "arguments": "{}"}, **more}]})

    stream = sse(call("f", id="a"), call("", index=None), call("g", id="b"), chunk(finish="tool_calls"))
    calls = assemble(read(stream)).choices[0].tool_calls
    assert [(made.index, made.id, made.name, made.arguments) for made in calls] == [
        (0, "a", "f", "{}{}"),
        (1, "b", "g", "{}"),
    ]


@pytest.mark.parametrize("finish", ["stop", "length", "content_filter", "function_call"])
def test_finishes(finish: str) -> None:
    assert assemble(read(sse(chunk({"content": "x"}, finish)))).choices[0].finish == finish


def test_finishes_in_other_words() -> None:
    def finish(word: str) -> str | None:
        return assemble(read(sse(chunk({"content": "x"}, word)))).choices[0].finish

    assert (finish("eos"), finish("max_tokens"), finish("STOP")) == ("stop", "length", "stop")
    assert finish("who knows") == "error"
    with pytest.raises(UpstreamFault) as caught:
        finish("error")
    assert caught.value.code is Code.UPSTREAM_ERROR


def test_mistral_content_in_parts_and_refusals_and_logprobs() -> None:
    logprobs = {"content": [{"token": "a", "logprob": -1}], "refusal": None}
    first = chunk({"content": [{"type": "text", "text": "a"}, {"type": "thinking"}], "refusal": "no"})
    first["choices"][0]["logprobs"] = logprobs
    odd = chunk({"content": "b"}, "stop")
    odd["choices"][0]["logprobs"] = 5
    (choice,) = assemble(read(sse(first, odd))).choices
    assert (choice.text, choice.refusal) == ("ab", "no")
    assert choice.logprobs is not None
    assert json.loads(bytes(choice.logprobs)) == logprobs


def test_the_end_without_its_mark_is_good_where_all_choices_finished() -> None:
    assert assemble(read(sse(chunk({"content": "x"}, "stop"), done=False))).complete
    running = reader(n=2)
    running.feed(sse(chunk({"content": "x"}, "stop"), done=False))
    with pytest.raises(UpstreamFault) as caught:
        running.finish()
    assert caught.value.code is Code.UPSTREAM_CUT


def test_a_mark_without_a_finish_is_a_cut() -> None:
    for stream in (sse(), sse(chunk({"content": "x"})), sse(chunk({"content": "x"}), chunk({}, "stop", index=1))):
        with pytest.raises(UpstreamFault) as caught:
            read(stream)
            running = reader()
            running.feed(stream)
            running.finish()
        assert caught.value.code is Code.UPSTREAM_CUT


FINISHED_AT = WHOLE.index(b"\n\n", WHOLE.index(b'"finish_reason":"tool_calls"')) + 2


def test_an_answer_that_is_cut_anywhere_is_never_a_silent_success() -> None:
    for at in range(len(WHOLE)):
        running = reader()
        running.feed(WHOLE[:at])
        if at >= FINISHED_AT:
            running.finish()
            continue
        with pytest.raises(UpstreamFault) as caught:
            running.finish()
        assert caught.value.code is Code.UPSTREAM_CUT


@pytest.mark.parametrize(
    ("event", "code", "words"),
    [
        (b'{"error":{"message":"overloaded","code":502}}', Code.UPSTREAM_ERROR, "overloaded"),
        (b'{"error":{"message":"slow down","code":429},"choices":[]}', Code.UPSTREAM_RATE_LIMITED, "slow down"),
        (b'{"object":"error","message":"broken"}', Code.UPSTREAM_ERROR, "broken"),
        (b'{"error":"text"}', Code.UPSTREAM_ERROR, "text"),
        (b"nonsense", Code.UPSTREAM_GARBAGE, "no part"),
        (b"[]", Code.UPSTREAM_GARBAGE, "no part"),
        (b'{"choices":[{"index":-1}]}', Code.UPSTREAM_GARBAGE, "no part"),
        (b'{"choices":[{"delta":{"content":5}}]}', Code.UPSTREAM_GARBAGE, "no part"),
        (b'{"choices":[{"delta":{"content":["x"]}}]}', Code.UPSTREAM_GARBAGE, "no part"),
        (b'{"choices":' + b"[" * 5000, Code.UPSTREAM_GARBAGE, "no part"),
        (b'{"choices":[],"x":"\xff"}', Code.UPSTREAM_GARBAGE, "no part"),
    ],
)
def test_errors_in_the_middle(event: bytes, code: Code, words: str) -> None:
    running = reader()
    with pytest.raises(UpstreamFault, match=words) as caught:
        running.feed(b"data: " + event + b"\n\n")
    assert (caught.value.code, caught.value.status, caught.value.billed) == (code, None, True)
    assert not running.done
    with pytest.raises(UpstreamFault):
        running.finish()


def test_a_prompt_that_is_too_long_in_the_middle() -> None:
    with pytest.raises(CallerFault, match="maximum context length is"):
        reader().feed(b'data: {"error":{"message":"x","code":"context_length_exceeded"}}\n\n')


def test_events_of_other_kinds_are_read_over() -> None:
    assert reader().feed(b'data: {"type":"ping"}\n\n: comment\n\n') == []


def test_an_event_without_end_is_refused_for_good() -> None:
    running = reader()
    with pytest.raises(UpstreamFault):
        running.feed(b"data: " + b"x" * (MAX_ANSWER_BYTES + 1))
    with pytest.raises(UpstreamFault):
        running.feed(b"")


def test_what_follows_the_end_is_ignored() -> None:
    running = reader()
    running.feed(WHOLE)
    assert (running.feed(b"data: nonsense\n\n"), running.finish()) == ([], [])


@given(st.binary(max_size=60), st.sampled_from([b"", b"data: ", sse(chunk({"content": "x"}), done=False)]))
def test_any_bytes_are_read_or_a_fault(data: bytes, before: bytes) -> None:
    running = reader()
    try:
        running.feed(before + data + b"\n\n")
        running.finish()
    except Fault as fault:
        assert fault.code in (Code.UPSTREAM_GARBAGE, Code.UPSTREAM_CUT)


JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=4),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["index", "delta", "message", "content", "tool_calls", "finish_reason", "logprobs", "code"]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@given(
    st.dictionaries(st.sampled_from(["id", "created", "choices", "usage", "error", "object", "x"]), JUNK),
    st.booleans(),
)
def test_any_json_is_read_or_a_fault(answer: dict[str, object], streamed: bool) -> None:
    body = json.dumps(answer).replace("Infinity", "1").encode()
    running = reader(stream=streamed)
    writer = StreamWriter(ask(), 1, "x")
    try:
        pieces = running.feed(b"data: " + body + b"\n\n" if streamed else body)
        pieces += running.finish()
        assemble(pieces)
        writer.write(pieces)
    except Fault:
        pass


BODY = {
    "id": "chatcmpl-2",
    "object": "chat.completion",
    "created": 18,
    "model": "gpt-x",
    "choices": [
        {
            "index": 0,
            "message": {
                "role": "assistant",
                "content": "a",
                "reasoning": "hm",
                "refusal": None,
                "tool_calls": [{"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}],
            },
            "logprobs": None,
            "finish_reason": "tool_calls",
        },
        {"index": 1, "message": {"role": "assistant", "content": None, "refusal": "no"}, "finish_reason": "stop"},
    ],
    "usage": {**USAGE, "prompt_tokens_details": {"cached_tokens": 4}},
    "service_tier": "default",
}


def test_a_plain_answer_keeps_its_body() -> None:
    body = json.dumps(BODY, indent=1).encode()
    running = reader(stream=False)
    assert isinstance(running, PlainReader)
    for at in range(0, len(body), 7):
        assert running.feed(body[at : at + 7]) == []
    assert not running.done
    reply = assemble(running.finish())
    assert (running.done, running.body, running.finish()) == (True, body, [])
    assert (reply.id, reply.created, len(reply.choices)) == ("chatcmpl-2", 18, 2)
    assert (reply.choices[0].text, reply.choices[0].reasoning) == ("a", "hm")
    assert reply.choices[0].tool_calls[0].name == "f"
    assert (reply.choices[1].refusal, reply.choices[1].finish) == ("no", "stop")
    assert reply.usage == Usage(prompt_tokens=10, completion_tokens=5, cached_tokens=4)
    assert bytes(reply.extra["service_tier"]) == b'"default"'


def test_a_plain_answer_that_is_cut_anywhere() -> None:
    body = json.dumps(BODY).encode()
    for at in range(len(body)):
        running = reader(stream=False)
        running.feed(body[:at])
        with pytest.raises(UpstreamFault):
            running.finish()
        with pytest.raises(UpstreamFault):
            running.finish()
        with pytest.raises(UpstreamFault):
            running.feed(b"")


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", Code.UPSTREAM_CUT),
        (b'{"choices":[', Code.UPSTREAM_CUT),
        (b"<html></html>", Code.UPSTREAM_GARBAGE),
        (b"{}", Code.UPSTREAM_GARBAGE),
        (b'{"choices":[]}', Code.UPSTREAM_GARBAGE),
        (b'{"choices":[{"message":{"content":"\xff"}}]}', Code.UPSTREAM_GARBAGE),
        (b'{"error":{"message":"no","code":503}}', Code.UPSTREAM_ERROR),
    ],
)
def test_plain_failures(body: bytes, code: Code) -> None:
    running = reader(stream=False)
    running.feed(body)
    with pytest.raises(UpstreamFault) as caught:
        running.finish()
    assert caught.value.code is code
    assert running.body == b""


def test_a_plain_answer_beyond_the_bound() -> None:
    running = reader(stream=False)
    running.feed(b" " * MAX_ANSWER_BYTES)
    with pytest.raises(UpstreamFault, match="larger"):
        running.feed(b" ")


@pytest.mark.parametrize("created", [-1, 1e300, 17.0, None])
def test_a_time_that_makes_no_sense(created: object) -> None:
    head = read(sse({**chunk({"content": "x"}, "stop"), "created": created}))[0]
    assert head.created == (17 if created == 17.0 else 0)


def test_every_depth_about_the_interpreters_own_limit() -> None:
    writer = StreamWriter(ask(), 1, "x")
    for levels in range(880, 1010):
        deep = b"[" * levels + b"]" * levels
        running = reader()
        event = b'data: {"choices":[],"x":' + deep + b"}\n\n"
        odd = b'data: {"choices":[{"delta":{"content":"x"},"logprobs":{"content":' + deep + b"}}]}\n\n"
        try:
            writer.write(running.feed(event))
            assemble(running.feed(odd) + running.feed(odd))
        except UpstreamFault as fault:
            assert fault.code is Code.UPSTREAM_GARBAGE
