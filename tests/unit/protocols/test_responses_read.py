"""A client's Responses request: what is read, what is looked up, what is refused, and what another dialect loses."""

import contextlib
import json
import time
from collections.abc import Sequence
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lodestard.budget import find_unpriced
from lodestard.domain.errors import CallerFault, Code, Fault
from lodestard.domain.price import Price
from lodestard.domain.request import (
    Format,
    ImagePart,
    Message,
    OtherPart,
    Request,
    TextPart,
    Thought,
    ToolCall,
    ToolChoice,
)
from lodestard.protocols.openai.build import build_members
from lodestard.protocols.responses.client import Responses
from lodestard.protocols.responses.read import NoMemory, Turn, read_turn

FUNCTION = {"type": "function", "name": "f", "description": "d", "parameters": {"type": "object"}, "strict": True}
PRICE = Price(input_pico_usd=150_000, output_pico_usd=600_000)
CUSTOM = {
    "type": "custom",
    "name": "apply_patch",
    "description": "Edits files.",
    "format": {"type": "grammar", "syntax": "lark", "definition": "start: /x+/"},
}


class Known:
    """A memory with one response and one item."""

    def __init__(self, items: Sequence[Any] = (), item: Any = None) -> None:
        self._items = [raw(item) for item in items]
        self._item = item

    def find_items(self, response_id: str) -> Sequence[msgspec.Raw] | None:
        return self._items if response_id == "resp_1" else None

    def find_item(self, item_id: str) -> msgspec.Raw | None:
        return raw(self._item) if item_id == "msg_1" else None


def raw(value: Any) -> msgspec.Raw:
    return msgspec.Raw(msgspec.json.encode(value))


def turn(given: Any = "hi", *, memory: Any = None, **members: Any) -> Turn:
    body = {"model": "m", "input": given, **members}
    text = json.dumps({name: value for name, value in body.items() if value is not ...}).encode()
    return read_turn(text, depth=64, memory=memory or NoMemory())


def read(given: Any = "hi", **members: Any) -> Request:
    return turn(given, **members).request


def refusal(given: Any = "hi", **members: Any) -> CallerFault:
    with pytest.raises(CallerFault) as caught:
        read(given, **members)
    return caught.value


def told(*items: Any) -> list[Message]:
    return list(read(list(items)).conversation.messages)


# -- the whole -----------------------------------------------------------------------------------------------------


def test_a_whole_request() -> None:
    request = read(
        stream=True,
        instructions="Be short.",
        temperature=0,
        top_p=0.5,
        max_output_tokens=9,
        top_logprobs=3,
        include=["message.output_text.logprobs", "reasoning.encrypted_content"],
        tools=[FUNCTION],
        tool_choice={"type": "function", "name": "f"},
        parallel_tool_calls=False,
        text={"format": {"type": "json_schema", "name": "s", "strict": True, "schema": {"type": "object"}}},
        reasoning={"effort": "low", "summary": "auto"},
        metadata={"anything": "1"},
        store=False,
        truncation="disabled",
        client_metadata={"turn": "x"},
    )
    assert (request.dialect, request.alias, request.stream, request.include_usage) == ("responses", "m", True, True)
    assert bytes(request.members["metadata"]) == b'{"anything": "1"}'
    talk = request.conversation
    assert [(message.role, message.text) for message in talk.messages] == [("system", "Be short."), ("user", "hi")]
    assert (talk.n, talk.logprobs, talk.top_logprobs, talk.reasoning_effort) == (1, True, 3, "low")
    assert (talk.sampling.temperature, talk.sampling.top_p, talk.sampling.max_output_tokens) == (0, 0.5, 9)
    (tool,) = talk.tools
    assert (tool.name, tool.description, tool.strict, tool.kind) == ("f", "d", True, "function")
    assert tool.parameters is not None
    assert bytes(tool.parameters) == b'{"type": "object"}'
    assert talk.tool_choice == ToolChoice("function", "f")
    assert talk.parallel_calls is False
    assert (talk.format.kind, talk.format.name) == ("json_schema", "s")
    assert request.unsaid == ()


