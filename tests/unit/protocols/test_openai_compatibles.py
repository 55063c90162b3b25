"""Streams as those who speak like OpenAI write them: each one's own habits, in transcripts of its shape.

Sources: OpenRouter's "Streaming" and "Errors"; the servers of llama.cpp, vLLM, LM Studio, Groq, DeepSeek, Mistral and
Gemini's compatible endpoint, as their documents and sources show them.
"""

import json
from typing import Any

import pytest

from lodestard.domain.errors import CallerFault, Code, Fault, UpstreamFault
from lodestard.domain.reply import Reply, ToolCallPiece, assemble
from lodestard.domain.usage import Usage
from lodestard.protocols.openai.chat import StreamWriter, read_request
from lodestard.protocols.openai.plain import PlainReader
from lodestard.protocols.openai.stream import open_stream

DONE = b"data: [DONE]\n\n"
USAGE = {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15}
USED = Usage(prompt_tokens=10, completion_tokens=5)


def chunk(delta: dict[str, Any] | None = None, finish: str | None = None, **more: Any) -> bytes:
    choice = {"index": 0, "delta": delta or {}, "finish_reason": finish}
    body = {
        "id": "gen-1",
        "object": "chat.completion.chunk",
        "created": 17,
        "model": "m",
        "choices": [choice],
        **more,
    }
    return b"data: " + json.dumps(body, separators=(",", ":")).encode() + b"\n\n"


def call(**more: Any) -> dict[str, Any]:
    return {"tool_calls": [more]}


def read(stream: bytes) -> Reply:
    """The answer, which is the same in every portion; a client of the dialect gets what came, comments aside."""
    wholes: list[Reply] = []
    for step in (len(stream), 1, 7):
        reader = open_stream(1)
        pieces = [piece for at in range(0, len(stream), step) for piece in reader.feed(stream[at : at + step])]
        pieces += reader.finish()
        assert reader.done
        wholes.append(assemble(pieces))
        body = b'{"model":"m","messages":[{"role":"user","content":"x"}],"stream":true}'
        StreamWriter(read_request(body, depth=9), 1, "ours").write(pieces)
    assert all(told(whole) == told(wholes[0]) for whole in wholes)
    return wholes[0]


def told(reply: Reply) -> Any:
    return (reply.id, reply.choices, reply.usage)


def fails(stream: bytes) -> Fault:
    faults: list[Fault] = []
    for step in (len(stream), 1):
        reader = open_stream(1)
        with pytest.raises(Fault) as caught:
            for at in range(0, len(stream), step):
                reader.feed(stream[at : at + step])
            reader.feed(b"")
            reader.finish()
        faults.append(caught.value)
        assert not reader.done
    assert faults[0].code is faults[1].code
    return faults[0]


# -- OpenRouter ----------------------------------------------------------------------------------------------------

WAITING = b": OPENROUTER PROCESSING\n\n"


def test_openrouter_waits_in_comments_and_tells_its_price() -> None:
    stream = b"".join(
        (
            *(WAITING, WAITING, chunk({"role": "assistant", "content": ""}, provider="Azure")),
            *(chunk({"content": "", "reasoning": "hm", "reasoning_details": [{"type": "reasoning.text"}]}), WAITING),
            *(chunk({"content": "hi"}, native_finish_reason=None), chunk({"content": ""}, "stop")),
            *(chunk({"role": "assistant", "content": ""}, usage=USAGE | {"cost": 0.00123, "is_byok": False}), DONE),
        )
    )
    reply = read(stream)
    (choice,) = reply.choices
    assert (choice.text, choice.reasoning, choice.finish) == ("hi", "hm", "stop")
    assert reply.usage == Usage(prompt_tokens=10, completion_tokens=5, billed_nano_usd=1_230_000)


def test_openrouter_fails_in_the_middle_of_an_answer() -> None:
    error = {"code": 502, "message": "Provider disconnected", "metadata": {"provider_name": "x"}}
    stream = WAITING + chunk({"content": "half"}) + chunk({"content": ""}, "error", error=error) + DONE
    fault = fails(stream)
    assert isinstance(fault, UpstreamFault)
    assert (fault.code, fault.billed, "Provider disconnected" in fault.message) == (Code.UPSTREAM_ERROR, True, True)


def test_openrouter_never_begins() -> None:
    fault = fails(WAITING + b'data: {"error":{"message":"Rate limit exceeded","code":429},"user_id":"u"}\n\n')
    assert fault.code is Code.UPSTREAM_RATE_LIMITED


# -- llama.cpp -----------------------------------------------------------------------------------------------------


def test_llama_cpp_ends_with_timings_and_usage() -> None:
    timings = {"prompt_n": 10, "predicted_n": 5, "predicted_ms": 3.5}
    stream = b"".join(
        (
            *(chunk({"role": "assistant", "content": None}), chunk({"reasoning_content": "hm"})),
            *(chunk({"content": "hi"}), chunk({}, "stop")),
            *(chunk(choices=[], usage=USAGE, timings=timings), DONE),
        )
    )
    reply = read(stream)
    assert (reply.choices[0].text, reply.choices[0].reasoning, reply.usage) == ("hi", "hm", USED)


