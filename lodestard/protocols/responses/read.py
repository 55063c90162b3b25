"""OpenAI's Responses, as a client sends them: bytes → ``Request``.

Law: known members are checked and read, unknown ones are kept raw. What the client refers to (an earlier response,
an item) is looked up in what was kept for it and stands in the input from then on, so that no upstream is asked for
what it can't know. Source: OpenAI's API reference, "Create a model response".
"""

from collections.abc import Mapping, Sequence
from typing import Annotated, Protocol

import msgspec
from msgspec import Meta

from lodestard.domain.errors import CallerFault, Code
from lodestard.domain.request import Conversation, Format, Message, OtherPart, Request, Sampling, TextPart
from lodestard.protocols.json_text import Members, decode_typed, missing, read_members
from lodestard.protocols.responses.input import DIALECT, Transcript, find_more_tools, may_be
from lodestard.protocols.responses.toolbox import (
    ABSENT,
    Choice,
    Toolbox,
    ToolSpec,
    choose_tools,
    open_toolbox,
    without_served,
)

_SAID = frozenset(
    {
        "model", "input", "instructions", "stream", "tools", "tool_choice", "parallel_tool_calls", "text",
        "reasoning", "max_output_tokens", "temperature", "top_p", "top_logprobs", "include", "prompt",
        "previous_response_id",
    }
)  # fmt: skip
"""The members that the conversation has words for."""

_LABELS = frozenset(
    {
        "user", "metadata", "store", "safety_identifier", "prompt_cache_key", "prompt_cache_retention",
        "prompt_cache_options", "service_tier", "stream_options", "client_metadata", "max_tool_calls", "background",
        "conversation",
    }
)  # fmt: skip
"""They name or file a request, or bound what only OpenAI does: nothing is lost without them."""

_LOGPROBS = "message.output_text.logprobs"
_NAMELESS = frozenset({"message", "function_call", "function_call_output", "custom_tool_call"})
MAX_REFERRED_BYTES = 16 * 1024 * 1024
"""The most that a request may refer to: one short reference after the other may name the same long item."""

_Tokens = Annotated[int, Meta(ge=1, le=2**31 - 1)]


class _Format(msgspec.Struct, frozen=True):
    type: str
    name: str = ""
    schema: msgspec.Raw = ABSENT
    strict: bool | None = None


class _Text(msgspec.Struct, frozen=True):
    format: _Format | None = None
    verbosity: str | None = None


class _Reasoning(msgspec.Struct, frozen=True):
    effort: str | None = None


class _Body(msgspec.Struct, frozen=True, kw_only=True):
    model: Annotated[str, Meta(min_length=1, max_length=512)]
    input: str | list[msgspec.Raw]
    instructions: str | None = None
    stream: bool | None = None
    tools: list[ToolSpec] | None = None
    tool_choice: str | Choice | None = None
    parallel_tool_calls: bool | None = None
    text: _Text | None = None
    reasoning: _Reasoning | None = None
    max_output_tokens: _Tokens | None = None
    temperature: Annotated[float, Meta(ge=0, le=2)] | None = None
    top_p: Annotated[float, Meta(ge=0, le=1)] | None = None
    top_logprobs: Annotated[int, Meta(ge=0, le=20)] | None = None
    include: list[str] | None = None
    store: bool | None = None
    background: bool | None = None
    conversation: msgspec.Raw = ABSENT
    prompt: msgspec.Raw = ABSENT
    truncation: str | None = None
    previous_response_id: str | None = None


class _Item(msgspec.Struct, frozen=True):
    type: str | None = None
    id: str | None = None
    encrypted_content: str | None = None


class Memory(Protocol):
    """What is kept for whoever asks."""

    def find_items(self, response_id: str) -> Sequence[msgspec.Raw] | None:
        """All items of a response: those that it was asked with, and its own. None where it is not known."""
        ...

    def find_item(self, item_id: str) -> msgspec.Raw | None:
        """One item of any response."""
        ...


