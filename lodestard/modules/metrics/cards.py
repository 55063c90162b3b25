"""What is on the cards, for Prometheus: who waits, who runs, what was loaded. Read when the page is."""

from collections.abc import Iterator, Sequence

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from lodestard.domain.host_ports import ResidencyPort
from lodestard.domain.residency import HostState

# What a host counts, and the counter that shows it.
_COUNTS = (
    ("loads", "lodestar_card_loads", "Models that were loaded."),
    ("swaps", "lodestar_card_swaps", "Loads for requests that took the place of another model."),
    ("swap_seconds", "lodestar_card_swap_seconds", "Seconds that those took."),
    ("speculative", "lodestar_card_guesses", "Loads ahead of requests."),
    ("speculative_hits", "lodestar_card_guess_hits", "Guesses that were asked for next."),
    ("cancelled_loads", "lodestar_card_cancelled_loads", "Guesses that were given up for a request."),
    ("unplanned", "lodestar_card_unplanned_loads", "Loads that the server did on its own."),
    ("given_up", "lodestar_card_given_up", "Requests that waited as long as they may."),
    ("superseded", "lodestar_card_superseded", "Completions that a newer one has replaced."),
    ("preempted", "lodestar_card_preempted", "Idle work that was stopped for a request."),
    ("restarts", "lodestar_card_server_restarts", "Restarts of the server."),
)


def collect_cards(residency: ResidencyPort | None) -> Iterator[Metric]:
    """The families of all hosts; none where nobody looks after cards."""
    if residency is None or not residency.hosts:
        return
    states = [residency.state(host) for host in residency.hosts]
    for member, name, text in _COUNTS:
        counter = CounterMetricFamily(name, text, labels=("upstream",))
        for state in states:
            counter.add_metric((state.host,), getattr(state.counts, member))
        yield counter
    yield from _gauges(states)


def _gauges(states: Sequence[HostState]) -> Iterator[Metric]:
    resident = GaugeMetricFamily(
        "lodestar_model_resident", "1 where a model is in memory.", labels=("target", "upstream")
    )
    places = GaugeMetricFamily(
        "lodestar_card_requests", "Requests on a host that wait or run.", labels=("target", "upstream", "state")
    )
    for state in states:
        for model in state.models:
            target = f"{state.host}/{model.model}"
            resident.add_metric((target, state.host), int(model.resident))
            places.add_metric((target, state.host, "waiting"), model.waiting)
            places.add_metric((target, state.host, "running"), model.running)
    yield from (resident, places)
