"""What to replay next, and why nothing may be replayed now. Pure.

Law: a decision comes with its reason, in words for a person. Real requests come first: where anything speaks of one,
nothing is replayed.
"""

from collections.abc import Iterable, Mapping, Sequence

import msgspec

from lodestard.domain.quotes import PaidRequest
from lodestard.domain.residency import HostState
from lodestard.domain.upstream import Candidate, Target
from lodestard.modules.eval_idle.book import Book
from lodestard.modules.eval_idle.settings import EvalIdleSettings, Span

MORE_OF_RESIDENT = 20
"""So many verdicts more than the others may the model have that is on the card, before it is swapped."""


class Moment(msgspec.Struct, frozen=True, kw_only=True):
    """What is known at one moment. ``hosts`` are those whose models may be asked; ``models`` all that there are.

    ``quiet_for_s``: since the last real request, or since the beginning.
    """

    store_text: bool
    looked_after: bool
    minute: int
    quiet_for_s: float
    open_requests: int = 0
    today: int = 0
    pause_s: float = 0.0
    models: tuple[Target, ...] = ()
    hosts: Mapping[str, HostState] = {}


class Replay(msgspec.Struct, frozen=True):
    """A stored request, and the local model that it is asked of."""

    request: PaidRequest
    target: Target


def why_not(moment: Moment, settings: EvalIdleSettings) -> str:
    """Why nothing may be replayed now; empty where something may."""
    return _never(moment, settings) or _not_now(moment, settings)


def _never(moment: Moment, settings: EvalIdleSettings) -> str:
    """What a person has to change."""
    if not moment.store_text:
        return "prompts and answers are not kept, so there is nothing to replay (ledger.store_text is off)"
    if not moment.looked_after:
        return "nobody looks after the cards, so a replay could be in the way (residency.enabled is off)"
    if not moment.models:
        return "there is no free model on a card" + (" among modules.eval_idle.models" if settings.models else "")
    return ""


def _not_now(moment: Moment, settings: EvalIdleSettings) -> str:
    """What passes by itself."""
    if moment.today >= settings.per_day:
        return f"today's {settings.per_day} replays are done"
    if not is_within(moment.minute, settings.span):
        return f"it is not within {settings.hours}"
    if moment.open_requests:
        return "requests are under way"
    if moment.quiet_for_s < settings.quiet_s:
        return f"it has been quiet for {moment.quiet_for_s:.0f} of {settings.quiet_s:.0f} s"
    if moment.pause_s > 0:
        return f"the last replay was cut short; again in {moment.pause_s:.0f} s"
    if not idle_hosts(moment.hosts):
        return ", ".join(f"{name} is {_at(state)}" for name, state in sorted(moment.hosts.items()))
    return ""


def _at(state: HostState) -> str:
    return "asked for something" if state.places else state.step


def idle_hosts(hosts: Mapping[str, HostState]) -> frozenset[str]:
    """Where nothing is under way, and nothing waits."""
    return frozenset(name for name, state in hosts.items() if state.step == "idle" and not state.places)


def is_within(minute: int, span: Span | None) -> bool:
    """Whether a minute of the day is in a span, which may go over midnight."""
    if span is None:
        return True
    begin, end = span
    return begin <= minute < end if begin < end else minute >= begin or minute < end


def local_models(
    free: Iterable[Candidate], hosts: Mapping[str, HostState], settings: EvalIdleSettings
) -> tuple[Target, ...]:
    """The free models on cards that somebody looks after, without those that their server does not have."""
    wanted = {Target.parse(name) for name in settings.models}
    targets = [each.target for each in free if each.free and each.up and each.target.upstream in hosts]
    missing = {Target(name, model.model) for name, state in hosts.items() for model in state.models if model.missing}
    return tuple(target for target in targets if target not in missing and (not wanted or target in wanted))


def order_models(models: Sequence[Target], hosts: Mapping[str, HostState], book: Book) -> list[Target]:
    """Those of idle hosts: the one on the card first, until it is far ahead of the others; then who has least."""
    idle = idle_hosts(hosts)
    ready = [target for target in models if target.upstream in idle]
    resident = {Target(name, each.model) for name in idle for each in hosts[name].models if each.resident}

    def rank(target: Target) -> int:
        return book.judged_in_all(target) - (MORE_OF_RESIDENT if target in resident else 0)

    return sorted(ready, key=rank)


def choose_replay(requests: Sequence[PaidRequest], models: Sequence[Target], book: Book) -> Replay | None:
    """The first model with something to do; of its requests one of the task that least is known of, the newest.

    ``requests`` are the newest first.
    """
    for target in models:
        left = [request for request in requests if not book.is_done(request.id, target)]
        if left:
            return Replay(min(left, key=lambda request: book.judged(request.task, target)), target)
    return None


def is_fit(request: PaidRequest, settings: EvalIdleSettings) -> bool:
    """Whether it may be replayed at all: nobody has said otherwise, and it is not too long."""
    return (
        request.project not in settings.skip_projects
        and request.prompt_tokens <= settings.max_prompt_tokens
        and request.answer_tokens <= settings.max_answer_tokens
    )
