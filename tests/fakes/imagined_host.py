"""A card in simulated time whose true rates are known: for checking what is learned and predicted of one.

Pure but for its dice. Requests come at random; the planner decides; every load, prompt and answer takes what the true
rates say, with noise; the card's owner is imitated: it learns from each answer and predicts each request's wait.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from heapq import heappop, heappush
from math import exp, inf
from random import Random

from lodestard.domain.residency import Wait
from lodestard.domain.usage import Durations, Usage
from lodestard.residency.hindsight import Foreseen, Hindsight
from lodestard.residency.planner import decide
from lodestard.residency.rates import AnswerFacts, Rates
from lodestard.residency.tenancy import Tenancy
from lodestard.residency.view import INTERACTIVE, Loading, Policy, View, Waiter
from lodestard.residency.waits import Question, predict_wait


@dataclass
class Truth:
    """What one model really takes. ``noise`` is of the logarithm, and so is ``answer_noise``."""

    load_s: float = 4.0
    prefill_s: float = 1 / 200
    decode_s: float = 1 / 20
    answer_tokens: float = 120.0
    noise: float = 0.1
    answer_noise: float = 0.7


@dataclass
class Told:
    """A wait as it was predicted, as it was corrected, and as it came."""

    raw: Wait
    wait: Wait
    actual_s: float
    number: int


@dataclass
class Drawn:
    """A request with what it will take."""

    waiter: Waiter
    tokens: int
    warm: bool = False
    begun_s: float = 0.0
    raw: Foreseen | None = None
    wait: Foreseen | None = None


@dataclass
class ImaginedHost:
    """``pace_s`` is the mean time between requests; ``urgent`` the share of those that somebody waits for."""

    truths: dict[str, Truth]
    seed: int
    pace_s: float = 20.0
    urgent: float = 0.7
    parallel: int = 1
    policy: Policy = field(default_factory=Policy)
    unload_s: float = 0.8
    on_request: Callable[["ImaginedHost", int], None] = lambda _host, _number: None
    rates: Rates = field(default_factory=Rates)
    hindsight: Hindsight = field(default_factory=Hindsight)
    told: list[Told] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.dice = Random(self.seed)
        self.now_s = 0.0
        self._queue: dict[int, Drawn] = {}
        self._drawn: dict[int, Drawn] = {}
        self._tenants: dict[str, Tenancy] = {}
        self._loading: Loading | None = None
        self._leaving = self._displaced = ""
        self._awaited_s = -inf
        self._events: list[tuple[float, int, str, str, int]] = []
        self._serial = 0

    def run(self, requests: int) -> list[Told]:
        """Until so many have come and been answered."""
        at_s = 0.0
        for number in range(1, requests + 1):
            at_s += self.dice.expovariate(1 / self.pace_s)
            self._at(at_s, "come", number=number)
        while self._events:
            self.now_s, _, what, model, number = heappop(self._events)
            getattr(self, f"_{what}")(model, number)
            self._plan()
        return self.told

    def view(self) -> View:
        return View(
            now_s=self.now_s,
            policy=self.policy,
            waiters=tuple(drawn.waiter for drawn in self._queue.values()),
            residents=tuple(tenant.frozen() for tenant in self._tenants.values()),
            loading=self._loading,
            leaving=self._leaving,
            displaced=self._displaced,
            awaited_s=self._awaited_s,
        )

    def _at(self, at_s: float, what: str, model: str = "", number: int = 0) -> None:
        self._serial += 1
        heappush(self._events, (at_s, self._serial, what, model, number))

    def _noisy(self, value: float, noise: float) -> float:
        return value * exp(self.dice.gauss(0, noise))

    # -- events ------------------------------------------------------------------------------------------------

    def _come(self, _model: str, number: int) -> None:
        self.on_request(self, number)
        model = self.dice.choice(sorted(self.truths))
        truth = self.truths[model]
        waiter = Waiter(
            id=number,
            model=model,
            urgency=0 if self.dice.random() < self.urgent else 1,
            principal=self.dice.choice("ab"),
            group="",
            conversation=f"{model} {self.dice.randrange(4)}",
            arrived_s=self.now_s,
            prompt_tokens=self.dice.randint(100, 3_000),
        )
        tokens = max(1, round(self._noisy(truth.answer_tokens, truth.answer_noise)))
        drawn = self._drawn[number] = self._queue[number] = Drawn(waiter, tokens)
        del self._queue[number]
        drawn.raw = predict_wait(self.view(), self.rates.of, Question.of(waiter), decide)
        assert drawn.raw is not None
        drawn.wait = self.hindsight.corrected(drawn.raw)
        self._queue[number] = drawn

    def _look(self, _model: str, _number: int) -> None:
        """Time has passed."""

    def _loaded(self, model: str, _number: int) -> None:
        assert self._loading is not None
        self.rates.learn_load(model, self.now_s - self._loading.started_s)
        self._loading, self._displaced = None, ""
        waiting = [drawn.waiter for drawn in self._queue.values()]
        awaited = any(one.model == model and one.urgency == INTERACTIVE for one in waiting)
        self._tenants[model] = Tenancy.fresh(model, self.parallel, self.now_s, awaited=awaited)

    def _gone(self, model: str, _number: int) -> None:
        self._leaving, self._displaced = "", model
        del self._tenants[model]
        self.rates.learn_unload(self.unload_s)

    def _answered(self, model: str, number: int) -> None:
        tenant = self._tenants[model]
        ended = tenant.end(number, self.now_s)
        assert ended is not None
        if ended.urgency == INTERACTIVE:
            self._awaited_s = self.now_s

    # -- decisions ---------------------------------------------------------------------------------------------

    def _plan(self) -> None:
        decision = decide(self.view())
        for number in decision.give_up:
            del self._queue[number]
        for number in decision.start:
            self._start(self._queue.pop(number))
        if decision.unload:
            self._leaving = decision.unload
            self._at(self.now_s + self.unload_s, "gone", decision.unload)
        if decision.load:
            truth = self.truths[decision.load]
            self._loading = Loading(model=decision.load, started_s=self.now_s)
            self._at(self.now_s + self._noisy(truth.load_s, truth.noise), "loaded", decision.load)
        if decision.wake_s is not None:
            self._at(decision.wake_s, "look")

    def _start(self, drawn: Drawn) -> None:
        waiter = drawn.waiter
        truth = self.truths[waiter.model]
        drawn.begun_s = self.now_s
        drawn.warm = self._tenants[waiter.model].begin(waiter, self.now_s) == "warm"
        read = waiter.prompt_tokens // 10 if drawn.warm else waiter.prompt_tokens
        prefill_s = read * self._noisy(truth.prefill_s, truth.noise)
        decode_s = drawn.tokens * self._noisy(truth.decode_s, truth.noise)
        self._at(self.now_s + prefill_s + decode_s, "answered", waiter.model, waiter.id)
        assert drawn.raw is not None
        assert drawn.wait is not None
        actual_s = self.now_s + prefill_s - waiter.arrived_s
        self.hindsight.note(drawn.wait, actual_s)
        self.told.append(Told(drawn.raw, drawn.wait, actual_s, waiter.id))
        self.rates.learn_answer(
            waiter.model,
            Usage(prompt_tokens=waiter.prompt_tokens, completion_tokens=drawn.tokens),
            Durations(prefill_ns=round(prefill_s * 1e9), decode_ns=round(decode_s * 1e9)),
            AnswerFacts(tokens_per_byte=1 / 3, warm=drawn.warm),
        )
