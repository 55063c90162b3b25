"""What the configuration says of one host, in the planner's words. Pure."""

from collections.abc import Mapping
from math import inf
from typing import Any

import msgspec

from lodestard.domain.pins import find_local_model, pinned_members
from lodestard.domain.settings import LocalModel, Options, Residency, Settings, Upstream
from lodestard.residency.view import Policy

BACKGROUND_DWELL = 10
"""Nobody waits for background work: swapping less often is worth more to it."""


class Terms(msgspec.Struct, frozen=True, kw_only=True):
    """One host's configuration: its upstream, and the policy that all hosts share."""

    upstream: Upstream
    residency: Residency
    policy: Policy

    def model(self, name: str) -> LocalModel:
        """What is said of a model, or the defaults."""
        return find_local_model(self.upstream, name)

    def pinned(self, name: str) -> Mapping[str, Any]:
        """What every request for it carries: runner options and keep-alive."""
        return pinned_members(self.upstream, name)

    def options(self, name: str) -> Options:
        """The runner options alone."""
        return dict(self.pinned(name).get("options", {}))

    def parallel(self, name: str) -> int:
        """How many requests a model answers at once."""
        return min(self.model(name).parallel, self.upstream.concurrency)

    def context_tokens(self, name: str) -> int:
        """The context that it is loaded with, 0 where that is left to the server."""
        pinned = self.options(name).get("num_ctx", 0)
        return int(pinned) if isinstance(pinned, int | float) and pinned > 0 else 0

    def named(self, word: str) -> tuple[str, ...]:
        """The models that are ``warm``, ``pinned`` or ``default``."""
        return tuple(name for name, model in self.upstream.models.items() if getattr(model, word))


def read_terms(settings: Settings) -> Mapping[str, Terms]:
    """By upstream: those that residency looks after."""
    residency = settings.residency
    if not residency.enabled:
        return {}
    return {
        name: Terms(upstream=upstream, residency=residency, policy=read_policy(residency, upstream))
        for name, upstream in settings.upstreams.items()
        if upstream.dialect == "ollama"
    }


def read_policy(residency: Residency, upstream: Upstream) -> Policy:
    """``[residency]`` by urgency."""
    later_requests = BACKGROUND_DWELL * residency.dwell_requests
    later_s = BACKGROUND_DWELL * residency.dwell_s
    patience_s, longest_s = residency.background_patience_s, residency.background_max_wait_s
    return Policy(
        resident_models=upstream.resident_models,
        dwell_requests=(residency.dwell_requests, later_requests, later_requests),
        dwell_s=(residency.dwell_s, later_s, inf),
        linger_s=(residency.linger_s, residency.background_linger_s, residency.background_linger_s),
        patience_s=(residency.patience_s, patience_s, inf),
        max_wait_s=(residency.max_wait_s, longest_s, longest_s),
    )
