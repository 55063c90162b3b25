"""Ollama's dialect: what is sent, how its lines are read, what its refusals mean."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lodestard.domain.errors import CallerFault, Code, Fault, UpstreamFault
from lodestard.domain.pins import pinned_members
from lodestard.domain.reply import Piece, Reply, assemble
from lodestard.domain.request import Request
from lodestard.domain.settings import LocalModel, Upstream
from lodestard.domain.usage import Durations, Usage
from lodestard.protocols.ollama.api import OllamaCodec
from lodestard.protocols.openai.chat import read_request

CODEC = OllamaCodec()
T600 = Upstream(dialect="ollama", url="http://127.0.0.1:11434", free=True)
TOOL = {"type": "function", "function": {"name": "f", "description": "d", "parameters": {"type": "object"}}}


def ask(**members: Any) -> Request:
    body = {"model": "m", "messages": [{"role": "user", "content": "hi"}], **members}
    return read_request(json.dumps(body).encode(), depth=64)


def sent(settings: Upstream = T600, **members: Any) -> dict[str, Any]:
    body: dict[str, Any] = json.loads(CODEC.write_request(ask(**members), "llama3.1:8b", settings).body)
    return body


def read(stream: bytes, *, step: int = 0) -> list[Piece]:
    reader = CODEC.reader(CODEC.write_request(ask(), "m", T600))
    pieces: list[Piece] = []
    for start in range(0, len(stream), step or len(stream)):
        pieces += reader.feed(stream[start : start + (step or len(stream))])
    assert reader.done == (reader.fault is None and b'"done":true' in stream)
    return pieces + reader.finish()


def lines(*objects: dict[str, Any]) -> bytes:
    return b"".join(json.dumps(line, separators=(",", ":")).encode() + b"\n" for line in objects)


def text(content: str, **more: Any) -> dict[str, Any]:
    return {"model": "llama3.1:8b", "created_at": "2026-11-20T10:00:00Z", "message": {"content": content, **more}}


DONE = {"model": "llama3.1:8b", "message": {"content": ""}, "done": True, "done_reason": "stop"}


def test_the_least_request() -> None:
    wire = CODEC.write_request(ask(), "llama3.1:8b", T600)
    assert (wire.path, wire.streamed, wire.choices) == ("/api/chat", True, 1)
    assert dict(wire.headers)["content-type"] == "application/json"
    assert json.loads(wire.body) == {
        "model": "llama3.1:8b",
        "messages": [{"role": "user", "content": "hi"}],
        "stream": True,
        "truncate": False,
        "options": {},
    }


def test_the_configuration_wins_over_the_client() -> None:
    pinned = Upstream(
        dialect="ollama",
        url="http://127.0.0.1:11434/behind/",
        options={"num_ctx": 4096, "temperature": 0.1},
        keep_alive=-1,
    )
    wire = CODEC.write_request(
        ask(
            temperature=1.5, top_p=0.5, top_k=3, seed=4, stop=["a", "b"], max_tokens=7, presence_penalty=1,
            frequency_penalty=2, options={"num_ctx": 9094}, keep_alive="1s",
        ),
        "x",
        pinned,
    )  # fmt: skip
    body = json.loads(wire.body)
    assert wire.path == "/behind/api/chat"
    assert body["keep_alive"] == -1
    assert body["options"] == {
        "temperature": 0.1,
        "top_p": 0.5,
        "top_k": 3,
        "seed": 4,
        "stop": ["a", "b"],
        "num_predict": 7,
        "presence_penalty": 1,
        "frequency_penalty": 2,
        "num_ctx": 4096,
    }


def test_a_models_own_pins_lie_over_the_upstreams() -> None:
    pinned = Upstream(
        dialect="ollama",
        url="http://127.0.0.1:11434",
        options={"num_ctx": 4096, "num_gpu": 20},
        keep_alive="5m",
        models={"llama3.1:8b": LocalModel(options={"num_ctx": 8192}, keep_alive=-1)},
    )
    asked = {"options": {"num_ctx": 9094}, "keep_alive": "1s", "shift": False, "truncate": True, "num_ctx": 1}
    body = sent(pinned, **asked)
    assert (body["options"], body["keep_alive"]) == ({"num_ctx": 8192, "num_gpu": 20}, -1)
    assert (body["truncate"], "shift" in body, "num_ctx" in body) == (False, False, False)
    other = json.loads(CODEC.write_request(ask(**asked), "deepseek-coder:6.7b", pinned).body)
    assert (other["options"], other["keep_alive"]) == ({"num_ctx": 4096, "num_gpu": 20}, "5m")
    for model, written in (("llama3.1:8b", body), ("deepseek-coder:6.7b", other)):
        assert {name: written[name] for name in ("options", "keep_alive")} == pinned_members(pinned, model)


@pytest.mark.parametrize(
    ("pinned", "limit", "written"),
    [(None, None, None), (None, 70, 70), (50, None, 50), (50, 70, 50), (50, 30, 30), (-1, 30, 30), (-2, 30, 30)],
)
def test_of_two_output_limits_the_lower_one_holds(pinned: int | None, limit: int | None, written: int | None) -> None:
    options = {} if pinned is None else {"num_predict": pinned}
    settings = Upstream(dialect="ollama", url="http://127.0.0.1:11434", options=options)
    members = {} if limit is None else {"max_tokens": limit}
    assert sent(settings, **members)["options"].get("num_predict") == written


def test_a_conversation_with_tools_and_images() -> None:
    body = sent(
        messages=[
            {"role": "developer", "content": "d"},
            {
                "role": "user",
                "content": [
                    {"type": "text", "text": "one"},
                    {"type": "image_url", "image_url": {"url": "data:image/png;base64,QUJD"}},
                    {"type": "text", "text": "two"},
                ],
            },
            {
                "role": "assistant",
                "content": None,
                "reasoning_content": "hm",
                "tool_calls": [
                    {"id": "1", "type": "function", "function": {"name": "f", "arguments": '{"a":{"b":1}}'}},
                    {"id": "2", "type": "function", "function": {"name": "g", "arguments": ""}},
                    {"id": "3", "type": "function", "function": {"name": "h", "arguments": "{broken"}},
                    {"id": "4", "type": "function", "function": {"name": "i", "arguments": "[1]"}},
                ],
            },
            {"role": "tool", "tool_call_id": "2", "content": "out"},
            {"role": "tool", "tool_call_id": "9", "name": "k", "content": "out"},
        ],
        tools=[TOOL, {"type": "function", "function": {"name": "bare"}}],
    )
    system, user, assistant, tool, unknown = body["messages"]
    assert system == {"role": "system", "content": "d"}
    assert user == {"role": "user", "content": "one\ntwo", "images": ["QUJD"]}
    assert assistant["thinking"] == "hm"
    assert [call["function"]["arguments"] for call in assistant["tool_calls"]] == [
        {"a": {"b": 1}},
        {},
        {"arguments": "{broken"},
        {"arguments": "[1]"},
    ]
    assert tool == {"role": "tool", "content": "out", "tool_name": "g"}
    assert unknown["tool_name"] == "k"
    assert body["tools"][0] == TOOL
    assert body["tools"][1]["function"]["parameters"] == {"type": "object", "properties": {}}


@pytest.mark.parametrize(
    ("choice", "names"),
    [
        ("auto", ["f", "g"]),
        ("required", ["f", "g"]),
        ("none", []),
        ({"type": "function", "function": {"name": "g"}}, ["g"]),
    ],
)
def test_tool_choice_is_kept_as_far_as_it_goes(choice: object, names: list[str]) -> None:
    tools = [TOOL, {"type": "function", "function": {"name": "g"}}]
    offered = sent(tools=tools, tool_choice=choice).get("tools", [])
    assert [tool["function"]["name"] for tool in offered] == names


def test_formats_thinking_and_logprobs() -> None:
    schema = {"type": "object", "properties": {"a": {"type": "string"}}}
    assert sent(response_format={"type": "json_object"})["format"] == "json"
    asked = {"type": "json_schema", "json_schema": {"name": "n", "schema": schema}}
    assert sent(response_format=asked)["format"] == schema
    assert sent(reasoning_effort="high")["think"] == "high"
    assert sent(reasoning_effort="minimal")["think"] == "low"
    assert sent(reasoning_effort="none")["think"] is False
    body = sent(logprobs=True, top_logprobs=2)
    assert (body["logprobs"], body["top_logprobs"]) == (True, 2)


@pytest.mark.parametrize(
    ("members", "param"),
    [
        ({"n": 2}, "n"),
        ({"tools": [{"type": "web_search"}]}, "tools"),
        (
            {"messages": [{"role": "assistant", "tool_calls": [{"type": "custom", "custom": {"name": "x"}}]}]},
            "messages[0].tool_calls[0]",
        ),
        (
            {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": "https://x.test/i"}]}]},
            "messages[0].content[0]",
        ),
        ({"messages": [{"role": "user", "content": [{"type": "input_audio"}]}]}, "messages[0].content[0]"),
    ],
)
def test_what_it_can_not_say_is_refused(members: dict[str, Any], param: str) -> None:
    with pytest.raises(CallerFault) as caught:
        sent(**members)
    assert (caught.value.code, caught.value.param) == (Code.NOT_SUPPORTED, param)


WHOLE = lines(
    text("", thinking="let me"),
    text("", thinking=" see"),
    text("he"),
    text("y é"),
    text("", tool_calls=[{"function": {"name": "f", "arguments": {"a": 1}}}, {"id": "x", "function": {"name": "g"}}]),
    {
        **DONE,
        "total_duration": 9,
        "load_duration": 1,
        "prompt_eval_count": 26,
        "prompt_eval_duration": 2,
        "eval_count": 5,
        "eval_duration": 3,
    },
)


@pytest.mark.parametrize("step", [0, 1, 2, 3, 7, 50])
def test_a_whole_answer_in_any_portions(step: int) -> None:
    reply = assemble(read(WHOLE, step=step))
    (choice,) = reply.choices
    assert (reply.model, choice.text, choice.reasoning, choice.finish) == (
        "llama3.1:8b", "hey é", "let me see", "tool_calls",
    )  # fmt: skip
    first, second = choice.tool_calls
    assert (first.index, first.name, json.loads(first.arguments)) == (0, "f", {"a": 1})
    assert first.id.startswith("call_")
    assert (second.index, second.id, second.name, second.arguments) == (1, "x", "g", "{}")
    assert reply.usage == Usage(prompt_tokens=26, completion_tokens=5)
    assert reply.durations == Durations(total_ns=9, load_ns=1, prefill_ns=2, decode_ns=3)
    assert reply.complete


def test_invented_ids_are_the_same_for_the_same_bytes_and_differ_between_turns() -> None:
    call = {"function": {"name": "f", "arguments": {}}}

    def made(at: str) -> list[str]:
        line = {"created_at": at, "message": {"tool_calls": [call, call]}}
        return [made.id for made in read(lines(line, DONE))[0].tool_calls]

    assert made("1") == made("1")
    assert len({*made("1"), *made("2")}) == 4


def test_how_it_finished() -> None:
    def finish(**last: Any) -> Reply:
        return assemble(read(lines(text("x"), {**DONE, **last})))

    assert finish().choices[0].finish == "stop"
    assert finish(done_reason="length").choices[0].finish == "length"
    assert finish(done_reason=None).choices[0].finish == "stop"
    assert finish(done_reason="load").choices[0].finish == "stop"
    with pytest.raises(UpstreamFault, match="unloaded"):
        read(lines({**DONE, "done_reason": "unload"}))


def test_logprobs_take_openais_shape() -> None:
    line = {**text("a"), "logprobs": [{"token": "a", "logprob": -0.5}]}
    raw = assemble(read(lines(line, line, DONE))).choices[0].logprobs
    assert raw is not None
    assert [entry["token"] for entry in json.loads(bytes(raw))["content"]] == ["a", "a"]


@pytest.mark.parametrize("figures", [{}, {"eval_count": -1}, {"eval_count": "5"}, {"prompt_eval_count": 10**19}])
def test_figures_that_can_not_be_right_are_none(figures: dict[str, object]) -> None:
    reply = assemble(read(lines(text("x"), {**DONE, **figures})))
    assert (reply.usage, reply.complete) == (None, True)


def test_what_follows_the_end_is_ignored() -> None:
    assert assemble(read(lines(text("x"), DONE, {"error": "late"}))).choices[0].text == "x"


@pytest.mark.parametrize("at", range(len(WHOLE) - 1))
def test_an_answer_that_is_cut_anywhere_is_a_failure(at: int) -> None:
    reader = CODEC.reader(CODEC.write_request(ask(), "m", T600))
    reader.feed(WHOLE[:at])
    assert not reader.done
    if at == len(WHOLE) - 1:
        return
    if WHOLE[at : at + 1] == b"\n" and b'"done":true' in WHOLE[:at]:
        assert reader.finish()[-1].finish == "tool_calls"  # only the last line feed is missing
        return
    with pytest.raises(UpstreamFault) as caught:
        reader.finish()
    assert caught.value.code is Code.UPSTREAM_CUT


def test_a_failure_comes_after_what_came_before_it() -> None:
    reader = CODEC.reader(CODEC.write_request(ask(), "m", T600))
    pieces = reader.feed(lines(text("x"), {"error": "out of memory"}, DONE))
    assert [piece.text for piece in pieces] == ["x"]
    assert not reader.done
    assert reader.fault is not None
    with pytest.raises(UpstreamFault, match="out of memory") as caught:
        reader.feed(b"")
    assert caught.value.code is Code.UPSTREAM_ERROR
    with pytest.raises(UpstreamFault, match="out of memory"):
        reader.finish()


@pytest.mark.parametrize(
    "line", [b"nonsense", b"[]", b'{"message":5}', b'{"a":' * 5000, b'{"message":{"content":"\xff"}}']
)
def test_garbage_is_called_so(line: bytes) -> None:
    with pytest.raises(UpstreamFault) as caught:
        read(line + b"\n")
    assert caught.value.code is Code.UPSTREAM_GARBAGE


def test_bad_utf8_where_the_decoder_does_not_look() -> None:
    for member in (
        b'"tool_calls":[{"function":{"name":"f","arguments":{"a":"\xff"}}}]',
        b'"x":1}, "logprobs":["\xff"], "y":{',
    ):
        with pytest.raises(UpstreamFault):
            read(b'{"message":{' + member + b"}}\n")


@given(st.binary(max_size=80), st.booleans())
def test_any_bytes_are_read_or_a_fault(data: bytes, after_a_start: bool) -> None:
    reader = CODEC.reader(CODEC.write_request(ask(), "m", T600))
    try:
        reader.feed((lines(text("x")) if after_a_start else b"") + data)
        reader.finish()
    except Fault as fault:
        assert fault.code in (Code.UPSTREAM_GARBAGE, Code.UPSTREAM_CUT)


@pytest.mark.parametrize(
    ("status", "body", "code", "words"),
    [
        (404, b'{"error":"model \'llama3.1:8b\' not found"}', Code.UPSTREAM_MODEL_MISSING, "ollama pull llama3.1:8b"),
        (404, b"404 page not found", Code.UPSTREAM_MODEL_MISSING, "page not found"),
        (400, b'{"error":"x does not support tools"}', Code.UPSTREAM_REJECTED, "does not support tools"),
        (503, b'{"error":"server busy, please try again."}', Code.UPSTREAM_RATE_LIMITED, "busy"),
        (500, b'{"error":"llama runner process has terminated"}', Code.UPSTREAM_ERROR, "terminated"),
        (499, b'{"error":"request canceled"}', Code.UPSTREAM_ERROR, "canceled"),
        (401, b'{"error":{"message":"unauthorized"}}', Code.UPSTREAM_AUTH, "unauthorized"),
        (400, b"\xff[", Code.UPSTREAM_REJECTED, "["),
        (400, b'{"error":5}', Code.UPSTREAM_REJECTED, "5"),
        (400, b"", Code.UPSTREAM_REJECTED, "no reason"),
    ],
)
def test_refusals(status: int, body: bytes, code: Code, words: str) -> None:
    fault = CODEC.read_error(status, {}, body)
    assert isinstance(fault, UpstreamFault)
    assert (fault.code, fault.status, fault.billed) == (code, status, False)
    assert words in fault.message
