"""Anthropic's own Python SDK, as its users call it, over upstreams that speak other dialects."""

from collections.abc import Iterator
from typing import Any, cast

import anthropic
import pytest
from anthropic import Anthropic, AsyncAnthropic
from anthropic.types import Message, MessageParam

from tests.clients.conftest import fail_next
from tests.fakes.process import Daemon, World

HELLO: list[MessageParam] = [{"role": "user", "content": "Hello from the SDK"}]
MODELS = pytest.mark.parametrize("model", ["local-llama", "gpt-4o-mini"])


@pytest.fixture
def url(house: Daemon) -> str:
    return f"http://127.0.0.1:{house.port}"


@pytest.fixture
def client(url: str) -> Iterator[Anthropic]:
    with Anthropic(base_url=url, api_key="none", max_retries=0, timeout=20) as client:
        yield client


def ask(client: Anthropic, model: str, messages: list[MessageParam] = HELLO, **members: Any) -> Message:
    return cast("Message", client.messages.create(model=model, max_tokens=400, messages=messages, **members))


def stream(client: Anthropic, model: str, messages: list[MessageParam] = HELLO, **members: Any) -> Message:
    """The message that the SDK has gathered at the end."""
    with client.messages.stream(model=model, max_tokens=400, messages=messages, **members) as events:
        return events.get_final_message()


def text_of(message: Message) -> str:
    return "".join(block.text for block in message.content if block.type == "text")


@MODELS
async def test_async_on_trio(url: str, model: str) -> None:
    async with AsyncAnthropic(base_url=url, api_key="none", max_retries=0, timeout=20) as client:
        message = await client.messages.create(model=model, max_tokens=400, messages=HELLO)
        assert "Hello from the SDK" in text_of(message)
        async with client.messages.stream(model=model, max_tokens=400, messages=HELLO) as events:
            texts = [text async for text in events.text_stream]
        assert "Hello from the SDK" in "".join(texts)


@MODELS
def test_the_sdk_runs_a_tool_by_itself(client: Anthropic, model: str) -> None:
    asked: list[str] = []

    @anthropic.beta_tool
    def get_weather(city: str) -> str:
        """The weather of a city."""
        asked.append(city)
        return "Sunny, 21 degrees"

    runner = client.beta.messages.tool_runner(
        model=model,
        max_tokens=400,
        messages=[{"role": "user", "content": "What is the weather in Paris?"}],
        tools=[get_weather],
    )
    last = runner.until_done()
    assert asked == ["Paris"]
    assert last.stop_reason == "end_turn"


def test_the_headers_of_an_answer(client: Anthropic) -> None:
    raw = client.messages.with_raw_response.create(model="gpt-4o-mini", max_tokens=50, messages=HELLO)
    assert raw.headers["x-lodestar-model"] == "paid/gpt-4o-mini"
    assert float(raw.headers["x-lodestar-cost-usd"]) > 0


def test_who_asked_is_in_the_ledger(client: Anthropic, house: Daemon) -> None:
    raw = client.messages.with_raw_response.create(
        model="local-llama",
        max_tokens=50,
        messages=HELLO,
        metadata={"user_id": "ada"},
        extra_headers={"x-lodestar-project": "engine"},
    )
    (row,) = [row for row in house.rows() if row["request_id"] == raw.headers["x-lodestar-request-id"]]
    assert (row["client"], row["user"], row["project"]) == ("anthropic-sdk", "ada", "engine")


def test_models(client: Anthropic) -> None:
    ids = [model.id for model in client.models.list(limit=3)]  # the SDK turns the pages
    assert {"local-llama", "gpt-4o-mini", "auto"} <= set(ids)
    assert len(ids) == len(set(ids)) > 3
    assert client.models.retrieve("local-llama").id == "local-llama"
    with pytest.raises(anthropic.NotFoundError) as caught:
        client.models.retrieve("local-lama")
    assert "'local-llama'" in caught.value.message


def test_an_unknown_model(client: Anthropic) -> None:
    with pytest.raises(anthropic.NotFoundError) as caught:
        ask(client, "gpt-4o-minni")
    assert caught.value.type == "not_found_error"
    assert "Did you mean 'gpt-4o-mini'" in caught.value.message


def test_a_bad_request(client: Anthropic) -> None:
    with pytest.raises(anthropic.BadRequestError) as caught:
        ask(client, "local-llama", cast("Any", [{"role": "king", "content": "x"}]))
    assert caught.value.type == "invalid_request_error"
    assert "messages[0].role" in caught.value.message


@pytest.mark.parametrize("get", [ask, stream])
def test_a_rate_limit(client: Anthropic, get: Any) -> None:
    with pytest.raises(anthropic.RateLimitError) as caught:
        get(client, "busy")
    assert caught.value.response.headers["retry-after"] == "7"


@pytest.mark.parametrize("fault", ["status=429;retry-after=1", "status=500", "close"])
def test_the_sdk_asks_again_by_itself(client: Anthropic, house: Daemon, world: World, fault: str) -> None:
    fail_next(world, fault)
    before = len(house.rows(1000))
    assert text_of(ask(client.with_options(max_retries=2), "gpt-4o-mini"))
    failed, whole = house.rows(1000)[before:]
    assert (failed["outcome"] != "ok", whole["outcome"]) == (True, "ok")


def test_an_upstream_that_fails(client: Anthropic) -> None:
    with pytest.raises(anthropic.InternalServerError) as caught:
        ask(client, "broken")
    assert (caught.value.status_code, caught.value.type) == (502, "api_error")


def test_a_stream_that_breaks_in_the_middle(client: Anthropic) -> None:
    texts: list[str] = []
    with (
        pytest.raises(anthropic.APIStatusError) as caught,
        client.messages.stream(model="cut", max_tokens=4_000, messages=HELLO) as events,
    ):
        texts.extend(events.text_stream)
    assert caught.value.type == "api_error"


def test_a_stream_that_its_reader_leaves(client: Anthropic, house: Daemon) -> None:
    with client.messages.stream(model="slow", max_tokens=400, messages=HELLO) as events:
        request_id = events.response.headers["x-lodestar-request-id"]
        next(iter(events))
    house.wait_idle()
    (row,) = [row for row in house.rows() if row["request_id"] == request_id]
    assert row["outcome"] == "client_left"
    assert row["cost_nano_usd"] > 0
