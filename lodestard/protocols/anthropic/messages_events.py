"""The content blocks of a streamed message of Anthropic's: pieces in any order → blocks one after the other.

Law: one block is open at a time, its index is one more than the last one's, and no block is opened twice. What would
interrupt a call whose arguments are not whole yet waits until they are, or until the answer ends.
Source: Anthropic's API reference, "Streaming Messages".
"""

from collections.abc import Iterable
from contextlib import suppress
from typing import Any

import msgspec

from lodestard.domain.reply import Piece, ToolCallPiece
from lodestard.domain.request import Thought
from lodestard.protocols.anthropic.call_ids import make_id, wrap_id
from lodestard.protocols.anthropic.turns import DIALECT
from lodestard.protocols.json_text import read_object

_DEPTH = 64
_encode = msgspec.json.Encoder().encode
_DELTAS = {"text": ("text_delta", "text"), "thinking": ("thinking_delta", "thinking")}


class OwnBlock(msgspec.Struct, frozen=True):
    """A block that Anthropic made and wants back as it is."""

    type: str
    thinking: str = ""
    signature: str = ""
    raw: msgspec.Raw = msgspec.Raw()


_own = msgspec.json.Decoder(OwnBlock)


def own_blocks(thoughts: Iterable[Thought]) -> list[OwnBlock]:
    """Those of the thoughts that are Anthropic's blocks."""
    found: list[OwnBlock] = []
    for thought in thoughts:
        if thought.dialect == DIALECT:
            with suppress(ValueError, RecursionError):  # what nobody can read is no block
                found.append(msgspec.structs.replace(_own.decode(thought.raw), raw=thought.raw))
    return found


def is_said_in(reasoning: str, own: Iterable[OwnBlock]) -> bool:
    """Whether the blocks say all of ``reasoning`` themselves."""
    return not reasoning or reasoning == "".join(block.thinking for block in own)


def write_event(kind: str, members: dict[str, Any]) -> bytes:
    """``event: KIND`` with these members and its type."""
    return b"event: %b\ndata: %b\n\n" % (kind.encode(), _encode({"type": kind, **members}))


class _Call(msgspec.Struct):
    """A call whose block is open."""

    index: int
    written: list[str]

    @property
    def is_whole(self) -> bool:
        return read_object("".join(self.written), depth=_DEPTH) is not None


