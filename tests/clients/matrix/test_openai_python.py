"""OpenAI's Python SDK speaks chat completions, over every dialect of upstreams."""

import json
from collections.abc import Iterator
from functools import partial
from typing import Any, cast

import openai
import pytest
from openai import OpenAI
from openai.types.chat import ChatCompletion, ChatCompletionMessageParam

from tests.clients.matrix import asked, cells
from tests.clients.matrix.conftest import row_of
from tests.fakes.process import Daemon

proves = partial(cells.proves, "openai", "OpenAI Python")
TOOLS = [
    {"type": "function", "function": {"name": name, "description": about, "parameters": schema}}
    for name, (about, schema) in asked.TOOLS.items()
]


@pytest.fixture(scope="module")
def client(url: str) -> Iterator[OpenAI]:
    with OpenAI(base_url=f"{url}/v1", api_key="none", max_retries=0, timeout=20) as client:
        yield client


def user(text: str) -> list[ChatCompletionMessageParam]:
    return [{"role": "user", "content": text}]


def ask(client: OpenAI, model: str, text: str, **members: Any) -> ChatCompletion:
    return cast("ChatCompletion", client.chat.completions.create(model=model, messages=user(text), **members))


@proves("text")
def test_text(client: OpenAI, upstream: str) -> None:
    reply = ask(client, upstream, asked.HELLO)
    (choice,) = reply.choices
    assert choice.finish_reason == "stop"
    assert choice.message.role == "assistant"
    assert asked.HELLO in (choice.message.content or "")


@proves("stream")
def test_a_stream(client: OpenAI, upstream: str) -> None:
    chunks = list(client.chat.completions.create(model=upstream, messages=user(asked.HELLO), stream=True))
    deltas = [choice.delta for chunk in chunks for choice in chunk.choices]
    assert asked.HELLO in "".join(delta.content or "" for delta in deltas)
    assert [delta for delta in deltas if delta.content]  # words that come at once are one piece
    finishes = [choice.finish_reason for chunk in chunks for choice in chunk.choices if choice.finish_reason]
    assert finishes == ["stop"]
    assert len({chunk.id for chunk in chunks}) == 1
    assert all(chunk.usage is None for chunk in chunks)


def go_on(client: OpenAI, model: str, text: str, message: dict[str, Any]) -> ChatCompletion:
    """The calls of ``message`` are answered."""
    calls = message["tool_calls"]
    kept = [{"id": call["id"], "type": "function", "function": plain(call["function"])} for call in calls]
    results = [{"role": "tool", "tool_call_id": call["id"], "content": asked.SUNNY} for call in calls]
    history: Any = [*user(text), {"role": "assistant", "content": None, "tool_calls": kept}, *results]
    return client.chat.completions.create(model=model, messages=history, tools=cast("Any", TOOLS))


def plain(function: dict[str, Any]) -> dict[str, Any]:
    return {"name": function["name"], "arguments": function["arguments"]}


@proves("tools")
def test_a_tool(client: OpenAI, upstream: str) -> None:
    reply = ask(client, upstream, asked.WEATHER, tools=TOOLS)
    assert reply.choices[0].finish_reason == "tool_calls"
    message = reply.choices[0].message.to_dict()
    (call,) = cast("list[dict[str, Any]]", message["tool_calls"])
    assert call["function"]["name"] == "get_weather"
    assert json.loads(call["function"]["arguments"]) == {"city": "Paris"}
    last = go_on(client, upstream, asked.WEATHER, message)
    assert last.choices[0].finish_reason == "stop"
    assert last.choices[0].message.content


@proves("tools-stream")
def test_a_tool_streamed(client: OpenAI, upstream: str) -> None:
    with client.chat.completions.stream(
        model=upstream, messages=user(asked.WEATHER), tools=cast("Any", TOOLS)
    ) as events:
        message = events.get_final_completion().choices[0].message.to_dict()
    (call,) = cast("list[dict[str, Any]]", message["tool_calls"])
    assert (call["function"]["name"], call["id"] != "") == ("get_weather", True)
    assert json.loads(call["function"]["arguments"]) == {"city": "Paris"}
    assert go_on(client, upstream, asked.WEATHER, message).choices[0].message.content


@proves("parallel")
def test_two_tools_at_once(client: OpenAI, upstream: str) -> None:
    message = ask(client, upstream, asked.BOTH, tools=TOOLS).choices[0].message.to_dict()
    calls = cast("list[dict[str, Any]]", message["tool_calls"])
    assert {call["function"]["name"] for call in calls} == {"get_weather", "read_clock"}
    assert len({call["id"] for call in calls}) == 2
    assert go_on(client, upstream, asked.BOTH, message).choices[0].message.content


