"""Plain answers of Anthropic: a message → one piece.

Law: a message that does not say why it ended is not whole. Source: Anthropic's API reference, "Create a Message".
"""

import msgspec

from lodestard.domain.reply import Piece, ToolCallPiece
from lodestard.domain.request import Thought
from lodestard.protocols.anthropic.answer import (
    NOTHING,
    Block,
    Message,
    decode_block,
    decode_message,
    garbage,
    read_extra,
    read_finish,
    read_thought,
)
from lodestard.protocols.anthropic.errors import stream_fault
from lodestard.protocols.anthropic.usage import Meter
from lodestard.protocols.event_reader import cut
from lodestard.protocols.whole_reader import WholeReader

_TRUNCATED = "Input data was truncated"  # as the decoder says it


def open_plain(*, passing: bool) -> WholeReader:
    """A reader for a plain answer. ``passing``: the client speaks this dialect."""
    return WholeReader(read_plain, passing=passing)


def read_plain(body: bytes, *, passing: bool) -> list[Piece]:
    """Raises ``UpstreamFault``: cut, garbage, or the error that it holds."""
    try:
        message = decode_message(body)
        if message.type == "error" or bytes(message.error) not in NOTHING:
            raise stream_fault(body)
        return [_piece(message, read_extra(body) if passing else {})]
    except (ValueError, RecursionError) as error:
        raise (cut() if str(error) == _TRUNCATED else garbage()) from None


def _piece(message: Message, extra: dict[str, msgspec.Raw]) -> Piece:
    if message.content is None:
        raise ValueError("no message")
    if not message.stop_reason:
        raise cut()
    meter = Meter()
    meter.read(message.usage, final=True)
    blocks = [block for raw in message.content if (block := decode_block(raw)) is not None]
    calls = [block for block in blocks if block.type == "tool_use"]
    return Piece(
        text="".join([block.text or "" for block in blocks if block.type == "text"]),
        reasoning="".join([block.thinking or "" for block in blocks if block.type == "thinking"]),
        tool_calls=tuple([_call(block, index) for index, block in enumerate(calls)]),
        thoughts=_thoughts(blocks),
        finish=read_finish(message.stop_reason),
        usage=meter.usage,
        id=message.id or "",
        model=message.model or "",
        extra=extra or None,
    )


def _call(block: Block, index: int) -> ToolCallPiece:
    given = bytes(block.input).decode()
    return ToolCallPiece(index, block.id or "", block.name or "", given if given not in ("", "null") else "{}")


def _thoughts(blocks: list[Block]) -> tuple[Thought, ...]:
    return tuple([thought for block in blocks if (thought := read_thought(block)) is not None])
