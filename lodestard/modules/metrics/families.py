"""What was counted, as ``prometheus_client`` writes it."""

from typing import TypeVar

from prometheus_client.core import HistogramMetricFamily
from prometheus_client.utils import floatToGoString

from lodestard.modules.metrics.times import Times

K = TypeVar("K")


def histogram(times: Times[K]) -> HistogramMetricFamily:
    """Its rows, the buckets of each added up."""
    family = HistogramMetricFamily(times.name, times.text, labels=(times.label,) if times.label else ())
    for key, row in times.rows.items():
        total = 0
        buckets: list[tuple[str, float]] = []
        for bound_s, count in zip(times.bounds_s, row.counts, strict=True):
            total += count
            buckets.append((str(floatToGoString(bound_s)), total))  # type: ignore[no-untyped-call]
        family.add_metric((str(key),) if times.label else (), buckets, row.sum_s)
    return family
