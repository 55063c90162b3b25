"""Streamed answers of Anthropic: events → pieces.

Law: each event rides along in ``raw``, under its name, where the client speaks the same dialect; what we read of it
is for the ledger, the cache and the other dialects. An answer is whole once ``message_stop`` has come after a reason.
Thoughts are told when their block has ended: unsigned ones can't be given back. The usage comes with the end.
Source: Anthropic's API reference, "Streaming messages".
"""

from collections.abc import Callable, Mapping

import msgspec

from lodestard.domain.reply import Piece, ToolCallPiece
from lodestard.domain.request import Thought
from lodestard.protocols.anthropic.answer import (
    NOTHING,
    Block,
    Delta,
    Event,
    decode_event,
    decode_message,
    find_foreign,
    frame_event,
    garbage,
    read_extra,
    read_finish,
    read_thought,
)
from lodestard.protocols.anthropic.errors import stream_fault
from lodestard.protocols.anthropic.usage import Meter
from lodestard.protocols.event_reader import EventReader, cut
from lodestard.protocols.sse import SseParser


def open_stream(*, passing: bool) -> EventReader:
    """A reader for a streamed answer. ``passing``: the client speaks this dialect."""
    return EventReader(SseParser(), MessageEvents(passing=passing))


class _Call:
    """A call whose block is open. ``given`` is the input that it began with: some send all of it at once."""

    __slots__ = ("given", "index", "spoke")

    def __init__(self, index: int, given: str) -> None:
        self.index = index
        self.given = given
        self.spoke = False


class _Thinking:
    """A thought whose block is open."""

    __slots__ = ("signature", "texts")

    def __init__(self, block: Block) -> None:
        self.texts = [block.thinking or ""]
        self.signature = block.signature or ""

    def thought(self) -> Thought | None:
        return read_thought(Block(type="thinking", thinking="".join(self.texts), signature=self.signature))


