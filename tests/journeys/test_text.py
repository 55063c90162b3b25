"""Text completions, gaps to be filled and embeddings, through the whole house, local and paid."""

import base64
import struct
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.fakes.world import Answer, World, open_world

BEGIN, HOLE, END = (f"<\uff5cfim\u2581{word}\uff5c>" for word in ("begin", "hole", "end"))
COMPLETIONS, FIM, EMBEDDINGS = "/v1/completions", "/v1/fim/completions", "/v1/embeddings"
MODELS = """
[models]
instruct = { route = ["openai/gpt-3.5-turbo-instruct"] }
coder = { route = ["t600/deepseek-coder:6.7b"] }
nomic = { route = ["t600/nomic-embed-text"] }
embedder = { route = ["openai/text-embedding-3-small"] }
coder-or-chat = { route = ["gone/deepseek-coder:6.7b", "openai/gpt-4o-mini"] }

[prices]
"openai/gpt-3.5-turbo-instruct" = { input = 1.50, output = 2 }
"openai/text-embedding-3-small" = { input = 0.02, output = 0 }
"""
CONFIGURED = """
[upstreams.xai]
completions = "chat"

[upstreams.t600.models."llama3.1:8b"]
fim = "chat"
"""
RESIDENCY = "[residency]\nenabled = true\nlinger_s = 0.01\n"


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with open_world(tmp_path, MODELS + CONFIGURED) as opened:
        yield opened


async def complete(world: World, alias: str, prompt: object = "def double(n):\n", **members: Any) -> Answer:
    return await world.request("POST", COMPLETIONS, {"model": alias, "prompt": prompt, **members})


async def embed(world: World, alias: str, given: object = "a lamp", **members: Any) -> Answer:
    return await world.request("POST", EMBEDDINGS, {"model": alias, "input": given, **members})


def said(answer: Answer) -> str:
    """The first choice's text, plain or streamed."""
    if not answer.is_stream:
        return str(answer.json["choices"][0]["text"])
    return "".join(choice["text"] for chunk in answer.chunks for choice in chunk["choices"])


@pytest.mark.parametrize("alias", ["coder", "instruct", "gpt-4o-mini"])
@pytest.mark.parametrize("stream", [False, True])
async def test_a_completion_is_the_same_plain_and_streamed(world: World, alias: str, stream: bool) -> None:
    answer = await complete(world, alias, max_tokens=60, stream=stream, stream_options={"include_usage": True})
    assert (answer.status, answer.ended) == (200, "whole")
    text = said(answer)
    assert text
    kind = answer.chunks[0] if stream else answer.json
    assert (kind["object"], answer.usage["completion_tokens"] > 0) == ("text_completion", True)
    if stream:
        assert answer.events[-1] == "[DONE]"
        finishes = [choice["finish_reason"] for chunk in answer.chunks for choice in chunk["choices"]]
        assert [finish for finish in finishes if finish] == ["stop"]
    again = await complete(world, alias, max_tokens=60, stream=not stream)
    assert said(again) == text


async def test_what_local_models_are_asked(world: World) -> None:
    """A prompt is continued raw; a gap is filled by the model's own marks, and ends at them."""
    await complete(world, "coder", "a = ", max_tokens=5, stop=["\n"], temperature=0, seed=3)
    filled = await complete(world, "coder", "def f(n):\n", suffix="\nprint(f(2))", max_tokens=30)
    assert said(filled).startswith("[simulated")  # marks are no suffix to the simulator
    raw, gap = world.ollama.bodies
    assert [request.path for request in world.ollama.questions] == ["/api/generate", "/api/generate"]
    assert raw == {
        "model": "deepseek-coder:6.7b",
        "prompt": "a = ",
        "stream": True,
        "truncate": False,
        "options": {"num_ctx": 4096, "num_predict": 5, "stop": ["\n"], "temperature": 0.0, "seed": 3},
        "keep_alive": "30m",
        "raw": True,
    }
    assert gap["prompt"] == f"{BEGIN}def f(n):\n{HOLE}\nprint(f(2)){END}"
    assert gap["raw"]
    assert END in gap["options"]["stop"]
    (told,) = (await world.explain(filled)).trace["attempts"]
    assert told["translation"] == ["gap filled by the model's own marks"]
    rows = await world.rows()
    assert [row.task for row in rows] == ["chat", "autocomplete"]


async def test_a_gap_is_filled_by_a_chat_where_the_model_has_no_marks(world: World) -> None:
    world.ollama.say("```python\nreturn 2 * n\n```")
    answer = await complete(world, "local-llama", "def f(n):\n    ", suffix="\n", max_tokens=30, stream=True)
    assert said(answer) == "return 2 * n"
    (body,) = world.ollama.bodies
    assert [message["role"] for message in body["messages"]] == ["system", "user"]
    assert body["messages"][1]["content"] == "<before>def f(n):\n    </before>\n<after>\n</after>"
    (told,) = (await world.explain(answer)).trace["attempts"]
    assert told["translation"] == ["completion emulated by chat"]


