"""A client of OpenAI's dialect, and Claude behind it: what is asked, what comes back, and what it costs."""

from pathlib import Path
from typing import Any

import pytest

from lodestard.simulator.answering.question import Answer as SimAnswer
from lodestard.simulator.answering.question import Call
from tests.fakes.world import CHAT, Answer, SimUpstream, Stage, World, chat, open_world

CLAUDE = "claude-sonnet"
MODEL = "claude-sonnet-4-5-20250929"
NEWER = """
[models]
claude-newer = { route = ["anthropic/claude-opus-4-8"] }

[prices]
"anthropic/claude-opus-4-8" = { input = 5, output = 25, cache_read = 0.5, max_output_tokens = 128000 }
"""
TOOLS = [
    {
        "type": "function",
        "function": {
            "name": "get_weather",
            "description": "The weather.",
            "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
        },
    }
]
CALLS = SimAnswer(
    text="I look.", calls=(Call("get_weather", {"city": "Oslo"}), Call("get_weather", {"city": "Rome"}))
)


def claude(world: World) -> SimUpstream:
    return world.upstreams["anthropic"]


async def cost_of(world: World, answer: Answer) -> int:
    return (await world.explain(answer)).request.cost_nano_usd


async def notes_of(world: World, answer: Answer) -> list[str]:
    (attempt,) = (await world.explain(answer)).trace["attempts"]
    return list(attempt.get("translation", ()))


def calls_of(answer: Answer) -> list[dict[str, Any]]:
    """The calls of an answer, streamed or not, as a client gathers them."""
    if not answer.is_stream:
        return list(answer.json["choices"][0]["message"]["tool_calls"])
    found: dict[int, dict[str, Any]] = {}
    for chunk in answer.chunks:
        for choice in chunk["choices"]:
            for call in choice["delta"].get("tool_calls", ()):
                known = found.setdefault(call["index"], {"id": "", "type": "function", "function": {"arguments": ""}})
                known["id"] = known["id"] or call.get("id", "")
                known["function"]["name"] = known["function"].get("name") or call["function"].get("name")
                known["function"]["arguments"] += call["function"]["arguments"]
    return [found[index] for index in sorted(found)]


def finish_of(answer: Answer) -> str:
    choices = [chunk["choices"][0] for chunk in answer.chunks if chunk["choices"]] if answer.is_stream else None
    return str((choices or answer.json["choices"])[-1]["finish_reason"])


@pytest.mark.parametrize("stream", [False, True])
async def test_a_question_and_its_answer(world: World, stream: bool) -> None:
    claude(world).say("Hello there, friend.")
    options: dict[str, Any] = {"stream_options": {"include_usage": True}} if stream else {}
    answer = await world.ask(CLAUDE, "Hi", stream=stream, **options)
    assert (answer.status, answer.ended, answer.text) == (200, "whole", "Hello there, friend.")
    assert finish_of(answer) == "stop"
    tokens = claude(world).meter.entries[-1].tokens
    assert (answer.usage["prompt_tokens"], answer.usage["completion_tokens"]) == (tokens.prompt, tokens.completion)
    assert await cost_of(world, answer) == claude(world).bill_nano_usd > 0
    (request,) = claude(world).app.requests
    assert request.path == "/v1/messages"
    assert request.header("anthropic-version") == "2023-06-01"
    assert request.header("x-api-key") == "sk-ant-journey-canary"
    (body,) = claude(world).bodies
    assert body["messages"] == [{"role": "user", "content": [{"type": "text", "text": "Hi"}]}]
    assert (body["model"], body["max_tokens"]) == (MODEL, 64_000)
    assert not stream or answer.events[-1] == "[DONE]"
    assert "dropped" not in answer.lodestar
    assert "limited" not in answer.lodestar.get("reason", "")  # no budget has
    (attempt,) = (await world.explain(answer)).trace["attempts"]
    assert (attempt["limit_tokens"], attempt["by_budget"]) == (64_000, False)


