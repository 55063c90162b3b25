"""The simulated providers of OpenAI's shape: transcripts, refusals, flavours, and what their meter says."""

import base64
import json
import struct
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
import pytest
import trio

from lodestard.simulator.answering.question import Answer, Call
from lodestard.simulator.paid.meter import PriceRow, Tokens
from lodestard.simulator.paid.openai_app import OpenAIApp
from lodestard.simulator.paid.providers import GEMINI, OPENAI, XAI, Allowance, Provider, usd_per_million
from lodestard.simulator.server import Simulator
from lodestard.simulator.world import simulate_provider
from tests.fakes.sim_client import SimClient

Connect = Callable[[Simulator], Awaitable[SimClient]]
Wall = Callable[[], int]
CHAT = "/v1/chat/completions"
HI = [{"role": "user", "content": "hi"}]
ASK: dict[str, Any] = {"model": "gpt-4o-mini", "messages": HI}
TOOLS = [
    {
        "type": "function",
        "function": {"name": name, "parameters": {"type": "object", "properties": {"x": {"type": "string"}}}},
    }
    for name in ("get_weather", "get_time", "other_thing")
]


def meter_of(simulator: Simulator) -> Any:
    assert isinstance(simulator.app, OpenAIApp)
    return simulator.app.desk.meter


async def test_plain_chat(connect: Connect, wall_ns: Wall) -> None:
    simulator = simulate_provider(OPENAI, wall_ns=wall_ns, script=lambda _: "Hello!")
    reply = await (await connect(simulator)).ask("POST", CHAT, ASK)
    assert reply.json == {
        "id": "chatcmpl-sim00000000",
        "created": 1795168800,
        "model": "gpt-4o-mini",
        "service_tier": "default",
        "system_fingerprint": "fp_simulated",
        "object": "chat.completion",
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": "Hello!", "refusal": None},
                "logprobs": None,
                "finish_reason": "stop",
            }
        ],
        "usage": {
            "prompt_tokens": 2,
            "completion_tokens": 2,
            "total_tokens": 4,
            "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0},
            "completion_tokens_details": {
                "reasoning_tokens": 0,
                "audio_tokens": 0,
                "accepted_prediction_tokens": 0,
                "rejected_prediction_tokens": 0,
            },
        },
    }
    assert reply.headers["x-ratelimit-remaining-requests"] == "9999"
    assert reply.headers["x-ratelimit-reset-tokens"].endswith("s")
    assert reply.headers["x-request-id"] == "req_sim00000000"


async def test_streamed_chat(connect: Connect, wall_ns: Wall) -> None:
    client = await connect(simulate_provider(OPENAI, wall_ns=wall_ns, script=lambda _: "Hello!"))
    reply = await client.ask("POST", CHAT, {**ASK, "stream": True, "stream_options": {"include_usage": True}})
    assert reply.headers["content-type"].startswith("text/event-stream")
    *chunks, done = reply.events
    assert done == "[DONE]"
    assert [chunk["choices"][0]["delta"] for chunk in chunks[:-1]] == [
        {"role": "assistant", "content": ""},
        {"content": "Hell"},
        {"content": "o!"},
        {},
    ]
    assert [chunk["usage"] for chunk in chunks[:-1]] == [None] * 4
    assert chunks[-2]["choices"][0]["finish_reason"] == "stop"
    assert (chunks[-1]["choices"], chunks[-1]["usage"]["total_tokens"]) == ([], 4)
    bare = (await client.ask("POST", CHAT, {**ASK, "stream": True})).events
    assert all("usage" not in chunk for chunk in bare[:-1])


