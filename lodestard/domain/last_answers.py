"""Which model gave a session's last answer, and how much of the session its provider still remembers.

Law: bounded; time is what the caller says it is, so that the past can be gone through again. Pure but for its memory.
"""

from collections import OrderedDict

import msgspec

from lodestard.domain.upstream import Target

MOST_SESSIONS = 2_048
CACHE_S = 300.0
"""How long a provider remembers a prompt for: OpenAI 5 to 10 minutes ("Prompt caching"), Anthropic 5."""


class LastAnswer(msgspec.Struct, frozen=True):
    """``read_tokens``: its prompt and what was answered, which the next one begins with."""

    target: Target
    read_tokens: int
    at_s: float


class LastAnswers:
    """By session; the longest silent ones are forgotten first. A request without a session is nobody's."""

    def __init__(self) -> None:
        self._last: OrderedDict[str, LastAnswer] = OrderedDict()

    def came_from(self, session: str, target: Target) -> bool:
        """Whether ``target`` gave the session's last answer."""
        last = self._last.get(session)
        return last is not None and last.target == target

    def cached_tokens(self, session: str, target: Target, now_s: float) -> int:
        """How much of the session's next prompt ``target`` has read lately."""
        last = self._last.get(session)
        if last is None or last.target != target or now_s - last.at_s > CACHE_S:
            return 0
        return last.read_tokens

    def note(self, session: str, answer: LastAnswer) -> None:
        if not session:
            return
        self._last[session] = answer
        self._last.move_to_end(session)
        if len(self._last) > MOST_SESSIONS:
            self._last.popitem(last=False)
