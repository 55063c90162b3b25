"""What clients of OpenAI's dialect ask of Claude, and what is written for it."""

import json
from typing import Any

import pytest

from lodestard.domain.errors import CallerFault, Code
from lodestard.domain.request import Request
from lodestard.domain.settings import Upstream
from lodestard.protocols.anthropic.upstream import AnthropicCodec
from lodestard.protocols.codec import WireRequest
from lodestard.protocols.openai.chat import read_request

CODEC = AnthropicCodec()
PAID = Upstream(dialect="anthropic", url="https://api.example.test/v1/", prompt_caching=False)
CACHING = Upstream(dialect="anthropic", url="https://api.example.test/v1/")
SONNET = "claude-sonnet-4-5-20250929"
NEWER = "claude-opus-4-8"
NEWEST = "claude-opus-5-5"
FIRST = {"role": "user", "content": "hi"}
TOOL = {"type": "function", "function": {"name": "f", "parameters": {"type": "object", "properties": {}}}}
EFFORT = {"reasoning_effort": "high"}


def ask(*messages: dict[str, Any], **members: Any) -> Request:
    return read_request(json.dumps({"model": "m", "messages": messages or [FIRST], **members}).encode(), depth=64)


def write(request: Request, model: str = SONNET, settings: Upstream = PAID) -> tuple[dict[str, Any], WireRequest]:
    wire = CODEC.write_request(request, model, settings)
    return json.loads(wire.body), wire


def body_of(*messages: dict[str, Any], model: str = SONNET, **members: Any) -> dict[str, Any]:
    return write(ask(*messages, **members), model)[0]


def turns_of(*messages: dict[str, Any], **members: Any) -> list[tuple[str, Any]]:
    return [(turn["role"], turn["content"]) for turn in body_of(*messages, **members)["messages"]]


def refusal(request: Request, model: str = SONNET) -> CallerFault:
    with pytest.raises(CallerFault) as caught:
        CODEC.write_request(request, model, PAID)
    assert caught.value.code is Code.NOT_SUPPORTED
    return caught.value


def text(said: str) -> dict[str, str]:
    return {"type": "text", "text": said}


def call(name: str = "f", arguments: str = "{}", call_id: str = "c1") -> dict[str, Any]:
    return {"id": call_id, "type": "function", "function": {"name": name, "arguments": arguments}}


def calls(*made: dict[str, Any], content: str | None = None) -> dict[str, Any]:
    return {"role": "assistant", "content": content, "tool_calls": list(made)}


def result(said: Any = "42", call_id: str = "c1") -> dict[str, Any]:
    return {"role": "tool", "tool_call_id": call_id, "content": said}


ROUND = (calls(call(), content="I look."), result())
