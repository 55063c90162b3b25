"""One host's card: the queue before it, the places on it, and the one object that owns both.

Law: everything here is sync, so that no request can come between a look and what it leads to. ``replan`` asks the
pure planner after every event and does what it says; what takes time (loading, unloading, looking) is the mover's,
which reports back here.
"""

from collections.abc import Callable
from itertools import count
from math import inf

import msgspec
import trio

from lodestard.domain.errors import Code, UpstreamFault
from lodestard.domain.model_name import canonical_name
from lodestard.domain.residency import Ask
from lodestard.domain.settings import Upstream
from lodestard.domain.usage import Durations, Usage
from lodestard.residency import refusals
from lodestard.residency.anew import context_of, is_stale
from lodestard.residency.asking import Asked, read_ask
from lodestard.residency.doubt import is_doubtful, must_look
from lodestard.residency.entrance import judge, refuse_pinned_out, supersede
from lodestard.residency.fit import EarlierTurns, Estimate, estimate_tokens, learn_ratio
from lodestard.residency.hindsight import Foreseen
from lodestard.residency.keeping import Keeping, choose_wish, next_look_s
from lodestard.residency.planner import decide
from lodestard.residency.rates import AnswerFacts
from lodestard.residency.standing import Standing
from lodestard.residency.state import Going, Load, Pins, State, Tenant, Visit, freeze, freeze_keeping
from lodestard.residency.tenancy import Known
from lodestard.residency.terms import Terms
from lodestard.residency.view import IDLE, INTERACTIVE, Decision, View, Wish
from lodestard.residency.waits import Question, foresee_alone, predict_wait

UNPLANNED_NS = 1_000_000_000
"""An answer that the server spent more than a second loading for: somebody or something else had displaced it."""
LOST = frozenset({Code.UPSTREAM_CUT, Code.UPSTREAM_UNREACHABLE})
"""After these the server may be another process, with nothing in memory: a request that it loaded its model for by
itself would be one whose client must not leave."""
NS_PER_S = 1_000_000_000
MS_PER_S = 1_000
MOST_NAMES = 1_000


