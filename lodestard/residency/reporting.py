"""A card as others see it: one frozen ``HostState`` of this moment.

Law: reads, never changes. What nobody knows is None, never zero.
"""

from collections.abc import Iterator, Mapping
from functools import partial
from math import inf

import trio

from lodestard.domain.residency import HostState, ModelState, PlaceState, Step, Wait
from lodestard.residency.card import Card
from lodestard.residency.foretold import Foretold
from lodestard.residency.keeping import Keeping, may_renew
from lodestard.residency.notes import say_loading, say_waiting
from lodestard.residency.planner import decide
from lodestard.residency.state import State, Tenant, Visit
from lodestard.residency.view import RANKS
from lodestard.residency.waits import Expected, expect

PERCENT = 100


def report(card: Card, foretold: Foretold | None = None) -> HostState:
    """The state of ``card`` now. ``foretold`` keeps the waits for the next report."""
    now_s, state = trio.current_time(), card.state
    expected = expect(card.view(now_s), card.standing.rates.of, decide)
    keeping, known = card.keeping(now_s), known_models(card)
    waits = (foretold or Foretold()).of(card, known)
    step, model, since_s = find_step(state, lent=card.standing.paused_until_ms is not None)
    return HostState(
        host=card.name,
        step=step,
        reachable=state.reachable,
        version=state.version,
        problem=state.problem,
        step_model=model,
        step_for_s=max(0.0, now_s - since_s),
        step_left_s=expected.step_left_s,
        reason=state.reason,
        paused_until_ms=card.standing.paused_until_ms,
        resident_models=card.terms.policy.resident_models,
        models=tuple(describe_model(card, name, keeping, waits[name]) for name in known),
        places=tuple(describe_places(card, expected, now_s)),
        counts=state.counts,
        errors=card.standing.hindsight.errors(),
        next_model=keeping.guess,
        next_percent=keeping.guess_percent if keeping.guess else None,
        swaps=tuple(state.swaps),
    )


def find_step(state: State, *, lent: bool) -> tuple[Step, str, float]:
    """What the card is at, with which model, and since when."""
    if state.loading is not None:
        return "loading", state.loading.model, state.loading.started_s
    if state.leaving:
        return "unloading", state.leaving, state.leaving_since_s
    if lent:
        return "paused", "", state.lent_from_s
    busy = [tenant for tenant in state.tenants.values() if tenant.running]
    if state.reachable is False and not busy:
        return "unreachable", "", state.quiet_from_s
    if not busy:
        return "idle", "", state.quiet_from_s
    tenant = max(busy, key=lambda tenant: len(tenant.running))
    since_s = min(visit.begun_s or visit.arrived_s for visit in tenant.running.values())
    leaves = any(visit.asked.model not in state.tenants for visit in state.queue.values())
    return ("draining" if leaves and not state.someone_waits_for(tenant.model) else "serving"), tenant.model, since_s


def known_models(card: Card) -> list[str]:
    """Every model that the configuration, the server's memory or the queue names."""
    state = card.state
    asked = {visit.asked.model for visit in state.queue.values()}
    names = {*card.terms.upstream.models, *card.routed, *state.tenants, *card.standing.pinned, *asked}
    return sorted({card.own_name(name) for name in names})


def describe_model(card: Card, model: str, keeping: Keeping, wait: Wait | None) -> ModelState:
    """One model of a host, with how long a request that came now would wait for it."""
    state, terms, pins = card.state, card.terms, card.pins()
    tenant = state.tenants.get(model)
    loaded = tenant.loaded if tenant is not None else None
    pinned = "exclusive" if model in pins.exclusive else "kept" if model in pins.kept else ""
    return ModelState(
        model=model,
        resident=tenant is not None,
        pinned=pinned,  # type: ignore[arg-type]  # one of three words
        warm=model in keeping.warm,
        default=model in keeping.default,
        missing=model in state.missing,
        renewed=tenant is not None and may_renew(model, keeping),
        parallel=terms.parallel(model),
        running=0 if tenant is None else len(tenant.running),
        waiting=sum(visit.asked.model == model for visit in state.queue.values()),
        context_tokens=card.context_tokens(model),
        size_bytes=0 if loaded is None else loaded.size_bytes,
        vram_bytes=0 if loaded is None else loaded.vram_bytes,
        cpu_percent=None if tenant is None else cpu_percent(tenant),
        expires_ms=None if loaded is None else loaded.expires_ms,
        options=terms.options(model),
        rates=card.standing.rates.of(model),
        wait=wait,
    )


def cpu_percent(tenant: Tenant) -> int | None:
    """How much of a model lies outside the card; None where its server does not say how large it is."""
    size_bytes = tenant.loaded.size_bytes
    if size_bytes <= 0:
        return None
    outside = max(0, size_bytes - tenant.loaded.vram_bytes)
    return round(PERCENT * outside / size_bytes)


def describe_places(card: Card, expected: Expected, now_s: float) -> Iterator[PlaceState]:
    """Who is being answered, the first to end first; then who waits, in the order in which they should begin."""
    running = sorted(card.state.running, key=partial(by_time, expected.ends_s))
    waiting = sorted(card.state.queue.values(), key=partial(by_time, expected.firsts_s))
    for visit in running:
        yield describe_place(visit, now_s, expected.ends_s.get(visit.id))
    for visit in waiting:
        yield describe_place(visit, now_s, expected.firsts_s.get(visit.id))


def by_time(times_s: Mapping[int, float], visit: Visit) -> tuple[float, float]:
    """An order by expected times; what is too far to be foreseen comes last, by its arrival."""
    return (times_s.get(visit.id, inf), visit.arrived_s)


def describe_place(visit: Visit, now_s: float, expected_s: float | None) -> PlaceState:
    """A request on its way."""
    asked, begun_s = visit.asked, visit.begun_s
    return PlaceState(
        request_id=visit.request_id,
        model=asked.model,
        state="waiting" if begun_s is None else "running",
        rank=RANKS[asked.urgency],
        for_s=now_s - (visit.arrived_s if begun_s is None else begun_s),
        principal=asked.principal,
        client=asked.client,
        task=asked.task,
        session=asked.session,
        prompt_tokens=visit.estimate.likely,
        expected_s=expected_s,
    )


def say_wait(card: Card, visit: Visit) -> str:
    """What ``visit`` waits for, in one line for whoever waits with it."""
    state, model = card.state, visit.asked.model
    expected = expect(card.view(trio.current_time()), card.standing.rates.of, decide)
    if state.loading is not None and state.loading.model == model:
        return say_loading(model, expected.step_left_s)
    first_s = expected.firsts_s.get(visit.id)
    earlier = sum(expected.firsts_s.get(other, inf) < (first_s or 0.0) for other in state.queue)
    return say_waiting(model, earlier + len(state.running), first_s)
