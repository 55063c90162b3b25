"""A conversation of another dialect, said in OpenAI's words."""

import json
from typing import Any

import msgspec
import pytest

from lodestard.domain.errors import CallerFault, Code
from lodestard.domain.request import (
    Conversation,
    Format,
    ImagePart,
    Message,
    OtherPart,
    Request,
    Sampling,
    TextPart,
    Tool,
    ToolCall,
    ToolChoice,
)
from lodestard.domain.settings import Upstream
from lodestard.protocols.openai.chat import read_request
from lodestard.protocols.openai.upstream import OpenAICodec


def sent(talk: Conversation, *, stream: bool = False) -> bytes:
    request = Request(
        dialect="house", alias="a", stream=stream, include_usage=False, members={}, conversation=talk, size_bytes=0
    )
    return OpenAICodec().write_request(request, "gpt", Upstream(dialect="openai", url="http://127.0.0.1/v1")).body


def test_a_whole_conversation_reads_back_as_itself() -> None:
    talk = Conversation(
        messages=(
            Message(role="system", parts=(TextPart("s"),)),
            Message(
                role="user",
                name="ann",
                parts=(
                    TextPart("t"),
                    ImagePart(media_type="image/png", data="QUJD", detail="low"),
                    ImagePart(url="https://x.test/i"),
                ),
            ),
            Message(role="assistant", tool_calls=(ToolCall("c", "f", "{}"),)),
            Message(role="tool", tool_call_id="c", parts=(TextPart("out"),)),
        ),
        tools=(
            Tool(name="f", description="d", parameters=msgspec.Raw(b'{"type":"object"}'), strict=True),
            Tool(name="g"),
        ),
        tool_choice=ToolChoice("function", "f"),
        sampling=Sampling(temperature=0.0, stop=("x",), max_output_tokens=5, seed=1),
        format=Format(kind="json_schema", schema=msgspec.Raw(b"{}"), name="n"),
        n=2,
        reasoning_effort="low",
        logprobs=True,
        top_logprobs=1,
    )
    read = read_request(sent(talk), depth=64).conversation
    assert msgspec.json.encode(read) == msgspec.json.encode(talk)


def test_smaller_things() -> None:
    talk = Conversation(messages=(Message(role="user"),), tool_choice=ToolChoice("auto"), format=Format(kind="json"))
    assert json.loads(sent(talk, stream=True)) == {
        "messages": [{"role": "user", "content": ""}],
        "stream": True,
        "tool_choice": "auto",
        "response_format": {"type": "json_object"},
        "model": "gpt",
        "stream_options": {"include_usage": True},
    }
    bare = Conversation(messages=(Message(role="user"),), format=Format(kind="json_schema"))
    assert json.loads(sent(bare))["response_format"]["json_schema"] == {"name": "answer"}


@pytest.mark.parametrize(
    ("more", "param"),
    [
        ({"tools": (Tool(name="", kind="odd"),)}, "tools"),
        (
            {"messages": (Message(role="user", parts=(OtherPart("odd", msgspec.Raw(b"{}")),)),)},
            "messages[0].content[0]",
        ),
        (
            {"messages": (Message(role="assistant", tool_calls=(ToolCall("c", "", "", "odd"),)),)},
            "messages[0].tool_calls[0]",
        ),
    ],
)
def test_what_can_not_be_said(more: dict[str, Any], param: str) -> None:
    with pytest.raises(CallerFault) as caught:
        sent(Conversation(**{"messages": (), **more}))
    assert (caught.value.code, caught.value.param) == (Code.NOT_SUPPORTED, param)


def test_images_of_a_tools_result_come_after_the_results() -> None:
    image = ImagePart(media_type="image/png", data="QUJD")
    talk = Conversation(
        messages=(
            Message(role="tool", tool_call_id="a", parts=(TextPart("seen"), image)),
            Message(role="tool", tool_call_id="b", parts=(TextPart("done"),)),
            Message(role="user", parts=(TextPart("Go on."),)),
            Message(role="tool", tool_call_id="c", parts=(image,)),
        )
    )
    shown = {"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:image/png;base64,QUJD"}}]}
    assert json.loads(sent(talk))["messages"] == [
        {"role": "tool", "content": "seen", "tool_call_id": "a"},
        {"role": "tool", "content": "done", "tool_call_id": "b"},
        shown,
        {"role": "user", "content": "Go on."},
        {"role": "tool", "content": "", "tool_call_id": "c"},
        shown,
    ]
