"""Models that their server may have forgotten by itself: nothing begins on one before somebody has looked.

Law: pure. A keep-alive runs out between two looks; a request that began on the strength of the older one would have
the server load the model within it, and the client that leaves would abort that load. What is listed says until when
it stays, as far as the two clocks agree: where the server's lags behind, a model that is idle is looked at whenever
somebody wants it, once; where it is ahead, that is found out as late as the looks are apart.
"""

from lodestard.residency.state import State, Tenant

SOON_MS = 1_000
"""What ends so soon may end on a request's way."""
FRESH_S = 0.1
"""What was seen so lately is believed: otherwise a clock that is wrong would have us look for ever."""


def may_have_expired(tenant: Tenant, now_ms: int) -> bool:
    """Whether its keep-alive may have run out. While it answers, it does not."""
    expires_ms = tenant.loaded.expires_ms
    return expires_ms is not None and not tenant.running and expires_ms - SOON_MS <= now_ms


def is_doubtful(tenant: Tenant, state: State, now_s: float, now_ms: int) -> bool:
    """Whether somebody has to look before anything begins on it."""
    return may_have_expired(tenant, now_ms) and now_s - state.looked_s > FRESH_S


def must_look(state: State, now_s: float, now_ms: int) -> bool:
    """Whether somebody waits for a model that is doubtful."""
    return any(
        is_doubtful(tenant, state, now_s, now_ms) and state.someone_waits_for(model)
        for model, tenant in state.tenants.items()
    )
