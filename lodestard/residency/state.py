"""What is known of one host at this moment: who is in memory, who waits, who is being answered.

Law: changed only in sync code, by the ``Card`` that owns it; ``freeze`` is how everybody else sees it. Seconds are
trio's.
"""

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from math import inf

import trio

from lodestard.domain.errors import Fault, UpstreamFault
from lodestard.domain.residency import HostCounts, LoadedModel, Swap
from lodestard.domain.settings import Options
from lodestard.domain.usage import Durations, Usage
from lodestard.residency.asking import AUTOCOMPLETE, Asked
from lodestard.residency.fit import Estimate
from lodestard.residency.habits import Guess
from lodestard.residency.hindsight import Foreseen
from lodestard.residency.keeping import Keeping
from lodestard.residency.served import Served
from lodestard.residency.terms import Terms
from lodestard.residency.view import IDLE, Loading, Policy, Resident, Running, View, Waiter, Wish

LAST_SWAPS = 10
NS_PER_S = 1_000_000_000


@dataclass(slots=True, eq=False)
class Visit:
    """A request from its coming to its going. ``fault`` is why it may not begin, or must stop.

    ``story`` is how it came to its place, in short lines; ``predicted`` what was thought when it came; ``waited``: it
    could not begin at once. ``warm``: its conversation was cached when it began; ``kin``: another one of its work
    was. ``cold_tokens``: what had to be read, as far as is known; ``produced_s``: when its first token came.
    """

    id: int
    asked: Asked
    request_id: str
    arrived_s: float
    estimate: Estimate
    room_tokens: int | None = None
    predicted: Foreseen | None = None
    waited: bool = False
    passed: int = 0
    begun_s: float | None = None
    cold_tokens: int = 0
    warm: bool = False
    kin: bool = False
    produced_s: float | None = None
    fault: Fault | None = None
    frozen: Waiter | None = None
    story: list[str] = field(default_factory=list)
    scope: trio.CancelScope = field(default_factory=trio.CancelScope)
    turn: trio.Event = field(default_factory=trio.Event)

    def stop(self, fault: Fault) -> None:
        """It may not begin, or is stopped in the middle."""
        self.fault = fault
        self.turn.set()
        self.scope.cancel()

    def as_waiter(self) -> Waiter:
        """As the planner sees it; kept, for every arrival looks at everybody who waits."""
        if self.frozen is None or self.frozen.passed != self.passed:
            self.frozen = self._freeze()
        return self.frozen

    def _freeze(self) -> Waiter:
        asked = self.asked
        return Waiter(
            id=self.id,
            model=asked.model,
            urgency=asked.urgency,
            principal=asked.principal,
            group=asked.group,
            conversation=asked.conversation,
            arrived_s=self.arrived_s,
            prompt_tokens=self.estimate.likely,
            output_tokens=asked.output_tokens,
            passed=self.passed,
            brief=asked.task == AUTOCOMPLETE,
            work=asked.work,
        )

    def first_token_s(self, usage: Usage, durations: Durations) -> float:
        """When it came, in trio's seconds; of an answer that was not streamed by what the server said."""
        if self.produced_s is not None:
            return self.produced_s
        one_ns = durations.decode_ns / max(1, usage.completion_tokens)
        return (self.begun_s or self.arrived_s) + (durations.load_ns + durations.prefill_ns + one_ns) / NS_PER_S

    def as_running(self) -> Running:
        asked = self.asked
        return Running(
            id=self.id,
            urgency=asked.urgency,
            principal=asked.principal,
            conversation=asked.conversation,
            started_s=self.begun_s or self.arrived_s,
            prompt_tokens=self.cold_tokens,
            output_tokens=asked.output_tokens,
            produced_s=self.produced_s,
            work=asked.work,
        )