def test_llama_cpp_is_asked_for_more_than_its_context() -> None:
    error = {
        "code": 400,
        "message": "the request exceeds the available context size, try increasing it",
        "type": "exceed_context_size_error",
        "n_prompt_tokens": 9000,
        "n_ctx": 4096,
    }
    for event in ({"error": error}, error | {"object": "error"}):
        fault = fails(b"data: " + json.dumps(event).encode() + b"\n\n")
        assert isinstance(fault, CallerFault)
        assert fault.code is Code.CONTEXT_LENGTH_EXCEEDED


def test_llama_cpp_names_a_failure_as_another_field() -> None:
    """Older ones wrote ``error: {…}`` as a field of the event: a field that nobody knows, and then the end."""
    assert fails(chunk({"content": "half"}) + b'error: {"code":500,"message":"x"}\n\n').code is Code.UPSTREAM_CUT


# -- vLLM ----------------------------------------------------------------------------------------------------------


def test_vllm_counts_in_every_chunk() -> None:
    so_far = [{"prompt_tokens": 10, "completion_tokens": n, "total_tokens": 10 + n} for n in range(4)]
    stream = b"".join(
        (
            chunk({"role": "assistant", "content": ""}, usage=so_far[0]),
            chunk({"content": "a"}, usage=so_far[1]),
            chunk({"content": "b"}, usage=so_far[2]),
            chunk({"content": ""}, "stop", usage=so_far[3], stop_reason=None),
            chunk(choices=[], usage=so_far[3]),
            DONE,
        )
    )
    reply = read(stream)
    assert (reply.choices[0].text, reply.usage) == ("ab", Usage(prompt_tokens=10, completion_tokens=3))


def test_vllm_says_an_error_with_status_200() -> None:
    error = {
        "error": {"object": "error", "message": "EngineCore encountered an issue", "type": "Internal", "code": 500}
    }
    fault = fails(chunk({"content": "half"}) + b"data: " + json.dumps(error).encode() + b"\n\n" + DONE)
    assert (fault.code, "EngineCore" in fault.message) == (Code.UPSTREAM_ERROR, True)


def test_vllm_streams_calls_with_ids_of_its_own_and_names_in_pieces() -> None:
    stream = b"".join(
        (
            chunk(call(id="chatcmpl-tool-1", type="function", index=0, function={"name": "f"})),
            chunk(call(index=0, function={"arguments": "{"})),
            chunk(call(index=0, function={"arguments": "}"})),
            chunk({"content": ""}, "tool_calls", stop_reason=None),
            DONE,
        )
    )
    assert read(stream).choices[0].tool_calls == (ToolCallPiece(0, "chatcmpl-tool-1", "f", "{}"),)


# -- LM Studio -----------------------------------------------------------------------------------------------------


def test_lm_studio_names_its_errors_as_events() -> None:
    said = {"error": {"message": "The model has crashed without additional information."}}
    fault = fails(chunk({"content": "half"}) + b"event: error\ndata: " + json.dumps(said).encode() + b"\n\n")
    assert (fault.code, "crashed" in fault.message) == (Code.UPSTREAM_ERROR, True)
    flat = fails(b'event: error\ndata: {"error":"Model unloaded."}\n\n')
    assert "Model unloaded" in flat.message


def test_lm_studio_leaves_usage_out() -> None:
    reply = read(chunk({"role": "assistant", "content": "hi"}) + chunk({}, "stop") + DONE)
    assert (reply.choices[0].text, reply.usage) == ("hi", None)


# -- calls as others make them -------------------------------------------------------------------------------------

CALLS = (ToolCallPiece(0, "a", "f", '{"x":1}'), ToolCallPiece(1, "b", "g", "{}"))


@pytest.mark.parametrize(
    "deltas",
    [
        pytest.param(  # Gemini's: whole, without an index
            [
                call(id="a", type="function", function={"name": "f", "arguments": '{"x":1}'}),
                call(id="b", type="function", function={"name": "g", "arguments": "{}"}),
            ],
            id="whole",
        ),
        pytest.param(
            [
                {
                    "tool_calls": [
                        {"id": "a", "function": {"name": "f", "arguments": '{"x":1}'}},
                        {"id": "b", "function": {"name": "g", "arguments": "{}"}},
                    ]
                }
            ],
            id="together",
        ),
        pytest.param(  # the id and the name again with each piece are no new call where the index says so
            [
                call(index=0, id="a", function={"name": "f", "arguments": '{"x"'}),
                call(index=0, id=None, function={"name": None, "arguments": ":1}"}),
                call(index=1, id="b", type="function", function={"name": "g", "arguments": ""}),
                call(index=1, function={"arguments": "{}"}),
            ],
            id="pieces",
        ),
        pytest.param(
            [
                call(id="a", function={"name": "f", "arguments": '{"x"'}),
                call(function={"arguments": ":1}"}),
                call(id="b", function={"name": "g"}),
                call(function={"arguments": "{}"}),
            ],
            id="pieces without an index",
        ),
    ],
)
@pytest.mark.parametrize("finish", ["tool_calls", "TOOL_CALLS"])
def test_calls_in_many_ways(deltas: list[dict[str, Any]], finish: str) -> None:
    stream = b"".join(chunk(delta) for delta in deltas) + chunk({}, finish) + DONE
    (choice,) = read(stream).choices
    assert (choice.tool_calls, choice.finish) == (CALLS, "tool_calls")


