"""What the tables have of budgets: what was spent, who lifted which limit, what was told.

Law: sums are made by the database over integers; an act is written and never changed. A rolling budget is read by
quarters of an hour, each counted as long as any of it may be in the window. Deleted requests count on.
"""

from collections.abc import Iterator
from zoneinfo import ZoneInfo

from lodestard.budget.judge import Relief
from lodestard.budget.rules import Amounts, Rule
from lodestard.budget.windows import bounds_ms
from lodestard.domain.news import BudgetAlert
from lodestard.domain.ports import Store, Tx
from lodestard.ledger.keeper import Counted

QUARTER_MS = 15 * 60 * 1_000
_VALUES = {
    "global": "''",
    "principal": "request.principal",
    "project": "request.project",
    "user": "request.user",
    "session": "request.session",
    "model": "attempt.upstream || '/' || attempt.model",
    "provider": "attempt.upstream",
}
_TOKENS = (
    "coalesce(attempt.prompt_tokens + attempt.completion_tokens, iif(attempt.state = 'unknown', held_tokens, 0))"
)
_SPENT = """
SELECT value, quarter, sum(cost), sum(tokens), sum(attempts) FROM (
    SELECT {value} AS value, received_ms / {quarter} AS quarter, attempt.cost_nano_usd AS cost, {tokens} AS tokens,
        attempt.state IN ('captured', 'unknown') AS attempts
    FROM request JOIN attempt ON attempt.request_seq = request.seq
    WHERE received_ms >= ?1 AND attempt.state <> 'held' AND (?2 OR NOT attempt.free)
    UNION ALL
    SELECT {deleted}, quarter, cost_nano_usd, paid_tokens + iif(?2, free_tokens, 0),
        paid_attempts + iif(?2, free_attempts, 0)
    FROM remainder WHERE quarter >= ?1 / {quarter} AND (paid_attempts OR (?2 AND free_attempts))
) GROUP BY 1, 2 ORDER BY 2
"""
_ENDED = "SELECT 1 FROM attempt WHERE request_seq = ? AND ordinal = ? AND state <> 'held'"
_RELIEFS = """
SELECT id, budget, value, until_ms, extra, reason, who FROM budget_act
WHERE act = 'override' AND until_ms > ?
    AND NOT EXISTS (SELECT 1 FROM budget_act AS later WHERE later.act = 'revoke' AND later.extra = budget_act.id)
"""
_TOLD = "SELECT budget, value, unit, window_start_ms, level FROM budget_alert WHERE at_ms > ?"
_TELL = "INSERT INTO budget_alert VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING"
_ACT = (
    "INSERT INTO budget_act (at_ms, act, budget, value, until_ms, extra, reason, who) VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
)
HISTORY = """
SELECT at_ms, act, budget, value, until_ms, extra, reason, who FROM budget_act
UNION ALL SELECT at_ms, 'alert', budget, value, NULL, NULL, text, '' FROM budget_alert
ORDER BY at_ms DESC LIMIT ?
"""
_LAST_ID = "SELECT last_insert_rowid()"
_LAST_SEEN = "SELECT coalesce(max(received_ms), 0) FROM (SELECT received_ms FROM request ORDER BY seq DESC LIMIT 100)"
YEAR_MS = 366 * 86_400_000


def count_in(store: Store, zone: ZoneInfo, rule: Rule, now_ms: int) -> list[Counted]:
    """What the tables have of a new rule's window, for the keeper to count. Raises ``HouseFault``."""
    start_ms = bounds_ms(rule.window, now_ms, zone)[0]
    rolling = rule.window.kind == "rolling"
    found = []
    for value, quarter, amounts in read_spent(store, rule, start_ms - (QUARTER_MS if rolling else 0)):
        if not rule.of or rule.of == value:
            at_ms = min(now_ms, (quarter + 1) * QUARTER_MS - 1) if rolling else max(start_ms, quarter * QUARTER_MS)
            found.append((rule, value, amounts, at_ms))
    return found


def read_spent(store: Store, rule: Rule, since_ms: int) -> Iterator[tuple[str, int, Amounts]]:
    """What ended attempts of requests since then have spent: by value and quarter of an hour."""
    for value, quarter, usd, tokens, requests in store.read(spent_sql(rule), (since_ms, int(rule.counts_free))):
        amounts = Amounts(int(usd or 0), int(tokens or 0), int(requests or 0))
        yield str(value), int(quarter or 0), amounts


def spent_sql(rule: Rule) -> str:
    """The statement that ``read_spent`` asks: takes the instant since when, and whether free attempts count."""
    value = _VALUES[rule.scope]
    deleted = value.replace("request.", "").replace("attempt.", "")
    return _SPENT.format(value=value, deleted=deleted, quarter=QUARTER_MS, tokens=_TOKENS)


def is_ended(store: Store, request_seq: int, ordinal: int) -> bool:
    """Whether the tables have the end of an attempt."""
    return bool(store.read(_ENDED, (request_seq, ordinal)))


def read_reliefs(store: Store, now_ms: int) -> list[Relief]:
    """The overrides that are still in force."""
    return [
        Relief(
            id=int(number or 0),
            budget=str(budget),
            value=str(value),
            until_ms=int(until_ms or 0),
            extra=None if extra is None else int(extra),
            reason=str(reason),
            who=str(who),
        )
        for number, budget, value, until_ms, extra, reason, who in store.read(_RELIEFS, (now_ms,))
    ]


def read_told(store: Store, now_ms: int) -> list[tuple[str, str, str, int, int]]:
    """The alerts that were told in the last year: no window that is told of is longer."""
    return [
        (str(budget), str(value), str(unit), int(start_ms or 0), int(level or 0))
        for budget, value, unit, start_ms, level in store.read(_TOLD, (now_ms - YEAR_MS,))
    ]


def read_last_seen_ms(store: Store) -> int:
    """The latest instant that the ledger knows of: its time does not go back behind it."""
    return int(store.read(_LAST_SEEN)[0][0] or 0)


def write_alert(tx: Tx, alert: BudgetAlert, now_ms: int) -> None:
    tx.execute(
        _TELL,
        (alert.budget, alert.value, alert.unit, alert.window_start_ms, alert.level, now_ms, alert.text),
    )


def write_override(tx: Tx, relief: Relief, now_ms: int) -> int:
    """An override begins; its number."""
    values = (relief.budget, relief.value, relief.until_ms, relief.extra, relief.reason, relief.who)
    tx.execute(_ACT, (now_ms, "override", *values))
    return int(tx.execute(_LAST_ID)[0][0] or 0)


def write_set(tx: Tx, budget: str, what: str, now_ms: int, who: str) -> None:
    """A budget was set in the configuration."""
    tx.execute(_ACT, (now_ms, "set", budget, "", None, None, what, who))


def write_revoke(tx: Tx, relief: Relief, now_ms: int, who: str) -> None:
    """An override is taken back before its time; ``extra`` of the act is the override's number."""
    tx.execute(_ACT, (now_ms, "revoke", relief.budget, relief.value, None, relief.id, "", who))
