"""What everybody has had of a card lately: seconds of service that fade, by principal and by group within it.

Law: half of it is forgotten in ``HALF_LIFE_S``, so that who was served long ago starts even. Bounded: those who have
had least are forgotten first. Owner: the card's ``State``.
"""

from collections.abc import Mapping

HALF_LIFE_S = 120.0
MOST = 256


class Served:
    """Fading sums of seconds."""

    __slots__ = ("_at_s", "_seconds")

    def __init__(self) -> None:
        self._seconds: dict[tuple[str, str], float] = {}
        self._at_s = 0.0

    def add(self, principal: str, group: str, seconds: float, now_s: float) -> None:
        """Somebody has been served. The principal's own sum stands under the empty group."""
        self._fade(now_s)
        for key in {(principal, ""), (principal, group)}:
            self._seconds[key] = self._seconds.get(key, 0.0) + seconds
        if len(self._seconds) > MOST:
            by_least = sorted(self._seconds, key=self._seconds.__getitem__)
            for key in by_least[: len(by_least) - MOST]:
                del self._seconds[key]

    def at(self, now_s: float) -> Mapping[tuple[str, str], float]:
        """The sums as they are now."""
        self._fade(now_s)
        return dict(self._seconds)

    def _fade(self, now_s: float) -> None:
        passed_s = now_s - self._at_s
        if passed_s <= 0 or not self._seconds:
            self._at_s = max(now_s, self._at_s)
            return
        share = 0.5 ** (passed_s / HALF_LIFE_S)
        self._seconds = {key: seconds * share for key, seconds in self._seconds.items() if seconds * share > 1e-3}
        self._at_s = now_s
