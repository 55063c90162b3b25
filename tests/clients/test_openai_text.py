"""OpenAI's own Python SDK: text completions and embeddings."""

from collections.abc import Iterator

import openai
import pytest
from openai import OpenAI

from tests.clients.conftest import MODELS
from tests.fakes.process import QUIET, Daemon, World, get, overlay

TEXT_MODELS = {
    "coder": {"route": ["gpu/deepseek-coder:6.7b"]},
    "nomic": {"route": ["gpu/nomic-embed-text"]},
    "instruct": {"route": ["paid/gpt-3.5-turbo-instruct"]},
    "embedder": {"route": ["paid/text-embedding-3-small"]},
}
PRICES = {
    "paid/gpt-3.5-turbo-instruct": {"input": 1.5, "output": 2},
    "paid/text-embedding-3-small": {"input": 0.02, "output": 0},
}
COMPLETERS = ["coder", "instruct"]
EMBEDDERS = {"nomic": 768, "embedder": 1536}


@pytest.fixture(scope="module")
def text_house(world: World, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    settings = overlay(overlay(world.settings(), QUIET), {"models": {**MODELS, **TEXT_MODELS}, "prices": PRICES})
    daemon = Daemon(tmp_path_factory.mktemp("text"), settings)
    try:
        yield daemon.start()
        daemon.verify()
    finally:
        daemon.end()


@pytest.fixture
def client(text_house: Daemon) -> Iterator[OpenAI]:
    url = f"http://127.0.0.1:{text_house.port}/v1"
    with OpenAI(base_url=url, api_key="none", max_retries=0, timeout=10) as client:
        yield client


@pytest.mark.parametrize("model", COMPLETERS)
def test_a_plain_completion(client: OpenAI, model: str) -> None:
    reply = client.completions.create(model=model, prompt="Once upon a time", max_tokens=40)
    assert reply.object == "text_completion"
    assert "Once upon a time" in reply.choices[0].text
    assert reply.usage is not None
    assert reply.usage.total_tokens == reply.usage.prompt_tokens + reply.usage.completion_tokens > 0


@pytest.mark.parametrize("model", COMPLETERS)
def test_a_streamed_completion(client: OpenAI, model: str) -> None:
    stream = client.completions.create(
        model=model, prompt="Once upon a time", max_tokens=60, stream=True, stream_options={"include_usage": True}
    )
    chunks = list(stream)
    text = "".join(choice.text for chunk in chunks for choice in chunk.choices)
    assert "Once upon a time" in text
    ends = [str(choice.finish_reason) for chunk in chunks for choice in chunk.choices]
    assert (ends[-1], set(ends)) == ("stop", {"None", "stop"})
    assert chunks[-1].usage is not None
    assert chunks[-1].usage.completion_tokens > 0
    assert client.completions.create(model=model, prompt="Once upon a time", max_tokens=60).choices[0].text == text


@pytest.mark.parametrize("model", COMPLETERS)
def test_a_gap_and_an_echo(client: OpenAI, model: str) -> None:
    filled = client.completions.create(model=model, prompt="def f(n):\n", suffix="\nf(1)", max_tokens=30)
    assert filled.choices[0].text
    if model == "coder":
        echoed = client.completions.create(model=model, prompt="x = ", echo=True, max_tokens=30)
        assert echoed.choices[0].text.startswith("x = [simulated")


@pytest.mark.parametrize("model", EMBEDDERS)
def test_embeddings_as_the_sdk_asks_for_them(client: OpenAI, model: str) -> None:
    """In base64, which it decodes itself; and as numbers."""
    reply = client.embeddings.create(model=model, input=["a lamp", "a chair"])
    assert [entry.index for entry in reply.data] == [0, 1]
    assert [len(entry.embedding) for entry in reply.data] == [EMBEDDERS[model]] * 2
    numbers = client.embeddings.create(model=model, input=["a lamp", "a chair"], encoding_format="float")
    for one, other in zip(reply.data, numbers.data, strict=True):
        assert one.embedding == pytest.approx(other.embedding, abs=1e-6)
    assert reply.usage.prompt_tokens == reply.usage.total_tokens == 4
    short = client.embeddings.create(model=model, input="a lamp", dimensions=16)
    assert len(short.data[0].embedding) == 16


def test_an_embedding_is_deterministic_and_comes_from_the_cache(client: OpenAI) -> None:
    for model in EMBEDDERS:
        replies = [client.embeddings.with_raw_response.create(model=model, input="kept") for _ in range(2)]
        assert [reply.headers["x-lodestar-cache"] for reply in replies] == ["miss", "hit"]
        assert replies[0].parse().data == replies[1].parse().data


def test_what_is_refused(client: OpenAI) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        client.completions.create(model="coder", prompt=["a", "b"])
    assert (caught.value.code, caught.value.param) == ("not_supported", "prompt")
    with pytest.raises(openai.BadRequestError) as caught:
        client.embeddings.create(model="nomic", input=[[1, 2]])
    assert (caught.value.code, caught.value.param) == ("not_supported", "input")


def test_a_stream_that_breaks_in_the_middle(client: OpenAI, world: World) -> None:
    assert get(world.openai_port, "/__sim/faults", "POST", {"faults": ["cut=900"]}).status == 200
    stream = client.completions.create(model="instruct", prompt="Once upon a time", max_tokens=60, stream=True)
    with pytest.raises(openai.APIError) as error:
        list(stream)
    assert error.value.code == "upstream_cut"
