"""What a client of Ollama's dialect gets: lines and bodies, judged by the types of Ollama's own SDK."""

import json
from typing import Any

import msgspec
import ollama
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lodestard.domain.errors import Code, HouseFault
from lodestard.domain.reply import Choice, Finish, Piece, Reply, ToolCallPiece, assemble, disassemble
from lodestard.domain.request import Request
from lodestard.domain.settings import Upstream
from lodestard.domain.usage import Durations, Usage
from lodestard.protocols.clients import OLLAMA_CHAT, OLLAMA_EMBED, OLLAMA_EMBEDDINGS, OLLAMA_GENERATE
from lodestard.protocols.ollama.api import OllamaCodec
from lodestard.protocols.ollama.catalog import (
    ListedModel,
    find_capabilities,
    read_shown,
    write_details,
    write_loaded,
    write_tags,
)

T600 = Upstream(dialect="ollama", url="http://127.0.0.1:11434", free=True)
CREATED, WHEN = 1_795_168_800, "2026-11-20T10:00:00Z"
ASKED: Request = OLLAMA_CHAT.read_request(
    b'{"model": "al\\u0069as", "messages": [{"role": "user", "content": "hi"}]}', depth=64, headers={}
)
PROMPT: Request = OLLAMA_GENERATE.read_request(b'{"model":"alias","prompt":"hi"}', depth=64, headers={})
CALL = ToolCallPiece(0, "c1", "f", '{"a": 1}')


def stream(pieces: list[Piece], request: Request = ASKED) -> bytes:
    codec = OLLAMA_CHAT if request is ASKED else OLLAMA_GENERATE
    writer = codec.stream_writer(request, created=CREATED, reply_id="r")
    assert (writer.content_type, writer.open(), writer.keep_alive()) == ("application/x-ndjson", b"", b"")
    return b"".join(writer.write([piece]) for piece in pieces) + writer.close()


def lines(data: bytes) -> list[dict[str, Any]]:
    assert data.endswith(b"\n")
    found = [json.loads(line) for line in data.splitlines()]
    for line in found:
        (ollama.ChatResponse if "message" in line else ollama.GenerateResponse).model_validate(line)
    return found


def test_a_stream_byte_for_byte() -> None:
    pieces = [
        Piece(reasoning="hm", model="other", created=1),
        Piece(text='h"é'),
        Piece(),
        Piece(text="y", finish="stop"),
        Piece(usage=Usage(prompt_tokens=3, completion_tokens=4), durations=Durations(total_ns=9, decode_ns=2)),
    ]
    head = '{"model":"al\\u0069as","created_at":"2026-11-20T10:00:00Z","message":{"role":"assistant","content":'
    assert stream(pieces).decode() == (
        head
        + '"","thinking":"hm"},"done":false}\n'
        + head
        + '"h\\"é"},"done":false}\n'
        + head
        + '"y"},"done":false}\n'
        + head
        + '""},"done":true,"done_reason":"stop","total_duration":9,"prompt_eval_count":3,"eval_count":4,'
        + '"eval_duration":2}\n'
    )


def test_the_lines_of_a_prompt() -> None:
    pieces = [Piece(reasoning="hm"), Piece(text="x", finish="length", usage=Usage(prompt_tokens=1))]
    head = '{"model":"alias","created_at":"2026-11-20T10:00:00Z","response":'
    assert stream(pieces, PROMPT).decode() == (
        head
        + '"","thinking":"hm","done":false}\n'
        + head
        + '"x","done":false}\n'
        + head
        + '"","done":true,"done_reason":"length","prompt_eval_count":1}\n'
    )


def test_pieces_of_calls_go_out_whole_before_the_end() -> None:
    pieces = [
        Piece(tool_calls=(ToolCallPiece(0, "c", "f", '{"a"'), ToolCallPiece(1, "d", "g"))),
        Piece(text="said"),
        Piece(tool_calls=(ToolCallPiece(0, arguments=":1}"), ToolCallPiece(2, "e", "h", "no json"))),
        Piece(finish="tool_calls"),
    ]
    said, calls, last = lines(stream(pieces))
    assert said["message"]["content"] == "said"
    assert [call["function"] for call in calls["message"]["tool_calls"]] == [
        {"index": 0, "name": "f", "arguments": {"a": 1}},
        {"index": 1, "name": "g", "arguments": {}},
        {"index": 2, "name": "h", "arguments": {"arguments": "no json"}},
    ]
    assert [call["id"] for call in calls["message"]["tool_calls"]] == ["c", "d", "e"]
    assert (calls["done"], last["done"], last["done_reason"]) == (False, True, "stop")


@pytest.mark.parametrize(
    ("finish", "reason"),
    [("stop", "stop"), ("tool_calls", "stop"), ("length", "length"), ("content_filter", "content_filter")],
)
def test_why_an_answer_ended(finish: Finish, reason: str) -> None:
    assert lines(stream([Piece(finish=finish)]))[-1]["done_reason"] == reason
    whole = Reply(choices=(Choice(text="x", finish=finish),))
    assert json.loads(OLLAMA_CHAT.write_reply(whole, ASKED, created=1, reply_id="r"))["done_reason"] == reason


