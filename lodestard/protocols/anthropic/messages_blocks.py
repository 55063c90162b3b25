"""Content blocks of Anthropic's messages, as a client sends them: one turn → the messages that it is.

Law: a block that we don't know is kept raw and judged by nobody. The results of calls are messages of their own, in
their order and before anything else that the same turn says, as other dialects want them.
Source: Anthropic's API reference, "Create a Message", and the types of its Python SDK 2.14.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec

from lodestard.domain.errors import CallerFault, Code
from lodestard.domain.request import ImagePart, Message, OtherPart, Part, Role, TextPart, Thought, ToolCall
from lodestard.protocols.anthropic.call_ids import unwrap_id
from lodestard.protocols.anthropic.turns import DIALECT
from lodestard.protocols.json_text import shape_fault

ABSENT = msgspec.Raw()
NOTHING = (b"", b"null")


class Typed(msgspec.Struct, frozen=True):
    type: str


class Text(msgspec.Struct, frozen=True):
    text: str
    cache_control: msgspec.Raw = ABSENT


class _Source(msgspec.Struct, frozen=True):
    type: str = ""
    media_type: str = ""
    data: str = ""
    url: str = ""
    content: str | list[msgspec.Raw] | None = None


class _Image(msgspec.Struct, frozen=True):
    source: _Source
    cache_control: msgspec.Raw = ABSENT


class _Document(msgspec.Struct, frozen=True):
    source: _Source
    title: str | None = None
    context: str | None = None
    cache_control: msgspec.Raw = ABSENT


class _SearchResult(msgspec.Struct, frozen=True):
    source: str
    title: str
    content: list[Text]
    cache_control: msgspec.Raw = ABSENT


class _Thinking(msgspec.Struct, frozen=True):
    thinking: str = ""
    signature: str | None = None


class _ToolUse(msgspec.Struct, frozen=True):
    id: str
    name: str
    input: msgspec.Raw
    cache_control: msgspec.Raw = ABSENT


class _ToolResult(msgspec.Struct, frozen=True):
    tool_use_id: str
    content: str | list[msgspec.Raw] | None = None
    is_error: bool | None = None
    cache_control: msgspec.Raw = ABSENT


class _ToolReference(msgspec.Struct, frozen=True):
    tool_name: str


class _ChangedTool(msgspec.Struct, frozen=True):
    type: str = ""
    name: str = ""
    definition: msgspec.Raw = ABSENT


class _ToolChange(msgspec.Struct, frozen=True):
    tool: _ChangedTool


class Beside(msgspec.Struct):
    """What is met in the blocks and belongs elsewhere: members without a word for them, by their paths, and how the
    offer of tools changes on the way (tools that are named from now on, defined, or withdrawn)."""

    unsaid: set[str]
    named: set[str]
    withdrawn: set[str]
    defined: list[msgspec.Raw]


class _Turn(msgspec.Struct):
    """One message of the client's, as far as it is read."""

    beside: Beside
    parts: list[Part]
    texts: list[str]
    calls: list[ToolCall]
    thoughts: list[Thought]
    reasoning: list[str]
    results: list[Message]

    def close_text(self) -> None:
        """Blocks of text that follow each other are one text: other dialects put nothing between their parts."""
        if self.texts:
            self.parts.append(TextPart("\n".join(self.texts)))
            self.texts.clear()

    def add_part(self, part: Part) -> None:
        if isinstance(part, TextPart):
            if part.text:
                self.texts.append(part.text)
            return
        self.close_text()
        self.parts.append(part)


def open_turn(beside: Beside) -> _Turn:
    return _Turn(beside, [], [], [], [], [], [])


def read_turn(role: Role, raws: Sequence[msgspec.Raw], path: str, beside: Beside) -> tuple[Message, ...]:
    """The messages that one turn is. Raises ``CallerFault(INVALID_REQUEST)`` with the path of the wrong value."""
    turn = open_turn(beside)
    _read_blocks(turn, raws, path)
    turn.close_text()
    said = bool(turn.parts or turn.calls or turn.thoughts or turn.reasoning)
    if turn.results and not said:
        return tuple(turn.results)
    message = Message(
        role=role,
        parts=tuple(turn.parts),
        tool_calls=tuple(turn.calls),
        reasoning="".join(turn.reasoning),
        thoughts=tuple(turn.thoughts),
    )
    return (*turn.results, message)


def _read_blocks(turn: _Turn, raws: Sequence[msgspec.Raw], path: str) -> None:
    for index, raw in enumerate(raws):
        where = f"{path}[{index}]"
        try:
            kind = _typed.decode(raw).type
            reader = _READERS.get(kind)
            if reader is None:
                turn.add_part(OtherPart(kind, raw.copy()))
            else:
                decoder, take = reader
                block = decoder.decode(raw)
                if bytes(getattr(block, "cache_control", ABSENT)) not in NOTHING:
                    turn.beside.unsaid.add(f"{path.partition('[')[0]}[].content[].cache_control")
                take(turn, block, raw, where)
        except msgspec.ValidationError as error:
            raise shape_fault(error, where) from None


