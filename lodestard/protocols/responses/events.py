"""A streamed answer as a Responses client gets it: pieces → events.

Law: what an upstream of this dialect said goes through byte for byte. Anything else is built: every item is added,
told in deltas and done, in that order, and the last event has the whole response. Codex takes a comment for no sign
of life, so that ``response.in_progress`` is told again instead.
Source: OpenAI's API reference, "Streaming events", and the types of its Python SDK.
"""

from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from lodestard.domain.errors import Fault
from lodestard.domain.reply import Finish, Piece, ToolCallPiece
from lodestard.domain.usage import Usage
from lodestard.protocols.responses.object import (
    Names,
    call_form,
    encode,
    ending,
    find_secret,
    open_frame,
    read_tokens,
    write_error,
    write_usage,
)
from lodestard.protocols.responses.parts import OpenCall, OpenMessage, OpenReasoning, Tape
from lodestard.protocols.responses.read import Turn

Keep = Callable[[bytes, Sequence[msgspec.Raw], Sequence[str]], None]
"""Takes a whole response object, the items that it was asked with, and the ids that the client may know it by."""

_COMMENT = b": keep-alive\n\n"
_OPENINGS = (b"event: response.created\n", b"event: response.in_progress\n", b"event: response.queued\n")
_ENDINGS = (b"event: response.completed\n", b"event: response.incomplete\n")


class _Whole(msgspec.Struct, frozen=True):
    response: msgspec.Raw


class _Id(msgspec.Struct, frozen=True):
    id: str = ""


_whole = msgspec.json.Decoder(_Whole)
read_id = msgspec.json.Decoder(_Id).decode


