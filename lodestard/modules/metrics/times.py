"""Durations, counted in buckets: a histogram that costs a request a third of a microsecond.

Law: changed in sync code of the loop alone, so it takes no lock. Owner: the page that shows it.
"""

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

K = TypeVar("K")
INFINITY = float("inf")


@dataclass(slots=True)
class Row:
    """``counts`` by bucket, each for itself."""

    counts: list[int]
    sum_s: float = 0.0


class Times(Generic[K]):
    """One histogram with one label of the values ``K``, or, with an empty ``label``, of a single row."""

    def __init__(self, name: str, text: str, bounds_s: Sequence[float], label: str = "") -> None:
        self.name = name
        self.text = text
        self.label = label
        self.bounds_s = (*bounds_s, INFINITY)
        self.rows: dict[K, Row] = {}

    def add(self, key: K, duration_s: float) -> None:
        """Count it: a bucket holds what is at most its bound."""
        row = self.rows.get(key)
        if row is None:
            row = self.rows[key] = Row([0] * len(self.bounds_s))
        row.counts[bisect_left(self.bounds_s, duration_s)] += 1
        row.sum_s += duration_s
