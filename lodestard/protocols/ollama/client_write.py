"""Answers in Ollama's dialect, as a client gets them: pieces → lines, a whole reply → one line.

Law: only the last line says ``done``, and only of an answer that is whole; figures that are nought or unknown are
left out, as the server does. Tool calls go out whole, before the last line: no client of this dialect reads pieces
of one. Source: Ollama's API documentation, "Streaming responses" and "Errors", and its ``api/types.go``.
"""

from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from lodestard.domain.errors import Fault
from lodestard.domain.reply import Choice, Finish, Piece, Reply, ToolCallPiece
from lodestard.domain.request import Request
from lodestard.domain.usage import Durations, Usage
from lodestard.protocols.error_bodies import message_of
from lodestard.protocols.json_text import read_object
from lodestard.protocols.rfc3339 import write_ms

_DEPTH = 64
_NOT_DONE = b',"done":false}\n'
_encode = msgspec.json.Encoder().encode


class Shape(NamedTuple):
    """What stands around the text in a line of one endpoint."""

    before: bytes
    after: bytes


CHAT = Shape(b'"message":{"role":"assistant","content":', b"}")
GENERATE = Shape(b'"response":', b"")


class _Logprobs(msgspec.Struct, frozen=True):
    content: msgspec.Raw = msgspec.Raw()


_logprobs = msgspec.json.Decoder(_Logprobs)


class LineWriter:
    """Writes the lines of one streamed answer. ``created`` is unix seconds."""

    __slots__ = ("_after", "_before", "_calls", "_durations", "_finish", "_shape", "_usage")

    content_type = "application/x-ndjson"

    def __init__(self, request: Request, shape: Shape, created: int) -> None:
        self._shape = shape
        self._before = _head(request, created) + shape.before
        self._after = shape.after + _NOT_DONE
        self._calls: dict[int, tuple[list[str], list[str], list[str]]] = {}
        self._finish: Finish | None = None
        self._usage: Usage | None = None
        self._durations: Durations | None = None

    def open(self) -> bytes:
        return b""

    def write(self, pieces: Sequence[Piece]) -> bytes:
        """A line for each piece that says something; calls, figures and the end wait for ``close``."""
        return b"".join([self._line(piece) for piece in pieces])

    def close(self) -> bytes:
        """The calls, where there are any, and the line that says that this was all."""
        calls = b""
        if self._calls:
            whole = [
                ToolCallPiece(index, "".join(ids), "".join(names), "".join(arguments))
                for index, (ids, names, arguments) in sorted(self._calls.items())
            ]
            calls = self._before + b'""' + _write_calls(whole) + self._after
        figures = _write_figures(self._usage, self._durations)
        return calls + self._before + b'""' + self._shape.after + _write_end(self._finish) + figures + b"}\n"

    def fail(self, fault: Fault) -> bytes:
        """The error in a line of its own: Ollama's clients raise it."""
        return _encode({"error": message_of(fault)}) + b"\n"

    def keep_alive(self) -> bytes:
        """The dialect has nothing of the kind."""
        return b""

    def _line(self, piece: Piece) -> bytes:
        if piece.choice:
            return b""  # one answer is all that the dialect has
        if piece.tool_calls or piece.finish or piece.usage is not None or piece.durations is not None:
            self._gather(piece)
        text = piece.text + piece.refusal if piece.refusal else piece.text
        if piece.reasoning or piece.logprobs is not None:
            more = b',"thinking":' + _encode(piece.reasoning) if piece.reasoning else b""
            ends = _write_logprobs(piece.logprobs) + _NOT_DONE
            return self._before + _encode(text) + more + self._shape.after + ends
        return self._before + _encode(text) + self._after if text else b""

    def _gather(self, piece: Piece) -> None:
        for call in piece.tool_calls:
            ids, names, arguments = self._calls.setdefault(call.index, ([], [], []))
            ids.append(call.id)
            names.append(call.name)
            arguments.append(call.arguments)
        self._finish = piece.finish or self._finish
        self._usage = piece.usage or self._usage
        self._durations = piece.durations or self._durations