@dataclass(slots=True, eq=False)
class Tenant:
    """A model in memory. ``cached`` are the conversations that its slots still know, the latest last; ``works`` the
    kinds of as many requests that began last.

    ``begun``: how many requests have used it since it was loaded, at ``since_s``; the last one ended at ``used_s``.
    ``guessed``: nobody had asked for it when it was loaded. ``options``: what it was loaded with, None where somebody
    else has loaded it. ``unasked_until_s``: see ``Resident``.
    """

    model: str
    parallel: int
    loaded: LoadedModel
    since_s: float
    used_s: float
    awaited_s: float = -inf
    unasked_until_s: float = -inf
    running: dict[int, Visit] = field(default_factory=dict)
    cached: deque[str] = field(default_factory=deque)
    works: deque[str] = field(default_factory=deque)
    streak: int = 0
    begun: int = 0
    guessed: bool = False
    options: Options | None = None

    def knows(self, conversation: str) -> bool:
        """Whether the beginning of that conversation's prompt need not be read again."""
        return bool(conversation) and conversation in self.cached

    def begin(self, visit: Visit) -> None:
        """A request takes a place; its conversation takes the slot that was used longest ago."""
        conversation = visit.asked.conversation
        latest = self.cached[-1] if self.cached else ""
        self.streak = self.streak + 1 if conversation and conversation == latest else 1
        if conversation in self.cached:
            self.cached.remove(conversation)
        elif len(self.cached) >= self.parallel:
            self.cached.popleft()
        self.cached.append(conversation)
        self.works.append(visit.asked.work)
        if len(self.works) > self.parallel:
            self.works.popleft()
        self.running[visit.id] = visit
        self.begun += 1

    @property
    def has_place(self) -> bool:
        return len(self.running) < self.parallel


@dataclass(slots=True, eq=False)
class Load:
    """A load under way. ``wanted``: somebody has asked for it; ``awaited``: who waits; ``reason``: why else.

    ``options`` are those of the configuration when it began.
    """

    model: str
    started_s: float
    wanted: bool
    awaited: bool = False
    reason: str = ""
    options: Options | None = None
    scope: trio.CancelScope = field(default_factory=trio.CancelScope)


@dataclass(slots=True, eq=False)
class Going:
    """A model that a person has told to go. ``ended`` comes once it has gone, or did not: then ``fault`` says why."""

    ended: trio.Event = field(default_factory=trio.Event)
    fault: UpstreamFault | None = None

    def end(self, fault: UpstreamFault | None = None) -> None:
        self.fault = fault
        self.ended.set()


@dataclass(slots=True, eq=False)
class State:
    """Everything about one host. ``reachable`` is None until it was asked; ``missing`` are models that it lacks.

    ``refused_until_s``: until when a model is not brought back unasked, for it was told to go or could not be loaded.
    ``going`` are models that were told to go; those of them in ``anew`` go only to be loaded with other options.
    ``displaced`` is what was unloaded last, until something is loaded: together they are a swap. ``swaps`` are the
    last loads. ``doubtful``: what is in memory may be gone, so nothing begins or moves before somebody has looked, as
    was done last at ``looked_s``. ``broken``: nobody moves anything, after a defect of ours.
    """

    tenants: dict[str, Tenant] = field(default_factory=dict)
    queue: dict[int, Visit] = field(default_factory=dict)
    loading: Load | None = None
    leaving: str = ""
    leaving_since_s: float = 0.0
    displaced: str = ""
    displaced_s: float = 0.0
    served: Served = field(default_factory=Served)
    going: dict[str, Going] = field(default_factory=dict)
    anew: set[str] = field(default_factory=set)
    missing: set[str] = field(default_factory=set)
    refused_until_s: dict[str, float] = field(default_factory=dict)
    reachable: bool | None = None
    doubtful: bool = False
    broken: bool = False
    looked_s: float = -inf
    version: str = ""
    problem: str = ""
    reason: str = ""
    quiet_from_s: float = 0.0
    lent_from_s: float = 0.0
    swaps: deque[Swap] = field(default_factory=partial(deque, maxlen=LAST_SWAPS))
    awaited_s: float = -inf
    counts: HostCounts = field(default_factory=HostCounts)

    @property
    def running(self) -> Sequence[Visit]:
        return [visit for tenant in self.tenants.values() for visit in tenant.running.values()]

    @property
    def quiet(self) -> bool:
        """Whether nobody waits and nothing is being answered."""
        return not self.queue and not any(tenant.running for tenant in self.tenants.values())

    @property
    def settled(self) -> bool:
        """Whether nothing is being loaded or unloaded, or shall be."""
        return self.loading is None and not self.leaving and not self.going

    def pass_over(self, begun: Visit) -> None:
        """Everybody who waits for another model has been passed by ``begun``."""
        for visit in self.queue.values():
            if visit.asked.model != begun.asked.model and visit.asked.urgency >= begun.asked.urgency:
                visit.passed += 1

    def turn_away(self, why: Callable[[], Fault], model: str = "") -> None:
        """Nobody may wait any more, for ``model`` or for any. Each is told in a fault of its own."""
        for visit in list(self.queue.values()):
            if model in ("", visit.asked.model):
                del self.queue[visit.id]
                visit.stop(why())

    def someone_waits_for(self, model: str, urgency: int = IDLE) -> bool:
        """Whether a request as urgent as that waits for it."""
        return any(visit.asked.model == model and visit.asked.urgency <= urgency for visit in self.queue.values())


