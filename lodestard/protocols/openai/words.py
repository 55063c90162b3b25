"""Many chunks of a streamed answer at once, where each is nothing but a little text of its first choice.

Law: what is taken here is exactly what ``stream`` would have made of the same events one by one; whatever else
is in any of them (an end, usage, a tool call, an error) is None, and they are read one by one. One call of the
decoder reads all of them: a mark that none of them has stands between them, so that events that are JSON only
together are not taken for JSON.
"""

from collections.abc import Sequence
from typing import Literal, NamedTuple

import msgspec


class _Delta(msgspec.Struct, frozen=True, gc=False):
    content: str
    tool_calls: None = None
    refusal: Literal[""] | None = None
    reasoning_content: Literal[""] | None = None
    reasoning: Literal[""] | None = None


class _Choice(msgspec.Struct, frozen=True, gc=False):
    delta: _Delta
    index: Literal[0] = 0
    finish_reason: Literal[""] | None = None
    logprobs: None = None


class _Chunk(msgspec.Struct, frozen=True, gc=False):
    choices: tuple[_Choice]
    id: str | None = None
    object: Literal["chat.completion.chunk"] | None = None
    model: str | None = None
    created: int | float | None = None
    usage: None = None
    service_tier: str | None = None
    error: None = None


class Words(NamedTuple):
    """The text of a run of events, the last service tier they named, and how many of them had text."""

    text: str
    tier: str | None
    words: int


_MARK = 3_907_481_265_930_174_826
_DIGITS = b"%d" % _MARK
_BETWEEN = b",%b," % _DIGITS
_chunks = msgspec.json.Decoder(list[_Chunk | int])


def read_words(events: Sequence[bytes]) -> Words | None:
    """What ``events`` say where it is text and nothing else. None where it is more, or no JSON."""
    joined = _BETWEEN.join(events)
    if joined.count(_DIGITS) != len(events) - 1:
        return None  # one of them has the mark itself
    try:
        read = _chunks.decode(b"[%b]" % joined)
    except (ValueError, RecursionError):
        return None
    if len(read) != 2 * len(events) - 1 or read[1::2].count(_MARK) != len(events) - 1:
        return None
    chunks = read[::2]
    texts = [chunk.choices[0].delta.content for chunk in chunks if type(chunk) is _Chunk]
    if len(texts) != len(events):
        return None
    tiers = {chunk.service_tier for chunk in chunks if type(chunk) is _Chunk} - {None}
    if len(tiers) > 1:
        return None
    return Words("".join(texts), tiers.pop() if tiers else None, len(texts) - texts.count(""))