async def test_n_tools_and_logprobs_streamed(connect: Connect, wall_ns: Wall) -> None:
    client = await connect(simulate_provider(OPENAI, wall_ns=wall_ns))
    question = [{"role": "user", "content": "get_weather and get_time for Oslo"}]
    body = {"model": "gpt-4o", "messages": question, "tools": TOOLS, "stream": True, "n": 2}
    chunks = (await client.ask("POST", CHAT, body)).events[:-1]
    for index in (0, 1):
        deltas = [c["choices"][0]["delta"] for c in chunks if c["choices"][0]["index"] == index]
        calls = [delta["tool_calls"][0] for delta in deltas if "tool_calls" in delta]
        assert [call["function"]["name"] for call in calls if "id" in call] == ["get_weather", "get_time"]
        for at in (0, 1):
            pieces = [call["function"]["arguments"] for call in calls if call["index"] == at]
            assert len(pieces) > 2
            assert json.loads("".join(pieces)) == {"x": "Oslo"}
    assert [c["choices"][0]["finish_reason"] for c in chunks[-2:]] == ["tool_calls", "tool_calls"]
    one = await client.ask("POST", CHAT, {**body, "stream": False, "n": 1, "parallel_tool_calls": False})
    assert len(one.json["choices"][0]["message"]["tool_calls"]) == 1
    chosen = {"type": "function", "function": {"name": "other_thing"}}
    for choice, count in (("none", 0), ("required", 1), (chosen, 1)):
        asked = {**ASK, "tools": TOOLS, "tool_choice": choice}
        message = (await client.ask("POST", CHAT, asked)).json["choices"][0]["message"]
        assert len(message.get("tool_calls", [])) == count
    spoken = await client.ask("POST", CHAT, {**ASK, "logprobs": True, "top_logprobs": 2})
    content = spoken.json["choices"][0]["logprobs"]["content"]
    assert "".join(one["token"] for one in content) == spoken.json["choices"][0]["message"]["content"]
    assert all(one["logprob"] < 0 and len(one["top_logprobs"]) == 2 for one in content)
    streamed = (await client.ask("POST", CHAT, {**ASK, "logprobs": True, "stream": True})).events
    assert (
        streamed[1]["choices"][0]["logprobs"]["content"][0]["token"] == streamed[1]["choices"][0]["delta"]["content"]
    )


async def test_schema_and_json_object(connect: Connect, wall_ns: Wall) -> None:
    client = await connect(simulate_provider(OPENAI, wall_ns=wall_ns))
    schema = {"type": "object", "properties": {"ok": {"type": "boolean"}}}
    form = {"type": "json_schema", "json_schema": {"name": "x", "schema": schema}}
    reply = await client.ask("POST", CHAT, {**ASK, "response_format": form})
    assert reply.json["choices"][0]["message"]["content"] == '{"ok":true}'
    reply = await client.ask("POST", CHAT, {**ASK, "response_format": {"type": "json_object"}})
    assert json.loads(reply.json["choices"][0]["message"]["content"])


@pytest.mark.parametrize(
    ("members", "text", "finish"),
    [
        ({"max_tokens": 2}, "one two ", "length"),
        ({"max_completion_tokens": 1}, "one ", "length"),
        ({"stop": "two"}, "one ", "stop"),
        ({"stop": ["three", "wo"]}, "one t", "stop"),
    ],
)
async def test_limits(connect: Connect, wall_ns: Wall, members: dict[str, Any], text: str, finish: str) -> None:
    client = await connect(simulate_provider(OPENAI, wall_ns=wall_ns, script=lambda _: "one two three"))
    (choice,) = (await client.ask("POST", CHAT, {**ASK, **members})).json["choices"]
    assert (choice["message"]["content"], choice["finish_reason"]) == (text, finish)


async def test_a_tool_call_that_does_not_fit_is_length(connect: Connect, wall_ns: Wall) -> None:
    answer = Answer(calls=(Call("f", {"a": "x" * 100}),))
    client = await connect(simulate_provider(OPENAI, wall_ns=wall_ns, script=lambda _: answer))
    (choice,) = (await client.ask("POST", CHAT, {**ASK, "max_tokens": 5})).json["choices"]
    assert choice["finish_reason"] == "length"


