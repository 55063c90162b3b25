"""OpenAI's ``/completions`` and ``/embeddings`` as an upstream: which server takes what, and what it answers."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lodestard.domain.errors import CallerFault, Code, Fault, UpstreamFault
from lodestard.domain.reply import Piece, assemble
from lodestard.domain.request import Request
from lodestard.domain.settings import LocalModel, Upstream
from lodestard.domain.usage import Usage
from lodestard.protocols.codec import MAX_ANSWER_BYTES, ReplyReader, WireRequest
from lodestard.protocols.codecs import CODECS
from lodestard.protocols.openai import completions as openai_completions
from lodestard.protocols.openai import embeddings as openai_embeddings
from lodestard.protocols.openai import fim as openai_fim
from lodestard.protocols.openai.text_read import MAX_VECTORS_BYTES
from lodestard.protocols.openai.text_upstream import way_of

CODEC = CODECS["openai"]
OWN = Upstream(dialect="openai", url="http://127.0.0.1:8080/v1")
OPENAI = Upstream(dialect="openai", url="https://api.openai.com/v1")
MISTRAL = Upstream(dialect="openai", url="https://api.mistral.ai/v1")


def ask(**members: Any) -> Request:
    body = {"model": "m", "prompt": "x = ", **members}
    return openai_completions.read_request(json.dumps(body).encode(), depth=64)


def fim(**members: Any) -> Request:
    return openai_fim.read_request(json.dumps({"model": "m", "prompt": "x = ", **members}).encode(), depth=64)


def embedding(given: Any = "x", **members: Any) -> Request:
    return openai_embeddings.read_request(json.dumps({"model": "m", "input": given, **members}).encode(), depth=64)


def sent(request: Request, settings: Upstream = OWN, model: str = "gpt") -> tuple[WireRequest, dict[str, Any]]:
    wire = CODEC.write_request(request, model, settings)
    return wire, json.loads(wire.body)


def read(reader: ReplyReader, data: bytes, *, step: int = 0) -> list[Piece]:
    pieces: list[Piece] = []
    for start in range(0, len(data), step or max(1, len(data))):
        pieces += reader.feed(data[start : start + (step or len(data))])
    return pieces + reader.finish()


def sse(*events: dict[str, Any]) -> bytes:
    texts = [json.dumps(event, separators=(",", ":"), ensure_ascii=False).encode() for event in events]
    return b"".join(b"data: " + text + b"\n\n" for text in [*texts, b"[DONE]"])


def chunk(text: str | None, finish: str | None = None, index: int = 0, **more: Any) -> dict[str, Any]:
    choice = {"index": index, "text": text, "logprobs": None, "finish_reason": finish}
    return {"id": "cmpl-1", "object": "text_completion", "created": 5, "model": "up", "choices": [choice], **more}


# -- which way -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "model", "way"),
    [
        ("https://api.openai.com/v1", "gpt-3.5-turbo-instruct", "native"),
        ("https://api.openai.com/v1", "davinci-002", "native"),
        ("https://api.openai.com/v1", "gpt-4o", "chat"),
        ("https://me.openai.azure.com/x", "gpt-4o", "chat"),
        ("https://api.x.ai/v1", "grok-beta", "chat"),
        ("https://phoenix.ai/v1", "m", "native"),
        ("https://generativelanguage.googleapis.com/v1beta/openai", "gemini-pro", "chat"),
        ("https://openrouter.ai/api/v1", "any/model", "chat"),
        ("https://api.mistral.ai/v1", "codestral-latest", "fim"),
        ("https://codestral.mistral.ai/v1", "codestral-2508", "fim"),
        ("https://api.mistral.ai/v1", "mistral-large", "chat"),
        ("https://api.deepseek.com/beta", "deepseek-chat", "native"),
        ("https://api.deepseek.com/v1", "deepseek-chat", "chat"),
        ("http://127.0.0.1:8080/v1", "m", "native"),
        ("http://vllm.lan/v1", "m", "native"),
    ],
)
def test_the_way_is_told_by_the_server_and_the_model(url: str, model: str, way: str) -> None:
    assert way_of(url, model) == way
    wire, _ = sent(ask(), Upstream(dialect="openai", url=url), model)
    paths = {"native": "/completions", "fim": "/fim/completions", "chat": "/chat/completions"}
    assert wire.path.endswith(paths[way])
    assert bool(wire.notes) == (way == "chat")


def test_what_is_configured_wins() -> None:
    for way, path in (
        ("native", "/v1/completions"),
        ("fim", "/v1/fim/completions"),
        ("chat", "/v1/chat/completions"),
    ):
        settings = Upstream(dialect="openai", url=OPENAI.url, completions=way)  # type: ignore[arg-type]
        assert sent(ask(), settings)[0].path == path


# -- requests ------------------------------------------------------------------------------------------------------


def test_the_same_dialect_passes_with_what_must_change_changed() -> None:
    members = {"stream": True, "stream_options": {"x": 1}, "logit_bias": {"5": 1}, "x_new": [1.0], "suffix": "\n"}
    wire, body = sent(ask(**members), OPENAI, "gpt-3.5-turbo-instruct")
    assert (wire.passing, wire.form, wire.streamed, wire.dropped, wire.notes) == (True, "completion", True, (), ())
    assert body == {
        "model": "gpt-3.5-turbo-instruct",
        "prompt": "x = ",
        **members,
        "stream_options": {"x": 1, "include_usage": True},
        "max_tokens": 16,
    }
    _, body = sent(ask(max_tokens=None, prompt=[[1], [2]]))
    assert (body["max_tokens"], body["prompt"]) == (16, [[1], [2]])
    assert sent(ask(prompt=["a", "b"], n=2))[0].choices == 4


def test_a_server_of_ones_own_gets_the_models_own_marks() -> None:
    wire, body = sent(ask(suffix="\n", stop="#", echo=True, x_new=1), OWN, "qwen2.5-coder")
    assert (body["prompt"], "suffix" in body, "echo" in body, body["x_new"]) == (
        "<|fim_prefix|>x = <|fim_suffix|>\n<|fim_middle|>", False, False, 1,
    )  # fmt: skip
    assert body["stop"][0] == "#"
    assert "<|fim_prefix|>" in body["stop"]
    assert (wire.passing, len(wire.notes)) == (False, 1)
    for settings, model in (
        (OPENAI, "qwen-coder-instruct"),
        (OWN, "llama"),
        (Upstream(dialect="openai", url=OWN.url, models={"qwen-coder": LocalModel(fim="insert")}), "qwen-coder"),
    ):
        wire, body = sent(ask(suffix="\n"), settings, model)
        assert (wire.passing, body["suffix"], body["prompt"]) == (True, "\n", "x = ")


def test_a_model_that_fills_gaps_by_chat_alone_still_completes() -> None:
    settings = Upstream(dialect="openai", url=OWN.url, models={"m": LocalModel(fim="chat")})
    assert sent(ask(suffix="\n"), settings, "m")[0].path == "/v1/chat/completions"
    assert sent(ask(), settings, "m")[0].path == "/v1/completions"


def test_mistrals_shape_between_and_through() -> None:
    wire, body = sent(fim(suffix="\n", random_seed=3, stop=["a"], stream=True, min_tokens=2), OWN, "m")
    assert (wire.path, wire.dropped) == ("/v1/completions", ("min_tokens",))
    assert body == {
        "prompt": "x = ",
        "suffix": "\n",
        "seed": 3,
        "stop": ["a"],
        "stream": True,
        "model": "m",
        "stream_options": {"include_usage": True},
    }
    asked = ask(suffix="\n", seed=3, max_tokens=5, top_k=3, presence_penalty=1, logprobs=1, x_new=1, stream=True)
    wire, body = sent(asked, MISTRAL, "codestral-latest")
    assert body == {
        "prompt": "x = ",
        "suffix": "\n",
        "random_seed": 3,
        "max_tokens": 5,
        "stream": True,
        "model": "codestral-latest",
    }
    assert (wire.form, wire.passing, wire.dropped) == (
        "fim", False, ("x_new", "top_k", "presence_penalty", "logprobs"),
    )  # fmt: skip
    wire, body = sent(fim(min_tokens=2, x_new=1), MISTRAL, "codestral-latest")
    assert (wire.path, wire.passing, wire.dropped) == ("/v1/fim/completions", True, ())
    assert body == {"model": "codestral-latest", "prompt": "x = ", "min_tokens": 2, "x_new": 1}


def test_embeddings() -> None:
    wire, body = sent(embedding(["a", "b"], dimensions=3, encoding_format="base64", x_new=1, user="ann"))
    assert (wire.path, wire.passing, wire.streamed, wire.choices, wire.form) == (
        "/v1/embeddings", True, False, 2, "embedding",
    )  # fmt: skip
    assert body == {
        "model": "gpt",
        "input": ["a", "b"],
        "dimensions": 3,
        "encoding_format": "base64",
        "x_new": 1,
        "user": "ann",
    }
    assert sent(embedding([1, 2, 3]))[0].choices == 1
    assert sent(embedding([[1, 2], [3]]))[0].choices == 2


# -- streamed answers ----------------------------------------------------------------------------------------------

STREAM = sse(
    chunk("he", x_new=[1]),
    chunk("y é"),
    chunk("", "length", usage=None),
    {
        "id": "cmpl-1",
        "object": "text_completion",
        "choices": [],
        "usage": {"prompt_tokens": 3, "completion_tokens": 2},
    },
)


def reader(request: Request, settings: Upstream = OWN) -> ReplyReader:
    return CODEC.reader(CODEC.write_request(request, "gpt", settings))


def test_a_streamed_completion_split_at_every_byte() -> None:
    once = read(reader(ask(stream=True)), STREAM)
    reply = assemble(once)
    assert (reply.id, reply.model, reply.created) == ("cmpl-1", "up", 5)
    assert (reply.choices[0].text, reply.choices[0].finish) == ("hey é", "length")
    assert reply.usage == Usage(prompt_tokens=3, completion_tokens=2)
    assert bytes(reply.extra["x_new"]) == b"[1]"
    assert b"".join(piece.raw for piece in once) == STREAM.removesuffix(b"data: [DONE]\n\n")
    for at in range(1, len(STREAM)):
        split = reader(ask(stream=True))
        assert [*split.feed(STREAM[:at]), *split.feed(STREAM[at:]), *split.finish()] == once
    assert read(reader(ask(stream=True)), STREAM, step=1) == once


def test_for_another_dialect_nothing_of_the_wire_rides_along() -> None:
    pieces = read(reader(fim(stream=True)), STREAM)
    assert [piece.raw for piece in pieces] == [b""] * 4
    assert assemble(pieces).choices[0].text == "hey é"


@pytest.mark.parametrize("at", range(0, len(STREAM) - 16, 7))
def test_a_stream_that_is_cut_is_a_failure(at: int) -> None:
    one = reader(ask(stream=True))
    one.feed(STREAM[:at])
    if b'"length"' in STREAM[:at] and STREAM[:at].count(b"\n\n") >= 3:
        assert one.finish() == []  # its end had come; only the usage had not
        return
    with pytest.raises(UpstreamFault) as caught:
        one.finish()
    assert caught.value.code is Code.UPSTREAM_CUT


def test_several_choices_in_a_chunk_are_told_apart() -> None:
    both = chunk("a")
    both["choices"] = [chunk("a")["choices"][0], chunk("b", index=1)["choices"][0]]
    ends = [chunk("", "stop", index) for index in (0, 1)]
    pieces = read(reader(ask(stream=True, n=2)), sse(both, *ends))
    assert [(piece.choice, piece.text) for piece in pieces[:2]] == [(0, "a"), (1, "b")]
    assert [json.loads(piece.raw[6:])["choices"][0]["text"] for piece in pieces[:2]] == ["a", "b"]


def test_an_error_in_the_stream_comes_after_what_came_before() -> None:
    one = reader(ask(stream=True))
    data = sse(chunk("a"), {"error": {"message": "out of memory", "code": 500}})
    assert [piece.text for piece in one.feed(data)] == ["a"]
    with pytest.raises(Fault, match="out of memory"):
        one.feed(b"")


@pytest.mark.parametrize("text", ["x = 1", "x", "1", "x = ", "", "x =1"])
@pytest.mark.parametrize("step", [1, 2, 100])
def test_a_prompt_that_comes_back_is_taken_off(text: str, step: int) -> None:
    parts = [text[start : start + step] for start in range(0, len(text), step)]
    request = ask(stream=True, echo=True)
    pieces = read(reader(request), sse(*map(chunk, parts), chunk("", "stop")))
    if text.startswith("x = "):
        assert assemble(pieces).choices[0].text == text.removeprefix("x = ")
    plain = {**chunk(text, "stop"), "usage": {"prompt_tokens": 1, "completion_tokens": 1}}
    whole = read(reader(ask(echo=True)), json.dumps(plain).encode())
    assert assemble(whole).choices[0].text == text.removeprefix("x = ")


def test_each_of_several_prompts_is_taken_off_its_own_answers() -> None:
    request = ask(prompt=["a", "b"], n=2, echo=True)
    choices = [chunk(f"{prompt}{n}", "stop", index)["choices"][0] for index, (prompt, n) in enumerate(
        [("a", 0), ("a", 1), ("b", 2), ("b", 3)]
    )]  # fmt: skip
    data = json.dumps({**chunk(""), "choices": choices}).encode()
    assert [choice.text for choice in assemble(read(reader(request), data)).choices] == ["0", "1", "2", "3"]
    ids = CODEC.reader(CODEC.write_request(ask(prompt=[1, 2], echo=True), "gpt", OWN))
    assert assemble(read(ids, json.dumps(chunk("a", "stop")).encode())).choices[0].text == "a"


def test_logprobs_are_kept_in_the_houses_shape() -> None:
    columns = {"tokens": ["a", "b"], "token_logprobs": [None, -1.5], "top_logprobs": [None, {"b": -1.5, "c": -2}]}
    one = chunk("ab", "stop")
    one["choices"][0]["logprobs"] = columns
    for data, request in ((sse(one), ask(stream=True)), (json.dumps(one).encode(), ask())):
        raw = assemble(read(reader(request), data)).choices[0].logprobs
        assert raw is not None
        first, second = json.loads(bytes(raw))["content"]
        assert (first["token"], first["logprob"], first["top_logprobs"]) == ("a", None, [])
        assert second["top_logprobs"] == [
            {"token": "b", "logprob": -1.5, "bytes": None},
            {"token": "c", "logprob": -2.0, "bytes": None},
        ]
    one["choices"][0]["logprobs"] = {"tokens": 5}
    assert assemble(read(reader(ask()), json.dumps(one).encode())).choices[0].logprobs is None


# -- plain answers -------------------------------------------------------------------------------------------------


def test_a_plain_completion() -> None:
    data = json.dumps(
        {**chunk("hey", "stop", x_new=1), "usage": {"prompt_tokens": 3, "completion_tokens": 1}}
    ).encode()
    one = reader(ask())
    reply = assemble(read(one, data, step=5))
    assert (one.body, one.done) == (data, True)
    assert (reply.choices[0].text, reply.choices[0].finish, reply.id, reply.complete) == (
        "hey",
        "stop",
        "cmpl-1",
        True,
    )
    assert reply.usage == Usage(prompt_tokens=3, completion_tokens=1)
    assert bytes(reply.extra["x_new"]) == b"1"
    other = reader(fim())
    read(other, data)
    assert other.body == b""


VECTORS = {
    "object": "list",
    "model": "up",
    "data": [
        {"object": "embedding", "index": 1, "embedding": [3, 4.5]},
        {"object": "embedding", "index": 0, "embedding": [1.25, -2e-3]},
    ],
    "usage": {"prompt_tokens": 4, "total_tokens": 5},
}


def test_vectors_come_in_the_order_of_the_inputs() -> None:
    data = json.dumps(VECTORS).encode()
    one = reader(embedding(["a", "b"]))
    reply = assemble(read(one, data, step=3))
    assert [choice.text for choice in reply.choices] == ["[1.25, -0.002]", "[3, 4.5]"]
    assert (reply.usage, reply.complete, one.body, reply.model) == (Usage(prompt_tokens=5), True, data, "up")


@pytest.mark.parametrize("encoding", ["float", "base64"])
def test_a_large_batch_is_read_whole(encoding: str) -> None:
    """As many inputs at once as LangChain and others send, of OpenAI's largest model."""
    vector = ["-0.0123456789"] * 3_072
    text = f"[{','.join(vector)}]" if encoding == "float" else f'"{"A" * 4 * 4_096}"'
    each = ",".join(f'{{"index":{place},"embedding":{text}}}' for place in range(1_024))
    one = reader(embedding(["a"] * 1_024, encoding_format=encoding))
    reply = assemble(read(one, f'{{"data":[{each}]}}'.encode(), step=65_536))
    assert (len(reply.choices), reply.choices[-1].text) == (1_024, text)


