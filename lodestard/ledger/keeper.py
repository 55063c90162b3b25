"""The keeper of budgets: every counter, and the one place where something is allowed.

Law: ``admit`` is sync. It checks every hard budget that an attempt is about and holds in all of them at once, so
``spent + held <= limit`` at every moment and no other task can come between. An attempt is charged to the window in
which its request was received, as reports count it, and its end to the counters that it was held in. Memory has at
least what the tables have: counters are read from them when the ledger or a new budget opens, and counted on.
"""

from collections.abc import Callable, Iterable, Sequence
from zoneinfo import ZoneInfo

import msgspec

from lodestard.budget.judge import Relief, Standing, find_breach, find_room, levels_reached
from lodestard.budget.rules import NOTHING, Amounts, Rate, Rule, Unit, value_of, whose
from lodestard.budget.windows import bounds_ms
from lodestard.budget.words import say_alert, say_refusal
from lodestard.domain.errors import BudgetFault, CallerFault, Code
from lodestard.domain.news import BudgetAlert
from lodestard.domain.request import Caller
from lodestard.domain.room import ROOMY, UNCOUNTED, Room
from lodestard.domain.upstream import Target
from lodestard.ledger.counters import Counter
from lodestard.ledger.rates import Pace, Taken

FULL = 100
MANY_PACES = 1_000
MANY_KNOWN = 1_000
NEVER_MS = float("inf")
Key = tuple[str, str, int]
Counted = tuple[Rule, str, Amounts, int]
"""What somebody has spent of a new rule, of requests that came at (or by) an instant."""


class Applicant(msgspec.Struct, frozen=True, kw_only=True):
    """An attempt that wants to begin: who asks whom, and since when. ``at_ms`` is when its request was received."""

    caller: Caller
    target: Target
    free: bool
    at_ms: int


class About(msgspec.Struct, frozen=True):
    """The counters of all budgets that are about an applicant, as long as its request came in those windows."""

    counters: tuple[Counter, ...]
    from_ms: int
    until_ms: float


class Charge:
    """What one attempt holds: the counters that it is charged to, and what it takes of rates."""

    __slots__ = ("at_ms", "counters", "taken", "wanted")

    def __init__(self, counters: Sequence[Counter], taken: Sequence[Taken], wanted: Amounts, at_ms: int) -> None:
        self.counters = counters
        self.taken = taken
        self.wanted = wanted
        self.at_ms = at_ms


NO_CHARGE = Charge((), (), NOTHING, 0)


