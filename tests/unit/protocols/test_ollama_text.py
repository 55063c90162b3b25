"""Ollama's dialect beyond chats: completions, gaps and embeddings."""

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lodestard.domain.errors import CallerFault, Code, UpstreamFault
from lodestard.domain.pins import pinned_members
from lodestard.domain.reply import Piece, assemble
from lodestard.domain.request import Completion, Format, ImagePart, Message, Request, TextPart
from lodestard.domain.settings import LocalModel, Upstream
from lodestard.domain.usage import Durations, Usage
from lodestard.protocols.codec import WireRequest
from lodestard.protocols.codecs import CODECS
from lodestard.protocols.ollama import host as ollama_host
from lodestard.protocols.openai import completions as openai_completions
from lodestard.protocols.openai import embeddings as openai_embeddings
from lodestard.protocols.openai import fim as openai_fim

CODEC = CODECS["ollama"]
URL = "http://127.0.0.1:11434"
T600 = Upstream(dialect="ollama", url=URL, free=True)
PINNED = Upstream(
    dialect="ollama",
    url=URL,
    options={"num_ctx": 4096, "temperature": 0.1, "num_predict": 50},
    keep_alive="5m",
    models={"m": LocalModel(options={"num_ctx": 8192}, keep_alive=-1)},
)


def ask(**members: Any) -> Request:
    body = {"model": "m", "prompt": "x = ", **members}
    return openai_completions.read_request(json.dumps(body).encode(), depth=64)


def gap(before: str, after: str) -> Request:
    body = {"model": "m", "prompt": before, "suffix": after}
    return openai_fim.read_request(json.dumps(body).encode(), depth=64)


def embedding(given: Any = "x", **members: Any) -> Request:
    return openai_embeddings.read_request(json.dumps({"model": "m", "input": given, **members}).encode(), depth=64)


def templated(**said: Any) -> Request:
    """What a client of another dialect may say: not raw, with more in its messages."""
    request = ask()
    return msgspec.structs.replace(request, conversation=msgspec.structs.replace(request.conversation, **said))


def sent(request: Request, model: str = "m", settings: Upstream = T600) -> tuple[WireRequest, dict[str, Any]]:
    wire = CODEC.write_request(request, model, settings)
    return wire, json.loads(wire.body)


def read(request: Request, data: bytes, *, step: int = 0) -> list[Piece]:
    reader = CODEC.reader(CODEC.write_request(request, "m", T600))
    pieces: list[Piece] = []
    for start in range(0, len(data), step or max(1, len(data))):
        pieces += reader.feed(data[start : start + (step or len(data))])
    return pieces + reader.finish()


def lines(*objects: dict[str, Any]) -> bytes:
    return b"".join(json.dumps(line).encode() + b"\n" for line in objects)


# -- requests ------------------------------------------------------------------------------------------------------


def test_a_prompt_is_continued_raw() -> None:
    wire, body = sent(ask(seed=3, x_new=1))
    assert (wire.path, wire.streamed, wire.form, wire.passing, wire.dropped, wire.notes) == (
        "/api/generate", True, "chat", False, ("x_new",), (),
    )  # fmt: skip
    assert body == {
        "model": "m",
        "prompt": "x = ",
        "raw": True,
        "stream": True,
        "truncate": False,
        "options": {"seed": 3, "num_predict": 16},
    }


@pytest.mark.parametrize(
    "request_", [ask(max_tokens=70), gap("a", "b"), embedding()], ids=["raw", "gap", "embedding"]
)
def test_what_is_pinned_is_pinned_here_too(request_: Request) -> None:
    for model in ("m", "other"):
        _, body = sent(request_, model, PINNED)
        pinned = pinned_members(PINNED, model)
        assert body["keep_alive"] == pinned["keep_alive"]
        assert {name: body["options"][name] for name in pinned["options"]} == pinned["options"]
        assert "shift" not in body


