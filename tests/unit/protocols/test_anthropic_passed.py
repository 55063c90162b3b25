"""A client of Anthropic's dialect is passed through: what it wrote is what is sent, but for what must change."""

import json

import msgspec
import pytest

from lodestard.domain.request import Conversation, Message, Request, TextPart
from tests.fakes.anthropic_asks import (
    CACHING,
    CODEC,
    NEWER,
    PAID,
    SONNET,
)


def passed(body: bytes, limit: int | None = None, headers: tuple[tuple[str, str], ...] = ()) -> Request:
    """What a client of the dialect sends."""
    members = msgspec.json.decode(body, type=dict[str, msgspec.Raw])
    talk = Conversation(messages=(Message(role="user", parts=(TextPart("hi"),)),))
    talk = msgspec.structs.replace(talk, sampling=msgspec.structs.replace(talk.sampling, max_output_tokens=limit))
    return Request(
        dialect="anthropic",
        alias="a",
        stream=b'"stream":true' in body,
        include_usage=False,
        members=members,
        conversation=talk,
        size_bytes=len(body),
        headers=headers,
        unsaid=("context_management",),
    )


OWN = (
    b'{"model":"a","max_tokens":64,"system":[{"type":"text","text":"\\u0068","cache_control":{"type":"ephemeral"}}],'
    b'"messages":[{"role":"user","content":"hi","x":1.50}],"stream":true,"context_management":{"edits" : []}}'
)


def test_a_client_of_the_dialect_is_passed_through() -> None:
    named = (("anthropic-version", "2023-01-01"), ("anthropic-beta", "a-1,b-2"), ("cookie", "x"))
    wire = CODEC.write_request(passed(OWN, 64, named), SONNET, CACHING)
    assert wire.body == OWN.replace(b'"model":"a"', b'"model":"claude-sonnet-4-5-20250929"')
    assert wire.headers[2:] == named[:2]
    assert (wire.passing, wire.dropped, wire.notes, wire.streamed) == (True, (), (), True)


def test_a_client_that_names_no_version_gets_the_setting_s() -> None:
    wire = CODEC.write_request(passed(OWN, 64, (("anthropic-beta", "a-1"),)), SONNET, PAID)
    assert wire.headers[2:] == (("anthropic-beta", "a-1"), ("anthropic-version", "2023-06-01"))


@pytest.mark.parametrize(
    ("said", "limit", "sent"),
    [
        (b'"max_tokens":64,', 64, 64),
        (b'"max_tokens":64,', 20, 20),
        (b'"max_tokens":64,', 90, 64),
        (b'"max_tokens":64,', None, 64),
        (b'"max_tokens":0,', 64, 0),
        (b"", 20, 20),
        (b"", None, 8_192),
    ],
)
def test_a_limit_is_lowered_or_added(said: bytes, limit: int | None, sent: int) -> None:
    wire = CODEC.write_request(passed(OWN.replace(b'"max_tokens":64,', said), limit), SONNET, PAID)
    assert json.loads(wire.body)["max_tokens"] == sent


def test_sampling_that_would_be_refused_is_left_out_of_it() -> None:
    body = OWN.replace(b'"stream"', b'"temperature":1,"top_k":5,"stream"')
    wire = CODEC.write_request(passed(body, 64), SONNET, PAID)
    assert wire.dropped == ()
    later = (("anthropic-version", "2026-10-21"),)
    for model, headers in ((SONNET, later), (NEWER, ())):
        wire = CODEC.write_request(passed(body, 64, headers), model, PAID)
        assert wire.dropped == ("temperature", "top_k")
        assert not {"temperature", "top_k"} & json.loads(wire.body).keys()


def test_what_other_models_thought_is_not_sent_back() -> None:
    """A client that has spoken to a local model was given its reasoning as thinking that nobody signed."""
    turns = [
        {"role": "user", "content": "hi"},
        {"role": "assistant", "content": [{"type": "thinking", "thinking": "hm", "signature": ""}]},
        {
            "role": "assistant",
            "content": [
                {"type": "thinking", "thinking": "ours", "signature": "c2ln"},
                {"type": "thinking", "thinking": "hm", "signature": ""},
                {"type": "text", "text": "hello", "x": 1},
            ],
        },
        {"role": "user", "content": [{"type": "text", "text": "more"}]},
    ]
    body = json.dumps({"model": "a", "max_tokens": 64, "messages": turns}).encode()
    wire = CODEC.write_request(passed(body, 64), SONNET, CACHING)
    kept = [turns[0], {"role": "assistant", "content": [turns[2]["content"][0], turns[2]["content"][2]]}, turns[3]]  # type: ignore[index]
    assert json.loads(wire.body)["messages"] == kept
    assert wire.dropped == ("messages[].content[].thinking",)
