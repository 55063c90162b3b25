"""A client's chat request: what is read, what is refused, and how the refusal names the place."""

import contextlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lodestard.domain.errors import CallerFault, Code, Fault
from lodestard.domain.request import Format, ImagePart, OtherPart, Request, TextPart, ToolCall, ToolChoice
from lodestard.protocols.openai.chat import read_request

USER = {"role": "user", "content": "hi"}
TOOL = {
    "type": "function",
    "function": {"name": "f", "description": "d", "parameters": {"type": "object"}, "strict": True},
}


def read(**members: Any) -> Request:
    body = {"model": "m", "messages": [USER], **members}
    return read_request(json.dumps({k: v for k, v in body.items() if v is not ...}).encode(), depth=64)


def refusal(**members: Any) -> CallerFault:
    with pytest.raises(CallerFault) as caught:
        read(**members)
    return caught.value


def test_a_whole_request() -> None:
    request = read(
        stream=True,
        stream_options={"include_usage": True},
        temperature=0,
        top_p=0.5,
        top_k=7,
        seed=-3,
        stop="END",
        presence_penalty=1,
        frequency_penalty=-1.5,
        max_tokens=5,
        max_completion_tokens=9,
        n=2,
        tools=[TOOL],
        tool_choice={"type": "function", "function": {"name": "f"}},
        response_format={"type": "json_schema", "json_schema": {"name": "s", "schema": {"type": "object"}}},
        logprobs=True,
        top_logprobs=3,
        reasoning_effort="low",
        metadata={"anything": [1]},
    )
    assert (request.dialect, request.alias, request.stream, request.include_usage) == ("openai", "m", True, True)
    assert bytes(request.members["metadata"]) == b'{"anything": [1]}'
    talk = request.conversation
    assert (talk.n, talk.logprobs, talk.top_logprobs, talk.reasoning_effort) == (2, True, 3, "low")
    sampling = talk.sampling
    assert (sampling.temperature, sampling.top_p, sampling.top_k, sampling.seed) == (0, 0.5, 7, -3)
    assert (sampling.stop, sampling.max_output_tokens) == (("END",), 9)
    assert (sampling.presence_penalty, sampling.frequency_penalty) == (1, -1.5)
    tool = talk.tools[0]
    assert (tool.name, tool.description, tool.strict, tool.kind) == ("f", "d", True, "function")
    assert tool.parameters is not None
    assert bytes(tool.parameters) == b'{"type": "object"}'
    assert talk.tool_choice == ToolChoice("function", "f")
    assert (talk.format.kind, talk.format.name) == ("json_schema", "s")
    assert talk.format.schema is not None


