"""From a request to its plan: collects what the choice is made from, and leaves the choice to ``routing``.

Law: it decides nothing, and nothing is looked at that the choice does not depend on. The plan of an alias whose route
stands in its order is made once and serves until something changes; only what is preferred, tagged or ruled is
weighed anew for each request.
"""

from collections.abc import Sequence
from datetime import datetime
from functools import lru_cache, partial
from typing import NamedTuple, get_args
from zoneinfo import ZoneInfo

import msgspec

from lodestard.domain.choice import MOST_TEXT, Asked, Figures, Interest, Needs
from lodestard.domain.evidence import Evidence
from lodestard.domain.feedback import MIDDLING, Cell, kind_of
from lodestard.domain.ports import EntryPort
from lodestard.domain.project import ProjectPolicy, both_of
from lodestard.domain.request import Caller, ImagePart, Request
from lodestard.domain.routing_settings import Day
from lodestard.domain.task import Task
from lodestard.domain.upstream import LAN_ONLY, Candidate, Plan, Target
from lodestard.routing.choose import UNKNOWN_TASK
from lodestard.runtime import Runtime
from lodestard.switching import switched_alias

BYTES_PER_TOKEN = 4
LEAST_BYTES_PER_TOKEN = 2
"""No text that people write has fewer: nearly so many tokens a prompt has at most."""

IMAGE_TOKENS = 600
"""As in ``tokens.estimator``: an inline image is no text of its size."""

DAYS: Sequence[Day] = get_args(Day)

LABELS = frozenset((LAN_ONLY,))
"""The tags that are labels too: who asks may bind itself."""


def plan_request(request: Request, caller: Caller, runtime: Runtime, entry: EntryPort | None = None) -> Plan:
    """Who answers it, in which order. Raises ``CallerFault`` where nobody may.

    Without an ``entry`` nothing will be spent, so no budget is asked.
    """
    routes, policy = runtime.routes, find_policy(caller, runtime)
    needs, instead = routes.needs(request.alias), switched_alias(request, caller, runtime)
    plain = policy is None and not instead and not caller.tags and not caller.prefer
    if plain and needs is not None and is_plain(request, needs):
        return routes.choose(request.alias)
    caller = tag_caller(caller, policy)
    interest = routes.interest(policy)
    asked = read_asked(request, caller, runtime, interest)
    if instead:
        asked = msgspec.structs.replace(asked, instead=instead)

    def plan_as(task: Task) -> Plan:
        return routes.plan(asked, task, partial(figures_of, Facts(request, caller, task, entry), runtime), policy)

    weighed = caller.prefer or routes.prefers(instead or request.alias) or (policy is not None and policy.prefer)
    if not (interest.task or weighed):
        plan = plan_as(UNKNOWN_TASK)
        if not plan.prefer:  # neither does a rule prefer something, nor the alias that a rule names
            return plan
    return plan_as(runtime.tasks.find(request, caller, runtime.settings.tasks))


def find_policy(caller: Caller, runtime: Runtime) -> ProjectPolicy | None:
    """What the project's trusted file says, without what the caller's key may not use, or what is gone."""
    here, named = runtime.projects.policy(caller.folder), runtime.projects.policy(caller.project)
    policy = here or named
    if policy is None or caller.origin:
        return None
    if named is not None and named is not policy:
        policy = both_of(policy, named)
    held, known = runtime.clients.limited.get(caller.principal), runtime.settings.models

    def usable(alias: str) -> bool:
        return not alias or (alias in known and (held is None or held.may_use(alias)))

    if all(map(usable, policy.models.values())) and all(usable(rule.model) for rule in policy.rules):
        return policy
    return msgspec.structs.replace(
        policy,
        models={name: alias for name, alias in policy.models.items() if usable(alias)},
        rules=tuple(
            [rule if usable(rule.model) else msgspec.structs.replace(rule, model="") for rule in policy.rules]
        ),
    )


def tag_caller(caller: Caller, policy: ProjectPolicy | None) -> Caller:
    """Who asks, with the tags that its project's file adds."""
    if policy is None or not policy.tags:
        return caller
    return msgspec.structs.replace(caller, tags=tuple(dict.fromkeys((*caller.tags, *policy.tags))))


