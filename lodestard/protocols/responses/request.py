"""A request to OpenAI's Responses API, from a client that speaks it or another dialect.

Law: a request of the same dialect goes through as the client wrote it; changed are the model's name, an output
limit of ours, and what would make the provider keep or fetch a conversation: the house does that itself, and what
is fetched could not be priced. Nothing is stored unless the client says so; what was thought comes back encrypted
instead. What a provider would refuse the whole request for, and nobody misses, is left out and told.
Sources: OpenAI's API reference, "Create a model response"; its guide "Reasoning models".
"""

import re
from collections.abc import Mapping
from functools import lru_cache

import msgspec

from lodestard.domain.errors import CallerFault, Code
from lodestard.domain.request import Conversation, Format, Request, ToolChoice
from lodestard.domain.settings import Upstream
from lodestard.protocols.codec import PLAIN_HEADERS, STREAM_HEADERS, WireRequest, join_path
from lodestard.protocols.responses.answer import DIALECT
from lodestard.protocols.responses.items import split_instructions, unsupported, write_items, write_tool

FORM = "responses"
_PATH = "/responses"
_ENCRYPTED = "reasoning.encrypted_content"
_LOGPROBS = "message.output_text.logprobs"
_NULL = msgspec.Raw(b"null")
_WORDED = "openai"
"""The dialect whose word for an effort is OpenAI's own, so that its clients know their model's."""

_ELSEWHERE = ("conversation", "prompt")
"""What names input that is kept at the provider: nobody here knows how long it is."""

_THINKING = re.compile(r"(?:^|/)(?:o\d|gpt-(?:[5-9]|\d\d)(?!.*chat)|codex|grok-[4-9])(?!.*non-reasoning)")
_PLAIN = re.compile(r"(?:^|[/:])(?:chatgpt-|gpt-[34]|gpt-5-chat)")
_value = msgspec.json.Decoder(object)
_input = msgspec.json.Decoder(str | list[msgspec.Raw])


class _Item(msgspec.Struct, frozen=True):
    type: object = None
    content: object = None
    encrypted_content: object = None


_item = msgspec.json.Decoder(_Item)


def write_responses(request: Request, model: str, settings: Upstream) -> WireRequest:
    """``request`` for ``model``. Raises ``CallerFault(NOT_SUPPORTED)`` for what the API can't say."""
    passing = request.dialect == DIALECT
    members, dropped = _pass(request, model) if passing else _build(request, model)
    members["model"] = model
    return WireRequest(
        path=join_path(settings.url, _PATH),
        headers=STREAM_HEADERS if request.stream else PLAIN_HEADERS,
        body=msgspec.json.encode(members),
        streamed=request.stream,
        form=FORM,
        passing=passing,
        dropped=dropped,
        notes=() if passing else _notes(request.conversation),
    )


def _pass(request: Request, model: str) -> tuple[dict[str, object], tuple[str, ...]]:
    """The members of a client of this dialect, and what was left out of them.

    Tools that a provider runs itself, and bills by the call, were left out by whoever read the request.
    """
    said = request.members
    _refuse(said)
    members: dict[str, object] = {name: raw for name, raw in said.items() if name != "previous_response_id"}
    dropped = [path for path in request.unsaid if path.startswith("tools[")]
    limit = request.conversation.sampling.max_output_tokens
    if limit is not None and not _is_within(said.get("max_output_tokens", _NULL), limit):
        members["max_output_tokens"] = limit
    if not _given(said, "store"):
        members["store"] = False
        if thinks(model):
            members["include"] = _with_thoughts(said)
    if never_thinks(model) and isinstance(included := _included(said), list) and _ENCRYPTED in included:
        members["include"] = [name for name in included if name != _ENCRYPTED]
        dropped.append(f"include[].{_ENCRYPTED}")
    if bytes(said.get("store", _NULL)) != b"true" and (known := _without_lost(said["input"])) is not None:
        members["input"] = known
        dropped.append("input[].reasoning")
    return members, tuple(dropped)


def _is_within(raw: msgspec.Raw, limit: int) -> bool:
    """Whether a client's own limit is none above ours: what was held for the answer is what it can cost."""
    said = _value.decode(raw)
    return isinstance(said, int) and said <= limit


def _refuse(members: Mapping[str, msgspec.Raw]) -> None:
    for name in _ELSEWHERE:
        if _given(members, name):
            raise CallerFault(Code.NOT_SUPPORTED, f"'{name}' is not supported: send the input itself.", param=name)
    if bytes(members.get("background", _NULL)) == b"true":
        raise CallerFault(Code.NOT_SUPPORTED, "'background' is not supported: ask and wait.", param="background")


