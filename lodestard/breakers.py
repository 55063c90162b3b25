"""The circuit breakers of all upstreams and of their models. Owner of their states (``domain/breaker.py`` decides).

Law: learned from real attempts, and from looks that cost no token. Who is passed over is asked last, never never: a
request that can be answered is answered. Each change of state is logged with its reason. Changed in sync code only;
it outlives every generation, as what is broken does.
"""

import logging
from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

import msgspec
import trio

from lodestard.domain.breaker import CLEAN, Breaker, Event, Kind, State, Verdict, step
from lodestard.domain.errors import Code
from lodestard.domain.resilience_settings import BreakerRules
from lodestard.domain.settings import Settings
from lodestard.domain.upstream import Target

MOST_KNOWN = 512
NEVER = float("inf")
NOBODY: Mapping[str, str] = {}

logger = logging.getLogger(__name__)


class Trial(NamedTuple):
    """Which breakers an attempt tries: its upstream's, its model's."""

    upstream: bool = False
    target: bool = False


NO_TRIAL = Trial()


class BreakerView(msgspec.Struct, frozen=True, kw_only=True):
    """A breaker, for people. ``name`` is an upstream or a target; it stays open for ``open_s`` yet."""

    name: str
    state: State
    failures: int = 0
    open_s: float = 0.0
    openings: int = 0
    why: str = ""


class Breakers:
    """By name: ``upstream``, ``upstream/model``. Those of which nothing bad is known are not there."""

    def __init__(self, now_s: Callable[[], float] = trio.current_time) -> None:
        self._now_s = now_s
        self._known: dict[str, Breaker] = {}
        self._due_s = NEVER
        self._tripped = NOBODY
        self._usual = BreakerRules()
        self._rules: Mapping[str, BreakerRules] = {}

    def configure(self, settings: Settings) -> None:
        """Take in a configuration.

        What refused its key is asked again: that may be what has changed. Who has no breaker any more is forgotten.
        """
        self._usual = settings.breaker
        self._rules = {name: upstream.breaker.over(settings.breaker) for name, upstream in settings.upstreams.items()}
        for name, breaker in list(self._known.items()):
            gone = name.partition("/")[0] not in self._rules or not self._rules_of(name).failures
            if gone or breaker.why.startswith(Code.UPSTREAM_AUTH.value):
                self._set(name, CLEAN, "the configuration was read anew")
        self._take_stock()

    def tripped(self) -> Mapping[str, str]:
        """Who is passed over now, and why. The same object for as long as nothing has changed."""
        if self._due_s < NEVER and self._now_s() >= self._due_s:
            self._tick()
        return self._tripped

    def why_not(self, target: Target) -> str:
        """Why ``target`` is not asked in its turn, in a few words; empty where it is."""
        tripped = self.tripped()
        return (tripped.get(target.upstream) or tripped.get(str(target)) or "") if tripped else ""

    def begin(self, target: Target) -> Trial:
        """An attempt begins. Whoever is half-open is tried by it, if nobody does already."""
        if not self._known:
            return NO_TRIAL
        self.tripped()
        return Trial(self._try(target.upstream), self._try(str(target)))

    def end(self, target: Target, trial: Trial, verdict: Verdict) -> None:
        """It has ended: what that says."""
        if not self._known and verdict.upstream != "bad" and verdict.target != "bad":
            return
        self._tell(target.upstream, verdict.upstream, verdict, own=trial.upstream)
        self._tell(str(target), verdict.target, verdict, own=trial.target)
        self._take_stock()

    def note_look(self, upstream: str) -> None:
        """A look that cost no token has found it there: one request may try it before its time.

        A look carries no key, so it says nothing to one whose key was refused.
        """
        if upstream in self._known and not self._known[upstream].why.startswith(Code.UPSTREAM_AUTH.value):
            self._take(upstream, Event(kind="look", at_s=self._now_s()), "it answers a probe")
            self._take_stock()

    def state_of(self, name: str) -> State:
        """Of an upstream or a target."""
        self.tripped()
        return self._known.get(name, CLEAN).state

    def views(self) -> Iterator[BreakerView]:
        """Those of which something bad is known, by name."""
        self.tripped()
        now_s = self._now_s()
        for name, breaker in sorted(self._known.items()):
            yield BreakerView(
                name=name,
                state=breaker.state,
                failures=len(breaker.failures),
                open_s=max(0.0, breaker.until_s - now_s) if breaker.state == "open" else 0.0,
                openings=breaker.openings,
                why=breaker.why,
            )

    def _try(self, name: str) -> bool:
        breaker = self._known.get(name)
        if breaker is None or breaker.state != "half_open" or breaker.trying:
            return False
        self._take(name, Event(kind="begin", at_s=self._now_s()))
        self._take_stock()
        return True

    def _tell(self, name: str, kind: Kind, verdict: Verdict, *, own: bool) -> None:
        event = Event(
            kind=kind, at_s=self._now_s(), own=own, at_once=verdict.at_once, long=verdict.long, why=verdict.why
        )
        self._take(name, event, verdict.why if kind == "bad" else "it answers")

    def _tick(self) -> None:
        event = Event(kind="tick", at_s=self._now_s())
        for name in list(self._known):
            self._take(name, event, "it was left alone long enough")
        self._take_stock()

    def _take(self, name: str, event: Event, why: str = "") -> None:
        before = self._known.get(name, CLEAN)
        after = step(before, event, self._rules_of(name))
        if after != before:
            self._set(name, after, why)

    def _rules_of(self, name: str) -> BreakerRules:
        """Those of its upstream."""
        return self._rules.get(name.partition("/")[0], self._usual)

    def _set(self, name: str, after: Breaker, why: str) -> None:
        before = self._known.pop(name, CLEAN)
        if after != CLEAN:
            while len(self._known) >= MOST_KNOWN:
                del self._known[next(iter(self._known))]
            self._known[name] = after
        if after.state != before.state:
            level = logging.WARNING if after.state == "open" else logging.INFO
            span = f" for {after.until_s - self._now_s():.3g} s" if after.state == "open" else ""
            logger.log(level, "breaker of %s: %s -> %s%s: %s", name, before.state, after.state, span, why)

    def _take_stock(self) -> None:
        """Who is passed over now, and when that changes by itself."""
        self._due_s = min((one.until_s for one in self._known.values() if one.state == "open"), default=NEVER)
        tripped = {name: why for name, breaker in self._known.items() if (why := breaker.passed_over)}
        if tripped != self._tripped:
            self._tripped = tripped