def is_plain(request: Request, needs: Needs) -> bool:
    """Whether all that could answer its alias can answer it."""
    if needs.context_tokens and request.size_bytes > needs.context_tokens * LEAST_BYTES_PER_TOKEN:
        return False
    if needs.tools and request.conversation.tools:
        return False
    return not (needs.images and request.has_images)


def read_asked(request: Request, caller: Caller, runtime: Runtime, interest: Interest) -> Asked:
    """The request as far as it counts here; its size is guessed from its bytes."""
    talk = request.conversation
    minute, day = read_time(runtime) if interest.time else (0, DAYS[0])
    return Asked(
        alias=request.alias,
        caller=caller,
        prompt_tokens=guess_tokens(request),
        output_tokens=talk.sampling.max_output_tokens,
        images=request.has_images,
        tools=bool(talk.tools),
        schema=talk.format.kind != "text",
        text=said_last(request) if interest.text else "",
        minute=minute,
        day=day,
        labels=LABELS.intersection(caller.tags),
    )


def guess_tokens(request: Request) -> int:
    """The prompt's tokens, by its bytes; what images are is not counted by theirs."""
    images = [
        part for message in request.conversation.messages for part in message.parts if isinstance(part, ImagePart)
    ]
    text_bytes = request.size_bytes - sum([len(part.data) for part in images])
    return max(0, text_bytes) // BYTES_PER_TOKEN + IMAGE_TOKENS * len(images)


def read_time(runtime: Runtime) -> tuple[int, Day]:
    """The minute of the day and the day of the week, in the ledger's time zone."""
    now = datetime.fromtimestamp(runtime.clock.now_ms() / 1_000, ZoneInfo(runtime.timezone))
    return now.hour * 60 + now.minute, DAYS[now.weekday()]


def said_last(request: Request) -> str:
    """The beginning of what the user says last."""
    for message in reversed(request.conversation.messages):
        if message.role == "user":
            return message.text[:MOST_TEXT]
    return ""


class Facts(NamedTuple):
    """Whose request it is, and what it was found to be."""

    request: Request
    caller: Caller
    task: Task
    entry: EntryPort | None


def figures_of(facts: Facts, runtime: Runtime, candidate: Candidate) -> Figures:
    """What is known of a candidate at this moment, for this request."""
    target, caller = candidate.target, facts.caller
    pace = runtime.paces.of(target)
    wait = runtime.admission.predicted_wait(target, guess_tokens(facts.request))
    return Figures(
        wait_s=None if wait is None else wait.likely_s,
        first_s=pace.first_s,
        tokens_per_s=pace.tokens_per_s,
        cells=seen_of(facts, runtime, target),
        cached_tokens=runtime.paces.cached_tokens(caller.session, target),
        last=runtime.paces.answered_last(caller.session, target),
        no_room="" if facts.entry is None else say_no_room(facts.entry, candidate, runtime),
    )


def seen_of(facts: Facts, runtime: Runtime, target: Target) -> tuple[Cell, ...]:
    """What was seen of the answers of ``target``: judged by who asked, and measured beside a paid model's."""
    cells = runtime.outcomes.cells(target)
    measured = runtime.hooks.evidence(facts.caller.task, target)
    return cells if measured is None else with_measured(cells, kind_of(facts.caller.task), measured)


@lru_cache(maxsize=256)
def with_measured(cells: tuple[Cell, ...], kind: str, measured: Evidence) -> tuple[Cell, ...]:
    """The same object from choice to choice, so that what follows from it is worked out once."""
    good = measured.quality * measured.count
    return (*cells, Cell(kind, MIDDLING, good, measured.count - good))


def say_no_room(entry: EntryPort, candidate: Candidate, runtime: Runtime) -> str:
    """Why a budget leaves nothing for it; an empty string where there is room, however little."""
    if candidate.free:
        return ""
    room = runtime.ledger.find_room(entry, candidate)
    spent = room.nano_usd is not None and room.nano_usd <= 0
    return "no budget has room for it" if spent or (room.tokens is not None and room.tokens <= 0) else ""
