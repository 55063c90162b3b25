"""The items of a Responses request's ``input``, one after the other → the messages of a conversation.

Law: what the model thought, said and called in one turn is one message. An item that only its own provider can read
is kept raw, and refused by whoever writes another dialect; the trace of a tool that a provider ran itself is left
out and told. Source: OpenAI's API reference, "Create a model response", and the types of its Python SDK.
"""

from collections.abc import Sequence
from typing import cast

import msgspec

from lodestard.domain.errors import CallerFault, Code
from lodestard.domain.request import Message, OtherPart, Part, Role, TextPart, Thought, ToolCall
from lodestard.protocols.data_url import read_image
from lodestard.protocols.json_text import missing, shape_fault
from lodestard.protocols.responses.toolbox import Toolbox, ToolSpec, wrap_input

DIALECT = "responses"
_ROLES = ("user", "system", "developer", "assistant")
_TEXTS = frozenset({"input_text", "output_text", "text"})
TRACES = frozenset(
    {"web_search_call", "file_search_call", "code_interpreter_call", "image_generation_call", "mcp_list_tools"}
)
"""Items of tools that the provider ran: what came of them is in the message that follows."""


class _Kind(msgspec.Struct, frozen=True):
    type: str | None = None
    role: str | None = None


class _Words(msgspec.Struct, frozen=True):
    text: str = ""


class _Part(msgspec.Struct, frozen=True):
    type: str
    text: str | None = None
    refusal: str | None = None
    image_url: str | None = None
    detail: str | None = None


class _Usual(_Kind, frozen=True):
    """A message of parts that are read here, in one go; most are."""

    content: str | list[_Part] | None = None


class _Said(msgspec.Struct, frozen=True):
    content: str | list[msgspec.Raw]


class _Reasoning(msgspec.Struct, frozen=True):
    summary: list[_Words] | None = None
    content: list[_Words] | None = None
    encrypted_content: str | None = None


class _Call(msgspec.Struct, frozen=True):
    call_id: str
    name: str
    arguments: str = ""
    input: str = ""
    namespace: str | None = None


class _Result(msgspec.Struct, frozen=True):
    call_id: str
    output: str | list[msgspec.Raw]


class _MoreTools(msgspec.Struct, frozen=True):
    tools: list[ToolSpec]


_kind = msgspec.json.Decoder(_Kind)
_usual = msgspec.json.Decoder(_Usual)
_part = msgspec.json.Decoder(_Part)
_said = msgspec.json.Decoder(_Said)
_reasoning = msgspec.json.Decoder(_Reasoning)
_call = msgspec.json.Decoder(_Call)
_result = msgspec.json.Decoder(_Result)
_more_tools = msgspec.json.Decoder(_MoreTools)


def may_be(raw: msgspec.Raw, kind: bytes) -> bool:
    """Whether an item may be of a kind, without reading it: a letter may be written as an escape."""
    text = bytes(raw)
    return kind in text or b"\\u" in text


def find_more_tools(items: Sequence[msgspec.Raw]) -> list[ToolSpec]:
    """The tools that came among the items."""
    specs: list[ToolSpec] = []
    for index, raw in enumerate(items):
        if may_be(raw, b"additional_tools"):
            try:
                if _kind.decode(raw).type == "additional_tools":
                    specs += _more_tools.decode(raw).tools
            except msgspec.ValidationError as error:
                raise shape_fault(error, f"input[{index}]") from None
    return specs


