"""Anthropic's messages, as a client sends them: bytes → ``Request``.

Law: known members are checked and read, unknown ones are kept raw and judged by nobody. A wrong value is named by its
path in the body. Source: Anthropic's API reference, "Create a Message", and the types of its Python SDK 2.14.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Annotated, cast

import msgspec
from msgspec import Meta

from lodestard.domain.errors import CallerFault, Code
from lodestard.domain.request import (
    Conversation,
    Format,
    Message,
    Request,
    Role,
    Sampling,
    TextPart,
    Tool,
    ToolChoice,
)
from lodestard.protocols.anthropic.messages_blocks import ABSENT, NOTHING, Beside, missing, read_turn
from lodestard.protocols.anthropic.turns import DIALECT
from lodestard.protocols.json_text import Members, decode_typed, read_members, shape_fault

THREAD = "thread"
VERSION = "anthropic-version"
HEEDED = (VERSION, "anthropic-beta")

_SAID = frozenset(
    {
        "model", "messages", "max_tokens", "system", "stream", "stop_sequences", "temperature", "top_p", "top_k",
        "tools", "tool_choice", "thinking", "output_config", "output_format",
    }
)  # fmt: skip
"""The members that the conversation has words for."""

_LABELS = frozenset({"metadata", "service_tier", "diagnostics", "user_profile_id", "workspace_id"})
"""They name or file a request and change no answer: nothing is lost without them."""

_ROLES = ("user", "assistant", "system")
UNTIL_NEXT = "next_user_message"
_MODES = {"auto": "auto", "any": "required", "none": "none", "tool": "function"}
_FUNCTIONS = (None, "custom")
_ATTRIBUTION = "x-anthropic-billing-header:"
"""How a block of Claude Code's begins that is for the provider's books. It changes, and a local model's work on the
prompt would be lost with it."""

_Tokens = Annotated[int, Meta(ge=0, le=2**31 - 1)]


class _Message(msgspec.Struct, frozen=True):
    role: str
    content: str | list[msgspec.Raw] | None = None
    clear_at: str | None = None
    output_config: msgspec.Raw = ABSENT


class _SystemBlock(msgspec.Struct, frozen=True):
    type: str
    text: str
    cache_control: msgspec.Raw = ABSENT


class _Tool(msgspec.Struct, frozen=True):
    name: str = ""
    type: str | None = None
    description: str | None = None
    input_schema: msgspec.Raw = ABSENT
    strict: bool | None = None
    defer_loading: bool | None = None
    cache_control: msgspec.Raw = ABSENT
    input_examples: msgspec.Raw = ABSENT
    allowed_callers: msgspec.Raw = ABSENT


class _ToolChoice(msgspec.Struct, frozen=True):
    type: str
    name: str | None = None
    disable_parallel_tool_use: bool | None = None


class _Thinking(msgspec.Struct, frozen=True):
    type: str
    budget_tokens: _Tokens | None = None


class _Format(msgspec.Struct, frozen=True):
    type: str
    schema: msgspec.Raw = ABSENT


class _OutputConfig(msgspec.Struct, frozen=True):
    effort: str | None = None
    format: _Format | None = None


class _Body(msgspec.Struct, frozen=True, kw_only=True):
    model: Annotated[str, Meta(min_length=1, max_length=512)]
    messages: Annotated[list[_Message], Meta(min_length=1)]
    max_tokens: _Tokens | None = None
    system: str | list[_SystemBlock] | None = None
    stream: bool | None = None
    stop_sequences: list[str] | None = None
    temperature: Annotated[float, Meta(ge=0, le=1)] | None = None
    top_p: Annotated[float, Meta(ge=0, le=1)] | None = None
    top_k: Annotated[int, Meta(ge=0, le=2**31 - 1)] | None = None
    tools: list[_Tool] | None = None
    tool_choice: _ToolChoice | None = None
    thinking: _Thinking | None = None
    output_config: _OutputConfig | None = None
    output_format: _Format | None = None


_body = msgspec.json.Decoder(_Body)
_tool = msgspec.json.Decoder(_Tool)


def read_request(body: bytes, *, depth: int, headers: Mapping[str, str], counting: bool = False) -> Request:
    """A client's body → the request, checked. ``counting``: its tokens alone are wanted, so it needs no limit.

    Raises ``CallerFault``: ``INVALID_JSON``; ``INVALID_REQUEST`` with the path of the wrong value as ``param``;
    ``NOT_SUPPORTED`` for a conversation that the provider would hold, and whose beginning is not in the body.
    """
    members = read_members(body, depth=depth)
    typed = decode_typed(_body.decode, body)
    if bytes(members.get(THREAD, ABSENT)) not in NOTHING:
        raise CallerFault(Code.NOT_SUPPORTED, f"Send the whole conversation, without '{THREAD}'.", param=THREAD)
    if typed.max_tokens is None and not counting:
        raise missing("max_tokens")
    beside = Beside(set(), set(), set(), [])
    conversation = _conversation(typed, beside)
    return Request(
        dialect=DIALECT,
        alias=typed.model,
        stream=bool(typed.stream),
        include_usage=True,
        members=members,
        conversation=conversation,
        size_bytes=len(body),
        headers=tuple((name, headers[name]) for name in HEEDED if name in headers),
        unsaid=_find_unsaid(members, typed, beside),
    )


def _find_unsaid(members: Members, typed: _Body, beside: Beside) -> tuple[str, ...]:
    """What another dialect would lose of this request."""
    unsaid = beside.unsaid
    if not _SAID.issuperset(members):
        unsaid |= {name for name in members.keys() - _SAID - _LABELS if bytes(members[name]) not in NOTHING}
    if typed.output_config is not None and typed.output_config.effort is not None:
        unsaid.add("output_config.effort")
    if isinstance(typed.system, list) and any(bytes(block.cache_control) not in NOTHING for block in typed.system):
        unsaid.add("system[].cache_control")
    for name in ("cache_control", "input_examples", "allowed_callers"):
        if typed.tools and any(bytes(getattr(tool, name)) not in NOTHING for tool in typed.tools):
            unsaid.add(f"tools[].{name}")
    return tuple(sorted(unsaid))


def _conversation(typed: _Body, beside: Beside) -> Conversation:
    messages = [*_system(typed.system), *_messages(typed.messages, beside)]
    choice = typed.tool_choice
    thinking = typed.thinking
    return Conversation(
        messages=tuple(messages),
        tools=_tools(typed.tools or (), beside) if typed.tools or beside.defined else (),
        tool_choice=None if choice is None else _tool_choice(choice),
        sampling=_sampling(typed),
        format=_format(typed),
        reasoning_effort="none" if thinking is not None and thinking.type == "disabled" else "",
        reasoning_tokens=thinking.budget_tokens if thinking is not None and thinking.type == "enabled" else None,
        parallel_calls=False if choice is not None and choice.disable_parallel_tool_use else None,
    )


def _sampling(typed: _Body) -> Sampling:
    """No tokens at all are asked for to fill Anthropic's cache; other models are asked for one."""
    return Sampling(
        temperature=typed.temperature,
        top_p=typed.top_p,
        top_k=typed.top_k,
        stop=tuple(typed.stop_sequences or ()),
        max_output_tokens=None if typed.max_tokens is None else max(1, typed.max_tokens),
    )


