"""How a request of Anthropic's dialect is read, and what is wrong with one that can't be."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lodestard.domain.errors import CallerFault, Code
from lodestard.domain.request import ImagePart, Message, OtherPart, Request, TextPart, Thought, ToolCall, ToolChoice
from lodestard.protocols.anthropic.call_ids import make_id, unwrap_id, wrap_id
from lodestard.protocols.anthropic.messages import AnthropicMessages, read_request
from lodestard.protocols.error_bodies import anthropic_error

HELLO = [{"role": "user", "content": "hi"}]
CACHED = {"cache_control": {"type": "ephemeral"}}
SIGNED = {"type": "thinking", "thinking": "Hm.", "signature": "c2ln"}
HIDDEN = {"type": "redacted_thinking", "data": "eHg="}
LOOK = {"name": "look", "description": "Look.", "input_schema": {"type": "object"}}


def read(**members: Any) -> Request:
    body = {"model": "m", "max_tokens": 100, "messages": HELLO, **members}
    return read_request(json.dumps(body).encode(), depth=64, headers={})


def turns(*messages: Any) -> tuple[Message, ...]:
    return read(messages=list(messages)).conversation.messages


def user(*blocks: Any) -> dict[str, Any]:
    return {"role": "user", "content": list(blocks)}


def said(*blocks: Any) -> dict[str, Any]:
    return {"role": "assistant", "content": list(blocks)}


def text(said: str, **more: Any) -> dict[str, Any]:
    return {"type": "text", "text": said, **more}


def test_a_whole_request() -> None:
    request = read(
        system="Be brief.",
        stream=True,
        stop_sequences=["END"],
        temperature=0.5,
        top_p=0.9,
        top_k=40,
        tools=[{**LOOK, "strict": True}, {"type": "bash_20250124", "name": "bash"}],
        tool_choice={"type": "any", "disable_parallel_tool_use": True},
        thinking={"type": "enabled", "budget_tokens": 2048},
        output_config={"format": {"type": "json_schema", "schema": {"type": "object"}}},
        metadata={"user_id": "ada"},
    )
    talk = request.conversation
    assert (request.dialect, request.alias, request.stream, request.include_usage) == ("anthropic", "m", True, True)
    assert [message.role for message in talk.messages] == ["system", "user"]
    assert [message.text for message in talk.messages] == ["Be brief.", "hi"]
    sampling = talk.sampling
    assert (sampling.temperature, sampling.top_p, sampling.top_k, sampling.stop) == (0.5, 0.9, 40, ("END",))
    assert sampling.max_output_tokens == 100
    assert [(tool.kind, tool.name, tool.strict) for tool in talk.tools] == [
        ("function", "look", True),
        ("bash_20250124", "bash", None),
    ]
    assert bytes(talk.tools[0].parameters or b"") == b'{"type": "object"}'
    assert talk.tool_choice == ToolChoice("required")
    assert talk.parallel_calls is False
    assert (talk.reasoning_tokens, talk.reasoning_effort) == (2048, "")
    assert (talk.format.kind, bytes(talk.format.schema or b"")) == ("json_schema", b'{"type": "object"}')
    assert request.unsaid == ()


@pytest.mark.parametrize(
    ("choice", "read_as"),
    [
        ({"type": "auto"}, ToolChoice("auto")),
        ({"type": "none"}, ToolChoice("none")),
        ({"type": "tool", "name": "look"}, ToolChoice("function", "look")),
    ],
)
def test_tool_choices(choice: Any, read_as: ToolChoice) -> None:
    talk = read(tools=[LOOK], tool_choice=choice).conversation
    assert (talk.tool_choice, talk.parallel_calls) == (read_as, None)


def test_thinking_and_effort_are_wishes_that_no_other_model_is_made_to_refuse() -> None:
    assert read(thinking={"type": "adaptive", "display": "omitted"}).conversation.reasoning_effort == ""
    assert read(thinking={"type": "disabled"}).conversation.reasoning_effort == "none"
    asked = read(output_config={"effort": "high"})
    assert (asked.conversation.reasoning_effort, asked.unsaid) == ("", ("output_config.effort",))


def test_results_come_before_what_the_user_says_with_them() -> None:
    call = {"type": "tool_use", "id": "toolu_1", "name": "look", "input": {"at": [1, 2]}}
    result = {"type": "tool_result", "tool_use_id": "toolu_1", "content": [text("a"), text("b")], "is_error": True}
    image = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "aGk="}}
    shown = {"type": "tool_result", "tool_use_id": "toolu_2", "content": [image]}
    empty = {"type": "tool_result", "tool_use_id": "toolu_3"}
    messages = turns(said(text("Looking."), call), user(text("And?"), result, shown, empty, text("Go on.")))
    assert messages[0] == Message(
        role="assistant",
        parts=(TextPart("Looking."),),
        tool_calls=(ToolCall("toolu_1", "look", '{"at": [1, 2]}'),),
    )
    assert messages[1:] == (
        Message(role="tool", parts=(TextPart("a\nb"),), tool_call_id="toolu_1", is_error=True),
        Message(role="tool", parts=(ImagePart(media_type="image/png", data="aGk="),), tool_call_id="toolu_2"),
        Message(role="tool", tool_call_id="toolu_3"),
        Message(role="user", parts=(TextPart("And?\nGo on."),)),
    )
    assert [message.role for message in turns(user(result))] == ["tool"]


def test_thoughts_are_kept_as_they_came_and_as_text() -> None:
    (message,) = turns(said(SIGNED, HIDDEN, text("So.")))
    assert message.reasoning == "Hm."
    assert message.thoughts == (
        Thought("anthropic", raw_of(SIGNED)),
        Thought("anthropic", raw_of(HIDDEN)),
    )
    (unsigned,) = turns(said({"type": "thinking", "thinking": "Another model's.", "signature": ""}))
    assert (unsigned.reasoning, unsigned.thoughts) == ("Another model's.", ())


def raw_of(block: Any) -> Any:
    import msgspec

    return msgspec.Raw(json.dumps(block).encode())


def test_images_and_documents() -> None:
    url = {"type": "image", "source": {"type": "url", "url": "https://x.test/a.png"}}
    file = {"type": "image", "source": {"type": "file", "file_id": "file_1"}}
    pdf = {"type": "document", "source": {"type": "base64", "media_type": "application/pdf", "data": "eA=="}}
    plain = {
        "type": "document",
        "title": "Notes",
        "context": "Of May.",
        "source": {"type": "text", "media_type": "text/plain", "data": "It rained."},
    }
    inner = {"type": "document", "source": {"type": "content", "content": [text("One."), url]}}
    found = {"type": "search_result", "source": "https://x.test", "title": "X", "content": [text("Found.")]}
    (message,) = turns(user(url, file, pdf, plain, inner, found))
    address = ImagePart(url="https://x.test/a.png")
    assert message.parts == (
        address,
        OtherPart("image", raw_of(file)),
        OtherPart("document", raw_of(pdf)),
        TextPart("Notes\nOf May.\nIt rained.\nOne."),
        address,
        TextPart("X\nhttps://x.test\nFound."),
    )


def test_blocks_that_nobody_knows_are_kept_raw() -> None:
    strange = {"type": "container_upload", "file_id": 7, "text": ["not text"]}
    (message,) = turns(user(strange))
    assert message.parts == (OtherPart("container_upload", raw_of(strange)),)


def test_what_no_other_dialect_says_is_listed_by_its_path() -> None:
    request = read(
        system=[text("a", **CACHED), text("b")],
        messages=[user(text("hi", **CACHED)), said(text("x", cache_control=None))],
        tools=[{**LOOK, **CACHED, "input_examples": [{}], "allowed_callers": None}],
        cache_control={"type": "ephemeral"},
        context_management={"edits": []},
        new_member=1,
        service_tier="auto",
    )
    assert request.unsaid == (
        "cache_control",
        "context_management",
        "messages[].content[].cache_control",
        "new_member",
        "system[].cache_control",
        "tools[].cache_control",
        "tools[].input_examples",
    )
    assert set(request.members) >= {"new_member", "cache_control"}


def test_the_book_keeping_of_claude_code_is_no_part_of_the_prompt() -> None:
    talk = read(
        system=[text("x-anthropic-billing-header: cc_version=1;"), text("You are."), text("Be.")]
    ).conversation
    assert talk.messages[0] == Message(role="system", parts=(TextPart("You are.\nBe."),))
    assert [message.role for message in read(system=[]).conversation.messages] == ["user"]


def test_a_system_message_in_the_midst_stays_where_it_is() -> None:
    messages = turns(*HELLO, {"role": "system", "content": [text("Now be brief.")]}, {"role": "system"})
    assert [(message.role, message.text) for message in messages] == [
        ("user", "hi"),
        ("system", "Now be brief."),
    ]


def test_deferred_tools_are_offered_once_they_are_named() -> None:
    later = {**LOOK, "name": "later", "defer_loading": True}
    search = {"type": "web_search_20250305", "name": "web_search", "defer_loading": True}
    tools = [LOOK, later, search]

    def names(*messages: Any) -> list[str]:
        return [tool.name for tool in read(tools=tools, messages=[*HELLO, *messages]).conversation.tools]

    named = {"type": "tool_result", "tool_use_id": "t", "content": [{"type": "tool_reference", "tool_name": "later"}]}
    added = {"type": "tool_addition", "tool": {"type": "tool_reference", "name": "later"}}
    gone = {"type": "tool_removal", "tool": {"type": "tool_reference", "name": "look"}}
    new = {"type": "tool_addition", "tool": {"type": "tool_definition", "definition": {**LOOK, "name": "new"}}}
    assert names() == ["look", "web_search"]  # what runs at the provider is never out of sight
    assert names(user(named)) == ["look", "later", "web_search"]
    assert names({"role": "system", "content": [added]}) == ["look", "later", "web_search"]
    assert names({"role": "system", "content": [gone, new]}) == ["web_search", "new"]


def test_a_request_that_fills_the_cache_asks_other_models_for_one_token() -> None:
    request = read(max_tokens=0)
    assert request.conversation.sampling.max_output_tokens == 1
    assert bytes(request.members["max_tokens"]) == b"0"


def test_the_headers_that_go_on() -> None:
    codec = AnthropicMessages()
    body = json.dumps({"model": "m", "max_tokens": 1, "messages": HELLO}).encode()
    headers = {"anthropic-beta": "a,b", "anthropic-version": "2023-06-01"}
    assert codec.heeded == ("anthropic-version", "anthropic-beta")
    request = codec.read_request(body, depth=64, headers=headers)
    assert request.headers == (("anthropic-version", "2023-06-01"), ("anthropic-beta", "a,b"))


@pytest.mark.parametrize(
    ("members", "param"),
    [
        ({"max_tokens": None}, "max_tokens"),
        ({"max_tokens": -1}, "max_tokens"),
        ({"max_tokens": "many"}, "max_tokens"),
        ({"messages": []}, "messages"),
        ({"messages": "hi"}, "messages"),
        ({"messages": [{"role": "king", "content": "x"}]}, "messages[0].role"),
        ({"messages": [{"role": "user"}]}, "messages[0].content"),
        ({"messages": [{"role": "user", "content": 7}]}, "messages[0].content"),
        ({"messages": [{"role": "user", "content": [{"type": "text"}]}]}, "messages[0].content[0].text"),
        ({"messages": [{"role": "user", "content": [{"text": "x"}]}]}, "messages[0].content[0].type"),
        ({"messages": [user({"type": "image", "source": {"type": "base64"}})]}, "messages[0].content[0].source.data"),
        (
            {"messages": [said({"type": "tool_use", "id": "a", "name": "b", "input": "x"})]},
            "messages[0].content[0].input",
        ),
        (
            {"messages": [user({"type": "tool_result", "tool_use_id": "a", "content": [{"type": "text"}]})]},
            "messages[0].content[0].content[0].text",
        ),
        ({"system": [{"type": "image", "text": ""}]}, "system[0].type"),
        ({"tools": [{"description": "no name"}]}, "tools[0].name"),
        ({"tools": [{"name": "a", "input_schema": 1}]}, "tools[0].input_schema"),
        ({"tool_choice": {"type": "some"}}, "tool_choice.type"),
        ({"tool_choice": {"type": "tool"}}, "tool_choice.name"),
        ({"temperature": 1.5}, "temperature"),
        ({"output_config": {"format": {"type": "xml"}}}, "output_config.format.type"),
        ({"output_format": {"type": "json_schema", "schema": []}}, "output_format.schema"),
    ],
)
def test_a_wrong_value_is_named_by_its_path(members: Any, param: str) -> None:
    with pytest.raises(CallerFault) as caught:
        read(**members)
    assert (caught.value.code, caught.value.param) == (Code.INVALID_REQUEST, param)


def test_a_definition_in_the_midst_is_checked_too() -> None:
    change = {"type": "tool_addition", "tool": {"type": "tool_definition", "definition": {"name": 7}}}
    with pytest.raises(CallerFault) as caught:
        read(messages=[*HELLO, {"role": "system", "content": [change]}])
    assert caught.value.param == "messages[].content[].tool.definition.name"


def test_a_conversation_that_the_provider_would_hold_is_refused_as_the_sdk_wants_it() -> None:
    with pytest.raises(CallerFault) as caught:
        read(thread={"type": "continue", "previous_message_id": "msg_1"})
    assert caught.value.code is Code.NOT_SUPPORTED
    assert anthropic_error(caught.value, "r")["error"]["details"] == {"error_code": "thread_unsupported_request"}
    assert read(thread=None).unsaid == ()


def test_counting_needs_no_limit() -> None:
    body = json.dumps({"model": "m", "messages": HELLO}).encode()
    request = read_request(body, depth=64, headers={}, counting=True)
    assert request.conversation.sampling.max_output_tokens is None


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
NAMES = st.sampled_from(
    ["type", "text", "source", "id", "name", "input", "tool_use_id", "content", "thinking", "signature", "tool",
     "definition", "title", "cache_control", "tool_name"]
)  # fmt: skip
KINDS = st.sampled_from(
    ["text", "image", "document", "tool_use", "tool_result", "thinking", "redacted_thinking", "search_result",
     "tool_reference", "tool_addition", "tool_removal", "unheard of"]
)  # fmt: skip
BLOCKS = st.dictionaries(NAMES, JSON, max_size=6).flatmap(
    lambda block: KINDS.map(lambda kind: {**block, "type": kind})
)


@given(
    st.lists(st.lists(BLOCKS | JSON, max_size=4) | JSON, max_size=3),
    st.dictionaries(st.sampled_from(["system", "tools", "tool_choice", "thinking", "output_config"]), JSON),
)
def test_nothing_but_a_fault_comes_of_a_strange_request(contents: Any, members: Any) -> None:
    messages = [
        {"role": "user" if place % 2 else "assistant", "content": each} for place, each in enumerate(contents)
    ]
    try:
        read(messages=messages, **members)
    except CallerFault as fault:
        assert fault.code in (Code.INVALID_REQUEST, Code.INVALID_JSON)


@given(st.text())
def test_an_id_comes_back_as_it_was(call_id: str) -> None:
    wrapped = wrap_id(call_id)
    assert unwrap_id(wrapped) == call_id
    assert set(wrapped) <= set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-")
    assert wrapped


@given(st.text())
def test_unwrapping_never_fails(call_id: str) -> None:
    assert isinstance(unwrap_id("toolu_lodestar_" + call_id), str)


def test_usual_ids_stay() -> None:
    assert wrap_id("call_9-X") == "call_9-X"
    assert wrap_id("functions.look:0") != "functions.look:0"
    assert make_id("req_06h1", 2) == "toolu_06h1_2"


def test_wrapped_ids_are_unwrapped_where_they_come_back() -> None:
    odd = wrap_id("functions.look:0")
    call = {"type": "tool_use", "id": odd, "name": "look", "input": {}}
    messages = turns(said(call), user({"type": "tool_result", "tool_use_id": odd, "content": "x"}))
    assert messages[0].tool_calls[0].id == messages[1].tool_call_id == "functions.look:0"


def test_a_system_message_may_count_only_until_the_user_speaks_again() -> None:
    brief = {"role": "system", "content": "Briefly.", "clear_at": "next_user_message"}
    kept = {"role": "system", "content": "Kindly.", "clear_at": "never", "output_config": {"effort": "low"}}
    change = {"type": "tool_addition", "tool": {"type": "tool_reference", "name": "later"}}
    added = {**brief, "content": [change, text("You may look.")]}
    request = read(
        messages=[*HELLO, brief, kept, added, *HELLO, brief],
        tools=[{"name": "later", "input_schema": {"type": "object"}, "defer_loading": True}],
    )
    said = [(message.role, message.text) for message in request.conversation.messages]
    assert said == [("user", "hi"), ("system", "Kindly."), ("user", "hi"), ("system", "Briefly.")]
    assert [tool.name for tool in request.conversation.tools] == ["later"]
    assert request.unsaid == ("messages[].output_config",)
