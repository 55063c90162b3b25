"""Earlier calls and their results as text, for a model that has no words for them.

Law: the text is no longer than what the client wrote for it: a result names its tool by at most 32 characters.
"""

from collections.abc import Sequence

import msgspec

from lodestard.domain.errors import CallerFault, Code
from lodestard.domain.request import Message, Part, TextPart, ToolCall
from lodestard.protocols.json_text import read_object

MOST_NAME = 32
_DEPTH = 64


def say_calls(messages: Sequence[Message]) -> tuple[Message, ...]:
    """Calls become what the model would have written, results become a message of the user's."""
    names: dict[str, str] = {}
    said: list[Message] = []
    answering = False
    for index, message in enumerate(messages):
        names.update((call.id, call.name) for call in message.tool_calls)
        if message.role != "tool":
            said.append(_with_calls_said(message, index) if message.tool_calls else message)
        elif answering:
            parts = (*said[-1].parts, TextPart("\n\n"), *_result(message, names))
            said[-1] = msgspec.structs.replace(said[-1], parts=parts)
        else:
            said.append(Message(role="user", parts=_result(message, names)))
        answering = message.role == "tool"
    return tuple(said)


def _with_calls_said(message: Message, index: int) -> Message:
    calls = [_call(call, f"messages[{index}].tool_calls[{place}]") for place, call in enumerate(message.tool_calls)]
    text = msgspec.json.encode({"tool_calls": calls}).decode()
    gap = "\n" if message.text else ""
    return msgspec.structs.replace(message, parts=(*message.parts, TextPart(f"{gap}{text}")), tool_calls=())


def _call(call: ToolCall, path: str) -> dict[str, object]:
    if call.kind != "function":
        text = f"This model has no calls of the type {call.kind[:32]!r}."
        raise CallerFault(Code.NOT_SUPPORTED, text, param=path)
    arguments = read_object(call.arguments, depth=_DEPTH) if call.arguments.strip() else msgspec.Raw(b"{}")
    return {"name": call.name, "arguments": call.arguments if arguments is None else arguments}


def _result(message: Message, names: dict[str, str]) -> tuple[Part, ...]:
    name = (names.get(message.tool_call_id) or message.name)[:MOST_NAME]
    word = "Error" if message.is_error else "Result"
    return (TextPart(f"{word} of {name}:\n" if name else f"{word}:\n"), *message.parts)
