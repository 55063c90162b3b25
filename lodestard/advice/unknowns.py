"""What a backtest can't know, in sentences. Pure."""

from collections.abc import Iterator

from lodestard.advice.tally import Tally
from lodestard.domain.routing_settings import When
from lodestard.routing.rules import Rulebook

NOT_KEPT = ("tag", "matches", "images", "tools", "schema")
"""Conditions of rules on what the ledger does not keep of a request."""


def say_unknowns(tally: Tally, rules: Rulebook) -> Iterator[str]:
    """The most important first."""
    if tally.changed:
        yield (
            "What would have changed is estimated: recorded tokens at the other model's price, its recorded pace, and"
            " no word of what it would have answered. Quality is what the router assumes, not what anybody read."
        )
    unknown = tally.requests - tally.kept - tally.failed - tally.hardness_known
    if unknown > 0:
        yield f"How hard {unknown} requests were was not kept (texts never are): such work's usual hardness is taken."
    if blind := [ready.name for ready in rules.rules if looks_at_lost(ready.rule.when)]:
        named = ", ".join(blind[:5])
        yield f"Rules that look at what is not kept (tags, images, tools, texts) were taken as not fitting: {named}."
    if tally.drifted:
        yield (
            f"{tally.drifted} requests were answered by another model than the running policy would ask first now: a"
            " model was down or busy, a budget was full, or the policy has changed since. They count as recorded."
        )


def looks_at_lost(when: When) -> bool:
    """Whether a rule depends on what the ledger does not keep."""
    return any(getattr(when, name) not in ((), "", None) for name in NOT_KEPT)
