"""How long a request waits for its first token on a host, before it is there; and when those that are there get on.

Law: pure, total, and bounded in work: the planner itself is rolled forward (``roll.py``) for the requests that come
first; of a longer queue the rest is added up. The interval is that of everything that the wait hangs on. A longer
queue of the same kind never predicts a shorter wait.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from functools import partial
from itertools import pairwise
from math import inf
from typing import NamedTuple

import msgspec

from lodestard.residency.hindsight import AT_ONCE, Foreseen
from lodestard.residency.roll import Decide, RatesOf, Roll, is_known, prefill, quickest
from lodestard.residency.spans import NOTHING, Span, Sum, after, total
from lodestard.residency.tenancy import Known
from lodestard.residency.view import INTERACTIVE, RANKS, Policy, View, Waiter

MOST_ROLLED = 12
"""Half of them may wait for one model, so that whoever comes for another one displaces nobody from the roll."""
MOST_STEPS = 48
QUESTION = 1 << 62
"""The number of a request that has not come yet: after all that have."""
LONGEST_S = 1e6


class Question(msgspec.Struct, frozen=True, kw_only=True):
    """A request that might come; the members are those of ``Waiter``."""

    model: str
    prompt_tokens: int = 0
    urgency: int = INTERACTIVE
    principal: str = ""
    group: str = ""
    conversation: str = ""
    output_tokens: int | None = None
    brief: bool = False
    work: str = ""

    @classmethod
    def of(cls, waiter: Waiter) -> "Question":
        """As if ``waiter`` came now."""
        return cls(**{name: getattr(waiter, name) for name in cls.__struct_fields__})

    def as_waiter(self, now_s: float) -> Waiter:
        fields = {name: getattr(self, name) for name in self.__struct_fields__}
        return Waiter(id=QUESTION, arrived_s=now_s, **fields)


class Expected(msgspec.Struct, frozen=True, kw_only=True):
    """When the requests of a host get on, likely, in seconds from now, by their number.

    ``firsts_s``: when each has its first token; ``ends_s``: when it ends. What comes too late to be foreseen, or
    would never begin, is not among them. ``step_left_s``: of the load or unload that is under way.
    """

    firsts_s: Mapping[int, float]
    ends_s: Mapping[int, float]
    step_left_s: float | None = None


def predict_wait(view: View, rates: RatesOf, question: Question, decide: Decide) -> Foreseen | None:
    """How long until the first token of a request that came now; None where its model would not be loaded at all.

    What would wait for longer than the policy allows is thought to wait that long: then it is sent on. ``rates``
    gives what is known of a model; ``decide`` is the planner.
    """
    if _is_shut_out(question.model, view):
        return None
    asked = question.as_waiter(view.now_s)
    seen = _foresee(view, rates, asked, decide)
    if seen is None:
        return None
    span, fewest = seen.span, len(seen.roll.moves)
    if not is_known(rates(asked.model)):
        soonest = _foresee(view, partial(quickest, rates), asked, decide)
        if soonest is not None:  # whoever is quicker than was assumed is answered between other swaps, too
            span = span._replace(low=min(span.low, soonest.span.likely))
            fewest = min(fewest, len(soonest.roll.moves))
    longest_s = min(LONGEST_S, view.policy.max_wait_s[asked.urgency] + total(seen.roll.read(NOTHING, asked)).likely)
    why = _say(view, seen, asked, fewest)
    low_s, likely_s, high_s = (min(longest_s, seconds) for seconds in (span.low, span.likely, span.high))
    if likely_s >= longest_s:
        why = f"{why}: longer than it may wait"
    return Foreseen(likely_s=likely_s, low_s=low_s, high_s=high_s, why=why, group=_group(view, seen, asked))


class _Seen(NamedTuple):
    """What came of a roll: until the first token, and how many begin before it."""

    span: Span
    ahead: int
    roll: Roll


def _foresee(view: View, rates: RatesOf, asked: Waiter, decide: Decide) -> _Seen | None:
    """Roll the host forward until ``asked`` begins; None where it never would."""
    first, later = _split(asked, view)
    roll = Roll(_with(view, first, asked), rates, decide, MOST_STEPS)
    whole = roll.run(QUESTION)
    if QUESTION in roll.firsts:
        later = [] if _has_overtaken(asked, roll, view) else later
        first_token = _add_later(roll.firsts[QUESTION], later, roll, asked, view)
        return _Seen(total(first_token), len(roll.begun) - 1 + len(later), roll)
    if whole:
        return None
    waiting = (waiter for waiter in roll.waiters.values() if waiter.id != QUESTION)
    rest = [*(waiter for waiter in waiting if _comes_before(waiter, asked, view)), *later]
    return _Seen(total(_add_rest(rest, roll, asked, view)), len(roll.begun) + len(rest), roll)


def foresee_alone(policy: Policy, rates: RatesOf, waiter: Waiter, known: Known) -> Foreseen:
    """What ``predict_wait`` says of a request whose model is in memory and idle, without rolling anything: how long
    its prompt takes. ``known``: what is cached of it.
    """
    span, sure = total(after(NOTHING, prefill(rates, waiter, known))), is_known(rates(waiter.model))
    if not sure:
        soonest = total(after(NOTHING, prefill(partial(quickest, rates), waiter, known)))
        span = span._replace(low=min(span.low, soonest.likely))
    longest_s = min(
        LONGEST_S, policy.max_wait_s[waiter.urgency] + total(after(NOTHING, prefill(rates, waiter))).likely
    )
    low_s, likely_s, high_s = (min(longest_s, seconds) for seconds in (span.low, span.likely, span.high))
    group = AT_ONCE if sure else f"{RANKS[waiter.urgency]}, assumed"
    why = f"{waiter.model} is in memory and idle"
    return Foreseen(likely_s=likely_s, low_s=low_s, high_s=high_s, why=why, group=group)


def expect(view: View, rates: RatesOf, decide: Decide) -> Expected:
    """When everybody who runs or waits gets on, in one roll."""
    first = sorted(view.waiters, key=lambda one: (not _is_overdue(one, view), one.urgency, one.arrived_s, one.id))
    view = msgspec.structs.replace(view, waiters=tuple(first[:MOST_ROLLED]), wish=None)
    roll = Roll(view, rates, decide, MOST_STEPS)
    roll.run()
    return Expected(
        firsts_s={number: _likely(when) for number, when in roll.firsts.items()},
        ends_s={number: _likely(when) for number, when in roll.ends.items()},
        step_left_s=None if roll.step_end is None else _likely(roll.step_end),
    )


# -- who is looked at ------------------------------------------------------------------------------------------------


def _is_shut_out(model: str, view: View) -> bool:
    """Whether what nothing displaces takes all the room that there is."""
    if any(resident.model == model for resident in view.residents):
        return False
    if view.loading is not None and view.loading.model == model:
        return False
    return sum(resident.exclusive for resident in view.residents) >= view.policy.resident_models


def _is_overdue(waiter: Waiter, view: View) -> bool:
    return view.now_s >= waiter.arrived_s + view.policy.patience_s[waiter.urgency]


def _comes_before(waiter: Waiter, asked: Waiter, view: View) -> bool:
    """Whether it would begin first, were both for one model."""
    return waiter.urgency <= asked.urgency or _is_overdue(waiter, view)


def _split(asked: Waiter, view: View) -> tuple[list[Waiter], list[Waiter]]:
    """Those that the roll is for, and those after them that come before ``asked`` all the same."""
    most = MOST_ROLLED // 2
    if len(view.waiters) <= most:
        return list(view.waiters), []
    ordered = sorted(view.waiters, key=lambda one: (not _is_overdue(one, view), one.urgency, one.arrived_s, one.id))
    own = [waiter for waiter in ordered if waiter.model == asked.model]
    others = [waiter for waiter in ordered if waiter.model != asked.model]
    rest = (*own[most:], *others[most:])
    return [*own[:most], *others[:most]], [waiter for waiter in rest if _comes_before(waiter, asked, view)]


def _has_overtaken(asked: Waiter, roll: Roll, view: View) -> bool:
    """Whether it has begun while some that came earlier wait on: then so would those that are not rolled."""
    return any(one.model == asked.model and _comes_before(one, asked, view) for one in roll.waiters.values())


def _with(view: View, first: Sequence[Waiter], asked: Waiter) -> View:
    """The view once ``asked`` has come. A guess that it is for is none any more, and nobody gives up."""
    loading = view.loading
    if loading is not None and loading.model == asked.model:
        loading = msgspec.structs.replace(loading, wanted=True)
    policy = msgspec.structs.replace(view.policy, max_wait_s=(inf, inf, inf))
    return msgspec.structs.replace(view, policy=policy, waiters=(*first, asked), loading=loading, wish=None)


# -- what is added up ------------------------------------------------------------------------------------------------


def _add_later(when: Sum, later: Sequence[Waiter], roll: Roll, asked: Waiter, view: View) -> Sum:
    """The overdue come before it, one after the other; then those of its model, and each time that a turn of theirs
    is over, the others have theirs.
    """
    overdue = sorted((one for one in later if _is_overdue(one, view)), key=lambda one: (one.arrived_s, one.id))
    when = roll.serve_all(when, overdue, 1)
    for (going, coming), times in Counter(pairwise(one.model for one in overdue)).items():
        when = when if going == coming else roll.swap(when, going, coming, times)
    own = [one for one in later if one.model == asked.model and not _is_overdue(one, view)]
    others = [one for one in later if one.model != asked.model and not _is_overdue(one, view)]
    turn = roll.turn_requests(asked.urgency)
    turns = len(own) // turn if others else 0
    when = roll.serve_all(when, own, roll.parallel(asked.model))
    if turns:
        when = roll.serve_all(when, others[: turns * turn], 1)
        when = roll.swap(when, asked.model, others[0].model, turns)
        when = roll.swap(when, others[0].model, asked.model, turns)
    return when


def _add_rest(rest: Sequence[Waiter], roll: Roll, asked: Waiter, view: View) -> Sum:
    """What is left where the roll was cut short."""
    when = roll.horizon()
    if asked.model not in roll.tenants and (roll.loading is None or roll.loading.model != asked.model):
        others = [waiter for waiter in rest if waiter.model != asked.model]
        when = roll.serve_all(when, others[: roll.turn_requests(asked.urgency)], 1)
        when = roll.swap(when, next(iter(roll.tenants), ""), asked.model, 1)
    return roll.read(_add_later(when, rest, roll, asked, view), asked)


def _likely(when: Sum) -> float:
    return min(LONGEST_S, total(when).likely)


# -- what is said ----------------------------------------------------------------------------------------------------


def _group(view: View, seen: _Seen, asked: Waiter) -> str:
    """Of which kind it is, for what is learned from how far waits were off."""
    moves = bool(seen.roll.moves or view.leaving or view.loading is not None)
    if not is_known(seen.roll.rates(asked.model)):
        return f"{RANKS[asked.urgency]}, assumed"
    if not (moves or seen.ahead or any(resident.running for resident in view.residents)):
        return AT_ONCE
    return f"{RANKS[asked.urgency]}{', a swap' if moves else ''}"


def _say(view: View, seen: _Seen, asked: Waiter, fewest_moves: int) -> str:
    """What it waits for, in a short line."""
    running = sum(len(resident.running) for resident in view.residents)
    parts = [f"running {running}"] if running else []
    if seen.ahead:
        parts.append(f"{seen.ahead} before it")
    if change := _say_change(view, seen.roll, asked, fewest_moves):
        parts.append(f"then {change}" if parts else change)
    return ", ".join(parts) or f"{asked.model} is in memory and idle"


def _say_change(view: View, roll: Roll, asked: Waiter, fewest: int) -> str:
    if len(roll.moves) > 1:
        return f"{fewest} to {len(roll.moves)} swaps" if fewest < len(roll.moves) else f"{len(roll.moves)} swaps"
    if roll.moves:
        model, displaced = roll.moves[0]
        return f"a swap from {displaced}" if displaced else say_load(model)
    if view.loading is not None and view.loading.model == asked.model:
        return f"{asked.model} being loaded"
    return ""


def say_load(model: str) -> str:
    return f"a load of {model}"
