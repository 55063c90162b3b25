"""OpenAI's chat completions, as a client sends them: bytes → ``Request``.

Law: known members are checked and read, unknown ones are kept raw and judged by nobody. A wrong value is named
by its path in the body. Source: OpenAI's API reference, "Create chat completion".
"""

from collections.abc import Sequence
from typing import Annotated, cast, get_args

import msgspec
from msgspec import Meta

from lodestard.domain.errors import CallerFault, Code
from lodestard.domain.request import (
    Conversation,
    Format,
    Message,
    OtherPart,
    Part,
    Request,
    Role,
    TextPart,
    Tool,
    ToolCall,
    ToolChoice,
)
from lodestard.protocols.data_url import read_image
from lodestard.protocols.json_text import Members, decode_typed, missing, read_members, shape_fault
from lodestard.protocols.openai.asked import SAID, Asked

DIALECT = "openai"

_SAID = SAID | {
    "messages", "tools", "tool_choice", "parallel_tool_calls", "response_format", "max_tokens",
    "max_completion_tokens", "logprobs", "top_logprobs", "reasoning_effort",
}  # fmt: skip
"""The members that the conversation has words for."""

_LABELS = frozenset(
    {"user", "metadata", "store", "safety_identifier", "prompt_cache_key", "prompt_cache_retention", "service_tier"}
)
"""They name or file a request and change no answer: nothing is lost without them."""

_Tokens = Annotated[int, Meta(ge=1, le=2**31 - 1)]
_ABSENT = msgspec.Raw()
_ROLES = frozenset(get_args(Role))


class _Function(msgspec.Struct, frozen=True):
    name: str
    arguments: str = ""


class _Custom(msgspec.Struct, frozen=True):
    name: str
    input: str = ""


class _ToolCall(msgspec.Struct, frozen=True):
    function: _Function | None = None
    custom: _Custom | None = None
    id: str | None = None
    type: str = "function"


class _Message(msgspec.Struct, frozen=True):
    role: str
    content: str | list[msgspec.Raw] | None = None
    tool_calls: list[_ToolCall] | None = None
    tool_call_id: str | None = None
    name: str | None = None
    reasoning_content: str | None = None
    refusal: str | None = None
    function_call: dict[str, msgspec.Raw] | None = None


class _ToolFunction(msgspec.Struct, frozen=True):
    name: str
    description: str | None = None
    parameters: msgspec.Raw = _ABSENT
    strict: bool | None = None


class _Tool(msgspec.Struct, frozen=True):
    type: str = "function"
    function: _ToolFunction | None = None


class _NamedFunction(msgspec.Struct, frozen=True):
    name: str


class _NamedChoice(msgspec.Struct, frozen=True):
    type: str
    function: _NamedFunction | None = None


class _Schema(msgspec.Struct, frozen=True):
    name: str = ""
    schema: msgspec.Raw = _ABSENT
    strict: bool | None = None


class _Format(msgspec.Struct, frozen=True):
    type: str
    json_schema: _Schema | None = None


class _Body(Asked, frozen=True, kw_only=True):
    messages: Annotated[list[_Message], Meta(min_length=1)]
    tools: list[_Tool] | None = None
    tool_choice: str | _NamedChoice | None = None
    response_format: _Format | None = None
    max_tokens: _Tokens | None = None
    max_completion_tokens: _Tokens | None = None
    logprobs: bool | None = None
    top_logprobs: Annotated[int, Meta(ge=0, le=20)] | None = None
    parallel_tool_calls: bool | None = None
    reasoning_effort: str | None = None
    functions: list[msgspec.Raw] | None = None
    function_call: str | dict[str, msgspec.Raw] | None = None


class _ImageUrl(msgspec.Struct, frozen=True):
    url: str
    detail: str | None = None


class _TypedPart(msgspec.Struct, frozen=True):
    type: str
    text: str | None = None
    image_url: _ImageUrl | str | None = None
    refusal: str | None = None


_body = msgspec.json.Decoder(_Body)
_part = msgspec.json.Decoder(_TypedPart)


def read_request(body: bytes, *, depth: int) -> Request:
    """A client's body → the request, checked.

    Raises ``CallerFault``: ``INVALID_JSON``; ``INVALID_REQUEST`` with the path of the wrong value as ``param``;
    ``NOT_SUPPORTED`` for the functions that tools replaced.
    """
    members = read_members(body, depth=depth)
    typed = decode_typed(_body.decode, body)
    return Request(
        dialect=DIALECT,
        alias=typed.model,
        stream=bool(typed.stream),
        include_usage=typed.include_usage,
        members=members,
        conversation=_conversation(typed),
        size_bytes=len(body),
        unsaid=_find_unsaid(members),
    )


def _find_unsaid(members: Members) -> tuple[str, ...]:
    """What another dialect would lose of these members."""
    if _SAID.issuperset(members):
        return ()
    return tuple(sorted(members.keys() - _SAID - _LABELS))


def _conversation(typed: _Body) -> Conversation:
    if typed.functions or typed.function_call not in (None, "none", "auto"):
        name = "functions" if typed.functions else "function_call"
        raise CallerFault(
            Code.NOT_SUPPORTED,
            f"'{name}' is not supported: use 'tools' and 'tool_choice', which replaced it.",
            param=name,
        )
    return Conversation(
        messages=tuple([_message(message, index) for index, message in enumerate(typed.messages)]),
        tools=_tools(typed.tools) if typed.tools else (),
        tool_choice=None if typed.tool_choice is None else _tool_choice(typed.tool_choice),
        sampling=typed.sampling(_limit(typed)),
        format=Format() if typed.response_format is None else _format(typed.response_format),
        n=1 if typed.n is None else typed.n,
        reasoning_effort=typed.reasoning_effort or "",
        parallel_calls=typed.parallel_tool_calls,
        logprobs=bool(typed.logprobs),
        top_logprobs=typed.top_logprobs,
    )


