"""Anthropic's Python SDK speaks messages, over every dialect of upstreams."""

from collections.abc import Iterator
from functools import partial
from typing import Any, cast

import anthropic
import pytest
from anthropic import Anthropic
from anthropic.types import Message, ToolUseBlock
from pydantic import BaseModel

from tests.clients.matrix import asked, cells
from tests.clients.matrix.conftest import row_of
from tests.fakes.process import Daemon

proves = partial(cells.proves, "anthropic", "Anthropic Python")
TOOLS: Any = [
    {"name": name, "description": about, "input_schema": schema} for name, (about, schema) in asked.TOOLS.items()
]
THINKING: Any = {"type": "enabled", "budget_tokens": 1024}


class Lamp(BaseModel):
    """What an answer is to look like."""

    name: str
    watts: int


@pytest.fixture(scope="module")
def client(url: str) -> Iterator[Anthropic]:
    with Anthropic(base_url=url, api_key="none", max_retries=0, timeout=20) as client:
        yield client


def members(model: str, content: Any, limit: int = 400, **more: Any) -> dict[str, Any]:
    return {"model": model, "max_tokens": limit, "messages": [{"role": "user", "content": content}], **more}


def ask(client: Anthropic, model: str, content: Any, limit: int = 400, **more: Any) -> Message:
    return cast("Message", client.messages.create(**members(model, content, limit, **more)))


def text_of(message: Message) -> str:
    return "".join(block.text for block in message.content if block.type == "text")


def calls_of(message: Message) -> list[ToolUseBlock]:
    return [block for block in message.content if block.type == "tool_use"]


def thought_in(message: Message) -> str:
    return "".join(block.thinking for block in message.content if block.type == "thinking")


def go_on(client: Anthropic, model: str, text: str, message: Message) -> Message:
    """The calls of ``message`` are answered."""
    results = [{"type": "tool_result", "tool_use_id": call.id, "content": asked.SUNNY} for call in calls_of(message)]
    asked_more = members(model, text, tools=TOOLS)
    asked_more["messages"] += [
        {"role": "assistant", "content": message.content},
        {"role": "user", "content": results},
    ]
    return cast("Message", client.messages.create(**asked_more))


@proves("text")
def test_text(client: Anthropic, upstream: str) -> None:
    message = ask(client, upstream, asked.HELLO)
    assert (message.type, message.role, message.stop_reason) == ("message", "assistant", "end_turn")
    assert [block.type for block in message.content] == ["text"]
    assert asked.HELLO in text_of(message)


@proves("stream")
def test_a_stream(client: Anthropic, upstream: str) -> None:
    kinds: list[str] = []
    texts: list[str] = []
    with client.messages.stream(**members(upstream, asked.HELLO)) as events:
        for event in events:
            if event.type == "text":  # the SDK's own, beside each delta
                texts.append(event.text)
            else:
                kinds.append(event.type)
        message = events.get_final_message()
    assert kinds[:2] == ["message_start", "content_block_start"]
    assert set(kinds[2:-3]) == {"content_block_delta"}
    assert kinds[-3:] == ["content_block_stop", "message_delta", "message_stop"]
    assert texts  # words that come at once are one piece
    assert asked.HELLO in "".join(texts) == text_of(message)
    assert message.stop_reason == "end_turn"


@proves("tools")
def test_a_tool(client: Anthropic, upstream: str) -> None:
    message = ask(client, upstream, asked.WEATHER, tools=TOOLS)
    assert message.stop_reason == "tool_use"
    (call,) = calls_of(message)
    assert (call.name, call.input) == ("get_weather", {"city": "Paris"})
    last = go_on(client, upstream, asked.WEATHER, message)
    assert (last.stop_reason, text_of(last) != "") == ("end_turn", True)


@proves("tools-stream")
def test_a_tool_streamed(client: Anthropic, upstream: str) -> None:
    with client.messages.stream(**members(upstream, asked.WEATHER, tools=TOOLS)) as events:
        kinds = {event.type for event in events}
        message = events.get_final_message()
    assert "input_json" in kinds
    (call,) = calls_of(message)
    assert (call.name, call.input, message.stop_reason) == ("get_weather", {"city": "Paris"}, "tool_use")
    assert text_of(go_on(client, upstream, asked.WEATHER, message))


@proves("parallel")
def test_two_tools_at_once(client: Anthropic, upstream: str) -> None:
    message = ask(client, upstream, asked.BOTH, tools=TOOLS)
    calls = calls_of(message)
    assert {call.name for call in calls} == {"get_weather", "read_clock"}
    assert len({call.id for call in calls}) == 2
    assert text_of(go_on(client, upstream, asked.BOTH, message))