@pytest.mark.parametrize("effort", ["", "low"])
@pytest.mark.parametrize("stream", [False, True])
async def test_a_round_of_calls(world: World, stream: bool, effort: str) -> None:
    """With thinking, Claude wants its thought back with the results, which an OpenAI client can't say."""
    members: dict[str, Any] = {"tools": TOOLS, "stream": stream} | ({"reasoning_effort": effort} if effort else {})
    claude(world).say(CALLS)
    asked = chat(CLAUDE, "The weather, please.", **members)
    first = await world.request("POST", CHAT, asked)
    calls = calls_of(first)
    assert finish_of(first) == "tool_calls"
    assert [call["function"]["arguments"] for call in calls] == ['{"city":"Oslo"}', '{"city":"Rome"}']
    assert first.text == "I look."
    said = {"role": "assistant", "content": first.text, "tool_calls": calls}
    results = [{"role": "tool", "tool_call_id": call["id"], "content": "sunny"} for call in calls]
    claude(world).say("Sunny in both.")
    second = await world.request("POST", CHAT, {**asked, "messages": [*asked["messages"], said, *results]})
    assert (second.status, second.text, finish_of(second)) == (200, "Sunny in both.", "stop")
    _user, assistant, answered = claude(world).bodies[-1]["messages"]
    kinds = [block["type"] for block in assistant["content"]]
    assert kinds == ["thinking"] * bool(effort) + ["text", "tool_use", "tool_use"]
    assert [block["type"] for block in answered["content"]] == ["tool_result", "tool_result"]
    assert (await cost_of(world, first)) + (await cost_of(world, second)) == claude(world).bill_nano_usd
    assert await notes_of(world, second) == []
    if effort:
        assert claude(world).bodies[-1]["thinking"] == {"type": "enabled", "budget_tokens": 2_048}
        (held,) = (await world.explain(second)).attempts
        assert held.held_nano_usd >= held.cost_nano_usd > 0


async def test_a_forgotten_thought_costs_no_request(world: World) -> None:
    members: dict[str, Any] = {"tools": TOOLS, "reasoning_effort": "high"}
    claude(world).say(CALLS)
    asked = chat(CLAUDE, "The weather, please.", **members)
    first = await world.request("POST", CHAT, asked)
    assert "Let me check" in first.json["choices"][0]["message"]["reasoning_content"]
    calls = [{**call, "id": f"other_{at}"} for at, call in enumerate(calls_of(first))]
    said = {"role": "assistant", "content": None, "tool_calls": calls}
    results = [{"role": "tool", "tool_call_id": call["id"], "content": "sunny"} for call in calls]
    second = await world.request("POST", CHAT, {**asked, "messages": [*asked["messages"], said, *results]})
    assert second.status == 200
    assert "thinking" not in claude(world).bodies[-1]
    assert await notes_of(world, second) == ["no thinking: the thoughts before the last calls are not known"]


async def test_an_image(world: World) -> None:
    content = [
        {"type": "text", "text": "What is it?"},
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo="}},
        {"type": "image_url", "image_url": {"url": "https://pictures.example/x.png", "detail": "high"}},
    ]
    answer = await world.request("POST", CHAT, {**chat(CLAUDE), "messages": [{"role": "user", "content": content}]})
    assert answer.status == 200
    assert answer.lodestar["dropped"] == "messages[].content[].detail"
    _text, inline, named = claude(world).bodies[0]["messages"][0]["content"]
    assert inline["source"] == {"type": "base64", "media_type": "image/png", "data": "iVBORw0KGgo="}
    assert named["source"] == {"type": "url", "url": "https://pictures.example/x.png"}
    assert await cost_of(world, answer) == claude(world).bill_nano_usd


@pytest.mark.parametrize(
    ("fault", "status", "code", "state"),
    [
        ("status=429;retry-after=7", 429, "upstream_rate_limited", "released"),
        ("status=401", 401, "upstream_auth", "released"),
        ("status=529", 503, "upstream_busy", "released"),
        ("status=500", 502, "upstream_error", "released"),
        ("status=504", 504, "upstream_timeout", "unknown"),
        ("status=413", 400, "upstream_rejected", "released"),
        ("status=400;message=Your credit balance is too low to access it.", 400, "upstream_quota", "released"),
        ("status=400;message=prompt is too long: 9 tokens > 5 maximum", 400, "context_length_exceeded", "released"),
        ("cut=40", 502, "upstream_cut", "unknown"),
        ("noise", 502, "upstream_garbage", "unknown"),
    ],
)
@pytest.mark.parametrize("stream", [False, True])
async def test_failures_before_the_first_word(
    world: World, fault: str, status: int, code: str, state: str, stream: bool
) -> None:
    claude(world).fail(fault)
    answer = await world.ask(CLAUDE, stream=stream)
    assert answer.status == status
    assert answer.error["code"] in (code, "upstream_cut")  # noise may end in the middle of an event
    (attempt,) = (await world.explain(answer)).attempts
    assert attempt.state == state
    assert status != 429 or answer.headers["retry-after"] == "7"


