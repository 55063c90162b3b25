"""Chat clients whose models are asked by OpenAI's Responses API."""

import base64
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from lodestard.simulator.answering.question import Answer as SimAnswer
from lodestard.simulator.answering.question import Call
from tests.fakes.world import CHAT, World, chat, open_world

OVERLAY = """
[upstreams.openai]
api = "responses"

[upstreams.xai]
api = "responses"

[models]
o4 = { route = ["openai/o4-mini"] }
o4-then-grok = { route = ["openai/o4-mini", "xai/grok-3-mini"] }

[prices]
"openai/o4-mini" = { input = 1.10, output = 4.40, cache_read = 0.275, max_output_tokens = 100000 }
"""
WEATHER: dict[str, Any] = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "The weather.",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}
PIXEL = base64.b64encode(b"\x89PNG\r\n\x1a\n").decode()
QUESTION = {"role": "user", "content": "What is the weather in Paris?"}


@pytest.fixture
async def asked(tmp_path: Path) -> AsyncIterator[World]:
    """A house whose paid upstreams are asked by the Responses API. Its books are checked at the end."""
    async with open_world(tmp_path, OVERLAY) as opened:
        yield opened


def billed(world: World) -> int:
    return sum(upstream.bill_nano_usd for upstream in world.upstreams.values())


def call_of(answer: Any) -> dict[str, Any]:
    """The one call that it made, plain or streamed."""
    if not answer.is_stream:
        (call,) = answer.json["choices"][0]["message"]["tool_calls"]
        return dict(call)
    deltas = [choice["delta"] for chunk in answer.chunks for choice in chunk["choices"]]
    pieces = [call for delta in deltas for call in delta.get("tool_calls", ())]
    whole = dict(pieces[0])
    whole["function"]["arguments"] = "".join(piece["function"]["arguments"] for piece in pieces)
    return whole


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("alias", ["gpt-4o-mini", "grok-beta", "grok-mini", "o4"])
async def test_an_answer_costs_what_its_provider_billed(asked: World, alias: str, stream: bool) -> None:
    messages = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "What is a lodestar?"}]
    answer = await asked.ask(alias, messages=messages, stream=stream, stream_options={"include_usage": True})
    assert (answer.status, answer.ended) == (200, "whole")
    assert answer.text.startswith("[simulated")
    row = await asked.row()
    assert row.cost_nano_usd == billed(asked) > 0
    assert (row.unknown_nano_usd, row.dialect) == (0, "openai")
    assert answer.usage["completion_tokens"] == row.completion_tokens > 0
    (request,) = [one for name in ("openai", "xai") for one in asked.upstreams[name].app.requests]
    assert request.path == "/v1/responses"
    if stream:
        assert answer.events[-1] == "[DONE]"
        assert answer.chunks[-2]["choices"][0]["finish_reason"] == "stop"


async def test_what_it_thinks_is_shown(asked: World) -> None:
    for stream in (False, True):
        answer = await asked.ask("grok-mini", stream=stream)
        deltas = [choice["delta"] for chunk in answer.chunks for choice in chunk["choices"]] if stream else []
        shown = "".join(delta.get("reasoning_content", "") for delta in deltas)
        assert (shown or answer.json["choices"][0]["message"]["reasoning_content"]).startswith("Let me check")


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("long", [1, 5000])
async def test_what_was_thought_comes_back_with_the_results_of_calls(asked: World, stream: bool, long: int) -> None:
    """However long it was: what is held for the second request counts it."""
    asked.openai.say(SimAnswer(thinking="deep thought " * long, calls=(Call("get_weather", {"city": "Paris"}),)))
    first = await asked.ask("o4", messages=[QUESTION], tools=[WEATHER], stream=stream)
    call = call_of(first)
    assert (call["function"]["name"], call["function"]["arguments"]) == ("get_weather", '{"city":"Paris"}')
    results: list[dict[str, Any]] = [
        {"role": "assistant", "content": None, "tool_calls": [call | {"index": None}]},
        {"role": "tool", "tool_call_id": call["id"], "content": "sunny"},
    ]
    second = await asked.ask("o4", messages=[QUESTION, *results], tools=[WEATHER], stream=stream)
    assert (second.status, second.ended) == (200, "whole")
    _, body = asked.openai.bodies
    kinds = [item["type"] for item in body["input"]]
    assert kinds == ["message", "reasoning", "function_call", "function_call_output"]
    assert body["input"][1]["encrypted_content"]
    assert (body["store"], body["include"]) == (False, ["reasoning.encrypted_content"])
    rows = await asked.rows()
    assert sum(row.cost_nano_usd for row in rows) == billed(asked)
    assert rows[1].prompt_tokens > rows[0].prompt_tokens + 3 * long
    for answer in (first, second):
        (attempt,) = (await asked.explain(answer)).trace["attempts"]
        assert attempt["hold_nano_usd"] >= attempt["cost_nano_usd"]


