"""A chat request in OpenAI's words, for clients that speak another dialect: the conversation → members.

Law: what the dialect can't say is refused. Source: OpenAI's API reference, "Create chat completion".
"""

from typing import Any

import msgspec

from lodestard.domain.errors import CallerFault, Code
from lodestard.domain.request import (
    Conversation,
    Format,
    ImagePart,
    Message,
    OtherPart,
    Part,
    Request,
    TextPart,
    Tool,
    ToolCall,
)
from lodestard.protocols.data_url import write_url


def build_members(request: Request) -> dict[str, object]:
    """All members but ``model``. Raises ``CallerFault(NOT_SUPPORTED)``."""
    talk = request.conversation
    members: dict[str, object] = {
        "messages": _messages(talk),
        "stream": request.stream,
    }
    if talk.tools:
        members["tools"] = [_tool(tool) for tool in talk.tools]
    if talk.tool_choice is not None:
        mode, name = talk.tool_choice.mode, talk.tool_choice.name
        members["tool_choice"] = {"type": "function", "function": {"name": name}} if mode == "function" else mode
    if talk.parallel_calls is not None and talk.tools:
        members["parallel_tool_calls"] = talk.parallel_calls
    if talk.format.kind != "text":
        members["response_format"] = _format(talk.format)
    return members | _sampling(talk)


def _sampling(talk: Conversation) -> dict[str, object]:
    sampling = talk.sampling
    asked: dict[str, object] = {
        "temperature": sampling.temperature,
        "top_p": sampling.top_p,
        "seed": sampling.seed,
        "stop": list(sampling.stop) or None,
        "presence_penalty": sampling.presence_penalty,
        "frequency_penalty": sampling.frequency_penalty,
        "max_completion_tokens": sampling.max_output_tokens,
        "n": talk.n if talk.n != 1 else None,
        "reasoning_effort": _effort(talk.reasoning_effort),
        "logprobs": talk.logprobs or None,
        "top_logprobs": talk.top_logprobs,
    }
    return {name: value for name, value in asked.items() if value is not None}


def _effort(effort: str) -> str | None:
    """None of it is what models without reasoning do anyway: most of the others refuse the word."""
    return effort if effort not in ("", "none") else None


def _messages(talk: Conversation) -> list[dict[str, Any]]:
    """A tool's result may hold text alone: its images come after the results, as the user's."""
    written: list[dict[str, Any]] = []
    images: list[Part] = []
    for index, message in enumerate(talk.messages):
        if images and message.role != "tool":
            written.append(_message(Message(role="user", parts=tuple(images)), index))
            images = []
        if message.role == "tool" and any(isinstance(part, ImagePart) for part in message.parts):
            images += [part for part in message.parts if isinstance(part, ImagePart)]
            texts = tuple([part for part in message.parts if not isinstance(part, ImagePart)])
            message = msgspec.structs.replace(message, parts=texts)  # noqa: PLW2901
        written.append(_message(message, index))
    if images:
        written.append(_message(Message(role="user", parts=tuple(images)), len(talk.messages)))
    return written


def _message(message: Message, index: int) -> dict[str, Any]:
    written: dict[str, Any] = {"role": message.role, "content": _content(message, f"messages[{index}].content")}
    if message.name:
        written["name"] = message.name
    if message.tool_call_id:
        written["tool_call_id"] = message.tool_call_id
    if message.tool_calls:
        written["content"] = written["content"] or None
        written["tool_calls"] = [
            _call(call, f"messages[{index}].tool_calls[{place}]") for place, call in enumerate(message.tool_calls)
        ]
    return written


def _call(call: ToolCall, path: str) -> dict[str, Any]:
    if call.kind != "function":
        raise _unsupported(f"calls of the type {call.kind[:32]!r}", path)
    return {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}


def _content(message: Message, path: str) -> str | list[dict[str, Any]]:
    if all(isinstance(part, TextPart) for part in message.parts):
        return message.text
    return [_part(part, f"{path}[{place}]") for place, part in enumerate(message.parts)]


def _part(part: Part, path: str) -> dict[str, Any]:
    match part:
        case TextPart():
            return {"type": "text", "text": part.text}
        case ImagePart():
            detail = {"detail": part.detail} if part.detail else {}
            return {"type": "image_url", "image_url": {"url": write_url(part), **detail}}
        case OtherPart():
            raise _unsupported(f"content of the type {part.kind[:32]!r}", path)


def _tool(tool: Tool) -> dict[str, Any]:
    if tool.kind != "function":
        raise _unsupported(f"tools of the type {tool.kind[:32]!r}", "tools")
    function: dict[str, Any] = {"name": tool.name, "description": tool.description}
    if tool.parameters is not None:
        function["parameters"] = tool.parameters
    if tool.strict is not None:
        function["strict"] = tool.strict
    return {"type": "function", "function": function}


def _format(form: Format) -> dict[str, Any]:
    if form.kind == "json":
        return {"type": "json_object"}
    schema: dict[str, Any] = {"name": form.name or "answer"}
    if form.schema is not None:
        schema["schema"] = form.schema
    if form.strict is not None:
        schema["strict"] = form.strict
    return {"type": "json_schema", "json_schema": schema}


def _unsupported(what: str, path: str) -> CallerFault:
    return CallerFault(Code.NOT_SUPPORTED, f"OpenAI's chat completions have no {what}.", param=path)