@pytest.mark.parametrize("fault", ["error=3", "cut=900", "end=900", "no-done", "garbage=900"])
async def test_failures_after_the_first_word(world: World, fault: str) -> None:
    claude(world).say("one two three four five six seven eight nine ten")
    claude(world).fail(fault)
    answer = await world.ask(CLAUDE, stream=True)
    assert (answer.status, answer.ended) == (200, "cut")
    assert answer.text.startswith("one")
    assert answer.error["code"] in ("upstream_busy", "upstream_cut", "upstream_garbage")
    assert "[DONE]" not in answer.events
    (attempt,) = (await world.explain(answer)).attempts
    assert (attempt.state, attempt.cost_nano_usd) == ("unknown", attempt.held_nano_usd)


async def test_usage_that_is_not_told_is_charged_at_its_hold(world: World) -> None:
    claude(world).fail("no-usage")
    answer = await world.ask(CLAUDE, stream=True)
    (attempt,) = (await world.explain(answer)).attempts
    assert (answer.ended, attempt.cost_nano_usd) == ("whole", attempt.held_nano_usd)


async def test_usage_that_is_told_twice_is_counted_once(world: World) -> None:
    claude(world).fail("double-usage")
    answer = await world.ask(CLAUDE, stream=True)
    assert await cost_of(world, answer) == claude(world).bill_nano_usd > 0


async def test_whoever_is_overloaded_is_passed_over(world: World) -> None:
    claude(world).fail("status=529")
    answer = await world.ask("claude-first")
    assert (answer.status, answer.lodestar["model"]) == (200, "openai/gpt-4o-mini")


async def test_what_the_dialect_can_not_say_is_asked_of_the_next(world: World) -> None:
    alone = await world.ask(CLAUDE, n=2)
    assert (alone.status, alone.error["code"], alone.error["param"]) == (400, "not_supported", "n")
    answer = await world.ask("claude-first", n=2)
    assert (answer.status, answer.lodestar["model"]) == (200, "openai/gpt-4o-mini")
    assert claude(world).asked == 0


async def test_a_client_that_leaves_has_paid_for_what_was_made(world: World) -> None:
    with claude(world).held(after=4):
        async with world.open() as talk:
            await talk.send("POST", CHAT, chat(CLAUDE, stream=True))
            await talk.receive_until(b"content")
            await talk.leave()
    await world.settle()
    row = await world.row()
    assert row.cost_nano_usd >= claude(world).bill_nano_usd > 0


async def test_a_long_beginning_is_remembered_there(world: World) -> None:
    """The first request writes it, the second one reads it, and both are held and paid for as such."""
    rules = {"role": "system", "content": "A rule of the house. " * 400}
    answers = []
    for question in ("One?", "Two?"):
        body = {**chat(CLAUDE), "messages": [rules, {"role": "user", "content": question}]}
        answers.append(await world.request("POST", CHAT, body))
    costs = [await cost_of(world, answer) for answer in answers]
    entries = list(claude(world).meter.entries)
    assert costs == [entry.nano_usd for entry in entries]
    assert entries[0].tokens.cache_write == entries[1].tokens.cached > 1_024
    assert answers[1].usage["prompt_tokens_details"]["cached_tokens"] == entries[1].tokens.cached
    assert costs[1] < costs[0]
    for answer in answers:
        (attempt,) = (await world.explain(answer)).attempts
        assert attempt.held_nano_usd >= attempt.cost_nano_usd


async def test_a_conversation_is_remembered_as_it_grows(world: World) -> None:
    turns: list[dict[str, Any]] = []
    for question in ("First " * 1_200, "Second", "Third"):
        turns.append({"role": "user", "content": question})
        answer = await world.request("POST", CHAT, {**chat(CLAUDE), "messages": turns})
        turns.append({"role": "assistant", "content": answer.text})
    first, second, third = (entry.tokens for entry in claude(world).meter.entries)
    assert (first.cache_write, first.cached) == (0, 0), "a single question is not worth it"
    assert second.cache_write > 1_024
    assert third.cached >= second.cache_write
    assert sum(row.cost_nano_usd for row in await world.rows()) == claude(world).bill_nano_usd


