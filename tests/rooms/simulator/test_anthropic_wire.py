"""The simulated Anthropic: transcripts of messages, events, caching, thinking and errors."""

import json
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
import pytest
import trio

from lodestard.simulator.answering.question import Answer, Call
from lodestard.simulator.paid.anthropic_app import AnthropicApp
from lodestard.simulator.paid.anthropic_rules import signature
from lodestard.simulator.paid.meter import Tokens
from lodestard.simulator.paid.providers import ANTHROPIC
from lodestard.simulator.server import Simulator
from lodestard.simulator.world import simulate_provider
from tests.fakes.sim_client import SimClient, SimReply

Connect = Callable[[Simulator], Awaitable[SimClient]]
Wall = Callable[[], int]
MODEL = "claude-sonnet-4-5-20250929"
HI = [{"role": "user", "content": "hi"}]
ASK: dict[str, Any] = {"model": MODEL, "max_tokens": 100, "messages": HI}


async def ask(client: SimClient, body: Any, path: str = "/v1/messages", version: str = "2023-06-01") -> SimReply:
    return await client.ask("POST", path, body, anthropic_version=version)


def meter_of(simulator: Simulator) -> Any:
    assert isinstance(simulator.app, AnthropicApp)
    return simulator.app.desk.meter


async def test_plain_message(connect: Connect, wall_ns: Wall) -> None:
    simulator = simulate_provider(ANTHROPIC, wall_ns=wall_ns, script=lambda _: "Hello!")
    reply = await ask(await connect(simulator), ASK)
    assert reply.json == {
        "id": "msg_sim00000000",
        "type": "message",
        "role": "assistant",
        "model": MODEL,
        "content": [{"type": "text", "text": "Hello!"}],
        "stop_reason": "end_turn",
        "stop_sequence": None,
        "usage": {
            "input_tokens": 2,
            "cache_creation_input_tokens": 0,
            "cache_read_input_tokens": 0,
            "cache_creation": {"ephemeral_5m_input_tokens": 0, "ephemeral_1h_input_tokens": 0},
            "service_tier": "standard",
            "output_tokens": 2,
        },
    }
    assert reply.headers["request-id"] == "req_sim00000000"
    assert reply.headers["anthropic-ratelimit-requests-remaining"] == "9999"
    assert reply.headers["anthropic-ratelimit-tokens-reset"] == "2026-11-20T10:01:00Z"
    assert meter_of(simulator).nano_usd == (2 * 3_000_000 + 2 * 15_000_000) // 1000


async def test_streamed_message(connect: Connect, wall_ns: Wall) -> None:
    client = await connect(simulate_provider(ANTHROPIC, wall_ns=wall_ns, script=lambda _: "Hello!"))
    reply = await ask(client, {**ASK, "stream": True})
    kinds = [line[7:].decode() for line in reply.body.split(b"\n") if line.startswith(b"event: ")]
    assert kinds == [event["type"] for event in reply.events]
    assert kinds == [
        "message_start",
        "ping",
        "content_block_start",
        "content_block_delta",
        "content_block_delta",
        "content_block_stop",
        "message_delta",
        "message_stop",
    ]
    assert reply.events[0]["message"]["usage"]["input_tokens"] == 2
    assert reply.events[6]["usage"] == {"output_tokens": 2}
    assert reply.events[6]["delta"] == {"stop_reason": "end_turn", "stop_sequence": None}


async def test_tools(connect: Connect, wall_ns: Wall) -> None:
    answer = Answer(calls=(Call("get_weather", {"city": "Oslo"}), Call("now", {})))
    client = await connect(simulate_provider(ANTHROPIC, wall_ns=wall_ns, script=lambda _: answer))
    plain = (await ask(client, ASK)).json
    assert plain["stop_reason"] == "tool_use"
    assert [(b["type"], b["name"], b["input"]) for b in plain["content"]] == [
        ("tool_use", "get_weather", {"city": "Oslo"}),
        ("tool_use", "now", {}),
    ]
    assert plain["content"][0]["id"].startswith("toolu_")
    events = (await ask(client, {**ASK, "stream": True})).events
    pieces = [e["delta"]["partial_json"] for e in events if e["type"] == "content_block_delta"]
    assert json.loads("".join(pieces)) == {"city": "Oslo"}
    assert len(pieces) > 1
    assert {e["index"] for e in events if e["type"] == "content_block_delta"} == {0}