async def test_what_one_provider_thought_is_not_told_to_another(asked: World) -> None:
    asked.openai.say(SimAnswer(thinking="deep", calls=(Call("get_weather", {"city": "Paris"}),)))
    call = call_of(await asked.ask("o4-then-grok", messages=[QUESTION], tools=[WEATHER]))
    asked.openai.fail("status=503")
    results = [
        {"role": "assistant", "tool_calls": [call]},
        {"role": "tool", "tool_call_id": call["id"], "content": "sunny"},
    ]
    answer = await asked.ask("o4-then-grok", messages=[QUESTION, *results], tools=[WEATHER])
    assert (answer.status, answer.lodestar["model"]) == (200, "xai/grok-3-mini")
    (body,) = asked.xai.bodies
    assert [item["type"] for item in body["input"]] == ["message", "function_call", "function_call_output"]


@pytest.mark.parametrize("stream", [False, True])
async def test_several_calls_at_once(asked: World, stream: bool) -> None:
    calls = tuple(Call("get_weather", {"city": city}) for city in ("Paris", "Rome"))
    asked.xai.say(SimAnswer(text="I look.", calls=calls))
    answer = await asked.ask("grok-beta", messages=[QUESTION], tools=[WEATHER], stream=stream)
    if stream:
        deltas = [choice["delta"] for chunk in answer.chunks for choice in chunk["choices"]]
        pieces = [call for delta in deltas for call in delta.get("tool_calls", ())]
        found = ["".join(p["function"]["arguments"] for p in pieces if p["index"] == at) for at in (0, 1)]
        assert answer.chunks[-1]["choices"][0]["finish_reason"] == "tool_calls"
    else:
        found = [call["function"]["arguments"] for call in answer.json["choices"][0]["message"]["tool_calls"]]
        assert answer.json["choices"][0]["finish_reason"] == "tool_calls"
    assert answer.text == "I look."
    assert found == ['{"city":"Paris"}', '{"city":"Rome"}']
    assert (await asked.row()).cost_nano_usd == billed(asked)


async def test_images_and_schemas(asked: World) -> None:
    image = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PIXEL}"}}
    schema = {"type": "object", "properties": {"kind": {"type": "string"}}, "required": ["kind"]}
    answer = await asked.ask(
        "gpt-4o-mini",
        messages=[{"role": "user", "content": [{"type": "text", "text": "What is it?"}, image]}],
        response_format={"type": "json_schema", "json_schema": {"name": "n", "schema": schema, "strict": True}},
        logprobs=True,
        top_logprobs=2,
    )
    assert answer.status == 200
    assert '"kind"' in answer.text
    (told,) = answer.json["choices"]
    assert "".join(token["token"] for token in told["logprobs"]["content"]) == answer.text
    (body,) = asked.openai.bodies
    assert body["input"][0]["content"][1]["image_url"] == f"data:image/png;base64,{PIXEL}"
    assert body["text"]["format"]["strict"] is True
    assert (await asked.row()).cost_nano_usd == billed(asked)


async def test_json_is_asked_for_by_the_system_alone(asked: World) -> None:
    messages = [{"role": "system", "content": "Answer in JSON."}, {"role": "user", "content": "Who?"}]
    answer = await asked.ask("gpt-4o-mini", messages=messages, response_format={"type": "json_object"})
    assert (answer.status, answer.text[:1]) == (200, "{")


async def test_what_is_left_out_is_told_and_several_answers_go_elsewhere(tmp_path: Path) -> None:
    overlay = OVERLAY.replace("[models]", '[models]\ntwo = { route = ["openai/gpt-4o", "gemini/gemini-1.5-flash"] }')
    async with open_world(tmp_path, overlay) as world:
        answer = await world.ask("gpt-4o-mini", seed=1, stop="never", logit_bias={"1": 1})
        assert answer.status == 200
        assert answer.lodestar["dropped"] == "logit_bias, seed, stop"
        refused = await world.ask("gpt-4o-mini", n=2)
        assert (refused.status, refused.error["code"], refused.error["param"]) == (400, "not_supported", "n")
        elsewhere = await world.ask("two", n=2)
        assert (elsewhere.status, len(elsewhere.json["choices"])) == (200, 2)


