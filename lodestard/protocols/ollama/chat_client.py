"""Ollama's ``POST /api/chat``, as clients speak it to us: a body → ``Request``; the answer in its lines.

Law: as ``client_read``. Calls have no ids in most clients: they are invented from what is called, and results
are matched to them by name and order. No messages: the model shall be loaded (or unloaded), nothing is asked.
Source: Ollama's API documentation, "Generate a chat completion", and its ``api/types.go``.
"""

from collections.abc import Sequence
from typing import Annotated, cast

import msgspec
from msgspec import Meta

from lodestard.domain.call_id import invent_call_id
from lodestard.domain.errors import CallerFault, Code
from lodestard.domain.request import Message, Part, Role, TextPart, Tool, ToolCall
from lodestard.protocols.json_text import decode_typed
from lodestard.protocols.ollama.client_read import ABSENT, SHARED, Asked, invalid, read_images
from lodestard.protocols.ollama.line_client import Read, read_talk

_SAID = SHARED | {"messages", "tools"}
_ROLES = ("system", "user", "assistant", "tool")


class _Function(msgspec.Struct, frozen=True):
    name: str
    arguments: msgspec.Raw = ABSENT


class _Call(msgspec.Struct, frozen=True):
    function: _Function
    id: str | None = None


class _Message(msgspec.Struct, frozen=True):
    role: str
    content: str | None = None
    thinking: str | None = None
    images: list[str] | None = None
    tool_calls: list[_Call] | None = None
    tool_name: str | None = None
    name: str | None = None  # what tool_name was called at first
    tool_call_id: str | None = None


class _ToolFunction(msgspec.Struct, frozen=True):
    name: Annotated[str, Meta(min_length=1)]
    description: str | None = None
    parameters: msgspec.Raw = ABSENT


class _Tool(msgspec.Struct, frozen=True):
    function: _ToolFunction | None = None
    type: str | None = "function"


class _Body(Asked, frozen=True, kw_only=True):
    messages: list[_Message] | None = None
    tools: list[_Tool] | None = None


_body = msgspec.json.Decoder(_Body)
_text = msgspec.json.Decoder(str)


def read_chat(body: bytes) -> Read:
    """Raises ``CallerFault``."""
    typed = decode_typed(_body.decode, body)
    tools = tuple([_tool(tool, f"tools[{index}]") for index, tool in enumerate(typed.tools or ())])
    return Read(typed, read_talk(typed, _messages(typed.messages or ()), tools=tools), _SAID)


def _messages(messages: Sequence[_Message]) -> tuple[Message, ...]:
    calls = _Calls()
    return tuple([_message(message, index, calls) for index, message in enumerate(messages)])


def _message(message: _Message, index: int, calls: "_Calls") -> Message:
    path = f"messages[{index}]"
    if message.role not in _ROLES:
        raise invalid(f"{path}.role", f"expected one of {', '.join(_ROLES)}")
    parts: tuple[Part, ...] = (TextPart(message.content),) if message.content else ()
    if message.images:
        parts += read_images(message.images, f"{path}.images")
    call_id, name = calls.answer(message) if message.role == "tool" else ("", "")
    return Message(
        role=cast("Role", message.role),
        parts=parts,
        tool_calls=calls.read(message.tool_calls, path) if message.tool_calls else (),
        tool_call_id=call_id,
        name=name,
        reasoning=message.thinking or "",
    )


class _Calls:
    """The calls of a conversation so far: their ids, and which of them have no result yet."""

    __slots__ = ("_counts", "_open")

    def __init__(self) -> None:
        self._counts: dict[str, int] = {}
        self._open: list[tuple[str, str]] = []

    def read(self, calls: Sequence[_Call], path: str) -> tuple[ToolCall, ...]:
        read = tuple([self._call(call, f"{path}.tool_calls[{index}]") for index, call in enumerate(calls)])
        self._open += [(call.id, call.name) for call in read]
        return read

    def _call(self, call: _Call, path: str) -> ToolCall:
        arguments = _arguments(call.function.arguments, f"{path}.function.arguments")
        made = call.id or invent_call_id(call.function.name, arguments)
        seen = self._counts[made] = self._counts.get(made, 0) + 1
        return ToolCall(made if seen == 1 else f"{made}_{seen}", call.function.name, arguments)

    def answer(self, message: _Message) -> tuple[str, str]:
        """Which call a result is of: by its id, else the first open one of that name, else the first open one.
        A result of no call keeps the name of its tool alone."""
        given, name = message.tool_call_id or "", message.tool_name or message.name or ""
        for index, (call_id, called) in enumerate(self._open):
            if call_id == given if given else called == name or not name:
                del self._open[index]
                return call_id, ""
        return given, name


def _arguments(raw: msgspec.Raw, path: str) -> str:
    """An object; some clients send its text instead."""
    data = bytes(raw)
    if data in (b"", b"null"):
        return "{}"
    if data.startswith(b"{"):
        return data.decode()
    if data.startswith(b'"'):
        return _text.decode(data)
    raise invalid(path, "expected an object")


def _tool(tool: _Tool, path: str) -> Tool:
    if tool.type not in (None, "function"):
        return Tool(name="", kind=tool.type)
    if tool.function is None:
        path = f"{path}.function"
        raise CallerFault(Code.INVALID_REQUEST, f"Missing required parameter: '{path}'.", param=path)
    parameters = bytes(tool.function.parameters)
    if parameters not in (b"", b"null") and not parameters.startswith(b"{"):
        raise invalid(f"{path}.function.parameters", "expected an object")
    return Tool(
        name=tool.function.name,
        description=tool.function.description or "",
        parameters=tool.function.parameters.copy() if parameters.startswith(b"{") else None,
    )
