"""A host rolled forward in thought: the planner is asked again and again, and everything takes as long as it is
thought to take.

Law: the planner alone decides who begins and what is moved, as it will when it comes to that; here only time passes.
Nobody new comes. Each moment knows the chain of spans that it hangs on (who ended, so that who could begin), so that
one roll gives intervals too. Bounded by ``most_steps`` questions to the planner. Used once, by one caller.
"""

from collections.abc import Callable, Iterator, Sequence
from heapq import heappop, heappush
from math import inf
from typing import NamedTuple, Protocol

import msgspec

from lodestard.domain.residency import Figure, ModelRates
from lodestard.residency.spans import NOTHING, Span, Sum, after, left_of, of_figure, of_product, together
from lodestard.residency.tenancy import Known, Tenancy
from lodestard.residency.view import INTERACTIVE, Decision, Loading, View, Waiter

Decide = Callable[[View], Decision]


class RatesOf(Protocol):
    """What is known of a model, or of its answers to one kind of work."""

    def __call__(self, model: str, work: str = "", /) -> ModelRates: ...


class _Event(NamedTuple):
    """Something ends: an answer of ``model``, its load or its unload. ``waiter``: whose answer, where it waited."""

    kind: str
    model: str
    number: int = 0
    waiter: Waiter | None = None
    began_s: float = 0.0


