"""A conversation in Anthropic's words: what is said, what is left out and told, and what is refused."""

import base64
from itertools import pairwise
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lodestard.domain.errors import CallerFault, Code
from lodestard.domain.request import Completion, Conversation, Embedding, Message, TextPart
from tests.fakes.anthropic_asks import (
    CACHING,
    CODEC,
    FIRST,
    NEWER,
    NEWEST,
    PAID,
    SONNET,
    TOOL,
    ask,
    body_of,
    call,
    calls,
    refusal,
    result,
    text,
    turns_of,
    write,
)

# -- the frame -----------------------------------------------------------------------------------------------------


def test_a_request_byte_for_byte() -> None:
    wire = CODEC.write_request(ask(FIRST, stream=True, max_tokens=5, temperature=0.5), SONNET, PAID)
    assert wire.body == (
        b'{"model":"claude-sonnet-4-5-20250929","max_tokens":5,'
        b'"messages":[{"role":"user","content":[{"type":"text","text":"hi"}]}],"temperature":0.5,"stream":true}'
    )
    assert (wire.path, wire.streamed, wire.passing, wire.choices) == ("/v1/messages", True, False, 1)
    assert wire.headers == (
        ("content-type", "application/json"),
        ("accept", "text/event-stream"),
        ("anthropic-version", "2023-06-01"),
    )
    assert (wire.dropped, wire.notes) == ((), ())


def test_a_plain_request() -> None:
    body, wire = write(ask(FIRST))
    assert (wire.streamed, "stream" in body, body["max_tokens"]) == (False, False, 8_192)
    assert ("accept", "application/json") in wire.headers


def test_what_it_does_not_do_is_refused() -> None:
    assert refusal(ask(FIRST, n=2)).param == "n"
    talk = Conversation(messages=(Message(role="user", parts=(TextPart("a"),)),))
    request = ask(FIRST)
    for member in ({"embedding": Embedding()}, {"completion": Completion()}):
        other = msgspec.structs.replace(request, conversation=msgspec.structs.replace(talk, **member))
        refusal(other)


def test_what_it_has_no_word_for_is_told() -> None:
    body, wire = write(
        ask(
            {"role": "user", "content": "hi", "name": "ada"},
            {"role": "assistant", "content": "ho", "reasoning_content": "hm"},
            FIRST,
            seed=1,
            logprobs=True,
            top_logprobs=2,
            presence_penalty=0.5,
            frequency_penalty=0,
            logit_bias={"1": 2},
            prediction={"type": "content", "content": "x"},
            user="ada",
            response_format={"type": "json_object"},
        )
    )
    assert wire.dropped == (
        "logit_bias",
        "prediction",
        "messages[].name",
        "messages[].reasoning",
        "seed",
        "presence_penalty",
        "logprobs",
    )
    assert set(body) == {"model", "max_tokens", "messages"}


# -- messages ------------------------------------------------------------------------------------------------------


def test_what_comes_first_of_system_messages_is_the_system_prompt() -> None:
    body, wire = write(
        ask({"role": "system", "content": "a"}, {"role": "developer", "content": [text("b"), text("c")]}, FIRST)
    )
    assert body["system"] == [text("a"), text("b"), text("c")]
    assert body["messages"] == [{"role": "user", "content": [text("hi")]}]
    assert wire.notes == ()


def test_a_later_system_message_is_said_at_its_place() -> None:
    request = ask(FIRST, {"role": "assistant", "content": "ho"}, {"role": "system", "content": "be brief"}, FIRST)
    body, wire = write(request)
    assert "system" not in body
    assert [turn["role"] for turn in body["messages"]] == ["user", "assistant", "user"]
    assert body["messages"][-1]["content"] == [text("be brief"), text("hi")]
    assert wire.notes == ("later system messages are said as the user's",)


def test_nothing_but_a_system_prompt_is_asked_as_a_question() -> None:
    body = body_of({"role": "system", "content": "a"}, {"role": "system", "content": "b"})
    assert (body["system"], body["messages"]) == ([text("a")], [{"role": "user", "content": [text("b")]}])


@pytest.mark.parametrize("said", ["", "  \n", []])
def test_nothing_at_all_is_refused(said: Any) -> None:
    assert refusal(ask({"role": "user", "content": said})).param == "messages"


def test_turns_of_one_role_are_one_and_empty_ones_none() -> None:
    assert turns_of(
        FIRST,
        {"role": "user", "content": "there"},
        {"role": "assistant", "content": ""},
        {"role": "user", "content": " "},
    ) == [("user", [text("hi"), text("there")])]


def test_turns_around_an_empty_one_are_one() -> None:
    said = {"role": "assistant", "content": "a"}
    assert turns_of(said, {"role": "user", "content": ""}, said) == [("assistant", [text("a"), text("a")])]


def test_the_end_of_what_shall_be_gone_on_with_has_no_white_space() -> None:
    assert turns_of(FIRST, {"role": "assistant", "content": "Well, \n"})[-1] == ("assistant", [text("Well,")])