class MessageEvents:
    """What the events of one streamed answer say, one after the other."""

    __slots__ = ("_calls", "_finished", "_made", "_meter", "_passing", "_thinking", "done")

    def __init__(self, *, passing: bool) -> None:
        self._passing = passing
        self._calls: dict[int, _Call] = {}
        self._thinking: dict[int, _Thinking] = {}
        self._made = 0
        self._meter = Meter()
        self._finished = False
        self.done = False

    @property
    def ended(self) -> bool:
        """Nothing else than ``message_stop`` ends a message."""
        return self.done

    def pieces(self, event: bytes) -> list[Piece]:
        try:
            return self._read(event)
        except (ValueError, RecursionError):
            return self._pass_over(event)

    def _pass_over(self, event: bytes) -> list[Piece]:
        try:
            kind = find_foreign(event)
        except (ValueError, RecursionError):
            kind = None
        if kind is None:
            raise garbage()
        return self._silent(kind, event)

    def _read(self, event: bytes) -> list[Piece]:
        said = decode_event(event)
        if said.type == "content_block_delta" and said.delta is not None:
            return self._delta(said, said.delta, event)
        reader = _READERS.get(said.type)
        if reader is None:
            if not said.type:
                raise ValueError("no event")
            return self._silent(said.type, event)
        return reader(self, said, event)

    def _silent(self, kind: str, event: bytes) -> list[Piece]:
        """What says nothing that we have a word for."""
        return [Piece(raw=frame_event(kind, event))] if self._passing else []

    def _raw(self, said: Event, event: bytes) -> bytes:
        return frame_event(said.type, event) if self._passing else b""

    # -- blocks ----------------------------------------------------------------------------------------------

    def _delta(self, said: Event, delta: Delta, event: bytes) -> list[Piece]:
        match delta.type:
            case "text_delta" if delta.text is not None:
                return [Piece(text=delta.text, raw=self._raw(said, event))]
            case "input_json_delta" if delta.partial_json is not None:
                return self._arguments(said, delta.partial_json, event)
            case "thinking_delta" if delta.thinking is not None:
                if (thinking := self._thinking.get(said.index)) is not None:
                    thinking.texts.append(delta.thinking)
                return [Piece(reasoning=delta.thinking, raw=self._raw(said, event))]
            case "signature_delta" if delta.signature is not None:
                if (thinking := self._thinking.get(said.index)) is not None:
                    thinking.signature += delta.signature
            case "text_delta" | "input_json_delta" | "thinking_delta" | "signature_delta":
                raise ValueError("a delta without what it is named for")
        return self._silent(said.type, event)

    def _arguments(self, said: Event, text: str, event: bytes) -> list[Piece]:
        call = self._calls.get(said.index)
        if call is None or not text:
            return self._silent(said.type, event)
        call.spoke = True
        return [Piece(tool_calls=(ToolCallPiece(call.index, arguments=text),), raw=self._raw(said, event))]

    def _begin_block(self, said: Event, event: bytes) -> list[Piece]:
        block = said.content_block
        if block is None:
            raise ValueError("no block")
        match block.type:
            case "text" if block.text:
                return [Piece(text=block.text, raw=self._raw(said, event))]
            case "tool_use":
                return self._begin_call(said, block, event)
            case "thinking":
                self._thinking[said.index] = _Thinking(block)
                return [Piece(reasoning=block.thinking or "", raw=self._raw(said, event))]
            case "redacted_thinking" if (thought := read_thought(block)) is not None:
                return [Piece(thoughts=(thought,), raw=self._raw(said, event))]
        return self._silent(said.type, event)

    def _begin_call(self, said: Event, block: Block, event: bytes) -> list[Piece]:
        given = bytes(block.input).decode()
        call = self._calls[said.index] = _Call(self._made, given if given not in ("", "null") else "{}")
        self._made += 1
        begun = ToolCallPiece(call.index, block.id or "", block.name or "")
        return [Piece(tool_calls=(begun,), raw=self._raw(said, event))]

    def _end_block(self, said: Event, event: bytes) -> list[Piece]:
        closed = self._close(said.index, self._raw(said, event))
        return [closed] if closed.raw or closed.tool_calls or closed.thoughts else []

    def _close(self, index: int, raw: bytes) -> Piece:
        """What is known of a block only at its end: a call's input that no delta told, a thought's signature."""
        call, thinking = self._calls.pop(index, None), self._thinking.pop(index, None)
        thought = None if thinking is None else thinking.thought()
        silent = call is not None and not call.spoke
        return Piece(
            tool_calls=(ToolCallPiece(call.index, arguments=call.given),) if call is not None and silent else (),
            thoughts=() if thought is None else (thought,),
            raw=raw,
        )

    # -- the message -----------------------------------------------------------------------------------------

    def _begin(self, said: Event, event: bytes) -> list[Piece]:
        message = decode_message(said.message)
        self._meter.read(message.usage, final=False)
        extra = read_extra(bytes(said.message)) if self._passing else None
        return [
            Piece(id=message.id or "", model=message.model or "", extra=extra or None, raw=self._raw(said, event))
        ]

    def _end(self, said: Event, event: bytes) -> list[Piece]:
        """How the message ended, and what it used: running totals."""
        self._meter.read(said.usage, final=True)
        reason = said.delta.stop_reason if said.delta is not None else None
        if not reason:
            return self._silent(said.type, event)
        closed = [self._close(index, b"") for index in sorted({*self._calls, *self._thinking})]  # some end no block
        self._finished = True
        extra = _read_ending(event) if self._passing else None
        return [*closed, Piece(finish=read_finish(reason), extra=extra or None, raw=self._raw(said, event))]

    def _stop(self, said: Event, event: bytes) -> list[Piece]:
        if not self._finished:
            raise cut()
        self.done = True
        return [Piece(usage=self._meter.usage, raw=self._raw(said, event))]

    def _fail(self, _said: Event, event: bytes) -> list[Piece]:
        raise stream_fault(event)


_Reader = Callable[[MessageEvents, Event, bytes], list[Piece]]
_READERS: Mapping[str, _Reader] = {
    "message_start": MessageEvents._begin,
    "content_block_start": MessageEvents._begin_block,
    "content_block_stop": MessageEvents._end_block,
    "message_delta": MessageEvents._end,
    "message_stop": MessageEvents._stop,
    "error": MessageEvents._fail,
}


class _Ending(msgspec.Struct, frozen=True):
    delta: msgspec.Raw


_ending = msgspec.json.Decoder(_Ending)


def _read_ending(event: bytes) -> dict[str, msgspec.Raw]:
    """The members of a message that only its end tells: the stop sequence, a container."""
    delta = bytes(_ending.decode(event).delta)
    return {} if delta in NOTHING else read_extra(delta)
