"""Between two of the same dialect bytes pass; between others everything that both can say is translated."""

import json
from typing import Any

import pytest

from tests.fakes.world import CHAT, World, chat

PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "The weather of a city",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}
CLOCK = {
    "type": "function",
    "function": {
        "name": "read_clock",
        "parameters": {"type": "object", "properties": {"zone": {"type": "string"}}, "required": ["zone"]},
    },
}
LAMP = {
    "type": "object",
    "properties": {"name": {"type": "string"}, "watts": {"type": "integer", "minimum": 5}},
    "required": ["name", "watts"],
    "additionalProperties": False,
}


async def test_unknown_members_reach_the_upstream_byte_for_byte(world: World) -> None:
    odd = '{ "deep" : [1.0, 1e3, {"x":"\\u00e9\\/"}], "big": 12345678901234567890123 }'
    body = '{"model":"gpt-4o-mini","messages":[{"role":"user","content":"hi","x_part":  true}],"x_odd":' + odd
    body += ',"metadata":{"a":"b"},"user":"u-1","service_tier":"flex"}'
    answer = await world.request("POST", CHAT, body.encode())
    assert answer.status == 200
    (request,) = world.openai.app.requests
    assert odd.encode() in request.body
    assert b'"x_part":  true' in request.body
    assert json.loads(request.body) == json.loads(body)


async def test_members_of_a_stream_pass_and_the_usage_is_asked_for(world: World) -> None:
    options = {"include_obfuscation": False}
    await world.ask("gpt-4o-mini", stream=True, stream_options=options, x_odd=[1, 2])
    (body,) = world.openai.bodies
    assert body["stream_options"] == {"include_obfuscation": False, "include_usage": True}
    assert body["x_odd"] == [1, 2]


async def test_an_alias_becomes_its_models_own_name_and_nothing_else_changes(world: World) -> None:
    await world.ask("gemini-pro", temperature=1, top_p=0.5, seed=7, stop=["x", "y"], presence_penalty=0.1)
    (body,) = world.upstreams["gemini"].bodies
    wanted = chat("gemini-1.5-flash", temperature=1, top_p=0.5, seed=7, stop=["x", "y"], presence_penalty=0.1)
    assert body == wanted


@pytest.mark.parametrize("stream", [False, True])
async def test_unknown_members_of_an_answer_reach_the_client(world: World, stream: bool) -> None:
    answer = await world.ask("gpt-4o-mini", stream=stream)
    for told in answer.chunks if stream else [answer.json]:
        assert (told["service_tier"], told["system_fingerprint"]) == ("default", "fp_simulated")
        assert told["id"].startswith("chatcmpl-sim")
        assert told["model"] == "gpt-4o-mini"


@pytest.mark.parametrize("alias", ["local-llama", "gpt-4o-mini", "gemini-pro"])
@pytest.mark.parametrize("stream", [False, True])
async def test_two_tools_at_once_and_what_they_gave(world: World, alias: str, stream: bool) -> None:
    question = "What are the weather and the clock in Paris?"
    answer = await world.ask(alias, question, tools=[WEATHER, CLOCK], stream=stream)
    calls = gather_calls(answer.chunks) if stream else answer.json["choices"][0]["message"]["tool_calls"]
    assert [call["function"]["name"] for call in calls] == ["get_weather", "read_clock"]
    assert [json.loads(call["function"]["arguments"]) for call in calls] == [{"city": "Paris"}, {"zone": "Paris"}]
    assert len({call["id"] for call in calls}) == 2
    messages = [
        {"role": "user", "content": question},
        {"role": "assistant", "content": None, "tool_calls": calls},
        *({"role": "tool", "tool_call_id": call["id"], "content": "fine"} for call in calls),
    ]
    body = {"model": alias, "messages": messages, "tools": [WEATHER, CLOCK], "stream": stream}
    second = await world.request("POST", CHAT, body)
    assert second.status == 200, second.body
    assert second.text.startswith("[simulated")


def gather_calls(chunks: list[Any]) -> list[Any]:
    """The whole calls of a stream, as a client joins them."""
    calls: dict[int, Any] = {}
    finishes = []
    for choice in (choice for chunk in chunks for choice in chunk["choices"]):
        finishes += [choice["finish_reason"]] if choice["finish_reason"] else []
        for part in choice["delta"].get("tool_calls") or ():
            fresh = {"id": part.get("id"), "type": "function", "function": {"name": "", "arguments": ""}}
            function = calls.setdefault(part["index"], fresh)["function"]
            for name in ("name", "arguments"):
                function[name] += part["function"].get(name) or ""
    assert finishes == ["tool_calls"]
    return [calls[index] for index in sorted(calls)]


@pytest.mark.parametrize("alias", ["local-llama", "gpt-4o-mini"])
async def test_a_tool_that_must_be_called(world: World, alias: str) -> None:
    choice = {"type": "function", "function": {"name": "read_clock"}}
    answer = await world.ask(alias, "Which clock is it?", tools=[WEATHER, CLOCK], tool_choice=choice)
    (call,) = answer.json["choices"][0]["message"]["tool_calls"]
    assert call["function"]["name"] == "read_clock"
    assert answer.json["choices"][0]["finish_reason"] == "tool_calls"


