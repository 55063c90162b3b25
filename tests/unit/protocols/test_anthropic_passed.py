"""A client of Anthropic's dialect is passed through: what it wrote is what is sent, but for what must change."""

import json

import msgspec
import pytest

from lodestard.domain.request import Conversation, Message, Request, TextPart
from lodestard.protocols.anthropic.counting import write_count
from tests.fakes.anthropic_asks import CACHING, CODEC, NEWER, PAID, SONNET


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


ADAPTIVE = b'"thinking":{"type":"adaptive","display":"omitted"}'
CLEARS = b'"context_management":{"edits":[{"type":"clear_thinking_20251015","keep":"all"}]}'
CONFIG = b'"output_config":{"effort":"high"}'
OLDEST = "claude-3-haiku-20240307"
OTHERS = "deepseek-chat"


def newly(*members: bytes) -> Request:
    """What a client that takes the model for a new one adds to a question."""
    question = b'"model":"a","max_tokens":64,"messages":[{"role":"user","content":"hi"}]'
    return passed(b"{%b}" % b",".join([question, *members]), 64)


@pytest.mark.parametrize(
    ("model", "dropped", "left"),
    [
        (SONNET, ("thinking", "context_management", "output_config.effort"), set()),
        (OLDEST, ("thinking", "context_management", "output_config.effort"), set()),
        ("claude-sonnet-4-6", (), {"thinking", "context_management", "output_config"}),
        (NEWER, (), {"thinking", "context_management", "output_config"}),
        (OTHERS, (), {"thinking", "context_management", "output_config"}),
    ],
)
def test_an_older_model_is_not_asked_to_think_as_the_newer_do(
    model: str, dropped: tuple[str, ...], left: set[str]
) -> None:
    wire = CODEC.write_request(newly(ADAPTIVE, CLEARS, CONFIG), model, PAID)
    assert wire.dropped == dropped
    assert json.loads(wire.body).keys() == {"model", "max_tokens", "messages"} | left


def test_what_an_older_model_knows_stays() -> None:
    enabled, off = b'"thinking":{"type":"enabled","budget_tokens":1024}', b'"thinking":{"type":"disabled"}'
    edits = b'"context_management":{"edits":[{"type":"clear_tool_uses_20250919"}]}'
    form = b'"output_config":{"effort":"low","format":{"type":"json_schema","schema":{}}}'
    for said in (enabled, off, b'"thinking":null'):
        wire = CODEC.write_request(newly(said, CLEARS), SONNET, PAID)
        assert (wire.dropped, json.loads(wire.body).keys() >= {"thinking", "context_management"}) == ((), True)
    wire = CODEC.write_request(newly(ADAPTIVE, edits, form), SONNET, PAID)
    assert wire.dropped == ("thinking", "output_config.effort")
    assert json.loads(wire.body)["output_config"] == {"format": {"type": "json_schema", "schema": {}}}
    assert b'"clear_tool_uses_20250919"' in wire.body
    assert CODEC.write_request(newly(enabled), OLDEST, PAID).dropped == ("thinking",)
    assert CODEC.write_request(newly(CONFIG), "claude-opus-4-5", PAID).dropped == ()


def test_system_messages_are_the_user_s_where_the_model_knows_none() -> None:
    turns: list[dict[str, object]] = [
        {"role": "user", "content": "hi"},
        {"role": "system", "content": "Until the next word.", "clear_at": "next_user_message"},
        {"role": "assistant", "content": "hello"},
        {"role": "user", "content": "more"},
        {"role": "system", "content": [{"type": "text", "text": "Be brief."}], "output_config": {"effort": "low"}},
        {"role": "system", "output_config": {"effort": "low"}},
        {"role": "system", "content": "Now.", "clear_at": "next_user_message"},
    ]
    body = json.dumps({"model": "a", "max_tokens": 64, "messages": turns}).encode()
    wire = CODEC.write_request(passed(body, 64), SONNET, PAID)
    assert json.loads(wire.body)["messages"] == [
        turns[0],
        turns[2],
        turns[3],
        {"role": "user", "content": [{"type": "text", "text": "Be brief."}]},
        {"role": "user", "content": "Now."},
    ]
    assert wire.notes == ("later system messages are said as the user's",)
    for model in (NEWER, OTHERS):
        wire = CODEC.write_request(passed(body, 64), model, PAID)
        assert (json.loads(wire.body)["messages"], wire.notes) == (turns, ())


def test_a_count_is_asked_for_what_would_be_sent() -> None:
    body = json.dumps(
        {
            "model": "a",
            "messages": [
                {"role": "user", "content": "hi"},
                {"role": "assistant", "content": [{"type": "thinking", "thinking": "hm", "signature": ""}]},
                {"role": "system", "content": "Be brief."},
            ],
            "thinking": {"type": "adaptive"},
            "temperature": 1,
        }
    ).encode()
    wire = write_count(passed(body, headers=(("anthropic-version", "2026-10-21"),)), SONNET, PAID)
    assert json.loads(wire.body) == {
        "model": SONNET,
        "messages": [{"role": "user", "content": "hi"}, {"role": "user", "content": "Be brief."}],
    }
    assert (wire.path, wire.headers[1:]) == ("/v1/messages/count_tokens", (("anthropic-version", "2026-10-21"),))
