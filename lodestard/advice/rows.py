"""Plans → what the control socket says of them. Pure."""

from collections.abc import Mapping

import msgspec

from lodestard.control.messages.advice import RouteAdvice, RouteCandidate, RouteRejection, TaskFound
from lodestard.domain.choice import Asked
from lodestard.domain.errors import CallerFault
from lodestard.domain.task import Task
from lodestard.domain.upstream import Candidate, Merit, Plan, Target
from lodestard.routing.score import answer_tokens


def advice_of(plan: Plan, asked: Asked, task: Task, priors: Mapping[Target, Merit]) -> RouteAdvice:
    """A plan, with what was assumed of each candidate before anything was seen."""
    return RouteAdvice(
        alias=plan.alias,
        reason=plan.reason,
        task=task_of(task),
        prefer=plan.prefer,
        ordered=not plan.prefer,
        rules=plan.rules,
        labels=tuple(sorted(plan.labels)),
        prompt_tokens=asked.prompt_tokens,
        answer_tokens=answer_tokens(asked, task),
        candidates=tuple([candidate_of(each, priors.get(each.target)) for each in plan.candidates]),
        rejected=tuple([RouteRejection(target=str(each.target), reason=each.reason) for each in plan.rejected]),
    )


def refusal_of(alias: str, asked: Asked, task: Task, fault: CallerFault) -> RouteAdvice:
    """Nobody would be asked."""
    return RouteAdvice(
        alias=alias,
        task=task_of(task),
        prompt_tokens=asked.prompt_tokens,
        answer_tokens=answer_tokens(asked, task),
        refusal=fault.message,
    )


def task_of(task: Task) -> TaskFound:
    return TaskFound(kind=task.kind, hardness=task.hardness, sure=task.sure, why=task.why)


def candidate_of(candidate: Candidate, prior: Merit | None) -> RouteCandidate:
    merit = candidate.merit
    bare = RouteCandidate(
        target=str(candidate.target),
        free=candidate.free,
        up=candidate.up,
        prior=None if prior is None else round(prior.quality, 4),
        first_wait_s=candidate.predicted_wait_s,
        note=candidate.passed_over,
    )
    if merit is None:
        return bare
    return msgspec.structs.replace(
        bare,
        quality=round(merit.quality, 4),
        seen=round(merit.seen, 2),
        cost_nano_usd=merit.cost_nano_usd,
        wait_s=round(merit.wait_s, 3),
        value_nano_usd=merit.value_nano_usd,
        cached_tokens=merit.cached_tokens,
        note=candidate.passed_over or merit.note,
    )
