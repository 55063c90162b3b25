"""What will be said for one paid request, planned whole before the first byte: its choices and their tokens.

Law: pure. The plan is what is billed; the writers only say it.
"""

from collections.abc import Sequence

import msgspec

from lodestard.simulator.answering.question import Answer, Call
from lodestard.simulator.limits import limit_text
from lodestard.simulator.tokens import count_tokens, split_tokens

_THOUGHT = "Let me check each part of this before I answer. "


class SaidCall(msgspec.Struct, frozen=True):
    """A tool call with its id and the pieces that its arguments are streamed in."""

    id: str
    name: str
    pieces: tuple[str, ...]

    @property
    def arguments(self) -> str:
        return "".join(self.pieces)

    @property
    def tokens(self) -> int:
        return count_tokens(self.name) + len(self.pieces)


class Choice(msgspec.Struct, frozen=True, kw_only=True):
    """One of ``n`` answers. ``finish``: stop, length or tool_calls; ``stop``: the sequence that ended it."""

    index: int
    reasoning: tuple[str, ...]
    pieces: tuple[str, ...]
    calls: tuple[SaidCall, ...]
    finish: str
    stop: str | None = None

    @property
    def reasoning_tokens(self) -> int:
        return len(self.reasoning)

    @property
    def tokens(self) -> int:
        return self.reasoning_tokens + len(self.pieces) + sum(call.tokens for call in self.calls)

    @property
    def text(self) -> str:
        return "".join(self.pieces)


class Caps(msgspec.Struct, frozen=True, kw_only=True):
    """What bounds an answer: output tokens (reasoning included), stop sequences, and how much is reasoned."""

    max_tokens: int
    stops: tuple[str, ...] = ()
    reasoning_tokens: int = 0


def plan_choice(answer: Answer, index: int, caps: Caps, call_prefix: str) -> Choice:
    """``answer`` within ``caps``. Tool calls that don't fit are left out, as if the model had been stopped."""
    reasoning = _reasoning(answer, caps)[: caps.max_tokens]
    left = caps.max_tokens - len(reasoning)
    limited = limit_text(answer.text, left, caps.stops)
    left -= len(limited.pieces)
    calls, finish = _said_calls(answer.calls, left, f"{call_prefix}{index}")
    if limited.reason == "length" or len(reasoning) == caps.max_tokens:
        calls, finish = (), "length"
    return Choice(
        index=index, reasoning=reasoning, pieces=limited.pieces, calls=calls, finish=finish, stop=limited.stop
    )


def _reasoning(answer: Answer, caps: Caps) -> tuple[str, ...]:
    if answer.thinking:
        return tuple(split_tokens(answer.thinking))
    if caps.reasoning_tokens <= 0:
        return ()
    text = _THOUGHT * (caps.reasoning_tokens * 4 // len(_THOUGHT) + 1)
    return tuple(split_tokens(text)[: caps.reasoning_tokens])


def _said_calls(calls: Sequence[Call], left: int, prefix: str) -> tuple[tuple[SaidCall, ...], str]:
    said: list[SaidCall] = []
    for at, call in enumerate(calls):
        pieces = tuple(split_tokens(msgspec.json.encode(call.arguments).decode()))
        one = SaidCall(f"{prefix}{at}", call.name, pieces)
        left -= one.tokens
        if left < 0:
            return tuple(said), "length"
        said.append(one)
    return tuple(said), "tool_calls" if said else "stop"
