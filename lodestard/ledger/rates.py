"""How fast requests come: a minute's requests and tokens of each rate limit.

Law: changed in sync code only; a minute is the 60 s before now on the monotonic clock, so that no stepped clock opens
or closes it. Tokens under way count with their worst case and are corrected at their end.
"""

from collections import deque

from lodestard.budget.rules import Rate

MINUTE_NS = 60_000_000_000
NS_PER_S = 1_000_000_000


class Taken:
    """What one attempt takes of a rate."""

    __slots__ = ("at_ns", "pace", "tokens")

    def __init__(self, pace: "Pace", at_ns: int, tokens: int) -> None:
        self.pace = pace
        self.at_ns = at_ns
        self.tokens = tokens


class Pace:
    """The last minute of one rate limit of one somebody."""

    __slots__ = ("_taken", "_tokens", "rate", "value")

    def __init__(self, rate: Rate, value: str) -> None:
        self.rate = rate
        self.value = value
        self._taken: deque[Taken] = deque()
        self._tokens = 0

    def wait_s(self, now_ns: int, tokens: int) -> float:
        """How long until ``tokens`` more may come; 0 for now. One alone is always let through."""
        self._forget(now_ns)
        if not self._taken:
            return 0.0
        free_at_ns = now_ns
        if self.rate.requests is not None and len(self._taken) >= self.rate.requests:
            free_at_ns = self._taken[len(self._taken) - self.rate.requests].at_ns + MINUTE_NS
        if self.rate.tokens is not None:
            free_at_ns = max(free_at_ns, self._when_tokens(tokens, now_ns))
        return max(0, free_at_ns - now_ns) / NS_PER_S

    def _when_tokens(self, tokens: int, now_ns: int) -> int:
        left = (self.rate.tokens or 0) - self._tokens - tokens
        at_ns = now_ns
        for taken in self._taken:
            if left >= 0:
                break
            left += taken.tokens
            at_ns = taken.at_ns + MINUTE_NS
        return at_ns

    def take(self, now_ns: int, tokens: int) -> Taken:
        """Count an attempt."""
        taken = Taken(self, now_ns, tokens)
        self._taken.append(taken)
        self._tokens += tokens
        return taken

    def correct(self, taken: Taken, tokens: int) -> None:
        """An attempt has ended: what it really used."""
        if self._taken and taken.at_ns >= self._taken[0].at_ns:
            self._tokens += tokens - taken.tokens
        taken.tokens = tokens

    def _forget(self, now_ns: int) -> None:
        while self._taken and self._taken[0].at_ns + MINUTE_NS <= now_ns:
            self._tokens -= self._taken.popleft().tokens

    def is_idle(self, now_ns: int) -> bool:
        """Whether nothing came in the last minute."""
        self._forget(now_ns)
        return not self._taken
