"""The newest verified backup, for Prometheus, as the backup module tells it in the status."""

from collections.abc import Callable, Iterator, Mapping

from prometheus_client.core import GaugeMetricFamily, Metric

MS_PER_S = 1_000


def collect_backups(part: Callable[[], object] | None) -> Iterator[Metric]:
    """Nothing where that module is off, or has made none yet: a time of nought would be 56 years ago."""
    told = part() if part is not None else None
    figures = told.get("figures") if isinstance(told, Mapping) else None
    if not isinstance(figures, Mapping) or not figures.get("last_ms"):
        return
    moment = GaugeMetricFamily(
        "lodestar_backup_last_success_timestamp_seconds",
        "When the newest verified backup was made.",
        figures["last_ms"] / MS_PER_S,
    )
    yield moment
    yield GaugeMetricFamily("lodestar_backup_size_bytes", "How large that one is.", figures["bytes"])
