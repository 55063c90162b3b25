"""Ollama's Python SDK speaks Ollama's API, over every dialect of upstreams."""

import json
from collections.abc import Iterator
from functools import partial
from typing import Any, cast

import httpx
import ollama
import pytest
from ollama import Client

from tests.clients.matrix import asked, cells
from tests.clients.matrix.conftest import row_of
from tests.fakes.process import Daemon

proves = partial(cells.proves, "ollama", "Ollama Python")
TOOLS = [
    {"type": "function", "function": {"name": name, "description": about, "parameters": schema}}
    for name, (about, schema) in asked.TOOLS.items()
]


class Seen:
    """The headers of the last answer: the SDK keeps them to itself."""

    headers = httpx.Headers()

    def note(self, response: httpx.Response) -> None:
        self.headers = response.headers


@pytest.fixture(scope="module")
def seen() -> Seen:
    return Seen()


@pytest.fixture(scope="module")
def client(url: str, seen: Seen) -> Iterator[Client]:
    with Client(host=url, timeout=20, event_hooks={"response": [seen.note]}) as client:
        yield client


def user(text: str) -> list[dict[str, Any]]:
    return [{"role": "user", "content": text}]


def text_of(stream: Iterator[ollama.ChatResponse]) -> str:
    return "".join(part.message.content or "" for part in stream)


@proves("text")
def test_text(client: Client, upstream: str) -> None:
    reply = client.chat(model=upstream, messages=user(asked.HELLO))
    assert (reply.done, reply.done_reason, reply.message.role) == (True, "stop", "assistant")
    assert asked.HELLO in (reply.message.content or "")


@proves("stream")
def test_a_stream(client: Client, upstream: str) -> None:
    parts = list(client.chat(model=upstream, messages=user(asked.HELLO), stream=True))
    assert asked.HELLO in text_of(iter(parts))
    assert len(parts) > 1  # words that come at once are one piece
    assert [part.done for part in parts] == [False] * (len(parts) - 1) + [True]
    assert {part.model for part in parts} == {upstream}


def go_on(client: Client, model: str, text: str, message: ollama.Message) -> ollama.ChatResponse:
    """The calls of ``message`` are answered."""
    results = [
        {"role": "tool", "tool_name": call.function.name, "content": asked.SUNNY} for call in message.tool_calls or ()
    ]
    return client.chat(model=model, messages=[*user(text), message, *results], tools=TOOLS)


def calls_of(message: ollama.Message) -> dict[str, Any]:
    return {call.function.name: dict(call.function.arguments) for call in message.tool_calls or ()}


@proves("tools")
def test_a_tool(client: Client, upstream: str) -> None:
    message = client.chat(model=upstream, messages=user(asked.WEATHER), tools=TOOLS).message
    assert calls_of(message) == {"get_weather": {"city": "Paris"}}
    last = go_on(client, upstream, asked.WEATHER, message)
    assert last.done_reason == "stop"
    assert last.message.content


@proves("tools-stream")
def test_a_tool_streamed(client: Client, upstream: str) -> None:
    parts = list(client.chat(model=upstream, messages=user(asked.WEATHER), tools=TOOLS, stream=True))
    (message,) = [part.message for part in parts if part.message.tool_calls]
    assert calls_of(message) == {"get_weather": {"city": "Paris"}}
    assert go_on(client, upstream, asked.WEATHER, message).message.content


@proves("parallel")
def test_two_tools_at_once(client: Client, upstream: str) -> None:
    message = client.chat(model=upstream, messages=user(asked.BOTH), tools=TOOLS).message
    assert calls_of(message).keys() == {"get_weather", "read_clock"}
    assert go_on(client, upstream, asked.BOTH, message).message.content


@proves("image")
def test_an_image(client: Client, upstream: str) -> None:
    message = {"role": "user", "content": asked.PICTURE, "images": [asked.red_dot()]}
    reply = client.chat(model=f"{upstream}-eyes", messages=[message], options={"num_predict": 200})
    assert "picture" in (reply.message.content or "")


@proves("schema")
def test_a_schema(client: Client, upstream: str) -> None:
    reply = client.chat(model=upstream, messages=user(asked.LAMP), format=asked.LAMP_SCHEMA)
    lamp = json.loads(reply.message.content or "")
    assert isinstance(lamp["name"], str)
    assert isinstance(lamp["watts"], int)


@proves("reasoning", cells.OPEN_MINDS)
def test_what_the_model_thinks(client: Client, upstream: str) -> None:
    model = f"{upstream}-thinker"
    message = client.chat(model=model, messages=user(asked.HELLO), think=True).message
    parts = list(client.chat(model=model, messages=user(asked.HELLO), think=True, stream=True))
    assert message.thinking == "".join(part.message.thinking or "" for part in parts) != ""
    assert asked.HELLO in (message.content or "")
    assert asked.HELLO in text_of(iter(parts))


@proves("limit")
def test_an_output_limit(client: Client, upstream: str) -> None:
    reply = client.chat(model=upstream, messages=user(asked.LONG), options={"num_predict": asked.LIMIT})
    assert reply.done_reason == "length"
    assert cast("int", reply.eval_count) <= asked.LIMIT


@proves("usage")
def test_usage(client: Client, seen: Seen, everything: Daemon, upstream: str) -> None:
    *_, last = client.chat(model=upstream, messages=user(asked.HELLO), stream=True)
    row = row_of(everything, seen.headers["x-lodestar-request-id"])
    assert (last.prompt_eval_count, last.eval_count) == (row["prompt_tokens"], row["completion_tokens"])
    assert row["completion_tokens"] > 0
    assert (row["cost_nano_usd"] > 0) == (upstream != "ollama")


@proves("error")
def test_an_error_before_the_answer(client: Client, upstream: str) -> None:
    missing = "ollama/no-such-model" if upstream == "ollama" else f"{upstream}-none"
    for stream in (False, True):
        with pytest.raises(ollama.ResponseError) as caught:
            list(client.chat(model=missing, messages=user(asked.HELLO), stream=stream))
        assert caught.value.status_code == 404
        assert "model" in caught.value.error


@proves("broken")
def test_an_error_in_a_stream(client: Client, upstream: str) -> None:
    got: list[str] = []
    with pytest.raises(ollama.ResponseError) as caught:
        for part in client.chat(model=f"{upstream}-cut", messages=user(asked.HELLO), stream=True):
            got.append(part.message.content or "")
            assert not part.done
    assert got
    assert caught.value.error


@proves("left")
def test_a_client_that_leaves(client: Client, seen: Seen, everything: Daemon, upstream: str) -> None:
    stream = client.chat(model=upstream, messages=user(asked.LONG), stream=True)
    next(stream)
    stream.close()  # type: ignore[attr-defined]
    row = row_of(everything, seen.headers["x-lodestar-request-id"])
    assert row["outcome"] in ("ok", "client_left")  # it may be whole before it left


@proves("models")
def test_models(client: Client, upstream: str) -> None:
    listed = {model.model: model for model in client.list().models}
    assert listed[upstream].digest
    shown = client.show(f"{upstream}:latest")
    assert "completion" in (shown.capabilities or ())
