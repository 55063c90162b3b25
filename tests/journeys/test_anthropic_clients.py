"""Clients of Anthropic's dialect, over upstreams that speak others: what they get, and what the ledger says of it."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.world import Answer, World, open_world

MESSAGES = "/v1/messages"
PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
SENT = {"anthropic-version": "2023-06-01", "x-api-key": "none", "user-agent": "Anthropic/Python 2.14.0"}
SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
WEATHER = {"name": "get_weather", "description": "The weather of a city", "input_schema": SCHEMA}
CLOCK = {"name": "read_clock", "input_schema": SCHEMA}
UPSTREAMS = pytest.mark.parametrize("alias", ["local-llama", "gpt-4o-mini"])
FORMS = pytest.mark.parametrize("stream", [False, True])


def body(alias: str, text: str = "Tell me something.", **members: Any) -> dict[str, Any]:
    return {"model": alias, "max_tokens": 300, "messages": [{"role": "user", "content": text}], **members}


async def ask(world: World, alias: str, text: str = "Tell me something.", **members: Any) -> Answer:
    return await world.request("POST", f"{MESSAGES}?beta=true", body(alias, text, **members), SENT)


def message_of(answer: Answer) -> dict[str, Any]:
    """The whole message, plain or gathered of a stream that ended as it should."""
    assert answer.status == 200, answer.body
    if not answer.is_stream:
        return dict(answer.json)
    message: dict[str, Any] = {}
    events = [event for event in answer.events if event["type"] != "ping"]
    assert events[-1]["type"] == "message_stop"
    inputs: dict[int, str] = {}
    for event in events:
        match event["type"]:
            case "message_start":
                message = event["message"]
            case "content_block_start":
                message["content"].append(event["content_block"])
            case "content_block_delta":
                take_delta(message["content"][-1], event["delta"], inputs, event["index"])
            case "message_delta":
                message |= event["delta"]
                message["usage"] |= event["usage"]
    for index, text in inputs.items():
        message["content"][index]["input"] = json.loads(text)
    return message


def take_delta(block: dict[str, Any], delta: dict[str, Any], inputs: dict[int, str], index: int) -> None:
    match delta["type"]:
        case "text_delta":
            block["text"] += delta["text"]
        case "thinking_delta":
            block["thinking"] += delta["thinking"]
        case "input_json_delta":
            inputs[index] = inputs.get(index, "") + delta["partial_json"]


def text_of(answer: Answer) -> str:
    return "".join(block["text"] for block in message_of(answer)["content"] if block["type"] == "text")


@UPSTREAMS
@FORMS
async def test_a_text(world: World, alias: str, stream: bool) -> None:
    answer = await ask(world, alias, "Hello there.", stream=stream, system="Be brief.", metadata={"user_id": "ada"})
    message = message_of(answer)
    assert "Hello there." in text_of(answer)
    assert (message["role"], message["type"], message["stop_reason"]) == ("assistant", "message", "end_turn")
    assert message["id"] == answer.id.replace("req_", "msg_")
    row = await world.row()
    usage = message["usage"]
    assert (usage["input_tokens"], usage["output_tokens"]) == (row.prompt_tokens, row.completion_tokens)
    found = await world.explain(answer)
    assert (found.request.client, found.request.user) == ("anthropic-sdk", "ada")
    assert row.cost_nano_usd == world.openai.bill_nano_usd
    assert (row.cost_nano_usd > 0) == (alias == "gpt-4o-mini")


@UPSTREAMS
@FORMS
async def test_a_tool_is_called_and_answered(world: World, alias: str, stream: bool) -> None:
    question = "What is the weather in Paris?"
    answer = await ask(world, alias, question, stream=stream, tools=[WEATHER])
    message = message_of(answer)
    assert message["stop_reason"] == "tool_use"
    (call,) = [block for block in message["content"] if block["type"] == "tool_use"]
    assert (call["name"], call["input"]) == ("get_weather", {"city": "Paris"})
    history = [
        {"role": "user", "content": question},
        {"role": "assistant", "content": message["content"]},
        {
            "role": "user",
            "content": [
                {"type": "tool_result", "tool_use_id": call["id"], "content": [{"type": "text", "text": "Sunny"}]},
                {"type": "text", "text": "Thanks.", "cache_control": {"type": "ephemeral"}},
            ],
        },
    ]
    last = await ask(world, alias, messages=history, tools=[WEATHER], stream=stream)
    assert message_of(last)["content"]
    dropped = last.lodestar["dropped"].split(", ")
    assert dropped == ["messages[].content[].cache_control"]
    upstream = world.ollama if alias == "local-llama" else world.openai
    roles = [message["role"] for message in upstream.bodies[-1]["messages"]]
    assert roles == ["user", "assistant", "tool", "user"]


@FORMS
async def test_two_tools_at_once(world: World, stream: bool) -> None:
    text = "What is the weather in Paris, and what does the clock say in Rome?"
    answer = await ask(world, "gpt-4o-mini", text, stream=stream, tools=[WEATHER, CLOCK])
    calls = [block for block in message_of(answer)["content"] if block["type"] == "tool_use"]
    assert [call["name"] for call in calls] == ["get_weather", "read_clock"]
    one = await ask(
        world,
        "gpt-4o-mini",
        text,
        stream=stream,
        tools=[WEATHER, CLOCK],
        tool_choice={"type": "auto", "disable_parallel_tool_use": True},
    )
    assert len([block for block in message_of(one)["content"] if block["type"] == "tool_use"]) == 1


@pytest.mark.parametrize("alias", ["vision", "gpt-4o-mini"])
async def test_an_image(world: World, alias: str) -> None:
    image = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PIXEL}}
    content = [image, {"type": "text", "text": "What is this?"}]
    answer = await ask(world, alias, messages=[{"role": "user", "content": content}])
    assert text_of(answer)
    upstream = world.ollama if alias == "vision" else world.openai
    assert PIXEL in json.dumps(upstream.bodies[-1])


@FORMS
async def test_what_a_local_model_thinks_is_a_thinking_block(world: World, stream: bool) -> None:
    message = message_of(await ask(world, "thinker", stream=stream))
    assert [block["type"] for block in message["content"]] == ["thinking", "text"]
    assert message["content"][0]["thinking"]


async def test_thinking_and_effort_are_no_reason_to_refuse(world: World) -> None:
    """As Claude Code asks everybody."""
    wishes: dict[str, Any] = {
        "thinking": {"type": "adaptive", "display": "omitted"},
        "output_config": {"effort": "high"},
    }
    for alias in ("local-llama", "gpt-4o-mini"):
        answer = await ask(world, alias, **wishes, context_management={"edits": []})
        assert text_of(answer)
        assert answer.lodestar["dropped"] == "context_management, output_config.effort"
    off = await ask(world, "thinker", thinking={"type": "disabled"})
    assert [block["type"] for block in message_of(off)["content"]] == ["text"]
    assert text_of(await ask(world, "gpt-4o-mini", thinking={"type": "disabled"}))


async def test_a_limit_for_claude_is_none_for_a_model_that_writes_less(world: World) -> None:
    answer = await ask(world, "gpt-4o-mini", max_tokens=32_000)
    assert text_of(answer)
    assert world.openai.bodies[0]["max_tokens"] == 16_384


async def test_sampling_and_form(world: World) -> None:
    form = {"format": {"type": "json_schema", "schema": SCHEMA}}
    answer = await ask(world, "local-llama", stop_sequences=["END"], temperature=0.5, top_k=9, output_config=form)
    assert set(json.loads(text_of(answer))) == {"city"}
    (sent,) = world.ollama.bodies
    assert sent["format"] == SCHEMA
    options = sent["options"]
    assert (options["stop"], options["temperature"], options["top_k"], options["num_predict"]) == (
        ["END"],
        0.5,
        9,
        300,
    )


async def test_an_answer_that_is_cut_by_its_limit(world: World) -> None:
    assert message_of(await ask(world, "gpt-4o-mini", max_tokens=3))["stop_reason"] == "max_tokens"


@FORMS
async def test_from_the_cache(world: World, stream: bool) -> None:
    first = await ask(world, "gpt-4o-mini", temperature=0, stream=stream)
    again = await ask(world, "gpt-4o-mini", temperature=0, stream=not stream)
    assert (first.lodestar["cache"], again.lodestar["cache"]) == ("miss", "hit")
    assert message_of(first)["content"] == message_of(again)["content"]
    assert world.openai.asked == 1


async def test_another_version_is_another_answer(world: World) -> None:
    await ask(world, "gpt-4o-mini", temperature=0)
    other = await world.request(
        "POST", MESSAGES, body("gpt-4o-mini", temperature=0), {**SENT, "anthropic-version": "2026-10-21"}
    )
    assert other.lodestar["cache"] == "miss"


# -- what goes wrong -----------------------------------------------------------------------------------------------


def error_of(answer: Answer) -> tuple[int, str, str]:
    told = answer.events[-1] if answer.is_stream else answer.json
    assert told["type"] == "error"
    return answer.status, told["error"]["type"], told["error"]["message"]


async def test_errors_are_in_this_dialect(world: World) -> None:
    status, kind, text = error_of(await ask(world, "local-lama"))
    assert (status, kind) == (404, "not_found_error")
    assert "'local-llama'" in text
    without = body("local-llama")
    del without["max_tokens"]
    answer = await world.request("POST", MESSAGES, without, SENT)
    assert error_of(answer) == (400, "invalid_request_error", "Missing required parameter: 'max_tokens'.")
    wrong = await world.request("GET", MESSAGES, headers=SENT)
    assert error_of(wrong)[:2] == (405, "invalid_request_error")
    form = await world.request("POST", MESSAGES, without, {**SENT, "content-type": "text/plain"})
    assert error_of(form)[:2] == (415, "invalid_request_error")


@FORMS
async def test_an_upstream_that_asks_to_wait(world: World, stream: bool) -> None:
    world.openai.fail("status=429;retry-after=7")
    answer = await ask(world, "gpt-4o-mini", stream=stream)
    assert error_of(answer)[:2] == (429, "rate_limit_error")
    assert answer.headers["retry-after"] == "7"


async def test_a_stream_that_breaks_ends_with_an_error(world: World) -> None:
    world.openai.fail("cut=900")
    answer = await ask(world, "gpt-4o-mini", stream=True)
    assert answer.ended in ("cut", "reset")
    assert error_of(answer)[:2] == (200, "api_error")
    assert not [event for event in answer.events if event["type"] in ("message_stop", "message_delta")]
    assert (await world.row()).outcome == "upstream_cut"


async def test_a_prompt_that_is_too_long_is_told_as_claude_code_reads_it(world: World) -> None:
    answer = await ask(world, "local-llama", "word " * 9_000)
    status, kind, text = error_of(answer)
    assert (status, kind) == (400, "invalid_request_error")
    assert text.startswith("prompt is too long")


async def test_what_is_billed_otherwise_is_refused_for_who_pays_and_free_where_nobody_does(world: World) -> None:
    search = {"type": "web_search_20250305", "name": "web_search"}
    paid = await ask(world, "gpt-4o-mini", tools=[search])
    assert error_of(paid)[:2] == (400, "invalid_request_error")
    assert (await world.row()).cost_nano_usd == world.openai.bill_nano_usd == 0
    local = await ask(world, "local-llama", tools=[search])
    assert "web_search_20250305" in error_of(local)[2]


async def test_a_pdf_is_refused_where_nobody_reads_it(world: World) -> None:
    pdf = {"type": "document", "source": {"type": "base64", "media_type": "application/pdf", "data": "eA=="}}
    answer = await ask(world, "local-llama", messages=[{"role": "user", "content": [pdf]}])
    assert error_of(answer)[:2] == (400, "invalid_request_error")
    assert "document" in error_of(answer)[2]


# -- what else there is --------------------------------------------------------------------------------------------


async def test_tokens_are_counted_without_asking_anybody(world: World) -> None:
    question = {"model": "local-llama", "messages": [{"role": "user", "content": "word " * 400}]}
    answer = await world.request("POST", f"{MESSAGES}/count_tokens", question, SENT)
    assert answer.status == 200
    assert 300 < answer.json["input_tokens"] < 800
    more = await world.request("POST", f"{MESSAGES}/count_tokens", {**question, "tools": [WEATHER]}, SENT)
    assert more.json["input_tokens"] > answer.json["input_tokens"]
    nobody = await world.request("POST", f"{MESSAGES}/count_tokens", {**question, "model": "nobody"}, SENT)
    assert error_of(nobody)[:2] == (404, "not_found_error")
    assert world.ollama.questions == []
    assert await world.rows() == []


async def test_the_list_of_models_is_in_the_shape_of_who_asks(world: World) -> None:
    answer = await world.request("GET", "/v1/models?limit=1000", headers=SENT)
    ids = [model["id"] for model in answer.json["data"]]
    assert (answer.json["has_more"], answer.json["first_id"]) == (False, ids[0])
    assert {"local-llama", "claude-sonnet"} <= set(ids)
    page = await world.request("GET", f"/v1/models?limit=2&after_id={ids[0]}", headers=SENT)
    assert [model["id"] for model in page.json["data"]] == ids[1:3]
    one = await world.request("GET", "/v1/models/local-llama", headers=SENT)
    assert (one.json["type"], one.json["id"]) == ("model", "local-llama")
    nobody = await world.request("GET", "/v1/models/nobody", headers=SENT)
    assert error_of(nobody)[:2] == (404, "not_found_error")
    wrong = await world.request("GET", "/v1/models?limit=none", headers=SENT)
    assert error_of(wrong)[:2] == (400, "invalid_request_error")
    crowded = await world.request("GET", "/v1/models?" + "a=1&" * 20, headers=SENT)
    assert error_of(crowded)[:2] == (400, "invalid_request_error")
    other = await world.request("GET", "/v1/models")
    assert (other.json["object"], [model["id"] for model in other.json["data"]]) == ("list", ids)


async def test_claude_code_looks_first_whether_anybody_is_there(world: World) -> None:
    answer = await world.request("HEAD", "/", headers=SENT)
    assert (answer.status, answer.body) == (200, b"")


async def test_a_provider_that_counts_itself_is_asked(world: World) -> None:
    question = {"model": "claude-sonnet", "messages": [{"role": "user", "content": "How many words has this one?"}]}
    path = f"{MESSAGES}/count_tokens"
    told = (await world.request("POST", path, question, SENT)).json["input_tokens"]
    asked = world.upstreams["anthropic"].app.requests[-1]
    assert (asked.path, json.loads(asked.body)["model"]) == (
        "/v1/messages/count_tokens",
        "claude-sonnet-4-5-20250929",
    )
    answer = await world.request("POST", MESSAGES, {**question, "max_tokens": 20}, SENT)
    assert told == answer.json["usage"]["input_tokens"]
    assert world.upstreams["anthropic"].meter.billed == 1  # nothing for the count
    for fault in ("status=500", "close", "noise", "content-type=text/html;cut=3"):
        world.upstreams["anthropic"].fail(fault)
        estimate = await world.request("POST", path, question, SENT)
        assert estimate.status == 200
        assert 0 < estimate.json["input_tokens"] != told


async def test_no_prompt_goes_to_a_provider_without_its_key(tmp_path: Path) -> None:
    keyless = '[upstreams.anthropic]\nkey = { env = "NOT_SET_ANYWHERE" }\n'
    async with open_world(tmp_path, overlay=keyless) as world:
        question = {"model": "claude-sonnet", "messages": [{"role": "user", "content": "word " * 400}]}
        answer = await world.request("POST", f"{MESSAGES}/count_tokens", question, SENT)
        assert answer.status == 200
        assert 300 < answer.json["input_tokens"] < 800
        assert world.upstreams["anthropic"].asked == 0


@FORMS
async def test_an_older_claude_is_asked_as_it_understands(world: World, stream: bool) -> None:
    """Claude Code takes an alias that it does not know for the newest model."""
    newest: dict[str, Any] = {
        "thinking": {"type": "adaptive"},
        "output_config": {"effort": "high"},
        "context_management": {"edits": [{"type": "clear_thinking_20251015", "keep": "all"}]},
    }
    history = [
        {"role": "user", "content": "What is the weather in Paris?"},
        {"role": "assistant", "content": [{"type": "tool_use", "id": "t1", "name": "get_weather", "input": {}}]},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t1", "content": "Sunny"}]},
        {"role": "system", "content": "Be brief."},
    ]
    answer = await ask(world, "claude-sonnet", messages=history, tools=[WEATHER], stream=stream, **newest)
    assert text_of(answer)
    assert answer.lodestar["dropped"] == "thinking, context_management, output_config.effort"
    counted = {"model": "claude-sonnet", "messages": history, "tools": [WEATHER], **newest}
    told = (await world.request("POST", f"{MESSAGES}/count_tokens", counted, SENT)).json["input_tokens"]
    assert told == message_of(answer)["usage"]["input_tokens"]
