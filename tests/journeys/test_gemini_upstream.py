"""Gemini's native dialect, end to end: a client of OpenAI's, the house, and Google with its meter.

That the ledger has what the meter says is checked where each house is left (``tests/fakes/world.py``).
"""

from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import msgspec
import pytest

from lodestard.simulator.answering.question import Answer as SimAnswer
from lodestard.simulator.answering.question import Call
from lodestard.simulator.wire import Request as SimRequest
from tests.fakes.world import CHAT, SimUpstream, World, chat, open_world

OVERLAY = """
[upstreams.google]
dialect = "gemini"
url = "{gemini}/v1beta"

[upstreams.compatible]
dialect = "openai"
url = "{gemini}/v1beta/openai"

[models]
flash-compatible = { route = ["compatible/gemini-3-flash-preview"] }
vectors = { route = ["google/gemini-embedding-001"] }
flash-old = { route = ["google/gemini-1.5-flash"] }
flash = { route = ["google/gemini-2.5-flash"] }
flash-3 = { route = ["google/gemini-3-flash-preview"] }
flash-or-not = { route = ["google/gemini-3-flash-preview", "openai/gpt-4o-mini"] }
flash-gone = { route = ["google/gemini-9-flash"] }

[prices]
"google/gemini-1.5-flash" = { input = 0.075, output = 0.30, cache_read = 0.01875, max_output_tokens = 8192 }
"google/gemini-2.5-flash" = { input = 0.30, output = 2.50, cache_read = 0.03, max_output_tokens = 65536 }
"google/gemini-3-flash-preview" = { input = 0.50, output = 3, cache_read = 0.05, max_output_tokens = 65536 }
"compatible/gemini-3-flash-preview" = { input = 0.50, output = 3, max_output_tokens = 65536 }
"google/gemini-embedding-001" = { input = 0.15, output = 0 }
"google/gemini-9-flash" = { input = 0.50, output = 3, max_output_tokens = 65536 }
"""
MODELS = ("flash-old", "flash", "flash-3")
WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "The weather somewhere.",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}
PIXEL = "data:image/png;base64,iVBORw0KGgo="


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with open_world(tmp_path, OVERLAY) as opened:
        yield opened


def google(world: World) -> SimUpstream:
    return world.upstreams["gemini"]


async def require_billed(world: World, *, requests: int = 1) -> None:
    """Everything was charged exactly, and at what the meter says."""
    rows = await world.rows()
    assert len(rows) == requests
    assert sum(row.cost_nano_usd for row in rows) == google(world).bill_nano_usd > 0
    assert not any(row.unknown_nano_usd for row in rows)


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("alias", MODELS)
async def test_an_answer_costs_what_google_billed(world: World, alias: str, stream: bool) -> None:
    google(world).say("Hello from Gemini.")
    answer = await world.ask(alias, "Say hello.", stream=stream, stream_options={"include_usage": True})
    assert (answer.status, answer.ended, answer.text) == (200, "whole", "Hello from Gemini.")
    assert answer.is_stream == stream
    (request,) = google(world).app.requests
    assert request.path.endswith(":streamGenerateContent" if stream else ":generateContent")
    assert request.query == ({"alt": "sse"} if stream else {})
    (entry,) = google(world).meter.entries
    assert answer.usage["completion_tokens"] == entry.tokens.completion
    assert answer.usage["prompt_tokens"] == entry.tokens.prompt
    assert answer.usage["completion_tokens_details"]["reasoning_tokens"] == entry.tokens.reasoning
    assert "dropped" not in answer.lodestar
    await require_billed(world)


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("alias", MODELS)
async def test_a_loop_of_tools_with_its_signatures(world: World, alias: str, stream: bool) -> None:
    """The client knows nothing of signatures: from Gemini 3 on the house gives them back for it."""
    messages: list[dict[str, Any]] = [{"role": "user", "content": "What is the weather in Paris and in Rome?"}]
    for city in ("Paris", "Rome"):
        google(world).say(SimAnswer(calls=(Call("get_weather", {"city": city}),)))
        asked = await world.request(
            "POST", CHAT, {"model": alias, "messages": messages, "tools": [WEATHER], "stream": stream}
        )
        assert (asked.status, finish_of(asked)) == (200, "tool_calls")
        (call,) = calls_of(asked)
        assert (call["function"]["name"], msgspec.json.decode(call["function"]["arguments"])) == (
            "get_weather",
            {"city": city},
        )
        messages.append({"role": "assistant", "content": None, "tool_calls": [call]})
        messages.append({"role": "tool", "tool_call_id": call["id"], "content": f"Sun in {city}."})
    google(world).say("Sunny in both.")
    answer = await world.request(
        "POST", CHAT, {"model": alias, "messages": messages, "tools": [WEATHER], "stream": stream}
    )
    assert (answer.status, answer.text) == (200, "Sunny in both.")
    body = google(world).bodies[-1]
    signatures = [part["thoughtSignature"] for part in parts_of(body) if "thoughtSignature" in part]
    assert len(signatures) == (2 if alias == "flash-3" else 0)
    assert "skip_thought_signature_validator" not in signatures
    results = [part["functionResponse"]["response"] for part in parts_of(body) if "functionResponse" in part]
    assert results == [{"result": "Sun in Paris."}, {"result": "Sun in Rome."}]
    await require_billed(world, requests=3)