@pytest.mark.parametrize(
    ("body", "status", "code", "param"),
    [
        (b"{", 400, None, None),
        ({"messages": HI}, 400, None, "model"),
        ({"model": "gpt-9", "messages": HI}, 404, "model_not_found", "model"),
        ({"model": "gpt-4o"}, 400, "missing_required_parameter", "messages"),
        ({"model": "gpt-4o", "messages": []}, 400, None, "messages"),
        ({"model": "gpt-4o", "messages": "hi"}, 400, "invalid_type", "messages"),
        ({"model": "gpt-4o", "messages": [3]}, 400, "invalid_type", "messages[0]"),
        ({"model": "gpt-4o", "messages": [{"role": "boss"}]}, 400, "invalid_value", "messages[0].role"),
        (
            {"model": "gpt-4o", "messages": [{"role": "user", "content": 3}]},
            400,
            "invalid_type",
            "messages[0].content",
        ),
        ({**ASK, "n": 0}, 400, "integer_out_of_range", "n"),
        ({**ASK, "n": True}, 400, "invalid_type", "n"),
        ({**ASK, "tools": [3]}, 400, "invalid_type", "tools"),
        ({**ASK, "tools": [{"type": "function", "function": {}}]}, 400, None, "tools[0].function.name"),
        ({"model": "o4-mini", "messages": HI, "max_tokens": 5}, 400, "unsupported_parameter", "max_tokens"),
        ({"model": "o4-mini", "messages": HI, "temperature": 0}, 400, "unsupported_value", "temperature"),
        (
            {"model": "gpt-4o", "messages": [{"role": "user", "content": "x" * 600_000}]},
            400,
            "context_length_exceeded",
            "messages",
        ),
    ],
)
async def test_refusals(
    connect: Connect, wall_ns: Wall, body: Any, status: int, code: str | None, param: str | None
) -> None:
    simulator = simulate_provider(OPENAI, wall_ns=wall_ns)
    reply = await (await connect(simulator)).ask("POST", CHAT, body)
    error = reply.json["error"]
    assert (reply.status, error["code"], error["param"]) == (status, code, param)
    assert error["message"]
    assert (meter_of(simulator).seen, meter_of(simulator).billed) == (1, 0)