class BlockWriter:
    """The blocks of one answer. ``called``: a call was among them."""

    __slots__ = ("_call", "_calls", "_head", "_index", "_kind", "_reply_id", "_waiting", "called")

    def __init__(self, reply_id: str) -> None:
        self._reply_id = reply_id
        self._index = -1
        self._kind = ""
        self._head = b""  # how every delta of the open block begins
        self._call: _Call | None = None
        self._calls: set[int] = set()
        self._waiting: list[Piece] = []
        self.called = False

    def write(self, piece: Piece) -> bytes:
        """The events of one piece of the first choice, as far as they can be written yet."""
        call = self._call
        if call is None:
            if piece.text and not (piece.reasoning or piece.thoughts or piece.tool_calls or piece.refusal):
                return self._say("text", piece.text)
            return self._write_all(piece)
        events = [self._write_arguments(part) for part in piece.tool_calls if part.index == call.index]
        if _says_beside(piece, call.index):
            rest = tuple([part for part in piece.tool_calls if part.index != call.index])
            piece = msgspec.structs.replace(piece, tool_calls=rest)
            if self._waiting or not call.is_whole:
                self._waiting.append(piece)
            else:
                events.append(self._write_all(piece))
        return b"".join(events)

    def close(self) -> bytes:
        """What waits, with all parts of each call together, and the end of the open block."""
        events = [self._close_block()]
        calls: dict[int, list[ToolCallPiece]] = {}
        for piece in self._waiting:
            for part in piece.tool_calls:
                calls.setdefault(part.index, []).append(part)
        for piece in self._waiting:
            events.append(self._say_all(piece))
            for part in piece.tool_calls:
                events += [self._write_call(each) for each in calls.pop(part.index, ())]
        self._waiting = []
        events.append(self._close_block())
        return b"".join(events)

    def _write_all(self, piece: Piece) -> bytes:
        events = [self._say_all(piece)]
        for place, part in enumerate(piece.tool_calls):
            if self._call is not None and self._call.index != part.index and not self._call.is_whole:
                self._waiting.append(Piece(tool_calls=piece.tool_calls[place:]))
                break
            events.append(self._write_call(part))
        return b"".join(events)

    def _say_all(self, piece: Piece) -> bytes:
        """All of ``piece`` but its calls, in the order in which models say it."""
        thought = self._think(piece) if piece.reasoning or piece.thoughts else b""
        return thought + b"".join([self._say("text", text) for text in (piece.text, piece.refusal) if text])

    def _think(self, piece: Piece) -> bytes:
        """Reasoning, and the signed blocks that it came in: one that was written as it came lacks its signature."""
        own = own_blocks(piece.thoughts)
        whole = self._kind != "thinking" and is_said_in(piece.reasoning, own)
        events = [] if whole or not piece.reasoning else [self._say("thinking", piece.reasoning)]
        for block in own:
            if block.type != "thinking":
                events.append(self._open("own", {"content_block": block.raw}) + self._close_block())
            elif whole:
                events.append(self._write_signed(block))
            elif self._kind == "thinking":
                events.append(self._sign(block.signature))
        return b"".join(events)

    def _write_signed(self, block: OwnBlock) -> bytes:
        said = self._open_thinking()
        if block.thinking:
            said += self._delta(block.thinking)
        return said + self._sign(block.signature)

    def _sign(self, signature: str) -> bytes:
        signed = {"index": self._index, "delta": {"type": "signature_delta", "signature": signature}}
        return write_event("content_block_delta", signed) + self._close_block()

    def _say(self, kind: str, text: str) -> bytes:
        """Text or thinking, in the open block where it is of that kind."""
        if self._kind == kind:
            return self._delta(text)
        opened = self._open_thinking() if kind == "thinking" else self._open_text()
        return opened + self._delta(text)

    def _open_text(self) -> bytes:
        return self._open("text", {"content_block": {"type": "text", "text": ""}})

    def _open_thinking(self) -> bytes:
        return self._open("thinking", {"content_block": {"type": "thinking", "thinking": "", "signature": ""}})

    def _delta(self, text: str) -> bytes:
        return b"%b%b}}\n\n" % (self._head, _encode(text))

    def _write_call(self, call: ToolCallPiece) -> bytes:
        """A piece of a call that is not open: its beginning. What comes for one that has ended is white space."""
        if self._call is not None and self._call.index == call.index:
            return self._write_arguments(call)
        if call.index in self._calls:
            return b""
        self._calls.add(call.index)
        self.called = True
        call_id = wrap_id(call.id) if call.id else make_id(self._reply_id, call.index)
        block = {"type": "tool_use", "id": call_id, "name": call.name, "input": {}}
        opened = self._open("call", {"content_block": block})
        self._call = _Call(call.index, [])
        return opened + self._write_arguments(call)

    def _write_arguments(self, call: ToolCallPiece) -> bytes:
        """No delta at all stands for an empty input."""
        if self._call is None or not call.arguments:
            return b""
        self._call.written.append(call.arguments)
        return self._delta(call.arguments)

    def _open(self, kind: str, members: dict[str, Any]) -> bytes:
        closed = self._close_block()
        self._index += 1
        self._kind = kind
        name, member = _DELTAS.get(kind, ("input_json_delta", "partial_json"))
        self._head = b'event: content_block_delta\ndata: {"type":"content_block_delta","index":%d,' % self._index
        self._head += b'"delta":{"type":"%b","%b":' % (name.encode(), member.encode())
        return closed + write_event("content_block_start", {"index": self._index, **members})

    def _close_block(self) -> bytes:
        if not self._kind:
            return b""
        self._kind = ""
        self._call = None
        return write_event("content_block_stop", {"index": self._index})


def _says_beside(piece: Piece, call: int) -> bool:
    """Whether ``piece`` says anything but the arguments of ``call``."""
    if piece.text or piece.reasoning or piece.refusal or piece.thoughts:
        return True
    return any(part.index != call for part in piece.tool_calls)