@proves("forced", [name for name in cells.UPSTREAMS if name != "ollama"])  # Ollama can't be told that it must
def test_a_tool_that_must_be_called(client: OpenAI, upstream: str) -> None:
    reply = ask(client, upstream, "Good morning.", tools=TOOLS, tool_choice="required")
    calls = reply.choices[0].message.tool_calls or []
    assert [call.type for call in calls] == ["function"]


@proves("image")
def test_an_image(client: OpenAI, upstream: str) -> None:
    picture = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{asked.red_dot()}"}}
    content: Any = [{"type": "text", "text": asked.PICTURE}, picture]
    reply = client.chat.completions.create(
        model=f"{upstream}-eyes", messages=[{"role": "user", "content": content}], max_tokens=200
    )
    assert "picture" in (reply.choices[0].message.content or "")


@proves("schema")
def test_a_schema(client: OpenAI, upstream: str) -> None:
    form = {"type": "json_schema", "json_schema": {"name": "lamp", "strict": True, "schema": asked.LAMP_SCHEMA}}
    reply = ask(client, upstream, asked.LAMP, response_format=form)
    lamp = json.loads(reply.choices[0].message.content or "")
    assert isinstance(lamp["name"], str)
    assert isinstance(lamp["watts"], int)


@proves("reasoning", cells.OPEN_MINDS)
def test_what_the_model_thinks(client: OpenAI, upstream: str) -> None:
    model = f"{upstream}-thinker"
    message = ask(client, model, asked.HELLO, reasoning_effort="low").choices[0].message.to_dict()
    chunks = client.chat.completions.create(
        model=model, messages=user(asked.HELLO), reasoning_effort="low", stream=True
    )
    deltas = [choice.delta.to_dict() for chunk in chunks for choice in chunk.choices]
    thoughts = [str(delta.get("reasoning_content") or "") for delta in deltas]
    assert message["reasoning_content"] == "".join(thoughts) != ""
    assert asked.HELLO in str(message["content"])
    assert asked.HELLO in "".join(str(delta.get("content") or "") for delta in deltas)


@proves("limit")
def test_an_output_limit(client: OpenAI, upstream: str) -> None:
    reply = ask(client, upstream, asked.LONG, max_tokens=asked.LIMIT)
    assert reply.choices[0].finish_reason == "length"
    assert reply.usage is not None
    assert reply.usage.completion_tokens <= asked.LIMIT


@proves("usage")
def test_usage(client: OpenAI, everything: Daemon, upstream: str) -> None:
    raw = client.chat.completions.with_raw_response.create(
        model=upstream, messages=user(asked.HELLO), stream=True, stream_options={"include_usage": True}
    )
    usage = list(raw.parse())[-1].usage
    row = row_of(everything, raw.headers["x-lodestar-request-id"])
    assert usage is not None
    assert (usage.prompt_tokens, usage.completion_tokens) == (row["prompt_tokens"], row["completion_tokens"])
    assert usage.prompt_tokens > 0
    assert usage.completion_tokens > 0
    assert (row["cost_nano_usd"] > 0) == (upstream != "ollama")


@proves("error")
def test_an_error_before_the_answer(client: OpenAI, upstream: str) -> None:
    with pytest.raises(openai.NotFoundError) as caught:
        ask(client, f"{upstream}/no-such-model", asked.HELLO) if upstream == "ollama" else ask(
            client, f"{upstream}-none", asked.HELLO
        )
    assert caught.value.code in ("model_not_found", "upstream_model_missing")


@proves("broken")
def test_an_error_in_a_stream(client: OpenAI, upstream: str) -> None:
    stream = client.chat.completions.create(model=f"{upstream}-cut", messages=user(asked.HELLO), stream=True)
    with pytest.raises(openai.APIError) as caught:
        list(stream)
    assert caught.value.code in ("upstream_error", "upstream_busy")


@proves("left")
def test_a_client_that_leaves(client: OpenAI, everything: Daemon, upstream: str) -> None:
    with client.chat.completions.create(model=upstream, messages=user(asked.LONG), stream=True) as stream:
        request_id = stream.response.headers["x-lodestar-request-id"]
        next(iter(stream))
    row = row_of(everything, request_id)
    assert row["outcome"] in ("ok", "client_left")  # it may be whole before it left
