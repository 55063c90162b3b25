"""OpenAI's Python SDK speaks Responses, over every dialect of upstreams."""

import json
from collections.abc import Iterator
from functools import partial
from typing import Any, cast

import openai
import pytest
from openai import OpenAI
from openai.types.responses import Response
from pydantic import BaseModel

from tests.clients.matrix import asked, cells
from tests.clients.matrix.conftest import row_of
from tests.fakes.process import Daemon

proves = partial(cells.proves, "responses", "OpenAI Python")
TOOLS: Any = [
    {"type": "function", "name": name, "description": about, "parameters": schema, "strict": False}
    for name, (about, schema) in asked.TOOLS.items()
]


class Lamp(BaseModel):
    """What an answer is to look like."""

    name: str
    watts: int


@pytest.fixture(scope="module")
def client(url: str) -> Iterator[OpenAI]:
    with OpenAI(base_url=f"{url}/v1", api_key="none", max_retries=0, timeout=20) as client:
        yield client


def ask(client: OpenAI, model: str, given: Any, **members: Any) -> Response:
    return cast("Response", client.responses.create(model=model, input=given, **members))


def calls_of(response: Response) -> list[dict[str, Any]]:
    return [item.to_dict() for item in response.output if item.type == "function_call"]


def results_of(response: Response) -> list[dict[str, Any]]:
    """What the tools gave, for every call."""
    return [
        {"type": "function_call_output", "call_id": call["call_id"], "output": asked.SUNNY}
        for call in calls_of(response)
    ]


@proves("text")
def test_text(client: OpenAI, upstream: str) -> None:
    response = ask(client, upstream, asked.HELLO, store=False)
    assert (response.status, response.object, response.error) == ("completed", "response", None)
    assert asked.HELLO in response.output_text
    assert [item.type for item in response.output] == ["message"]


@proves("stream")
def test_a_stream(client: OpenAI, upstream: str) -> None:
    events = list(client.responses.create(model=upstream, input=asked.HELLO, stream=True))
    assert [event.type for event in events[:2]] == ["response.created", "response.in_progress"]
    assert [event.sequence_number for event in events] == list(range(len(events)))
    deltas = [event.delta for event in events if event.type == "response.output_text.delta"]
    assert deltas
    last = events[-1]
    assert last.type == "response.completed"
    assert last.response.output_text == "".join(deltas)
    assert asked.HELLO in last.response.output_text


@proves("tools")
def test_a_tool(client: OpenAI, upstream: str) -> None:
    response = ask(client, upstream, asked.WEATHER, tools=TOOLS)
    (call,) = calls_of(response)
    assert (call["name"], json.loads(call["arguments"])) == ("get_weather", {"city": "Paris"})
    history = [{"role": "user", "content": asked.WEATHER}, *[item.to_dict() for item in response.output]]
    last = ask(client, upstream, [*history, *results_of(response)], tools=TOOLS)
    assert last.status == "completed"
    assert last.output_text


@proves("tools-stream")
def test_a_tool_streamed(client: OpenAI, upstream: str) -> None:
    with client.responses.stream(model=upstream, input=asked.WEATHER, tools=TOOLS) as events:
        kinds = {event.type for event in events}
        response = events.get_final_response()
    assert {"response.function_call_arguments.delta", "response.function_call_arguments.done"} <= kinds
    (call,) = calls_of(cast("Response", response))
    assert (call["name"], json.loads(call["arguments"])) == ("get_weather", {"city": "Paris"})
    results = results_of(cast("Response", response))
    assert ask(client, upstream, results, previous_response_id=response.id, tools=TOOLS).output_text


@proves("parallel")
def test_two_tools_at_once(client: OpenAI, upstream: str) -> None:
    response = ask(client, upstream, asked.BOTH, tools=TOOLS)
    calls = calls_of(response)
    assert {call["name"] for call in calls} == {"get_weather", "read_clock"}
    assert len({call["call_id"] for call in calls}) == 2
    last = ask(client, upstream, results_of(response), previous_response_id=response.id, tools=TOOLS)
    assert last.output_text


@proves("forced", [name for name in cells.UPSTREAMS if name != "ollama"])  # Ollama can't be told that it must
def test_a_tool_that_must_be_called(client: OpenAI, upstream: str) -> None:
    assert calls_of(ask(client, upstream, "Good morning.", tools=TOOLS, tool_choice="required"))


@proves("image")
def test_an_image(client: OpenAI, upstream: str) -> None:
    picture = {"type": "input_image", "image_url": f"data:image/png;base64,{asked.red_dot()}", "detail": "auto"}
    content = [{"type": "input_text", "text": asked.PICTURE}, picture]
    response = ask(client, f"{upstream}-eyes", [{"role": "user", "content": content}], max_output_tokens=200)
    assert "picture" in response.output_text


