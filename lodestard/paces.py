"""How fast models have answered lately, and which of them gave a session's last answer.

Law: learned from what has ended, never configured; bounded, and forgotten at a restart: an hour's work teaches it
anew. Changed in sync code only; it outlives every generation.
"""

from collections import OrderedDict

import msgspec
import trio

from lodestard.domain.clock import NS_PER_S
from lodestard.domain.last_answers import LastAnswer, LastAnswers
from lodestard.domain.news import AttemptEnded, RequestEnded
from lodestard.domain.upstream import Target

MOST_TARGETS = 512
WEIGHT = 0.2
"""How much the newest answer counts for a running mean."""

LEAST_TOKENS = 16
"""A shorter answer tells nothing of how fast a model writes."""


class Pace(msgspec.Struct):
    """Running means of one target; None before its first answer."""

    first_s: float | None = None
    tokens_per_s: float | None = None


UNKNOWN = Pace()


class Paces:
    """Owner of both."""

    def __init__(self) -> None:
        self._paces: OrderedDict[Target, Pace] = OrderedDict()
        self._last = LastAnswers()

    def of(self, target: Target) -> Pace:
        return self._paces.get(target, UNKNOWN)

    def answered_last(self, session: str, target: Target) -> bool:
        """Whether ``target`` gave the session's last answer."""
        return self._last.came_from(session, target)

    def cached_tokens(self, session: str, target: Target) -> int:
        """How much of the session's next prompt ``target`` has read lately."""
        return self._last.cached_tokens(session, target, trio.current_time())

    def learn_attempt(self, ended: AttemptEnded) -> None:
        """A plain answer comes all at once: it tells how fast it was as a whole, not when it began."""
        if ended.outcome != "ok" or ended.first_piece_ns is None:
            return
        pace = self._paces.get(ended.target)
        if pace is None:
            pace = self._paces[ended.target] = Pace()
            if len(self._paces) > MOST_TARGETS:
                self._paces.popitem(last=False)
        self._paces.move_to_end(ended.target)
        if ended.streamed:
            pace.first_s = _mean(pace.first_s, ended.first_piece_ns / NS_PER_S)
        tokens = ended.usage.completion_tokens if ended.usage is not None else 0
        writing_ns = ended.answer_ns - (ended.first_piece_ns if ended.streamed else 0)
        if tokens >= LEAST_TOKENS and writing_ns > 0:
            pace.tokens_per_s = _mean(pace.tokens_per_s, tokens * NS_PER_S / writing_ns)

    def learn_request(self, ended: RequestEnded) -> None:
        """Only what was asked of a model now: a cached answer was read by nobody."""
        closing = ended.closing
        if not ended.attempts or closing.target is None or closing.usage is None:
            return
        read_tokens = closing.usage.prompt_tokens + closing.usage.completion_tokens
        self._last.note(ended.caller.session, LastAnswer(closing.target, read_tokens, trio.current_time()))


def _mean(known: float | None, new: float) -> float:
    return new if known is None else known + WEIGHT * (new - known)
