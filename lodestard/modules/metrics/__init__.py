"""Figures for Prometheus at ``/metrics``.

Money, tokens and counts of requests are read from the ledger's own aggregation at each scrape; only times, which the
ledger does not add up, are counted here.
"""

from lodestard.module import Module
from lodestard.modules.metrics.loop import run_metrics
from lodestard.modules.metrics.settings import MetricsSettings

MODULE = Module("metrics", "figures for Prometheus", MetricsSettings, run_metrics)
