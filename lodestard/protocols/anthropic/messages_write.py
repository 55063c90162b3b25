"""Anthropic's messages, as a client gets them: pieces → events, a whole reply → a body.

Law: what an upstream of this dialect said goes through byte for byte; anything else is built from the pieces. A
failed answer never ends with ``message_stop``. Sources: Anthropic's API reference, "Messages" and "Streaming
Messages".
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec

from lodestard.domain.errors import Fault
from lodestard.domain.reply import Choice, Finish, Piece, Reply, ToolCallPiece
from lodestard.domain.request import Request
from lodestard.domain.usage import Usage
from lodestard.protocols.anthropic.call_ids import make_id, wrap_id
from lodestard.protocols.anthropic.messages_events import BlockWriter, is_said_in, own_blocks, write_event
from lodestard.protocols.anthropic.turns import DIALECT, read_arguments
from lodestard.protocols.error_bodies import anthropic_error

_PING = b'event: ping\ndata: {"type":"ping"}\n\n'
_STOP = b'event: message_stop\ndata: {"type":"message_stop"}\n\n'
_STOPPED = b"event: message_stop\n"
_REASONS: Mapping[Finish | None, str] = {
    "stop": "end_turn",
    "length": "max_tokens",
    "tool_calls": "tool_use",
    "function_call": "tool_use",
    "content_filter": "refusal",
}
_TOLD_LAST = ("stop_details", "container")
"""Members of a message beside the reason that a stream tells at its end."""

_TIERS = frozenset({"standard", "priority", "batch"})
_encode = msgspec.json.Encoder().encode


class StreamWriter:
    """Writes the events of one streamed answer."""

    __slots__ = ("_blocks", "_extra", "_finish", "_model", "_passing", "_reply_id", "_stopped", "_usage")

    content_type = "text/event-stream"

    def __init__(self, request: Request, reply_id: str) -> None:
        self._model = request.alias
        self._reply_id = reply_id
        self._blocks: BlockWriter | None = None
        self._passing = self._stopped = False
        self._extra: dict[str, Any] = {}
        self._finish: Finish | None = None
        self._usage: Usage | None = None

    def open(self) -> bytes:
        """Nothing: ``message_start`` names the model, which comes with the first piece."""
        return b""

    def write(self, pieces: Sequence[Piece]) -> bytes:
        """The events of these pieces."""
        return b"".join([self._write(piece) for piece in pieces])

    def close(self) -> bytes:
        """What is still held back, and the end; nothing where the upstream's own end went through."""
        if self._passing:
            return b"" if self._stopped else _STOP
        head = b"" if self._blocks is not None else self._start()
        blocks = self._blocks or BlockWriter(self._reply_id)
        tail = blocks.close()
        ending = ending_members(self._finish, self._extra, called=blocks.called)
        ending |= {name: self._extra[name] for name in _TOLD_LAST if name in self._extra}
        usage = usage_members(self._usage) if self._usage is not None else {"output_tokens": 0}
        return head + tail + write_event("message_delta", {"delta": ending, "usage": usage}) + _STOP

    def fail(self, fault: Fault) -> bytes:
        """An error event and no ``message_stop``: Anthropic's SDKs raise for it."""
        return b"event: error\ndata: " + _encode(anthropic_error(fault, self._reply_id)) + b"\n\n"

    def keep_alive(self) -> bytes:
        return _PING

    def _write(self, piece: Piece) -> bytes:
        if self._blocks is None:
            if piece.raw:
                return self._pass(piece)
            if self._passing:
                return b""  # made by us, in the midst of an answer that is another's
        return self._build(piece)

    def _pass(self, piece: Piece) -> bytes:
        self._passing = True
        if not (piece.text or piece.reasoning) and _STOPPED in piece.raw:
            self._stopped = True
        return piece.raw

    def _build(self, piece: Piece) -> bytes:
        if piece.usage is not None:
            self._usage = piece.usage
        if piece.model:
            self._model = piece.model
        if piece.extra:
            self._extra.update(piece.extra)
        if piece.choice or not (piece.has_content or piece.thoughts):
            return b""
        if piece.finish is not None:
            self._finish = piece.finish
        head = b""
        if self._blocks is None:
            head = self._start()
            self._blocks = BlockWriter(self._reply_id)
        return head + self._blocks.write(piece)

    def _start(self) -> bytes:
        message = {
            **{name: raw for name, raw in self._extra.items() if name not in _TOLD_LAST},
            **_head(self._reply_id, self._model),
            "content": [],
            "stop_reason": None,
            "stop_sequence": None,
            "usage": usage_members(self._usage or Usage()),
        }
        return write_event("message_start", {"message": message})