@proves("forced", [name for name in cells.UPSTREAMS if name != "ollama"])  # Ollama can't be told that it must
def test_a_tool_that_must_be_called(client: Anthropic, upstream: str) -> None:
    for choice, names in (({"type": "any"}, asked.TOOLS), ({"type": "tool", "name": "read_clock"}, {"read_clock"})):
        message = ask(client, upstream, "Good morning.", tools=TOOLS, tool_choice=choice)
        (call,) = calls_of(message)
        assert (call.name in names, message.stop_reason) == (True, "tool_use")


@proves("image")
def test_an_image(client: Anthropic, upstream: str) -> None:
    source = {"type": "base64", "media_type": "image/png", "data": asked.red_dot()}
    content = [{"type": "image", "source": source}, {"type": "text", "text": asked.PICTURE}]
    assert "picture" in text_of(ask(client, f"{upstream}-eyes", content, 200))


@proves("schema")
def test_a_schema(client: Anthropic, upstream: str) -> None:
    message = client.messages.parse(**members(upstream, asked.LAMP), output_format=Lamp)
    assert isinstance(message.parsed_output, Lamp)


@proves("reasoning", cells.OPEN_MINDS)
def test_what_the_model_thinks(client: Anthropic, upstream: str) -> None:
    told = members(f"{upstream}-thinker", asked.HELLO, 2000, thinking=THINKING)
    plain = cast("Message", client.messages.create(**told))
    with client.messages.stream(**told) as events:
        thoughts = [event.thinking for event in events if event.type == "thinking"]
        streamed = events.get_final_message()
    assert [block.type for block in plain.content] == [block.type for block in streamed.content]
    assert [block.type for block in plain.content] == ["thinking", "text"]
    assert thought_in(plain) == thought_in(streamed) == "".join(thoughts) != ""
    assert asked.HELLO in text_of(streamed)


@proves("limit")
def test_an_output_limit(client: Anthropic, upstream: str) -> None:
    message = ask(client, upstream, asked.LONG, asked.LIMIT)
    assert message.stop_reason == "max_tokens"
    assert message.usage.output_tokens <= asked.LIMIT


@proves("usage")
def test_usage(client: Anthropic, everything: Daemon, upstream: str) -> None:
    with client.messages.stream(**members(upstream, asked.HELLO)) as events:
        usage = events.get_final_message().usage
        row = row_of(everything, events.response.headers["x-lodestar-request-id"])
    prompt = usage.input_tokens + (usage.cache_read_input_tokens or 0) + (usage.cache_creation_input_tokens or 0)
    assert (prompt, usage.output_tokens) == (row["prompt_tokens"], row["completion_tokens"])
    assert min(prompt, usage.output_tokens) > 0
    assert (row["cost_nano_usd"] > 0) == (upstream != "ollama")


@proves("error")
def test_an_error_before_the_answer(client: Anthropic, upstream: str) -> None:
    missing = "ollama/no-such-model" if upstream == "ollama" else f"{upstream}-none"
    with pytest.raises(anthropic.NotFoundError) as caught:
        ask(client, missing, asked.HELLO)
    assert caught.value.type == "not_found_error"


@proves("broken")
def test_an_error_in_a_stream(client: Anthropic, upstream: str) -> None:
    kinds: list[str] = []
    with (
        pytest.raises(anthropic.APIStatusError) as caught,
        client.messages.stream(**members(f"{upstream}-cut", asked.HELLO)) as events,
    ):
        kinds.extend(event.type for event in events)
    assert caught.value.type in ("api_error", "overloaded_error")
    assert "message_stop" not in kinds


@proves("left")
def test_a_client_that_leaves(client: Anthropic, everything: Daemon, upstream: str) -> None:
    with client.messages.stream(**members(upstream, asked.LONG)) as events:
        request_id = events.response.headers["x-lodestar-request-id"]
        next(iter(events))
    row = row_of(everything, request_id)
    assert row["outcome"] in ("ok", "client_left")  # it may be whole before it left


@proves("count")
def test_tokens_are_counted(client: Anthropic, upstream: str) -> None:
    few = members(upstream, asked.HELLO)
    del few["max_tokens"]
    counts = [client.messages.count_tokens(**few, **more).input_tokens for more in ({}, {"tools": TOOLS})]
    assert 0 < counts[0] < counts[1]


@proves("models")
def test_models(client: Anthropic, upstream: str) -> None:
    assert upstream in {model.id for model in client.models.list(limit=100)}
    assert client.models.retrieve(upstream).id == upstream