class NoMemory:
    """Nothing is kept."""

    def find_items(self, _response_id: str) -> Sequence[msgspec.Raw] | None:
        return None

    def find_item(self, _item_id: str) -> msgspec.Raw | None:
        return None


class Turn(msgspec.Struct, frozen=True, kw_only=True):
    """A request with what its answer's writer wants to know.

    ``items``: the whole input, what was kept included. ``stored``: whether the answer shall be kept.
    """

    request: Request
    box: Toolbox
    items: tuple[msgspec.Raw, ...]
    stored: bool
    previous_id: str = ""


_body = msgspec.json.Decoder(_Body)
_item = msgspec.json.Decoder(_Item)
_object = msgspec.json.Decoder(dict[str, msgspec.Raw])


def read_turn(body: bytes, *, depth: int, memory: Memory) -> Turn:
    """A client's body → the request, checked. Raises ``CallerFault``."""
    members = read_members(body, depth=depth)
    typed = decode_typed(_body.decode, body)
    _refuse(typed)
    earlier = _recall(typed, memory)
    own = _items(typed.input)
    found = _resolve(own, memory)
    if typed.previous_response_id or found:
        members = _expand(members, earlier, own, found)
    items = (*earlier, *[found.get(index, raw) for index, raw in enumerate(own)])
    box = open_toolbox(typed.tools or (), find_more_tools(items))
    if typed.tools and (tools := without_served(members["tools"], typed.tools)) is not None:
        members = {**members, "tools": tools}
    request = _read(typed, members, items, box)
    more = sum(len(bytes(raw)) for raw in (*earlier, *found.values())) + box.added_bytes
    return Turn(
        request=msgspec.structs.replace(request, size_bytes=len(body) + more),
        box=box,
        items=items,
        stored=typed.store is not False,
        previous_id=typed.previous_response_id or "",
    )


def _refuse(typed: _Body) -> None:
    for name, wanted, why in (
        ("background", bool(typed.background), "answers are not made in the background: leave it out"),
        ("conversation", _is_there(typed.conversation), "no conversations are kept: use 'previous_response_id'"),
    ):
        if wanted:
            raise CallerFault(Code.NOT_SUPPORTED, f"'{name}' is not supported: {why}.", param=name)


def _is_there(raw: msgspec.Raw) -> bool:
    return bytes(raw) not in (b"", b"null")


# -- what was kept -----------------------------------------------------------------------------------------------


def _recall(typed: _Body, memory: Memory) -> Sequence[msgspec.Raw]:
    if not typed.previous_response_id:
        return ()
    items = memory.find_items(typed.previous_response_id)
    if items is None:
        raise CallerFault(
            Code.PREVIOUS_RESPONSE_NOT_FOUND,
            f"Previous response with id '{typed.previous_response_id[:128]}' not found.",
            param="previous_response_id",
        )
    return items


def _items(given: str | list[msgspec.Raw]) -> list[msgspec.Raw]:
    if isinstance(given, list):
        return given
    return [msgspec.Raw(msgspec.json.encode({"type": "message", "role": "user", "content": given}))]


def _resolve(items: list[msgspec.Raw], memory: Memory) -> dict[int, msgspec.Raw]:
    """The items that are referred to, by the places of the references."""
    found: dict[int, msgspec.Raw] = {}
    size_bytes = 0
    for index, raw in enumerate(items):
        if not may_be(raw, b"item_reference"):
            continue
        try:
            said = _item.decode(raw)
        except msgspec.ValidationError:
            continue  # whoever reads it says what is wrong
        if said.type != "item_reference" or not said.id:
            continue
        kept = memory.find_item(said.id)
        if kept is None:
            path = f"input[{index}].id"
            raise CallerFault(Code.INVALID_REQUEST, f"Item with id '{said.id[:128]}' not found.", param=path)
        found[index] = kept
        size_bytes += len(bytes(kept))
        if size_bytes > MAX_REFERRED_BYTES:
            text = f"The items that are referred to are larger than {MAX_REFERRED_BYTES} bytes."
            raise CallerFault(Code.REQUEST_TOO_LARGE, text, param="input")
    return found


