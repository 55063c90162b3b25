"""Ollama's own Python SDK, as its users call it."""

import json
from collections.abc import Iterator
from typing import Any

import ollama
import pytest
from ollama import AsyncClient, Client
from pydantic import BaseModel

from tests.fakes.process import Daemon

HELLO = [{"role": "user", "content": "Hello from Ollama's SDK"}]
MODELS = ["local-llama", "gpt-4o-mini"]
PNG = (
    b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR\x00\x00\x00\x01\x00\x00\x00\x01\x08\x06\x00\x00\x00\x1f\x15\xc4\x89"
    b"\x00\x00\x00\rIDATx\xdacd`\xf8_\x0f\x00\x02\x87\x01\x80\xeb\x47\xba\x92\x00\x00\x00\x00IEND\xaeB`\x82"
)


class Lamp(BaseModel):
    """What an answer is to look like."""

    name: str
    watts: int


def get_weather(city: str) -> str:
    """The weather of a city.

    Args:
        city: its name
    """
    return f"Sunny in {city}, 21 degrees"


@pytest.fixture
def host(house: Daemon) -> str:
    return f"http://127.0.0.1:{house.port}"


@pytest.fixture
def client(host: str) -> Iterator[Client]:
    with Client(host=host, timeout=10) as client:
        yield client


@pytest.mark.parametrize("model", MODELS)
def test_a_function_of_python_as_a_tool(client: Client, model: str) -> None:
    messages: list[Any] = [{"role": "user", "content": "What is the weather in Paris?"}]
    reply = client.chat(model=model, messages=messages, tools=[get_weather])
    (call,) = reply.message.tool_calls or ()
    assert call.function.name == "get_weather"
    result = get_weather(**call.function.arguments)
    messages += [reply.message, {"role": "tool", "tool_name": call.function.name, "content": result}]
    assert client.chat(model=model, messages=messages, tools=[get_weather]).message.content


@pytest.mark.parametrize("model", MODELS)
def test_a_pydantic_model_as_the_form_of_the_answer(client: Client, model: str) -> None:
    reply = client.chat(
        model=model, messages=[{"role": "user", "content": "A lamp"}], format=Lamp.model_json_schema()
    )
    assert Lamp.model_validate_json(reply.message.content or "").name
    reply = client.chat(model=model, messages=HELLO, format="json")
    assert isinstance(json.loads(reply.message.content or ""), dict)


@pytest.mark.parametrize("model", ["vision", "gpt-4o-mini"])
def test_images(client: Client, model: str) -> None:
    message = {"role": "user", "content": "What is in this picture?", "images": [PNG]}
    assert client.chat(model=model, messages=[message], options={"num_predict": 50}).message.content
    assert client.generate(model=model, prompt="What is it?", images=[PNG]).response


@pytest.mark.parametrize("model", MODELS)
def test_a_prompt(client: Client, model: str) -> None:
    reply = client.generate(model=model, prompt="Hello, prompt", system="Be brief.", options={"seed": 1})
    assert "Hello, prompt" in (reply.response or "")
    assert reply.done_reason == "stop"
    parts = list(client.generate(model=model, prompt="Hello, prompt", stream=True))
    assert "Hello, prompt" in "".join(part.response or "" for part in parts)
    assert parts[-1].done


def test_loading_and_unloading(client: Client) -> None:
    assert client.generate(model="local-llama").done_reason == "load"
    assert client.chat(model="local-llama", messages=[], keep_alive=0).done_reason == "unload"


def test_models(client: Client) -> None:
    listed = {model.model: model for model in client.list().models}
    assert {"local-llama", "gpt-4o-mini"} <= listed.keys()
    assert all(model.digest and model.modified_at for model in listed.values())
    shown = client.show("gpt-3.5-turbo")
    assert "insert" in (shown.capabilities or ())
    assert shown.details is not None
    assert shown.details.parameter_size == "6.7B"
    for process in client.ps().models:
        assert process.model in listed
        assert process.expires_at is not None


def test_errors(client: Client) -> None:
    for model, status in (("gpt-4o-minni", 404), ("broken", 502), ("busy", 429)):
        with pytest.raises(ollama.ResponseError) as caught:
            client.chat(model=model, messages=HELLO)
        assert caught.value.status_code == status
        assert caught.value.error
        with pytest.raises(ollama.ResponseError) as caught:
            list(client.chat(model=model, messages=HELLO, stream=True))
        assert caught.value.status_code == status
    with pytest.raises(ollama.ResponseError) as caught:
        client.pull("llama3.1:8b")
    assert "lodestarctl models pull" in caught.value.error


def test_a_stream_that_breaks_in_the_middle(client: Client) -> None:
    with pytest.raises(ollama.ResponseError):
        for part in client.chat(model="cut", messages=HELLO, stream=True):
            assert not part.done


def test_the_asynchronous_client(host: str) -> None:
    async def talk() -> None:
        async with AsyncClient(host=host, timeout=10) as client:
            reply = await client.chat(model="local-llama", messages=HELLO)
            assert "Hello from Ollama's SDK" in (reply.message.content or "")
            texts = [
                part.message.content or ""
                async for part in await client.chat(model="gpt-4o-mini", messages=HELLO, stream=True)
            ]
            assert "Hello from Ollama's SDK" in "".join(texts)
            assert (await client.list()).models

    import trio

    trio.run(talk)


def test_who_asked_is_in_the_ledger(client: Client, house: Daemon) -> None:
    client.chat(model="local-llama", messages=HELLO)
    row = house.rows(1000)[-1]
    assert (row["client"], row["alias"], row["outcome"]) == ("ollama", "local-llama", "ok")
