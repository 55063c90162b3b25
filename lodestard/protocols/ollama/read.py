"""Answers in Ollama's own dialect: lines of ``/api/chat`` and ``/api/generate`` → pieces, and its errors → faults.

Law: an answer is whole only when a line said ``done``; anything else, the end of the stream above all, is a
failure. Source: Ollama's API documentation, "Generate a chat completion", and its ``api/types.go``.
"""

import hashlib
import re
from typing import Annotated

import msgspec
from msgspec import Meta

from lodestard.domain.errors import Code, Fault, UpstreamFault
from lodestard.domain.reply import Finish, Piece, ToolCallPiece
from lodestard.domain.usage import Durations, Usage
from lodestard.protocols.event_reader import EventReader
from lodestard.protocols.ndjson import LineParser
from lodestard.protocols.ollama.said import explain, read_said, too_long_fault

_Count = Annotated[int, Meta(ge=0, le=10**10)]
_Ns = Annotated[int, Meta(ge=0, le=2**62)]
_MODEL = re.compile(r"model ['\"]([^'\"]{1,200})['\"]")
_ABSENT = msgspec.Raw()


class _Function(msgspec.Struct, frozen=True):
    name: str
    arguments: msgspec.Raw = msgspec.Raw(b"{}")


class _Call(msgspec.Struct, frozen=True):
    function: _Function
    id: str = ""


class _Message(msgspec.Struct, frozen=True):
    content: str | None = None
    thinking: str | None = None
    tool_calls: list[_Call] | None = None


class _Line(msgspec.Struct, frozen=True):
    model: str = ""
    created_at: str = ""
    message: _Message | None = None
    response: str | None = None
    thinking: str | None = None
    done: bool = False
    done_reason: str | None = None
    error: msgspec.Raw = _ABSENT
    logprobs: list[msgspec.Raw] | None = None


class _Meter(msgspec.Struct, frozen=True):
    """The figures of the last line; zeros are left out by the server."""

    total_duration: _Ns = 0
    load_duration: _Ns = 0
    prompt_eval_count: _Count = 0
    prompt_eval_duration: _Ns = 0
    eval_count: _Count = 0
    eval_duration: _Ns = 0


_NO_MESSAGE = _Message()
_line = msgspec.json.Decoder(_Line)
_meter = msgspec.json.Decoder(_Meter)


def open_reader() -> EventReader:
    """A reader for one streamed answer."""
    return EventReader(LineParser(), OllamaLines())


class OllamaLines:
    """What the lines of one answer say, one after the other."""

    __slots__ = ("_calls", "_named", "done")

    ended = False  # only a line can say so

    def __init__(self) -> None:
        self._calls = 0
        self._named = False
        self.done = False

    def pieces(self, event: bytes) -> list[Piece]:
        try:
            return [self._piece(_line.decode(event), event)]
        except (ValueError, RecursionError):
            raise _garbage() from None

    def _piece(self, line: _Line, event: bytes) -> Piece:
        if bytes(line.error) not in (b"", b"null"):
            raise _stream_error(event)
        message = line.message or _NO_MESSAGE
        calls = tuple(self._call(call, line.created_at) for call in message.tool_calls or ())
        finish, usage, durations = None, None, None
        if line.done:
            finish = self._finish(line.done_reason)
            usage, durations = _read_meter(event)
        named, self._named = self._named, True
        self.done = line.done
        return Piece(
            text=message.content or line.response or "",
            reasoning=message.thinking or line.thinking or "",
            tool_calls=calls,
            logprobs=_logprobs(line) if line.logprobs else None,
            finish=finish,
            usage=usage,
            durations=durations,
            model="" if named else line.model,
        )

    def _finish(self, reason: str | None) -> Finish:
        if reason == "unload":
            raise UpstreamFault(Code.UPSTREAM_ERROR, "Ollama unloaded the model instead of answering.", billed=False)
        if reason == "length":
            return "length"
        return "tool_calls" if self._calls else "stop"

    def _call(self, call: _Call, created_at: str) -> ToolCallPiece:
        index = self._calls
        self._calls += 1
        arguments = bytes(call.function.arguments).decode()
        made = call.id or _call_id(index, created_at, call.function.name, arguments)
        return ToolCallPiece(index, made, call.function.name, arguments)


def read_error(status: int, body: bytes) -> Fault:
    """What a status other than 200 says. No work was done, so nothing of it is ever billed."""
    said = read_said(body)
    if said.too_long:
        return too_long_fault(said)
    if status == 404:
        model = _MODEL.search(said.text)
        advice = f" Fetch it there with: ollama pull {model[1]}" if model else ""
        return _refusal(Code.UPSTREAM_MODEL_MISSING, f"Ollama does not have it: {said.text}.{advice}", status)
    if status in (401, 403):
        return _refusal(Code.UPSTREAM_AUTH, f"Ollama refused us: {said.text}", status)
    if status in (429, 503):
        busy = _refusal(Code.UPSTREAM_RATE_LIMITED, f"Ollama is busy: {said.text}", status)
        busy.retry_after_s = 1.0
        return busy
    if 400 <= status < 499:
        fault = _refusal(Code.UPSTREAM_REJECTED, f"Ollama refused the request: {said.text}", status)
    else:
        fault = _refusal(Code.UPSTREAM_ERROR, f"{explain(said) or 'Ollama failed'}: {said.text}", status)
    fault.said = said.text
    return fault


def _refusal(code: Code, text: str, status: int) -> UpstreamFault:
    return UpstreamFault(code, text, status=status, billed=False)


def _stream_error(event: bytes) -> Fault:
    """A line with an error in it. Nothing says how much of the answer was made until then."""
    said = read_said(event)
    if said.too_long:
        return too_long_fault(said)
    fault = UpstreamFault(Code.UPSTREAM_ERROR, f"{explain(said) or 'Ollama broke off'}: {said.text}")
    fault.said = said.text
    return fault


def _logprobs(line: _Line) -> msgspec.Raw:
    text = msgspec.json.encode({"content": line.logprobs, "refusal": None})
    text.decode()  # the decoder does not look into what stays raw
    return msgspec.Raw(text)


def _read_meter(text: bytes) -> tuple[Usage | None, Durations | None]:
    """Figures that can't be right are none at all; they never break an answer that has come whole."""
    try:
        meter = _meter.decode(text)
    except ValueError:
        return None, None
    usage = None  # a line that counts nothing says nothing: where it is paid for, nought would be too low
    if meter.prompt_eval_count or meter.eval_count:
        usage = Usage(prompt_tokens=meter.prompt_eval_count, completion_tokens=meter.eval_count)
    durations = Durations(
        total_ns=meter.total_duration,
        load_ns=meter.load_duration,
        prefill_ns=meter.prompt_eval_duration,
        decode_ns=meter.eval_duration,
    )
    return usage, durations


def _call_id(index: int, created_at: str, name: str, arguments: str) -> str:
    """A name for a call that has none: the same for the same bytes, another one in another turn."""
    digest = hashlib.sha256("\0".join((created_at, str(index), name, arguments)).encode())
    return f"call_{digest.hexdigest()[:24]}"


def _garbage() -> UpstreamFault:
    return UpstreamFault(Code.UPSTREAM_GARBAGE, "Ollama sent something that is no line of an answer.")