async def test_tool_choice_and_tool_results(connect: Connect, wall_ns: Wall) -> None:
    client = await connect(simulate_provider(ANTHROPIC, wall_ns=wall_ns))
    tools = [
        {"name": name, "input_schema": {"type": "object", "properties": {"a": {"type": "integer"}}}}
        for name in ("alpha", "beta")
    ]
    for choice, names in (
        ({"type": "any"}, ["alpha"]),
        ({"type": "tool", "name": "beta"}, ["beta"]),
        ({"type": "none"}, []),
        ({"type": "auto", "disable_parallel_tool_use": True}, []),
    ):
        content = (await ask(client, {**ASK, "tools": tools, "tool_choice": choice})).json["content"]
        assert [block["name"] for block in content if block["type"] == "tool_use"] == names
    turns = [
        {"role": "user", "content": "use alpha"},
        {
            "role": "assistant",
            "content": [
                {"type": "thinking", "thinking": "hm", "signature": signature("hm")},
                {"type": "tool_use", "id": "t", "name": "alpha", "input": {"a": 1}},
                {"type": "redacted_thinking", "data": "x"},
            ],
        },
        {
            "role": "user",
            "content": [
                {"type": "tool_result", "tool_use_id": "t", "content": [{"type": "text", "text": "42"}]},
                {"type": "image", "source": {}},
            ],
        },
    ]
    reply = (
        await ask(client, {**ASK, "tools": tools, "messages": turns, "system": [{"type": "text", "text": "s"}]})
    ).json
    assert reply["stop_reason"] == "end_turn"
    assert reply["usage"]["input_tokens"] > 85


async def test_thinking_has_a_signature(connect: Connect, wall_ns: Wall) -> None:
    simulator = simulate_provider(ANTHROPIC, wall_ns=wall_ns, script=lambda _: "yes")
    client = await connect(simulator)
    body = {**ASK, "max_tokens": 2000, "thinking": {"type": "enabled", "budget_tokens": 1024}}
    plain = (await ask(client, body)).json
    assert [block["type"] for block in plain["content"]] == ["thinking", "text"]
    assert plain["usage"]["output_tokens"] == 32 + 1
    deltas = [e["delta"] for e in (await ask(client, {**body, "stream": True})).events if "delta" in e]
    kinds = [delta.get("type") for delta in deltas]
    assert kinds.count("thinking_delta") == 32
    signed = next(delta for delta in deltas if delta.get("type") == "signature_delta")
    assert signed["signature"] == plain["content"][0]["signature"]
    assert meter_of(simulator).entries[-1].tokens == Tokens(prompt=2, completion=33, reasoning=32)


