"""Where Anthropic shall remember a prompt for clients that can't say so themselves.

Law: writing to the cache costs a quarter more than reading the prompt anew, so only what may well come again is
marked: the end of what every request of a client begins with (its tools and its system prompt), and of a
conversation that has begun the last two turns of the user. The marks are on the blocks themselves: every version
and every server of the dialect knows those, they share a beginning among conversations, and a single question
writes nothing beyond it. At most three of the four marks that a request may have. Source: Anthropic's guide "Prompt
caching".
"""

from collections.abc import Sequence
from typing import Any

from lodestard.protocols.anthropic.turns import Block, Transcript, Turn

WORTH_BYTES = 4_096
"""About 1,024 tokens: what most models remember at the least. Shorter beginnings are ignored there."""

_MARK = {"type": "ephemeral"}
_LAST_TURNS = 2


def mark(transcript: Transcript, tools: Sequence[Block]) -> None:
    """Mark what is worth it. A mark on what is too short for the model is ignored there, and costs nothing."""
    beginning = transcript.system[-1:] or list(tools[-1:])
    size = sum(map(_size, tools)) + sum(map(_size, transcript.system))
    if beginning and size >= WORTH_BYTES:
        beginning[0]["cache_control"] = _MARK
    if (
        any(turn.role == "assistant" for turn in transcript.turns)
        and size + _size_of(transcript.turns) >= WORTH_BYTES
    ):
        users = [turn for turn in transcript.turns if turn.role == "user"]
        for turn in users[-_LAST_TURNS:]:
            (turn.blocks or turn.results)[-1]["cache_control"] = _MARK


def _size_of(turns: Sequence[Turn]) -> int:
    return sum(_size(block) for turn in turns for block in (*turn.results, *turn.blocks))


def _size(block: Block) -> int:
    """About how many bytes of text a block or a tool has; images weigh nothing."""
    return sum(_length(block.get(name)) for name in ("text", "content", "input", "description", "input_schema"))


def _length(value: Any) -> int:
    if isinstance(value, str):
        return len(value)
    if isinstance(value, list):
        return sum(map(_size, value))
    return 0 if value is None else len(bytes(value)) if not isinstance(value, dict) else len(value)
