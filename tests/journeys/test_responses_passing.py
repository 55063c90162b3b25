"""Responses on both sides: the bytes pass, our ids don't."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.fakes.world import World, open_world
from tests.journeys.test_responses_clients import RESPONSES, WEATHER, ask, text_of

API = """
[upstreams.openai]
dialect = "openai"
url = "{openai}/v1"
key = { env = "OPENAI_API_KEY" }
api = "responses"
"""


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with open_world(tmp_path, API) as opened:
        yield opened


async def test_a_stream_and_a_body_pass(world: World) -> None:
    streamed = await ask(world, "gpt-4o-mini", "hello there", stream=True)
    assert streamed.status == 200, streamed.body
    assert streamed.chunks[-1]["type"] == "response.completed"
    whole = streamed.chunks[-1]["response"]
    assert "hello there" in text_of(whole)
    assert world.openai.app.requests[-1].path.endswith("/responses")
    plain = await ask(world, "gpt-4o-mini", "hello there")
    assert text_of(plain.json) == text_of(whole)
    assert not plain.json["id"].startswith("resp_" + plain.id.removeprefix("req_"))
    for one in (whole, plain.json):
        assert (await world.request("GET", f"{RESPONSES}/{one['id']}")).json == one
        on = await ask(world, "gpt-4o-mini", "more", previous_response_id=one["id"])
        assert on.status == 200, on.body
        sent = world.openai.bodies[-1]
        assert "previous_response_id" not in sent
        assert [item["role"] for item in sent["input"]] == ["user", "assistant", "user"]
        assert not any("id" in item for item in sent["input"])


@pytest.mark.parametrize("stream", [False, True])
async def test_a_tool_loop(world: World, stream: bool) -> None:
    first = await ask(world, "gpt-4o-mini", "What is the weather in Paris?", tools=[WEATHER], stream=stream)
    response = first.chunks[-1]["response"] if stream else first.json
    (call,) = [item for item in response["output"] if item["type"] == "function_call"]
    result = {"type": "function_call_output", "call_id": call["call_id"], "output": "Sunny"}
    second = await ask(world, "gpt-4o-mini", [result], previous_response_id=response["id"], tools=[WEATHER])
    assert second.status == 200, second.body


async def test_a_sign_of_life_before_it(tmp_path: Path) -> None:
    quick = "[server]\nearly_head_s = 0.05\nkeep_alive_comment_s = 0.05\n"
    async with open_world(tmp_path, quick + API) as world, world.open() as talk:
        with world.openai.held():
            await talk.send("POST", RESPONSES, {"model": "gpt-4o-mini", "input": "one", "stream": True})
            await talk.receive_until(b'"sequence_number":3')
        answer = await talk.receive()
        told = [event["type"] for event in answer.chunks]
        assert told.count("response.created") == 1
        assert told[-1] == "response.completed"
        for event in (answer.chunks[0], answer.chunks[-1]):
            on = await ask(world, "gpt-4o-mini", "more", previous_response_id=event["response"]["id"])
            assert on.status == 200, on.body


async def test_the_cache_replays_it_in_either_form(world: World) -> None:
    first = await ask(world, "gpt-4o-mini", "one", temperature=0, stream=True)
    whole = first.chunks[-1]["response"]
    again = await ask(world, "gpt-4o-mini", "one", temperature=0)
    assert again.lodestar["cache"] == "hit"
    assert text_of(again.json) == text_of(whole)
    plain = await ask(world, "gpt-4o-mini", "two", temperature=0)
    later = await ask(world, "gpt-4o-mini", "two", temperature=0, stream=True)
    assert later.lodestar["cache"] == "hit"
    assert text_of(later.chunks[-1]["response"]) == text_of(plain.json)


async def test_what_another_model_thought_is_not_told_to_this_one(world: World) -> None:
    """A conversation that goes on at another provider, by its whole input or by id."""
    question = {"role": "user", "content": "one"}
    first = (await ask(world, "grok-mini", [question])).json
    assert [item["type"] for item in first["output"]] == ["reasoning", "message"]
    more = {"role": "user", "content": "two"}
    whole = await ask(world, "gpt-4o-mini", [question, *first["output"], more], store=False)
    assert (whole.status, whole.lodestar["dropped"]) == (200, "input[].reasoning")
    by_id = await ask(world, "gpt-4o-mini", [more], previous_response_id=first["id"])
    assert by_id.status == 200
    for body in world.openai.bodies:
        assert [item["role"] for item in body["input"]] == ["user", "assistant", "user"]


async def test_a_model_that_never_thinks_answers_who_asks_for_thoughts(world: World) -> None:
    answer = await ask(world, "gpt-4o-mini", store=False, include=["reasoning.encrypted_content"])
    assert (answer.status, answer.lodestar["dropped"]) == (200, "include[].reasoning.encrypted_content")


async def test_a_break_in_the_middle(world: World) -> None:
    world.openai.fail("error=8")
    broken = await ask(world, "gpt-4o-mini", stream=True)
    assert broken.chunks[-1]["type"] == "response.failed", broken.chunks[-1]
    assert broken.ended == "cut"
