"""Anthropic's messages and stream events, built from a planned choice.

Law: pure. ``message_start`` carries the input's usage, ``message_delta`` the output's, which is cumulative.
"""

from collections.abc import Iterator

import msgspec

from lodestard.simulator.answering.question import Json
from lodestard.simulator.paid.anthropic_rules import signature
from lodestard.simulator.paid.chat_writer import Chunk
from lodestard.simulator.paid.choices import Choice, SaidCall
from lodestard.simulator.paid.meter import Tokens

PING = b'event: ping\ndata: {"type": "ping"}\n\n'
_REASONS = {"stop": "end_turn", "length": "max_tokens", "tool_calls": "tool_use"}


class MessageWriter:
    """Writes one message."""

    def __init__(self, model: str, message_id: str, choice: Choice, tokens: Tokens) -> None:
        self._model = model
        self._id = message_id
        self._choice = choice
        self._tokens = tokens

    def whole(self, *, usage: bool) -> bytes:
        message = {**self._message(), "content": list(self._blocks()), **self._ending()}
        if usage:
            message["usage"] = {**self.input_usage(), "output_tokens": self._tokens.completion}
        return msgspec.json.encode(message)

    def start(self, *, usage: bool) -> bytes:
        message: dict[str, Json] = {**self._message(), "content": [], "stop_reason": None, "stop_sequence": None}
        if usage:
            message["usage"] = {**self.input_usage(), "output_tokens": 1}
        return event("message_start", {"message": message})

    def chunks(self) -> Iterator[Chunk]:
        """The events of all content blocks."""
        at = 0
        if self._choice.reasoning:
            yield from self._thinking_chunks(at)
            at += 1
        if self._choice.pieces or not self._choice.calls:
            yield from self._text_chunks(at)
            at += 1
        for call in self._choice.calls:
            yield from _call_chunks(at, call)
            at += 1

    def delta(self, *, usage: bool) -> bytes:
        body: dict[str, Json] = {"delta": self._ending()}
        if usage:
            body["usage"] = {"output_tokens": self._tokens.completion}
        return event("message_delta", body)

    def input_usage(self) -> dict[str, Json]:
        """``input_tokens`` excludes what the cache read or wrote."""
        tokens = self._tokens
        return {
            "input_tokens": tokens.prompt - tokens.cached - tokens.cache_write,
            "cache_creation_input_tokens": tokens.cache_write,
            "cache_read_input_tokens": tokens.cached,
            "cache_creation": {
                "ephemeral_5m_input_tokens": tokens.cache_write - tokens.cache_write_1h,
                "ephemeral_1h_input_tokens": tokens.cache_write_1h,
            },
            "service_tier": "standard",
        }

    def _message(self) -> dict[str, Json]:
        return {"id": self._id, "type": "message", "role": "assistant", "model": self._model}

    def _ending(self) -> dict[str, Json]:
        reason = "stop_sequence" if self._choice.stop else _REASONS[self._choice.finish]
        return {"stop_reason": reason, "stop_sequence": self._choice.stop}

    def _blocks(self) -> Iterator[dict[str, Json]]:
        choice = self._choice
        if choice.reasoning:
            thinking = "".join(choice.reasoning)
            yield {"type": "thinking", "thinking": thinking, "signature": signature(thinking)}
        if choice.pieces or not choice.calls:
            yield {"type": "text", "text": choice.text}
        for call in choice.calls:
            arguments = msgspec.json.decode(call.arguments)
            yield {"type": "tool_use", "id": _tool_id(call), "name": call.name, "input": arguments}

    def _thinking_chunks(self, at: int) -> Iterator[Chunk]:
        yield Chunk(_block_start(at, {"type": "thinking", "thinking": "", "signature": ""}))
        for piece in self._choice.reasoning:
            yield Chunk(_block_delta(at, {"type": "thinking_delta", "thinking": piece}), 1, reasoning=True)
        signed = {"type": "signature_delta", "signature": signature("".join(self._choice.reasoning))}
        yield Chunk(_block_delta(at, signed))
        yield Chunk(_block_stop(at))

    def _text_chunks(self, at: int) -> Iterator[Chunk]:
        yield Chunk(_block_start(at, {"type": "text", "text": ""}))
        for piece in self._choice.pieces:
            yield Chunk(_block_delta(at, {"type": "text_delta", "text": piece}), 1)
        yield Chunk(_block_stop(at))


def _call_chunks(at: int, call: SaidCall) -> Iterator[Chunk]:
    """An empty input is sent by no delta at all."""
    block = {"type": "tool_use", "id": _tool_id(call), "name": call.name, "input": {}}
    yield Chunk(_block_start(at, block), call.tokens - len(call.pieces))
    for piece in call.pieces:
        data = _block_delta(at, {"type": "input_json_delta", "partial_json": piece})
        yield Chunk(b"" if call.arguments == "{}" else data, 1)
    yield Chunk(_block_stop(at))


def event(kind: str, body: dict[str, Json]) -> bytes:
    return b"event: %b\ndata: %b\n\n" % (kind.encode(), msgspec.json.encode({"type": kind, **body}))


def _block_start(at: int, block: Json) -> bytes:
    return event("content_block_start", {"index": at, "content_block": block})


def _block_delta(at: int, delta: Json) -> bytes:
    return event("content_block_delta", {"index": at, "delta": delta})


def _block_stop(at: int) -> bytes:
    return event("content_block_stop", {"index": at})


def _tool_id(call: SaidCall) -> str:
    return call.id.replace("call_", "toolu_")