def test_base64_passes_as_it_came() -> None:
    data = json.dumps({**VECTORS, "data": [{"embedding": "AAAA", "index": 0}], "usage": None}).encode()
    reply = assemble(read(reader(embedding("a", encoding_format="base64")), data))
    assert (reply.choices[0].text, reply.usage) == ('"AAAA"', None)


@pytest.mark.parametrize(
    "data",
    [
        [],
        [{"index": 0, "embedding": [1]}],
        [{"index": 0, "embedding": [1]}, {"index": 0, "embedding": [1]}],
        [{"index": 0, "embedding": []}, {"index": 1, "embedding": [1]}],
        [{"index": 0, "embedding": ["a"]}, {"index": 1, "embedding": [1]}],
        [{"index": 0, "embedding": [1e300]}, {"index": 1, "embedding": [1]}],
        [{"index": 0, "embedding": {}}, {"index": 1, "embedding": [1]}],
        [{"index": 0}, {"index": 1, "embedding": [1]}],
    ],
)
def test_what_is_not_the_vectors_is_garbage(data: list[Any]) -> None:
    with pytest.raises(UpstreamFault) as caught:
        read(reader(embedding(["a", "b"])), json.dumps({**VECTORS, "data": data}).encode())
    assert caught.value.code is Code.UPSTREAM_GARBAGE