def test_the_input_of_a_passing_request_is_as_it_came() -> None:
    body = b'{"model":"m","input": [ {"role":"user","content":"hi","odd":1.0} ],"x_odd": {"a" :1}}'
    request = read_turn(body, depth=64, memory=NoMemory()).request
    assert bytes(request.members["input"]) == b'[ {"role":"user","content":"hi","odd":1.0} ]'
    assert bytes(request.members["x_odd"]) == b'{"a" :1}'
    assert request.size_bytes == len(body)
    assert request.unsaid == ("x_odd",)


# -- items ---------------------------------------------------------------------------------------------------------


def test_messages_of_every_role_and_form() -> None:
    messages = told(
        {"role": "system", "content": "s"},
        {"type": "message", "role": "developer", "content": [{"type": "input_text", "text": "d"}]},
        {"role": "user", "content": ""},
        {"type": "message", "id": "msg_1", "role": "assistant", "status": "completed", "content": [
            {"type": "output_text", "text": "a", "annotations": []}, {"type": "refusal", "refusal": "no"}]},
    )  # fmt: skip
    assert [(message.role, message.text) for message in messages] == [
        ("system", "s"), ("developer", "d"), ("user", ""), ("assistant", "ano"),
    ]  # fmt: skip


def test_parts() -> None:
    (message,) = told(
        {
            "role": "user",
            "content": [
                {"type": "input_text", "text": "look"},
                {"type": "input_image", "image_url": "data:image/png;base64,QUJD", "detail": "low"},
                {"type": "input_image", "image_url": "https://example.test/x.png"},
                {"type": "input_image", "file_id": "file_1"},
                {"type": "input_file", "filename": "a.pdf", "file_data": "x"},
            ],
        }
    )
    text, inline, linked, filed, document = message.parts
    assert text == TextPart("look")
    assert inline == ImagePart(media_type="image/png", data="QUJD", detail="low")
    assert linked == ImagePart(url="https://example.test/x.png")
    assert isinstance(filed, OtherPart)
    assert isinstance(document, OtherPart)
    assert (filed.kind, document.kind) == ("input_image", "input_file")


def test_thoughts_words_and_calls_of_a_turn_are_one_message() -> None:
    thought = {"type": "reasoning", "id": "rs_1", "summary": [{"type": "summary_text", "text": "hm"}],
               "encrypted_content": "gAAA"}  # fmt: skip
    user, first, one, two, second, third = told(
        {"role": "user", "content": "q"},
        thought,
        {"role": "assistant", "content": [{"type": "output_text", "text": "Let me see."}]},
        {"type": "function_call", "call_id": "c1", "name": "f", "arguments": '{"a":1}'},
        {"type": "function_call", "call_id": "c2", "name": "g", "arguments": ""},
        {"type": "function_call_output", "call_id": "c1", "output": "one"},
        {"type": "function_call_output", "call_id": "c2", "output": [{"type": "input_text", "text": "two"}]},
        {"type": "reasoning", "summary": [], "content": [{"type": "reasoning_text", "text": "so"}]},
        {"role": "assistant", "content": "Done."},
        {"role": "assistant", "content": "Really."},
    )
    assert user.role == "user"
    assert (first.role, first.text, first.reasoning) == ("assistant", "Let me see.", "hm")
    assert first.tool_calls == (ToolCall("c1", "f", '{"a":1}'), ToolCall("c2", "g", ""))
    (kept,) = first.thoughts
    assert (kept.dialect, json.loads(bytes(kept.raw))) == ("responses", thought)
    assert [(m.role, m.tool_call_id, m.text) for m in (one, two)] == [("tool", "c1", "one"), ("tool", "c2", "two")]
    assert (second.text, second.reasoning, second.thoughts) == ("Done.", "so", ())
    assert (third.text, third.reasoning) == ("Really.", "")