async def test_nothing_is_marked_where_that_is_not_wanted(tmp_path: Path) -> None:
    async with open_world(tmp_path, "[upstreams.anthropic]\nprompt_caching = false\n") as world:
        rules = {"role": "system", "content": "A rule of the house. " * 400}
        await world.request("POST", CHAT, {**chat(CLAUDE), "messages": [rules, {"role": "user", "content": "One?"}]})
        assert b"cache_control" not in claude(world).app.requests[0].body


SAMPLED: dict[str, Any] = {"temperature": 1.7, "top_p": 0.9, "seed": 5, "stop": ["END", " "], "user": "ada"}


async def test_the_first_version_takes_a_temperature(world: World) -> None:
    answer = await world.ask(CLAUDE, **SAMPLED)
    assert answer.status == 200
    assert answer.lodestar["dropped"] == "top_p, stop, seed"
    (body,) = claude(world).bodies
    assert (body["temperature"], body["stop_sequences"], body.get("top_p")) == (1.0, ["END"], None)
    assert await notes_of(world, answer) == ["temperature 1: the highest there"]


async def test_the_next_version_takes_none(tmp_path: Path) -> None:
    async with open_world(tmp_path, '[upstreams.anthropic]\nanthropic_version = "2026-10-21"\n') as world:
        answer = await world.ask(CLAUDE, **SAMPLED)
        assert answer.status == 200
        assert answer.lodestar["dropped"] == "temperature, top_p, stop, seed"
        assert claude(world).app.requests[0].header("anthropic-version") == "2026-10-21"


async def test_a_newer_model_takes_none_and_thinks_as_it_likes(tmp_path: Path) -> None:
    async with open_world(tmp_path, NEWER) as world:
        answer = await world.ask("claude-newer", temperature=0, reasoning_effort="xhigh")
        assert answer.status == 200
        assert answer.lodestar["dropped"] == "temperature"
        (body,) = claude(world).bodies
        assert body["thinking"] == {"type": "adaptive", "display": "summarized"}
        assert body["output_config"] == {"effort": "xhigh"}
        assert await cost_of(world, answer) == claude(world).bill_nano_usd > 0


async def test_a_look_at_it_tells_a_bad_key_from_a_good_one(tmp_path: Path) -> None:
    async with open_world(tmp_path) as world:
        assert await world.house.runtime.look_at("anthropic")("/models") == 200
        assert claude(world).app.requests[0].header("anthropic-version") == "2023-06-01"
    other = Stage(environ={"ANTHROPIC_API_KEY": "sk-ant-other"})
    (tmp_path / "other").mkdir()
    async with open_world(tmp_path / "other", stage=other) as world:
        assert await world.house.runtime.look_at("anthropic")("/models") == 401
        assert claude(world).bill_nano_usd == 0


OWN: dict[str, Any] = {
    "model": CLAUDE,
    "max_tokens": 2_000,
    "system": [{"type": "text", "text": "A rule. " * 900, "cache_control": {"type": "ephemeral", "ttl": "1h"}}],
    "messages": [{"role": "user", "content": "Hi"}],
    "thinking": {"type": "enabled", "budget_tokens": 1_024},
}


@pytest.mark.parametrize("stream", [False, True])
async def test_a_client_of_its_own_dialect_is_passed_through(world: World, stream: bool) -> None:
    """The very events and the very body, the version that it named, and the money of what it had remembered."""
    headers = {"anthropic-version": "2023-01-01", "anthropic-beta": "some-2026-01-01"}
    answers: list[Answer] = []
    for _ in range(2):
        answers.append(await world.request("POST", "/v1/messages", {**OWN, "stream": stream}, headers))
        assert (answers[-1].status, answers[-1].ended) == (200, "whole")
    answer = answers[-1]
    request, sent = claude(world).app.requests[0], claude(world).bodies[0]
    assert sent == {**OWN, "stream": stream, "model": MODEL}
    assert [request.header(name) for name in headers] == list(headers.values())
    if stream:
        assert answer.body.startswith(b"event: message_start\n")
        assert [event["type"] for event in answer.events][-2:] == ["message_delta", "message_stop"]
    else:
        assert [block["type"] for block in answer.json["content"]] == ["thinking", "text"]
    first, second = (entry.tokens for entry in claude(world).meter.entries)
    assert first.cache_write_1h == second.cached > 1_024
    assert [await cost_of(world, one) for one in answers] == [one.nano_usd for one in claude(world).meter.entries]
