"""OpenAI's Python SDK speaks completions and embeddings, over every dialect of upstreams that has them."""

from collections.abc import Iterator
from functools import partial

import openai
import pytest
from openai import OpenAI

from tests.clients.matrix import asked, cells
from tests.clients.matrix.conftest import row_of
from tests.fakes.process import Daemon

completes = partial(cells.proves, "completions", "OpenAI Python")
embeds = partial(cells.proves, "embeddings", "OpenAI Python", upstreams=["ollama", "openai"])


@pytest.fixture(scope="module")
def client(url: str) -> Iterator[OpenAI]:
    with OpenAI(base_url=f"{url}/v1", api_key="none", max_retries=0, timeout=20) as client:
        yield client


@completes("completion")
def test_a_text_is_continued(client: OpenAI, upstream: str) -> None:
    reply = client.completions.create(model=upstream, prompt=asked.HELLO, max_tokens=80)
    (choice,) = reply.choices
    assert (reply.object, choice.finish_reason) == ("text_completion", "stop")
    assert asked.HELLO in choice.text


@completes("stream")
def test_a_stream(client: OpenAI, upstream: str) -> None:
    chunks = list(client.completions.create(model=upstream, prompt=asked.HELLO, max_tokens=80, stream=True))
    assert asked.HELLO in "".join(choice.text for chunk in chunks for choice in chunk.choices)
    assert len(chunks) > 1  # words that come at once go on at once
    assert str(chunks[-1].choices[0].finish_reason) == "stop"
    assert all(chunk.usage is None for chunk in chunks)


@completes("fill")
def test_a_gap(client: OpenAI, upstream: str) -> None:
    reply = client.completions.create(model=f"{upstream}-fills", prompt="def f(n):\n", suffix="\nf(1)", max_tokens=80)
    assert reply.choices[0].text


@completes("limit")
def test_an_output_limit(client: OpenAI, upstream: str) -> None:
    reply = client.completions.create(model=upstream, prompt=asked.LONG, max_tokens=asked.LIMIT)
    assert reply.choices[0].finish_reason == "length"
    assert reply.usage is not None
    assert reply.usage.completion_tokens <= asked.LIMIT


@completes("usage")
def test_usage(client: OpenAI, everything: Daemon, upstream: str) -> None:
    raw = client.completions.with_raw_response.create(model=upstream, prompt=asked.HELLO, max_tokens=80)
    row = row_of(everything, raw.headers["x-lodestar-request-id"])
    usage = raw.parse().usage
    assert usage is not None
    assert (usage.prompt_tokens, usage.completion_tokens) == (row["prompt_tokens"], row["completion_tokens"])
    assert (row["outcome"], row["cost_nano_usd"] > 0) == ("ok", upstream != "ollama")


@completes("error")
def test_an_error_before_the_answer(client: OpenAI, upstream: str) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        client.completions.create(model=upstream, prompt=[asked.HELLO, "another one"])
    assert (caught.value.code, caught.value.param) == ("not_supported", "prompt")


@completes("broken")
def test_an_error_in_a_stream(client: OpenAI, upstream: str) -> None:
    stream = client.completions.create(model=f"{upstream}-cut", prompt=asked.HELLO, max_tokens=80, stream=True)
    with pytest.raises(openai.APIError):
        list(stream)


@embeds("embedding")
def test_embeddings(client: OpenAI, everything: Daemon, upstream: str) -> None:
    raw = client.embeddings.with_raw_response.create(model=f"{upstream}-embeds", input=["a lamp", "a chair"])
    reply = raw.parse()
    assert [entry.index for entry in reply.data] == [0, 1]
    assert all(
        sum(number * number for number in entry.embedding) == pytest.approx(1, abs=1e-3) for entry in reply.data
    )
    row = row_of(everything, raw.headers["x-lodestar-request-id"])
    assert (row["prompt_tokens"], row["completion_tokens"]) == (reply.usage.prompt_tokens, 0)


@embeds("error")
def test_an_error_of_embeddings(client: OpenAI, upstream: str) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        client.embeddings.create(model=f"{upstream}-embeds", input=[])
    assert caught.value.param == "input"