def write_answer(reply: Reply, request: Request, shape: Shape, created: int) -> bytes:
    """The whole answer as one object."""
    choice = reply.choices[0] if reply.choices else Choice()
    thinking = b',"thinking":' + _encode(choice.reasoning) if choice.reasoning else b""
    calls = _write_calls(choice.tool_calls) if choice.tool_calls else b""
    text = _head(request, created) + shape.before + _encode(choice.text + choice.refusal) + thinking + calls
    end = _write_end(choice.finish) + _write_figures(reply.usage, reply.durations)
    return text + shape.after + _write_logprobs(choice.logprobs) + end + b"}"


def write_empty(request: Request, shape: Shape, reason: str, created: int) -> bytes:
    """What comes of a request that asks nothing: the model was loaded or unloaded."""
    end = b',"done":true,"done_reason":' + _encode(reason) + b"}"
    return _head(request, created) + shape.before + b'""' + shape.after + end


def write_embeddings(reply: Reply, request: Request) -> bytes:
    """``/api/embed``: the vectors as they came, in the order of the inputs."""
    vectors = b",".join([choice.text.encode() for choice in reply.choices])
    figures = {"total_duration": 0, "load_duration": 0, "prompt_eval_count": 0}
    if reply.durations is not None:
        figures |= {"total_duration": reply.durations.total_ns, "load_duration": reply.durations.load_ns}
    if reply.usage is not None:
        figures["prompt_eval_count"] = reply.usage.prompt_tokens
    return b'{"model":' + _name(request) + b',"embeddings":[' + vectors + b"]" + _members(figures) + b"}"


def write_embedding(reply: Reply, request: Request) -> bytes:  # noqa: ARG001 - it names no model
    """``/api/embeddings``: the one vector."""
    vector = reply.choices[0].text.encode() if reply.choices else b"[]"
    return b'{"embedding":' + vector + b"}"


def _head(request: Request, created: int) -> bytes:
    """How every line begins: the model by the name that the client has for it, and one moment for all of them."""
    return b'{"model":' + _name(request) + b',"created_at":"' + write_ms(created * 1000).encode() + b'",'


def _name(request: Request) -> bytes:
    raw = request.members.get("model")
    return _encode(request.alias) if raw is None else bytes(raw)


def _write_calls(calls: Sequence[ToolCallPiece]) -> bytes:
    written = [
        {
            "id": call.id,
            "function": {"index": index, "name": call.name, "arguments": _arguments(call.arguments)},
        }
        for index, call in enumerate(calls)
    ]
    return b',"tool_calls":' + _encode(written)


def _arguments(text: str) -> msgspec.Raw | dict[str, str]:
    """The dialect has objects only. What the model wrote that is none is kept as the text that it was."""
    if not text.strip():
        return {}
    return read_object(text, depth=_DEPTH) or {"arguments": text}


def _write_logprobs(raw: msgspec.Raw | None) -> bytes:
    if raw is None:
        return b""
    content = bytes(_logprobs.decode(raw).content)
    return b',"logprobs":' + content if content.startswith(b"[") else b""


def _write_end(finish: Finish | None) -> bytes:
    """Calls are a stop here. What a provider held back is no end of the model's own, so it is told."""
    reason = finish if finish in ("length", "content_filter") else "stop"
    return b',"done":true,"done_reason":"' + reason.encode() + b'"'


def _write_figures(usage: Usage | None, durations: Durations | None) -> bytes:
    took, used = durations or Durations(), usage or Usage()
    return _members(
        {
            "total_duration": took.total_ns,
            "load_duration": took.load_ns,
            "prompt_eval_count": used.prompt_tokens,
            "prompt_eval_duration": took.prefill_ns,
            "eval_count": used.completion_tokens,
            "eval_duration": took.decode_ns,
        }
    )


def _members(figures: dict[str, int]) -> bytes:
    """Those that are not nought, each with a comma before it."""
    return b"".join([f',"{name}":{value}'.encode() for name, value in figures.items() if value])