async def test_images_parts_and_tool_turns_are_read(connect: Connect, wall_ns: Wall) -> None:
    client = await connect(simulate_provider(OPENAI, wall_ns=wall_ns))
    parts = [{"type": "text", "text": "see"}, {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA"}}]
    turns = [
        {"role": "developer", "content": "be brief"},
        {"role": "user", "content": parts},
        {"role": "assistant", "content": None, "tool_calls": [{"id": "a"}]},
        {"role": "tool", "content": "42", "tool_call_id": "a"},
    ]
    reply = await client.ask("POST", CHAT, {"model": "gpt-4o", "messages": turns, "tools": TOOLS})
    assert reply.json["usage"]["prompt_tokens"] > 85
    assert "tool_calls" not in reply.json["choices"][0]["message"]


@pytest.mark.parametrize(
    ("provider", "status", "check"),
    [
        (OPENAI, 401, lambda body: body["error"]["code"] == "invalid_api_key"),
        (XAI, 400, lambda body: isinstance(body["error"], str) and isinstance(body["code"], str)),
        (GEMINI, 400, lambda body: body[0]["error"]["status"] == "INVALID_ARGUMENT"),
    ],
)
async def test_keys(
    provider: Provider, status: int, check: Callable[[Any], bool], connect: Connect, wall_ns: Wall
) -> None:
    client = await connect(simulate_provider(msgspec.structs.replace(provider, key="sk-right"), wall_ns=wall_ns))
    body = {"model": provider.models[0].name, "messages": HI}
    path = provider.flavour.prefix + "/chat/completions"
    for headers in ({}, {"authorization": "Bearer sk-wrong"}):
        reply = await client.ask("POST", path, body, **headers)
        assert reply.status == status
        assert check(reply.json)
        assert b"sk-" not in reply.body
    assert (await client.ask("POST", path, body, authorization="Bearer sk-right")).status == 200
    assert (await client.ask("POST", path, body, api_key="sk-right")).status == 200


async def test_models_and_unknown_paths(connect: Connect, wall_ns: Wall) -> None:
    client = await connect(simulate_provider(OPENAI, wall_ns=wall_ns))
    listed = (await client.ask("GET", "/v1/models")).json
    assert listed["object"] == "list"
    assert listed["data"][0] == {"id": "gpt-4o-mini", "object": "model", "created": 1700000000, "owned_by": "openai"}
    assert (await client.ask("GET", "/v1/models/gpt-4o")).json["id"] == "gpt-4o"
    assert (await client.ask("GET", "/v1/models/nope")).json["error"]["code"] == "model_not_found"
    assert (await client.ask("GET", "/v1/nope")).status == 404
    gemini = await connect(simulate_provider(GEMINI, wall_ns=wall_ns))
    assert (await gemini.ask("GET", "/v1beta/openai/models")).json["data"][0]["id"] == "models/gemini-1.5-flash"
    assert (await gemini.ask("GET", "/elsewhere")).status == 404


async def test_xai_bills_reasoning_beside_and_says_its_cost(connect: Connect, wall_ns: Wall) -> None:
    simulator = simulate_provider(XAI, wall_ns=wall_ns, script=lambda _: "Hello!")
    client = await connect(simulator)
    body = {"model": "grok-3-mini", "messages": HI}
    reply = (await client.ask("POST", CHAT, body)).json
    usage = reply["usage"]
    assert reply["choices"][0]["message"]["reasoning_content"]
    assert (usage["completion_tokens"], usage["completion_tokens_details"]["reasoning_tokens"]) == (2, 48)
    assert usage["total_tokens"] == 2 + 2 + 48
    assert usage["cost_in_usd_ticks"] * 100 == 2 * 300_000 + 50 * 500_000
    chunks = (await client.ask("POST", CHAT, {**body, "stream": True})).events
    assert chunks[-2]["usage"] == usage
    assert any("reasoning_content" in chunk["choices"][0]["delta"] for chunk in chunks[:-2] if chunk["choices"])
    assert meter_of(simulator).nano_usd == 2 * (usage["cost_in_usd_ticks"] // 10)


async def test_gemini_streams_whole_calls_and_bare_usage(connect: Connect, wall_ns: Wall) -> None:
    client = await connect(simulate_provider(GEMINI, wall_ns=wall_ns))
    body = {"model": "gemini-1.5-flash", "messages": HI, "tools": TOOLS, "tool_choice": "required", "stream": True}
    chunks = (await client.ask("POST", "/v1beta/openai/chat/completions", body)).events
    calls = [c["choices"][0]["delta"]["tool_calls"] for c in chunks[:-1] if "tool_calls" in c["choices"][0]["delta"]]
    assert len(calls) == 1
    assert json.loads(calls[0][0]["function"]["arguments"]) == {"x": "text"}
    plain = await client.ask("POST", CHAT, {"model": "gemini-1.5-flash", "messages": HI})
    assert set(plain.json["usage"]) == {"prompt_tokens", "completion_tokens", "total_tokens"}


async def test_hidden_reasoning_is_billed_within_completion(connect: Connect, wall_ns: Wall) -> None:
    simulator = simulate_provider(OPENAI, wall_ns=wall_ns, script=lambda _: "Hello!")
    client = await connect(simulator)
    body = {"model": "o4-mini", "messages": HI}
    reply = (await client.ask("POST", CHAT, body)).json
    assert reply["usage"]["completion_tokens"] == 64 + 2
    assert reply["usage"]["completion_tokens_details"]["reasoning_tokens"] == 64
    assert "reasoning_content" not in reply["choices"][0]["message"]
    streamed = await client.ask("POST", CHAT, {**body, "stream": True, "max_completion_tokens": 10})
    assert streamed.events[-2]["choices"][0]["finish_reason"] == "length"
    assert meter_of(simulator).entries[-1].tokens == Tokens(prompt=2, completion=10, reasoning=10)
    off = (await client.ask("POST", CHAT, {**body, "reasoning_effort": "none"})).json
    assert off["usage"]["completion_tokens"] == 2


async def test_a_prompt_seen_before_is_cached_in_blocks(connect: Connect, wall_ns: Wall) -> None:
    simulator = simulate_provider(OPENAI, wall_ns=wall_ns, script=lambda _: "ok")
    client = await connect(simulator)
    body = {"model": "gpt-4o", "messages": [{"role": "user", "content": "word " * 1200}]}
    longer = {**body, "messages": [*body["messages"], {"role": "user", "content": "and more"}]}

    async def cached(what: Any) -> int:
        usage = (await client.ask("POST", CHAT, what)).json["usage"]
        return int(usage["prompt_tokens_details"]["cached_tokens"])

    assert await cached(body) == 0
    assert await cached(longer) == 1408
    assert await cached({**body, "model": "gpt-4o-mini"}) == 0
    one, two, _ = meter_of(simulator).entries
    assert two.nano_usd * 1000 == (two.tokens.prompt - 1408) * 2_500_000 + 1408 * 1_250_000 + 10_000_000
    assert one.tokens.cached == 0


async def test_the_meter_over_http_and_reset(connect: Connect, wall_ns: Wall) -> None:
    client = await connect(simulate_provider(OPENAI, wall_ns=wall_ns, script=lambda _: "Hello!"))
    await client.ask("POST", CHAT, ASK)
    await client.ask("POST", CHAT, {**ASK, "model": "nope"})
    meter = (await client.ask("GET", "/__sim/meter")).json
    nano_usd = (2 * 150_000 + 2 * 600_000) // 1000
    assert (meter["seen"], meter["billed"], meter["nano_usd"]) == (2, 1, nano_usd)
    assert meter["models"]["gpt-4o-mini"]["completion"] == 2
    assert meter["entries"][0]["outcome"] == "whole"
    assert (await client.ask("GET", "/__sim/state")).json["provider"] == "openai"
    await client.ask("POST", "/__sim/reset")
    assert (await client.ask("GET", "/__sim/meter")).json["seen"] == 0


async def test_amounts_are_rounded_up_once() -> None:
    price = PriceRow(prompt=150_000, completion=600_000, cached=75_001)
    assert Tokens(prompt=3, cached=1, completion=1).pico_usd(price) == 2 * 150_000 + 75_001 + 600_000
    assert usd_per_million("0.15", "10", "0.075") == PriceRow(
        prompt=150_000, completion=10_000_000, cached=75_000, cache_write=150_000
    )


@pytest.mark.parametrize("whole", [False, True])
async def test_a_cut_stream_is_billed_by_the_providers_habit(connect: Connect, wall_ns: Wall, whole: bool) -> None:
    provider = msgspec.structs.replace(OPENAI, bills_whole_when_cut=whole)
    simulator = simulate_provider(provider, wall_ns=wall_ns, script=lambda _: "one two three four five")
    client = await connect(simulator)
    reply = await client.ask("POST", CHAT, {**ASK, "stream": True}, x_sim_fault="error=3")
    assert reply.ended == "whole"
    (entry,) = meter_of(simulator).entries
    assert entry.outcome == "cut"
    assert entry.tokens == Tokens(prompt=2, completion=6 if whole else 2)


async def test_cut_and_reset_are_billed_once(connect: Connect, wall_ns: Wall) -> None:
    simulator = simulate_provider(OPENAI, wall_ns=wall_ns, script=lambda _: "one two three four five")
    for fault, billed in (("reset", 0), ("cut=0", 0), ("cut=300", 1), ("hang", 0)):
        client = await connect(simulator)
        with trio.move_on_after(0.01):
            await client.ask("POST", CHAT, {**ASK, "stream": True}, x_sim_fault=fault)
        await client.stream.aclose()
        await trio.testing.wait_all_tasks_blocked()
        assert meter_of(simulator).entries[-1].tokens.completion == billed
    assert meter_of(simulator).billed == 4
    plain = await (await connect(simulator)).ask("POST", CHAT, ASK, x_sim_fault="reset")
    assert plain.ended == "reset"
    assert meter_of(simulator).entries[-1].tokens.completion == 6


async def test_a_client_that_leaves_stops_the_bill(connect: Connect, wall_ns: Wall, autojump_clock: object) -> None:
    for stream in (True, False):
        provider = msgspec.structs.replace(OPENAI, first_byte_s=1.0, tokens_per_s=1.0)
        simulator = simulate_provider(provider, wall_ns=wall_ns, script=lambda _: "one two three four five")
        client = await connect(simulator)
        await client.send("POST", CHAT, {**ASK, "stream": stream})
        await trio.sleep(3.5)
        await client.stream.aclose()
        await trio.sleep(1)
        (entry,) = meter_of(simulator).entries
        assert entry.outcome == "cut"
        assert entry.tokens.completion == (3 if stream else 6)


async def test_rate_limits_that_are_enforced(connect: Connect, wall_ns: Wall, autojump_clock: object) -> None:
    provider = msgspec.structs.replace(OPENAI, allowance=Allowance(requests=2, tokens=100, enforced=True))
    client = await connect(simulate_provider(provider, wall_ns=wall_ns))
    statuses = [(await client.ask("POST", CHAT, ASK)).status for _ in range(3)]
    assert statuses == [200, 200, 429]
    await trio.sleep(61)
    reply = await client.ask("POST", CHAT, ASK)
    assert (reply.status, reply.headers["x-ratelimit-reset-requests"]) == (200, "1m0s")


async def test_insufficient_quota_has_its_own_type(connect: Connect, wall_ns: Wall) -> None:
    client = await connect(simulate_provider(OPENAI, wall_ns=wall_ns))
    reply = await client.ask("POST", CHAT, ASK, x_sim_fault="status=429;code=insufficient_quota")
    assert (reply.json["error"]["type"], reply.json["error"]["code"]) == ("insufficient_quota", "insufficient_quota")


async def test_older_completions(connect: Connect, wall_ns: Wall) -> None:
    simulator = simulate_provider(OPENAI, wall_ns=wall_ns, script=lambda _: "one two three")
    client = await connect(simulator)
    body = {"model": "gpt-3.5-turbo-instruct", "prompt": ["a", "b"], "max_tokens": 2, "n": 2}
    reply = (await client.ask("POST", "/v1/completions", body)).json
    assert [(c["index"], c["text"], c["finish_reason"]) for c in reply["choices"]] == [
        (index, "one two ", "length") for index in range(4)
    ]
    assert reply["usage"]["completion_tokens"] == 8
    streamed = {**body, "prompt": "a", "n": 1, "stream": True, "stream_options": {"include_usage": True}}
    *chunks, done = (await client.ask("POST", "/v1/completions", streamed)).events
    assert done == "[DONE]"
    assert "".join(c["choices"][0]["text"] for c in chunks[:-1]) == "one two "
    assert chunks[-1]["usage"]["completion_tokens"] == 2
    filled = {"model": "gpt-3.5-turbo-instruct", "prompt": "a", "suffix": "b"}
    assert (await client.ask("POST", "/v1/completions", filled)).status == 200
    assert (await client.ask("POST", "/v1/completions", {**body, "prompt": None})).status == 400


async def test_paid_embeddings(connect: Connect, wall_ns: Wall) -> None:
    simulator = simulate_provider(OPENAI, wall_ns=wall_ns)
    client = await connect(simulator)
    body = {"model": "text-embedding-3-small", "input": ["red house", "blue"], "dimensions": 16}
    reply = (await client.ask("POST", "/v1/embeddings", body)).json
    vector = reply["data"][0]["embedding"]
    assert (len(reply["data"]), len(vector)) == (2, 16)
    packed = (await client.ask("POST", "/v1/embeddings", {**body, "encoding_format": "base64"})).json
    assert struct.unpack("16f", base64.b64decode(packed["data"][0]["embedding"])) == pytest.approx(vector)
    assert (await client.ask("POST", "/v1/embeddings", {**body, "input": [1, 2, 3]})).status == 200
    assert (await client.ask("POST", "/v1/embeddings", {**body, "model": "gpt-4o"})).status == 403
    assert meter_of(simulator).models["text-embedding-3-small"].completion == 0