class Keeper:
    """Owner of the counters, the reliefs in force and the paces. ``tell`` hears alerts."""

    def __init__(self, zone: ZoneInfo, tell: Callable[[BudgetAlert], object]) -> None:
        self.zone = zone
        self.rules: tuple[Rule, ...] = ()
        self.rates: tuple[Rate, ...] = ()
        self.reliefs: list[Relief] = []
        self._tell = tell
        self._counters: dict[Key, Counter] = {}
        self._paces: dict[tuple[str, str], Pace] = {}
        self._told: set[tuple[str, str, str, int, int]] = set()
        self._free_rules: tuple[Rule, ...] = ()
        self._windows: dict[str, tuple[int, int | None]] = {}
        self._known: dict[tuple[object, ...], About] = {}

    # -- what is configured ----------------------------------------------------------------------------------

    def find_new(self, rules: Sequence[Rule]) -> tuple[Rule, ...]:
        """Those that count something that is not counted yet."""
        kept = {rule.name: rule for rule in self.rules}
        return tuple(rule for rule in rules if not _same_count(kept.get(rule.name), rule))

    def adopt(
        self, rules: Sequence[Rule], rates: Sequence[Rate], counted: Iterable[Counted] = (), now_ms: int = 0
    ) -> tuple[Rule, ...]:
        """Take in a configuration, whole. Counters of rules that are as they were stay; gives the new ones.

        ``counted`` is what the tables have of these.
        """
        new = self.find_new(rules)
        kept = {rule.name: rule for rule in self.rules}
        stale = {rule.name for rule in new} | (kept.keys() - {rule.name for rule in rules})
        self._counters = {key: counter for key, counter in self._counters.items() if key[0] not in stale}
        by_name = {rule.name: rule for rule in rules}
        for counter in self._counters.values():
            counter.rule = by_name[counter.rule.name]
        if tuple(rates) != self.rates:
            self._paces = {}
        self.rules, self.rates = tuple(rules), tuple(rates)
        self._windows, self._known = {}, {}
        self._free_rules = tuple(rule for rule in rules if rule.counts_free)
        for rule, value, amounts, at_ms in counted:
            self._counter(rule, value, at_ms if rule.window.kind != "rolling" else now_ms).spend(amounts, at_ms)
        return new

    def recharge(self, charge: Charge, applicant: Applicant, new: Iterable[Rule]) -> Charge:
        """An attempt under way, when budgets come: it is held in the new ones as well."""
        known = {rule.name for rule in new}
        counters = [counter for counter in charge.counters if counter.rule.name not in known]
        for rule in new:
            if (value := value_of(rule, applicant.caller, applicant.target)) is None:
                continue
            if applicant.free and not rule.counts_free:
                continue
            counter = self._counter(rule, value, applicant.at_ms)
            counter.held = counter.held.plus(charge.wanted)
            counters.append(counter)
        return Charge(counters, charge.taken, charge.wanted, applicant.at_ms)

    def count_late(self, applicant: Applicant, amounts: Amounts, new: Iterable[Rule]) -> None:
        """An attempt that has ended and is not in the tables yet, when budgets come."""
        for rule in new:
            value = value_of(rule, applicant.caller, applicant.target)
            if value is not None and (rule.counts_free or not applicant.free):
                self._counter(rule, value, applicant.at_ms).spend(amounts, applicant.at_ms)

    def remember_told(self, told: Iterable[tuple[str, str, str, int, int]]) -> None:
        """Alerts that were told before the daemon started: (budget, value, unit, window start, level)."""
        self._told.update(told)

    # -- asking ----------------------------------------------------------------------------------------------

    def admit(self, applicant: Applicant, wanted: Amounts, now_ms: int, now_ns: int) -> Charge:
        """Hold ``wanted`` in every budget that is about the applicant.

        Raises ``BudgetFault`` where a hard one has no room, ``CallerFault(RATE_LIMITED)`` where it comes too fast.
        Then nothing is held.
        """
        counters = self._about(applicant)
        for counter in counters:
            self._require_room(counter, applicant, wanted, now_ms)
        taken = self._take(applicant, wanted.tokens, now_ns) if self.rates else ()
        for counter in counters:
            counter.held = counter.held.plus(wanted)
        return Charge(counters, taken, wanted, applicant.at_ms)

    def find_room(self, applicant: Applicant, now_ms: int) -> Room:
        """What the hard budgets leave for an attempt."""
        if applicant.free and not self._free_rules and not self.rates:
            return UNCOUNTED
        hard = [self._standing(counter, now_ms) for counter in self._about(applicant) if counter.rule.hard]
        return find_room(hard) if hard else ROOMY

    def settle(self, charge: Charge, spent: Amounts, now_ms: int) -> None:
        """An attempt has ended: what it held leaves, what it spent stays."""
        for counter in charge.counters:
            counter.held = counter.held.minus(charge.wanted)
            if spent != NOTHING:
                counter.spend(spent, charge.at_ms)
                self._look_at_levels(counter, now_ms)
        for taken in charge.taken:
            taken.pace.correct(taken, spent.tokens)

    def _about(self, applicant: Applicant) -> tuple[Counter, ...]:
        """The counters that it is charged to. Who asks has mostly asked before: then nothing is looked for."""
        if not (self._free_rules if applicant.free else self.rules):
            return ()
        who = (applicant.free, *whose(applicant.caller, applicant.target))
        known = self._known.get(who)
        if known is None or not known.from_ms <= applicant.at_ms < known.until_ms:
            if len(self._known) >= MANY_KNOWN:
                self._known.clear()
            known = self._known[who] = self._look_about(applicant)
        return known.counters

    def _look_about(self, applicant: Applicant) -> About:
        counters = []
        for rule in self._free_rules if applicant.free else self.rules:
            value = value_of(rule, applicant.caller, applicant.target)
            if value is not None:
                counters.append(self._counter(rule, value, applicant.at_ms))
        from_ms = max([counter.start_ms for counter in counters], default=0)
        until_ms = min([counter.end_ms for counter in counters if counter.end_ms is not None], default=NEVER_MS)
        return About(tuple(counters), from_ms, until_ms)

    def _require_room(self, counter: Counter, applicant: Applicant, wanted: Amounts, now_ms: int) -> None:
        rule = counter.rule
        if not rule.hard or (applicant.free and rule.at_limit == "free"):
            return
        breach = find_breach(self._standing(counter, now_ms), wanted)
        if breach is not None:
            self._alert(counter, breach.unit, FULL, now_ms)
            text = say_refusal(breach, self.zone)
            raise BudgetFault(text, budget=rule.name, final=rule.at_limit == "refuse")

    def _take(self, applicant: Applicant, tokens: int, now_ns: int) -> tuple[Taken, ...]:
        paces = []
        for rate in self.rates:
            value = value_of(rate, applicant.caller, applicant.target)
            if value is None:
                continue
            pace = self._pace(rate, value, now_ns)
            if (wait_s := pace.wait_s(now_ns, tokens)) > 0:
                text = f"Too many requests or tokens a minute for the limit {rate.name!r}: wait {wait_s:.0f} s."
                raise CallerFault(Code.RATE_LIMITED, text, retry_after_s=wait_s)
            paces.append(pace)
        return tuple(pace.take(now_ns, tokens) for pace in paces)

    # -- looking ---------------------------------------------------------------------------------------------

    def standings(self, now_ms: int) -> list[Standing]:
        """Every budget of the windows that it is now; one that nothing was spent of too, where it has one name."""
        found: list[Standing] = []
        for rule in self.rules:
            if rule.scope == "global" or rule.of:
                self._counter(rule, rule.of if rule.scope != "global" else "", now_ms)
            start_ms = self._start_ms(rule, now_ms)
            counters = [
                counter for key, counter in self._counters.items() if key[0] == rule.name and key[2] == start_ms
            ]
            found += [self._standing(counter, now_ms) for counter in counters]
        return found

    def banner(self, now_ms: int) -> list[str]:
        """What has been alerted of the windows that it is now: one sentence a limit, the worst first."""
        found = []
        for standing in self.standings(now_ms):
            counter = self._counter(standing.rule, standing.value, now_ms)
            start_ms = counter.alert_window(now_ms)[0]
            for unit, limit in standing.rule.limits:
                about = (standing.rule.name, standing.value, unit, start_ms)
                told = [level for level in (0, FULL) if (*about, level) in self._told]
                told += levels_reached(getattr(standing.spent, unit), limit, standing.rule.alert_at)
                if told:
                    found.append((max(told), say_alert(standing, unit, max(told), self.zone)))
        return [text for _, text in sorted(found, key=lambda pair: -pair[0])]

    def forget(self, oldest_ms: int) -> None:
        """Drop the counters of windows that ended before ``oldest_ms`` and hold nothing."""
        self._known.clear()
        self._counters = {
            key: counter
            for key, counter in self._counters.items()
            if counter.end_ms is None or counter.end_ms > oldest_ms or counter.held != NOTHING or counter.rolling
        }

    def _standing(self, counter: Counter, now_ms: int) -> Standing:
        start_ms, end_ms = counter.start_ms, counter.end_ms
        if counter.rolling:
            start_ms, end_ms = bounds_ms(counter.rule.window, now_ms, self.zone)
        return Standing(
            rule=counter.rule,
            value=counter.value,
            spent=counter.spent(now_ms),
            held=counter.held,
            start_ms=start_ms,
            end_ms=end_ms,
            reliefs=self._in_force(counter.rule.name, counter.value, now_ms) if self.reliefs else (),
        )

    def _in_force(self, budget: str, value: str, now_ms: int) -> tuple[Relief, ...]:
        return tuple(
            relief
            for relief in self.reliefs
            if relief.budget == budget and relief.value in ("", value) and now_ms < relief.until_ms
        )

    def _start_ms(self, rule: Rule, at_ms: int) -> int:
        return 0 if rule.window.kind == "rolling" else self._bounds(rule, at_ms)[0]

    def _counter(self, rule: Rule, value: str, at_ms: int) -> Counter:
        """The counter of the window that ``at_ms`` is in. The one of a rolling budget is always the same."""
        start_ms, end_ms = (0, None) if rule.window.kind == "rolling" else self._bounds(rule, at_ms)
        key = (rule.name, value, start_ms)
        counter = self._counters.get(key)
        if counter is None:
            counter = self._counters[key] = Counter(rule, value, start_ms, end_ms)
        return counter

    def _bounds(self, rule: Rule, at_ms: int) -> tuple[int, int | None]:
        """The window that ``at_ms`` is in. The latest answer mostly holds."""
        start_ms, end_ms = self._windows.get(rule.name, (0, 0))
        if not (start_ms <= at_ms and (end_ms is None or at_ms < end_ms)):
            start_ms, end_ms = self._windows[rule.name] = bounds_ms(rule.window, at_ms, self.zone)
        return start_ms, end_ms

    def _pace(self, rate: Rate, value: str, now_ns: int) -> Pace:
        pace = self._paces.get((rate.name, value))
        if pace is None:
            if len(self._paces) >= MANY_PACES:
                self._paces = {key: pace for key, pace in self._paces.items() if not pace.is_idle(now_ns)}
            pace = self._paces[rate.name, value] = Pace(rate, value)
        return pace

    # -- alerts ----------------------------------------------------------------------------------------------

    def _look_at_levels(self, counter: Counter, now_ms: int) -> None:
        if not counter.rule.alert_at:
            return
        spent = counter.spent(now_ms)
        for unit, limit in counter.rule.limits:
            for level in levels_reached(getattr(spent, unit), limit, counter.rule.alert_at):
                if (unit, level) not in counter.told or counter.rolling:
                    self._alert(counter, unit, level, now_ms)

    def foresee(self, standing: Standing, unit: Unit, now_ms: int) -> None:
        """The window is likely to end above the limit: told once."""
        self._alert(self._counter(standing.rule, standing.value, now_ms), unit, 0, now_ms)

    def _alert(self, counter: Counter, unit: Unit, level: int, now_ms: int) -> None:
        start_ms, end_ms = counter.alert_window(now_ms)
        counter.told.add((unit, level))
        key = (counter.rule.name, counter.value, unit, start_ms, level)
        if key in self._told:
            return
        self._told.add(key)
        standing = self._standing(counter, now_ms)
        self._tell(
            BudgetAlert(
                budget=counter.rule.name,
                scope=counter.rule.scope,
                value=counter.value,
                unit=unit,
                level=level,
                used=getattr(standing.spent, unit) + getattr(standing.held, unit),
                limit=counter.rule.limit(unit) or 0,
                window_start_ms=start_ms,
                window_end_ms=end_ms,
                hard=counter.rule.hard,
                text=say_alert(standing, unit, level, self.zone),
            )
        )


def _same_count(before: Rule | None, now: Rule) -> bool:
    """Whether both count the same things, so that only limits and alerts have changed."""
    if before is None:
        return False
    counted = ("scope", "of", "window", "counts_free")
    return all(getattr(before, name) == getattr(now, name) for name in counted)