def test_a_call_after_words_and_words_after_a_call() -> None:
    messages = told(
        {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"},
        {"role": "assistant", "content": "after"},
        {"type": "reasoning", "summary": []},
        {"type": "function_call", "call_id": "d", "name": "f", "arguments": "{}"},
    )
    assert [(m.text, [call.id for call in m.tool_calls]) for m in messages] == [
        ("", ["c"]),
        ("after", []),
        ("", ["d"]),
    ]


def test_what_only_its_own_provider_can_read_is_refused_by_others() -> None:
    for kind in ("computer_call", "local_shell_call", "compaction"):
        request = read([{"role": "user", "content": "q"}, {"type": kind, "data": {"a": 1}}])
        with pytest.raises(CallerFault) as caught:
            build_members(request)
        assert caught.value.code is Code.NOT_SUPPORTED
    request = read(prompt={"id": "pmpt_1"})
    with pytest.raises(CallerFault):
        build_members(request)


def test_traces_of_tools_that_a_provider_ran_are_left_out_and_told() -> None:
    request = read(
        [{"type": "web_search_call", "id": "ws_1", "status": "completed"}, {"role": "user", "content": "q"}]
    )
    assert [message.text for message in request.conversation.messages] == ["q"]
    assert request.unsaid == ("input[].web_search_call",)


# -- tools ---------------------------------------------------------------------------------------------------------


def test_a_custom_tool_is_told_as_a_function_and_back() -> None:
    call = {"type": "custom_tool_call", "call_id": "c", "name": "apply_patch", "input": 'a "b"\n'}
    output = {"type": "custom_tool_call_output", "call_id": "c", "output": "ok"}
    read_one = turn([{"role": "user", "content": "q"}, call, output], tools=[CUSTOM])
    (tool,) = read_one.request.conversation.tools
    assert (tool.kind, tool.name) == ("function", "apply_patch")
    assert tool.description == "Edits files.\n\n`input` must follow this grammar (lark):\nstart: /x+/"
    assert tool.parameters is not None
    assert json.loads(bytes(tool.parameters))["required"] == ["input"]
    _, asked, result = read_one.request.conversation.messages
    assert asked.tool_calls == (ToolCall("c", "apply_patch", '{"input":"a \\"b\\"\\n"}'),)
    assert (result.role, result.tool_call_id, result.text) == ("tool", "c", "ok")


def test_what_is_told_beyond_the_clients_text_is_in_the_size() -> None:
    for tools in (
        [CUSTOM],
        [{"type": "custom", "name": "a"}],
        [{"type": "namespace", "name": "n" * 50, "tools": [{"type": "function", "name": "f"}]}, FUNCTION],
    ):
        request = read(tools=tools)
        written = json.dumps(build_members(request)["tools"], default=lambda raw: json.loads(bytes(raw)))
        assert len(written) < request.size_bytes


def test_the_functions_of_a_namespace() -> None:
    space = {"type": "namespace", "name": "agents", "description": "About agents.",
             "tools": [{"type": "function", "name": "spawn"}, {"type": "custom", "name": "f"}]}  # fmt: skip
    call = {"type": "function_call", "call_id": "c", "name": "f", "namespace": "agents", "arguments": "{}"}
    one = turn([call], tools=[space, FUNCTION])
    assert [tool.name for tool in one.request.conversation.tools] == ["spawn", "agents__f", "f"]
    assert one.request.conversation.messages[0].tool_calls[0].name == "agents__f"
    assert {told: tuple(named) for told, named in one.box.named.items()} == {
        "spawn": ("spawn", "agents", False),
        "agents__f": ("f", "agents", True),
    }
    assert one.request.unsaid == ("tools[].description",)


def test_tools_that_a_provider_runs_are_left_out_unless_one_must_be_called() -> None:
    request = read(tools=[{"type": "web_search", "external_web_access": False}, FUNCTION])
    assert [tool.name for tool in request.conversation.tools] == ["f"]
    assert request.unsaid == ("tools[].web_search",)
    assert json.loads(bytes(request.members["tools"])) == [FUNCTION]  # an upstream of this dialect would bill it, too
    assert find_unpriced(request, PRICE) == ""
    for members in (
        {"tools": [{"type": "web_search_preview"}], "tool_choice": {"type": "web_search_preview"}},
        {"tools": [{"type": "local_shell"}]},
        {"tools": [{"type": "mcp", "server_label": "x"}]},
    ):
        with pytest.raises(CallerFault) as caught:
            build_members(read(**members))
        assert (caught.value.code, caught.value.param) == (Code.NOT_SUPPORTED, "tools")
        assert find_unpriced(read(**members), PRICE) == "tools"
    hidden = {"type": "additional_tools", "role": "developer", "tools": [{"type": "web_search"}]}
    assert find_unpriced(read([hidden]), PRICE) == "tools"


@pytest.mark.parametrize("kind", ["web_search", "mcp"])
def test_tools_that_cost_by_the_call_are_not_hidden(kind: str) -> None:
    """They would go to an upstream of this dialect as they came: in a namespace, among the items, or disallowed."""
    hidden = {"type": kind, "server_label": "x"}
    allowed = {"type": "allowed_tools", "mode": "auto", "tools": [hidden]}
    assert find_unpriced(read(tools=[{"type": "namespace", "name": "n", "tools": [hidden]}]), PRICE) == "tools"
    assert find_unpriced(read(tools=[{"type": "mcp"}, FUNCTION], tool_choice=allowed), PRICE) == "tools"
    more = json.dumps({"type": "additional_tools", "tools": [hidden]}).replace("_tools", "\\u005ftools")
    body = b'{"model":"m","input":[%b]}' % more.encode()
    assert find_unpriced(read_turn(body, depth=64, memory=NoMemory()).request, PRICE) == "tools"


@pytest.mark.parametrize("named", [{"file_url": "https://x.test/a.pdf"}, {"file_id": "file_1"}])
def test_a_file_that_is_not_in_the_body_is_refused_where_it_is_billed(named: dict[str, str]) -> None:
    """Nobody knows how long it is."""
    result = {"type": "function_call_output", "call_id": "c", "output": [{"type": "input_file", **named}]}
    for item in (result, {"role": "user", "content": [{"type": "input_file", **named}]}):
        assert find_unpriced(read([item]), PRICE) == "input"
    inline = {"type": "input_file", "filename": "a.pdf", "file_data": "eA==", "file_id": None}
    assert find_unpriced(read([{"role": "user", "content": [inline]}]), PRICE) == ""


@pytest.mark.repeats
def test_many_tools_and_calls_take_linear_time() -> None:
    functions = [{"type": "function", "name": f"f{number}"} for number in range(20_000)]
    calls = [{**tool, "type": "function_call", "call_id": "c", "namespace": "n"} for tool in functions]
    began = time.process_time()
    request = read(calls, tools=[{"type": "namespace", "name": "n", "tools": functions}])
    assert len(request.conversation.tools) == 20_000
    assert time.process_time() - began < 2.0  # one by one through all of them it was half a minute


def test_tools_among_the_items() -> None:
    more = {"type": "additional_tools", "role": "developer", "tools": [FUNCTION]}
    request = read([more, {"role": "user", "content": "q"}])
    assert [tool.name for tool in request.conversation.tools] == ["f"]
    assert [message.role for message in request.conversation.messages] == ["user"]


def test_choices() -> None:
    other = {"type": "function", "name": "g"}
    for choice, wanted, names in (
        ("none", ToolChoice("none"), ["f", "g", "apply_patch"]),
        ("required", ToolChoice("required"), ["f", "g", "apply_patch"]),
        ({"type": "custom", "name": "apply_patch"}, ToolChoice("function", "apply_patch"), ["f", "g", "apply_patch"]),
        ({"type": "allowed_tools", "mode": "required", "tools": [other]}, ToolChoice("required"), ["g"]),
        ({"type": "allowed_tools", "mode": "auto", "tools": []}, ToolChoice("auto"), []),
    ):
        talk = read(tools=[FUNCTION, other, CUSTOM], tool_choice=choice).conversation
        assert (talk.tool_choice, [tool.name for tool in talk.tools]) == (wanted, names)


# -- formats and labels --------------------------------------------------------------------------------------------


def test_formats() -> None:
    assert read(text={"format": {"type": "text"}}).conversation.format == Format()
    assert read(text={"verbosity": "low"}).unsaid == ("text.verbosity",)
    assert read(text={"format": {"type": "json_object"}}).conversation.format == Format(kind="json")


def test_what_another_dialect_loses() -> None:
    request = read(
        truncation="auto", moderation={"model": "x"}, user="u", prompt_cache_key="k", service_tier="flex", image=None
    )
    assert request.unsaid == ("moderation", "truncation")


# -- what was kept -------------------------------------------------------------------------------------------------

EARLIER = (
    {"type": "message", "id": "msg_0", "role": "user", "content": "first"},
    {"type": "reasoning", "id": "rs_0", "summary": [{"type": "summary_text", "text": "hm"}]},
    {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "gAA"},
    {"id": "fc_0", "type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"},
)


def test_an_earlier_response_stands_in_the_input() -> None:
    result = {"type": "function_call_output", "call_id": "c", "output": "out"}
    one = turn([result], memory=Known(EARLIER), previous_response_id="resp_1", instructions="Now.")
    request = one.request
    assert "previous_response_id" not in request.members
    assert json.loads(bytes(request.members["input"])) == [
        {"type": "message", "role": "user", "content": "first"},
        EARLIER[2],  # the one before it means nothing to an upstream without its id
        {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"},
        result,
    ]
    system, user, assistant, tool = request.conversation.messages
    assert (system.text, user.text, tool.text) == ("Now.", "first", "out")
    assert (assistant.reasoning, [call.id for call in assistant.tool_calls]) == ("hm", ["c"])
    assert assistant.thoughts == (Thought("responses", raw(EARLIER[2])),)
    assert [json.loads(bytes(item)) for item in one.items] == [*EARLIER, result]
    assert one.previous_id == "resp_1"
    assert request.size_bytes > len(bytes(request.members["input"]))


def test_an_unknown_response_is_refused_in_openais_words() -> None:
    fault = refusal(previous_response_id="resp_2")
    assert (fault.code, fault.param) == (Code.PREVIOUS_RESPONSE_NOT_FOUND, "previous_response_id")
    assert fault.message == "Previous response with id 'resp_2' not found."


def test_an_item_is_found_by_its_id() -> None:
    memory = Known(item={"type": "message", "id": "msg_1", "role": "assistant", "content": "before"})
    one = turn([{"type": "item_reference", "id": "msg_1"}, {"role": "user", "content": "q"}], memory=memory)
    assert [(m.role, m.text) for m in one.request.conversation.messages] == [("assistant", "before"), ("user", "q")]
    assert json.loads(bytes(one.request.members["input"])) == [
        {"type": "message", "role": "assistant", "content": "before"},
        {"role": "user", "content": "q"},
    ]
    fault = refusal([{"type": "item_reference", "id": "msg_2"}])
    assert (fault.code, fault.param) == (Code.INVALID_REQUEST, "input[0].id")


def test_no_reference_goes_to_a_provider() -> None:
    """What it names there could be anybody's, and of any length."""
    assert refusal([{"type": "item_reference"}]).param == "input[0].id"
    escaped = b'{"model":"m","input":[{"type":"item\\u005freference","id":"msg_2"}]}'
    with pytest.raises(CallerFault) as caught:
        read_turn(escaped, depth=64, memory=NoMemory())
    assert caught.value.param == "input[0].id"


def test_an_earlier_item_with_an_odd_id_is_sent_on_as_it_is() -> None:
    odd = {"type": "function_call", "id": 7, "call_id": "c", "name": "f", "arguments": "{}"}
    request = read("q", memory=Known([odd]), previous_response_id="resp_1")
    assert json.loads(bytes(request.members["input"]))[0] == odd


def test_a_small_request_does_not_become_a_huge_one() -> None:
    memory = Known(item={"type": "message", "id": "msg_1", "role": "assistant", "content": "x" * 1_000_000})
    reference = {"type": "item_reference", "id": "msg_1"}
    assert read([reference] * 16, memory=memory).size_bytes > 16_000_000
    fault = refusal([reference] * 17, memory=memory)
    assert (fault.code, fault.param) == (Code.REQUEST_TOO_LARGE, "input")


# -- refusals ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "members", "code", "param"),
    [
        (..., {}, Code.INVALID_REQUEST, "input"),
        ("q", {"model": ...}, Code.INVALID_REQUEST, "model"),
        ("q", {"model": ""}, Code.INVALID_REQUEST, "model"),
        (7, {}, Code.INVALID_REQUEST, "input"),
        ([7], {}, Code.INVALID_REQUEST, "input[0]"),
        ([{"content": "x"}], {}, Code.INVALID_REQUEST, "input[0].type"),
        ([{"type": "message", "content": "x"}], {}, Code.INVALID_REQUEST, "input[0].role"),
        ([{"role": "tool", "content": "x"}], {}, Code.INVALID_REQUEST, "input[0].role"),
        ([{"role": "user"}], {}, Code.INVALID_REQUEST, "input[0].content"),
        (
            [{"role": "user", "content": [{"type": "input_text"}]}],
            {},
            Code.INVALID_REQUEST,
            "input[0].content[0].text",
        ),
        ([{"role": "user", "content": [7]}], {}, Code.INVALID_REQUEST, "input[0].content[0]"),
        ([{"type": "function_call", "name": "f"}], {}, Code.INVALID_REQUEST, "input[0].call_id"),
        ([{"type": "function_call_output", "call_id": "c"}], {}, Code.INVALID_REQUEST, "input[0].output"),
        ([{"type": "additional_tools", "tools": 7}], {}, Code.INVALID_REQUEST, "input[0].tools"),
        ("q", {"tools": [{"name": "f"}]}, Code.INVALID_REQUEST, "tools[0].type"),
        ("q", {"tools": [{"type": "function"}]}, Code.INVALID_REQUEST, "tools[0].name"),
        ("q", {"tools": [{**FUNCTION, "parameters": []}]}, Code.INVALID_REQUEST, "tools[0].parameters"),
        ("q", {"tool_choice": "any"}, Code.INVALID_REQUEST, "tool_choice"),
        ("q", {"tool_choice": {"type": "function"}}, Code.INVALID_REQUEST, "tool_choice.name"),
        ("q", {"text": {"format": {"type": "xml"}}}, Code.INVALID_REQUEST, "text.format.type"),
        ("q", {"text": {"format": {"type": "json_schema"}}}, Code.INVALID_REQUEST, "text.format.schema"),
        ("q", {"max_output_tokens": 0}, Code.INVALID_REQUEST, "max_output_tokens"),
        ("q", {"temperature": 3}, Code.INVALID_REQUEST, "temperature"),
        ("q", {"background": True}, Code.NOT_SUPPORTED, "background"),
        ("q", {"conversation": "conv_1"}, Code.NOT_SUPPORTED, "conversation"),
    ],
)
def test_a_wrong_value_is_named_by_its_place(given: Any, members: Any, code: Code, param: str) -> None:
    fault = refusal(given, **members)
    assert (fault.code, fault.param) == (code, param)
    assert param in fault.message


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=12,
)
names = st.sampled_from(
    ["type", "role", "content", "call_id", "name", "arguments", "output", "summary", "id", "tools", "text", "input"]
)
kinds = st.sampled_from(
    ["message", "function_call", "function_call_output", "reasoning", "custom_tool_call", "item_reference", "user",
     "assistant", "input_text", "additional_tools"]
)  # fmt: skip
items = st.dictionaries(names, kinds | json_values, max_size=6)


@given(st.lists(items, max_size=4), st.dictionaries(st.sampled_from(["tools", "tool_choice", "text"]), json_values))
def test_whatever_comes_is_read_or_refused(given_items: list[Any], members: dict[str, Any]) -> None:
    with contextlib.suppress(Fault):
        request = Responses(Known(EARLIER)).read_request(
            json.dumps({"model": "m", "input": given_items, **members}).encode(), depth=32, headers={}
        )
        assert request.size_bytes > 0
        with contextlib.suppress(CallerFault):
            build_members(request)