def test_calls_and_results() -> None:
    turns = turns_of(
        FIRST,
        calls(call("f", '{"a": [1, {"b": "é"}]}', "c1"), call("g", "", "c2"), content="I look."),
        {"role": "system", "content": "soon"},
        result("42", "c1"),
        result([text("4"), text("3")], "c2"),
        {"role": "user", "content": "and?"},
        tools=[TOOL],
    )
    assert turns[1] == (
        "assistant",
        [
            text("I look."),
            {"type": "tool_use", "id": "c1", "name": "f", "input": {"a": [1, {"b": "é"}]}},
            {"type": "tool_use", "id": "c2", "name": "g", "input": {}},
        ],
    )
    assert turns[2] == (
        "user",
        [
            {"type": "tool_result", "tool_use_id": "c1", "content": "42"},
            {"type": "tool_result", "tool_use_id": "c2", "content": "43"},
            text("soon"),
            text("and?"),
        ],
    )


@pytest.mark.parametrize("arguments", ["{", "[1]", "null", "7", '"x"', '{"a":1} x', "\ud800"])
def test_arguments_that_are_no_object_are_kept_as_text(arguments: str) -> None:
    message = Message(
        role="assistant", tool_calls=(ask(FIRST, calls(call())).conversation.messages[1].tool_calls[0],)
    )
    made = msgspec.structs.replace(message.tool_calls[0], arguments=arguments.replace("\ud800", "?{"))
    talk = Conversation(
        messages=(Message(role="user", parts=(TextPart("a"),)), Message(role="assistant", tool_calls=(made,)))
    )
    body, _ = write(msgspec.structs.replace(ask(FIRST), conversation=talk))
    assert body["messages"][1]["content"][0]["input"] == {"arguments": made.arguments}


def test_ids_are_those_that_it_takes() -> None:
    turns = turns_of(
        FIRST, calls(call(call_id="a.b|c"), call(call_id="")), result(call_id="a.b|c"), result(call_id="")
    )
    assert [block["id"] for block in turns[1][1]] == ["a_b_c", "call"]
    assert [block["tool_use_id"] for block in turns[2][1]] == ["a_b_c", "call"]


def test_an_id_that_comes_again_is_another_one() -> None:
    """Who names calls by what they ask for names the same question alike; there each id may come once."""
    once = (calls(call(), call()), result("1"), result("2"))
    turns = turns_of(FIRST, *once, calls(call()), result("3"))
    ids = [block["id"] for _, blocks in turns for block in blocks if block["type"] == "tool_use"]
    answers = [
        (block["tool_use_id"], block["content"]) for _, blocks in turns for block in blocks if "tool_use_id" in block
    ]
    assert ids == ["c1", "c1_2", "c1_3"]
    assert answers == [("c1", "1"), ("c1_2", "2"), ("c1_3", "3")]


def test_a_result_may_fail_be_empty_or_be_an_image() -> None:
    image = {"type": "image_url", "image_url": {"url": "data:image/jpg;base64,AAAA"}}
    request = ask(FIRST, calls(call(), call(call_id="c2")), result(""), result([text("see"), image], "c2"))
    messages = list(request.conversation.messages)
    messages[2] = msgspec.structs.replace(messages[2], is_error=True)
    talk = msgspec.structs.replace(request.conversation, messages=tuple(messages))
    body, _ = write(msgspec.structs.replace(request, conversation=talk))
    failed, seen = body["messages"][2]["content"]
    assert failed == {"type": "tool_result", "tool_use_id": "c1", "is_error": True}
    source = {"type": "base64", "media_type": "image/jpeg", "data": "AAAA"}
    assert seen["content"] == [text("see"), {"type": "image", "source": source}]


@pytest.mark.parametrize(
    ("message", "param"),
    [
        ({"role": "user", "content": [{"type": "input_audio", "input_audio": {}}]}, "messages[0].content[0]"),
        (
            {"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:image/png,abc"}}]},
            "messages[0].content[0]",
        ),
        (
            {"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:image/tiff;base64,AAAA"}}]},
            "messages[0].content[0]",
        ),
        (
            {"role": "system", "content": [{"type": "image_url", "image_url": {"url": "https://a/b"}}]},
            "messages[0].content[0]",
        ),
        (
            {"role": "assistant", "content": [{"type": "image_url", "image_url": {"url": "https://a/b"}}]},
            "messages[0].content[0]",
        ),
        (
            {
                "role": "assistant",
                "tool_calls": [{"type": "custom", "id": "c", "custom": {"name": "x", "input": "y"}}],
            },
            "messages[0].tool_calls[0]",
        ),
    ],
)
def test_content_that_it_can_not_say(message: dict[str, Any], param: str) -> None:
    assert refusal(ask(message)).param == param


