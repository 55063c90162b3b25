"""What a new configuration changes about what is there already: names, places, and models with other options.

Law: sync, and nothing waits for it. A model that lies in memory with options that no request carries any more goes
as soon as it is idle, and comes back with the new ones (``anew.py``).
"""

import msgspec

from lodestard.residency.card import Card
from lodestard.residency.terms import Terms


def take_in(card: Card, terms: Terms, routed: frozenset[str]) -> None:
    """``card`` goes on under ``terms``; ``routed`` are the models that aliases lead to."""
    card.configure(terms, routed)
    rename(card)
    for model, tenant in card.state.tenants.items():
        tenant.parallel = terms.parallel(model)
        card.renew(tenant)
    card.replan()


def rename(card: Card) -> None:
    """The configuration may have another name for a model that is in memory, waited for or pinned."""
    state, own = card.state, card.own_name
    for visit in (*state.queue.values(), *state.running):
        visit.asked = msgspec.structs.replace(visit.asked, model=own(visit.asked.model))
        visit.frozen = None
    for tenant in state.tenants.values():
        tenant.model = own(tenant.model)
    state.tenants = {tenant.model: tenant for tenant in state.tenants.values()}
    state.going = {own(model): going for model, going in state.going.items()}
    state.refused_until_s = {own(model): until_s for model, until_s in state.refused_until_s.items()}
    state.missing = {own(model) for model in state.missing}
    state.leaving, state.displaced = (own(model) if model else "" for model in (state.leaving, state.displaced))
    if state.loading is not None:
        state.loading.model = own(state.loading.model)
    card.standing.pinned = {own(model): strength for model, strength in card.standing.pinned.items()}