def test_refusals_are_text_and_log_probabilities_their_own() -> None:
    token = {"token": "no", "logprob": -0.5, "bytes": [110], "top_logprobs": []}
    logprobs = msgspec.Raw(msgspec.json.encode({"content": [token], "refusal": None}))
    first, _ = lines(stream([Piece(text="a", refusal="no", logprobs=logprobs)]))
    assert (first["message"]["content"], first["logprobs"]) == ("ano", [token])
    reply = Reply(choices=(Choice(text="a", refusal="no", logprobs=logprobs, finish="stop"),))
    whole = json.loads(OLLAMA_CHAT.write_reply(reply, ASKED, created=1, reply_id="r"))
    assert (whole["message"]["content"], whole["logprobs"]) == ("ano", [token])
    none = Piece(text="a", logprobs=msgspec.Raw(b'{"content":null,"refusal":[]}'))
    assert "logprobs" not in lines(stream([none]))[0]


def test_an_answer_that_broke_ends_with_an_error_alone() -> None:
    writer = OLLAMA_CHAT.stream_writer(ASKED, created=1, reply_id="r")
    writer.write([Piece(tool_calls=(CALL,)), Piece(finish="tool_calls")])
    assert writer.fail(HouseFault(Code.INTERNAL, "It broke.\nBadly.")) == b'{"error":"It broke.\\nBadly."}\n'


def test_a_whole_answer() -> None:
    choice = Choice(text="hey", reasoning="hm", tool_calls=(CALL,), finish="tool_calls")
    reply = Reply(
        model="llama", choices=(choice,), usage=Usage(prompt_tokens=3, completion_tokens=4), durations=Durations()
    )
    whole = json.loads(OLLAMA_CHAT.write_reply(reply, ASKED, created=CREATED, reply_id="r"))
    ollama.ChatResponse.model_validate(whole)
    assert whole == {
        "model": "alias",
        "created_at": WHEN,
        "message": {
            "role": "assistant",
            "content": "hey",
            "thinking": "hm",
            "tool_calls": [{"id": "c1", "function": {"index": 0, "name": "f", "arguments": {"a": 1}}}],
        },
        "done": True,
        "done_reason": "stop",
        "prompt_eval_count": 3,
        "eval_count": 4,
    }
    said = json.loads(OLLAMA_GENERATE.write_reply(reply, PROMPT, created=CREATED, reply_id="r"))
    assert (said["response"], said["thinking"], "message" in said) == ("hey", "hm", False)


def test_nothing_was_asked() -> None:
    assert json.loads(OLLAMA_CHAT.write_empty(ASKED, "load", created=CREATED)) == {
        "model": "alias",
        "created_at": WHEN,
        "message": {"role": "assistant", "content": ""},
        "done": True,
        "done_reason": "load",
    }
    assert json.loads(OLLAMA_GENERATE.write_empty(PROMPT, "unload", created=CREATED)) == {
        "model": "alias",
        "created_at": WHEN,
        "response": "",
        "done": True,
        "done_reason": "unload",
    }


def test_vectors_go_out_digit_for_digit() -> None:
    asked = OLLAMA_EMBED.read_request(b'{"model":"e","input":["a","b"]}', depth=64, headers={})
    reply = Reply(
        choices=(Choice(text="[0.10,1e-7]"), Choice(text="[2]")),
        usage=Usage(prompt_tokens=5),
        durations=Durations(total_ns=7),
    )
    body = OLLAMA_EMBED.write_reply(reply, asked, created=1, reply_id="r")
    assert body == (b'{"model":"e","embeddings":[[0.10,1e-7],[2]],"total_duration":7,"prompt_eval_count":5}')
    ollama.EmbedResponse.model_validate_json(body)
    assert OLLAMA_EMBEDDINGS.write_reply(reply, asked, created=1, reply_id="r") == b'{"embedding":[0.10,1e-7]}'
    assert OLLAMA_EMBED.write_empty(asked, "load", created=1) == b'{"model":"e","embeddings":[]}'
    assert OLLAMA_EMBEDDINGS.write_empty(asked, "load", created=1) == b'{"embedding":[]}'


# -- there and back ------------------------------------------------------------------------------------------------

COUNTS = st.integers(0, 9)
ARGUMENTS = st.dictionaries(st.text("ab", max_size=2), st.integers() | st.text(max_size=3), max_size=2).map(
    lambda value: msgspec.json.encode(value).decode()
)
TEXT = st.text(st.characters(codec="utf-8"), max_size=6)
REPLIES = st.builds(
    lambda text, reasoning, calls, usage, durations, finish: Reply(
        choices=(
            Choice(
                text=text,
                reasoning=reasoning,
                tool_calls=tuple(ToolCallPiece(at, f"c{at}", name, said) for at, (name, said) in enumerate(calls)),
                finish="tool_calls" if calls and finish == "stop" else finish,
            ),
        ),
        usage=usage,
        durations=durations,
    ),
    TEXT,
    TEXT,
    st.lists(st.tuples(st.text("fg", min_size=1, max_size=2), ARGUMENTS), max_size=2),
    st.builds(lambda one, two: Usage(prompt_tokens=one, completion_tokens=two), st.integers(1, 9), COUNTS),
    st.builds(
        lambda one, two, three, four: Durations(total_ns=one, load_ns=two, prefill_ns=three, decode_ns=four),
        *(COUNTS,) * 4,
    ),
    st.sampled_from(["stop", "length"]),
)


