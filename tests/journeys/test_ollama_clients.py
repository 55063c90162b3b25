"""Clients that know nothing but Ollama's API, in front of local and paid models."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.world import Answer, World, eventually, open_world

NDJSON = "application/x-ndjson"
HELLO = [{"role": "user", "content": "Hello from Ollama's side"}]
WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "The weather of a city",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}
LOCAL_AND_PAID = ["local-llama", "gpt-4o-mini"]
RESIDENT = "[residency]\nenabled = true\n"
PNG = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg=="


async def post(world: World, path: str, headers: Mapping[str, str] | None = None, **members: Any) -> Answer:
    return await world.request("POST", path, members, headers)


def waiting(world: World) -> int:
    """How many wait for the card."""
    residency = world.house.runtime.residency
    assert residency is not None
    return sum(model.waiting for model in residency.state("t600").models)


def lines(answer: Answer) -> list[Any]:
    """The lines of a stream."""
    assert answer.headers["content-type"] == NDJSON
    assert answer.body.endswith(b"\n")
    return [json.loads(line) for line in answer.body.splitlines()]


def text_of(answer: Answer) -> str:
    return "".join(line["message"]["content"] for line in lines(answer))


@pytest.mark.parametrize("model", LOCAL_AND_PAID)
async def test_a_streamed_chat(world: World, model: str) -> None:
    answer = await post(world, "/api/chat", model=model, messages=HELLO)
    assert (answer.status, answer.ended) == (200, "whole")
    *parts, last = lines(answer)
    assert {line["model"] for line in (*parts, last)} == {model}
    assert "Hello from Ollama's side" in text_of(answer)
    assert [line["done"] for line in parts] == [False] * len(parts)
    assert (last["done"], last["done_reason"]) == (True, "stop")
    row = await world.row()
    assert (last["prompt_eval_count"], last["eval_count"]) == (row.prompt_tokens, row.completion_tokens)
    assert ("total_duration" in last) == (model == "local-llama")
    assert (row.dialect, row.outcome) == ("ollama", "ok")


@pytest.mark.parametrize("model", LOCAL_AND_PAID)
async def test_a_plain_chat(world: World, model: str) -> None:
    answer = await post(world, "/api/chat", model=model, messages=HELLO, stream=False)
    assert answer.headers["content-type"] == "application/json"
    whole = answer.json
    assert whole["message"]["role"] == "assistant"
    assert "Hello from Ollama's side" in whole["message"]["content"]
    assert (whole["done"], whole["done_reason"]) == (True, "stop")
    assert whole["eval_count"] > 0


async def test_what_a_paid_answer_costs_is_in_the_ledger(world: World) -> None:
    await post(world, "/api/chat", model="gpt-4o-mini", messages=HELLO)
    row = await world.row()
    assert row.cost_nano_usd == world.openai.bill_nano_usd > 0


@pytest.mark.parametrize("model", LOCAL_AND_PAID)
@pytest.mark.parametrize("stream", [True, False])
async def test_a_tool_is_called_and_answered(world: World, model: str, stream: bool) -> None:
    messages: list[Any] = [{"role": "user", "content": "What is the weather in Paris?"}]
    answer = await post(world, "/api/chat", model=model, messages=messages, tools=[WEATHER], stream=stream)
    told = lines(answer) if stream else [answer.json]
    (call,) = [call for line in told for call in line["message"].get("tool_calls", ())]
    assert call["function"]["name"] == "get_weather"
    assert call["function"]["arguments"] == {"city": "Paris"}
    assert told[-1]["done_reason"] == "stop"
    without_id = {"function": {name: call["function"][name] for name in ("name", "arguments")}}
    messages.append({"role": "assistant", "content": "", "tool_calls": [without_id]})
    messages.append({"role": "tool", "tool_name": "get_weather", "content": "Sunny, 21 degrees"})
    last = await post(world, "/api/chat", model=model, messages=messages, tools=[WEATHER], stream=stream)
    assert last.status == 200, last.body
    if model == "gpt-4o-mini":
        asked, result = world.openai.bodies[-1]["messages"][1:]
        assert asked["tool_calls"][0]["id"] == result["tool_call_id"]
        assert result["tool_call_id"].startswith("call_")


async def test_pieces_of_a_call_go_out_as_one(world: World) -> None:
    answer = await post(
        world,
        "/api/chat",
        model="gpt-4o-mini",
        messages=[{"role": "user", "content": "What is the weather in Paris and in Rome?"}],
        tools=[WEATHER],
    )
    *_, calls, last = lines(answer)
    assert [call["function"]["name"] for call in calls["message"]["tool_calls"]] == ["get_weather"] * len(
        calls["message"]["tool_calls"]
    )
    assert all(isinstance(call["function"]["arguments"], dict) for call in calls["message"]["tool_calls"])
    assert last["done"]


@pytest.mark.parametrize("model", ["vision", "gpt-4o"])
async def test_an_image_without_a_type(world: World, model: str) -> None:
    answer = await post(
        world, "/api/chat", model=model, messages=[{"role": "user", "content": "What is it?", "images": [PNG]}]
    )
    assert answer.status == 200, answer.body
    if model == "gpt-4o":
        (message,) = world.openai.bodies[-1]["messages"]
        assert message["content"][1]["image_url"]["url"] == f"data:image/png;base64,{PNG}"
    else:
        assert world.ollama.bodies[-1]["messages"][0]["images"] == [PNG]


@pytest.mark.parametrize("model", LOCAL_AND_PAID)
async def test_the_form_of_an_answer(world: World, model: str) -> None:
    schema = {"type": "object", "properties": {"watts": {"type": "integer"}}, "required": ["watts"]}
    answer = await post(
        world, "/api/chat", model=model, messages=HELLO, format=schema, stream=False, options={"temperature": 0}
    )
    assert isinstance(json.loads(answer.json["message"]["content"])["watts"], int)
    answer = await post(world, "/api/chat", model=model, messages=HELLO, format="json", stream=False)
    assert isinstance(json.loads(answer.json["message"]["content"]), dict)


async def test_thinking(world: World) -> None:
    answer = await post(world, "/api/chat", model="thinker", messages=HELLO, think=True)
    thought = "".join(line["message"].get("thinking", "") for line in lines(answer))
    assert thought
    assert world.ollama.bodies[-1]["think"] is True
    answer = await post(world, "/api/chat", model="thinker", messages=HELLO, think=False, stream=False)
    assert "thinking" not in answer.json["message"]


@pytest.mark.parametrize("model", LOCAL_AND_PAID)
@pytest.mark.parametrize("stream", [True, False])
async def test_a_prompt_with_a_system(world: World, model: str, stream: bool) -> None:
    answer = await post(
        world, "/api/generate", model=model, prompt="Hello, prompt", system="Be brief.", stream=stream
    )
    assert answer.status == 200, answer.body
    told = lines(answer) if stream else [answer.json]
    assert "Hello, prompt" in "".join(line["response"] for line in told)
    assert (told[-1]["done"], told[-1]["done_reason"], "context" in told[-1]) == (True, "stop", False)
    upstream = world.ollama if model == "local-llama" else world.openai
    assert [message["role"] for message in upstream.bodies[-1]["messages"]] == ["system", "user"]
    assert (await world.row()).dialect == "ollama-generate"


async def test_options_go_on_to_a_server_of_the_same_dialect(world: World) -> None:
    options = {"temperature": 0.5, "min_p": 0.05, "num_ctx": 99_999, "num_gpu": 1, "num_predict": -1, "stop": ["###"]}
    answer = await post(
        world, "/api/chat", model="local-llama", messages=HELLO, options=options, keep_alive="1s", shift=False
    )
    body = world.ollama.bodies[-1]
    assert body["options"] == {"temperature": 0.5, "min_p": 0.05, "stop": ["###"], "num_ctx": 4096}
    assert (body["keep_alive"], "shift" in body) == ("30m", False)
    assert "dropped" not in answer.lodestar
    answer = await post(world, "/api/chat", model="gpt-4o-mini", messages=HELLO, options=options, keep_alive="1s")
    assert answer.lodestar["dropped"] == "options.min_p"


async def test_an_output_limit_holds(world: World) -> None:
    for model in LOCAL_AND_PAID:
        answer = await post(world, "/api/chat", model=model, messages=HELLO, options={"num_predict": 3}, stream=False)
        assert (answer.json["done_reason"], answer.json["eval_count"]) == ("length", 3)


async def test_names_with_and_without_a_tag(world: World) -> None:
    answer = await post(world, "/api/chat", model="local-llama:latest", messages=HELLO, stream=False)
    assert answer.json["model"] == "local-llama:latest"
    assert (await world.row()).alias == "local-llama"


async def test_the_same_from_the_cache(world: World) -> None:
    members: dict[str, Any] = {"model": "gpt-4o-mini", "messages": HELLO, "options": {"temperature": 0}}
    first = await post(world, "/api/chat", **members)
    for _ in range(2):
        again = await post(world, "/api/chat", **members)
        assert again.lodestar["cache"] == "hit"
        assert text_of(again) == text_of(first)
    plain = await post(world, "/api/chat", **members, stream=False)
    assert plain.lodestar["cache"] == "hit"
    assert plain.json["message"]["content"] == text_of(first)
    assert world.openai.asked == 1


# -- failures ------------------------------------------------------------------------------------------------------


async def test_errors_before_the_first_line(world: World) -> None:
    unknown = await post(world, "/api/chat", model="local-lama", messages=HELLO)
    assert (unknown.status, "'local-llama'" in unknown.json["error"]) == (404, True)
    wrong = await post(world, "/api/chat", model="local-llama", messages=[{"role": "king", "content": "x"}])
    assert (wrong.status, "messages[0].role" in wrong.json["error"]) == (400, True)
    world.ollama.fail("status=500")
    broken = await post(world, "/api/generate", model="local-llama", prompt="x")
    assert broken.status == 502
    assert isinstance(broken.json["error"], str)
    nowhere = await world.request("GET", "/api/nothing")
    assert (nowhere.status, type(nowhere.json["error"])) == (404, str)
    other = await world.request("GET", "/api/chat")
    assert (other.status, other.headers["allow"]) == (405, "POST")


@pytest.mark.parametrize("model", LOCAL_AND_PAID)
async def test_an_error_in_the_middle_is_the_last_line(world: World, model: str) -> None:
    upstream = world.ollama if model == "local-llama" else world.openai
    upstream.fail("error=3;message=it broke")
    answer = await post(world, "/api/chat", model=model, messages=HELLO)
    *parts, last = [json.loads(line) for line in answer.body.splitlines()]
    assert answer.ended != "whole"
    assert parts
    assert set(last) == {"error"}
    assert all(not line["done"] for line in parts)


async def test_a_page_on_another_site_can_ask_nothing(world: World) -> None:
    form = {"content-type": "application/x-www-form-urlencoded"}
    answer = await post(world, "/api/chat", headers=form, model="gpt-4o-mini", messages=HELLO)
    assert (answer.status, type(answer.json["error"])) == (415, str)
    assert world.openai.asked == 0


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/api/pull"),
        ("POST", "/api/create"),
        ("POST", "/api/copy"),
        ("POST", "/api/push"),
        ("DELETE", "/api/delete"),
        ("POST", "/api/blobs/sha256:00"),
    ],
)
async def test_what_is_done_with_other_tools(world: World, method: str, path: str) -> None:
    answer = await world.request(method, path, {"model": "local-llama"})
    assert answer.status == 400
    assert "lodestarctl" in answer.json["error"]


# -- what models there are -----------------------------------------------------------------------------------------


async def test_the_list_of_models(world: World) -> None:
    models = {model["name"]: model for model in (await world.request("GET", "/api/tags")).json["models"]}
    assert {"auto", "local-llama", "gpt-4o-mini", "claude-sonnet"} <= models.keys()
    assert models["gpt-3.5-turbo"]["details"]["family"] == "deepseek-coder"
    assert models["gpt-3.5-turbo"]["details"]["parameter_size"] == "6.7B"
    assert "insert" in models["gpt-3.5-turbo"]["capabilities"]
    assert models["local-llama"]["capabilities"] == ["completion", "tools"]
    assert len({model["digest"] for model in models.values()}) == len(models)
    assert {len(model["digest"]) for model in models.values()} == {64}


async def test_what_is_told_of_one(world: World) -> None:
    for body in ({"model": "gpt-3.5-turbo"}, {"name": "gpt-3.5-turbo:latest"}):
        shown = (await world.request("POST", "/api/show", body)).json
        assert shown["details"]["family"] == "deepseek-coder"
        assert ".Suffix" in shown["template"]
    assert (await world.request("POST", "/api/show", {"model": "nobody"})).status == 404
    assert (await world.request("POST", "/api/show", {})).status == 400


async def test_signs_of_life(world: World) -> None:
    assert (await world.request("GET", "/api/version")).json["version"]
    assert (await world.request("GET", "/api/ps")).json == {"models": []}
    for path in ("/", "/api/version", "/api/tags"):
        answer = await world.request("HEAD", path)
        assert (answer.status, answer.body) == (200, b"")


# -- loading -------------------------------------------------------------------------------------------------------


async def test_a_model_is_loaded_and_unloaded_by_asking_nothing(tmp_path: Path) -> None:
    async with open_world(tmp_path, RESIDENT) as world:
        answer = await post(world, "/api/generate", model="local-llama")
        assert (answer.json["done"], answer.json["done_reason"], answer.json["response"]) == (True, "load", "")
        (loaded,) = [
            model
            for model in (await world.request("GET", "/api/ps")).json["models"]
            if model["name"] == "local-llama"
        ]
        assert (loaded["context_length"], loaded["size"] > 0) == (4096, True)
        shown = (await world.request("POST", "/api/show", {"model": "local-llama"})).json
        assert shown["model_info"]["llama.context_length"] == 4096
        assert shown["parameters"].split() == ["num_ctx", "4096"]
        answer = await post(world, "/api/chat", model="local-llama", messages=[], keep_alive=0)
        assert (answer.json["done_reason"], answer.json["message"]["content"]) == ("unload", "")
        assert "local-llama" in str((await world.request("GET", "/api/ps")).json)
        assert not world.ollama.questions
        assert await world.rows() == []


async def test_a_load_that_nobody_waits_for_any_more_is_not_waited_for(tmp_path: Path) -> None:
    async with open_world(tmp_path, RESIDENT) as world:
        with world.ollama.held():
            async with world.open() as first, world.open() as talk:
                await first.send("POST", "/api/generate", {"model": "local-llama", "prompt": "hi"})
                await world.ollama.wait_held()
                await talk.send("POST", "/api/generate", {"model": "gpt-3.5-turbo"})
                await eventually(lambda: waiting(world) == 1, "the one who waits for a load")
                await talk.leave()
                await eventually(lambda: waiting(world) == 0, "the one who left")
                assert "deepseek" not in str((await world.request("GET", "/api/ps")).json)


async def test_a_model_that_can_not_be_loaded(tmp_path: Path) -> None:
    async with open_world(tmp_path, RESIDENT) as world:
        answer = await post(world, "/api/generate", model="not-there")
        assert (answer.status, "mixtral:8x7b" in answer.json["error"]) == (404, True)
        form = {"content-type": "text/plain"}
        assert (await post(world, "/api/generate", headers=form, model="local-llama")).status == 415


async def test_a_paid_model_needs_no_loading(world: World) -> None:
    answer = await post(world, "/api/chat", model="gpt-4o-mini", messages=[])
    assert answer.json["done_reason"] == "load"
    assert (await post(world, "/api/generate", model="nobody")).status == 404
    assert world.openai.asked == 0


# -- as programs ask -----------------------------------------------------------------------------------------------


async def test_as_continue_asks(world: World) -> None:
    """Its Ollama mode: what the model is, then chats with options of its own and a keep-alive, always."""
    shown = (await world.request("POST", "/api/show", {"name": "gpt-3.5-turbo"})).json
    assert all(len(line.split(None, 1)) == 2 for line in shown["parameters"].splitlines())
    options = {"temperature": 0.2, "num_predict": 2048, "stop": ["/src/"], "num_ctx": 8192}
    answer = await post(
        world,
        "/api/chat",
        {"authorization": "Bearer none"},
        model="local-llama",
        messages=HELLO,
        options=options,
        keep_alive=1800,
        stream=True,
    )
    assert lines(answer)[-1]["done"]
    tools = await post(
        world, "/api/chat", model="local-llama", messages=HELLO, tools=[WEATHER], options=options, stream=False
    )
    assert tools.json["done"]
    prompt = await post(world, "/api/generate", model="local-llama", prompt="x", options=options, stream=True)
    assert lines(prompt)[-1]["done"]


async def test_as_open_webui_asks(world: World) -> None:
    """It asks for the version, the models and those in memory; bodies are JSON, users are in headers."""
    headers = {"content-type": "application/json", "x-openwebui-user-name": "Ada"}
    for path in ("/api/version", "/api/tags", "/api/ps"):
        assert (await world.request("GET", path, headers=headers)).status == 200
    messages = [{"role": "system", "content": "Be brief."}, *HELLO]
    answer = await post(
        world, "/api/chat", headers, model="gpt-4o-mini", messages=messages, options={"stop": ["x1"]}, think=None
    )
    assert lines(answer)[-1]["done"]
    title = await post(world, "/api/chat", headers, model="local-llama", messages=messages, stream=False)
    assert title.json["message"]["content"]


async def test_a_client_that_leaves_ends_a_local_answer(world: World) -> None:
    with world.ollama.held(after=3):
        async with world.open() as talk:
            await talk.send("POST", "/api/chat", {"model": "local-llama", "messages": HELLO})
            await talk.receive_until(b'"done":false')
        await world.ollama.wait_left()
    assert (await world.row()).outcome == "client_left"
