"""What the mover reports back to a card: a load or an unload has ended, the server has said what is in memory.

Law: sync; each changes the card's state and asks the planner anew. The server is right about its memory, but for what
it is answering at this moment.
"""

from collections.abc import Callable, Sequence

import trio

from lodestard.domain.errors import Code, UpstreamFault
from lodestard.domain.pins import is_nought
from lodestard.domain.residency import LoadedModel, Swap
from lodestard.residency import refusals
from lodestard.residency.card import Card
from lodestard.residency.doubt import may_have_expired
from lodestard.residency.state import Load, Tenant
from lodestard.residency.view import INTERACTIVE

REFUSED_S = 60.0
"""How long a load that nobody asked for is not tried again after it failed."""


def finish_load(card: Card, load: Load, listed: Sequence[LoadedModel]) -> None:
    """The model is in memory; ``listed`` is what the server says of its memory, nothing where it says nothing."""
    state, now_s = card.state, trio.current_time()
    state.loading = None
    if listed:
        believe(card, listed)
    took_s = now_s - load.started_s
    wanted = load.wanted or state.someone_waits_for(load.model)
    tenant = state.tenants.get(load.model) or add_tenant(card, LoadedModel(model=load.model))
    tenant.guessed, tenant.options = not wanted, load.options
    if load.awaited or state.someone_waits_for(load.model, INTERACTIVE):
        tenant.awaited_s = now_s  # whoever it was loaded for may have left, and will come back
    state.refused_until_s.pop(load.model, None)
    state.missing.discard(load.model)
    state.anew.discard(load.model)
    if len(state.tenants) >= card.terms.policy.resident_models:
        state.anew &= state.tenants.keys()  # what has gone lost its room
    card.renew(tenant)
    card.standing.rates.learn_load(load.model, took_s)
    card.standing.rates.note_size(load.model, tenant.loaded.size_bytes)
    counts = state.counts
    card.count(loads=counts.loads + 1, speculative=counts.speculative + (not load.wanted))
    why = "a request" if wanted else load.reason
    left = "" if state.displaced == load.model else state.displaced
    state.swaps.append(Swap(at_ms=card.now_ms(), model=load.model, left=left, took_s=took_s, why=why))
    if wanted:
        note_swap(card, load.model, took_s)
    state.displaced, state.displaced_s = "", 0.0
    card.replan()


def note_swap(card: Card, model: str, took_s: float) -> None:
    """Count it, and let those who waited for it know what they waited for."""
    state = card.state
    displaced, whole_s = state.displaced, state.displaced_s + took_s
    if displaced == model:
        displaced = ""  # it had gone, and came back
    if displaced:
        counts = state.counts
        card.count(swaps=counts.swaps + 1, swap_seconds=counts.swap_seconds + whole_s)
    line = f"a swap from {displaced} to {model}" if displaced else f"loading {model}"
    for visit in state.queue.values():
        if visit.asked.model == model:
            visit.story.append(f"{line} took {whole_s:.1f} s")


def fail_load(card: Card, load: Load, fault: UpstreamFault) -> None:
    """It could not be loaded: those who wait for it go on to their next candidates."""
    state = card.state
    state.loading = None
    state.displaced, state.displaced_s = "", 0.0
    state.anew.discard(load.model)
    state.refused_until_s[load.model] = trio.current_time() + REFUSED_S
    if fault.code is Code.UPSTREAM_MODEL_MISSING:
        state.missing.add(load.model)
    state.turn_away(lambda: refusals.restated(fault, card.name), load.model)
    card.replan()


def give_load_up(card: Card, listed: Sequence[LoadedModel]) -> None:
    """A load that nobody had asked for was given up; it may have been done all the same: ``listed`` says so."""
    card.state.loading = None
    if listed:
        believe(card, listed)
    card.count(cancelled_loads=card.state.counts.cancelled_loads + 1)
    card.replan()


def finish_unload(card: Card, model: str, took_s: float, fault: UpstreamFault | None) -> None:
    """An unload has ended: the server lists it no more, or ``fault``. It is not ours any longer in either case."""
    state, model = card.state, card.own_name(model)
    state.leaving = ""
    forget_tenant(card, model, fault)
    if fault is None:
        card.standing.rates.learn_unload(took_s)
    state.displaced, state.displaced_s = ("", 0.0) if model in state.anew else (model, took_s)
    card.replan()


def has_lost_all(card: Card, listed: Sequence[LoadedModel]) -> bool:
    """Whether the server has nothing in memory any more, though something of it should have stayed.

    It has restarted, or its card's memory ran out; or somebody else unloaded all that there was.
    """
    now_ms = card.now_ms()
    kept = (
        tenant.loaded.expires_ms is None or now_ms < tenant.loaded.expires_ms
        for tenant in card.state.tenants.values()
        if not is_nought(card.terms.pinned(tenant.model).get("keep_alive", ""))
    )
    return not listed and any(kept)


def believe(card: Card, listed: Sequence[LoadedModel]) -> None:
    """The server has said what is in memory."""
    there = {card.own_name(one.model): one for one in listed}
    for model, tenant in list(card.state.tenants.items()):
        if (one := there.pop(model, None)) is not None:
            if tenant.loaded.context_tokens not in (0, one.context_tokens):
                tenant.options = None  # somebody else had it loaded anew
            tenant.loaded = one
        elif not tenant.running:
            forget_tenant(card, model)
    for one in there.values():
        add_tenant(card, one)


def forget_expired(card: Card, listed: Sequence[LoadedModel]) -> None:
    """The same while a model is being moved: only what was to go by itself is believed to have gone."""
    there, now_ms = {card.own_name(one.model) for one in listed}, card.now_ms()
    for model, tenant in list(card.state.tenants.items()):
        if model not in there and model != card.state.leaving and may_have_expired(tenant, now_ms):
            forget_tenant(card, model)


def add_tenant(card: Card, loaded: LoadedModel) -> Tenant:
    """A model is in memory, by us or by somebody else."""
    model, now_s = card.own_name(loaded.model), trio.current_time()
    tenant = card.state.tenants[model] = Tenant(model, card.terms.parallel(model), loaded, now_s, used_s=now_s)
    if loaded.digest:
        options = sorted(card.terms.options(model).items())
        card.standing.rates.note_mark(model, f"{loaded.digest} {options}")
    return tenant


def forget_tenant(card: Card, model: str, fault: UpstreamFault | None = None) -> None:
    """A model is in memory no more, or should not be; whoever told it to go shall know."""
    card.state.tenants.pop(model, None)
    if (going := card.state.going.pop(model, None)) is not None:
        going.end(fault)


def abandon(card: Card, why: Callable[[], UpstreamFault]) -> None:
    """The mover has ended, and what it was at with it: nobody may wait any longer for that, or for a place."""
    state = card.state
    state.loading, state.leaving, state.doubtful = None, "", False
    state.displaced, state.displaced_s = "", 0.0
    for model in list(state.going):
        state.going.pop(model).end(why())
    state.turn_away(why)
    card.replan()


def give_in(card: Card) -> None:
    """What kept it has met a defect of ours: nobody may wait until it is kept again."""
    fault = refusals.broken(card.name)
    card.state.broken, card.state.problem = True, fault.message
    abandon(card, lambda: refusals.broken(card.name))
