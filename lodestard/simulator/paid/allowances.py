"""A provider's rate limits: a window of one minute on trio's clock, and the headers that tell of it.

Owner: one `Window` per simulated provider; changed only in sync code.
"""

import trio

from lodestard.simulator.paid.providers import Allowance
from lodestard.simulator.walltime import WallNs, rfc3339_seconds

_WINDOW_S = 60.0
_NS = 1_000_000_000


class Window:
    """Requests and tokens used since the window began."""

    def __init__(self, allowance: Allowance) -> None:
        self._allowance = allowance
        self.clear()

    def clear(self) -> None:
        self._ends_at = 0.0
        self._requests = self._tokens = 0

    def use(self, tokens: int) -> bool:
        """Counts one request. False: it is over a limit that is enforced, and was not counted."""
        now = trio.current_time()
        if now >= self._ends_at:
            self._ends_at, self._requests, self._tokens = now + _WINDOW_S, 0, 0
        limit = self._allowance
        over = self._requests >= limit.requests or self._tokens + tokens > limit.tokens
        if over and limit.enforced:
            return False
        self._requests += 1
        self._tokens += tokens
        return True

    @property
    def reset_s(self) -> float:
        return max(0.0, self._ends_at - trio.current_time())

    def left(self) -> tuple[int, int]:
        """Requests and tokens left."""
        limit = self._allowance
        return max(0, limit.requests - self._requests), max(0, limit.tokens - self._tokens)

    def openai_headers(self) -> list[tuple[str, str]]:
        requests, tokens = self.left()
        reset = go_duration(self.reset_s)
        return [
            ("x-ratelimit-limit-requests", str(self._allowance.requests)),
            ("x-ratelimit-limit-tokens", str(self._allowance.tokens)),
            ("x-ratelimit-remaining-requests", str(requests)),
            ("x-ratelimit-remaining-tokens", str(tokens)),
            ("x-ratelimit-reset-requests", reset),
            ("x-ratelimit-reset-tokens", reset),
        ]

    def anthropic_headers(self, wall_ns: WallNs) -> list[tuple[str, str]]:
        requests, tokens = self.left()
        reset = rfc3339_seconds(wall_ns() + round(self.reset_s * _NS))
        found: list[tuple[str, str]] = []
        for kind, limit, left in (
            ("requests", self._allowance.requests, requests),
            ("tokens", self._allowance.tokens, tokens),
            ("input-tokens", self._allowance.tokens, tokens),
            ("output-tokens", self._allowance.tokens, tokens),
        ):
            prefix = f"anthropic-ratelimit-{kind}"
            found += [(f"{prefix}-limit", str(limit)), (f"{prefix}-remaining", str(left)), (f"{prefix}-reset", reset)]
        return found


def go_duration(seconds: float) -> str:
    """``"6m0s"``, ``"1.5s"``, ``"20ms"``: how OpenAI writes when a limit resets."""
    if seconds < 1:
        return f"{round(seconds * 1000)}ms"
    minutes, rest = divmod(round(seconds, 3), 60)
    return f"{int(minutes)}m{rest:g}s" if minutes else f"{rest:g}s"