@pytest.mark.parametrize("stream", [False, True])
async def test_a_provider_that_only_chats_completes(world: World, stream: bool) -> None:
    world.xai.say("```\n    return n\n```\n")
    answer = await complete(world, "grok-beta", "def f(n):\n", max_tokens=50, stream=stream, echo=True)
    assert (answer.status, said(answer)) == (200, "def f(n):\n    return n")
    (request,) = world.xai.app.requests
    assert request.path == "/v1/chat/completions"
    row = await world.row()
    assert row.cost_nano_usd == world.xai.bill_nano_usd > 0
    held = (await world.explain(answer)).attempts[0].held_nano_usd
    assert held >= row.cost_nano_usd


@pytest.mark.parametrize("stream", [False, True])
async def test_a_paid_completion_goes_through_as_it_is(world: World, stream: bool) -> None:
    answer = await complete(world, "instruct", n=2, max_tokens=20, x_new={"a": [1]}, stream=stream)
    (body,) = world.openai.bodies
    assert body["x_new"] == {"a": [1]}
    assert body["model"] == "gpt-3.5-turbo-instruct"
    if stream:
        assert body["stream_options"] == {"include_usage": True}
        assert {choice["index"] for chunk in answer.chunks for choice in chunk["choices"]} == {0, 1}
        assert not [chunk for chunk in answer.chunks if chunk.get("usage")]
    else:
        assert [choice["index"] for choice in answer.json["choices"]] == [0, 1]
        assert answer.json["id"].startswith("cmpl-sim")
    row = await world.row()
    assert row.cost_nano_usd == world.openai.bill_nano_usd > 0
    assert row.completion_tokens == world.openai.meter.models["gpt-3.5-turbo-instruct"].completion


async def test_a_completion_without_a_limit_is_held_and_asked_for_the_usual_one(world: World) -> None:
    answer = await complete(world, "instruct")
    assert world.openai.bodies[0]["max_tokens"] == 16
    (attempt,) = (await world.explain(answer)).attempts
    assert attempt.held_nano_usd < 5_000_000  # 131,072 tokens of output would be a quarter of a dollar


async def test_several_prompts_go_to_their_own_dialect_alone(world: World) -> None:
    answer = await complete(world, "instruct", ["one", "two"], max_tokens=4)
    assert len(answer.json["choices"]) == 2
    assert (await world.row()).cost_nano_usd == world.openai.bill_nano_usd
    refused = await complete(world, "coder", ["one", "two"])
    assert (refused.status, refused.error["code"], refused.error["param"]) == (400, "not_supported", "prompt")
    ids = await complete(world, "coder", [1, 2])
    assert (ids.error["code"], ids.error["param"]) == ("not_supported", "prompt")
    assert world.ollama.asked == 0


async def test_the_next_candidate_completes_in_its_own_way(world: World) -> None:
    answer = await complete(world, "coder-or-chat", "x = ", max_tokens=20)
    assert answer.status == 200
    assert answer.lodestar["model"] == "openai/gpt-4o-mini"


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("alias", ["coder", "instruct", "gpt-4o-mini"])
async def test_mistrals_shape(world: World, alias: str, stream: bool) -> None:
    body = {"model": alias, "prompt": "def f(n):\n", "suffix": "\nf(1)", "max_tokens": 40, "stream": stream}
    answer = await world.request("POST", FIM, body)
    assert (answer.status, answer.ended) == (200, "whole")
    assert answer.text
    assert answer.usage["completion_tokens"] > 0
    if stream:
        assert all(len(chunk["choices"]) == 1 for chunk in answer.chunks)  # Continue reads the first of each
        assert answer.chunks[-1]["choices"][0]["finish_reason"] == "stop"
        assert answer.events[-1] == "[DONE]"
    else:
        assert answer.json["object"] == "chat.completion"
    row = await world.row()
    assert (row.dialect, row.task, row.outcome) == ("fim", "autocomplete", "ok")
    assert row.cost_nano_usd == world.openai.bill_nano_usd


async def test_a_stream_that_breaks_has_no_good_ending(world: World) -> None:
    for alias, upstream in (("coder", world.ollama), ("instruct", world.openai)):
        for path in (COMPLETIONS, FIM):
            upstream.fail("cut=1200")
            answer = await world.request(
                "POST", path, {"model": alias, "prompt": "x", "max_tokens": 50, "stream": True}
            )
            assert answer.ended == "cut"
            assert answer.error["code"] == "upstream_cut"
            assert b"[DONE]" not in answer.body


async def test_what_is_wrong_is_named(world: World) -> None:
    for members, param in (
        ({"max_tokens": -1}, "max_tokens"),
        ({"best_of": 3}, "best_of"),
        ({"prompt": []}, "prompt"),
        ({"prompt": ["a", 1]}, "prompt"),
        ({"prompt": 5}, "prompt"),
        ({"suffix": 1}, "suffix"),
    ):
        answer = await world.request("POST", COMPLETIONS, {"model": "coder", "prompt": "x", **members})
        assert (answer.status, answer.error["param"]) == (400, param)
    missing = await world.request("POST", COMPLETIONS, {"model": "coder"})
    assert missing.error["param"] == "prompt"


