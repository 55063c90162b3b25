"""What one budget of one somebody has spent and holds in one window.

Law: changed only by the keeper, in sync code. What is held came from attempts that are under way and leaves with
their one end, in the same counter, whatever window it is by then. A rolling window keeps its sums by slices of time
and forgets a slice only when all of it is too old: it never counts less than the exact window would.
"""

from collections import deque

from lodestard.budget.rules import NOTHING, Amounts, Rule
from lodestard.budget.windows import MS_PER_HOUR

SLICES = 1_440


class Counter:
    """One window's sums. ``told`` are the alerts that were told of it, as (unit, level)."""

    __slots__ = ("_slices", "_spent", "end_ms", "held", "rolling", "rule", "slice_ms", "start_ms", "told", "value")

    def __init__(self, rule: Rule, value: str, start_ms: int, end_ms: int | None) -> None:
        self.rule = rule  # another one may take its place, but of the same window
        self.rolling = rule.window.kind == "rolling"
        self.slice_ms = rule.window.hours * MS_PER_HOUR // SLICES
        self.value = value
        self.start_ms = start_ms
        self.end_ms = end_ms
        self.held = NOTHING
        self.told: set[tuple[str, int]] = set()
        self._spent = NOTHING
        self._slices: deque[tuple[int, Amounts]] = deque()

    def spent(self, now_ms: int) -> Amounts:
        """What is spent in the window; of a rolling one, in the hours before ``now_ms``."""
        if self.rolling:
            self._forget(now_ms)
        return self._spent

    def spend(self, amounts: Amounts, at_ms: int) -> None:
        """Count what was spent by a request that came at ``at_ms``."""
        self._spent = self._spent.plus(amounts)
        if self.rolling:
            self._keep(amounts, at_ms // self.slice_ms)

    def _keep(self, amounts: Amounts, number: int) -> None:
        """Requests end in another order than they came: a slice takes its place from behind."""
        slices = self._slices
        later = []
        while slices and slices[-1][0] > number:
            later.append(slices.pop())
        if slices and slices[-1][0] == number:
            slices[-1] = (number, slices[-1][1].plus(amounts))
        else:
            slices.append((number, amounts))
        slices.extend(reversed(later))

    def _forget(self, now_ms: int) -> None:
        oldest_ms = now_ms - self.rule.window.hours * MS_PER_HOUR
        while self._slices and (self._slices[0][0] + 1) * self.slice_ms <= oldest_ms:
            self._spent = self._spent.minus(self._slices.popleft()[1])

    def alert_window(self, now_ms: int) -> tuple[int, int | None]:
        """The window in which an alert is told once; a rolling one's hours follow one another for this."""
        if not self.rolling:
            return self.start_ms, self.end_ms
        length_ms = self.rule.window.hours * MS_PER_HOUR
        start_ms = now_ms // length_ms * length_ms
        return start_ms, start_ms + length_ms
