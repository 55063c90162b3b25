"""Tools and schemas for models that lack them: deepseek-coder refuses tools, and its client uses them."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.world import CHAT, Answer, World, chat, open_world

ALIAS = "gpt-3.5-turbo"  # t600/deepseek-coder:6.7b
OVERLAY = """
[upstreams.t600.models."qwen3:1.7b"]
tools = "emulated"

[upstreams.xai]
schema = "emulated"

[models]
strict = { route = ["t600/deepseek-coder:6.7b", "openai/gpt-4o-mini"], checks = ["tools"] }
"""
PARAMETERS = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
WEATHER = {"type": "function", "function": {"name": "weather", "parameters": PARAMETERS}}
CALL = '{"tool_calls": [{"name": "weather", "arguments": {"city": "Oslo"}}]}'


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with open_world(tmp_path, OVERLAY) as opened:
        yield opened


def calls_of(answer: Answer) -> list[dict[str, Any]]:
    """The calls of the first choice, plain or streamed."""
    if not answer.is_stream:
        calls: list[dict[str, Any]] = answer.json["choices"][0]["message"].get("tool_calls") or []
        return calls
    return [
        call
        for chunk in answer.chunks
        for choice in chunk["choices"]
        for call in choice["delta"].get("tool_calls") or ()
    ]


def finish_of(answer: Answer) -> str:
    if not answer.is_stream:
        return str(answer.json["choices"][0]["finish_reason"])
    reasons = [choice["finish_reason"] for chunk in answer.chunks for choice in chunk["choices"]]
    return str(reasons[-1])


@pytest.mark.parametrize("stream", [False, True])
async def test_a_model_that_refuses_tools_calls_them_all_the_same(world: World, stream: bool) -> None:
    world.ollama.say(CALL, "It rains in Oslo.")
    first = await world.request("POST", CHAT, chat(ALIAS, "Weather in Oslo?", tools=[WEATHER], stream=stream))
    assert (first.status, first.ended, first.lodestar["attempts"]) == (200, "whole", "1")
    (call,) = calls_of(first)
    assert (call["function"]["name"], call["function"]["arguments"]) == ("weather", '{"city": "Oslo"}')
    assert finish_of(first) == "tool_calls"
    told = await world.explain(first)
    assert told.trace["attempts"][0]["translation"] == ["tool calls emulated"]
    assert [("tools" in body) for body in world.ollama.bodies] == [True, False]  # refused, then asked otherwise

    messages = [
        {"role": "user", "content": "Weather in Oslo?"},
        {"role": "assistant", "content": None, "tool_calls": [{**call, "type": "function"}]},
        {"role": "tool", "tool_call_id": call["id"], "content": "rain"},
    ]
    body = {"model": ALIAS, "messages": messages, "tools": [WEATHER], "stream": stream}
    second = await world.request("POST", CHAT, body)
    assert (second.text, finish_of(second), calls_of(second)) == ("It rains in Oslo.", "stop", [])
    assert world.ollama.asked == 3  # it is remembered
    assert world.ollama.bodies[-1]["messages"][-1] == {"role": "user", "content": "Result of weather:\n\nrain"}
    assert await outcomes_of_all(world) == ["ok", "ok"]


async def outcomes_of_all(world: World) -> list[str]:
    return [row.outcome for row in await world.rows()]


@pytest.mark.parametrize("stream", [False, True])
async def test_a_demanded_call_is_held_to_its_schema_by_the_server(world: World, stream: bool) -> None:
    body = chat(ALIAS, "Weather in Oslo?", tools=[WEATHER], tool_choice="required", stream=stream)
    answer = await world.request("POST", CHAT, body)
    (call,) = calls_of(answer)
    assert call["function"]["name"] == "weather"
    assert "format" in world.ollama.bodies[-1]


async def test_words_stay_words(world: World) -> None:
    world.ollama.say("Ask me about the weather.")
    answer = await world.request("POST", CHAT, chat(ALIAS, tools=[WEATHER], stream=True))
    assert (answer.text, finish_of(answer)) == ("Ask me about the weather.", "stop")


async def test_a_setting_says_so_from_the_beginning(world: World) -> None:
    world.ollama.say(CALL)
    answer = await world.request("POST", CHAT, chat("thinker", tools=[WEATHER]))
    assert len(calls_of(answer)) == 1
    assert (world.ollama.asked, "tools" in world.ollama.bodies[0]) == (1, False)


@pytest.mark.parametrize("stream", [False, True])
async def test_an_emulated_call_is_checked_like_any_other(world: World, stream: bool) -> None:
    wrong = CALL.replace("city", "town")
    world.ollama.say(wrong, CALL)
    answer = await world.request("POST", CHAT, chat("strict", tools=[WEATHER], stream=stream))
    assert "Oslo" in calls_of(answer)[0]["function"]["arguments"]
    told = await world.explain(answer)
    assert [attempt["outcome"] for attempt in told.trace["attempts"]] == ["check_failed", "ok"]
    assert world.openai.asked == 0


async def test_a_model_that_shall_speak_itself_says_that_it_can_not(tmp_path: Path) -> None:
    overlay = '[upstreams.t600.models."deepseek-coder:6.7b"]\ntools = "native"\n'
    async with open_world(tmp_path, overlay) as world:
        answer = await world.ask(ALIAS, "The weather?", tools=[WEATHER])
        assert (answer.status, answer.error["code"]) == (400, "upstream_rejected")
        assert "does not support tools" in answer.error["message"]


async def test_the_other_errors_of_a_server_are_told(world: World) -> None:
    world.ollama.fail("status=400")
    answer = await world.request("POST", CHAT, chat(ALIAS, tools=[WEATHER]))
    assert (answer.status, answer.error["code"], world.ollama.asked) == (400, "upstream_rejected", 1)


@pytest.mark.parametrize("stream", [False, True])
async def test_a_schema_by_instruction_at_a_paid_model(world: World, stream: bool) -> None:
    schema = {"type": "object", "properties": {"age": {"type": "integer"}}, "required": ["age"]}
    form = {"type": "json_schema", "json_schema": {"name": "person", "schema": schema}}
    world.xai.say('Here:\n```json\n{"age": 4}\n```\n')
    answer = await world.request("POST", CHAT, chat("grok-beta", response_format=form, stream=stream))
    assert (answer.status, answer.text) == (200, '{"age": 4}')
    assert "response_format" not in world.xai.bodies[0]
    told = await world.explain(answer)
    assert told.trace["attempts"][0]["translation"] == ["json schema emulated by instruction"]
    assert told.request.cost_nano_usd == world.xai.bill_nano_usd > 0


async def test_a_client_of_the_servers_own_dialect_is_served_too(world: World) -> None:
    world.ollama.say(f"```json\n{CALL}\n```")
    body = {**chat(ALIAS, "Weather in Oslo?", tools=[WEATHER]), "stream": False}
    answer = await world.request("POST", "/api/chat", body)
    assert answer.status == 200
    message = answer.json["message"]
    (call,) = message["tool_calls"]
    assert (call["function"]["name"], call["function"]["arguments"]) == ("weather", {"city": "Oslo"})
    assert not message["content"]


async def test_a_clients_dialect_is_told_of_a_failed_check_too(world: World) -> None:
    wrong = CALL.replace("city", "town")
    world.ollama.say(wrong, wrong)
    world.openai.fail("status=500")
    body = {**chat("strict", "Weather in Oslo?", tools=[WEATHER]), "stream": True}
    answer = await world.request("POST", "/api/chat", body)
    assert (answer.status, answer.lodestar["check"]) == (200, "failed tools")
    assert answer.lodestar["model"] == "t600/deepseek-coder:6.7b"
    assert b'"town"' in answer.body
