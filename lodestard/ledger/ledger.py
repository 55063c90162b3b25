"""The ledger: hold on the way in (may wait), settle on the way out (never waits).

Law: an attempt is known here before its hold is written, so however its caller goes away it has an end. Free
attempts are written with their request, at its end, and nobody waits for them. Owner of every entry and attempt that
is under way.
"""

import logging
from collections.abc import Callable, Sequence
from functools import partial
from zoneinfo import ZoneInfo

import msgspec

from lodestard.budget import cost_nano_usd
from lodestard.budget.fullest import fullest_percent
from lodestard.budget.rules import Amounts, Rate, Rule
from lodestard.domain.clock import Clock
from lodestard.domain.closing import Closed, Closing
from lodestard.domain.errors import Code, HouseFault
from lodestard.domain.money import MAX_NANO_USD, format_usd
from lodestard.domain.ports import AttemptPort, EntryPort, Store, Tx
from lodestard.domain.price import FREE
from lodestard.domain.request import Caller
from lodestard.domain.room import Room
from lodestard.domain.upstream import Candidate, Target
from lodestard.domain.usage import Usage
from lodestard.ledger.budget_rows import read_last_seen_ms
from lodestard.ledger.budgets import Budgets, UnderWay
from lodestard.ledger.entry import NS_PER_US, Attempt, Entry, is_plausible, spent_by, uncached
from lodestard.ledger.feedback import FeedbackBook
from lodestard.ledger.forecast import run_forecasts
from lodestard.ledger.ids import RequestIds
from lodestard.ledger.keeper import Applicant
from lodestard.ledger.options import LedgerOptions
from lodestard.ledger.quotes import Quotes
from lodestard.ledger.reconciliation import Reconciliation
from lodestard.ledger.reports import Reports
from lodestard.ledger.rows import State, WriteClosing, figures_of, write_end, write_hold
from lodestard.ledger.session_reports import SessionReports
from lodestard.ledger.sessions import Session, Sessions
from lodestard.ledger.text import price_text, trace_text
from lodestard.ledger.totals import Tally, Totals
from lodestard.ledger.upkeep import Upkeep

_log = logging.getLogger(__name__)


_LAST_SEQ = "SELECT max(coalesce(max(request.seq), 0), (SELECT seq FROM rollup_mark)) FROM request"