@pytest.mark.parametrize("request_", [ask(), ask(stream=True), fim(), fim(stream=True), embedding()], ids=repr)
@given(data=st.binary(max_size=60), begun=st.booleans())
def test_any_bytes_are_read_or_a_fault(request_: Request, data: bytes, begun: bool) -> None:
    start = b'data: {"choices":[{"text":"a","finish_reason":' if request_.stream else b'{"choices":[{"text":'
    one = reader(request_)
    try:
        one.feed((start if begun else b"") + data)
        one.finish()
    except UpstreamFault as fault:
        assert fault.code in (Code.UPSTREAM_GARBAGE, Code.UPSTREAM_CUT, Code.UPSTREAM_ERROR)


def test_half_a_body_is_a_cut_and_too_much_is_garbage() -> None:
    for request, most in ((ask(), MAX_ANSWER_BYTES), (embedding(), MAX_VECTORS_BYTES)):
        with pytest.raises(UpstreamFault) as caught:
            read(reader(request), b'{"data":[{"emb')
        assert caught.value.code is Code.UPSTREAM_CUT
        one = reader(request)
        with pytest.raises(UpstreamFault) as caught:
            one.feed(b"x" * (most + 1))
        assert caught.value.code is Code.UPSTREAM_GARBAGE
        with pytest.raises(UpstreamFault):
            one.finish()


def test_an_error_in_a_plain_body_is_that_error() -> None:
    for request in (ask(), embedding()):
        with pytest.raises(Fault, match="no such thing"):
            read(reader(request), b'{"error":{"message":"no such thing"}}')


def test_token_ids_stay_in_their_dialect() -> None:
    with pytest.raises(CallerFault) as caught:
        sent(ask(prompt=[1, 2], suffix="\n"), OWN, "qwen2.5-coder")
    assert caught.value.param == "prompt"
