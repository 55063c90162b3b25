"""The page, and the times that are counted for it. Owner of its registry and its counts."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack

import trio
from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

from lodestard.domain.clock import NS_PER_S
from lodestard.domain.news import AttemptEnded, RequestEnded
from lodestard.domain.ports import CostFigures
from lodestard.domain.upstream import Target
from lodestard.modules.metrics.cards import collect_cards
from lodestard.modules.metrics.settings import MetricsSettings
from lodestard.modules.metrics.times import Times
from lodestard.runtime import Runtime

US_PER_S = 1_000_000
SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300)
OVERHEAD = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.1)

# What the ledger sums for each model, and the counter that shows it.
LEVERS = ("local", "cache", "cheaper", "prompt_cache")
_OF_MODELS = (
    ("requests", "lodestar_requests", "Requests that ended, by the model that answered."),
    ("errors", "lodestar_errors", "Requests that ended with a fault."),
    ("cache_hits", "lodestar_cache_hits", "Requests answered from the cache or by a shared answer."),
    ("free_requests", "lodestar_free_requests", "Requests that asked free models only."),
    ("prompt_tokens", "lodestar_prompt_tokens", "Prompt tokens that upstreams counted."),
    ("completion_tokens", "lodestar_completion_tokens", "Completion tokens that upstreams counted."),
    ("cached_tokens", "lodestar_cached_tokens", "Prompt tokens that upstreams took from their own caches."),
    ("cache_write_tokens", "lodestar_cache_write_tokens", "Prompt tokens that upstreams wrote to their own caches."),
    ("reasoning_tokens", "lodestar_reasoning_tokens", "Completion tokens that were thought, not said."),
    ("cache_tokens", "lodestar_cache_tokens", "Tokens of answers from our cache and of shared ones."),
    ("cost_nano_usd", "lodestar_cost_nano_usd", "What was charged, in nano-USD."),
    ("unknown_nano_usd", "lodestar_unknown_nano_usd", "The part of it that was charged at its hold."),
    ("saved_nano_usd", "lodestar_saved_nano_usd", "What the baseline model would have cost more, in nano-USD."),
)


async def run_metrics(runtime: Runtime, settings: MetricsSettings) -> None:
    """Offer the page until cancelled."""
    metrics = Metrics(runtime, settings)
    with ExitStack() as doors:
        doors.enter_context(runtime.hooks.pages.add(settings.path, metrics.page))
        doors.enter_context(runtime.hooks.request_ended.listen(metrics.hear_request))
        doors.enter_context(runtime.hooks.attempt_ended.listen(metrics.hear_attempt))
        await trio.sleep_forever()


class Metrics:
    """Implements ``prometheus_client``'s collector over figures that were read just before."""

    def __init__(self, runtime: Runtime, settings: MetricsSettings) -> None:
        self._runtime = runtime
        self._settings = settings
        self._figures: Sequence[CostFigures] = ()
        self._read_at_s = float("-inf")
        self._registry = CollectorRegistry()
        self._registry.register(self)
        self._total = Times[str]("lodestar_request_seconds", "Time of a request, in all.", SECONDS, "cache")
        self._first = Times[Target](
            "lodestar_first_piece_seconds", "From dialling to the first piece of an answer.", SECONDS, "target"
        )
        self._overhead = Times[str]("lodestar_overhead_seconds", "Time spent in Lodestar itself.", OVERHEAD)

    async def page(self, _accept: str) -> tuple[str, bytes]:
        """The exposition text. Raises ``HouseFault`` where the ledger can't be read."""
        if trio.current_time() - self._read_at_s >= self._settings.max_age_s:
            self._figures = await self._runtime.ledger.reports.costs("model")
            self._read_at_s = trio.current_time()
        return CONTENT_TYPE_LATEST, generate_latest(self._registry)

    def hear_request(self, ended: RequestEnded) -> None:
        closing = ended.closing
        self._total.add(closing.cache, closing.total_us / US_PER_S)
        self._overhead.add("", closing.overhead_us / US_PER_S)

    def hear_attempt(self, attempt: AttemptEnded) -> None:
        if attempt.first_piece_ns is not None:
            self._first.add(attempt.target, attempt.first_piece_ns / NS_PER_S)

    def describe(self) -> Sequence[Metric]:
        """Nothing: asked at registration, before there are figures."""
        return ()

    def collect(self) -> Iterator[Metric]:
        """Called by ``generate_latest``."""
        for member, name, text in _OF_MODELS:
            family = CounterMetricFamily(name, text, labels=("target", "upstream"))
            for row in self._figures:
                family.add_metric((row.key, row.key.partition("/")[0]), getattr(row, member))
            yield family
        yield self._levers()
        yield from (self._total.family(), self._first.family(), self._overhead.family())
        yield from self._gauges()
        yield from collect_cards(self._runtime.residency)

    def _levers(self) -> Metric:
        """A gauge: a dearer model than the baseline makes it fall."""
        text = "What was saved against the baseline, by what saved it, in nano-USD."
        family = GaugeMetricFamily("lodestar_saved_by_lever_nano_usd", text, labels=("target", "upstream", "lever"))
        for row in self._figures:
            for lever in LEVERS:
                labels = (row.key, row.key.partition("/")[0], lever)
                family.add_metric(labels, getattr(row, f"saved_{lever}_nano_usd"))
        return family

    def _gauges(self) -> Iterator[Metric]:
        totals = self._runtime.ledger.totals()
        charged = sum(getattr(row, "cost_nano_usd") for row in self._figures)  # noqa: B009  a figure, as above
        yield GaugeMetricFamily("lodestar_charged_nano_usd", "All that was ever charged, in nano-USD.", charged)
        yield GaugeMetricFamily(
            "lodestar_held_nano_usd", "What is held for attempts under way.", totals.held_nano_usd
        )
        yield GaugeMetricFamily("lodestar_open_requests", "Requests under way.", totals.open_requests)
        yield GaugeMetricFamily("lodestar_flights", "Upstream answers under way.", self._runtime.flights.under_way)
        up = GaugeMetricFamily("lodestar_upstream_up", "1 where an upstream may be asked.", labels=("upstream",))
        for name in self._runtime.settings.upstreams:
            up.add_metric((name,), int(self._runtime.hooks.is_up(name)))
        yield up
        yield from self._load()

    def _load(self) -> Iterator[Metric]:
        load = self._runtime.flights.load
        yield GaugeMetricFamily("lodestar_buffered_bytes", "Held in memory for clients.", load.held_bytes)
        yield CounterMetricFamily("lodestar_shed_requests", "Requests sent away: too many bytes.", load.shed_requests)
        yield CounterMetricFamily("lodestar_turned_away_connections", "Connections beyond a cap.", load.turned_away)
