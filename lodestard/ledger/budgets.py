"""Budgets over the ledger's tables: what is configured, what is lifted, what is told.

Law: the keeper decides and counts; this file feeds it from the tables and writes down what people and alerts did.
When a configuration is taken in, each attempt is counted exactly once: from the tables where its end is in them, from
memory where it is not yet.
"""

import logging
from collections.abc import Callable, Sequence
from functools import partial
from typing import NamedTuple, Protocol
from zoneinfo import ZoneInfo

import msgspec

from lodestard.budget.judge import Relief, Standing
from lodestard.budget.rules import Amounts, Rate, Rule
from lodestard.budget.words import say_when
from lodestard.domain.errors import CallerFault, Code
from lodestard.domain.near import did_you_mean
from lodestard.domain.news import BudgetAlert
from lodestard.domain.ports import Row, Store, Tx
from lodestard.domain.room import Room
from lodestard.ledger.budget_rows import (
    HISTORY,
    count_in,
    is_ended,
    read_reliefs,
    read_told,
    write_alert,
    write_override,
    write_revoke,
    write_set,
)
from lodestard.ledger.keeper import Applicant, Charge, Counted, Keeper

_log = logging.getLogger(__name__)
FORGET_AFTER_MS = 86_400_000


class Held(Protocol):
    """An attempt that is under way."""

    charge: Charge


class UnderWay(NamedTuple):
    """What the tables may not have yet: attempts that are held, and ended ones by (request number, ordinal)."""

    held: Sequence[tuple[Held, Applicant]]
    ended: Sequence[tuple[tuple[int, int], Applicant, Amounts]]


