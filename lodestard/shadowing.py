"""The shadow policy: whom another configuration would have asked, found out once a request was answered.

Law: never on a request's way, and it changes nothing: its choice stands in the trace alone. It is made by the
function that makes every plan, with the waits that the real choice had seen. What fails here is logged, and is no
fault of the request's.
"""

import logging
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, cast

from lodestard.domain.carried import Carried
from lodestard.domain.errors import CallerFault
from lodestard.domain.host_ports import Admission
from lodestard.domain.price import FREE
from lodestard.domain.residency import Wait
from lodestard.domain.upstream import Candidate, Plan, Target
from lodestard.planning import plan_request
from lodestard.routing.score import likely_cost
from lodestard.runtime import Runtime

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Shadow:
    """``runtime`` has the routes of the other policy; all else in it is the serving generation's."""

    runtime: Runtime

    def judge(self, carried: Carried) -> Mapping[str, Any] | None:
        """What the trace says of it; None where nobody was chosen in earnest."""
        if not carried.plan.candidates:
            return None
        try:
            return judge(carried, self.runtime)
        except Exception:
            logger.exception("the shadow policy failed")
            return None


def judge(carried: Carried, runtime: Runtime) -> Mapping[str, Any]:
    """Whom it would have asked first, whether that is another one, and what this very answer costs there."""
    as_seen = cast("Admission", WaitsAsSeen(runtime.admission, carried.plan))
    try:
        plan = plan_request(carried.request, carried.caller, replace(runtime, admission=as_seen))
    except CallerFault as fault:
        return {"target": "", "differs": True, "cost_nano_usd": 0, "reason": fault.message}
    first = plan.candidates[0]
    differs = first.target != carried.plan.candidates[0].target
    cost_nano_usd = cost_of(first, carried) if differs else carried.cost_nano_usd
    return {"target": str(first.target), "differs": differs, "cost_nano_usd": cost_nano_usd, "reason": plan.reason}


def cost_of(candidate: Candidate, carried: Carried) -> int | None:
    """The tokens that were used, at the candidate's price; None where nobody counted them. Pure."""
    if carried.usage is None:
        return None
    cached = 0 if candidate.merit is None else candidate.merit.cached_tokens
    price = FREE if candidate.free else candidate.price or FREE
    return likely_cost(price, carried.usage.prompt_tokens, carried.usage.completion_tokens, cached)


class WaitsAsSeen:
    """Waits as the real choice saw them: by now its own answer has loaded a model, or moved a queue on."""

    def __init__(self, admission: Admission, plan: Plan) -> None:
        self._admission = admission
        self._seen = {each.target: each.predicted_wait_s for each in plan.candidates if each.merit is not None}

    def predicted_wait(self, target: Target, prompt_tokens: int) -> Wait | None:
        if target not in self._seen:
            return self._admission.predicted_wait(target, prompt_tokens)
        seen_s = self._seen[target]
        return None if seen_s is None else Wait(likely_s=seen_s, low_s=seen_s, high_s=seen_s)
