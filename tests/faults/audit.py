"""I4 read off the tables: what each hard budget had spent and held after every posting, in order.

Law: shares nothing with the keeper: windows are the calendar's own words for an instant, sums are made anew of every
posting. Overrides are not known here.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from lodestard.domain.ports import Row
from lodestard.domain.settings import Budget
from lodestard.store import open_snapshot

NANO_PER_USD = 10**9
HOUR_MS = 3_600_000
UTC_ZONE = ZoneInfo("UTC")
TAKEN = ("held", "spent", "unknown")
WHOSE = """
SELECT request_seq, ordinal, received_ms, project, user, session, attempt.upstream, attempt.model
FROM attempt JOIN request ON seq = request_seq
"""
POSTINGS = """
SELECT at_ms, request_seq, ordinal, from_book, to_book, amount_nano_usd FROM posting
ORDER BY at_ms, event = 'hold', request_seq, ordinal, step
"""
"""Within a millisecond what is given back comes first: which of them came first can't be told by then."""


@dataclass(frozen=True)
class Owner:
    """Whose an attempt is, and when its request came."""

    received_ms: int
    project: str
    user: str
    session: str
    provider: str
    model: str

    @classmethod
    def of(cls, row: Row) -> "Owner":
        received_ms, *names = row[2:]
        project, user, session, upstream, model = map(str, names)
        return cls(int(received_ms or 0), project, user, session, upstream, f"{upstream}/{model}")


@dataclass
class Audit:
    """The balances of all budgets in US dollars."""

    budgets: Mapping[str, Budget]
    zone: ZoneInfo = UTC_ZONE
    most: Counter[str] = field(default_factory=Counter)
    _balances: dict[tuple[str, str, str], int] = field(default_factory=lambda: defaultdict(int))
    _rolling: dict[tuple[str, str], list[tuple[int, int]]] = field(default_factory=lambda: defaultdict(list))

    def move(self, owner: Owner, from_book: str, to_book: str, nano_usd: int) -> None:
        """Take in one posting."""
        amount = nano_usd * ((to_book in TAKEN) - (from_book in TAKEN))
        for name, budget in self._about(owner):
            value = _value(budget, owner)
            if _hours(budget):
                self._rolling[name, value].append((owner.received_ms, amount))
            else:
                self._balances[name, value, self._window(budget, owner.received_ms)] += amount

    def check(self, owner: Owner, now_ms: int) -> None:
        """No budget of ``owner`` is overrun, now that whole works have been taken in."""
        for name, budget in self._about(owner):
            value = _value(budget, owner)
            limit = int((budget.usd or 0) * NANO_PER_USD)
            taken = self.taken(name, value, owner.received_ms, now_ms)
            self.most[name] = max(self.most[name], taken)
            assert taken <= limit or not budget.hard, (
                f"budget {name} of {value!r}: {taken} of {limit} nano-USD are spent or held"
            )

    def taken(self, name: str, value: str, received_ms: int, now_ms: int) -> int:
        """What is spent and held in the window of a request that came then; of a rolling one, in that before now."""
        budget = self.budgets[name]
        if not _hours(budget):
            return self._balances[name, value, self._window(budget, received_ms)]
        oldest_ms = now_ms - _hours(budget) * HOUR_MS
        return sum(amount for at_ms, amount in self._rolling[name, value] if at_ms > oldest_ms)

    def _about(self, owner: Owner) -> Iterable[tuple[str, Budget]]:
        return [
            (name, budget)
            for name, budget in self.budgets.items()
            if budget.usd is not None and (not budget.of or budget.of == _value(budget, owner))
        ]

    def _window(self, budget: Budget, at_ms: int) -> str:
        day = (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=at_ms)).astimezone(self.zone).date()
        if budget.window == "week":
            return "{}-{}".format(*day.isocalendar())
        return {"day": day.isoformat(), "month": day.isoformat()[:7], "total": ""}[budget.window]


def _hours(budget: Budget) -> int:
    """How far a rolling budget looks back; nought for the others."""
    return int(budget.window[:-1]) if budget.window[:-1].isdigit() else 0


def _value(budget: Budget, owner: Owner) -> str:
    return "" if budget.scope == "global" else str(getattr(owner, budget.scope))


def audit(file: Path, budgets: Mapping[str, Budget], zone: ZoneInfo = UTC_ZONE) -> Audit:
    """Replay a ledger's postings and check after each one. Gives the most that each budget ever had."""
    with open_snapshot(file) as snapshot:
        owners = {(seq, ordinal): Owner.of((seq, ordinal, *rest)) for seq, ordinal, *rest in snapshot.read(WHOSE)}
        postings: Sequence[Row] = snapshot.read(POSTINGS)
    seen = Audit(budgets, zone)
    for number, (at_ms, seq, ordinal, from_book, to_book, nano_usd) in enumerate(postings, 1):
        owner = owners[seq, ordinal]
        seen.move(owner, str(from_book), str(to_book), int(nano_usd or 0))
        following = postings[number][:3] if number < len(postings) else ()
        if following != (at_ms, seq, ordinal):  # a work's postings hold together
            seen.check(owner, int(at_ms or 0))
    return seen