class Budgets:
    """Owner of the keeper. ``on_alert`` hears each alert once a window."""

    def __init__(self, store: Store, zone: ZoneInfo, now_ms: Callable[[], int]) -> None:
        self._store = store
        self.now_ms = self._now_ms = now_ms
        self._keeper = Keeper(zone, self._tell)
        self._forget_ms = 0
        self.on_alert: Callable[[BudgetAlert], object] = lambda _alert: None

    @property
    def zone(self) -> ZoneInfo:
        return self._keeper.zone

    # -- opening ---------------------------------------------------------------------------------------------

    def open(self, rules: Sequence[Rule], rates: Sequence[Rate]) -> None:
        """Begin, before the first request. Raises ``HouseFault`` where the tables can't be read."""
        now_ms = self._now_ms()
        self._keeper.remember_told(read_told(self._store, now_ms))
        self._keeper.reliefs = read_reliefs(self._store, now_ms)
        counted = self._read(rules, now_ms)
        self._keeper.adopt(rules, rates, counted, now_ms)

    def _read(self, rules: Sequence[Rule], now_ms: int) -> list[Counted]:
        """What the tables have of those rules that are new: read before anything changes. Raises ``HouseFault``."""
        new = self._keeper.find_new(rules)
        return [each for rule in new for each in count_in(self._store, self._keeper.zone, rule, now_ms)]

    def replace(self, rules: Sequence[Rule], rates: Sequence[Rate], under_way: "UnderWay") -> None:
        """Take in a configuration. Sync: nothing else happens in between. Raises ``HouseFault``; then nothing has."""
        now_ms = self._now_ms()
        unwritten = [
            (applicant, amounts) for key, applicant, amounts in under_way.ended if not is_ended(self._store, *key)
        ]
        counted = self._read(rules, now_ms)
        new = self._keeper.adopt(rules, rates, counted, now_ms)
        for attempt, applicant in under_way.held:
            attempt.charge = self._keeper.recharge(attempt.charge, applicant, new)
        for applicant, amounts in unwritten:
            self._keeper.count_late(applicant, amounts, new)

    # -- attempts --------------------------------------------------------------------------------------------

    def admit(self, applicant: Applicant, wanted: Amounts, now_ms: int, now_ns: int) -> Charge:
        """See the keeper. ``now_ms``, here and below, is the ledger's time."""
        return self._keeper.admit(applicant, wanted, now_ms, now_ns)

    def find_room(self, applicant: Applicant, now_ms: int) -> Room:
        """See the keeper."""
        return self._keeper.find_room(applicant, now_ms)

    def settle(self, charge: Charge, spent: Amounts, now_ms: int) -> None:
        """See the keeper."""
        if charge.counters or charge.taken:
            self._keeper.settle(charge, spent, now_ms)

    # -- people ----------------------------------------------------------------------------------------------

    def standings(self) -> list[Standing]:
        """Every budget as it stands now."""
        now_ms = self._now_ms()
        if now_ms - self._forget_ms > FORGET_AFTER_MS:
            self._forget_ms = now_ms
            self._keeper.forget(now_ms - FORGET_AFTER_MS)
        return self._keeper.standings(now_ms)

    @property
    def rules(self) -> tuple[Rule, ...]:
        return self._keeper.rules

    @property
    def rates(self) -> tuple[Rate, ...]:
        return self._keeper.rates

    def banner(self) -> list[str]:
        """The alerts of the windows that it is now, the worst first, as sentences."""
        return self._keeper.banner(self._now_ms())

    async def history(self, last: int) -> list[Row]:
        """What was done about budgets and told of them, the newest first. Raises ``HouseFault``."""
        await self._store.commit(_nothing)
        return await self._store.query(HISTORY, (last,))

    def note_set(self, budget: str, what: str, who: str) -> None:
        """A person has set a budget: for the record."""
        self._store.post(partial(write_set, budget=budget, what=what, now_ms=self._now_ms(), who=who))

    async def lift(self, budget: str, *, value: str, for_ms: int, extra: int | None, reason: str, who: str) -> Relief:
        """``override`` from now on for ``for_ms``."""
        until_ms = self._now_ms() + for_ms
        relief = Relief(id=0, budget=budget, value=value, until_ms=until_ms, extra=extra, reason=reason, who=who)
        return await self.override(relief)

    async def override(self, relief: Relief) -> Relief:
        """Lift a budget for a time; in force once it is on the disk. Raises ``CallerFault``, ``HouseFault``."""
        self._require(relief.budget)
        number = await self._store.commit(partial(write_override, relief=relief, now_ms=self._now_ms()))
        given = msgspec.structs.replace(relief, id=number)
        self._keeper.reliefs.append(given)
        _log.warning(
            "budget %s is lifted until %s by %s: %s",
            relief.budget,
            say_when(relief.until_ms, self.zone),
            relief.who,
            relief.reason,
        )
        return given

    async def revoke(self, budget: str, who: str) -> list[Relief]:
        """Take back the overrides of a budget that are in force; those that were."""
        self._require(budget)
        now_ms = self._now_ms()
        taken = [relief for relief in self._keeper.reliefs if relief.budget == budget and relief.until_ms > now_ms]
        for relief in taken:
            await self._store.commit(partial(write_revoke, relief=relief, now_ms=now_ms, who=who))
        self._keeper.reliefs = [relief for relief in self._keeper.reliefs if relief not in taken]
        return taken

    def _require(self, budget: str) -> None:
        names = [rule.name for rule in self._keeper.rules]
        if budget not in names:
            near = did_you_mean(budget, names)
            hint = f" Did you mean {near}?" if near else ""
            raise CallerFault(Code.NOT_FOUND, f"There is no budget {budget!r}.{hint}", param="budget")

    # -- alerts ----------------------------------------------------------------------------------------------

    def foresee(self, standing: Standing) -> None:
        """The window is likely to end above its limit in US dollars: told once."""
        self._keeper.foresee(standing, "usd", self._now_ms())

    def _tell(self, alert: BudgetAlert) -> None:
        _log.debug("%s", alert.text)  # the module that tells of it logs it, with its figures
        self._store.post(partial(write_alert, alert=alert, now_ms=self._now_ms()))
        self.on_alert(alert)


def _nothing(tx: Tx) -> None:
    """Once it is done, so is all that was posted before it."""