def _without_lost(raw: msgspec.Raw) -> list[msgspec.Raw] | None:
    """The items of an input without thoughts that only another provider knows, or nobody: they are neither kept at
    this one, nor is what they say in them. None where there are no such thoughts."""
    if b'"reasoning"' not in bytes(raw):
        return None
    items = _input.decode(raw)
    known = [item for item in items if not _is_lost(item)] if isinstance(items, list) else items
    return known if isinstance(known, list) and len(known) < len(items) else None


def _is_lost(raw: msgspec.Raw) -> bool:
    item = _item.decode(raw)
    return item.type == "reasoning" and not (item.encrypted_content or item.content)


def _given(members: Mapping[str, msgspec.Raw], name: str) -> bool:
    return bytes(members.get(name, _NULL)) != b"null"


def _with_thoughts(members: Mapping[str, msgspec.Raw]) -> object:
    """What nobody keeps has to come back with the next request."""
    said = _included(members)
    return said if not isinstance(said, list) or _ENCRYPTED in said else [*said, _ENCRYPTED]


def _included(members: Mapping[str, msgspec.Raw]) -> object:
    return _value.decode(members.get("include", _NULL)) or []


def _build(request: Request, model: str) -> tuple[dict[str, object], tuple[str, ...]]:
    """The members for a conversation of another dialect, and what they can't say of it."""
    talk = request.conversation
    if talk.n != 1:
        raise unsupported("several answers at once", "n")
    instructions, messages = "", talk.messages
    if talk.format.kind != "json":  # then the word JSON has to be in the input itself
        instructions, messages = split_instructions(talk.messages)
    asked: dict[str, object] = {
        "instructions": instructions or None,
        "input": write_items(messages, len(talk.messages) - len(messages)),
        "tools": [write_tool(tool) for tool in talk.tools] or None,
        "tool_choice": None if talk.tool_choice is None else _tool_choice(talk.tool_choice),
        "parallel_tool_calls": talk.parallel_calls if talk.tools else None,
        "text": None if talk.format.kind == "text" else {"format": _format(talk.format)},
        "reasoning": _reasoning(talk.reasoning_effort, request.dialect),
        "temperature": talk.sampling.temperature,
        "top_p": talk.sampling.top_p,
        "max_output_tokens": talk.sampling.max_output_tokens,
        "top_logprobs": talk.top_logprobs,
        "include": _include(talk, model) or None,
    }
    written = {name: value for name, value in asked.items() if value is not None}
    return written | {"store": False, "stream": request.stream}, request.unsaid + _unsaid(talk)


def _reasoning(effort: str, dialect: str) -> dict[str, str] | None:
    """None of it is said by clients of other dialects as a matter of course, and most models refuse the word."""
    return {"effort": effort} if effort and (effort != "none" or dialect == _WORDED) else None


def _include(talk: Conversation, model: str) -> list[str]:
    """Thoughts are wanted where calls may follow them: only then are they sent back."""
    effort = talk.reasoning_effort
    thoughtful = effort != "none" if effort else thinks(model)
    return [_ENCRYPTED] * bool(talk.tools and thoughtful) + [_LOGPROBS] * talk.logprobs


@lru_cache(maxsize=256)
def thinks(model: str) -> bool:
    """Whether a model is known by its name to reason; others may refuse to give their thoughts encrypted."""
    return _THINKING.search(model) is not None


@lru_cache(maxsize=256)
def never_thinks(model: str) -> bool:
    """Whether a model is known by its name not to reason: it refuses to be asked for encrypted thoughts, which Codex
    asks everybody for."""
    return _PLAIN.search(model) is not None


def _tool_choice(choice: ToolChoice) -> object:
    return {"type": "function", "name": choice.name} if choice.mode == "function" else choice.mode


def _format(form: Format) -> dict[str, object]:
    if form.kind == "json":
        return {"type": "json_object"}
    schema: dict[str, object] = {"type": "json_schema", "name": form.name or "answer", "schema": form.schema or {}}
    return schema if form.strict is None else schema | {"strict": form.strict}


def _unsaid(talk: Conversation) -> tuple[str, ...]:
    """What the conversation says and the API has no word for."""
    sampling = talk.sampling
    said = {
        "seed": sampling.seed is not None,
        "stop": bool(sampling.stop),
        "top_k": sampling.top_k is not None,
        "presence_penalty": bool(sampling.presence_penalty),
        "frequency_penalty": bool(sampling.frequency_penalty),
        "messages[].name": any(message.name for message in talk.messages if message.role != "tool"),
    }
    return tuple([name for name, is_said in said.items() if is_said])


def _notes(talk: Conversation) -> tuple[str, ...]:
    beyond = talk.reasoning_tokens is not None and not talk.reasoning_effort
    return ("reasoning budget left to the model",) if beyond else ()