@pytest.mark.parametrize("stream", [False, True])
async def test_the_compatible_endpoint_gets_its_signatures_back_too(world: World, stream: bool) -> None:
    google(world).say(
        SimAnswer(calls=(Call("get_weather", {"city": "Paris"}), Call("get_weather", {"city": "Rome"})))
    )
    messages: list[dict[str, Any]] = [{"role": "user", "content": "Weather?", "extra": 1}]
    body = {"model": "flash-compatible", "messages": messages, "tools": [WEATHER], "stream": stream}
    calls = calls_of(await world.request("POST", CHAT, body))
    known = [{name: call[name] for name in ("id", "type", "function")} for call in calls]
    messages.append({"role": "assistant", "content": None, "tool_calls": known, "more": {"a": 1.0}})
    messages += [{"role": "tool", "tool_call_id": call["id"], "content": "Sun."} for call in known]
    answer = await world.request("POST", CHAT, body)
    assert answer.status == 200
    _, told, *_ = google(world).bodies[-1]["messages"]
    assert [call.get("extra_content") for call in told["tool_calls"]] == [calls[0]["extra_content"], None]
    assert {name: told[name] for name in ("content", "more")} == {"content": None, "more": {"a": 1.0}}
    (await world.rows())


SCHEMA = WEATHER["function"]["parameters"]  # type: ignore[index]


async def test_a_client_of_anthropics_dialect_in_a_loop_of_tools(world: World) -> None:
    google(world).say(SimAnswer(calls=(Call("get_weather", {"city": "Paris"}),)))
    tools = [{"name": "get_weather", "input_schema": SCHEMA}]
    messages: list[dict[str, Any]] = [{"role": "user", "content": "Weather?"}]
    body = {"model": "flash-3", "max_tokens": 500, "messages": messages, "tools": tools}
    asked = await world.request("POST", "/v1/messages", body, {"anthropic-version": "2023-06-01"})
    (use,) = [block for block in asked.json["content"] if block["type"] == "tool_use"]
    assert (asked.json["stop_reason"], use["input"]) == ("tool_use", {"city": "Paris"})
    result = {"type": "tool_result", "tool_use_id": use["id"], "content": "none", "is_error": True}
    messages += [{"role": "assistant", "content": [use]}, {"role": "user", "content": [result]}]
    answer = await world.request("POST", "/v1/messages", body, {"anthropic-version": "2023-06-01"})
    assert answer.status == 200
    _, made, told = google(world).bodies[-1]["contents"]
    assert made["parts"][0]["thoughtSignature"].startswith("c2ln")
    assert told["parts"][0]["functionResponse"]["response"] == {"error": "none"}
    await require_billed(world, requests=2)


async def test_a_client_of_ollamas_dialect_in_a_loop_of_tools(world: World) -> None:
    """It has no ids: its calls are known by what they say."""
    google(world).say(SimAnswer(calls=(Call("get_weather", {"city": "Paris"}),)))
    messages: list[dict[str, Any]] = [{"role": "user", "content": "Weather?"}]
    body = {"model": "flash-3", "messages": messages, "tools": [WEATHER], "stream": False}
    asked = await world.request("POST", "/api/chat", body)
    (call,) = asked.json["message"]["tool_calls"]
    known = {"function": {name: call["function"][name] for name in ("name", "arguments")}}
    messages.append({"role": "assistant", "content": "", "tool_calls": [known]})
    messages.append({"role": "tool", "tool_name": "get_weather", "content": "Sun."})
    assert (await world.request("POST", "/api/chat", body)).status == 200
    _, made, told = google(world).bodies[-1]["contents"]
    assert made["parts"][0]["thoughtSignature"].startswith("c2ln")
    assert told["parts"][0]["functionResponse"]["response"] == {"result": "Sun."}
    await require_billed(world, requests=2)


