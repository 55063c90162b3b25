"""How busy paid models are with what was sent there, and how quickly they have begun to answer lately.

Law: learned from every paid attempt; a time that is not confirmed counts for less and less, so that who was slow once
is tried again. Changed in sync code only; it outlives every generation.
"""

from collections.abc import Callable

import msgspec
import trio

from lodestard.domain.upstream import Target

MOST_KNOWN = 512
NEWEST_SHARE = 0.3
HALF_LIFE_S = 60.0


class Ease(msgspec.Struct):
    """Of one target. ``first_s``: until the first piece of an answer, by ``at_s``."""

    under_way: int = 0
    first_s: float = 0.0
    at_s: float = 0.0

    def likely_s(self, now_s: float) -> float:
        return float(self.first_s * 0.5 ** ((now_s - self.at_s) / HALF_LIFE_S))


UNKNOWN = Ease()


class Equals:
    """By target. Owner of all of it."""

    def __init__(self, now_s: Callable[[], float] = trio.current_time) -> None:
        self._now_s = now_s
        self._known: dict[Target, Ease] = {}

    def of(self, target: Target) -> tuple[int, float]:
        """Requests under way there, and the seconds until an answer begins: less is better. Nothing known: zeros."""
        ease = self._known.get(target, UNKNOWN)
        return ease.under_way, ease.likely_s(self._now_s())

    def begin(self, target: Target) -> Ease:
        """A request is sent there. Whoever says so ends it."""
        ease = self._known.get(target)
        if ease is None:
            while len(self._known) >= MOST_KNOWN:
                del self._known[next(iter(self._known))]
            ease = self._known[target] = Ease()
        ease.under_way += 1
        return ease

    def end(self, ease: Ease, first_s: float | None) -> None:
        """It has ended; ``first_s`` after dialling it began to answer, None where it did not."""
        ease.under_way -= 1
        if first_s is not None:
            known_s = ease.first_s or first_s
            ease.first_s = known_s + NEWEST_SHARE * (first_s - known_s)
            ease.at_s = self._now_s()