def read_back(data: bytes, step: int = 0) -> Reply:
    codec = OllamaCodec()
    reader = codec.reader(codec.write_request(ASKED, "m", T600))
    pieces: list[Piece] = []
    for start in range(0, len(data), step or len(data)):
        pieces += reader.feed(data[start : start + (step or len(data))])
    pieces += reader.finish()
    return assemble(pieces)


@given(REPLIES, st.booleans())
def test_what_was_written_says_the_same_when_it_is_read(reply: Reply, streamed: bool) -> None:
    if streamed:
        data = stream(list(disassemble(reply)))
    else:
        data = OLLAMA_CHAT.write_reply(reply, ASKED, created=1, reply_id="r") + b"\n"
    again = read_back(data)
    assert again.choices == reply.choices
    assert (again.usage, again.durations) == (reply.usage, reply.durations)
    assert again.model == "alias"


def test_a_stream_split_at_every_byte() -> None:
    data = stream([Piece(text="é"), Piece(reasoning="x"), Piece(tool_calls=(CALL,)), Piece(finish="tool_calls")])
    whole = read_back(data)
    assert all(read_back(data, step) == whole for step in range(1, len(data)))


# -- what models there are -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("model", "family", "size", "quantization", "capabilities"),
    [
        ("llama3.1:8b", "llama", "8B", "", ["completion", "tools"]),
        ("llama3.2-vision:11b-instruct-q4_K_M", "llama", "11B", "Q4_K_M", ["completion", "tools", "vision"]),
        ("deepseek-coder:6.7b", "deepseek-coder", "6.7B", "", ["completion", "insert"]),
        ("qwen3:1.7b-fp16", "qwen", "1.7B", "FP16", ["completion", "tools", "thinking"]),
        ("hf.co/bartowski/Mixtral:8x7b-q8_0", "mixtral", "8x7B", "Q8_0", ["completion", "tools"]),
        ("nomic-embed-text:latest", "nomic-embed-text", "", "", ["embedding"]),
        ("all-minilm:22m", "all-minilm", "22M", "", ["embedding"]),
        ("moondream:1.8b", "moondream", "1.8B", "", ["completion", "vision"]),
        ("123", "model", "", "", ["completion"]),
    ],
)
def test_what_a_name_says(model: str, family: str, size: str, quantization: str, capabilities: list[str]) -> None:
    listed = ListedModel(name="alias", model=model, local=True)
    (tag,) = json.loads(write_tags([listed], CREATED))["models"]
    assert tag["details"] == {
        "parent_model": "",
        "format": "gguf",
        "family": family,
        "families": [family],
        "parameter_size": size,
        "quantization_level": quantization,
    }
    assert tag["capabilities"] == find_capabilities(listed) == capabilities
    assert (tag["name"], tag["model"], tag["modified_at"], tag["size"]) == ("alias", "alias", WHEN, 0)


def test_a_paid_model_can_do_what_most_can() -> None:
    assert find_capabilities(ListedModel(name="a", model="gpt-4o")) == ["completion", "tools", "vision"]
    assert find_capabilities(ListedModel(name="a", model="text-embedding-3-small")) == ["embedding"]


def test_the_sdk_reads_what_is_told_of_models() -> None:
    known = ListedModel(
        name="a", model="llama3.1:8b", local=True, context_tokens=4096, size_bytes=5, vram_bytes=3, expires_ms=1500
    )
    unknown = ListedModel(name="b", model="deepseek-coder:6.7b", local=True)
    assert len(ollama.ListResponse.model_validate_json(write_tags([known, unknown], CREATED)).models) == 2
    first, second = json.loads(write_loaded([known, unknown]))["models"]
    assert (first["expires_at"], first["size"], first["size_vram"]) == ("1970-01-01T00:00:01.5Z", 5, 3)
    assert (first["context_length"], second["expires_at"]) == (4096, "2262-01-01T00:00:00Z")
    assert ollama.ProcessResponse.model_validate_json(write_loaded([known, unknown])).models[0].size == 5
    shown = ollama.ShowResponse.model_validate_json(write_details(known, CREATED))
    assert shown.modelinfo == {
        "general.architecture": "llama",
        "general.basename": "a",
        "llama.context_length": 4096,
    }
    assert (shown.parameters or "").split() == ["num_ctx", "4096"]
    plain = json.loads(write_details(unknown, CREATED))
    assert (plain["parameters"], ".Suffix" in plain["template"]) == ("", True)


def test_which_model_is_asked_about() -> None:
    assert read_shown(b'{"model":"m","name":"n","verbose":true}', depth=8) == "m"
    assert read_shown(b'{"name":"n"}', depth=8) == "n"