class Card:
    """Owner of one host's ``State``. ``begin_load`` and ``begin_unload`` are the mover's, set while it runs, and
    ``opened_with`` are the settings of the connections that it has. It wants to plan anew at ``wake_s``; ``alarm_s``
    is when the mover, who keeps time for it, will have it do so unless ``bell`` rings before. ``events`` grows with
    everything that happens."""

    def __init__(self, name: str, terms: Terms, standing: Standing, now_ms: Callable[[], int]) -> None:
        self.name = name
        self.terms = terms
        self.standing = standing
        self.now_ms = now_ms
        self.state = State(quiet_from_s=trio.current_time(), lent_from_s=trio.current_time())
        self.turns = EarlierTurns()
        self.begin_load: Callable[[Load], object] | None = None
        self.begin_unload: Callable[[str], object] | None = None
        self.opened_with: Upstream | None = None
        self.look_soon: Callable[[], object] = lambda: None
        self.bell = trio.Event()
        self.changed = trio.lowlevel.ParkingLot()
        self.wake_s = self.alarm_s = inf
        self.events = 0
        self.routed: frozenset[str] = frozenset()
        self._names: dict[str, str] = {}
        self._numbers = count(1)

    def configure(self, terms: Terms, routed: frozenset[str]) -> None:
        """Go by this from now on; ``routed`` are the models that aliases lead to. See ``taking_in.py``."""
        self.terms, self.routed = terms, routed
        self._names = {canonical_name(model): model for model in (*routed, *terms.upstream.models)}

    @property
    def is_outdated(self) -> bool:
        """Whether what moves for it was opened with other settings: it ends what it is at, and another one begins."""
        return self.opened_with is not None and self.opened_with != self.terms.upstream

    def own_name(self, model: str) -> str:
        """The one name that a model has here: the configuration's, where it names it, otherwise the first seen."""
        known = self._names.get if len(self._names) > MOST_NAMES else self._names.setdefault
        return known(canonical_name(model), model)

    def renew(self, tenant: Tenant) -> None:
        """Have a model go, and come back with the options that its requests carry, where it has other ones."""
        if is_stale(tenant, self.terms):
            self.state.going.setdefault(tenant.model, Going())
            self.state.anew.add(tenant.model)

    # -- coming and going --------------------------------------------------------------------------------------

    def enqueue(self, ask: Ask) -> Visit:
        """Take a request in; it has begun at once where its model has a place and nobody waits.

        Raises ``CallerFault(CONTEXT_LENGTH_EXCEEDED)`` and ``UpstreamFault(UPSTREAM_BUSY)``.
        """
        asked = read_ask(ask)
        if (model := self.own_name(asked.model)) != asked.model:
            asked = msgspec.structs.replace(asked, model=model)
        self._refuse(asked)
        visit = Visit(next(self._numbers), asked, ask.request_id, trio.current_time(), self.estimate(asked))
        if (found := self.state.tenants.get(asked.model)) is not None:
            self.renew(found)
        visit.room_tokens = self.judge(visit)
        self._take_in(asked)
        if asked.urgency == INTERACTIVE:  # what nobody waits for need not be foreseen
            self.standing.habits.note(asked.who, asked.client, asked.task, asked.model, visit.arrived_s)
        tenant = self._find_place(asked)
        if tenant is not None and self.state.quiet and self.state.settled:
            self._begin_alone(visit, tenant)
            return visit
        visit.predicted = self.predict(Question.of(visit.as_waiter()))
        if tenant is not None:
            self._begin(visit, tenant)
        else:
            visit.waited = True
            self.state.queue[visit.id] = visit
        self.replan()
        return visit

    def _begin_alone(self, visit: Visit, tenant: Tenant) -> None:
        """Nobody else is there and nothing moves: it begins, and the planner would have nothing to say."""
        self._begin(visit, tenant)
        known: Known = "warm" if visit.warm else "kin" if visit.kin else ""
        seen = foresee_alone(self.terms.policy, self.standing.rates.of, visit.as_waiter(), known)
        visit.predicted = self.standing.hindsight.corrected(seen)
        self._happened()
        self._rest()

    def _find_place(self, asked: Asked) -> Tenant | None:
        """Where somebody who waits can begin at once, because nobody else does: the planner would say the same."""
        state, tenant = self.state, self.state.tenants.get(asked.model)
        if tenant is None or not tenant.has_place or state.queue or asked.urgency != INTERACTIVE:
            return None
        if state.doubtful or is_doubtful(tenant, state, trio.current_time(), self.now_ms()):
            return None
        return None if asked.model == state.leaving or asked.model in state.going else tenant

    def forget(self, visit: Visit) -> None:
        """Its client left while it waited: its place is free, and nothing else changes."""
        self._note_ended(visit.asked, trio.current_time())
        if self.state.queue.pop(visit.id, None) is not None:
            self.replan()

    def leave(self, visit: Visit, error: BaseException | None) -> None:
        """It has ended, well or not."""
        now_s = trio.current_time()
        tenant = self.state.tenants.get(visit.asked.model)
        if tenant is not None and tenant.running.pop(visit.id, None) is not None:
            tenant.used_s = now_s
        asked = visit.asked
        if asked.urgency == INTERACTIVE and visit.begun_s is not None:
            self.state.awaited_s = now_s
            if tenant is not None:
                tenant.awaited_s = now_s
        if visit.begun_s is not None:
            self.state.served.add(asked.principal, asked.group, now_s - visit.begun_s, now_s)
        self.state.quiet_from_s = now_s
        self._note_ended(asked, now_s)
        if isinstance(error, UpstreamFault):
            self._note_fault(asked.model, error)
        self.replan()

    def _note_ended(self, asked: Asked, now_s: float) -> None:
        """Somebody waits no more: until when is nobody likely to ask for this model again?"""
        if asked.urgency != INTERACTIVE:
            return
        habits = self.standing.habits
        habits.ended(asked.who, now_s)
        if (tenant := self.state.tenants.get(asked.model)) is not None and self.terms.residency.predict:
            tenant.unasked_until_s = habits.unasked_until_s(tenant.model, now_s)

    def _note_fault(self, model: str, fault: UpstreamFault) -> None:
        if fault.code is Code.UPSTREAM_MODEL_MISSING:
            self.state.missing.add(model)
        if fault.code in LOST and self.begin_load is not None:
            self.state.doubtful = True
        self.look_soon()

    def learn(self, visit: Visit, usage: Usage | None, durations: Durations | None) -> None:
        """What the server said of an answer that is whole."""
        if usage is None or durations is None or visit.begun_s is None:
            return
        asked = visit.asked
        ratio = learn_ratio(asked, usage.prompt_tokens)
        facts = AnswerFacts(tokens_per_byte=ratio, warm=visit.warm, kin=visit.kin, work=asked.work)
        self.turns.keep(asked, usage.prompt_tokens)
        self.standing.rates.learn_answer(asked.model, usage, durations, facts)
        if visit.predicted is not None:
            self.standing.hindsight.note(visit.predicted, visit.first_token_s(usage, durations) - visit.arrived_s)
        if durations.load_ns > UNPLANNED_NS:
            visit.story.append(f"the server loaded {asked.model} once more ({durations.load_ns / NS_PER_S:.1f} s)")
            self.count(unplanned=self.state.counts.unplanned + 1)
            self.look_soon()

    def count(self, **changed: float) -> None:
        """Set counters."""
        self.state.counts = msgspec.structs.replace(self.state.counts, **changed)

    # -- who may come in ---------------------------------------------------------------------------------------

    def _refuse(self, asked: Asked) -> None:
        """Raises for what can't be done here now, whoever waits."""
        if self.is_lent():
            raise refusals.paused(self.name)
        if self.state.broken and self._find_place(asked) is None:
            raise refusals.broken(self.name)
        if asked.model not in self.state.tenants:
            refuse_pinned_out(self.name, asked.model, self.pins(), self.terms.policy.resident_models)

    def estimate(self, asked: Asked) -> Estimate:
        """How many tokens its prompt is; nearly exact where an earlier turn of its conversation was counted."""
        ratio = self.standing.rates.tokens_per_byte(asked.model)
        return estimate_tokens(asked, ratio, self.turns.find(asked))

    def judge(self, visit: Visit) -> int | None:
        """How much room its answer has. Raises ``CallerFault(CONTEXT_LENGTH_EXCEEDED)``."""
        return judge(visit, self.context_tokens(visit.asked.model), self.terms)

    def context_tokens(self, model: str) -> int:
        """The context that it has, or will be loaded with; 0 where nobody knows."""
        return context_of(self.state.tenants.get(model), self.terms, model)

    def _take_in(self, asked: Asked) -> None:
        """Raises ``UpstreamFault`` where too many wait. What takes an older one's place is not one more."""
        if stopped := supersede(asked, self.state):
            self.count(superseded=self.state.counts.superseded + stopped)
        elif len(self.state.queue) >= self.terms.residency.max_waiting:
            raise refusals.queue_full(self.name, len(self.state.queue))

    # -- what is done ------------------------------------------------------------------------------------------

    def replan(self) -> None:
        """Ask the planner, and do what it says. Called after every event."""
        self._happened()
        if self.begin_load is None or self.begin_unload is None or self.state.doubtful or self.is_outdated:
            self.bell.set()
            return  # nothing is known of the server, until a mover has looked
        now_s = trio.current_time()
        if self.is_lent():
            self._clear_for_guest()
            return
        if must_look(self.state, now_s, self.now_ms()):
            self.state.doubtful = True
            self.look_soon()
            return
        keeping = self.keeping(now_s)
        wish = choose_wish(keeping) if self.state.quiet else None
        if wish is None and self.state.settled and not self.state.queue:
            self._rest(next_look_s(keeping))
            return
        decision = decide(self.view(now_s, wish))
        self._apply(decision, now_s)
        self.state.reason = decision.reason
        self._wake_at(min(decision.wake_s or inf, next_look_s(self.keeping(now_s))))

    def _happened(self) -> None:
        """Whoever waits for news has some."""
        self.events += 1
        if self.changed:
            self.changed.unpark_all()

    def _rest(self, wake_s: float = inf) -> None:
        """Nobody waits and nothing has to change: what the planner would say, without asking it."""
        serving = ", ".join(tenant.model for tenant in self.state.tenants.values() if tenant.running)
        self.state.reason = f"serving {serving}" if serving else "nobody waits"
        self._wake_at(wake_s)

    def _wake_at(self, wake_s: float) -> None:
        """Plan anew then at the latest. Whoever keeps time is disturbed only where that is earlier than he thinks."""
        self.wake_s = wake_s
        if wake_s < self.alarm_s:
            self.bell.set()

    def _apply(self, decision: Decision, now_s: float) -> None:
        for number in decision.give_up:
            visit = self.state.queue.pop(number)
            self.count(given_up=self.state.counts.given_up + 1)
            visit.stop(refusals.waited_too_long(self.name, visit.asked.model, now_s - visit.arrived_s))
        for number in decision.start:
            visit = self.state.queue.pop(number)
            self._begin(visit, self.state.tenants[visit.asked.model])
        for visit in self.state.running:
            if visit.id in decision.preempt and visit.fault is None:
                self.count(preempted=self.state.counts.preempted + 1)
                visit.stop(refusals.preempted(self.name))
        if decision.cancel_load and self.state.loading is not None:
            self.state.loading.scope.cancel()
        if decision.unload:
            self._unload(decision.unload)
        elif decision.load:
            self._load(decision.load, decision.reason.partition(": ")[2])

    def _begin(self, visit: Visit, tenant: Tenant) -> None:
        """A waiter gets its place."""
        now_s = trio.current_time()
        visit.warm = tenant.knows(visit.asked.conversation)
        visit.kin = not visit.warm and visit.asked.work in tenant.works
        rates = self.standing.rates.of(visit.asked.model, visit.asked.work)
        share = rates.warm_share.value if visit.warm else rates.kin_share.value if visit.kin else 1.0
        visit.cold_tokens = round(share * visit.estimate.likely)
        if tenant.guessed and not tenant.begun:
            self.count(speculative_hits=self.state.counts.speculative_hits + 1)
        tenant.begin(visit)
        visit.begun_s = now_s
        waited_s = now_s - visit.arrived_s
        if waited_s >= 0.001:
            visit.story.append(f"waited {waited_s:.1f} s for {self.name}")
        self.state.pass_over(visit)
        visit.turn.set()

    def _load(self, model: str, reason: str) -> None:
        assert self.begin_load is not None
        wanted, awaited = (self.state.someone_waits_for(model, urgency) for urgency in (IDLE, INTERACTIVE))
        now_s, options = trio.current_time(), self.terms.options(model)
        load = self.state.loading = Load(model, now_s, wanted, awaited, reason, options)
        self.begin_load(load)

    def _unload(self, model: str) -> None:
        assert self.begin_unload is not None
        self.state.leaving = model
        self.state.leaving_since_s = trio.current_time()
        self.begin_unload(model)

    def is_lent(self) -> bool:
        """Whether the card is lent to something else; a time that has come ends that."""
        until_ms = self.standing.paused_until_ms
        if until_ms and self.now_ms() >= until_ms:
            self.standing.paused_until_ms = None
        return self.standing.paused_until_ms is not None

    def _clear_for_guest(self) -> None:
        """Nobody waits for a card that is lent, and what is idle goes, but for what the guest has loaded."""
        self.state.turn_away(lambda: refusals.paused(self.name))
        idle = [
            tenant.model
            for tenant in self.state.tenants.values()
            if not tenant.running and (tenant.options is not None or tenant.since_s < self.state.lent_from_s)
        ]
        if idle and not self.state.leaving and self.state.loading is None:
            self._unload(idle[0])
        self.state.reason = "the card is lent"
        until_ms = self.standing.paused_until_ms
        self.wake_s = trio.current_time() + (until_ms - self.now_ms()) / MS_PER_S if until_ms else inf
        self.bell.set()

    # -- views -------------------------------------------------------------------------------------------------

    def view(self, now_s: float, wish: Wish | None = None) -> View:
        """As the planner sees it; without a ``wish`` for whoever only wants to know how requests get on."""
        return freeze(self.state, now_s, self.terms.policy, self.pins(), wish)

    def pins(self) -> Pins:
        told = self.standing.pinned
        exclusive = frozenset(model for model, strength in told.items() if strength == "exclusive")
        return Pins(frozenset((*self.terms.named("pinned"), *told)), exclusive)

    def keeping(self, now_s: float) -> Keeping:
        """What the wish goes by."""
        guessing = self.terms.residency.predict and self.state.quiet
        guess = self.standing.habits.guess(now_s, frozenset(self.state.tenants)) if guessing else None
        return freeze_keeping(self.state, now_s, self.terms, self.pins(), guess)

    def predict(self, question: Question) -> Foreseen | None:
        """How long until the first token of a request that came now; None where it would be sent away, or where
        the server can't be reached or nobody moves its models, so that nobody knows.
        """
        state, most = self.state, self.terms.residency.max_waiting
        if len(state.queue) >= most or self.is_lent() or question.model in state.missing:
            return None
        if state.broken or state.reachable is False:
            return None
        now_s = trio.current_time()
        wait = predict_wait(self.view(now_s), self.standing.rates.of, question, decide)
        return None if wait is None else self.standing.hindsight.corrected(wait)

    def predict_for(self, model: str, prompt_tokens: int) -> Foreseen | None:
        """The same of a request of which no more is known: who asks has had as much as who waits already."""
        latest = next(reversed(self.state.queue.values()), None)
        principal, group = ("", "") if latest is None else (latest.asked.principal, latest.asked.group)
        own = self.own_name(model)
        return self.predict(Question(model=own, prompt_tokens=prompt_tokens, principal=principal, group=group))
