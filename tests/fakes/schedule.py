"""A card in simulated time: the planner decides, loads and answers take as long as they are said to.

Pure: no clock, no trio. It checks at every step that the card holds no more than it may, that a place is given once,
and that the planner does not ask for the impossible.
"""

import heapq
from collections.abc import Sequence
from dataclasses import dataclass, field
from math import inf

import msgspec

from lodestard.residency.planner import decide
from lodestard.residency.view import IDLE, INTERACTIVE, Decision, Loading, Policy, Resident, Running, View, Waiter


@dataclass(frozen=True)
class Job:
    """A request: when it comes, for what, how long its answer takes, and when its client leaves unserved."""

    at_s: float
    model: str
    service_s: float
    urgency: int = 0
    principal: str = "local"
    conversation: str = ""
    brief: bool = False
    leaves_s: float = inf


@dataclass(frozen=True)
class Costs:
    """How long moving takes, and how many requests a model answers at once."""

    load_s: float = 4.0
    unload_s: float = 1.0
    parallel: int = 1


@dataclass
class Log:
    """What has happened: by job, when it began; and the moves in order."""

    began_s: dict[int, float] = field(default_factory=dict)
    ended_s: dict[int, float] = field(default_factory=dict)
    given_up: dict[int, float] = field(default_factory=dict)
    left: dict[int, float] = field(default_factory=dict)
    preempted: list[int] = field(default_factory=list)
    loads: list[tuple[float, str]] = field(default_factory=list)
    unloads: list[tuple[float, str]] = field(default_factory=list)
    cancelled: int = 0
    most_resident: int = 0


