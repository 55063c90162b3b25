"""Durations, counted in buckets: a histogram of Prometheus that costs a request a third of a microsecond.

Law: changed in sync code of the loop alone, so it takes no lock. Owner: the page that shows it.
"""

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from prometheus_client.core import HistogramMetricFamily
from prometheus_client.utils import floatToGoString

K = TypeVar("K")
INFINITY = float("inf")


@dataclass(slots=True)
class _Row:
    counts: list[int]
    sum_s: float = 0.0


class Times(Generic[K]):
    """One histogram with one label of the values ``K``, or, with an empty ``label``, of a single row."""

    def __init__(self, name: str, text: str, bounds_s: Sequence[float], label: str = "") -> None:
        self._name = name
        self._text = text
        self._label = label
        self._bounds_s = (*bounds_s, INFINITY)
        self._rows: dict[K, _Row] = {}

    def add(self, key: K, duration_s: float) -> None:
        """Count it: a bucket holds what is at most its bound."""
        row = self._rows.get(key)
        if row is None:
            row = self._rows[key] = _Row([0] * len(self._bounds_s))
        row.counts[bisect_left(self._bounds_s, duration_s)] += 1
        row.sum_s += duration_s

    def family(self) -> HistogramMetricFamily:
        """As ``prometheus_client`` writes it."""
        family = HistogramMetricFamily(self._name, self._text, labels=(self._label,) if self._label else ())
        for key, row in self._rows.items():
            family.add_metric((str(key),) if self._label else (), self._buckets(row), row.sum_s)
        return family

    def _buckets(self, row: _Row) -> list[tuple[str, float]]:
        total = 0
        buckets: list[tuple[str, float]] = []
        for bound_s, count in zip(self._bounds_s, row.counts, strict=True):
            total += count
            buckets.append((str(floatToGoString(bound_s)), total))  # type: ignore[no-untyped-call]
        return buckets