class StreamWriter:
    """Writes the events of one streamed answer. ``keep`` is called with the whole before its last event is out."""

    __slots__ = (
        "_begun", "_calls", "_finish", "_frame", "_ids", "_keep", "_message", "_model", "_names", "_output",
        "_passed", "_places", "_reasoning", "_spoke", "_tape", "_turn", "_usage",
    )  # fmt: skip

    content_type = "text/event-stream"

    def __init__(self, turn: Turn, *, created: int, reply_id: str, keep: Keep | None = None) -> None:
        self._turn = turn
        self._keep = keep
        self._names = Names.of(reply_id)
        self._frame = open_frame(turn.request, self._names.response, created, turn.previous_id)
        self._model = turn.request.alias
        self._tape = Tape()
        self._begun = self._passed = self._spoke = False
        self._ids: list[str] = []
        self._reasoning: OpenReasoning | None = None
        self._message: OpenMessage | None = None
        self._calls: dict[int, OpenCall] = {}
        self._output: dict[int, dict[str, Any]] = {}
        self._places = 0
        self._usage: Usage | None = None
        self._finish: Finish | None = None

    def open(self) -> bytes:
        """Nothing: an upstream of this dialect opens its answer itself."""
        return b""

    def write(self, pieces: Sequence[Piece]) -> bytes:
        """The events of these pieces."""
        return b"".join([self._write(piece) for piece in pieces])

    def close(self) -> bytes:
        """The end of what is open, and the whole."""
        if self._passed:
            return b""
        told = self._begin()
        status, why = ending(self._finish)
        if not self._spoke:
            told += self._speak()[1]
        told += self._close_open(status)
        whole = self._object(status, usage=write_usage(self._usage), **why)
        kind = "response.completed" if status == "completed" else "response.incomplete"
        raw = encode(whole)
        if self._keep is not None:
            self._keep(raw, self._turn.items, [self._frame.id])
        return told + self._tape.event(kind, response=msgspec.Raw(raw))

    def fail(self, fault: Fault) -> bytes:
        """``response.failed`` with what was whole until then."""
        told = b"" if self._passed else self._begin()
        failed = self._object("failed", error=write_error(fault))
        if self._ids:
            failed["id"] = self._ids[-1]
        return told + self._tape.event("response.failed", response=failed)

    def keep_alive(self) -> bytes:
        if self._passed:
            return _COMMENT
        if not self._begun:
            return self._begin()
        return self._tape.event("response.in_progress", response=self._object("in_progress", output=[]))

    def _object(self, status: str, **more: Any) -> dict[str, Any]:
        output = [item for _, item in sorted(self._output.items())]
        return self._frame.write(model=self._model, status=status, **({"output": output} | more))

    def _begin(self) -> bytes:
        if self._begun:
            return b""
        self._begun = True
        opened = msgspec.Raw(encode(self._object("in_progress", output=[])))
        told = self._tape.event("response.created", response=opened)
        return told + self._tape.event("response.in_progress", response=opened)

    def _write(self, piece: Piece) -> bytes:
        if piece.raw and not self._places:
            return self._pass(piece)
        if self._passed:
            return b""  # a note of ours has no place in somebody else's answer
        return self._build(piece)

    # -- passing -----------------------------------------------------------------------------------------------

    def _pass(self, piece: Piece) -> bytes:
        raw = piece.raw
        if piece.id:
            self._ids.append(piece.id)
        if self._begun and not self._passed:
            raw = _without_opening(raw)
        self._passed = self._passed or bool(raw)
        if self._keep is not None and (piece.finish is not None or piece.usage is not None):
            self._keep_passed(piece.raw)
        return raw

    def _keep_passed(self, raw: bytes) -> None:
        for event in raw.split(b"\n\n"):
            if not event.startswith(_ENDINGS) or self._keep is None:
                continue
            try:
                whole = bytes(_whole.decode(event.partition(b"\ndata: ")[2]).response)
                known = read_id(whole).id
            except (ValueError, RecursionError):
                continue
            self._keep(whole, self._turn.items, [known, self._frame.id] if self._begun else [known])

    # -- building ----------------------------------------------------------------------------------------------

    def _build(self, piece: Piece) -> bytes:
        if piece.model:
            self._model = piece.model
        if piece.usage is not None:
            self._usage = piece.usage
        if piece.finish is not None:
            self._finish = piece.finish
        told = b""
        if piece.reasoning or piece.thoughts:
            told += self._think(piece)
        if piece.text or piece.logprobs is not None:
            told += self._say(piece)
        if piece.refusal:
            told += self._refuse(piece.refusal)
        for call in piece.tool_calls:
            told += self._call(call)
        return told

    def _say(self, piece: Piece) -> bytes:
        message, told = (self._message, b"") if self._message is not None else self._speak()
        if piece.logprobs is not None and self._turn.request.conversation.logprobs:
            return told + message.add(piece.text, read_tokens(piece.logprobs))
        return told + message.add(piece.text) if piece.text else told

    def _refuse(self, text: str) -> bytes:
        message, told = (self._message, b"") if self._message is not None else self._speak()
        return told + message.refuse(text)

    def _speak(self) -> tuple[OpenMessage, bytes]:
        """A new message."""
        told = self._begin() + self._close_reasoning()
        index = self._take_place()
        self._spoke = True
        message = self._message = OpenMessage(self._tape, self._names.item("msg", index), index)
        return message, told + message.open()

    def _think(self, piece: Piece) -> bytes:
        secret = find_secret(piece.thoughts)
        if secret is None and not piece.reasoning:
            return b""
        told = b""
        if self._reasoning is None:
            told = self._begin() + self._close_message("completed")
            index = self._take_place()
            item_id = (secret[0] if secret else "") or self._names.item("rs", index)
            self._reasoning = OpenReasoning(self._tape, item_id, index)
            told += self._reasoning.open()
        if piece.reasoning:
            told += self._reasoning.add(piece.reasoning)
        if secret is not None:
            self._reasoning.secret = secret[1]
        return told

    def _call(self, call: ToolCallPiece) -> bytes:
        told = b""
        known = self._calls.get(call.index)
        if known is None:
            told = self._begin() + self._close_reasoning() + self._close_message("completed")
            index = self._take_place()
            self._spoke = True
            form = call_form(self._names, self._turn.box, index, (call.id, call.name))
            known = self._calls[call.index] = OpenCall(self._tape, form, index)
            told += known.open()
        return told + known.add(call.arguments)

    def _take_place(self) -> int:
        self._places += 1
        return self._places - 1

    def _close_open(self, status: str) -> bytes:
        told = self._close_reasoning() + self._close_message(status)
        for call in self._calls.values():
            events, self._output[call.index] = call.close(status)
            told += events
        self._calls.clear()
        return told

    def _close_reasoning(self) -> bytes:
        if self._reasoning is None:
            return b""
        told, self._output[self._reasoning.index] = self._reasoning.close()
        self._reasoning = None
        return told

    def _close_message(self, status: str) -> bytes:
        if self._message is None:
            return b""
        told, self._output[self._message.index] = self._message.close(status)
        self._message = None
        return told


def _without_opening(raw: bytes) -> bytes:
    """Events without those that open an answer."""
    events = [event for event in raw.split(b"\n\n") if event and not event.startswith(_OPENINGS)]
    return b"".join([event + b"\n\n" for event in events])
