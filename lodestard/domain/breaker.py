"""A circuit breaker: who fails again and again is asked last for a while, then by one request at a time. Pure.

Law: states are a table. Closed: asked in its turn. Open: asked last. Half-open: one request tries it, the others pass
it over. A good answer closes it whatever its state (after enough of them, where more than one is wanted); it never
stays open longer than ``most_open_s``; and nobody tries it while somebody else still does.
"""

from collections.abc import Callable, Mapping
from typing import Literal

import msgspec

from lodestard.domain.errors import Code, Fault, UpstreamFault
from lodestard.domain.resilience_settings import BreakerRules

State = Literal["closed", "open", "half_open"]
Kind = Literal["good", "bad", "none", "begin", "look", "tick"]
FORBIDDEN = 403
MOST_DOUBLINGS = 20


class Breaker(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of an upstream or of a model. Times are seconds of a clock that never goes back.

    ``failures`` are the moments of those in a row. Open until ``until_s``; ``openings``: how often, since it was last
    closed. ``good`` answers came while half-open. ``trying``: the request that tries it is under way. ``why``: what
    opened it.
    """

    state: State = "closed"
    failures: tuple[float, ...] = ()
    until_s: float = 0.0
    openings: int = 0
    good: int = 0
    trying: bool = False
    why: str = ""

    @property
    def passed_over(self) -> str:
        """Why it is not asked in its turn, in a few words; empty where it is."""
        if self.state == "open":
            return "breaker open"
        return "breaker half-open" if self.state == "half_open" and self.trying else ""


CLEAN = Breaker()


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """Something that happened. ``own``: to the request that was trying it.

    ``good`` and ``bad`` ends of an attempt, or ``none`` that says nothing; ``begin`` of one; a ``look`` that cost no
    token went well; a ``tick`` of time. A bad end may open it ``at_once``, and for ``long``.
    """

    kind: Kind
    at_s: float
    own: bool = False
    at_once: bool = False
    long: bool = False
    why: str = ""


Step = Callable[[Breaker, Event, BreakerRules], Breaker]


def step(breaker: Breaker, event: Event, rules: BreakerRules) -> Breaker:
    """The breaker after ``event``."""
    if event.own:
        breaker = msgspec.structs.replace(breaker, trying=False)
    return TABLE[breaker.state, event.kind](breaker, event, rules)


def _stay(breaker: Breaker, _event: Event, _rules: BreakerRules) -> Breaker:
    return breaker


def _forgive(breaker: Breaker, _event: Event, _rules: BreakerRules) -> Breaker:
    return msgspec.structs.replace(CLEAN, trying=breaker.trying)


def _count(breaker: Breaker, event: Event, rules: BreakerRules) -> Breaker:
    if not rules.failures:
        return breaker
    recent = [at_s for at_s in breaker.failures if event.at_s - at_s <= rules.window_s]
    counted = msgspec.structs.replace(breaker, failures=(*recent, event.at_s))
    return _open(counted, event, rules) if event.at_once or len(counted.failures) >= rules.failures else counted


def _open(breaker: Breaker, event: Event, rules: BreakerRules) -> Breaker:
    doubled_s = rules.open_s * 2 ** min(breaker.openings, MOST_DOUBLINGS)
    open_s = rules.most_open_s if event.long else min(doubled_s, rules.most_open_s)
    return msgspec.structs.replace(
        breaker,
        state="open",
        failures=(),
        until_s=event.at_s + open_s,
        openings=breaker.openings + 1,
        good=0,
        why=event.why,
    )


def _mend(breaker: Breaker, event: Event, rules: BreakerRules) -> Breaker:
    if breaker.good + 1 >= rules.half_open_probes:
        return _forgive(breaker, event, rules)
    return msgspec.structs.replace(breaker, state="half_open", good=breaker.good + 1)


def _half_open(breaker: Breaker, _event: Event, _rules: BreakerRules) -> Breaker:
    return msgspec.structs.replace(breaker, state="half_open", good=0)


def _wait(breaker: Breaker, event: Event, rules: BreakerRules) -> Breaker:
    return _half_open(breaker, event, rules) if event.at_s >= breaker.until_s else breaker


def _try(breaker: Breaker, _event: Event, _rules: BreakerRules) -> Breaker:
    return msgspec.structs.replace(breaker, trying=True)


TABLE: Mapping[tuple[State, Kind], Step] = {
    ("closed", "good"): _forgive,
    ("closed", "bad"): _count,
    ("closed", "none"): _stay,
    ("closed", "begin"): _stay,
    ("closed", "look"): _stay,
    ("closed", "tick"): _stay,
    ("open", "good"): _mend,
    ("open", "bad"): _stay,  # it was asked last, and nothing has changed
    ("open", "none"): _stay,
    ("open", "begin"): _stay,
    ("open", "look"): _half_open,
    ("open", "tick"): _wait,
    ("half_open", "good"): _mend,
    ("half_open", "bad"): _open,
    ("half_open", "none"): _stay,
    ("half_open", "begin"): _try,
    ("half_open", "look"): _stay,
    ("half_open", "tick"): _stay,
}


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """What the end of an attempt says of its upstream and of its model there."""

    upstream: Kind = "none"
    target: Kind = "none"
    at_once: bool = False
    long: bool = False
    why: str = ""


GOOD = Verdict(upstream="good", target="good")
NOTHING = Verdict()
_BROKEN = frozenset({Code.UPSTREAM_TIMEOUT, Code.UPSTREAM_CUT, Code.UPSTREAM_ERROR, Code.UPSTREAM_GARBAGE})


def verdict_of(fault: Fault) -> Verdict:
    """What breaks the connection, or refuses the key, is the upstream's; what else goes wrong the model's.

    Whoever answers that it takes no more now, or that the request is wrong, is well.
    """
    if not isinstance(fault, UpstreamFault) or not fault.upstream:
        return NOTHING
    why = fault.code.value if fault.status is None else f"{fault.code.value}, status {fault.status}"
    if fault.code is Code.UPSTREAM_AUTH and fault.status != FORBIDDEN:
        return Verdict(upstream="bad", at_once=True, long=True, why=why)
    if fault.code is Code.UPSTREAM_UNREACHABLE or (fault.code in _BROKEN and not fault.sent):
        return Verdict(upstream="bad", why=why)
    answered: Kind = "none" if fault.status is None else "good"
    if fault.code in (Code.UPSTREAM_AUTH, Code.UPSTREAM_QUOTA):
        return Verdict(upstream=answered, target="bad", at_once=True, long=True, why=why)
    if fault.code is Code.UPSTREAM_MODEL_MISSING:
        return Verdict(upstream=answered, target="bad", at_once=True, why=why)
    return Verdict(upstream=answered, target="bad" if fault.code in _BROKEN else "none", why=why)
