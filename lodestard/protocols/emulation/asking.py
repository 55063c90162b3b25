"""The request: a conversation that asks by instruction for what the upstream has no words for.

Law: little more text than the client's own is written: the instruction is short and fixed, and tools and schemas
stand there once, as the client wrote them. A schema that the server holds an answer to is used only where a call is
demanded: otherwise the model must be free to answer in words.
"""

from collections.abc import Sequence
from typing import Any

import msgspec

from lodestard.domain.errors import CallerFault, Code
from lodestard.domain.request import Conversation, Format, Message, TextPart, Tool
from lodestard.protocols.codec import Emulation
from lodestard.protocols.emulation.history import say_calls

TOOLS_NOTE = "tool calls emulated"
SCHEMA_NOTE = "json schema emulated by instruction"
JSON_NOTE = "json emulated by instruction"

_TOOLS = """You can call tools. These are the tools, each with the JSON schema of its arguments:
{tools}

To call tools, answer with one JSON object of this form and nothing else, without a code fence:
{{"tool_calls": [{{"name": "the tool's name", "arguments": {{}}}}]}}
You will be told the results. {rule}"""
_MAY = "Where you need no tool, answer in plain words."
_MUST = "You must call a tool now."
_SINGLE = " Call one tool at a time."
_JSON = "Answer with one JSON {kind} and nothing else: no explanation, no code fence."
_SCHEMA = " It must match this JSON schema:\n{schema}"
_UNLESS = "Where you call no tool: "


class Lacks(msgspec.Struct, frozen=True):
    """What an upstream lacks."""

    tools: bool
    schema: bool


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """The changed conversation. ``emulation`` is None where its answer is read as any other."""

    conversation: Conversation
    emulation: Emulation | None
    notes: tuple[str, ...]
    dropped: tuple[str, ...]


def ask_by_instruction(talk: Conversation, lacks: Lacks, *, free: bool) -> Asked:
    """Raises ``CallerFault(NOT_SUPPORTED)`` for tools that are no functions.

    ``free``: whether the server may be sent a schema beside the instruction: text that nobody is billed for.
    """
    offered = _offered(talk) if lacks.tools else ()
    forced = bool(offered) and talk.tool_choice is not None and talk.tool_choice.mode in ("required", "function")
    lacks_json = talk.format.kind != "text" and not forced and (lacks.schema or bool(offered))
    single = talk.parallel_calls is False
    said = [_say_tools(offered, forced=forced, single=single)] if offered else []
    if lacks_json:
        said.append((_UNLESS if talk.tools else "") + _say_form(talk.format))
    messages = say_calls(talk.messages) if lacks.tools else talk.messages
    form = Format() if lacks_json or forced else talk.format
    if forced and free and not lacks.schema:
        form = Format(kind="json_schema", name="tool_calls", schema=_calls_schema(offered))
    changed = msgspec.structs.replace(talk, messages=_instructed(messages, said), format=form)
    if lacks.tools:
        changed = msgspec.structs.replace(changed, tools=(), tool_choice=None, parallel_calls=None)
    emulation = Emulation(
        tools=tuple(tool.name for tool in offered),
        single=single,
        opening=_opening(talk.format) if lacks_json else "",
        turn=len(talk.messages),
    )
    read = bool(emulation.tools or emulation.opening)
    if read:
        changed = msgspec.structs.replace(changed, logprobs=False, top_logprobs=None)
    return Asked(
        conversation=changed,
        emulation=emulation if read else None,
        notes=_notes(lacks, talk.format, lacks_json=lacks_json),
        dropped=("logprobs",) if read and talk.logprobs else (),
    )


def _notes(lacks: Lacks, form: Format, *, lacks_json: bool) -> tuple[str, ...]:
    notes = (TOOLS_NOTE,) if lacks.tools else ()
    return (*notes, SCHEMA_NOTE if form.kind == "json_schema" else JSON_NOTE) if lacks_json else notes


def _offered(talk: Conversation) -> tuple[Tool, ...]:
    """The tools that may be called."""
    choice = talk.tool_choice
    if choice is not None and choice.mode == "none":
        return ()
    for tool in talk.tools:
        if tool.kind != "function":
            text = f"This model has no tools of the type {tool.kind[:32]!r}."
            raise CallerFault(Code.NOT_SUPPORTED, text, param="tools")
    named = choice is not None and choice.mode == "function"
    return tuple(tool for tool in talk.tools if not named or (choice is not None and tool.name == choice.name))


def _say_tools(tools: Sequence[Tool], *, forced: bool, single: bool) -> str:
    listed = "\n".join(msgspec.json.encode(_described(tool)).decode() for tool in tools)
    return _TOOLS.format(tools=listed, rule=(_MUST if forced else _MAY) + (_SINGLE if single else ""))


def _described(tool: Tool) -> dict[str, Any]:
    said: dict[str, Any] = {"name": tool.name}
    if tool.description:
        said["description"] = tool.description
    if tool.parameters is not None:
        said["parameters"] = tool.parameters
    return said


def _say_form(form: Format) -> str:
    said = _JSON.format(kind="array" if _opening(form) == "[" else "object" if _opening(form) else "value")
    return said if form.schema is None else said + _SCHEMA.format(schema=bytes(form.schema).decode())


def _opening(form: Format) -> str:
    """What the JSON begins with."""
    if form.kind != "json_schema" or form.schema is None:
        return "{"
    try:
        kind = msgspec.json.decode(bytes(form.schema), type=_Typed).type
    except (ValueError, RecursionError):
        return ""
    return {"object": "{", "array": "["}.get(kind, "") if isinstance(kind, str) else ""


class _Typed(msgspec.Struct, frozen=True):
    type: Any = "object"


def _calls_schema(tools: Sequence[Tool]) -> msgspec.Raw:
    """What a demanded call looks like. Arguments with references of their own are let be any object."""
    calls = [
        {
            "type": "object",
            "properties": {"name": {"type": "string", "enum": [tool.name]}, "arguments": _arguments_schema(tool)},
            "required": ["name", "arguments"],
        }
        for tool in tools
    ]
    listed = {"type": "array", "minItems": 1, "items": calls[0] if len(calls) == 1 else {"anyOf": calls}}
    schema = {"type": "object", "properties": {"tool_calls": listed}, "required": ["tool_calls"]}
    return msgspec.Raw(msgspec.json.encode(schema))


def _arguments_schema(tool: Tool) -> object:
    if tool.parameters is None or b'"$ref"' in bytes(tool.parameters):
        return {"type": "object"}
    return tool.parameters


def _instructed(messages: tuple[Message, ...], said: Sequence[str]) -> tuple[Message, ...]:
    """With the instruction at the end of the first message, where that is a system message; otherwise before all."""
    if not said:
        return messages
    text = "\n\n".join(said)
    if messages and messages[0].role in ("system", "developer"):
        first = msgspec.structs.replace(messages[0], parts=(*messages[0].parts, TextPart(f"\n\n{text}")))
        return (first, *messages[1:])
    return (Message(role="system", parts=(TextPart(text),)), *messages)