class Roll:
    """``firsts`` and ``ends`` say when each request has its first token, and ends: sums of seconds from now.

    ``begun`` are the requests that began, in order. ``moves`` are the loads that were begun, each with the model that
    had gone for it, or "". ``cause`` is the moment that the roll has come to. ``step_end``: when the load or unload
    that is under way at first ends.
    """

    def __init__(self, view: View, rates: RatesOf, decide: Decide, most_steps: int) -> None:
        self._view = view
        self.rates = rates
        self._decide = decide
        self._steps_left = most_steps
        self.firsts: dict[int, Sum] = {}
        self.ends: dict[int, Sum] = {}
        self.begun: list[int] = []
        self.moves: list[tuple[str, str]] = []
        self.cause = NOTHING
        self.waiters = {waiter.id: waiter for waiter in view.waiters}
        self.tenants = {resident.model: Tenancy(resident) for resident in view.residents}
        self.loading = view.loading
        self._leaving = view.leaving
        self._displaced = view.leaving or view.displaced
        self._served = dict(view.served_s)
        self._parallel = {resident.model: resident.parallel for resident in view.residents}
        self._awaited_s = view.awaited_s
        self._now_s = view.now_s
        self._wake_s = inf
        self._events: list[tuple[float, int, Sum, _Event]] = []
        self._number = 0
        self._answers_s: dict[tuple[str, str, int | None], Span] = {}
        self.step_end = self._foresee_step()
        self._foresee_answers()

    # -- what is under way -------------------------------------------------------------------------------------

    def _foresee_step(self) -> Sum | None:
        if self.loading is not None:
            load_s = of_figure(self.rates(self.loading.model).load_s)
            left = left_of(load_s, self._view.now_s - self.loading.started_s)
            event = _Event("loaded", self.loading.model, began_s=self.loading.started_s)
            return self._expect(after(NOTHING, left), event)
        if self._leaving:
            unload_s = of_figure(self.rates(self._leaving).unload_s)
            since_s = self._view.leaving_since_s
            if since_s is None:  # nobody has noted since when
                left = Span(unload_s.likely / 2, 0.0, unload_s.high, unload_s.shared)
            else:
                left = left_of(unload_s, self._view.now_s - since_s)
            return self._expect(after(NOTHING, left), _Event("gone", self._leaving))
        return None

    def _foresee_answers(self) -> None:
        for model, tenant in self.tenants.items():
            for running in tenant.running.values():
                answer_s = self._answer(model, running.work, running.output_tokens)
                if running.produced_s is not None:
                    first, left = NOTHING, left_of(answer_s, self._view.now_s - running.produced_s)
                else:
                    elapsed_s = self._view.now_s - running.started_s
                    prefill_s = of_figure(self.rates(model).prefill_s, running.prompt_tokens)
                    first = after(NOTHING, left_of(prefill_s, elapsed_s))
                    left = left_of(together((prefill_s, answer_s)), elapsed_s)
                self.firsts[running.id] = first
                end = self._expect(after(NOTHING, left), _Event("answered", model, running.id))
                self.ends[running.id] = end

    def _expect(self, when: Sum, event: _Event) -> Sum:
        self._number += 1
        heappush(self._events, (max(self._now_s, self._view.now_s + when.mean), self._number, when, event))
        return when

    # -- how long things take ----------------------------------------------------------------------------------

    def _answer(self, model: str, work: str, most_tokens: int | None) -> Span:
        """An answer, once its prompt is read."""
        key = (model, work, most_tokens)
        if (known := self._answers_s.get(key)) is None:
            rates = self.rates(model, work)
            known = self._answers_s[key] = of_product(rates.answer_tokens, rates.decode_s, most_tokens)
        return known

    def _prefill(self, model: str, work: str, tokens: int, known: Known) -> Span:
        """Reading a prompt, or what of it is not cached."""
        rates = self.rates(model, work)
        if not known:
            return of_figure(rates.prefill_s, tokens)
        share = rates.warm_share if known == "warm" else rates.kin_share
        read = Figure(share.value * tokens, share.low * tokens, share.high * tokens, share.count)
        return of_product(read, rates.prefill_s)

    def read(self, before: Sum, waiter: Waiter) -> Sum:
        """Until its first token, with nothing cached."""
        return after(before, self._prefill(waiter.model, waiter.work, waiter.prompt_tokens, ""))

    def serve_all(self, before: Sum, waiters: Sequence[Waiter], at_once: int) -> Sum:
        """Until all of them, who find nothing cached, are answered, so many at once."""
        alike: dict[tuple[str, str, int | None], list[int]] = {}
        for waiter in waiters:
            alike.setdefault((waiter.model, waiter.work, waiter.output_tokens), []).append(waiter.prompt_tokens)
        for (model, work, most_tokens), prompts in alike.items():
            times, known = len(prompts) / at_once, known_of(work, len(prompts))
            before = after(before, self._prefill(model, work, sum(prompts) // len(prompts), known), times)
            before = after(before, self._answer(model, work, most_tokens), times)
        return before

    def swap(self, before: Sum, going: str, coming: str, times: int) -> Sum:
        """Until ``going``, where it is named, has gone and ``coming`` come, so many times."""
        if going:
            before = after(before, of_figure(self.rates(going).unload_s), times)
        return after(before, of_figure(self.rates(coming).load_s), times)

    def turn_requests(self, urgency: int) -> int:
        """After how many requests another model has its turn."""
        return max(1, self._view.policy.dwell_requests[urgency])

    def parallel(self, model: str) -> int:
        """How many requests ``model`` answers at once; one where nobody knows."""
        return max(1, self._parallel.get(model, 1))

    def horizon(self) -> Sum:
        """When all that is under way at the roll's present moment is over."""
        return max((when for _, _, when, _ in self._events), key=lambda when: when.mean, default=self.cause)

    # -- time passes -------------------------------------------------------------------------------------------

    def run(self, until: int | None = None) -> bool:
        """Until request ``until`` has begun, or until nothing more happens. False where the roll was cut short."""
        while self._steps_left > 0:
            self._steps_left -= 1
            again = self._apply(self._decide(self._freeze()))
            if until is not None and until in self.firsts:
                return True
            if until is None and not self.waiters:
                return True
            if not again and not self._pass_time():
                return True
        return False

    def _freeze(self) -> View:
        return msgspec.structs.replace(
            self._view,
            now_s=self._now_s,
            waiters=tuple(self.waiters.values()),
            residents=tuple(tenant.frozen() for tenant in self.tenants.values()),
            loading=self.loading,
            leaving=self._leaving,
            displaced=self._displaced,
            awaited_s=self._awaited_s,
            served_s=self._served,
            wish=None,
        )

    def _apply(self, decision: Decision) -> bool:
        """Do what the planner says. Whether it is to be asked again at once."""
        self._wake_s = inf if decision.wake_s is None else decision.wake_s
        for number in decision.give_up:
            self.waiters.pop(number, None)
        for number in decision.start:
            self._begin(self.waiters.pop(number))
        for tenant in self.tenants.values():
            for number in decision.preempt:
                tenant.running.pop(number, None)
        if decision.cancel_load:
            self.loading, self._displaced = None, ""
        if decision.unload:
            self._leaving = self._displaced = decision.unload
            span = of_figure(self.rates(decision.unload).unload_s)
            self._expect(after(self.cause, span), _Event("gone", decision.unload))
        elif decision.load:
            self._load(decision.load)
        return decision.cancel_load or bool(decision.preempt)

    def _begin(self, waiter: Waiter) -> None:
        tenant = self.tenants[waiter.model]
        known = tenant.begin(waiter, self._now_s)
        first = after(self.cause, self._prefill(waiter.model, waiter.work, waiter.prompt_tokens, known))
        end = after(first, self._answer(waiter.model, waiter.work, waiter.output_tokens))
        self.begun.append(waiter.id)
        self.firsts[waiter.id], self.ends[waiter.id] = first, end
        self._expect(end, _Event("answered", waiter.model, waiter.id, waiter, self._now_s))
        for other in self.waiters.values():
            if other.model != waiter.model and other.urgency >= waiter.urgency:
                self.waiters[other.id] = msgspec.structs.replace(other, passed=other.passed + 1)

    def _load(self, model: str) -> None:
        self.moves.append((model, self._displaced))
        self.loading = Loading(model=model, started_s=self._now_s)
        end = after(self.cause, of_figure(self.rates(model).load_s))
        self._expect(end, _Event("loaded", model, began_s=self._now_s))

    def _pass_time(self) -> bool:
        """Go to what happens next. False where nothing does."""
        next_s = self._events[0][0] if self._events else inf
        if self._now_s < self._wake_s < next_s and self._may_wake():
            self.cause = self.cause._replace(mean=self.cause.mean + self._wake_s - self._now_s)
            self._now_s = self._wake_s
            return True
        if not self._events:
            return False
        self._now_s, _, self.cause, event = heappop(self._events)
        self._happen(event)
        return True

    def _may_wake(self) -> bool:
        """While every model in memory is at work, looking at the clock changes nothing until one is not."""
        return not self._events or any(not tenant.running for tenant in self.tenants.values())

    def _happen(self, event: _Event) -> None:
        if event.kind == "answered":
            tenant = self.tenants.get(event.model)
            ended = None if tenant is None else tenant.end(event.number, self._now_s)
            if ended is not None:
                self._awaited_s = self._now_s if ended.urgency == INTERACTIVE else self._awaited_s
                self._note_served(event)
        elif event.kind == "gone":
            self._leaving = ""
            self.tenants.pop(event.model, None)
        elif self.loading is not None and (self.loading.model, self.loading.started_s) == (
            event.model,
            event.began_s,
        ):
            self.loading, self._displaced = None, ""
            self.tenants[event.model] = self._move_in(event.model)

    def _move_in(self, model: str) -> Tenancy:
        awaited = any(one.model == model and one.urgency == INTERACTIVE for one in self.waiters.values())
        return Tenancy.fresh(model, self.parallel(model), self._now_s, awaited=awaited)

    def _note_served(self, event: _Event) -> None:
        if event.waiter is not None:
            for key in _accounts(event.waiter):
                self._served[key] = self._served.get(key, 0.0) + self._now_s - event.began_s


def _accounts(waiter: Waiter) -> Iterator[tuple[str, str]]:
    """Where its time is noted: with its principal, and with its group there."""
    yield waiter.principal, ""
    if waiter.group:
        yield waiter.principal, waiter.group


def known_of(work: str, number: int) -> Known:
    """What is cached of the prompts of so many requests of one work that come one after the other."""
    return "kin" if work and number > 1 else ""


def is_known(rates: ModelRates) -> bool:
    """Whether it has been seen at work, so that how its turns will go is more than an assumption."""
    return bool(rates.prefill_s.count and rates.decode_s.count)


def quickest(rates: RatesOf, model: str, work: str = "", /) -> ModelRates:
    """The rates of a host on which everything goes as quickly as may be."""
    known = rates(model, work)
    figures = {name: getattr(known, name) for name in ModelRates.__struct_fields__}
    return ModelRates(**{name: Figure(one.low, one.low, one.low, one.count) for name, one in figures.items()})