def test_messages_of_every_role() -> None:
    call = {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{"}}
    custom = {"id": "d", "type": "custom", "custom": {"name": "g", "input": "raw"}}
    talk = read(
        messages=[
            {"role": "system", "content": "s"},
            {"role": "developer", "content": [{"type": "text", "text": "d"}]},
            {"role": "user", "content": "u", "name": "ann"},
            {"role": "assistant", "content": None, "tool_calls": [call, custom, {"id": "e", "type": "odd"}]},
            {"role": "assistant", "content": [{"type": "refusal", "refusal": "no"}], "reasoning_content": "hm"},
            {"role": "tool", "tool_call_id": "c", "content": "out"},
            {"role": "assistant"},
            {"role": "user", "content": ""},
        ]
    ).conversation
    assert [message.role for message in talk.messages] == [
        "system", "developer", "user", "assistant", "assistant", "tool", "assistant", "user",
    ]  # fmt: skip
    assert [message.text for message in talk.messages] == ["s", "d", "u", "", "no", "out", "", ""]
    assert talk.messages[2].name == "ann"
    assert talk.messages[3].tool_calls == (
        ToolCall("c", "f", "{"),
        ToolCall("d", "g", "raw", "custom"),
        ToolCall("e", "", "", "odd"),
    )
    assert talk.messages[4].reasoning == "hm"
    assert talk.messages[5].tool_call_id == "c"


def test_parts() -> None:
    request = read(
        messages=[
            {
                "role": "user",
                "content": [
                    {"type": "text", "text": "look"},
                    {"type": "image_url", "image_url": {"url": "data:image/png;base64,QUJD", "detail": "low"}},
                    {"type": "image_url", "image_url": "https://example.test/x.png"},
                    {"type": "image_url", "image_url": {"url": "data:image/svg+xml,<svg/>"}},
                    {"type": "input_audio", "input_audio": {"data": "x"}},
                ],
            }
        ]
    )
    text, inline, linked, odd, audio = request.conversation.messages[0].parts
    assert text == TextPart("look")
    assert inline == ImagePart(media_type="image/png", data="QUJD", detail="low")
    assert linked == ImagePart(url="https://example.test/x.png")
    assert odd == ImagePart(url="data:image/svg+xml,<svg/>")
    assert isinstance(audio, OtherPart)
    assert audio.kind == "input_audio"
    assert json.loads(bytes(audio.raw))["input_audio"] == {"data": "x"}
    assert request.has_images


def test_nulls_are_as_good_as_nothing() -> None:
    nothing = dict.fromkeys(
        ["stream", "stream_options", "tools", "tool_choice", "response_format", "n", "stop", "max_tokens", "top_p",
         "max_completion_tokens", "temperature", "seed", "logprobs", "top_logprobs", "functions", "function_call"]
    )  # fmt: skip
    request = read(**nothing)
    assert not request.stream
    assert request.conversation == read().conversation


@pytest.mark.parametrize(
    ("said", "read_as"),
    [
        ({"tool_choice": "auto"}, ToolChoice("auto")),
        ({"tool_choice": "none"}, ToolChoice("none")),
        ({"tool_choice": "required"}, ToolChoice("required")),
        ({"tool_choice": {"type": "allowed_tools"}}, ToolChoice("auto")),
    ],
)
def test_tool_choices(said: dict[str, Any], read_as: ToolChoice) -> None:
    assert read(tools=[TOOL, {"type": "web_search"}], **said).conversation.tool_choice == read_as


def test_formats() -> None:
    assert read(response_format={"type": "text"}).conversation.format == Format()
    assert read(response_format={"type": "json_object"}).conversation.format == Format(kind="json")
    schema = {"type": "json_schema", "json_schema": {"name": "n", "schema": None}}
    assert read(response_format=schema).conversation.format == Format(kind="json_schema", name="n")


@pytest.mark.parametrize(
    ("members", "param", "words"),
    [
        ({"model": ...}, "model", "Missing required parameter: 'model'"),
        ({"model": ""}, "model", "length"),
        ({"model": 5}, "model", "expected a string, but got an integer"),
        ({"messages": ...}, "messages", "Missing required parameter: 'messages'"),
        ({"messages": []}, "messages", "length >= 1"),
        ({"messages": [7]}, "messages[0]", "expected an object"),
        ({"messages": [{"content": "x"}]}, "messages[0].role", "Missing"),
        ({"messages": [{"role": "king", "content": "x"}]}, "messages[0].role", "one of system, developer"),
        ({"messages": [USER, {"role": "user"}]}, "messages[1].content", "Missing"),
        ({"messages": [{"role": "user", "content": 5}]}, "messages[0].content", "a string or an array"),
        ({"messages": [{"role": "user", "content": [5]}]}, "messages[0].content[0]", "expected an object"),
        ({"messages": [{"role": "user", "content": [{}]}]}, "messages[0].content[0].type", "Missing"),
        ({"messages": [{"role": "user", "content": [{"type": "text"}]}]}, "messages[0].content[0].text", "Missing"),
        (
            {"messages": [{"role": "user", "content": [{"type": "text", "text": 5}]}]},
            "messages[0].content[0].text",
            "expected a string",
        ),
        (
            {"messages": [{"role": "user", "content": [{"type": "image_url"}]}]},
            "messages[0].content[0].image_url",
            "Missing",
        ),
        (
            {"messages": [{"role": "assistant", "tool_calls": [{"id": "x"}]}]},
            "messages[0].tool_calls[0].function",
            "Missing",
        ),
        ({"n": 0}, "n", ">= 1"),
        ({"n": 129}, "n", "<= 128"),
        ({"max_tokens": -1}, "max_tokens", ">= 1"),
        ({"temperature": "0"}, "temperature", "expected a number"),
        ({"temperature": 3}, "temperature", "<= 2"),
        ({"stop": [1]}, "stop[0]", "expected a string"),
        ({"stream": "yes"}, "stream", "expected a boolean"),
        ({"tools": [{"type": "function"}]}, "tools[0].function", "Missing"),
        ({"tools": [{"type": "function", "function": {}}]}, "tools[0].function.name", "Missing"),
        (
            {"tools": [{"type": "function", "function": {"name": "f", "parameters": 5}}]},
            "tools[0].function.parameters",
            "expected an object",
        ),
        ({"tool_choice": "perhaps"}, "tool_choice", "expected auto"),
        ({"tool_choice": {"type": "function"}}, "tool_choice.function", "Missing"),
        ({"response_format": {"type": "xml"}}, "response_format.type", "expected text"),
        ({"response_format": {"type": "json_schema"}}, "response_format.json_schema", "Missing"),
        ({"seed": 2**64}, None, "out of range"),
    ],
)
def test_what_is_wrong_is_named_by_its_path(members: dict[str, Any], param: str | None, words: str) -> None:
    fault = refusal(**members)
    assert fault.code in (Code.INVALID_REQUEST, Code.INVALID_JSON)
    assert param is None or fault.param == param
    assert words in fault.message or words.capitalize() in fault.message or param is None


@pytest.mark.parametrize(
    ("members", "param"),
    [
        ({"functions": [{"name": "f"}]}, "functions"),
        ({"function_call": {"name": "f"}}, "function_call"),
        ({"messages": [{"role": "function", "name": "f", "content": "x"}]}, "messages[0]"),
        ({"messages": [{"role": "assistant", "function_call": {"name": "f"}}]}, "messages[0]"),
    ],
)
def test_the_functions_that_tools_replaced_are_refused(members: dict[str, Any], param: str) -> None:
    fault = refusal(**members)
    assert (fault.code, fault.param) == (Code.NOT_SUPPORTED, param)


def test_a_number_that_no_machine_holds() -> None:
    with pytest.raises(CallerFault):
        read_request(b'{"model":"m","messages":[{"role":"user","content":""}],"temperature":1e999}', depth=64)


@given(st.binary(max_size=60))
def test_any_bytes_are_read_or_refused(body: bytes) -> None:
    with contextlib.suppress(CallerFault):
        read_request(body, depth=64)


SCALARS = (
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=5)
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["role", "content", "type", "text", "function", "name", "tool_calls", "image_url", "url"]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)
NAMES = ["model", "messages", "tools", "tool_choice", "response_format", "stop", "n", "seed", "stream_options", "x"]


@given(st.dictionaries(st.sampled_from(NAMES), VALUES))
def test_any_members_are_read_or_refused(members: dict[str, object]) -> None:
    body = {"model": "m", "messages": [USER], **members}
    try:
        read_request(json.dumps(body).encode(), depth=64)
    except Fault as fault:
        assert isinstance(fault, CallerFault)