@proves("schema")
def test_a_schema(client: OpenAI, upstream: str) -> None:
    response = client.responses.parse(model=upstream, input=asked.LAMP, text_format=Lamp)
    assert isinstance(response.output_parsed, Lamp)


@proves("reasoning", [*cells.OPEN_MINDS, "responses"])
def test_what_the_model_thinks(client: OpenAI, upstream: str) -> None:
    model, thinking = f"{upstream}-thinker", cast("Any", {"effort": "low", "summary": "auto"})
    response = ask(client, model, asked.HELLO, reasoning=thinking)
    assert [item.type for item in response.output] == ["reasoning", "message"]
    summary = [part.text for item in response.output if item.type == "reasoning" for part in item.summary]
    events = list(client.responses.create(model=model, input=asked.HELLO, reasoning=thinking, stream=True))
    deltas = [event.delta for event in events if event.type == "response.reasoning_summary_text.delta"]
    assert "".join(summary) == "".join(deltas) != ""
    last = events[-1]
    assert last.type == "response.completed"
    assert [item.type for item in last.response.output] == ["reasoning", "message"]
    assert asked.HELLO in last.response.output_text


@proves("limit")
def test_an_output_limit(client: OpenAI, upstream: str) -> None:
    response = ask(client, upstream, asked.LONG, max_output_tokens=asked.LIMIT)
    assert response.status == "incomplete"
    assert response.incomplete_details is not None
    assert response.incomplete_details.reason == "max_output_tokens"
    assert response.usage is not None
    assert response.usage.output_tokens <= asked.LIMIT


@proves("usage")
def test_usage(client: OpenAI, everything: Daemon, upstream: str) -> None:
    raw = client.responses.with_raw_response.create(model=upstream, input=asked.HELLO, stream=True)
    last = list(raw.parse())[-1]
    row = row_of(everything, raw.headers["x-lodestar-request-id"])
    assert last.type == "response.completed"
    usage = last.response.usage
    assert usage is not None
    assert (usage.input_tokens, usage.output_tokens) == (row["prompt_tokens"], row["completion_tokens"])
    assert usage.total_tokens == usage.input_tokens + usage.output_tokens > 0
    assert (row["cost_nano_usd"] > 0) == (upstream != "ollama")


@proves("error")
def test_an_error_before_the_answer(client: OpenAI, upstream: str) -> None:
    name = f"{upstream}/no-such-model" if upstream == "ollama" else f"{upstream}-none"
    with pytest.raises(openai.NotFoundError) as caught:
        ask(client, name, asked.HELLO)
    assert caught.value.code in ("model_not_found", "upstream_model_missing")


@proves("broken")
def test_an_error_in_a_stream(client: OpenAI, upstream: str) -> None:
    last = None
    with pytest.raises(openai.APIError):  # after the failure the connection is cut
        for last in client.responses.create(model=f"{upstream}-cut", input=asked.HELLO, stream=True):
            assert last.type != "response.completed"
    assert last is not None
    assert last.type == "response.failed"
    assert last.response.error is not None
    assert last.response.error.code == "server_error"


@proves("left")
def test_a_client_that_leaves(client: OpenAI, everything: Daemon, upstream: str) -> None:
    with client.responses.create(model=upstream, input=asked.LONG, stream=True) as stream:
        request_id = stream.response.headers["x-lodestar-request-id"]
        next(iter(stream))
    row = row_of(everything, request_id)
    assert row["outcome"] in ("ok", "client_left")  # it may be whole before it left


@proves("models")
def test_models(client: OpenAI, upstream: str) -> None:
    assert upstream in {model.id for model in client.models.list()}


@proves("dialogue")
def test_a_conversation_by_id(client: OpenAI, upstream: str) -> None:
    first = ask(client, upstream, asked.HELLO, instructions="Be short.")
    second = ask(client, upstream, asked.LONG, previous_response_id=first.id)
    assert second.previous_response_id in (first.id, None)  # where its own API is asked, the provider never hears it
    assert second.usage is not None
    assert first.usage is not None
    assert second.usage.input_tokens > first.usage.input_tokens
    assert client.responses.retrieve(second.id).output_text == second.output_text
    told = client.responses.input_items.list(second.id, order="asc").data
    assert [item.type for item in told] == ["message"] * 3
    client.responses.delete(first.id)
    with pytest.raises(openai.NotFoundError):
        client.responses.retrieve(first.id)
    with pytest.raises(openai.BadRequestError) as caught:
        ask(client, upstream, asked.HELLO, previous_response_id=first.id)
    assert (caught.value.code, caught.value.param) == ("previous_response_not_found", "previous_response_id")
    assert ask(client, upstream, asked.HELLO, previous_response_id=second.id).output_text