@pytest.mark.parametrize("stream", [False, True])
async def test_an_answer_that_its_limit_ends(asked: World, stream: bool) -> None:
    answer = await asked.ask("o4", max_completion_tokens=70, stream=stream)
    last = answer.chunks[-1] if stream else answer.json
    assert last["choices"][0]["finish_reason"] == "length"
    row = await asked.row()
    assert (row.completion_tokens, row.cost_nano_usd) == (70, billed(asked))


@pytest.mark.parametrize("stream", [False, True])
async def test_a_limit_below_the_least_of_the_api(asked: World, stream: bool) -> None:
    """Classifiers ask for a token or two."""
    answer = await asked.ask("gpt-4o-mini", max_tokens=1, stream=stream)
    assert (answer.status, answer.ended) == (200, "whole")
    (body,) = asked.openai.bodies
    assert body["max_output_tokens"] == 16
    row = await asked.row()
    assert (row.completion_tokens, row.cost_nano_usd) == (16, billed(asked))
    (attempt,) = (await asked.explain(answer)).trace["attempts"]
    assert attempt["hold_nano_usd"] >= attempt["cost_nano_usd"]


async def test_a_budget_s_limit_is_written_under_its_own_name(tmp_path: Path) -> None:
    overlay = OVERLAY + '\n[budgets.all]\nscope = "global"\nwindow = "day"\nusd = 0.005\n'
    async with open_world(tmp_path, overlay) as world:
        answer = await world.ask("gpt-4o-mini", stream=True)
        assert answer.status == 200
        (body,) = world.openai.bodies
        assert 16 <= body["max_output_tokens"] < 16384


# -- failures ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("fault", "status", "code"),
    [
        ("status=429;retry-after=3", 429, "upstream_rate_limited"),
        ("status=401", 401, "upstream_auth"),
        ("status=500", 502, "upstream_error"),
        ("cut=10", 502, "upstream_cut"),
    ],
)
async def test_errors_before_the_first_word(asked: World, fault: str, status: int, code: str, stream: bool) -> None:
    asked.openai.fail(fault)
    answer = await asked.ask("gpt-4o-mini", stream=stream)
    assert (answer.status, answer.error["code"]) == (status, code)


async def test_a_prompt_that_is_too_long(asked: World) -> None:
    answer = await asked.ask("gpt-4o-mini", "word " * 120_000)
    assert (answer.status, answer.error["code"]) == (400, "context_length_exceeded")


async def test_the_next_one_answers_for_who_fails_early(asked: World) -> None:
    for fault in ("error=1", "error=3", "error=1;code=error_event", "status=503"):
        asked.openai.fail(fault)
        answer = await asked.ask("paid-first", stream=True)
        assert (answer.events[-1], answer.lodestar["model"]) == ("[DONE]", "xai/grok-beta")


@pytest.mark.parametrize(
    "fault", ["error=8", "error=8;code=error_event", "cut=2500", "end=2500", "no_done", "garbage=2500"]
)
async def test_errors_in_the_middle_are_events_and_no_good_ending(asked: World, fault: str) -> None:
    asked.openai.fail(fault)
    answer = await asked.ask("gpt-4o-mini", stream=True)
    assert answer.status == 200
    assert "[DONE]" not in answer.events
    assert answer.error["code"] in ("upstream_error", "upstream_cut", "upstream_garbage")
    row = await asked.row()
    assert row.unknown_nano_usd >= billed(asked) > 0


async def test_an_answer_without_usage_is_charged_at_its_hold(asked: World) -> None:
    asked.openai.fail("no_usage")
    answer = await asked.ask("gpt-4o-mini", stream=True)
    assert answer.events[-1] == "[DONE]"
    row = await asked.row()
    assert row.cost_nano_usd + row.unknown_nano_usd >= billed(asked) > 0


@pytest.mark.parametrize("stream", [False, True])
async def test_a_client_that_leaves_pays_what_was_billed(asked: World, stream: bool) -> None:
    with asked.openai.held(after=0 if not stream else 6):
        async with asked.open() as talk:
            await talk.send("POST", CHAT, chat("gpt-4o-mini", stream=stream))
            await asked.openai.wait_asked()
            await talk.leave()
    row = await asked.row()
    assert (row.outcome, row.unknown_nano_usd, row.cost_nano_usd) == ("client_left", 0, billed(asked))


