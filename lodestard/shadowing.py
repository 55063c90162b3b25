"""The shadow policy: whom another configuration would have asked, found out once a request was answered.

Law: never on a request's way, and it changes nothing: its choice stands in the trace alone. It is made by the
function that makes every plan, with the waits that the real choice had seen. What fails here is logged, and is no
fault of the request's.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, cast

from lodestard.domain.errors import CallerFault
from lodestard.domain.host_ports import Admission
from lodestard.domain.reply import Reply
from lodestard.domain.request import Caller, Request
from lodestard.domain.residency import Wait
from lodestard.domain.upstream import Candidate, Plan, Target
from lodestard.domain.usage import Usage
from lodestard.planning import plan_request
from lodestard.routing.score import Weighable, likely_cost
from lodestard.runtime import Runtime

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Shadow:
    """``runtime`` has the routes of the other policy; all else in it is the serving generation's.

    ``offer_of`` is what that policy knows of a target.
    """

    runtime: Runtime
    offer_of: Callable[[Target], Weighable | None]

    def judge(self, request: Request, caller: Caller, plan: Plan, reply: Reply | None) -> dict[str, Any]:
        """See the port."""
        if not plan.candidates:
            return {}
        try:
            shadow = self._plan(request, caller, plan)
            return {"shadow": judge(shadow, plan, self.offer_of, None if reply is None else reply.usage)}
        except Exception:
            logger.exception("the shadow policy failed")
            return {}

    def _plan(self, request: Request, caller: Caller, plan: Plan) -> Plan:
        as_seen = cast("Admission", WaitsAsSeen(self.runtime.admission, plan))
        try:
            return plan_request(request, caller, replace(self.runtime, admission=as_seen))
        except CallerFault as fault:
            return Plan(alias=request.alias, candidates=(), reason=fault.message)


def judge(
    shadow: Plan, plan: Plan, offer_of: Callable[[Target], Weighable | None], usage: Usage | None
) -> dict[str, Any]:
    """Whom it would have asked first; where that is another one, what this very answer costs there."""
    if not shadow.candidates:
        return {"target": "", "differs": True, "cost_nano_usd": 0, "reason": shadow.reason}
    first = shadow.candidates[0]
    differs = first.target != plan.candidates[0].target
    said = {"target": str(first.target), "differs": differs, "reason": shadow.reason}
    return {**said, "cost_nano_usd": cost_of(first, offer_of(first.target), usage)} if differs else said


def cost_of(candidate: Candidate, offer: Weighable | None, usage: Usage | None) -> int | None:
    """The tokens that were used, at the candidate's price; None where nobody counted them. Pure."""
    if usage is None or offer is None:
        return None
    cached = 0 if candidate.merit is None else candidate.merit.cached_tokens
    return likely_cost(offer, usage.prompt_tokens, usage.completion_tokens, cached)


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
