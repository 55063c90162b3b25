"""What streamed and plain answers of OpenAI's Responses API have in common: output items, and how an answer ended.

Law: items that the house has no word for are read over; an answer with them is not worth keeping, for it can't be
told again from its pieces. Source: OpenAI's API reference, "The response object".
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec

from lodestard.domain.errors import Code, Fault, UpstreamFault
from lodestard.domain.reply import Finish, Piece, ToolCallPiece
from lodestard.domain.request import Thought
from lodestard.protocols.json_depth import nests_deeper
from lodestard.protocols.openai.answer import read_logprobs, read_members
from lodestard.protocols.openai.errors import stream_fault

DIALECT = "responses"
ABSENT = msgspec.Raw()
NOTHING = (b"", b"null")
PARAGRAPH = "\n\n"
_KNOWN = frozenset(
    {"id", "object", "created_at", "model", "status", "output", "usage", "error", "incomplete_details", "output_text"}
)
_CALLS = frozenset({"function_call", "custom_tool_call"})
_TOLD = frozenset({"message", "reasoning", "function_call"})
_CUT_OFF: Mapping[str, Finish] = {
    "max_output_tokens": "length",
    "max_tokens": "length",
    "content_filter": "content_filter",
}
_THOUGHT_DEPTH = 16


class _Kind(msgspec.Struct, frozen=True):
    type: str = ""


class _Part(msgspec.Struct, frozen=True):
    """A part of a message, or of what was thought."""

    text: str | None = None
    refusal: str | None = None
    logprobs: msgspec.Raw = ABSENT


class _Message(msgspec.Struct, frozen=True):
    content: list[_Part] | None = None


class Call(msgspec.Struct, frozen=True):
    """A call; that of a custom tool has its text as ``input``."""

    call_id: str | None = None
    name: str | None = None
    arguments: str | None = None
    input: str | None = None

    @property
    def text(self) -> str:
        return self.arguments or self.input or ""


class _Reasoning(msgspec.Struct, frozen=True):
    summary: list[_Part] | None = None
    content: list[_Part] | None = None
    encrypted_content: str | None = None


class _Cut(msgspec.Struct, frozen=True):
    reason: str | None = None


class Response(msgspec.Struct, frozen=True):
    """The members of an answer that the house reads."""

    id: str | None = None
    model: str | None = None
    created_at: int | float | None = None
    status: str | None = None
    output: list[msgspec.Raw] | None = None
    usage: msgspec.Raw = ABSENT
    error: msgspec.Raw = ABSENT
    incomplete_details: _Cut | None = None
    service_tier: Any = None


class Item(msgspec.Struct, frozen=True, kw_only=True):
    """One output item, in the house's words. ``odd``: of a kind that it has none for."""

    text: str = ""
    refusal: str = ""
    reasoning: str = ""
    call: Call | None = None
    thoughts: tuple[Thought, ...] = ()
    logprobs: tuple[msgspec.Raw, ...] = ()
    odd: bool = False


_kind = msgspec.json.Decoder(_Kind)
_message = msgspec.json.Decoder(_Message)
_call = msgspec.json.Decoder(Call)
_reasoning = msgspec.json.Decoder(_Reasoning)
_raws = msgspec.json.Decoder(list[msgspec.Raw])
decode_response = msgspec.json.Decoder(Response).decode


def read_item(raw: msgspec.Raw) -> Item:
    """An item of ``output``. Raises ``ValueError`` where it is none."""
    kind = _kind.decode(raw).type
    if kind == "message":
        return _read_message(_message.decode(raw).content or ())
    if kind in _CALLS:
        return Item(call=_call.decode(raw), odd=kind not in _TOLD)
    if kind == "reasoning":
        return _read_reasoning(raw)
    return Item(odd=True)


def _read_message(parts: Sequence[_Part]) -> Item:
    return Item(
        text="".join([part.text for part in parts if part.text]),
        refusal="".join([part.refusal for part in parts if part.refusal]),
        logprobs=tuple([part.logprobs for part in parts if part.logprobs is not ABSENT]),
    )