class Schedule:
    """One run. ``jobs`` are numbered by their place; ``run`` ends when all have begun, left or been sent away."""

    def __init__(self, jobs: Sequence[Job], policy: Policy, costs: Costs = Costs()) -> None:
        self.jobs, self.policy, self.costs = jobs, policy, costs
        self.now_s = 0.0
        self.log = Log()
        self.waiting: dict[int, Waiter] = {}
        self.residents: dict[str, Resident] = {}
        self.loading: Loading | None = None
        self.leaving = ""
        self.displaced = ""
        self.awaited_s = -inf
        self._events: list[tuple[float, int, str, int, str]] = []
        self._serial = 0
        self._looks: set[float] = set()
        for number, job in enumerate(jobs):
            self._at(job.at_s, "arrive", number)
            if job.leaves_s < inf:
                self._at(job.leaves_s, "leave", number)

    def _at(self, at_s: float, what: str, number: int = -1, model: str = "") -> None:
        self._serial += 1
        heapq.heappush(self._events, (at_s, self._serial, what, number, model))

    def run(self, most_steps: int = 20_000) -> Log:
        """To the end. A planner that never comes to one fails."""
        for _ in range(most_steps):
            if not self._events:
                assert not self.waiting, f"forgotten: {self.waiting}"
                return self.log
            self.now_s, _, what, number, model = heapq.heappop(self._events)
            getattr(self, f"_{what}")(number, model)
            self._plan()
        raise AssertionError("it does not end")

    # -- events ------------------------------------------------------------------------------------------------

    def _arrive(self, number: int, _model: str) -> None:
        job = self.jobs[number]
        self.waiting[number] = Waiter(
            id=number,
            model=job.model,
            urgency=job.urgency,
            principal=job.principal,
            group="",
            conversation=job.conversation,
            arrived_s=self.now_s,
            brief=job.brief,
        )

    def _leave(self, number: int, _model: str) -> None:
        if self.waiting.pop(number, None) is not None:
            self.log.left[number] = self.now_s

    def _look(self, _number: int, _model: str) -> None:
        """Time has passed."""

    def _end(self, number: int, model: str) -> None:
        resident = self.residents.get(model)
        if resident is None or all(running.id != number for running in resident.running):
            return  # it was preempted
        running = tuple(one for one in resident.running if one.id != number)
        resident = msgspec.structs.replace(resident, running=running, used_s=self.now_s)
        if self.jobs[number].urgency == INTERACTIVE:
            resident = msgspec.structs.replace(resident, awaited_s=self.now_s)
            self.awaited_s = self.now_s
        self.residents[model] = resident
        self.log.ended_s[number] = self.now_s

    def _loaded(self, number: int, model: str) -> None:
        if self.loading is None or self._serial_of_load != number:
            return  # it was given up
        self.loading, self.displaced = None, ""
        self.residents[model] = Resident(
            model=model, parallel=self.costs.parallel, since_s=self.now_s, used_s=self.now_s
        )
        self.log.most_resident = max(self.log.most_resident, len(self.residents))
        self.log.loads.append((self.now_s, model))

    def _unloaded(self, _number: int, model: str) -> None:
        self.leaving, self.displaced = "", model
        del self.residents[model]
        self.log.unloads.append((self.now_s, model))

    # -- decisions ---------------------------------------------------------------------------------------------

    _serial_of_load = 0

    def view(self) -> View:
        return View(
            now_s=self.now_s,
            policy=self.policy,
            waiters=tuple(self.waiting.values()),
            residents=tuple(self.residents.values()),
            loading=self.loading,
            leaving=self.leaving,
            displaced=self.displaced,
            awaited_s=self.awaited_s,
        )

    def _plan(self) -> None:
        for _ in range(100):
            decision = decide(self.view())
            if decision.wake_s is not None and decision.wake_s not in self._looks:
                assert decision.wake_s > self.now_s
                self._looks.add(decision.wake_s)
                self._at(decision.wake_s, "look")
            if not self._follow(decision):
                return
        raise AssertionError("the planner never comes to rest")

    def _follow(self, decision: Decision) -> bool:
        """Do it. Whether anything was done."""
        for number in decision.give_up:
            del self.waiting[number]
            self.log.given_up[number] = self.now_s
        for number in decision.start:
            self._start(number)
        for number in decision.preempt:
            self._preempt(number)
        if decision.cancel_load:
            assert self.loading is not None
            assert not self.loading.wanted
            self.loading, self.displaced = None, ""
            self.log.cancelled += 1
        if decision.unload:
            assert not self.leaving
            assert not self.residents[decision.unload].running, "an answer would be cut"
            self.leaving = decision.unload
            self._at(self.now_s + self.costs.unload_s, "unloaded", model=decision.unload)
        if decision.load:
            self._load(decision.load)
        done = (decision.give_up, decision.start, decision.preempt, decision.load, decision.unload)
        return any(done) or decision.cancel_load

    def _start(self, number: int) -> None:
        waiter, job = self.waiting.pop(number), self.jobs[number]
        resident = self.residents[job.model]
        assert len(resident.running) < resident.parallel, "a place was given twice"
        assert job.model != self.leaving
        running = Running(
            id=number,
            urgency=job.urgency,
            principal=job.principal,
            conversation=job.conversation,
            started_s=self.now_s,
        )
        latest = resident.cached[-1] if resident.cached else ""
        streak = resident.streak + 1 if job.conversation and job.conversation == latest else 1
        self.residents[job.model] = msgspec.structs.replace(
            resident,
            running=(*resident.running, running),
            begun=resident.begun + 1,
            cached=(job.conversation,),
            streak=streak,
        )
        for other in list(self.waiting.values()):
            if other.model != waiter.model and other.urgency >= waiter.urgency:
                self.waiting[other.id] = msgspec.structs.replace(other, passed=other.passed + 1)
        self.log.began_s[number] = self.now_s
        self._at(self.now_s + job.service_s, "end", number, job.model)

    def _preempt(self, number: int) -> None:
        job = self.jobs[number]
        assert job.urgency == IDLE, "only what is idle may be stopped"
        resident = self.residents[job.model]
        running = tuple(one for one in resident.running if one.id != number)
        self.residents[job.model] = msgspec.structs.replace(resident, running=running)
        self.log.preempted.append(number)

    def _load(self, model: str) -> None:
        assert self.loading is None, "two loads at once"
        assert model not in self.residents
        there = len(self.residents)
        assert there < self.policy.resident_models, "more than fits"
        wanted = any(waiter.model == model for waiter in self.waiting.values())
        self.loading = Loading(model=model, started_s=self.now_s, wanted=wanted)
        self._at(self.now_s + self.costs.load_s, "loaded", self._serial + 1, model)
        self._serial_of_load = self._serial
