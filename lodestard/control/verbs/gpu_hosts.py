"""Hosts and their cards in the words of the control socket: whoever shows them reads them here.

Law: only looks, and says what the card's owner says; nothing is added up or guessed. Cheap: all of it is in memory.
"""

from collections.abc import Sequence

import msgspec

from lodestard.control.messages.gpu import GpuHost, GpuModel, GpuPlace, GpuReading, Learned
from lodestard.control.verbs.desk import Desk
from lodestard.domain.errors import CallerFault, Code
from lodestard.domain.host_ports import ResidencyDesk
from lodestard.domain.near import did_you_mean
from lodestard.domain.residency import Figure, HostState, ModelState, PlaceState
from lodestard.domain.telemetry import Telemetry

NOBODY = "Nobody looks after a card here: [residency] is off, or no upstream is an Ollama server."


def residency_of(desk: Desk) -> ResidencyDesk:
    """Whoever decides what is on the cards. Raises ``CallerFault`` where nobody does, or there is none."""
    residency = desk.residency
    if residency is None or not residency.hosts:
        raise CallerFault(Code.NOT_FOUND, NOBODY)
    return residency


def pick_host(residency: ResidencyDesk, name: str) -> str:
    """The host of that name; without one the only host. Raises ``CallerFault`` for another name, or for no choice."""
    hosts = tuple(residency.hosts)
    if name in hosts:
        return name
    if name:
        near = did_you_mean(name, hosts)
        hint = f"Did you mean {near}?" if near else f"The hosts: {', '.join(hosts)}."
        raise CallerFault(Code.INVALID_REQUEST, f"There is no host {name!r}. {hint}", param="host")
    if len(hosts) != 1:
        raise CallerFault(Code.INVALID_REQUEST, f"Which host? Say one of {', '.join(hosts)}.", param="host")
    return hosts[0]


def look_at_hosts(desk: Desk, name: str = "") -> tuple[GpuHost, ...]:
    """Every host, or the one of that name; empty where nobody looks after any. Raises ``CallerFault``."""
    residency = desk.residency
    if residency is None:
        return ()
    hosts: Sequence[str] = (pick_host(residency, name),) if name else residency.hosts
    telemetry = desk.runtime.hooks.telemetry
    return tuple(say_host(residency.state(host), telemetry(host)) for host in hosts)


def say_host(state: HostState, telemetry: Telemetry | None) -> GpuHost:
    """A host → what a person is told. Pure."""
    told = msgspec.convert(state, GpuHost, from_attributes=True)
    return msgspec.structs.replace(
        told,
        models=tuple(say_model(model) for model in state.models),
        places=say_places(state.places),
        reading=None if telemetry is None else msgspec.convert(telemetry, GpuReading, from_attributes=True),
    )


def say_model(model: ModelState) -> GpuModel:
    """A model → what a person is told: rates are tokens a second. Pure."""
    rates = model.rates
    told = msgspec.convert(model, GpuModel, from_attributes=True)
    if rates is None:
        return told
    return msgspec.structs.replace(
        told,
        load_s=msgspec.convert(rates.load_s, Learned, from_attributes=True),
        prefill_tokens_per_s=per_second(rates.prefill_s),
        decode_tokens_per_s=per_second(rates.decode_s),
    )


def per_second(seconds: Figure) -> Learned | None:
    """Seconds a token → tokens a second; None where it took no time. Pure."""
    if min(seconds.value, seconds.low, seconds.high) <= 0:
        return None
    return Learned(value=1 / seconds.value, low=1 / seconds.high, high=1 / seconds.low, count=seconds.count)


def say_places(places: Sequence[PlaceState]) -> tuple[GpuPlace, ...]:
    """Requests in the order in which they are expected to begin: running ones first, unknown ones last. Pure."""
    ordered = sorted(places, key=_expected)
    return tuple(msgspec.convert(place, GpuPlace, from_attributes=True) for place in ordered)


def _expected(place: PlaceState) -> tuple[bool, bool, float, float]:
    return place.state == "waiting", place.expected_s is None, place.expected_s or 0.0, -place.for_s