async def test_marked_prompts_are_written_then_read(connect: Connect, wall_ns: Wall) -> None:
    simulator = simulate_provider(ANTHROPIC, wall_ns=wall_ns, script=lambda _: "ok")
    client = await connect(simulator)
    long = {"type": "text", "text": "rule " * 1000, "cache_control": {"type": "ephemeral"}}

    async def usage(**members: Any) -> tuple[int, int, int]:
        found = (await ask(client, {**ASK, **members})).json["usage"]
        names = ("input_tokens", "cache_creation_input_tokens", "cache_read_input_tokens")
        one, two, three = (found[name] for name in names)
        return one, two, three

    fresh, written, read = await usage(system=[long])
    assert (read, written) == (0, 1251)
    assert await usage(system=[long]) == (fresh, 0, written)
    assert (await usage(system=[{"type": "text", "text": "short", "cache_control": {"type": "ephemeral"}}]))[1:] == (
        0,
        0,
    )
    turns = [{"role": "user", "content": "word " * 1000}]
    assert (await usage(system=[long], messages=turns, cache_control={"type": "ephemeral"}))[1:] == (1251, 1251)
    one, two, *_ = meter_of(simulator).entries
    assert one.nano_usd - two.nano_usd == -(-1251 * (3_750_000 - 300_000) // 1000)


async def test_stop_reasons(connect: Connect, wall_ns: Wall) -> None:
    client = await connect(simulate_provider(ANTHROPIC, wall_ns=wall_ns, script=lambda _: "one two three"))
    assert (await ask(client, {**ASK, "max_tokens": 1})).json["stop_reason"] == "max_tokens"
    stopped = (await ask(client, {**ASK, "stop_sequences": ["two"]})).json
    assert (stopped["stop_reason"], stopped["stop_sequence"]) == ("stop_sequence", "two")


async def test_count_tokens_and_models(connect: Connect, wall_ns: Wall) -> None:
    simulator = simulate_provider(ANTHROPIC, wall_ns=wall_ns)
    client = await connect(simulator)
    counted = await ask(client, {"model": MODEL, "messages": HI}, "/v1/messages/count_tokens?beta=true")
    assert counted.json == {"input_tokens": 2}
    assert meter_of(simulator).billed == 0
    listed = (await client.ask("GET", "/v1/models?limit=1000", anthropic_version="2023-06-01")).json
    assert listed["has_more"] is False
    assert listed["first_id"] == listed["data"][0]["id"] == MODEL
    assert listed["data"][0]["type"] == "model"
    one = await client.ask("GET", f"/v1/models/{MODEL}", anthropic_version="2023-06-01")
    assert one.json["id"] == MODEL
    assert (await client.ask("GET", "/v1/models/x", anthropic_version="2023-06-01")).status == 404


@pytest.mark.parametrize(
    ("body", "status", "kind", "message"),
    [
        (b"[]", 400, "invalid_request_error", None),
        ({"model": MODEL, "messages": HI}, 400, "invalid_request_error", "max_tokens: Field required"),
        ({"model": MODEL, "max_tokens": 5}, 400, "invalid_request_error", "messages: Field required"),
        ({**ASK, "max_tokens": 0}, 400, "invalid_request_error", None),
        ({**ASK, "max_tokens": 10**6}, 400, "invalid_request_error", None),
        ({**ASK, "max_tokens": "5"}, 400, "invalid_request_error", "max_tokens: Input should be a valid integer"),
        ({**ASK, "messages": []}, 400, "invalid_request_error", "messages: at least one message is required"),
        ({**ASK, "messages": ["hi"]}, 400, "invalid_request_error", None),
        ({**ASK, "messages": [{"role": "system", "content": "x"}]}, 400, "invalid_request_error", None),
        ({**ASK, "messages": [{"role": "user", "content": 3}]}, 400, "invalid_request_error", None),
        ({**ASK, "tools": [{}]}, 400, "invalid_request_error", "tools.0.name: Field required"),
        ({**ASK, "model": "claude-9"}, 404, "not_found_error", "model: claude-9"),
        ({**ASK, "thinking": {"type": "enabled", "budget_tokens": 5}}, 400, "invalid_request_error", None),
        ({**ASK, "thinking": {"type": "enabled", "budget_tokens": 1024}}, 400, "invalid_request_error", None),
        ({**ASK, "messages": [{"role": "user", "content": "x" * 900_000}]}, 400, "invalid_request_error", None),
    ],
)
async def test_message_refusals(
    connect: Connect, wall_ns: Wall, body: Any, status: int, kind: str, message: str | None
) -> None:
    reply = await ask(await connect(simulate_provider(ANTHROPIC, wall_ns=wall_ns)), body)
    assert reply.status == status
    assert reply.json["type"] == "error"
    assert reply.json["error"]["type"] == kind
    assert reply.json["request_id"] == reply.headers["request-id"]
    assert message is None or reply.json["error"]["message"] == message


async def test_versions_keys_and_paths(connect: Connect, wall_ns: Wall) -> None:
    simulator = simulate_provider(msgspec.structs.replace(ANTHROPIC, key="right"), wall_ns=wall_ns)
    client = await connect(simulator)
    assert (await client.ask("POST", "/v1/messages", ASK)).status == 400
    bad = await ask(client, ASK)
    assert (bad.status, bad.json["error"]["type"]) == (401, "authentication_error")
    for headers in ({"x-api-key": "right"}, {"authorization": "Bearer right"}):
        headers = {"anthropic-version": "2026-10-21", **headers}
        assert (await client.ask("POST", "/v1/messages", ASK, **headers)).status == 200
        hot = await client.ask("POST", "/v1/messages", {**ASK, "temperature": 1.0}, **headers)
        assert (hot.status, hot.json["error"]["type"]) == (400, "invalid_request_error")
        assert (await client.ask("GET", "/v1/nope", **headers)).status == 404
    assert simulator.app.state_json()["provider"] == "anthropic"


async def test_a_reader_who_leaves_stops_the_bill(connect: Connect, wall_ns: Wall, autojump_clock: object) -> None:
    provider = msgspec.structs.replace(ANTHROPIC, tokens_per_s=1.0)
    simulator = simulate_provider(provider, wall_ns=wall_ns, script=lambda _: "one two three four")
    client = await connect(simulator)
    await client.send("POST", "/v1/messages", {**ASK, "stream": True}, anthropic_version="2023-06-01")
    await trio.sleep(2.5)
    await client.stream.aclose()
    await trio.sleep(1)
    (entry,) = meter_of(simulator).entries
    assert (entry.outcome, entry.tokens.completion) == ("cut", 3)
    simulator.reset()
    assert meter_of(simulator).seen == 0


USED: dict[str, Any] = {"role": "assistant", "content": [{"type": "tool_use", "id": "t", "name": "f", "input": {}}]}
GAVE: dict[str, Any] = {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t", "content": "42"}]}
TOOLS = [{"name": "f", "input_schema": {"type": "object"}}]
THINKING = {"max_tokens": 2_000, "thinking": {"type": "enabled", "budget_tokens": 1_024}}
MARKED = {"type": "text", "text": "x", "cache_control": {"type": "ephemeral"}}


def turn(*blocks: Any, role: str = "user") -> dict[str, Any]:
    return {"role": role, "content": list(blocks)}


@pytest.mark.parametrize(
    ("members", "complaint"),
    [
        ({"temperature": 1.5}, "temperature: range"),
        ({"temperature": 0.5, "top_p": 0.5}, "cannot both be specified"),
        ({**THINKING, "temperature": 0}, "may only be set to 1"),
        ({**THINKING, "top_k": 5}, "must be unset"),
        ({**THINKING, "top_p": 0.5}, "at least 0.95"),
        ({**THINKING, "tools": TOOLS, "tool_choice": {"type": "any"}}, "forces tool use"),
        ({"thinking": {"type": "adaptive"}}, "is not supported for this model"),
        ({"tools": [{"name": "f", "input_schema": {}}]}, "input_schema.type: Field required"),
        ({"tool_choice": {"type": "auto"}}, "while providing tools"),
        ({"messages": [*HI, USED, GAVE]}, "must define tools"),
        ({"tools": TOOLS, "messages": [*HI, USED]}, "without `tool_result` blocks"),
        ({"tools": TOOLS, "messages": [*HI, USED, *HI]}, "without `tool_result` blocks"),
        ({"tools": TOOLS, "messages": [*HI, GAVE]}, "unexpected `tool_use_id`"),
        ({"tools": TOOLS, "messages": [*HI, USED, GAVE, USED, GAVE]}, "must be unique"),
        (
            {"tools": TOOLS, "messages": [*HI, USED, turn({"type": "text", "text": "so"}, *GAVE["content"])]},
            "must come first",
        ),
        (
            {"tools": TOOLS, "messages": [turn({**USED["content"][0], "id": "a.b"}, role="assistant")]},
            "match pattern",
        ),
        ({"tools": TOOLS, "messages": [turn({**USED["content"][0], "input": "x"}, role="assistant")]}, "dictionary"),
        ({**THINKING, "tools": TOOLS, "messages": [*HI, USED, GAVE]}, "Expected `thinking`"),
        (
            {"messages": [*HI, turn({"type": "thinking", "thinking": "a", "signature": "b"}, role="assistant")]},
            "Invalid `signature`",
        ),
        ({"messages": [turn({"type": "text", "text": ""})]}, "must be non-empty"),
        ({"messages": [turn({"type": "text", "text": " "})]}, "non-whitespace"),
        ({"messages": [*HI, {"role": "assistant", "content": "so "}]}, "trailing whitespace"),
        ({"system": [MARKED] * 5}, "Found 5"),
        (
            {"system": [MARKED] * 2, "messages": [turn(MARKED, MARKED)], "cache_control": {"type": "ephemeral"}},
            "Found 5",
        ),
        ({"model": "claude-opus-4-8", "temperature": 1}, "deprecated for this model"),
        ({**THINKING, "model": "claude-opus-4-8"}, "is not supported for this model"),
    ],
)
async def test_what_does_not_go_together(
    connect: Connect, wall_ns: Wall, members: dict[str, Any], complaint: str
) -> None:
    simulator = simulate_provider(ANTHROPIC, wall_ns=wall_ns)
    reply = await ask(await connect(simulator), {**ASK, **members})
    assert (reply.status, reply.json["error"]["type"]) == (400, "invalid_request_error")
    assert complaint in reply.json["error"]["message"]
    assert meter_of(simulator).billed == 0


async def test_a_round_of_calls_goes_on_with_its_thought(connect: Connect, wall_ns: Wall) -> None:
    client = await connect(simulate_provider(ANTHROPIC, wall_ns=wall_ns))
    thought = {"type": "thinking", "thinking": "hm", "signature": signature("hm")}
    turns = [*HI, turn(thought, *USED["content"], role="assistant"), GAVE]
    assert (await ask(client, {**ASK, **THINKING, "tools": TOOLS, "messages": turns})).status == 200


async def test_what_is_kept_for_an_hour_costs_two_inputs(connect: Connect, wall_ns: Wall) -> None:
    simulator = simulate_provider(ANTHROPIC, wall_ns=wall_ns, script=lambda _: "ok")
    client = await connect(simulator)
    long = {"type": "text", "text": "rule " * 1000, "cache_control": {"type": "ephemeral", "ttl": "1h"}}
    told = (await ask(client, {**ASK, "system": [long]})).json["usage"]
    assert told["cache_creation"] == {"ephemeral_5m_input_tokens": 0, "ephemeral_1h_input_tokens": 1251}
    await ask(client, {**ASK, "system": [{**long, "text": "lore " * 1000, "cache_control": {"type": "ephemeral"}}]})
    for_long, usual = meter_of(simulator).entries
    assert for_long.nano_usd - usual.nano_usd == 1251 * (6_000_000 - 3_750_000) // 1000
