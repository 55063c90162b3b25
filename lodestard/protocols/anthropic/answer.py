"""What Anthropic's events and whole messages have in common: their members, and what those say.

Law: only a kind that is known must have the shape that is known; whatever else a newer version sends is passed on or
passed over. Source: Anthropic's API reference, "Create a Message" and "Streaming messages".
"""

import re
from collections.abc import Mapping
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from lodestard.domain.errors import Code, UpstreamFault
from lodestard.domain.reply import Finish
from lodestard.domain.request import Thought
from lodestard.protocols.anthropic.turns import DIALECT
from lodestard.protocols.sse import frame

ABSENT = msgspec.Raw()
NOTHING = (b"", b"null")
_KNOWN = frozenset({"id", "type", "role", "model", "content", "stop_reason", "usage"})
_BLOCKS = frozenset({"text", "thinking", "redacted_thinking", "tool_use"})
_DELTAS = frozenset({"text_delta", "thinking_delta", "signature_delta", "input_json_delta"})
_EVENTS = frozenset(
    {
        "message_start", "message_delta", "message_stop", "content_block_start", "content_block_delta",
        "content_block_stop", "error",
    }
)  # fmt: skip
_FINISHES: Mapping[str, Finish] = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "tool_use": "tool_calls",
    "refusal": "content_filter",
    "pause_turn": "length",  # it waits to be asked to go on: not the end, and nothing to keep
}
_EVENT_NAME = re.compile(r"[A-Za-z0-9_.-]{1,64}")

Index = Annotated[int, Meta(ge=0, le=4095)]


class Block(msgspec.Struct, frozen=True):
    """A content block: whole, or as it begins."""

    type: str = ""
    text: str | None = None
    thinking: str | None = None
    signature: str | None = None
    data: str | None = None
    id: str | None = None
    name: str | None = None
    input: msgspec.Raw = ABSENT


class Message(msgspec.Struct, frozen=True):
    """A whole message, or as it begins."""

    type: str = ""
    id: str | None = None
    model: str | None = None
    content: list[msgspec.Raw] | None = None
    stop_reason: str | None = None
    usage: msgspec.Raw = ABSENT
    error: msgspec.Raw = ABSENT


class Delta(msgspec.Struct, frozen=True):
    """More of a block, or how the message ended."""

    type: str = ""
    text: str | None = None
    partial_json: str | None = None
    thinking: str | None = None
    signature: str | None = None
    stop_reason: str | None = None


class Event(msgspec.Struct, frozen=True):
    """An event: the members that the house reads."""

    type: str = ""
    index: Index = 0
    delta: Delta | None = None
    content_block: Block | None = None
    message: msgspec.Raw = ABSENT
    usage: msgspec.Raw = ABSENT
    error: msgspec.Raw = ABSENT


class _Kind(msgspec.Struct, frozen=True):
    type: Any = None


class _Kinds(msgspec.Struct, frozen=True):
    type: Any = None
    delta: msgspec.Raw = ABSENT
    content_block: msgspec.Raw = ABSENT


decode_event = msgspec.json.Decoder(Event).decode
decode_message = msgspec.json.Decoder(Message).decode
_block = msgspec.json.Decoder(Block)
_kind = msgspec.json.Decoder(_Kind)
_kinds = msgspec.json.Decoder(_Kinds)
_members = msgspec.json.Decoder(dict[str, msgspec.Raw])


def find_foreign(event: bytes) -> str | None:
    """The name of an event that is of a kind we don't know, in it or around it. None for one that we should know.

    Raises ``ValueError`` for what is no event at all.
    """
    said = _kinds.decode(event)
    if not isinstance(said.type, str):
        return None
    if said.type not in _EVENTS:
        return said.type
    for raw, known in ((said.delta, _DELTAS), (said.content_block, _BLOCKS)):
        if bytes(raw) not in NOTHING and _is_foreign(raw, known):
            return said.type
    return None


def _is_foreign(raw: msgspec.Raw, known: frozenset[str]) -> bool:
    kind = _kind.decode(raw).type
    return isinstance(kind, str) and kind not in known


def decode_block(raw: msgspec.Raw) -> Block | None:
    """A whole block, or None for a kind that we don't know. Raises ``ValueError``."""
    return None if _is_foreign(raw, _BLOCKS) else _block.decode(raw)


def read_finish(reason: str) -> Finish:
    """A reason that we don't know is passed on, but its answer is not worth keeping."""
    return _FINISHES.get(reason, "error")


def read_thought(block: Block) -> Thought | None:
    """What has to come back with the results of calls; None where it could not be checked there."""
    if block.type == "redacted_thinking" and block.data:
        return _thought({"type": block.type, "data": block.data})
    if block.type == "thinking" and block.signature:
        return _thought({"type": block.type, "thinking": block.thinking or "", "signature": block.signature})
    return None


def _thought(block: dict[str, str]) -> Thought:
    return Thought(DIALECT, msgspec.Raw(msgspec.json.encode(block)))


def read_extra(message: bytes) -> dict[str, msgspec.Raw]:
    """The members of a message that the house has no word for."""
    if not message.isascii():
        message.decode()  # the decoder does not look into what stays raw
    found = _members.decode(message)
    return {name: raw.copy() for name, raw in found.items() if name not in _KNOWN and bytes(raw) != b"null"}


def frame_event(kind: str, data: bytes) -> bytes:
    """An event as it is sent there: named by what its data says that it is."""
    return b"event: %b\n%b" % (kind.encode(), frame(data)) if _EVENT_NAME.fullmatch(kind) else frame(data)


def garbage(text: str = "The upstream sent something that is no part of a message.") -> UpstreamFault:
    return UpstreamFault(Code.UPSTREAM_GARBAGE, text)