def _expand(
    members: Members, earlier: Sequence[msgspec.Raw], own: Sequence[msgspec.Raw], found: Mapping[int, msgspec.Raw]
) -> Members:
    """The members as an upstream of the same dialect may have them: whole, and without ids that it can't know."""
    items = [*map(_free, earlier)]
    items += [_free(found[index]) if index in found else raw for index, raw in enumerate(own)]
    expanded = {name: raw for name, raw in members.items() if name != "previous_response_id"}
    expanded["input"] = msgspec.Raw(msgspec.json.encode([raw for raw in items if raw is not None]))
    return expanded


def _free(raw: msgspec.Raw) -> msgspec.Raw | None:
    """An item without its id; None for thoughts that mean nothing without theirs."""
    try:
        said = _item.decode(raw)
    except msgspec.ValidationError:  # of a kind that is not known, or with an id that is none
        return raw
    if said.type == "reasoning":
        return raw if said.encrypted_content else None
    if said.id is None or said.type not in _NAMELESS:
        return raw
    members = _object.decode(raw)
    del members["id"]
    return msgspec.Raw(msgspec.json.encode(members))


# -- the conversation --------------------------------------------------------------------------------------------


def _read(typed: _Body, members: Members, items: Sequence[msgspec.Raw], box: Toolbox) -> Request:
    choice = None
    if typed.tool_choice is not None:
        choice, box = choose_tools(typed.tool_choice, box)
    transcript = _transcribe(typed, items, box)
    conversation = Conversation(
        messages=transcript.end(),
        tools=box.tools,
        tool_choice=choice,
        sampling=Sampling(
            temperature=typed.temperature, top_p=typed.top_p, max_output_tokens=typed.max_output_tokens
        ),
        format=_format(typed.text),
        reasoning_effort=(typed.reasoning.effort or "") if typed.reasoning else "",
        parallel_calls=typed.parallel_tool_calls,
        logprobs=_LOGPROBS in (typed.include or ()),
        top_logprobs=typed.top_logprobs,
    )
    return Request(
        dialect=DIALECT,
        alias=typed.model,
        stream=bool(typed.stream),
        include_usage=True,
        members=members,
        conversation=conversation,
        size_bytes=0,
        unsaid=_find_unsaid(typed, members, transcript.unsaid | box.unsaid),
    )


def _transcribe(typed: _Body, items: Sequence[msgspec.Raw], box: Toolbox) -> Transcript:
    transcript = Transcript(box)
    if _is_there(typed.prompt):  # a template that is kept at OpenAI
        transcript.say(Message(role="developer", parts=(OtherPart("prompt", typed.prompt.copy()),)))
    if typed.instructions:
        transcript.say(Message(role="system", parts=(TextPart(typed.instructions),)))
    for index, raw in enumerate(items):
        transcript.add(raw, f"input[{index}]")
    return transcript


def _find_unsaid(typed: _Body, members: Members, more: set[str] | frozenset[str]) -> tuple[str, ...]:
    """What another dialect would lose of these members."""
    unsaid = set(more)
    for name in members.keys() - _SAID - _LABELS:
        if _is_there(members[name]) and not (name == "truncation" and typed.truncation == "disabled"):
            unsaid.add(name)
    if typed.text and typed.text.verbosity not in (None, "medium"):
        unsaid.add("text.verbosity")
    return tuple(sorted(unsaid))


def _format(text: _Text | None) -> Format:
    form = text.format if text else None
    if form is None:
        return Format()
    match form.type:
        case "text":
            return Format()
        case "json_object":
            return Format(kind="json")
        case "json_schema":
            if not bytes(form.schema).startswith(b"{"):
                raise missing("text.format.schema")
            return Format(kind="json_schema", schema=form.schema, name=form.name, strict=form.strict)
    path = "text.format.type"
    text_said = f"Invalid value for '{path}': expected text, json_object or json_schema."
    raise CallerFault(Code.INVALID_REQUEST, text_said, param=path)
