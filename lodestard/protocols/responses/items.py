"""A conversation in the words of OpenAI's Responses API: messages → instructions and input items.

Law: the order of what was said is kept; what the API can't say is refused. What was thought before calls comes back
with them, as far as it is this API's own. Source: OpenAI's API reference, "Create a model response".
"""

from collections.abc import Sequence
from typing import Any

import msgspec

from lodestard.domain.errors import CallerFault, Code
from lodestard.domain.request import ImagePart, Message, OtherPart, Part, TextPart, Thought, Tool, ToolCall
from lodestard.protocols.data_url import write_url
from lodestard.protocols.responses.answer import DIALECT

_PARAGRAPH = "\n\n"
_LEADING = ("system", "developer")
_WANTED_BACK = ("type", "id", "summary", "encrypted_content")
"""The members of a reasoning item that may be sent back: its plain text must not be."""

_members = msgspec.json.Decoder(dict[str, msgspec.Raw])
Item = dict[str, Any]


def split_instructions(messages: tuple[Message, ...]) -> tuple[str, tuple[Message, ...]]:
    """What stands before the conversation, and the conversation."""
    count = 0
    while count < len(messages) and _is_instruction(messages[count]):
        count += 1
    return _PARAGRAPH.join([message.text for message in messages[:count]]), messages[count:]


def _is_instruction(message: Message) -> bool:
    return message.role in _LEADING and all(type(part) is TextPart for part in message.parts)


def write_items(messages: Sequence[Message], first: int = 0) -> list[Item]:
    """The items of these messages; ``first`` is the number of the first one in the client's list.

    Raises ``CallerFault(NOT_SUPPORTED)``.
    """
    items: list[Item] = []
    for index, message in enumerate(messages, first):
        path = f"messages[{index}]"
        match message.role:
            case "assistant":
                items += _assistant(message, path)
            case "tool":
                output = _content(message, path)
                items.append({"type": "function_call_output", "call_id": message.tool_call_id, "output": output})
            case role:
                items.append({"type": "message", "role": role, "content": _content(message, path)})
    return items


def _assistant(message: Message, path: str) -> list[Item]:
    """A turn of the model: what it thought, said and called, in this order."""
    items: list[Item] = [item for thought in message.thoughts if (item := _thought(thought)) is not None]
    if any(type(part) is not TextPart for part in message.parts):
        raise unsupported("answers of anything but text", f"{path}.content")
    if text := message.text:
        items.append({"type": "message", "role": "assistant", "content": text})
    calls = enumerate(message.tool_calls)
    return items + [_call(call, f"{path}.tool_calls[{place}]") for place, call in calls]


def _thought(thought: Thought) -> Item | None:
    if thought.dialect != DIALECT:
        return None
    try:
        members = _members.decode(thought.raw)
    except (ValueError, RecursionError):
        return None
    item: Item = {name: members[name] for name in _WANTED_BACK if name in members}
    return item if "encrypted_content" in item else None


def _call(call: ToolCall, path: str) -> Item:
    if call.kind != "function":
        raise unsupported(f"calls of the type {call.kind[:32]!r} of another API", path)
    return {"type": "function_call", "call_id": call.id, "name": call.name, "arguments": call.arguments}


def _content(message: Message, path: str) -> str | list[Item]:
    if all(type(part) is TextPart for part in message.parts):
        return message.text
    return [_part(part, f"{path}.content[{place}]") for place, part in enumerate(message.parts)]


def _part(part: Part, path: str) -> Item:
    match part:
        case TextPart():
            return {"type": "input_text", "text": part.text}
        case ImagePart():
            return {"type": "input_image", "image_url": write_url(part), "detail": part.detail or "auto"}
        case OtherPart():
            raise unsupported(f"content of the type {part.kind[:32]!r}", path)


def write_tool(tool: Tool) -> Item:
    """A function. This API takes one for strict that does not say what it is; chat completions do not."""
    if tool.kind != "function":
        raise unsupported(f"tools of the type {tool.kind[:32]!r} of another API", "tools")
    written: Item = {
        "type": "function",
        "name": tool.name,
        "parameters": tool.parameters,
        "strict": bool(tool.strict),
    }
    return written | ({"description": tool.description} if tool.description else {})


def unsupported(what: str, path: str) -> CallerFault:
    return CallerFault(Code.NOT_SUPPORTED, f"OpenAI's Responses API has no {what}.", param=path)