async def test_a_client_that_leaves_may_stop_it(tmp_path: Path) -> None:
    overlay = OVERLAY.replace("[upstreams.openai]\n", '[upstreams.openai]\non_client_leave = "cancel"\n')
    async with open_world(tmp_path, overlay) as world:
        with world.openai.held(after=8):
            async with world.open() as talk:
                await talk.send("POST", CHAT, chat("gpt-4o-mini", stream=True))
                await talk.receive_until(b'"ulat"')
                await talk.leave()
                await world.openai.wait_left()
        row = await world.row()
        assert row.unknown_nano_usd >= billed(world) > 0


async def test_an_answer_is_found_again_in_the_cache(asked: World) -> None:
    first = await asked.ask("gpt-4o-mini", temperature=0, stream=True)
    again = await asked.ask("gpt-4o-mini", temperature=0)
    assert (again.lodestar["cache"], again.text) in (("hit", first.text), ("miss", first.text))
    streamed = await asked.ask("gpt-4o-mini", temperature=0, stream=True)
    assert (streamed.lodestar["cache"], streamed.text) == ("hit", first.text)


# -- clients of the same API ---------------------------------------------------------------------------------------

RESPONSES = "/v1/responses"
TOOL: dict[str, Any] = {"type": "function", **WEATHER["function"], "strict": None}


async def ask_responses(world: World, alias: str, given: Any = "Tell me something.", **members: Any) -> Any:
    return await world.request("POST", RESPONSES, {"model": alias, "input": given, **members})


@pytest.mark.parametrize("alias", ["gpt-4o-mini", "grok-mini", "o4"])
async def test_a_client_of_the_api_gets_what_its_provider_said(asked: World, alias: str) -> None:
    plain = await ask_responses(asked, alias)
    assert plain.status == 200, plain.body
    assert plain.json["id"].startswith("resp_sim")
    streamed = await ask_responses(asked, alias, stream=True)
    kinds = [event["type"] for event in streamed.chunks]
    assert (kinds[0], kinds[-1]) == ("response.created", "response.completed")
    assert [event["sequence_number"] for event in streamed.chunks] == list(range(len(kinds)))
    assert streamed.chunks[-1]["response"]["id"].startswith("resp_sim")
    if alias == "gpt-4o-mini":
        assert b'"obfuscation":"a1b2c3d4"' in streamed.body
    assert sum(row.cost_nano_usd for row in await asked.rows()) == billed(asked) > 0


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("by_id", [False, True])
async def test_a_tool_loop_of_a_model_that_reasons(asked: World, stream: bool, by_id: bool) -> None:
    asked.openai.say(SimAnswer(thinking="deep " * 2000, calls=(Call("get_weather", {"city": "Paris"}),)))
    question = {"role": "user", "content": "What is the weather in Paris?"}
    first = await ask_responses(asked, "o4", [question], tools=[TOOL], stream=stream)
    response = first.chunks[-1]["response"] if stream else first.json
    (call,) = [item for item in response["output"] if item["type"] == "function_call"]
    result = {"type": "function_call_output", "call_id": call["call_id"], "output": "sunny"}
    given = [result] if by_id else [question, *response["output"], result]
    more = {"previous_response_id": response["id"]} if by_id else {}
    second = await ask_responses(asked, "o4", given, tools=[TOOL], stream=stream, **more)
    assert second.status == 200, second.body
    _, body = asked.openai.bodies
    kinds = [item.get("type", "message") for item in body["input"]]
    assert kinds == ["message", "reasoning", "function_call", "function_call_output"]
    assert "previous_response_id" not in body
    assert body["store"] is False
    assert sum(row.cost_nano_usd for row in await asked.rows()) == billed(asked)
    for answer in (first, second):
        (attempt,) = (await asked.explain(answer)).trace["attempts"]
        assert attempt["hold_nano_usd"] >= attempt["cost_nano_usd"]


async def test_a_failure_in_the_middle_is_the_api_s_own(asked: World) -> None:
    asked.openai.fail("error=8")
    answer = await ask_responses(asked, "gpt-4o-mini", stream=True)
    assert answer.chunks[-1]["type"] == "response.failed"
    assert "response.completed" not in [event["type"] for event in answer.chunks]
    assert (await asked.row()).unknown_nano_usd >= billed(asked) > 0


async def test_what_is_kept_at_the_provider_is_not_asked_for(asked: World) -> None:
    refused = await ask_responses(asked, "gpt-4o-mini", prompt={"id": "pmpt_1"})
    assert (refused.status, refused.error["code"], refused.error["param"]) == (400, "not_supported", "prompt")
    assert asked.openai.asked == 0