def test_an_image_in_base64_or_by_its_address() -> None:
    data = base64.b64encode(b"png").decode()
    urls = (f"data:image/png;base64,{data}", "https://pictures.example/a.png")
    content = [{"type": "image_url", "image_url": {"url": url, "detail": "auto"}} for url in urls]
    body, wire = write(ask({"role": "user", "content": content}))
    assert [block["source"] for block in body["messages"][0]["content"]] == [
        {"type": "base64", "media_type": "image/png", "data": data},
        {"type": "url", "url": "https://pictures.example/a.png"},
    ]
    assert wire.dropped == ()


# -- tools ---------------------------------------------------------------------------------------------------------


def test_tools() -> None:
    functions = [
        {
            "name": "f",
            "description": "does",
            "parameters": {"type": "object", "properties": {"a": {}}},
            "strict": True,
        },
        {"name": "g"},
        {"name": "h", "parameters": {"properties": {"b": {"type": "string"}}}},
    ]
    body, wire = write(ask(FIRST, tools=[{"type": "function", "function": function} for function in functions]))
    assert body["tools"] == [
        {"name": "f", "description": "does", "input_schema": {"type": "object", "properties": {"a": {}}}},
        {"name": "g", "input_schema": {"type": "object", "properties": {}}},
        {"name": "h", "input_schema": {"properties": {"b": {"type": "string"}}, "type": "object"}},
    ]
    assert "tool_choice" not in body
    assert wire.dropped == ("tools[].strict",)
    assert refusal(ask(FIRST, tools=[{"type": "web_search"}])).param == "tools"


NAMED = {"type": "function", "function": {"name": "f"}}


@pytest.mark.parametrize(
    ("choice", "parallel", "written"),
    [
        (None, None, None),
        (None, True, None),
        (None, False, {"type": "auto", "disable_parallel_tool_use": True}),
        ("auto", None, {"type": "auto"}),
        ("none", False, {"type": "none"}),
        ("required", None, {"type": "any"}),
        ("required", False, {"type": "any", "disable_parallel_tool_use": True}),
        (NAMED, None, {"type": "tool", "name": "f"}),
        (NAMED, False, {"type": "tool", "name": "f", "disable_parallel_tool_use": True}),
    ],
)
def test_which_tool_is_called(choice: Any, parallel: bool | None, written: Any) -> None:
    members = {"tool_choice": choice, "parallel_tool_calls": parallel}
    members = {name: value for name, value in members.items() if value is not None}
    assert body_of(FIRST, tools=[TOOL], **members).get("tool_choice") == written


def test_no_choice_without_tools_and_no_calls_without_names() -> None:
    assert "tool_choice" not in body_of(FIRST, tool_choice="auto")
    body = body_of(FIRST, calls(call("f"), call("g", call_id="c2")), result(), result(call_id="c2"))
    assert [tool["name"] for tool in body["tools"]] == ["f", "g"]
    assert body["tool_choice"] == {"type": "none"}


def test_the_newest_can_not_be_made_to_call() -> None:
    body, wire = write(ask(FIRST, tools=[TOOL], tool_choice="required", parallel_tool_calls=False), NEWEST)
    assert body["tool_choice"] == {"type": "auto", "disable_parallel_tool_use": True}
    assert wire.dropped == ("tool_choice",)


# -- whatever is said ----------------------------------------------------------------------------------------------

_TEXTS = st.text(max_size=12)
_MESSAGES = st.lists(
    st.one_of(
        st.builds(lambda said: {"role": "system", "content": said}, _TEXTS),
        st.builds(lambda said: {"role": "user", "content": said}, _TEXTS),
        st.builds(lambda said: {"role": "assistant", "content": said}, _TEXTS),
        st.builds(lambda said, args, i: calls(call("f", args, i), content=said), _TEXTS, _TEXTS, _TEXTS),
        st.builds(lambda said, i: result(said, i), _TEXTS, _TEXTS),
    ),
    min_size=1,
    max_size=8,
)


@given(_MESSAGES, st.sampled_from([SONNET, NEWER, NEWEST]), st.booleans())
def test_whatever_is_said_is_well_formed_and_loses_nothing(
    messages: list[dict[str, Any]], model: str, caching: bool
) -> None:
    request = ask(*messages, reasoning_effort="low")
    try:
        body, wire = write(request, model, CACHING if caching else PAID)
    except CallerFault as fault:
        assert fault.code is Code.NOT_SUPPORTED
        return
    roles = [turn["role"] for turn in body["messages"]]
    assert all(one != other for one, other in pairwise(roles))
    blocks = [block for turn in body["messages"] for block in turn["content"]] + body.get("system", [])
    assert all(turn["content"] for turn in body["messages"])
    said = sorted(block["text"].rstrip() for block in blocks if block["type"] == "text")
    texts = [message["content"] for message in messages if message["role"] != "tool"]
    assert said == sorted(one.rstrip() for one in texts if one and not one.isspace())
    assert sum(block["type"] == "tool_use" for block in blocks) == sum("tool_calls" in one for one in messages)
    results = [block for block in blocks if block["type"] == "tool_result"]
    assert len(results) == sum(message["role"] == "tool" for message in messages)
    assert all(not part for part in (set(wire.notes) & set(map(str, texts)),))