def write_reply(reply: Reply, request: Request, *, reply_id: str) -> bytes:
    """The whole answer: the upstream's own body where it is of this dialect, otherwise built of the first choice."""
    if reply.dialect == DIALECT and reply.body:
        return reply.body
    choice = reply.choices[0] if reply.choices else Choice()
    return _encode(
        {
            **reply.extra,
            **_head(reply_id, reply.model or request.alias),
            "content": [*_blocks(choice, reply_id)],
            **ending_members(choice.finish, reply.extra, called=bool(choice.tool_calls)),
            "usage": usage_members(reply.usage or Usage()),
        }
    )


def usage_members(usage: Usage) -> dict[str, Any]:
    """Usage in Anthropic's words, in which the input does not include what the cache read or wrote."""
    written, read = usage.cache_write_tokens, usage.cached_tokens
    long_lived = min(usage.cache_write_1h_tokens, written)
    members: dict[str, Any] = {
        "input_tokens": max(0, usage.prompt_tokens - read - written),
        "cache_creation_input_tokens": written,
        "cache_read_input_tokens": read,
        "cache_creation": {
            "ephemeral_5m_input_tokens": written - long_lived,
            "ephemeral_1h_input_tokens": long_lived,
        },
        "output_tokens": usage.completion_tokens,
    }
    if usage.reasoning_tokens:
        members["output_tokens_details"] = {"thinking_tokens": usage.reasoning_tokens}
    if usage.service_tier in _TIERS:
        members["service_tier"] = usage.service_tier
    return members


def ending_members(finish: Finish | None, extra: Mapping[str, Any], *, called: bool) -> dict[str, Any]:
    """Why the answer ended. Which sequence stopped it nobody says but Anthropic: a kept answer of its own has it."""
    sequence = extra.get("stop_sequence")
    if sequence is not None and finish == "stop" and not called:
        return {"stop_reason": "stop_sequence", "stop_sequence": sequence}
    return {"stop_reason": stop_reason(finish, called=called), "stop_sequence": None}


def stop_reason(finish: Finish | None, *, called: bool) -> str:
    """A finish in Anthropic's words. Some servers say no more than ``stop`` after a call."""
    if called and finish in ("stop", None):
        return "tool_use"
    return _REASONS.get(finish, "end_turn")


def _head(reply_id: str, model: str) -> dict[str, Any]:
    return {"id": f"msg_{reply_id.removeprefix('req_')}", "type": "message", "role": "assistant", "model": model}


def _blocks(choice: Choice, reply_id: str) -> Iterator[Any]:
    own = own_blocks(choice.thoughts)
    if not is_said_in(choice.reasoning, own):
        yield {"type": "thinking", "thinking": choice.reasoning, "signature": ""}
        own = [block for block in own if block.type != "thinking"]
    yield from (block.raw for block in own)
    if text := choice.text + choice.refusal:
        yield {"type": "text", "text": text}
    for place, call in enumerate(choice.tool_calls):
        yield _tool_use(call, reply_id, place)


def _tool_use(call: ToolCallPiece, reply_id: str, place: int) -> dict[str, Any]:
    call_id = wrap_id(call.id) if call.id else make_id(reply_id, place)
    return {"type": "tool_use", "id": call_id, "name": call.name, "input": read_arguments(call.arguments)}