def _read_reasoning(raw: msgspec.Raw) -> Item:
    said = _reasoning.decode(raw)
    parts = said.summary or said.content or ()
    thoughts = (read_thought(raw),) if said.encrypted_content else ()
    return Item(reasoning=PARAGRAPH.join([part.text for part in parts if part.text]), thoughts=thoughts)


def read_thought(raw: msgspec.Raw) -> Thought:
    """A reasoning item as it came. Raises ``ValueError`` for what could not be sent back."""
    text = bytes(raw)
    text.decode()  # the decoder does not look into what stays raw
    if nests_deeper(text, _THOUGHT_DEPTH):
        raise ValueError("nested too deeply")
    return Thought(DIALECT, msgspec.Raw(text))


def gather(items: Sequence[Item], first_call: int = 0) -> Piece:
    """What items say together. ``first_call``: the number of the first call among them."""
    calls = [item.call for item in items if item.call is not None]
    logprobs = [raw for item in items for raw in item.logprobs]
    return Piece(
        text="".join([item.text for item in items]),
        refusal="".join([item.refusal for item in items]),
        reasoning=PARAGRAPH.join([item.reasoning for item in items if item.reasoning]),
        tool_calls=tuple([_tool_call(call, first_call + place) for place, call in enumerate(calls)]),
        thoughts=tuple([thought for item in items for thought in item.thoughts]),
        logprobs=join_logprobs(logprobs) if logprobs else None,
    )


def _tool_call(call: Call, index: int) -> ToolCallPiece:
    return ToolCallPiece(index, call.call_id or "", call.name or "", call.text)


def join_logprobs(found: Iterable[msgspec.Raw]) -> msgspec.Raw | None:
    """Lists of tokens → the form in which chat completions tell of them, or None where there are none."""
    entries: list[msgspec.Raw] = []
    for raw in found:
        if bytes(raw) not in (*NOTHING, b"[]"):
            try:
                entries += _raws.decode(raw)
            except msgspec.ValidationError:
                return None
    return read_logprobs(msgspec.Raw(msgspec.json.encode({"content": entries}))) if entries else None


def read_ending(response: Response, *, calls: bool, odd: bool) -> Finish:
    """How an answer that is whole ended. Raises the fault that it tells of."""
    if bytes(response.error) not in NOTHING or response.status in ("failed", "cancelled"):
        raise failure(response)
    if response.status == "incomplete":
        reason = response.incomplete_details.reason if response.incomplete_details is not None else None
        return _CUT_OFF.get(reason or "", "error")
    if odd:
        return "error"
    return "tool_calls" if calls else "stop"


def failure(response: Response) -> Fault:
    """The fault of an answer that failed; what was done until then may be billed."""
    error = bytes(response.error)
    if error in NOTHING:
        what = "cancelled its answer" if response.status == "cancelled" else "failed, and did not say why"
        return UpstreamFault(Code.UPSTREAM_ERROR, f"The provider {what}.")
    return stream_fault(b'{"error":%b}' % error)


def read_names(response: Response) -> tuple[str, str, int]:
    """Id, model and creation time, as far as they make sense."""
    created = response.created_at
    if created is None or not 0 <= created < 2**53:
        created = 0
    return response.id or "", response.model or "", int(created)


def read_extra(response: bytes) -> Mapping[str, msgspec.Raw] | None:
    """The members of an answer that the house has no word for."""
    if not response.isascii():
        response.decode()  # the decoder does not look into what stays raw
    found = {
        name: raw for name, raw in read_members(response).items() if name not in _KNOWN and bytes(raw) != b"null"
    }
    return found or None


def garbage(text: str = "The upstream sent something that is no part of a response.") -> UpstreamFault:
    return UpstreamFault(Code.UPSTREAM_GARBAGE, text)
