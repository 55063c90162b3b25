"""What is told while the daemon runs, counted for the page: times, which the ledger does not add up, and keys.

Law: knows no Prometheus, so that a house whose page nobody reads never loads it. Owner of its counts.
"""

from collections import Counter

from lodestard.domain.clock import NS_PER_S
from lodestard.domain.news import AttemptEnded, RequestEnded
from lodestard.domain.upstream import Target
from lodestard.modules.metrics.times import Times

US_PER_S = 1_000_000
SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300)
OVERHEAD = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.1)


class Heard:
    """Counts since the generation was opened."""

    def __init__(self) -> None:
        self.total = Times[str]("lodestar_request_seconds", "Time of a request, in all.", SECONDS, "cache")
        self.first = Times[Target](
            "lodestar_first_piece_seconds", "From dialling to the first piece of an answer.", SECONDS, "target"
        )
        self.overhead = Times[str]("lodestar_overhead_seconds", "Time spent in Lodestar itself.", OVERHEAD)
        self.refused: Counter[str] = Counter()

    def hear_request(self, ended: RequestEnded) -> None:
        closing = ended.closing
        self.total.add(closing.cache, closing.total_us / US_PER_S)
        self.overhead.add("", closing.overhead_us / US_PER_S)

    def hear_attempt(self, attempt: AttemptEnded) -> None:
        if attempt.first_piece_ns is not None:
            self.first.add(attempt.target, attempt.first_piece_ns / NS_PER_S)

    def hear_refusal(self, reason: str) -> None:
        self.refused[reason] += 1