def _limit(typed: _Body) -> int | None:
    """The larger one: both go on, and nobody knows which one is heeded."""
    limits = [limit for limit in (typed.max_tokens, typed.max_completion_tokens) if limit is not None]
    return max(limits, default=None)


def _message(message: _Message, index: int) -> Message:
    role, content = message.role, message.content
    if role not in _ROLES or message.function_call is not None:
        raise _bad_message(message, index)
    parts: tuple[Part, ...] = ()
    if isinstance(content, str):
        parts = (TextPart(content),) if content else ()
    elif content is not None:
        parts = _parts(content, f"messages[{index}].content")
    elif role not in ("assistant", "tool"):
        raise missing(f"messages[{index}].content")
    return Message(
        role=cast("Role", role),
        parts=parts,
        tool_calls=_tool_calls(message.tool_calls, index) if message.tool_calls else (),
        tool_call_id=message.tool_call_id or "",
        name=message.name or "",
        reasoning=message.reasoning_content or "",
    )


def _bad_message(message: _Message, index: int) -> CallerFault:
    if message.role == "function" or message.function_call is not None:
        path = f"messages[{index}]"
        return CallerFault(
            Code.NOT_SUPPORTED, f"'{path}' is of the functions that tools replaced: use tool calls.", param=path
        )
    return _invalid(f"messages[{index}].role", f"expected one of {', '.join(get_args(Role))}")


def _parts(raws: Sequence[msgspec.Raw], path: str) -> tuple[Part, ...]:
    parts: list[Part] = []
    for index, raw in enumerate(raws):
        where = f"{path}[{index}]"
        try:
            parts.append(_read_part(_part.decode(raw), raw, where))
        except msgspec.ValidationError as error:
            raise shape_fault(error, where) from None
    return tuple(parts)


def _read_part(part: _TypedPart, raw: msgspec.Raw, where: str) -> Part:
    match part.type:
        case "text":
            if part.text is None:
                raise missing(f"{where}.text")
            return TextPart(part.text)
        case "refusal":
            return TextPart(part.refusal or "")
        case "image_url":
            if part.image_url is None:
                raise missing(f"{where}.image_url")
            image = part.image_url
            return read_image(image, "") if isinstance(image, str) else read_image(image.url, image.detail or "")
    return OtherPart(part.type, raw.copy())


def _tool_calls(calls: Sequence[_ToolCall], message: int) -> tuple[ToolCall, ...]:
    read: list[ToolCall] = []
    for index, call in enumerate(calls):
        if call.function is not None:
            read.append(ToolCall(call.id or "", call.function.name, call.function.arguments))
        elif call.custom is not None:
            read.append(ToolCall(call.id or "", call.custom.name, call.custom.input, call.type))
        elif call.type == "function":
            raise missing(f"messages[{message}].tool_calls[{index}].function")
        else:
            read.append(ToolCall(call.id or "", "", "", call.type))
    return tuple(read)


def _tools(tools: Sequence[_Tool]) -> tuple[Tool, ...]:
    return tuple([_tool(tool, f"tools[{index}].function") for index, tool in enumerate(tools)])


def _tool(tool: _Tool, path: str) -> Tool:
    if tool.type != "function":
        return Tool(name="", kind=tool.type)
    if tool.function is None:
        raise missing(path)
    return Tool(
        name=tool.function.name,
        description=tool.function.description or "",
        parameters=_object(tool.function.parameters, f"{path}.parameters"),
        strict=tool.function.strict,
    )


def _tool_choice(choice: str | _NamedChoice) -> ToolChoice:
    if isinstance(choice, _NamedChoice):
        if choice.type != "function":
            return ToolChoice("auto")  # of tools that only OpenAI has: it reads the raw member
        if choice.function is None:
            raise missing("tool_choice.function")
        return ToolChoice("function", choice.function.name)
    match choice:
        case "auto" | "none" | "required":
            return ToolChoice(choice)
    raise _invalid("tool_choice", "expected auto, none, required or a function")


def _format(form: _Format) -> Format:
    match form.type:
        case "text":
            return Format()
        case "json_object":
            return Format(kind="json")
        case "json_schema":
            if form.json_schema is None:
                raise missing("response_format.json_schema")
            schema = _object(form.json_schema.schema, "response_format.json_schema.schema")
            strict = form.json_schema.strict
            return Format(kind="json_schema", schema=schema, name=form.json_schema.name, strict=strict)
    raise _invalid("response_format.type", "expected text, json_object or json_schema")


def _object(raw: msgspec.Raw, path: str) -> msgspec.Raw | None:
    """A raw member that must be an object, where it is there."""
    text = bytes(raw)
    if text in (b"", b"null"):
        return None
    if not text.startswith(b"{"):
        raise CallerFault(Code.INVALID_REQUEST, f"Invalid type for '{path}': expected an object.", param=path)
    return raw


def _invalid(path: str, wanted: str) -> CallerFault:
    return CallerFault(Code.INVALID_REQUEST, f"Invalid value for '{path}': {wanted}.", param=path)
