"""Answers that were given before, and answers that are shared while they come."""

from pathlib import Path
from typing import Any

import pytest
import trio

from tests.fakes.world import Answer, World, open_world


@pytest.mark.parametrize("alias", ["local-llama", "gpt-4o-mini"])
@pytest.mark.parametrize("first", [False, True])
async def test_one_entry_has_a_plain_and_a_streamed_form(world: World, alias: str, first: bool) -> None:
    asked = await world.ask(alias, stream=first, temperature=0)
    assert asked.lodestar["cache"] == "miss"
    for stream in (False, True):
        hit = await world.ask(alias, stream=stream, temperature=0)
        assert (hit.status, hit.ended, hit.text) == (200, "whole", asked.text)
        assert hit.is_stream == stream
        assert hit.lodestar["cache"] == "hit"
        assert hit.lodestar["cost-usd"] == "0.000000000"
        assert hit.lodestar["attempts"] == "0"
        assert hit.lodestar["model"] == asked.lodestar["model"]
        assert hit.lodestar["request-id"] != asked.lodestar["request-id"]
    assert sum(upstream.asked for upstream in world.upstreams.values()) == 1
    miss, *hits = await world.rows()
    assert [(row.cache, row.cost_nano_usd) for row in hits] == [("hit", 0), ("hit", 0)]
    assert (miss.cache, hits[0].completion_tokens) == ("miss", miss.completion_tokens)


async def test_tool_calls_and_usage_come_out_of_the_cache_as_they_went_in(world: World) -> None:
    tools = [{"type": "function", "function": {"name": "get_weather", "parameters": {"type": "object"}}}]
    said: list[Answer] = []
    for _ in range(2):
        said += [await world.ask("gpt-4o-mini", "The weather, please", tools=tools, temperature=0)]
    assert said[0].json == said[1].json
    assert [one.lodestar["cache"] for one in said] == ["miss", "hit"]
    streamed = await world.ask(
        "gpt-4o-mini",
        "The weather, please",
        tools=tools,
        temperature=0,
        stream=True,
        stream_options={"include_usage": True},
    )
    assert streamed.lodestar["cache"] == "hit"
    assert streamed.usage["total_tokens"] == said[0].usage["total_tokens"]
    calls = [choice["delta"].get("tool_calls") for chunk in streamed.chunks for choice in chunk["choices"]]
    assert [call[0]["function"]["name"] for call in calls if call] == ["get_weather"]


@pytest.mark.parametrize(
    ("members", "headers", "reason"),
    [
        ({}, {}, "no temperature"),
        ({"temperature": 0.7}, {}, "temperature above 0.3"),
        ({"temperature": 0}, {"cache-control": "no-store"}, "no-store"),
    ],
)
async def test_what_goes_past_the_cache(
    world: World, members: dict[str, Any], headers: dict[str, str], reason: str
) -> None:
    for _ in range(2):
        answer = await world.ask("local-llama", headers=headers, **members)
        assert answer.lodestar["cache"] == "bypass"
        assert (await world.explain(answer)).trace["cache"] == reason
    assert world.ollama.asked == 2


async def test_no_cache_asks_anew_and_keeps_what_comes(world: World) -> None:
    world.ollama.say("old", "new")
    assert (await world.ask("local-llama", temperature=0)).text == "old"
    renewed = await world.ask("local-llama", temperature=0, headers={"cache-control": "no-cache"})
    assert (renewed.text, renewed.lodestar["cache"]) == ("new", "bypass")
    hit = await world.ask("local-llama", temperature=0)
    assert (hit.text, hit.lodestar["cache"]) == ("new", "hit")


async def test_two_aliases_of_one_model_share_and_two_models_do_not(world: World) -> None:
    await world.ask("local-llama", temperature=0)
    assert (await world.ask("auto", temperature=0)).lodestar["cache"] == "hit"
    assert (await world.ask("t600/llama3.1:8b", temperature=0)).lodestar["cache"] == "hit"
    assert (await world.ask("gpt-3.5-turbo", temperature=0)).lodestar["cache"] == "miss"