# -- embeddings ----------------------------------------------------------------------------------------------------


async def test_embeddings_of_a_local_model(world: World) -> None:
    one = await embed(world, "nomic", "a lamp")
    assert (one.status, one.json["object"], one.json["model"]) == (200, "list", "nomic-embed-text")
    assert one.usage == {"prompt_tokens": 2, "total_tokens": 2}
    two = await embed(world, "nomic", ["a lamp", "a chair"], encoding_format="base64", dimensions=64)
    vectors = [base64.b64decode(entry["embedding"]) for entry in two.json["data"]]
    assert [len(vector) for vector in vectors] == [256, 256]
    assert [entry["index"] for entry in two.json["data"]] == [0, 1]
    plain = await embed(world, "nomic", ["a lamp", "a chair"], dimensions=64)
    numbers = [entry["embedding"] for entry in plain.json["data"]]
    assert [struct.pack("<64f", *vector) for vector in numbers] == vectors
    first, second, _ = world.ollama.bodies
    assert first == {
        "model": "nomic-embed-text",
        "input": ["a lamp"],
        "truncate": False,
        "options": {"num_ctx": 4096},
        "keep_alive": "30m",
    }
    assert (second["input"], second["dimensions"]) == (["a lamp", "a chair"], 64)
    assert {row.task for row in await world.rows()} == {"embedding"}


async def test_an_embedding_that_was_asked_before_comes_from_the_cache(world: World) -> None:
    for alias, upstream in (("nomic", world.ollama), ("embedder", world.openai)):
        first = await embed(world, alias)
        again = await embed(world, alias)
        assert [first.lodestar["cache"], again.lodestar["cache"]] == ["miss", "hit"]
        assert again.json["data"] == first.json["data"]
        other = await embed(world, alias, encoding_format="base64")
        assert (other.lodestar["cache"], upstream.asked) == ("miss", 2)


@pytest.mark.parametrize("form", ["float", "base64"])
async def test_paid_embeddings_are_charged_as_billed(world: World, form: str) -> None:
    answer = await embed(world, "embedder", ["one two three", "four"], encoding_format=form, x_new=1)
    assert len(answer.json["data"]) == 2
    assert isinstance(answer.json["data"][0]["embedding"], str if form == "base64" else list)
    assert world.openai.bodies[0]["x_new"] == 1
    row = await world.row()
    assert row.cost_nano_usd == world.openai.bill_nano_usd > 0
    assert (row.prompt_tokens, row.completion_tokens) == (
        world.openai.meter.models["text-embedding-3-small"].prompt,
        0,
    )
    (attempt,) = (await world.explain(answer)).attempts
    assert row.cost_nano_usd <= attempt.held_nano_usd < 50_000  # about 1,100 tokens of input, and no output


async def test_token_ids_go_to_their_own_dialect_alone(world: World) -> None:
    paid = await embed(world, "embedder", [[1, 2, 3], [4]])
    assert paid.status == 400  # the simulated provider takes ids of one input alone; they have come there
    assert world.openai.bodies[0]["input"] == [[1, 2, 3], [4]]
    refused = await embed(world, "nomic", [[1, 2, 3]])
    assert (refused.error["code"], refused.error["param"]) == ("not_supported", "input")


async def test_an_input_that_is_too_long_is_refused_and_not_cut(world: World) -> None:
    answer = await embed(world, "nomic", "word " * 5000)
    assert (answer.status, answer.error["code"]) == (400, "context_length_exceeded")


async def test_a_chat_model_embeds_nothing(world: World) -> None:
    answer = await embed(world, "gpt-4o-mini")
    assert answer.status in (400, 401)
    assert answer.error["code"].startswith("upstream_")


async def test_a_budget_has_room_for_embeddings(tmp_path: Path) -> None:
    """No output limit is written for what writes nothing."""
    budget = '[budgets.day]\nwindow = "day"\nusd = 0.001\n'
    async with open_world(tmp_path, MODELS + budget) as world:
        answer = await embed(world, "embedder")
        assert answer.status == 200, answer.body
        assert "max_tokens" not in world.openai.bodies[0]


# -- on a card -----------------------------------------------------------------------------------------------------


async def test_an_embedding_model_takes_its_turn_on_the_card(tmp_path: Path) -> None:
    async with open_world(tmp_path, MODELS + RESIDENCY) as world:
        assert (await complete(world, "coder", "x = ", max_tokens=4)).status == 200
        answer = await embed(world, "nomic", ["a lamp", "a chair"])
        assert (answer.status, len(answer.json["data"])) == (200, 2)
        assert (await complete(world, "coder", "x = ", suffix="y", max_tokens=4)).status == 200
        loads = [msgspec.json.decode(r.body) for r in world.ollama.app.requests if r.path == "/api/embed"]
        assert loads[0] == {
            "model": "nomic-embed-text",
            "input": [],
            "truncate": False,
            "options": {"num_ctx": 4096},
            "keep_alive": "30m",
        }