# -- ends and beginnings -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "end",
    [
        pytest.param(chunk({"content": "!"}, "stop", usage=USAGE) + DONE, id="all in one"),
        pytest.param(chunk({"content": "!"}, "stop", usage=USAGE), id="no mark"),
        pytest.param(chunk({"content": "!"}, "stop") + chunk(choices=[], usage=USAGE), id="no mark after usage"),
        pytest.param(chunk({"content": "!"}, "stop", x_groq={"usage": USAGE}, usage=USAGE) + DONE, id="groq"),
        pytest.param(chunk({"content": "!"}) + chunk({}, "eos", usage=USAGE) + DONE, id="together"),
        pytest.param(chunk({"content": "!"}, "", usage=None) + chunk({}, "stop", usage=USAGE) + DONE, id="empty"),
        pytest.param((chunk({"content": "!"}, "stop", usage=USAGE) + DONE).replace(b"\n", b"\r\n"), id="crlf"),
        pytest.param((chunk({"content": "!"}, "stop", usage=USAGE) + DONE).replace(b"data: ", b"data:"), id="tight"),
    ],
)
def test_ends_in_many_ways(end: bytes) -> None:
    reply = read(chunk({"role": "assistant", "content": "hi"}) + end)
    assert (reply.choices[0].text, reply.choices[0].finish, reply.usage) == ("hi!", "stop", USED)


def test_a_mark_without_a_finish_is_no_answer() -> None:
    """Some proxies end a broken stream as if it were whole."""
    assert fails(chunk({"content": "half"}) + DONE).code is Code.UPSTREAM_CUT


def test_azure_begins_with_filters_and_without_a_model() -> None:
    filters = chunk(choices=[], prompt_filter_results=[{"prompt_index": 0}], model="", id="", created=0)
    stream = filters + chunk({"content": "hi"}, content_filter_results={}) + chunk({}, "stop") + DONE
    assert read(stream).choices[0].text == "hi"


def test_deepseek_counts_what_was_cached_its_own_way() -> None:
    usage = USAGE | {"prompt_cache_hit_tokens": 4, "prompt_cache_miss_tokens": 6}
    reply = read(
        chunk({"reasoning_content": "hm", "content": None}) + chunk({"content": "hi"}, "stop", usage=usage) + DONE
    )
    assert reply.usage == Usage(prompt_tokens=10, completion_tokens=5, cached_tokens=4)
    assert (reply.choices[0].reasoning, reply.choices[0].text) == ("hm", "hi")


def test_mistral_thinks_in_parts() -> None:
    thinking = [{"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]}]
    stream = chunk({"content": thinking}) + chunk({"content": [{"type": "text", "text": "hi"}]}, "stop") + DONE
    assert read(stream).choices[0].text == "hi"


@pytest.mark.parametrize("finish", ["insufficient_system_resource", "abort", "MALFORMED_FUNCTION_CALL"])
def test_a_provider_that_gives_up_in_a_finish(finish: str) -> None:
    assert fails(chunk({"content": "half"}) + chunk({}, finish) + DONE).code is Code.UPSTREAM_ERROR


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b'[{"error":{"code":429,"message":"slow","status":"RESOURCE_EXHAUSTED"}}]', Code.UPSTREAM_RATE_LIMITED),
        (b'{"error":{"message":"no such provider","code":503}}', Code.UPSTREAM_ERROR),
        (b'{"object":"error","message":"broken","type":"x","code":500}', Code.UPSTREAM_ERROR),
        (b'{"choices":[],"error":"overloaded"}', Code.UPSTREAM_ERROR),
        (b'\n\n\n{"error":{"message":"after white space","code":502}}', Code.UPSTREAM_ERROR),
    ],
)
def test_plain_errors_with_status_200(body: bytes, code: Code) -> None:
    reader = PlainReader()
    reader.feed(body)
    with pytest.raises(UpstreamFault) as caught:
        reader.finish()
    assert caught.value.code is code


def test_openrouter_waits_in_white_space_before_a_plain_answer() -> None:
    message = {"role": "assistant", "content": "hi", "reasoning": "hm"}
    body = {"id": "gen-1", "choices": [{"message": message, "finish_reason": "stop"}], "usage": USAGE}
    reader = PlainReader()
    reader.feed(b"\n         \n" * 50 + json.dumps(body).encode())
    (choice,) = assemble(reader.finish()).choices
    assert (choice.text, choice.reasoning) == ("hi", "hm")