class Transcript:
    """Gathers items. ``unsaid``: what was left out. Raises ``CallerFault(INVALID_REQUEST)``."""

    __slots__ = ("_calls", "_messages", "_parts", "_reasoning", "_thoughts", "_told", "unsaid")

    def __init__(self, box: Toolbox) -> None:
        self._told = box.told_names()
        self._messages: list[Message] = []
        self.unsaid: set[str] = set()
        self._clear()

    def _clear(self) -> None:
        self._parts: tuple[Part, ...] = ()
        self._calls: list[ToolCall] = []
        self._reasoning: list[str] = []
        self._thoughts: list[Thought] = []

    def say(self, message: Message) -> None:
        """A message that is no item."""
        self._end_turn()
        self._messages.append(message)

    def add(self, raw: msgspec.Raw, path: str) -> None:
        """One item."""
        try:
            self._add(_read_kind(raw), raw, path)
        except msgspec.ValidationError as error:
            raise shape_fault(error, path) from None

    def end(self) -> tuple[Message, ...]:
        """All messages."""
        self._end_turn()
        return tuple(self._messages)

    def _add(self, kind: _Kind, raw: msgspec.Raw, path: str) -> None:
        match kind.type:
            case None | "message":
                self._add_message(kind, raw, path)
            case "function_call" | "custom_tool_call":
                self._add_call(_call.decode(raw), custom=kind.type == "custom_tool_call")
            case "function_call_output" | "custom_tool_call_output":
                self._add_result(_result.decode(raw), path)
            case "reasoning":
                self._add_reasoning(_reasoning.decode(raw), raw)
            case "additional_tools":
                pass  # they are in the toolbox
            case "item_reference":  # those that name something were resolved
                raise missing(f"{path}.id")
            case name if name in TRACES:
                self.unsaid.add(f"input[].{name}")
            case name:
                self.say(Message(role="user", parts=(OtherPart(name[:64], raw.copy()),)))

    def _add_message(self, kind: _Kind, raw: msgspec.Raw, path: str) -> None:
        if kind.role is None:
            raise missing(f"{path}.type" if kind.type is None else f"{path}.role")
        if kind.role not in _ROLES:
            where = f"{path}.role"
            text = f"Invalid value for '{where}': expected one of {', '.join(_ROLES)}."
            raise CallerFault(Code.INVALID_REQUEST, text, param=where)
        parts = _plain_parts(kind)
        if parts is None:
            parts = read_content(_said.decode(raw).content, f"{path}.content")
        if kind.role != "assistant":
            self.say(Message(role=cast("Role", kind.role), parts=parts))
            return
        if self._parts or self._calls:
            self._end_turn()
        self._parts = parts

    def _add_call(self, call: _Call, *, custom: bool) -> None:
        name = self._told.get((call.namespace or "", call.name), call.name)
        arguments = wrap_input(call.input) if custom else call.arguments
        self._calls.append(ToolCall(call.call_id, name, arguments))

    def _add_result(self, result: _Result, path: str) -> None:
        parts = read_content(result.output, f"{path}.output")
        self.say(Message(role="tool", parts=parts, tool_call_id=result.call_id))

    def _add_reasoning(self, item: _Reasoning, raw: msgspec.Raw) -> None:
        if self._parts or self._calls:
            self._end_turn()
        self._reasoning += [words.text for words in item.content or item.summary or ()]
        if item.encrypted_content:
            self._thoughts.append(Thought(DIALECT, raw.copy()))

    def _end_turn(self) -> None:
        """What the model thought, said and called is whole."""
        if not (self._parts or self._calls or self._reasoning or self._thoughts):
            return
        self._messages.append(
            Message(
                role="assistant",
                parts=self._parts,
                tool_calls=tuple(self._calls),
                reasoning="\n\n".join(self._reasoning),
                thoughts=tuple(self._thoughts),
            )
        )
        self._clear()


def _read_kind(raw: msgspec.Raw) -> _Kind:
    try:
        return _usual.decode(raw)
    except msgspec.ValidationError:  # its content may be another item's, or wrong: then the place is to be told
        return _kind.decode(raw)


def _plain_parts(kind: _Kind) -> tuple[Part, ...] | None:
    """The parts of a message that has nothing but text."""
    if type(kind) is not _Usual or kind.content is None:
        return None
    if isinstance(kind.content, str):
        return (TextPart(kind.content),) if kind.content else ()
    texts = [part.text for part in kind.content if part.type in _TEXTS and part.text is not None]
    return tuple(map(TextPart, texts)) if len(texts) == len(kind.content) else None


def read_content(content: str | Sequence[msgspec.Raw], path: str) -> tuple[Part, ...]:
    """Text, or parts of any kind."""
    if isinstance(content, str):
        return (TextPart(content),) if content else ()
    parts: list[Part] = []
    for index, raw in enumerate(content):
        where = f"{path}[{index}]"
        try:
            parts.append(_read_part(_part.decode(raw), raw, where))
        except msgspec.ValidationError as error:
            raise shape_fault(error, where) from None
    return tuple(parts)


def _read_part(part: _Part, raw: msgspec.Raw, where: str) -> Part:
    match part.type:
        case "input_text" | "output_text" | "text" | "summary_text" | "reasoning_text":
            if part.text is None:
                raise missing(f"{where}.text")
            return TextPart(part.text)
        case "refusal":
            return TextPart(part.refusal or "")
        case "input_image" if part.image_url is not None:
            return read_image(part.image_url, part.detail or "")
    return OtherPart(part.type[:64], raw.copy())