def test_a_gap_is_filled_by_marks_by_the_template_or_by_a_chat() -> None:
    wire, body = sent(gap("a", "b"), "starcoder2:3b")
    assert (body["prompt"], body["raw"], "suffix" in body) == ("<fim_prefix>a<fim_suffix>b<fim_middle>", True, False)
    assert body["options"]["stop"] == [
        "<fim_prefix>", "<fim_suffix>", "<fim_middle>", "<file_sep>", "<|endoftext|>",
    ]  # fmt: skip
    assert wire.notes == ("gap filled by the model's own marks",)
    wire, body = sent(gap("a", "b"), "unknown")
    assert (body["prompt"], body["suffix"], "raw" in body, wire.notes) == ("a", "b", False, ())
    wire, body = sent(gap("a", ""), "unknown")
    assert (body["prompt"], "suffix" in body, body["raw"]) == ("a", False, True)
    chats = Upstream(dialect="ollama", url=URL, models={"m": LocalModel(fim="chat")})
    wire, body = sent(gap("a", "b"), "m", chats)
    assert (wire.path, wire.notes) == ("/api/chat", ("completion emulated by chat",))
    assert sent(ask(), "m", chats)[0].path == "/api/generate"
    own = Upstream(dialect="ollama", url=URL, models={"m": LocalModel(fim="codellama")})
    assert sent(gap("a", "b"), "m", own)[1]["prompt"] == "<PRE> a <SUF>b <MID>"


def test_marks_in_the_text_are_left_and_noted() -> None:
    wire, body = sent(gap("<fim_middle>", ""), "starcoder2")
    assert body["prompt"] == "<fim_prefix><fim_middle><fim_suffix><fim_middle>"
    assert wire.notes[1] == "the text has such marks of its own"


def test_the_clients_own_stops_come_first() -> None:
    _, body = sent(ask(suffix="b", stop=["\n\n"]), "codestral")
    assert body["options"]["stop"] == ["\n\n", "[SUFFIX]", "[PREFIX]"]


def test_what_other_dialects_say_of_a_completion() -> None:
    messages = (
        Message(role="system", parts=(TextPart("be brief"),)),
        Message(role="user", parts=(TextPart("what?"), ImagePart(data="QUJD"))),
    )
    wire, body = sent(templated(messages=messages, completion=Completion(), format=Format(kind="json")))
    assert (body["prompt"], body["system"], body["images"], body["format"], "raw" in body) == (
        "what?", "be brief", ["QUJD"], "json", False,
    )  # fmt: skip
    wire, body = sent(templated(messages=messages, completion=Completion(suffix="b")), "codestral")
    assert ("system" in body, wire.dropped) == (False, ("system",))
    _, body = sent(templated(logprobs=True, top_logprobs=2))
    assert (body["logprobs"], body["top_logprobs"]) == (True, 2)


@pytest.mark.parametrize(
    ("members", "param"),
    [
        ({"n": 2}, "n"),
        ({"prompt": ["a", "b"]}, "prompt"),
        ({"prompt": [1]}, "prompt"),
        ({"prompt": ""}, "prompt"),
        ({"max_tokens": 0}, "max_tokens"),
    ],
)
def test_what_it_can_not_say_is_refused(members: dict[str, Any], param: str) -> None:
    with pytest.raises(CallerFault) as caught:
        sent(ask(**members))
    assert (caught.value.code, caught.value.param) == (Code.NOT_SUPPORTED, param)


def test_embeddings() -> None:
    wire, body = sent(embedding(["a", "b"], dimensions=3, x_new=1, encoding_format="base64"))
    assert (wire.path, wire.streamed, wire.choices, wire.form, wire.dropped) == (
        "/api/embed", False, 2, "embedding", ("x_new",),
    )  # fmt: skip
    assert body == {"model": "m", "input": ["a", "b"], "truncate": False, "dimensions": 3}
    with pytest.raises(CallerFault) as caught:
        sent(embedding([1, 2]))
    assert (caught.value.code, caught.value.param) == (Code.NOT_SUPPORTED, "input")


# -- answers -------------------------------------------------------------------------------------------------------