class Ledger:
    """Implements ``domain.ports.LedgerPort``. Made by ``open_ledger``."""

    def __init__(self, store: Store, clock: Clock, options: LedgerOptions, ids: RequestIds) -> None:
        self._store = store
        self._clock = clock
        self._ids = ids
        self._strict = options.strict
        self._seen_ms = read_last_seen_ms(store)
        self._tally = Tally(ZoneInfo(options.timezone), self.now_ms())
        self._tally.seed(store)
        self._next_seq = 1 + int(store.read(_LAST_SEQ)[0][0] or 0)
        self._open: dict[int, Entry] = {}
        self._held: set[Attempt] = set()
        self._ending: list[Attempt] | None = None
        self._prices: set[str] = set()  # versions that are in the tables
        self.baseline = options.baseline
        self.reports = Reports(store)
        self.reconciliation = Reconciliation(store)
        self.quotes = Quotes(store)
        self.budgets = Budgets(store, ZoneInfo(options.timezone), self.now_ms)
        self.budgets.open(options.rules, options.rates)
        self.upkeep = Upkeep(store, clock, self._settled, options.retention_days)
        self.sessions = Sessions(store, options.sessions, self.now_ms())
        self.session_reports = SessionReports(store, self.sessions, clock)
        self.feedback = FeedbackBook(store, self.now_ms)

    def open_entry(self, caller: Caller, alias: str, *, dialect: str, stream: bool) -> Entry:
        """A request has come. In memory until its first hold, or its end."""
        now_ms = self.now_ms()
        seq = self._next_seq
        self._next_seq += 1
        caller, session = self.sessions.place(caller, now_ms)
        entry = Entry(seq, self._ids.next_id(now_ms), now_ms, caller, alias, dialect, stream, session)
        self._open[seq] = entry
        self._tally.open += 1
        return entry

    def foresee(self, caller: Caller, alias: str) -> Entry:
        """An entry of a request that may come, to ask what room it would have. It is counted nowhere."""
        now_ms = self.now_ms()
        session = Session(caller.session, "named", caller, now_ms, now_ms)
        return Entry(0, "", now_ms, caller, alias, "", stream=False, session=session)

    def now_ms(self) -> int:
        """The ledger's time. It never goes back, so that no window that is closed opens again."""
        now_ms = self._clock.now_ms()
        if now_ms > self._seen_ms:
            self._seen_ms = now_ms
        return self._seen_ms

    def find_room(self, entry: EntryPort, candidate: Candidate) -> Room:
        """What the hard budgets leave for an attempt at ``candidate``."""
        applicant = _applicant(_entry(entry), candidate.target, free=_is_free(candidate))
        return self.budgets.find_room(applicant, self.now_ms())

    async def hold(
        self, entry: EntryPort, candidate: Candidate, worst_nano_usd: int, worst_tokens: int = 0
    ) -> Attempt:
        """An attempt begins. Paid: returns once its worst case is durable. Free: at once, without a checkpoint.

        Raises ``BudgetFault`` (where its session lasts too long too), ``CallerFault(RATE_LIMITED)``, or
        ``HouseFault``: ``PRICE_UNKNOWN``, or ``LEDGER_UNAVAILABLE`` where the hold can't be written. However it
        fails, and where the caller is cancelled while it waits, nothing stays held.
        """
        opened = _entry(entry)
        self.sessions.refuse_overlong(opened.session, opened.received_ms)
        attempt = self._begin(opened, candidate, Amounts(worst_nano_usd, worst_tokens, 1))
        if attempt.free:
            return attempt
        try:
            await self._store.commit(self._hold_of(attempt))
        except HouseFault as fault:
            self.release(attempt, "the hold could not be written")
            raise HouseFault(
                Code.LEDGER_UNAVAILABLE,
                f"Paid models can't be used now: {fault.message}",
                retry_after_s=fault.retry_after_s,
            ) from fault
        except BaseException:
            # Cancelled, as a rule. The writer may yet write the hold: this release comes after it in the same queue.
            self.release(attempt, "the caller left before it was dialled")
            raise
        self._prices.add(attempt.price_version)
        return attempt

    def _hold_of(self, attempt: Attempt) -> Callable[[Tx], None]:
        """The work that writes a hold, and the first time its price with it."""
        price = "" if attempt.price_version in self._prices else price_text(attempt.price)
        entry = attempt.entry
        late = entry.closed is not None
        return partial(write_hold, request=entry.opened_row(), attempt=attempt.row(), price=price, late=late)

    def _begin(self, entry: Entry, candidate: Candidate, worst: Amounts) -> Attempt:
        price = candidate.price
        if price is None and not candidate.free:
            raise HouseFault(Code.PRICE_UNKNOWN, f"The price of {candidate.target} is not known; add it to [prices].")
        if not 0 <= worst.usd <= MAX_NANO_USD:
            raise HouseFault(Code.INTERNAL, f"{worst.usd} nano-USD can't be held")
        free = _is_free(candidate)
        now_ms, now_ns = self.now_ms(), self._clock.monotonic_ns()
        if free and worst.usd:
            worst = msgspec.structs.replace(worst, usd=0)
        charge = self.budgets.admit(_applicant(entry, candidate.target, free=free), worst, now_ms, now_ns)
        attempt = Attempt(
            entry,
            len(entry.attempts) + 1,
            candidate.target,
            free,
            FREE if free or price is None else price,
            worst.usd,
            now_ms,
            now_ns,
            charge,
        )
        entry.attempts.append(attempt)
        self._held.add(attempt)
        self._tally.held += attempt.hold_nano_usd
        return attempt

    def capture(self, attempt: AttemptPort, usage: Usage | None) -> int:
        """Its answer is whole: charge ``usage`` and give the rest back. Without usage a paid attempt is unknown, and
        so is one whose usage has no price.

        Gives the cost in nano-USD. A cost above the hold is charged as it is, and logged.
        """
        held = _attempt(attempt)
        if usage is not None and not is_plausible(usage):
            _log.error("ledger: %s at %s: its usage can't be right; not believed", held.entry.id, held.target)
            usage = None
        if usage is None and not held.free:
            self.unknown(held, "the upstream did not say what it used")
            return held.cost_nano_usd
        costless = usage is None or (held.free and usage.billed_nano_usd is None)
        cost = 0 if usage is None or costless else cost_nano_usd(usage, held.price)
        if cost is None and not held.free:
            tier = f" as {usage.service_tier}" if usage is not None and usage.service_tier else ""
            self._end(held, "unknown", held.hold_nano_usd, f"its price does not say what it used{tier}", usage)
            return held.cost_nano_usd
        cost = cost or 0
        if self._end(held, "captured", min(cost, MAX_NANO_USD), "", usage) and cost > held.hold_nano_usd:
            _log.error(
                "ledger: %s at %s cost $%s, above its hold of $%s",
                held.entry.id,
                held.target,
                format_usd(cost),
                format_usd(held.hold_nano_usd),
            )
        return held.cost_nano_usd

    def release(self, attempt: AttemptPort, why: str) -> None:
        """Nothing can have been billed: give the hold back."""
        self._end(_attempt(attempt), "released", 0, why)

    def unknown(self, attempt: AttemptPort, why: str) -> None:
        """Something may have been billed: charge the hold."""
        held = _attempt(attempt)
        self._end(held, "unknown", held.hold_nano_usd, why)

    def _end(self, attempt: Attempt, state: State, cost: int, why: str, usage: Usage | None = None) -> bool:
        """The one end. False where there was one before, which then stands."""
        entry = attempt.entry
        if attempt.state != "held":
            return self._refuse(f"{entry.id}: attempt {attempt.ordinal} is {attempt.state} and can't be {state} too")
        attempt.state = state
        attempt.cost_nano_usd = cost
        attempt.usage = usage
        attempt.reason = why
        attempt.ended_ms = self.now_ms()
        attempt.total_us = (self._clock.monotonic_ns() - attempt.started_ns) // NS_PER_US
        self._held.discard(attempt)
        self._tally.held -= attempt.hold_nano_usd
        self.budgets.settle(attempt.charge, spent_by(attempt), attempt.ended_ms)
        if self._ending is not None:
            self._ending.append(attempt)
        if entry.closed is not None:
            self._tally.count_late(entry.closed, cost, cost if state == "unknown" else 0, attempt.ended_ms)
        if not attempt.free or entry.closed is not None:
            late = entry.closed is not None
            work = partial(write_end, request=entry.opened_row(), attempt=attempt.row(), late=late)
            self._store.post(work)
        return True

    def close_entry(self, entry: EntryPort, closing: Closing) -> Closed:
        """The request has ended, and with it what is known of its answer. An attempt may still end after it.

        Gives the figures of its row.
        """
        closed = _entry(entry)
        if closed.closed is not None:
            self._refuse(f"{closed.id} is closed already")
            return figures_of(closed.closed, free=False)
        now_ms = self.now_ms()
        closed.switched_from = self.sessions.note_end(closed.session, closing, now_ms)
        row = closed.closed_row(closing, self._baseline_of(closed, closing))
        closed.closed = row
        del self._open[closed.seq]
        self._tally.open -= 1
        self._tally.count_closed(row, now_ms)
        self.upkeep.count_closed()
        free = [attempt for attempt in closed.attempts if attempt.free]
        unwritten = tuple([attempt.row() for attempt in free if attempt.state != "held"])
        self._store.post(WriteClosing(row, unwritten, trace_text(closed.id, closing)))
        return figures_of(row, free=len(free) == len(closed.attempts))

    def _baseline_of(self, entry: Entry, closing: Closing) -> int | None:
        """What the answer would have cost on the baseline model, with no cache at all.

        None where there is no answer or no baseline; and where nobody but the house has asked: what it answers for
        itself would never have been bought.
        """
        if self.baseline is None or closing.usage is None or not is_plausible(closing.usage) or entry.caller.origin:
            return None
        if closing.outcome != "ok" and not any(attempt.state == "captured" for attempt in entry.attempts):
            return None
        usage = msgspec.structs.replace(uncached(closing.usage), service_tier="")
        cost = cost_nano_usd(usage, self.baseline)
        return None if cost is None else min(cost, MAX_NANO_USD)

    def _settled(self) -> int:
        """Up to which request all have ended, with all attempts that they have made."""
        held = min((attempt.entry.seq for attempt in self._held), default=self._next_seq)
        return min(next(iter(self._open), self._next_seq), held) - 1

    def _refuse(self, what: str) -> bool:
        if self._strict:
            raise HouseFault(Code.INTERNAL, what)
        _log.error("ledger: a defect: %s", what)
        return False

    def totals(self) -> Totals:
        """Today's figures and what is held now. In memory; the same that the reports give."""
        totals = self._tally.totals(self.now_ms())
        return msgspec.structs.replace(totals, budget_percent=fullest_percent(self.budgets.standings()))

    async def take_in_budgets(self, rules: Sequence[Rule], rates: Sequence[Rate]) -> None:
        """Budgets of a new configuration: counters of those that are as they were go on.

        Raises ``HouseFault`` where the tables can't be read; then the old ones stay.
        """
        self._ending = []
        try:
            await self._store.commit(_nothing)  # what had ended before, and was to be written, is in the tables now
            self.budgets.replace(rules, rates, self._under_way(self._ending))
        finally:
            self._ending = None

    def _under_way(self, ending: Sequence[Attempt]) -> UnderWay:
        ended = [attempt for entry in self._open.values() for attempt in entry.attempts if attempt.state != "held"]
        every = {(attempt.entry.seq, attempt.ordinal): attempt for attempt in (*ended, *ending)}
        return UnderWay(
            [(attempt, _applicant_of(attempt)) for attempt in self._held],
            [(key, _applicant_of(attempt), spent_by(attempt)) for key, attempt in every.items()],
        )

    async def run_forecasts(self) -> None:
        """Look ahead for budgets every hour, until cancelled."""
        await run_forecasts(self._store, self.budgets)

    def close(self) -> None:
        """Give every attempt and entry that is still under way its end. For ``open_ledger`` alone."""
        for attempt in sorted(self._held, key=lambda attempt: (attempt.entry.seq, attempt.ordinal)):
            self.unknown(attempt, "lodestard was stopped")
        for entry in tuple(self._open.values()):
            self.close_entry(entry, Closing(outcome=Code.SHUTTING_DOWN, status=503, cache=""))
        self.sessions.save_all(self.now_ms())


def _is_free(candidate: Candidate) -> bool:
    return candidate.free or candidate.price is None or candidate.price.free


def _applicant_of(attempt: Attempt) -> Applicant:
    return _applicant(attempt.entry, attempt.target, free=attempt.free)


def _nothing(tx: Tx) -> None:
    """Once it is done, so is all that was posted before it."""


def _applicant(entry: Entry, target: Target, *, free: bool) -> Applicant:
    return Applicant(caller=entry.caller, target=target, free=free, at_ms=entry.received_ms)


def _entry(entry: EntryPort) -> Entry:
    if type(entry) is not Entry:
        raise TypeError("not an entry of this ledger")
    return entry


def _attempt(attempt: AttemptPort) -> Attempt:
    if type(attempt) is not Attempt:
        raise TypeError("not an attempt of this ledger")
    return attempt