@pytest.mark.parametrize("fault", [None, "no_usage"])
async def test_vectors(world: World, fault: str | None) -> None:
    google(world).fail(fault)
    answer = await world.request("POST", "/api/embed", {"model": "vectors", "input": ["one", "two"], "dimensions": 8})
    assert answer.status == 200
    assert [len(vector) for vector in answer.json["embeddings"]] == [8, 8]
    row = await world.row()
    billed = google(world).bill_nano_usd
    assert row.unknown_nano_usd > billed if fault else row.cost_nano_usd == billed > 0


async def test_the_older_endpoints_of_openai(world: World) -> None:
    vectors = await world.request(
        "POST", "/v1/embeddings", {"model": "vectors", "input": ["a", "b"], "dimensions": 4}
    )
    assert [len(one["embedding"]) for one in vectors.json["data"]] == [4, 4]
    tokens = await world.request("POST", "/v1/embeddings", {"model": "vectors", "input": [[1, 2]]})
    assert (tokens.status, tokens.error["code"]) == (400, "not_supported")
    google(world).say("four")
    text = await world.request("POST", "/v1/completions", {"model": "flash-old", "prompt": "one two"})
    assert (text.status, text.json["choices"][0]["text"]) == (200, "four")
    await require_billed(world, requests=3)


@pytest.mark.parametrize("members", [{}, {"suffix": "\n"}])
async def test_a_model_that_thinks_completes_within_a_small_limit(world: World, members: dict[str, str]) -> None:
    google(world).say(
        "four"
    )  # unless it is told otherwise it thinks for more than the 16 tokens that are the default
    text = await world.request("POST", "/v1/completions", {"model": "flash", "prompt": "one two", **members})
    assert (text.status, text.json["choices"][0]["text"]) == (200, "four")
    await require_billed(world)