@dataclass(frozen=True, slots=True)
class Pins:
    """The models that stay: ``kept`` until somebody waits for another one, ``exclusive`` whoever waits."""

    kept: frozenset[str] = frozenset()
    exclusive: frozenset[str] = frozenset()


def freeze(state: State, now_s: float, policy: Policy, pins: Pins, wish: Wish | None) -> View:
    """The view that the planner decides by."""
    load = state.loading
    return View(
        now_s=now_s,
        policy=policy,
        waiters=tuple(visit.as_waiter() for visit in state.queue.values()),
        residents=tuple(
            freeze_tenant(tenant, pins, going=name in state.going) for name, tenant in state.tenants.items()
        ),
        loading=None if load is None else freeze_load(load, state),
        leaving=state.leaving,
        leaving_since_s=state.leaving_since_s if state.leaving else None,
        displaced=state.displaced,
        awaited_s=state.awaited_s,
        served_s=state.served.at(now_s) if len(state.queue) > 1 else {},
        wish=wish,
    )


def freeze_load(load: Load, state: State) -> Loading:
    """A guess that somebody has come to wait for is none any more."""
    wanted = load.wanted or state.someone_waits_for(load.model)
    return Loading(model=load.model, started_s=load.started_s, wanted=wanted)


def freeze_tenant(tenant: Tenant, pins: Pins, *, going: bool) -> Resident:
    return Resident(
        model=tenant.model,
        parallel=tenant.parallel,
        running=tuple(visit.as_running() for visit in tenant.running.values()),
        since_s=tenant.since_s,
        begun=tenant.begun,
        used_s=tenant.used_s,
        awaited_s=tenant.awaited_s,
        unasked_until_s=tenant.unasked_until_s,
        cached=tuple(tenant.cached),
        works=tuple(tenant.works),
        streak=tenant.streak,
        kept=tenant.model in pins.kept,
        exclusive=tenant.model in pins.exclusive,
        going=going,
    )


def freeze_keeping(state: State, now_s: float, terms: Terms, pins: Pins, guess: Guess | None) -> Keeping:
    """What a wish goes by. ``guess``: which model is thought to come next."""
    resident = frozenset(state.tenants)
    return Keeping(
        now_s=now_s,
        quiet_from_s=state.quiet_from_s,
        quiet_s=terms.residency.quiet_s,
        resident=resident,
        pinned=tuple(sorted(pins.kept)),
        warm=terms.named("warm"),
        default=terms.named("default"),
        guess="" if guess is None else guess.model,
        guess_percent=0 if guess is None else guess.percent,
        refused=frozenset(model for model, until_s in state.refused_until_s.items() if now_s < until_s),
        room=len(resident) < terms.policy.resident_models,
        anew=tuple(sorted(state.anew)),
    )
