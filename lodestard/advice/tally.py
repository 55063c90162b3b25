"""What a backtest adds up: both policies' figures, and who would have gone where.

Law: each request is in both sums exactly once. Pure.
"""

from typing import NamedTuple

from lodestard.advice.past import US_PER_S, Past
from lodestard.control.messages.advice import Move, PolicyFigures
from lodestard.domain.upstream import Target


class Estimate(NamedTuple):
    """What a request would have come to elsewhere: nano-USD, seconds until whole, the quality's proxy."""

    cost_nano_usd: int
    wait_s: float
    quality: float
    free: bool


class Sums:
    """One policy's."""

    def __init__(self) -> None:
        self.requests = self.free = self.cost_nano_usd = self.answered = 0
        self.wait_s = self.quality = 0.0
        self.swaps: dict[str, int] = {}
        self._loaded: dict[str, str] = {}

    def cost(self, nano_usd: int, wait_s: float) -> None:
        """A request that no model answered."""
        self.requests += 1
        self.cost_nano_usd += nano_usd
        self.wait_s += wait_s

    def answer(self, target: Target, estimate: Estimate) -> None:
        """A model answered it. A card that has another one loaded swaps."""
        self.cost(estimate.cost_nano_usd, estimate.wait_s)
        self.answered += 1
        self.quality += estimate.quality
        if not estimate.free:
            return
        self.free += 1
        loaded = self._loaded.get(target.upstream)
        self._loaded[target.upstream] = target.model
        self.swaps[target.upstream] = self.swaps.get(target.upstream, 0) + (loaded not in (None, target.model))

    def figures(self) -> PolicyFigures:
        return PolicyFigures(
            requests=self.requests,
            free_requests=self.free,
            cost_nano_usd=self.cost_nano_usd,
            wait_s=round(self.wait_s, 3),
            quality=round(self.quality / self.answered, 4) if self.answered else 0.0,
            swaps=dict(sorted(self.swaps.items())),
        )


class Moved:
    """Requests that went from one target to another."""

    __slots__ = ("cost_nano_usd", "new_cost_nano_usd", "new_quality", "quality", "requests")

    def __init__(self) -> None:
        self.requests = self.cost_nano_usd = self.new_cost_nano_usd = 0
        self.quality = self.new_quality = 0.0


class Tally:
    """Owner of all sums of one backtest."""

    def __init__(self) -> None:
        self.requests = self.kept = self.failed = self.changed = self.refused = self.drifted = 0
        self.hardness_known = 0
        self.recorded, self.candidate = Sums(), Sums()
        self._moves: dict[tuple[str, str], Moved] = {}

    def keep(self, past: Past) -> None:
        """It came from the cache, and would again."""
        self.kept += 1
        self._both(past)

    def fail(self, past: Past) -> None:
        """Nobody knows what else would have become of it."""
        self.failed += 1
        self._both(past)

    def _both(self, past: Past) -> None:
        self.requests += 1
        for sums in (self.recorded, self.candidate):
            sums.cost(past.cost_nano_usd, past.total_us / US_PER_S)

    def record(self, past: Past, target: Target, quality: float, *, free: bool) -> None:
        """As it was."""
        self.requests += 1
        self.hardness_known += past.hardness is not None
        self.recorded.answer(target, Estimate(past.cost_nano_usd, past.total_us / US_PER_S, quality, free))

    def stay(self, past: Past, target: Target, quality: float, *, free: bool) -> None:
        """The candidate does the same."""
        self.candidate.answer(target, Estimate(past.cost_nano_usd, past.total_us / US_PER_S, quality, free))

    def refuse(self, past: Past, quality: float) -> None:
        """The candidate has nobody for it."""
        self.refused += 1
        self.candidate.cost(0, 0.0)
        self._note(past, "", Estimate(0, 0.0, 0.0, free=False), quality)

    def move(self, past: Past, target: Target, estimate: Estimate, quality: float) -> None:
        """The candidate asks somebody else."""
        self.candidate.answer(target, estimate)
        self._note(past, str(target), estimate, quality)

    def _note(self, past: Past, target: str, estimate: Estimate, quality: float) -> None:
        self.changed += 1
        moved = self._moves.setdefault((past.target, target), Moved())
        moved.requests += 1
        moved.cost_nano_usd += past.cost_nano_usd
        moved.new_cost_nano_usd += estimate.cost_nano_usd
        moved.quality += quality
        moved.new_quality += estimate.quality

    def moves(self) -> list[Move]:
        """The most frequent first."""
        ordered = sorted(self._moves.items(), key=lambda item: (-item[1].requests, item[0]))
        return [
            Move(
                source=source,
                target=target,
                requests=moved.requests,
                cost_nano_usd=moved.cost_nano_usd,
                new_cost_nano_usd=moved.new_cost_nano_usd,
                quality=round(moved.quality / moved.requests, 4),
                new_quality=round(moved.new_quality / moved.requests, 4),
            )
            for (source, target), moved in ordered
        ]
