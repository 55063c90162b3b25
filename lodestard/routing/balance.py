"""Which of equal paid candidates is asked first: the least busy, and of those the quickest. Pure.

Law: only those change places that the alias names as equals, that are paid and up, and only among each other.
"""

from collections.abc import Callable, Collection

import msgspec

from lodestard.domain.upstream import Plan, Target


def balance(plan: Plan, equals: Collection[str], pace_of: Callable[[Target], tuple[int, float]]) -> Plan:
    """``plan`` with its equals by their pace; where that is the same, the plan's order stands."""
    places = [
        place
        for place, candidate in enumerate(plan.candidates)
        if candidate.up and not candidate.free and str(candidate.target) in equals
    ]
    if len(places) < 2:
        return plan
    candidates = list(plan.candidates)
    by_pace = sorted((candidates[place] for place in places), key=lambda candidate: pace_of(candidate.target))
    for place, candidate in zip(places, by_pace, strict=True):
        candidates[place] = candidate
    moved = by_pace[0].target != plan.candidates[places[0]].target
    reason = f"{plan.reason}; least busy: {by_pace[0].target}" if moved else plan.reason
    return msgspec.structs.replace(plan, candidates=tuple(candidates), reason=reason)
