"""The page. Owner of its registry; loaded when somebody first asks for it (see ``loop.py``)."""

from collections import Counter
from collections.abc import Iterator, Sequence

import trio
from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

from lodestard.domain.ports import CostFigures
from lodestard.modules.metrics.backups import collect_backups
from lodestard.modules.metrics.cards import collect_cards
from lodestard.modules.metrics.families import histogram
from lodestard.modules.metrics.heard import Heard
from lodestard.modules.metrics.settings import MetricsSettings
from lodestard.runtime import Runtime

# What the ledger sums for each model, and the counter that shows it.
STATES = {"closed": 0, "half_open": 1, "open": 2}
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


class Page:
    """Implements ``prometheus_client``'s collector over figures that were read just before, and what was heard."""

    def __init__(self, runtime: Runtime, settings: MetricsSettings, heard: Heard) -> None:
        self._runtime = runtime
        self._settings = settings
        self._heard = heard
        self._figures: Sequence[CostFigures] = ()
        self._read_at_s = float("-inf")
        self._refused: Counter[str] = Counter()
        self._registry = CollectorRegistry()
        self._registry.register(self)

    async def read(self) -> tuple[str, bytes]:
        """The exposition text. Raises ``HouseFault`` where the ledger can't be read."""
        if trio.current_time() - self._read_at_s >= self._settings.max_age_s:
            self._figures = await self._runtime.ledger.reports.costs("model")
            self._read_at_s = trio.current_time()
        return CONTENT_TYPE_LATEST, generate_latest(self._registry)

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
        heard = self._heard
        yield from (histogram(heard.total), histogram(heard.first), histogram(heard.overhead))
        refused = CounterMetricFamily("lodestar_keys_refused", "Requests without a good key.", labels=("reason",))
        for reason, count in heard.refused.items():
            refused.add_metric((reason,), count)
        yield refused
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
        yield from collect_backups(self._runtime.hooks.status_parts.get("backup"))
        yield self._breakers()
        yield from self._load()

    def _breakers(self) -> Metric:
        """All upstreams, and those of their models of which something bad is known."""
        text = "Who is passed over: 0 closed, 1 half-open, 2 open."
        family = GaugeMetricFamily("lodestar_breaker_state", text, labels=("breaker", "upstream"))
        states = dict.fromkeys(self._runtime.settings.upstreams, 0)
        states |= {view.name: STATES[view.state] for view in self._runtime.breakers.views()}
        for name, state in states.items():
            family.add_metric((name, name.partition("/")[0]), state)
        return family

    def _load(self) -> Iterator[Metric]:
        load = self._runtime.flights.load
        yield GaugeMetricFamily("lodestar_buffered_bytes", "Held in memory for clients.", load.held_bytes)
        yield CounterMetricFamily("lodestar_shed_requests", "Requests sent away: too many bytes.", load.shed_requests)
        yield CounterMetricFamily("lodestar_turned_away_connections", "Connections beyond a cap.", load.turned_away)
