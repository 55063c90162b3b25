"""A dry run: the plan of a request that nobody sends, with what speaks for each of its candidates.

Law: the plan is made by the function that makes every plan (``planning.plan_request``), so that what is told here is
what a request would get at this moment. Where a route stands in its order the sums only stand beside it.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import get_args

import msgspec

from lodestard.advice.asking import read_wanted
from lodestard.advice.rows import advice_of, refusal_of
from lodestard.asking import arrange_plan
from lodestard.control.messages.advice import RouteAdvice
from lodestard.control.verbs.advice_desk import WantedRoute
from lodestard.domain.choice import Among, Asked, Figures
from lodestard.domain.errors import CallerFault
from lodestard.domain.ports import EntryPort
from lodestard.domain.project import ProjectPolicy
from lodestard.domain.request import Caller, Request
from lodestard.domain.routing_settings import Prefer
from lodestard.domain.task import Task
from lodestard.domain.upstream import Candidate, Merit, Plan, Target
from lodestard.planning import Facts, figures_of, find_policy, plan_request, read_asked, tag_caller
from lodestard.routing.choose import know_nothing
from lodestard.runtime import Runtime

USUAL: Prefer = "balanced"
PREFERENCES: Sequence[Prefer] = get_args(Prefer)
FiguresOf = Callable[[Candidate], Figures]


class Trial(msgspec.Struct, frozen=True):
    """A request that is tried out: what it is, and what the router is asked with."""

    request: Request
    caller: Caller
    task: Task
    asked: Asked
    entry: EntryPort
    runtime: Runtime
    policy: ProjectPolicy | None = None

    def figures_of(self, candidate: Candidate) -> Figures:
        return figures_of(Facts(self.request, self.caller, self.task, self.entry), self.runtime, candidate)

    def among(self, targets: Sequence[Target], prefer: Prefer, figures: FiguresOf | None = None) -> Plan:
        """The plan if all of ``targets`` stood in one route. Raises ``CallerFault`` where none may answer."""
        among = Among(targets, prefer, self.policy)
        return self.runtime.routes.choose_among(self.asked, self.task, among, figures or self.figures_of)

    def merits(
        self, targets: Sequence[Target], prefer: Prefer, figures: FiguresOf | None = None
    ) -> Mapping[Target, Merit]:
        """What speaks for each of ``targets``; nothing of one that may not answer."""
        try:
            plan = self.among(targets, prefer, figures)
        except CallerFault:
            return {}
        return {candidate.target: candidate.merit for candidate in plan.candidates if candidate.merit is not None}

    def priors(self, targets: Sequence[Target], prefer: Prefer) -> Mapping[Target, Merit]:
        """The same before anything was seen or measured."""
        return self.merits(targets, prefer, know_nothing)


def open_trial(wanted: WantedRoute, runtime: Runtime) -> Trial:
    """Raises ``CallerFault`` for what is no request."""
    request, caller = read_wanted(wanted, runtime)
    entry, policy = runtime.ledger.foresee(caller, request.alias), find_policy(caller, runtime)
    caller = tag_caller(caller, policy)
    asked = read_asked(request, caller, runtime, runtime.routes.interest(policy))
    task = runtime.tasks.find(request, caller, runtime.settings.tasks)
    return Trial(request, caller, task, asked, entry, runtime, policy)


def explain_route(wanted: WantedRoute, runtime: Runtime) -> RouteAdvice:
    """What would become of it; where nobody may answer, why. Raises ``CallerFault`` for what is no request."""
    trial = open_trial(wanted, runtime)
    try:
        plan = plan_request(trial.request, trial.caller, runtime, trial.entry)
    except CallerFault as fault:
        return refusal_of(trial.request.alias, trial.asked, trial.task, fault)
    plan = arrange_plan(plan, trial.request, runtime)
    if plan.task is not None:
        trial = msgspec.structs.replace(trial, task=plan.task)
    prefer = preference(plan.prefer)
    targets = [candidate.target for candidate in plan.candidates]
    merits = {} if plan.prefer else trial.merits(targets, prefer)
    return advice_of(with_merits(plan, merits), trial.asked, trial.task, trial.priors(targets, prefer))


def preference(said: str) -> Prefer:
    """What is preferred; where nothing is, what is usual."""
    return next((known for known in PREFERENCES if known == said), USUAL)


def with_merits(plan: Plan, merits: Mapping[Target, Merit]) -> Plan:
    """The plan in its order, with what speaks for each. Pure."""
    candidates = [
        candidate
        if candidate.merit is not None
        else msgspec.structs.replace(candidate, merit=merits.get(candidate.target))
        for candidate in plan.candidates
    ]
    return msgspec.structs.replace(plan, candidates=tuple(candidates))