def _take_text(turn: _Turn, block: Text, _raw: msgspec.Raw, _where: str) -> None:
    turn.add_part(TextPart(block.text))


def _take_image(turn: _Turn, block: _Image, raw: msgspec.Raw, where: str) -> None:
    source = block.source
    match source.type:
        case "base64":
            if not source.data:
                raise missing(f"{where}.source.data")
            turn.add_part(ImagePart(media_type=source.media_type, data=source.data))
        case "url":
            turn.add_part(ImagePart(url=source.url))
        case _:
            turn.add_part(OtherPart("image", raw.copy()))  # a file that the provider keeps


def _take_document(turn: _Turn, block: _Document, raw: msgspec.Raw, where: str) -> None:
    """What is text is text to every model; a PDF goes to its own dialect alone."""
    source = block.source
    if source.type not in ("text", "content"):
        turn.add_part(OtherPart("document", raw.copy()))
        return
    for heading in (block.title, block.context):
        turn.add_part(TextPart(heading or ""))
    if source.type == "text":
        turn.add_part(TextPart(source.data))
    else:
        _read_content(turn, source.content, f"{where}.source.content")


def _take_search_result(turn: _Turn, block: _SearchResult, _raw: msgspec.Raw, _where: str) -> None:
    for text in (block.title, block.source, *(part.text for part in block.content)):
        turn.add_part(TextPart(text))


def _take_thinking(turn: _Turn, block: _Thinking, raw: msgspec.Raw, _where: str) -> None:
    """Without a signature it is another model's: text, and nothing that Anthropic wants back."""
    turn.reasoning.append(block.thinking)
    if block.signature:
        turn.thoughts.append(Thought(DIALECT, raw.copy()))


def _take_redacted(turn: _Turn, _block: Typed, raw: msgspec.Raw, _where: str) -> None:
    turn.thoughts.append(Thought(DIALECT, raw.copy()))


def _take_tool_use(turn: _Turn, block: _ToolUse, _raw: msgspec.Raw, where: str) -> None:
    text = bytes(block.input).decode()
    if not text.startswith("{"):
        raise CallerFault(
            Code.INVALID_REQUEST, f"Invalid type for '{where}.input': expected an object.", param=f"{where}.input"
        )
    turn.calls.append(ToolCall(unwrap_id(block.id), block.name, text))


def _take_tool_result(turn: _Turn, block: _ToolResult, _raw: msgspec.Raw, where: str) -> None:
    inner = open_turn(turn.beside)
    _read_content(inner, block.content, f"{where}.content")
    inner.close_text()
    turn.results.append(
        Message(
            role="tool",
            parts=tuple(inner.parts),
            tool_call_id=unwrap_id(block.tool_use_id),
            is_error=bool(block.is_error),
        )
    )


def _take_tool_reference(turn: _Turn, block: _ToolReference, _raw: msgspec.Raw, _where: str) -> None:
    """The provider puts the tool's definition here; other models are offered it with the rest."""
    turn.beside.named.add(block.tool_name)
    turn.beside.withdrawn.discard(block.tool_name)
    turn.add_part(TextPart(f"{block.tool_name} can be called."))


def _take_tool_addition(turn: _Turn, block: _ToolChange, _raw: msgspec.Raw, _where: str) -> None:
    if bytes(block.tool.definition) not in NOTHING:
        turn.beside.defined.append(block.tool.definition)
    turn.beside.named.add(block.tool.name)
    turn.beside.withdrawn.discard(block.tool.name)


def _take_tool_removal(turn: _Turn, block: _ToolChange, _raw: msgspec.Raw, _where: str) -> None:
    turn.beside.withdrawn.add(block.tool.name)
    turn.beside.named.discard(block.tool.name)


def _read_content(turn: _Turn, content: str | list[msgspec.Raw] | None, path: str) -> None:
    if isinstance(content, str):
        turn.add_part(TextPart(content))
    elif content is not None:
        _read_blocks(turn, content, path)


def missing(path: str) -> CallerFault:
    return CallerFault(Code.INVALID_REQUEST, f"Missing required parameter: '{path}'.", param=path)


_typed = msgspec.json.Decoder(Typed)
_Take = Callable[[_Turn, Any, msgspec.Raw, str], None]


def _reader(kind: Any, take: _Take) -> tuple[msgspec.json.Decoder[Any], _Take]:
    return msgspec.json.Decoder(kind), take


_READERS: Mapping[str, tuple[msgspec.json.Decoder[Any], _Take]] = {
    "text": _reader(Text, _take_text),
    "image": _reader(_Image, _take_image),
    "document": _reader(_Document, _take_document),
    "search_result": _reader(_SearchResult, _take_search_result),
    "thinking": _reader(_Thinking, _take_thinking),
    "redacted_thinking": _reader(Typed, _take_redacted),
    "tool_use": _reader(_ToolUse, _take_tool_use),
    "tool_result": _reader(_ToolResult, _take_tool_result),
    "tool_reference": _reader(_ToolReference, _take_tool_reference),
    "tool_addition": _reader(_ToolChange, _take_tool_addition),
    "tool_removal": _reader(_ToolChange, _take_tool_removal),
}
