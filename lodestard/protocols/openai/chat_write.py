"""OpenAI's chat completions, as a client gets them: pieces → events, a whole reply → a body.

Law: what an upstream of this dialect said goes through byte for byte; only what the client did not ask for (the
usage chunk that we asked for) is left out. Anything else is built from the pieces.
Source: OpenAI's API reference, "The chat completion object" and "The chat completion chunk object".
"""

from typing import Any

from lodestard.domain.reply import Choice, Piece, Reply, ToolCallPiece
from lodestard.domain.request import Request
from lodestard.protocols.openai.event_writer import DONE, EventWriter, encode, usage_members


class StreamWriter(EventWriter):
    """Writes the events of one streamed answer."""

    __slots__ = ("_calls", "_started")

    def __init__(self, request: Request, created: int, reply_id: str) -> None:
        super().__init__(request, created, reply_id)
        self._started: set[int] = set()
        self._calls: set[tuple[int, int]] = set()

    def close(self) -> bytes:
        """The usage chunk, where it was asked for and has not been passed through, and the end."""
        if self._usage is None or not self._include_usage:
            return DONE
        return self._frame([], {"usage": usage_members(self._usage)}) + DONE

    def _build(self, piece: Piece) -> bytes:
        self._model = piece.model or self._model
        if piece.usage is not None:
            self._usage = piece.usage
        extra = dict(piece.extra) if piece.extra else {}
        if not (piece.has_content or piece.logprobs is not None or extra):
            return b""
        choices: list[dict[str, Any]] = []
        delta = self._delta(piece)
        if delta or piece.logprobs is not None:
            choices.append(_chunk_choice(piece, delta))
        if piece.finish is None:
            return self._frame(choices, extra)
        end = {"index": piece.choice, "delta": {}, "finish_reason": piece.finish}
        first = self._frame(choices, extra) if choices or extra else b""
        return first + self._frame([end], {})

    def _delta(self, piece: Piece) -> dict[str, Any]:
        delta: dict[str, Any] = {}
        if piece.choice not in self._started and piece.has_content:
            self._started.add(piece.choice)
            delta["role"] = "assistant"
            delta["content"] = ""
        if piece.text:
            delta["content"] = piece.text
        if piece.reasoning:
            delta["reasoning_content"] = piece.reasoning
        if piece.refusal:
            delta["refusal"] = piece.refusal
        if piece.tool_calls:
            delta["tool_calls"] = [self._tool_delta(piece.choice, call) for call in piece.tool_calls]
        return delta

    def _tool_delta(self, choice: int, call: ToolCallPiece) -> dict[str, Any]:
        function: dict[str, Any] = {"arguments": call.arguments}
        if (choice, call.index) in self._calls:
            return {"index": call.index, "function": function}
        self._calls.add((choice, call.index))
        function = {"name": call.name, "arguments": call.arguments}
        return {"index": call.index, "id": call.id, "type": "function", "function": function}

    def _frame(self, choices: list[dict[str, Any]], extra: dict[str, Any]) -> bytes:
        chunk: dict[str, Any] = {
            "id": self._reply_id,
            "object": "chat.completion.chunk",
            "created": self._created,
            "model": self._model,
            "choices": choices,
        }
        chunk.update(extra)
        return b"data: " + encode(chunk) + b"\n\n"


def write_reply(reply: Reply, request: Request, *, reply_id: str, created: int) -> bytes:
    """The whole answer: the upstream's own body where it is of this dialect, otherwise built."""
    if reply.dialect == "openai" and reply.body:
        return reply.body
    built: dict[str, Any] = {
        "id": reply_id,
        "object": "chat.completion",
        "created": created,
        "model": reply.model or request.alias,
        "choices": [_whole_choice(choice, index) for index, choice in enumerate(reply.choices)],
    }
    if reply.usage is not None:
        built["usage"] = usage_members(reply.usage)
    for name, value in reply.extra.items():
        built.setdefault(name, value)
    return encode(built)


def _whole_choice(choice: Choice, index: int) -> dict[str, Any]:
    message: dict[str, Any] = {
        "role": "assistant",
        "content": choice.text if choice.text or not (choice.tool_calls or choice.refusal) else None,
        "refusal": choice.refusal or None,
    }
    if choice.reasoning:
        message["reasoning_content"] = choice.reasoning
    if choice.tool_calls:
        message["tool_calls"] = [_whole_call(call) for call in choice.tool_calls]
    return {
        "index": index,
        "message": message,
        "logprobs": choice.logprobs,
        "finish_reason": choice.finish,
    }


def _whole_call(call: ToolCallPiece) -> dict[str, Any]:
    return {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}


def _chunk_choice(piece: Piece, delta: dict[str, Any]) -> dict[str, Any]:
    choice: dict[str, Any] = {"index": piece.choice, "delta": delta, "finish_reason": None}
    if piece.logprobs is not None:
        choice["logprobs"] = piece.logprobs
    return choice