@pytest.mark.parametrize("alias", ["vision", "gpt-4o-mini"])
async def test_an_image_is_seen(world: World, alias: str) -> None:
    parts = [
        {"type": "text", "text": "What is this?"},
        {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PIXEL}"}},
    ]
    answer = await world.request("POST", CHAT, {"model": alias, "messages": [{"role": "user", "content": parts}]})
    assert answer.status == 200, answer.body
    if alias == "vision":
        assert world.ollama.bodies[0]["messages"] == [{"role": "user", "content": "What is this?", "images": [PIXEL]}]
    else:
        assert world.openai.bodies[0]["messages"][0]["content"] == parts
        assert answer.usage["prompt_tokens"] > 85


async def test_an_image_by_its_address_is_not_fetched_for_the_local_model(world: World) -> None:
    parts = [{"type": "image_url", "image_url": {"url": "https://example.com/cat.png"}}]
    answer = await world.request("POST", CHAT, {"model": "vision", "messages": [{"role": "user", "content": parts}]})
    assert (answer.status, answer.error["code"]) == (400, "not_supported")
    assert answer.error["param"] == "messages[0].content[0]"


@pytest.mark.parametrize("alias", ["local-llama", "gpt-4o-mini"])
@pytest.mark.parametrize("stream", [False, True])
async def test_an_answer_in_the_form_of_a_schema(world: World, alias: str, stream: bool) -> None:
    form = {"type": "json_schema", "json_schema": {"name": "lamp", "strict": True, "schema": LAMP}}
    answer = await world.ask(alias, "A lamp", response_format=form, stream=stream)
    assert json.loads(answer.text) == {"name": "text", "watts": 5}


@pytest.mark.parametrize("alias", ["local-llama", "gpt-4o-mini"])
async def test_an_answer_in_json(world: World, alias: str) -> None:
    answer = await world.ask(alias, "A lamp, as JSON", response_format={"type": "json_object"})
    assert "answer" in json.loads(answer.text)


@pytest.mark.parametrize("stream", [False, True])
async def test_two_choices_of_a_paid_model(world: World, stream: bool) -> None:
    answer = await world.ask("gpt-4o-mini", n=2, stream=stream)
    if stream:
        indexes = {choice["index"] for chunk in answer.chunks for choice in chunk["choices"]}
    else:
        indexes = {choice["index"] for choice in answer.json["choices"]}
    assert indexes == {0, 1}
    assert (await world.row()).cost_nano_usd == world.openai.bill_nano_usd


async def test_two_choices_go_past_the_local_model_to_one_that_can(world: World) -> None:
    answer = await world.ask("auto", n=2)
    assert (answer.status, answer.lodestar["model"], len(answer.json["choices"])) == (200, "openai/gpt-4o-mini", 2)
    assert world.ollama.asked == 0
    told = await world.explain(answer)
    assert [attempt["outcome"] for attempt in told.trace["attempts"]] == ["not_supported", "ok"]


async def test_two_choices_of_the_local_model_alone_are_refused(world: World) -> None:
    answer = await world.ask("local-llama", n=2)
    assert (answer.status, answer.error["code"], answer.error["param"]) == (400, "not_supported", "n")


@pytest.mark.parametrize("stream", [False, True])
async def test_logprobs(world: World, stream: bool) -> None:
    answer = await world.ask("gpt-4o-mini", logprobs=True, top_logprobs=2, stream=stream)
    if stream:
        told = [choice["logprobs"] for chunk in answer.chunks for choice in chunk["choices"] if choice["logprobs"]]
    else:
        told = [answer.json["choices"][0]["logprobs"]]
    tokens = [token for part in told for token in part["content"]]
    assert "".join(token["token"] for token in tokens) == answer.text
    assert {len(token["top_logprobs"]) for token in tokens} == {2}


async def test_what_is_sampled_locally(world: World) -> None:
    await world.ask(
        "local-llama",
        temperature=1.5,
        top_p=0.9,
        seed=3,
        stop="END",
        max_tokens=7,
        presence_penalty=0.5,
        frequency_penalty=-0.5,
        logit_bias={"50256": -100},
        user="u-1",
    )
    (body,) = world.ollama.bodies
    assert body["options"] == {
        "temperature": 1.5,
        "top_p": 0.9,
        "seed": 3,
        "stop": ["END"],
        "num_predict": 7,
        "presence_penalty": 0.5,
        "frequency_penalty": -0.5,
        "num_ctx": 4096,
    }
    assert not {"logit_bias", "user"} & set(body)


async def test_an_answer_that_was_cut_short_by_its_limit(world: World) -> None:
    for alias in ("local-llama", "gpt-4o-mini"):
        answer = await world.ask(alias, max_tokens=2)
        assert answer.json["choices"][0]["finish_reason"] == "length"
        assert answer.usage["completion_tokens"] == 2
