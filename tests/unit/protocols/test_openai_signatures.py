"""Signatures of Gemini's compatible endpoint: read beside calls, and put back where a client dropped them."""

import json
import tracemalloc
from typing import Any

import msgspec
import pytest

from lodestard.domain.reply import assemble
from lodestard.domain.request import Request, Thought
from lodestard.domain.settings import Upstream
from lodestard.protocols.openai.answer import decode
from lodestard.protocols.openai.chat import read_request
from lodestard.protocols.openai.signatures import read_signatures
from lodestard.protocols.openai.upstream import OpenAICodec

CODEC = OpenAICodec()
GOOGLE = Upstream(dialect="openai", url="https://generativelanguage.googleapis.com/v1beta/openai")
SIGNED = {"google": {"thought_signature": "c2ln"}}
CALL: dict[str, Any] = {"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
TOLD: list[dict[str, Any]] = [
    {"role": "user", "content": "u", "odd": [1.50]},
    {"role": "assistant", "content": None, "tool_calls": [CALL, {**CALL, "id": "c2"}], "odd": {"é": 1}},
    {"role": "tool", "tool_call_id": "c1", "content": "r"},
]


def ask(messages: list[dict[str, Any]], *thoughts: Thought, **members: Any) -> Request:
    body = json.dumps({"model": "m", "messages": messages, **members}, ensure_ascii=False)
    request = read_request(body.encode(), depth=64)
    talk = request.conversation
    known = tuple(
        msgspec.structs.replace(message, thoughts=thoughts) if message.tool_calls else message
        for message in talk.messages
    )
    return msgspec.structs.replace(request, conversation=msgspec.structs.replace(talk, messages=known))


def signature(call_id: str, dialect: str = "gemini-compatible") -> Thought:
    return Thought(dialect, msgspec.Raw(json.dumps(SIGNED).encode()), call_id)


def answered(call: dict[str, Any], *, stream: bool) -> tuple[Thought, ...]:
    choice = {"index": 0, "delta" if stream else "message": {"tool_calls": [call]}, "finish_reason": "tool_calls"}
    body = json.dumps({"id": "1", "choices": [choice]}).encode()
    reader = CODEC.reader(CODEC.write_request(ask(TOLD, stream=stream), "m", GOOGLE))
    pieces = reader.feed(b"data: " + body + b"\n\ndata: [DONE]\n\n" if stream else body)
    return assemble([*pieces, *reader.finish()]).choices[0].thoughts


@pytest.mark.parametrize("stream", [False, True])
def test_a_signature_is_remembered_with_its_call(stream: bool) -> None:
    assert answered({**CALL, "extra_content": SIGNED}, stream=stream) == (signature("c1"),)
    others: tuple[object, ...] = (None, 7, {}, {"other": 1}, {"google": [[]] * 3})
    for beside in others:
        kept = answered({**CALL, "extra_content": beside}, stream=stream)
        assert len(kept) == (isinstance(beside, dict) and "google" in beside)
    assert answered(CALL, stream=stream) == ()


def test_what_is_remembered_holds_no_answer() -> None:
    """The memory of thoughts is bounded by their own size."""
    call = {**CALL, "extra_content": SIGNED}
    body = json.dumps({"choices": [{"message": {"tool_calls": [call], "content": "x" * 4_000_000}}]}).encode()
    tracemalloc.start()
    try:
        kept = [_signatures_of(body) for _ in range(3)]
        held, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert [len(thoughts) for thoughts in kept] == [1, 1, 1]
    assert held < 1_000_000


def _signatures_of(body: bytes) -> tuple[Thought, ...]:
    choices = decode(bytes(bytearray(body))).choices
    assert choices is not None
    assert choices[0].message is not None
    return read_signatures(choices[0].message.tool_calls)


@pytest.mark.parametrize("foreign", [False, True])
def test_it_is_put_back_and_nothing_else_is_changed(foreign: bool) -> None:
    request = ask(TOLD, signature("c1"), signature("c2", "gemini"))
    if foreign:
        request = msgspec.structs.replace(request, dialect="anthropic", members={})
    messages = json.loads(CODEC.write_request(request, "m", GOOGLE).body)["messages"]
    first, second = messages[1].pop("tool_calls")
    assert (first, second) == ({**CALL, "extra_content": SIGNED}, {**CALL, "id": "c2"})
    if not foreign:
        assert messages == [TOLD[0], {name: TOLD[1][name] for name in ("role", "content", "odd")}, TOLD[2]]


def test_one_that_the_client_brings_stays() -> None:
    own = {"google": {"thought_signature": "b3du"}}
    told = [TOLD[0], {**TOLD[1], "tool_calls": [{**CALL, "extra_content": own}]}, TOLD[2]]
    messages = json.loads(CODEC.write_request(ask(told, signature("c1")), "m", GOOGLE).body)["messages"]
    assert messages == told


def test_where_nothing_is_remembered_the_bytes_pass() -> None:
    request = ask(TOLD, Thought("anthropic", msgspec.Raw(b"{}")))
    assert bytes(request.members["messages"]) in CODEC.write_request(request, "m", GOOGLE).body