async def test_an_answer_by_a_fallback_is_kept_under_the_model_that_gave_it(world: World) -> None:
    world.ollama.fail("status=500")
    first = await world.ask("auto", temperature=0)
    assert (first.lodestar["model"], first.lodestar["cache"]) == ("openai/gpt-4o-mini", "miss")
    again = await world.ask("auto", temperature=0)
    assert (again.lodestar["model"], again.lodestar["cache"]) == ("t600/llama3.1:8b", "miss")
    direct = await world.ask("gpt-4o-mini", temperature=0)
    assert (direct.text, direct.lodestar["cache"]) == (first.text, "hit")


async def test_the_cache_outlives_the_house(tmp_path: Path) -> None:
    async with open_world(tmp_path) as world:
        before = await world.ask("local-llama", temperature=0)
    async with open_world(tmp_path) as world:
        after = await world.ask("local-llama", temperature=0)
        assert (after.text, after.lodestar["cache"]) == (before.text, "hit")
        assert world.ollama.asked == 0


@pytest.mark.parametrize("alias", ["local-llama", "gpt-4o-mini"])
@pytest.mark.parametrize("forms", [(False,) * 6, (True,) * 6, (True, False, True, False, True, False)])
async def test_identical_requests_share_one_answer(world: World, alias: str, forms: tuple[bool, ...]) -> None:
    upstream = world.ollama if alias == "local-llama" else world.openai
    answers: list[Answer] = []

    async def ask(stream: bool) -> None:
        answers.append(await world.ask(alias, stream=stream, temperature=0))

    async with trio.open_nursery() as nursery:
        with upstream.held():
            for stream in forms:
                nursery.start_soon(ask, stream)
            await upstream.wait_asked()
            await world.wait_open(len(forms))
    assert upstream.asked == 1
    assert len({answer.text for answer in answers}) == 1
    assert {answer.ended for answer in answers} == {"whole"}
    rows = await world.rows()
    assert sorted(row.cache for row in rows) == ["miss"] + ["shared"] * 5
    assert sorted(row.cost_nano_usd for row in rows)[:5] == [0] * 5
    assert max(row.cost_nano_usd for row in rows) == upstream.bill_nano_usd
    assert sorted(answer.lodestar["cache"] for answer in answers) == ["hit"] * 5 + ["miss"]


async def test_a_late_comer_gets_the_whole_stream(world: World) -> None:
    async with world.open() as first, world.open() as second:
        body = {"model": "local-llama", "messages": [{"role": "user", "content": "x"}], "temperature": 0}
        with world.ollama.held(after=3):
            await first.send("POST", "/v1/chat/completions", {**body, "stream": True})
            await first.receive_until(b'"ulat"')
            await second.send("POST", "/v1/chat/completions", {**body, "stream": True})
            await second.receive_until(b'"ulat"')
        assert (await first.receive()).text == (await second.receive()).text
    assert world.ollama.asked == 1


async def test_requests_that_may_not_share_do_not(world: World) -> None:
    with world.openai.held():
        async with trio.open_nursery() as nursery:
            for _ in range(2):
                nursery.start_soon(world.ask, "gpt-4o-mini")  # no temperature: each is a dice roll of its own
            await world.openai.wait_asked(2)
            world.openai.app.gate.set()  # type: ignore[union-attr]
    assert [row.cost_nano_usd > 0 for row in await world.rows()] == [True, True]


async def test_a_failure_is_shared_and_not_kept(world: World) -> None:
    world.openai.fail("cut=10")
    answers: list[Answer] = []

    async def ask() -> None:
        answers.append(await world.ask("gpt-4o-mini", temperature=0))

    async with trio.open_nursery() as nursery:
        with world.openai.held():
            nursery.start_soon(ask)
            await world.openai.wait_asked()
            nursery.start_soon(ask)
            await world.wait_open(2)
    assert {answer.error["code"] for answer in answers} == {"upstream_cut"}
    assert world.openai.asked == 1
    rows = await world.rows()
    assert [(row.outcome, row.cost_nano_usd > 0) for row in rows] == [("upstream_cut", True), ("upstream_cut", False)]
    assert (await world.ask("gpt-4o-mini", temperature=0)).lodestar["cache"] == "miss"
