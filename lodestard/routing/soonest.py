"""Which of equal candidates can begin first: the plan's order, by the waits of this moment. Pure.

Law: only free candidates that are up change places, and only among each other. The same model on several hosts is
the same answer, so it is always asked where it comes soonest; different models only where the alias says so.
"""

from collections.abc import Callable, Iterator, Sequence

import msgspec

from lodestard.domain.residency import Wait
from lodestard.domain.upstream import Candidate, Plan, Target

NEVER = float("inf")


def arrange(plan: Plan, wait_of: Callable[[Target], Wait | None]) -> Plan:
    """``plan`` with its equals in the order in which they can begin, each with its predicted wait.

    Whose wait nobody knows comes last among its equals; at equal waits the plan's order stands.
    """
    groups = list(find_equals(plan)) if len(plan.candidates) > 1 else []
    if not groups:
        return plan
    candidates = list(plan.candidates)
    for places in groups:
        timed = [with_wait(candidates[place], wait_of) for place in places]
        timed.sort(key=likely_s)
        for place, candidate in zip(places, timed, strict=True):
            candidates[place] = candidate
    first = candidates[0]
    reason = plan.reason if first.target == plan.candidates[0].target else f"{plan.reason}; soonest on {first.target}"
    return msgspec.structs.replace(plan, candidates=tuple(candidates), reason=reason)


def find_equals(plan: Plan) -> Iterator[Sequence[int]]:
    """The places of candidates that may change places with each other, group by group."""
    movable = [place for place, candidate in enumerate(plan.candidates) if candidate.free and candidate.up]
    groups: dict[str, list[int]] = {}
    for place in movable:
        groups.setdefault("" if plan.soonest else plan.candidates[place].target.model, []).append(place)
    return (places for places in groups.values() if len(places) > 1)


def with_wait(candidate: Candidate, wait_of: Callable[[Target], Wait | None]) -> Candidate:
    wait = wait_of(candidate.target)
    return candidate if wait is None else msgspec.structs.replace(candidate, predicted_wait_s=wait.likely_s)


def likely_s(candidate: Candidate) -> float:
    return NEVER if candidate.predicted_wait_s is None else candidate.predicted_wait_s
