"""OpenAI's own Python SDK, as its users call it."""

from collections.abc import Iterator

import openai
import pytest
from openai import AsyncOpenAI, OpenAI
from openai.types.chat import ChatCompletionMessageParam
from pydantic import BaseModel

from tests.fakes.process import Daemon, World, get

HELLO: list[ChatCompletionMessageParam] = [{"role": "user", "content": "Hello from the SDK"}]
MODELS = ["local-llama", "gpt-4o-mini"]


class Lamp(BaseModel):
    """What an answer is to look like."""

    name: str
    watts: int


@pytest.fixture
def client(base_url: str) -> Iterator[OpenAI]:
    with OpenAI(base_url=base_url, api_key="none", max_retries=0, timeout=10) as client:
        yield client


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # the SDK's streams stop at [DONE]
@pytest.mark.parametrize("model", MODELS)
async def test_async_on_trio(base_url: str, model: str) -> None:
    async with AsyncOpenAI(base_url=base_url, api_key="none", max_retries=0, timeout=10) as client:
        reply = await client.chat.completions.create(model=model, messages=HELLO)
        assert "Hello from the SDK" in (reply.choices[0].message.content or "")
        stream = await client.chat.completions.create(model=model, messages=HELLO, stream=True)
        texts = [choice.delta.content or "" async for chunk in stream for choice in chunk.choices]
        assert "Hello from the SDK" in "".join(texts)


@pytest.mark.parametrize("model", MODELS)
def test_a_pydantic_model_as_the_form_of_the_answer(client: OpenAI, model: str) -> None:
    reply = client.chat.completions.parse(
        model=model, messages=[{"role": "user", "content": "A lamp"}], response_format=Lamp
    )
    lamp = reply.choices[0].message.parsed
    assert isinstance(lamp, Lamp)
    with client.chat.completions.stream(
        model=model, messages=[{"role": "user", "content": "A lamp"}], response_format=Lamp
    ) as events:
        kinds = {event.type for event in events}
        assert events.get_final_completion().choices[0].message.parsed == lamp
    assert {"chunk", "content.delta", "content.done"} <= kinds


def test_the_headers_of_an_answer(client: OpenAI) -> None:
    raw = client.chat.completions.with_raw_response.create(model="gpt-4o-mini", messages=HELLO, temperature=0)
    assert raw.headers["x-lodestar-model"] == "paid/gpt-4o-mini"
    assert raw.headers["x-lodestar-cache"] == "miss"
    assert float(raw.headers["x-lodestar-cost-usd"]) > 0
    assert raw.headers["x-lodestar-attempts"] == "1"
    again = client.chat.completions.with_raw_response.create(model="gpt-4o-mini", messages=HELLO, temperature=0)
    assert again.headers["x-lodestar-cache"] == "hit"
    assert again.parse().choices[0].message.content == raw.parse().choices[0].message.content


def test_who_asked_is_in_the_ledger(client: OpenAI, house: Daemon) -> None:
    raw = client.chat.completions.with_raw_response.create(
        model="local-llama",
        messages=HELLO,
        user="ada",
        extra_headers={"x-lodestar-project": "engine"},
        extra_body={"x_unknown": {"a": 1}},
    )
    (row,) = [row for row in house.rows() if row["request_id"] == raw.headers["x-lodestar-request-id"]]
    assert (row["client"], row["project"], row["outcome"]) == ("openai-sdk", "engine", "ok")


def test_models(client: OpenAI) -> None:
    names = {model.id for model in client.models.list()}
    assert {"local-llama", "gpt-4o-mini", "auto"} <= names
    assert client.models.retrieve("local-llama").id == "local-llama"
    with pytest.raises(openai.NotFoundError) as caught:
        client.models.retrieve("local-lama")
    assert "'local-llama'" in caught.value.message


def test_an_unknown_model(client: OpenAI) -> None:
    with pytest.raises(openai.NotFoundError) as caught:
        client.chat.completions.create(model="gpt-4o-minni", messages=HELLO)
    assert (caught.value.code, caught.value.param) == ("model_not_found", "model")
    assert "Did you mean 'gpt-4o-mini'" in caught.value.message


def test_a_bad_request(client: OpenAI) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        client.chat.completions.create(model="local-llama", messages=[{"role": "king", "content": "x"}])  # type: ignore[misc,list-item]
    assert (caught.value.code, caught.value.param) == ("invalid_request", "messages[0].role")
    with pytest.raises(openai.BadRequestError) as caught:
        client.chat.completions.create(model="local-llama", messages=HELLO, n=2)
    assert caught.value.code == "not_supported"


def test_an_endpoint_that_is_not_there(client: OpenAI) -> None:
    with pytest.raises(openai.NotFoundError) as caught:
        client.images.generate(model="gpt-image-1", prompt="x")
    assert caught.value.code == "not_found"


@pytest.mark.parametrize("stream", [False, True])
def test_a_rate_limit(client: OpenAI, stream: bool) -> None:
    with pytest.raises(openai.RateLimitError) as caught:
        client.chat.completions.create(model="busy", messages=HELLO, stream=stream)
    assert caught.value.code == "upstream_rate_limited"
    assert 1 <= int(caught.value.response.headers["retry-after"]) <= 7  # one that was heeded has some of it behind


@pytest.mark.parametrize("fault", ["status=429;retry-after=1", "status=500", "close"])
def test_the_sdk_asks_again_by_itself(client: OpenAI, house: Daemon, world: World, fault: str) -> None:
    answer = get(world.openai_port, "/__sim/faults", "POST", {"faults": [fault]})
    assert answer.status == 200
    before = len(house.rows(1000))
    reply = client.with_options(max_retries=2).chat.completions.create(model="gpt-4o-mini", messages=HELLO)
    assert reply.choices[0].message.content
    failed, whole = house.rows(1000)[before:]
    assert (failed["outcome"] != "ok", whole["outcome"]) == (True, "ok")
    assert (failed["cost_nano_usd"] == 0) == fault.startswith("status")


def test_an_upstream_that_fails(client: OpenAI) -> None:
    with pytest.raises(openai.InternalServerError) as caught:
        client.chat.completions.create(model="broken", messages=HELLO)
    assert (caught.value.status_code, caught.value.code) == (502, "upstream_error")


def test_a_stream_that_breaks_in_the_middle(client: OpenAI) -> None:
    stream = iter(client.chat.completions.create(model="cut", messages=HELLO, stream=True))
    texts = [next(stream).choices[0].delta.content or "" for _ in range(4)]
    with pytest.raises(openai.APIError) as caught:
        list(stream)
    assert "".join(texts).startswith("[simulated")
    assert caught.value.code == "upstream_cut"


def test_a_stream_that_its_reader_leaves(client: OpenAI, house: Daemon) -> None:
    with client.chat.completions.create(model="slow", messages=HELLO, stream=True) as stream:
        request_id = stream.response.headers["x-lodestar-request-id"]
        next(iter(stream))
    house.wait_idle()
    (row,) = [row for row in house.rows() if row["request_id"] == request_id]
    assert row["outcome"] == "client_left"
    assert row["cost_nano_usd"] > 0