WORDS = lines(
    {"model": "m", "response": "he", "done": False},
    {"model": "m", "response": "", "thinking": "hm", "done": False},
    {"model": "m", "response": "y é", "done": False},
    {
        "model": "m", "response": "", "done": True, "done_reason": "length", "context": [1, 2],
        "prompt_eval_count": 4, "eval_count": 2, "total_duration": 9, "load_duration": 1,
        "prompt_eval_duration": 2, "eval_duration": 3,
    },
)  # fmt: skip


def test_a_completion_split_at_every_byte() -> None:
    once = read(ask(), WORDS)
    reply = assemble(once)
    assert (reply.choices[0].text, reply.choices[0].reasoning, reply.choices[0].finish) == ("hey é", "hm", "length")
    assert reply.usage == Usage(prompt_tokens=4, completion_tokens=2)
    assert reply.durations == Durations(total_ns=9, load_ns=1, prefill_ns=2, decode_ns=3)
    for at in range(1, len(WORDS)):
        reader = CODEC.reader(CODEC.write_request(ask(), "m", T600))
        assert [*reader.feed(WORDS[:at]), *reader.feed(WORDS[at:]), *reader.finish()] == once


VECTORS = b'{"model":"m","embeddings":[[1.5, 2],[-3e-2]],"total_duration":9,"load_duration":2,"prompt_eval_count":4}'


def test_vectors() -> None:
    for step in (0, 1, 7):
        reply = assemble(read(embedding(["a", "b"]), VECTORS, step=step))
        assert [choice.text for choice in reply.choices] == ["[1.5, 2]", "[-3e-2]"]
        assert (reply.usage, reply.complete, reply.model) == (Usage(prompt_tokens=4), True, "m")
        assert reply.durations == Durations(total_ns=9, load_ns=2, prefill_ns=7)
    odd = VECTORS.replace(b'"prompt_eval_count":4', b'"prompt_eval_count":-4')
    assert assemble(read(embedding(["a", "b"]), odd)).usage is None


@pytest.mark.parametrize(
    "body",
    [
        b'{"embeddings":[[1]]}', b'{"embeddings":[[1],[]]}', b'{"embeddings":[[1],["a"]]}', b'{"embeddings":5}',
        b'{"embeddings":[[1],[2],[3]]}', b"[]", b"nonsense", b"{}",
    ],
)  # fmt: skip
def test_what_is_not_the_vectors_is_garbage(body: bytes) -> None:
    with pytest.raises(UpstreamFault) as caught:
        read(embedding(["a", "b"]), body)
    assert caught.value.code is Code.UPSTREAM_GARBAGE


@pytest.mark.parametrize("at", range(len(VECTORS)))
def test_half_of_them_are_a_cut(at: int) -> None:
    with pytest.raises(UpstreamFault) as caught:
        read(embedding(["a", "b"]), VECTORS[:at])
    assert caught.value.code in (Code.UPSTREAM_CUT, Code.UPSTREAM_GARBAGE)
    assert caught.value.code is Code.UPSTREAM_CUT or VECTORS[:at].endswith(b"}")


@given(st.binary(max_size=60), st.booleans())
def test_any_bytes_are_read_or_a_fault(data: bytes, begun: bool) -> None:
    try:
        read(embedding(), (b'{"embeddings":[' if begun else b"") + data)
    except UpstreamFault as fault:
        assert fault.code in (Code.UPSTREAM_GARBAGE, Code.UPSTREAM_CUT)


# -- loading -------------------------------------------------------------------------------------------------------


def test_a_model_that_only_embeds_is_loaded_by_an_empty_embedding() -> None:
    assert json.loads(ollama_host.write_embed_load(PINNED, "m")) == {
        "model": "m",
        "input": [],
        "truncate": False,
        **pinned_members(PINNED, "m"),
    }
    never = Upstream(dialect="ollama", url=URL, keep_alive=0)
    assert "keep_alive" not in json.loads(ollama_host.write_embed_load(never, "m"))
    assert ollama_host.only_embeds('"nomic-embed-text" does not support chat')
    assert not ollama_host.only_embeds("model requires more system memory")
    ollama_host.read_loaded_embedder(b'{"model":"m","embeddings":[]}')
    with pytest.raises(UpstreamFault):
        ollama_host.read_loaded_embedder(b'{"error":"out of memory"}')