def _system(system: str | list[_SystemBlock] | None) -> Iterator[Message]:
    if not system:
        return
    texts = [system] if isinstance(system, str) else list(_system_texts(system))
    if texts:
        yield Message(role="system", parts=(TextPart("\n".join(texts)),))


def _system_texts(blocks: Iterable[_SystemBlock]) -> Iterator[str]:
    for index, block in enumerate(blocks):
        if block.type != "text":
            raise _invalid(f"system[{index}].type", "expected text")
        if block.text and not block.text.startswith(_ATTRIBUTION):
            yield block.text


def _messages(messages: Sequence[_Message], beside: Beside) -> Iterator[Message]:
    """A system message may say that it counts only until the user speaks again."""
    last = max((index for index, message in enumerate(messages) if message.role == "user"), default=-1)
    for index, message in enumerate(messages):
        read = _read_message(message, f"messages[{index}]", beside)
        if message.role != "system" or message.clear_at != UNTIL_NEXT or index > last:
            yield from read


def _read_message(message: _Message, path: str, beside: Beside) -> tuple[Message, ...]:
    if message.role not in _ROLES:
        raise _invalid(f"{path}.role", f"expected one of {', '.join(_ROLES)}")
    if bytes(message.output_config) not in NOTHING:
        beside.unsaid.add("messages[].output_config")
    role, content = cast("Role", message.role), message.content
    if isinstance(content, str):
        return (Message(role=role, parts=(TextPart(content),) if content else ()),)
    if content is not None:
        return read_turn(role, content, f"{path}.content", beside)
    if role != "system":  # which may carry a setting alone
        raise missing(f"{path}.content")
    return ()


def _tools(tools: Iterable[_Tool], beside: Beside) -> tuple[Tool, ...]:
    """What is offered: tools whose loading is deferred come once they are named, and withdrawn ones go."""
    offered = [
        _read_tool(tool, f"tools[{index}]")
        for index, tool in enumerate(tools)
        if tool.type not in _FUNCTIONS
        or ((not tool.defer_loading or tool.name in beside.named) and tool.name not in beside.withdrawn)
    ]
    for raw in beside.defined:
        try:
            offered.append(_read_tool(_tool.decode(raw), "messages[].content[].tool.definition"))
        except msgspec.ValidationError as error:
            raise shape_fault(error, "messages[].content[].tool.definition") from None
    return tuple(offered)


def _read_tool(tool: _Tool, path: str) -> Tool:
    if tool.type is not None and tool.type != "custom":
        return Tool(name=tool.name, kind=tool.type)
    if not tool.name:
        raise missing(f"{path}.name")
    return Tool(
        name=tool.name,
        description=tool.description or "",
        parameters=_object(tool.input_schema, f"{path}.input_schema"),
        strict=tool.strict,
    )


def _tool_choice(choice: _ToolChoice) -> ToolChoice:
    match _MODES.get(choice.type):
        case "function":
            if not choice.name:
                raise missing("tool_choice.name")
            return ToolChoice("function", choice.name)
        case "auto" | "required" | "none" as mode:
            return ToolChoice(mode)
    raise _invalid("tool_choice.type", f"expected one of {', '.join(_MODES)}")


def _format(typed: _Body) -> Format:
    form, path = typed.output_format, "output_format"
    if typed.output_config is not None and typed.output_config.format is not None:
        form, path = typed.output_config.format, "output_config.format"
    if form is None:
        return Format()
    if form.type != "json_schema":
        raise _invalid(f"{path}.type", "expected json_schema")
    return Format(kind="json_schema", schema=_object(form.schema, f"{path}.schema"))


def _object(raw: msgspec.Raw, path: str) -> msgspec.Raw | None:
    """A raw member that must be an object, where it is there."""
    text = bytes(raw)
    if text in NOTHING:
        return None
    if not text.startswith(b"{"):
        raise CallerFault(Code.INVALID_REQUEST, f"Invalid type for '{path}': expected an object.", param=path)
    return raw


def _invalid(path: str, wanted: str) -> CallerFault:
    return CallerFault(Code.INVALID_REQUEST, f"Invalid value for '{path}': {wanted}.", param=path)