async def test_calls_of_another_model_are_told_without_their_signatures(world: World) -> None:
    call = {"id": "call_1", "type": "function", "function": {"name": "get_weather", "arguments": '{"city":"Bonn"}'}}
    messages = [
        {"role": "user", "content": "What is the weather in Bonn?"},
        {"role": "assistant", "content": "Let me see.", "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "call_1", "content": "Rain."},
    ]
    answer = await world.request("POST", CHAT, {"model": "flash-3", "messages": messages, "tools": [WEATHER]})
    assert answer.status == 200
    signatures = [
        part.get("thoughtSignature") for part in parts_of(google(world).bodies[-1]) if "functionCall" in part
    ]
    assert signatures == ["skip_thought_signature_validator"]
    await require_billed(world)


async def test_calls_side_by_side(world: World) -> None:
    google(world).say(
        SimAnswer(calls=(Call("get_weather", {"city": "Paris"}), Call("get_weather", {"city": "Rome"})))
    )
    asked = await world.ask("flash-3", "Weather?", tools=[WEATHER], stream=True)
    first, second = calls_of(asked)
    assert first["id"] != second["id"]
    messages = [
        {"role": "user", "content": "Weather?"},
        {"role": "assistant", "content": None, "tool_calls": [first, second]},
        {"role": "tool", "tool_call_id": second["id"], "content": "two"},
        {"role": "tool", "tool_call_id": first["id"], "content": "one"},
    ]
    answer = await world.request("POST", CHAT, {"model": "flash-3", "messages": messages, "tools": [WEATHER]})
    assert answer.status == 200
    *_, calls, results = google(world).bodies[-1]["contents"]
    assert ["thoughtSignature" in part for part in calls["parts"]] == [True, False]
    assert [part["functionResponse"]["id"] for part in results["parts"]] == [second["id"], first["id"]]
    await require_billed(world, requests=2)


async def test_what_is_recalled_is_held_too(world: World) -> None:
    """A signature that only the house knows is billed like the rest of the prompt: it is in the hold."""
    google(world).say(SimAnswer(calls=(Call("get_weather", {"city": "Paris"}),)))
    (call,) = calls_of(await world.ask("flash-3", "Weather?", tools=[WEATHER]))
    held: list[int] = []
    for call_id in (call["id"], "x" * len(call["id"])):
        messages = [
            {"role": "user", "content": "Weather?"},
            {"role": "assistant", "content": None, "tool_calls": [{**call, "id": call_id}]},
            {"role": "tool", "tool_call_id": call_id, "content": "Sun."},
        ]
        body = {"model": "flash-3", "messages": messages, "tools": [WEATHER], "max_tokens": 1}
        found = await world.explain(await world.request("POST", CHAT, body))
        held.append(found.attempts[0].held_nano_usd)
    known, unknown = held
    assert known > unknown


async def test_images_and_a_schema(world: World) -> None:
    schema = {"type": "object", "properties": {"colour": {"type": "string"}}, "required": ["colour"]}
    answer = await world.request(
        "POST",
        CHAT,
        {
            "model": "flash",
            "messages": [
                {"role": "system", "content": "Be brief."},
                {
                    "role": "user",
                    "content": [
                        {"type": "text", "text": "Which colour?"},
                        {"type": "image_url", "image_url": {"url": PIXEL}},
                    ],
                },
            ],
            "response_format": {"type": "json_schema", "json_schema": {"name": "c", "schema": schema}},
        },
    )
    assert answer.status == 200
    assert isinstance(msgspec.json.decode(answer.text)["colour"], str)
    (body,) = google(world).bodies
    assert body["systemInstruction"] == {"parts": [{"text": "Be brief."}]}
    assert body["contents"][0]["parts"][1] == {"inlineData": {"mimeType": "image/png", "data": "iVBORw0KGgo="}}
    assert body["generationConfig"]["responseJsonSchema"] == schema
    await require_billed(world)


async def test_thoughts_are_shown_to_whom_asks_for_them(world: World) -> None:
    for stream in (False, True):
        answer = await world.ask("flash", "Why?", stream=stream, reasoning_effort="low")
        if stream:
            deltas = [choice["delta"] for chunk in answer.chunks for choice in chunk["choices"]]
            thought = "".join(delta.get("reasoning_content") or "" for delta in deltas)
        else:
            thought = answer.json["choices"][0]["message"]["reasoning_content"]
        assert thought.startswith("Let me check")
    assert google(world).bodies[0]["generationConfig"]["thinkingConfig"] == {
        "thinkingBudget": 1024,
        "includeThoughts": True,
    }
    await require_billed(world, requests=2)


@pytest.mark.parametrize("stream", [False, True])
async def test_an_output_limit_bounds_what_is_thought_too(world: World, stream: bool) -> None:
    answer = await world.ask("flash-3", "Write a lot.", max_tokens=16, stream=stream)
    assert (answer.status, finish_of(answer)) == (200, "length")
    (entry,) = google(world).meter.entries
    assert entry.tokens.completion == 16
    await require_billed(world)


@pytest.mark.parametrize("stream", [False, True])
async def test_several_candidates(world: World, stream: bool) -> None:
    google(world).say("one", "two", "three")
    answer = await world.ask("flash", n=3, stream=stream)
    assert answer.status == 200
    said: dict[int, str] = {}
    for part in (
        [choice for chunk in answer.chunks for choice in chunk["choices"]] if stream else answer.json["choices"]
    ):
        text = (part.get("delta") or part.get("message"))["content"] if not stream else part["delta"].get("content")
        said[part["index"]] = said.get(part["index"], "") + (text or "")
    assert said == {0: "one", 1: "two", 2: "three"}
    await require_billed(world)


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("said", ["sim-finish:SAFETY Half an", "sim-block:PROHIBITED_CONTENT x"])
async def test_what_google_withholds_is_filtered(world: World, said: str, stream: bool) -> None:
    google(world).say(said)
    answer = await world.ask("flash-old", stream=stream)
    assert (answer.status, answer.ended, finish_of(answer)) == (200, "whole", "content_filter")
    await require_billed(world)


async def test_a_call_that_went_wrong_is_no_answer(world: World) -> None:
    google(world).say("sim-finish:MALFORMED_FUNCTION_CALL ")
    answer = await world.ask("flash-old")
    assert (answer.status, answer.error["code"]) == (502, "upstream_error")
    row = await world.row()
    assert row.unknown_nano_usd > 0


@pytest.mark.parametrize(
    ("fault", "status", "code"),
    [
        ("status=400;message=API key not valid. Please pass a valid API key.", 401, "upstream_auth"),
        ("status=403", 401, "upstream_auth"),
        ("status=429", 429, "upstream_rate_limited"),
        ("status=500", 502, "upstream_error"),
        ("status=503", 502, "upstream_error"),
    ],
)
async def test_refusals_cost_nothing(world: World, fault: str, status: int, code: str) -> None:
    google(world).fail(fault)
    answer = await world.ask("flash")
    assert (answer.status, answer.error["code"]) == (status, code)
    row = await world.row()
    assert (row.cost_nano_usd, row.unknown_nano_usd) == (0, 0)


async def test_a_model_that_is_not_there(world: World) -> None:
    answer = await world.ask("flash-gone")
    assert (answer.status, answer.error["code"]) == (404, "upstream_model_missing")


async def test_a_prompt_that_is_too_long_is_the_callers(world: World) -> None:
    google(world).fail(
        "status=400;message=The input token count (9) exceeds the maximum number of tokens allowed (8)."
    )
    answer = await world.ask("flash")
    assert (answer.status, answer.error["code"]) == (400, "context_length_exceeded")


async def test_the_next_one_answers_where_google_can_not(world: World) -> None:
    google(world).fail("status=503")
    answer = await world.ask("flash-or-not", stream=True)
    assert (answer.status, answer.lodestar["model"], answer.lodestar["attempts"]) == (200, "openai/gpt-4o-mini", "2")


@pytest.mark.parametrize("fault", ["error=3", "cut=300", "no_done", "end=300", "garbage=300"])
async def test_a_stream_that_breaks_is_never_ended_well(world: World, fault: str) -> None:
    google(world).say("word " * 50)
    google(world).fail(fault)
    answer = await world.ask("flash-old", stream=True)
    assert answer.ended in ("cut", "reset")
    assert answer.error["code"] in ("upstream_error", "upstream_cut", "upstream_garbage")
    assert "[DONE]" not in answer.events
    row = await world.row()
    assert row.unknown_nano_usd >= google(world).bill_nano_usd > 0


async def test_usage_that_is_not_told_is_charged_at_its_hold(world: World) -> None:
    google(world).fail("no_usage")
    answer = await world.ask("flash", stream=True)
    assert answer.ended == "whole"
    row = await world.row()
    assert row.unknown_nano_usd > google(world).bill_nano_usd


async def test_a_client_that_leaves_pays_for_what_google_bills(world: World) -> None:
    google(world).say("word " * 400)
    async with world.open() as talk:
        with google(world).held(after=5):
            await talk.send("POST", CHAT, chat("flash-old", stream=True))
            await talk.receive_until(b"word")
            await talk.leave()
    await world.settle()
    (row,) = await world.rows()
    assert row.cost_nano_usd + row.unknown_nano_usd >= google(world).bill_nano_usd > 0


async def test_what_can_not_be_said_is_named(world: World) -> None:
    answer = await world.ask("flash", tools=[WEATHER], parallel_tool_calls=False, logit_bias={"1": 2}, user="me")
    assert answer.status == 200
    assert set(answer.lodestar["dropped"].split(", ")) == {"logit_bias", "parallel_tool_calls"}


async def test_the_key_goes_in_its_own_field(tmp_path: Path) -> None:
    overlay = OVERLAY.replace('/v1beta"', '/v1beta"\nkey = { env = "OPENAI_API_KEY" }')
    async with open_world(tmp_path, overlay) as world:
        assert (await world.ask("flash")).status == 200
        (request,) = google(world).app.requests
        assert key_fields(request) == {"x-goog-api-key"}


def key_fields(request: SimRequest) -> set[str]:
    return {name for name, value in request.headers.items() if "canary" in value}


def parts_of(body: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [part for content in body["contents"] for part in content["parts"]]


def calls_of(answer: Any) -> list[dict[str, Any]]:
    """The calls of an answer, plain or streamed, as a client puts them together."""
    if not answer.is_stream:
        return list(answer.json["choices"][0]["message"]["tool_calls"])
    pieces = [
        call
        for chunk in answer.chunks
        for choice in chunk["choices"]
        for call in choice["delta"].get("tool_calls") or ()
    ]
    return [{name: value for name, value in call.items() if name != "index"} for call in pieces]


def finish_of(answer: Any) -> str:
    if not answer.is_stream:
        return str(answer.json["choices"][0]["finish_reason"])
    told = [
        choice["finish_reason"] for chunk in answer.chunks for choice in chunk["choices"] if choice["finish_reason"]
    ]
    return str(told[-1])
