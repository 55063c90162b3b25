"""What chunks and whole answers of OpenAI's dialect have in common: their members, and what those say.

Source: OpenAI's API reference, "The chat completion chunk object" and "The chat completion object".
"""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from lodestard.domain.errors import Code, UpstreamFault
from lodestard.domain.reply import Finish, ToolCallPiece
from lodestard.protocols.json_depth import nests_deeper
from lodestard.protocols.openai.errors import stream_fault

ABSENT = msgspec.Raw()
_NOTHING = (b"", b"null")
_KNOWN = frozenset({"id", "object", "created", "model", "choices", "usage", "error"})
_FINISHES: Mapping[str, Finish] = {
    "stop": "stop",
    "length": "length",
    "tool_calls": "tool_calls",
    "content_filter": "content_filter",
    "function_call": "function_call",
    "eos": "stop",
    "end_turn": "stop",
    "stop_sequence": "stop",
    "max_tokens": "length",
}
_BROKEN = frozenset({"error", "abort", "insufficient_system_resource", "malformed_function_call"})

_LOGPROBS_DEPTH = 16

_Index = Annotated[int, Meta(ge=0, le=4095)]


class Function(msgspec.Struct, frozen=True):
    name: str | None = None
    arguments: str | None = None


class Call(msgspec.Struct, frozen=True):
    """A tool call; in a delta as much of it as came. ``extra_content`` is Gemini's compatible endpoint's."""

    index: _Index | None = None
    id: str | None = None
    function: Function | None = None
    extra_content: msgspec.Raw = ABSENT


class Message(msgspec.Struct, frozen=True):
    """A delta, or the whole message of a plain answer: the same members."""

    content: str | list[msgspec.Raw] | None = None
    reasoning_content: str | None = None
    reasoning: str | None = None
    refusal: str | None = None
    tool_calls: list[Call] | None = None


class Choice(msgspec.Struct, frozen=True):
    """A chunk has a ``delta``, a plain answer a ``message``; a text completion has a ``text`` in both."""

    index: _Index = 0
    delta: Message | None = None
    message: Message | None = None
    text: str | None = None
    finish_reason: str | None = None
    logprobs: msgspec.Raw = ABSENT


class Answer(msgspec.Struct, frozen=True):
    """A chunk or a plain answer: the members that the house reads."""

    id: str | None = None
    object: str | None = None
    model: str | None = None
    created: int | float | None = None
    choices: list[Choice] | None = None
    usage: msgspec.Raw = ABSENT
    service_tier: Any = None
    error: msgspec.Raw = ABSENT


class _Error(msgspec.Struct, frozen=True):
    error: msgspec.Raw = ABSENT


class _Part(msgspec.Struct, frozen=True):
    text: str = ""


class _Logprobs(msgspec.Struct, frozen=True):
    content: list[msgspec.Raw] | None = None
    refusal: list[msgspec.Raw] | None = None


_answer = msgspec.json.Decoder(Answer)
_errors = msgspec.json.Decoder(list[_Error])
read_members = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_part = msgspec.json.Decoder(_Part)
_logprobs = msgspec.json.Decoder(_Logprobs)
NO_MESSAGE = Message()


def decode(event: bytes) -> Answer:
    """A chunk or a whole answer. Raises ``ValueError`` for neither, and the fault that an error event tells of."""
    if event[:1] == b"[" and (errors := _errors.decode(event)):
        raise stream_fault(event) if errors[0].error is not ABSENT else garbage()  # so Gemini says what went wrong
    answer = _answer.decode(event)
    if (answer.error is not ABSENT and bytes(answer.error) != b"null") or answer.object == "error":
        raise stream_fault(event)
    return answer


def read_finish(reason: str | None) -> Finish | None:
    """How a choice ended, in the house's words. Raises ``UpstreamFault`` where the provider broke off."""
    if not reason:
        return None
    finish = _FINISHES.get(reason)
    if finish is None:
        reason = reason.lower()
        if reason in _BROKEN:
            raise UpstreamFault(Code.UPSTREAM_ERROR, "The provider broke off its answer with an error.")
        finish = _FINISHES.get(reason, "error")  # unknown: passed on, but not worth keeping
    return finish


def read_call(call: Call, index: int) -> ToolCallPiece:
    """A call, or the part of it that a delta has."""
    function = call.function or Function()
    return ToolCallPiece(index, call.id or "", function.name or "", function.arguments or "")


def read_names(answer: Answer) -> tuple[str, str, int]:
    """Id, model and creation time, as far as they make sense."""
    created = answer.created
    if created is None or not 0 <= created < 2**53:
        created = 0
    return answer.id or "", answer.model or "", int(created)


def read_extra(event: bytes) -> Mapping[str, msgspec.Raw] | None:
    """The top-level members that the house has no word for."""
    if not event.isascii():
        event.decode()  # the decoder does not look into what stays raw
    found = {name: raw for name, raw in read_members(event).items() if name not in _KNOWN and bytes(raw) != b"null"}
    return found or None


def read_logprobs(raw: msgspec.Raw) -> msgspec.Raw | None:
    """``{"content": […], "refusal": […]}``, and nothing else: others join them."""
    if bytes(raw) in _NOTHING:
        return None
    try:
        bytes(raw).decode()
        _logprobs.decode(raw)
        deep = nests_deeper(bytes(raw), _LOGPROBS_DEPTH)
    except (ValueError, RecursionError):
        return None
    return None if deep else raw


def read_text(content: str | Sequence[msgspec.Raw] | None) -> str:
    """Text as it is, or of Mistral's parts."""
    if type(content) is str:
        return content
    return "".join([_part.decode(raw).text for raw in content]) if content else ""


def garbage(text: str = "The upstream sent something that is no part of a chat completion.") -> UpstreamFault:
    return UpstreamFault(Code.UPSTREAM_GARBAGE, text)
