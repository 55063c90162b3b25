"""What a provider says it has billed on a day, beside what we know of; the difference has a book of its own.

Law: a look is written once, with the change since the look before: the adjustments of an upstream's day always sum to
theirs less ours, as the last look found them. So looking again and again posts nothing twice. No request is changed:
nobody knows which one it was. What they billed beyond ours moves from ``funds`` to ``unreconciled``, what they billed
less moves back. Owner of the tables ``reconciliation`` and ``adjustment``.
"""

from collections.abc import Sequence
from functools import partial
from typing import Protocol

import msgspec

from lodestard.domain.bills import Bill, DayFigures, Look
from lodestard.domain.errors import CallerFault, Code
from lodestard.domain.money import MAX_NANO_USD
from lodestard.domain.ports import Row, Store, Tx, Value

DAY_MS = 86_400_000
SHOWN = 20
MOST_NANO_USD = MAX_NANO_USD // 2
_OURS = """
SELECT coalesce(sum(attempt.cost_nano_usd), 0), coalesce(sum(attempt.prompt_tokens), 0),
    coalesce(sum(attempt.completion_tokens), 0)
FROM request JOIN attempt ON attempt.request_seq = request.seq
WHERE request.received_ms >= ? AND request.received_ms < ? AND attempt.started_ms >= ? AND attempt.started_ms < ?
    AND attempt.upstream = ? AND attempt.state <> 'held'
"""
_COLUMNS = "id, at_ms, upstream, day, ours_nano_usd, theirs_nano_usd, alarmed, detail"
_LAST = f"SELECT {_COLUMNS} FROM reconciliation WHERE upstream = ? AND day = ? ORDER BY id DESC LIMIT 1"  # noqa: S608
_NEWEST = f"SELECT {_COLUMNS} FROM reconciliation ORDER BY id DESC LIMIT ?"  # noqa: S608  columns of ours, as above
_SETTLED = f"SELECT {_COLUMNS} FROM reconciliation WHERE upstream = ? AND day >= ? ORDER BY id"  # noqa: S608
_INSERT_LOOK = "INSERT INTO reconciliation VALUES (NULL, ?, ?, ?, ?, ?, ?, ?) RETURNING id"
_INSERT_ADJUSTMENT = "INSERT INTO adjustment VALUES (?, ?, ?, ?, ?)"
_OF_MONTH = """
SELECT sum(theirs_nano_usd - ours_nano_usd) FROM reconciliation WHERE substr(day, 1, 7) = ?
    AND id IN (SELECT max(id) FROM reconciliation GROUP BY upstream, day)
"""
_BALANCE = """
SELECT coalesce(sum(iif(to_book = 'unreconciled', amount_nano_usd, -amount_nano_usd)), 0) FROM adjustment
"""
_THERE = "SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND name IN ('reconciliation', 'adjustment')"
_CHANGES = """
WITH looked AS (
    SELECT id, upstream, day, theirs_nano_usd - ours_nano_usd AS difference,
        coalesce(lag(theirs_nano_usd - ours_nano_usd) OVER (PARTITION BY upstream, day ORDER BY id), 0) AS before
    FROM reconciliation
)
SELECT upstream, day, id FROM looked LEFT JOIN adjustment ON reconciliation_id = id
WHERE difference - before <>
    coalesce(iif(to_book = 'unreconciled', amount_nano_usd, -amount_nano_usd), 0)
LIMIT ?
"""
_FLOATS = """
SELECT 'reconciliation' FROM reconciliation
    WHERE typeof(ours_nano_usd) <> 'integer' OR typeof(theirs_nano_usd) <> 'integer'
UNION ALL SELECT 'adjustment' FROM adjustment WHERE typeof(amount_nano_usd) <> 'integer'
LIMIT ?
"""


class Readable(Protocol):
    """A database at one moment."""

    def read(self, sql: str, params: Sequence[Value] = ()) -> list[Row]: ...


class Reconciliation:
    """Implements ``domain.ports.ReconciliationPort``."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def ours(self, upstream: str, day_start_ms: int) -> DayFigures:
        """What was charged for attempts that began on this UTC day, those of unknown cost at their hold."""
        await self._store.commit(_nothing)  # what was posted before is in it
        end_ms = day_start_ms + DAY_MS
        params = (day_start_ms - DAY_MS, end_ms, day_start_ms, end_ms, upstream)
        ((cost, prompt, completion),) = await self._store.query(_OURS, params)
        return DayFigures(nano_usd=_int(cost), prompt_tokens=_int(prompt), completion_tokens=_int(completion))

    async def post(self, bill: Bill) -> Look:
        """Write down what was found, with what it changes; nothing where it is what the last look found."""
        return await self._store.commit(partial(write_look, bill=bill))

    async def looks(self, limit: int) -> list[Look]:
        """The newest first."""
        return [_look(row) for row in await self._store.query(_NEWEST, (limit,))]

    async def known(self, upstream: str, since_day: str) -> dict[str, Look]:
        """The last look at each day from then on."""
        rows = await self._store.query(_SETTLED, (upstream, since_day))
        return {look.day: look for look in map(_look, rows)}

    async def month_nano_usd(self, month: str) -> int | None:
        """What providers billed in a month (``2026-11``, of UTC days) beyond what we know of; None: nobody looked."""
        ((difference,),) = await self._store.query(_OF_MONTH, (month,))
        return None if difference is None else _int(difference)

    async def balance_nano_usd(self) -> int:
        """What is in the book ``unreconciled``: what providers billed beyond what we know of."""
        return _int((await self._store.query(_BALANCE))[0][0])


def write_look(tx: Tx, bill: Bill) -> Look:
    """A work of the writer's. Raises ``CallerFault`` for amounts beyond reason: a change must fit an adjustment."""
    if max(bill.ours_nano_usd, bill.theirs_nano_usd) > MOST_NANO_USD:
        raise CallerFault(Code.INVALID_REQUEST, f"The bill of {bill.upstream} is larger than can be right.")
    rows = tx.execute(_LAST, (bill.upstream, bill.day))
    before = _look(rows[0]) if rows else None
    detail = msgspec.json.encode({"final": bill.final, **bill.detail}, order="sorted").decode()
    if before is not None and _same(before, bill):
        return msgspec.structs.replace(before, change_nano_usd=0, new=False)
    difference = bill.theirs_nano_usd - bill.ours_nano_usd
    change = difference - (before.difference_nano_usd if before is not None else 0)
    values = (
        bill.at_ms,
        bill.upstream,
        bill.day,
        bill.ours_nano_usd,
        bill.theirs_nano_usd,
        int(bill.alarmed),
        detail,
    )
    look_id = _int(tx.execute(_INSERT_LOOK, values)[0][0])
    if change:
        books = ("funds", "unreconciled") if change > 0 else ("unreconciled", "funds")
        tx.execute(_INSERT_ADJUSTMENT, (look_id, bill.at_ms, *books, abs(change)))
    row = (look_id, *values)
    return msgspec.structs.replace(_look(row), change_nano_usd=change)


def _same(before: Look, bill: Bill) -> bool:
    figures = (before.ours_nano_usd, before.theirs_nano_usd)
    return figures == (bill.ours_nano_usd, bill.theirs_nano_usd) and before.final >= bill.final


def _look(row: Row) -> Look:
    look_id, at_ms, upstream, day, ours, theirs, alarmed, text = row
    detail = msgspec.json.decode(str(text), type=dict[str, str | int | bool]) if text else {}
    return Look(
        id=_int(look_id),
        at_ms=_int(at_ms),
        upstream=str(upstream),
        day=str(day),
        ours_nano_usd=_int(ours),
        theirs_nano_usd=_int(theirs),
        alarmed=bool(alarmed),
        final=detail.get("final") is True,
        detail={name: value for name, value in detail.items() if name != "final"},
    )


def _int(value: Value) -> int:
    assert isinstance(value, int)
    return value


def _nothing(tx: Tx) -> None:
    """Once it is done, so is all that was posted before it."""


def check_reconciliation(database: Readable) -> list[str]:
    """What is wrong with the two tables: nothing, if all is well. A ledger of version 1 has none of them.

    Raises ``HouseFault`` where they can't be read.
    """
    if database.read(_THERE)[0][0] != len(("reconciliation", "adjustment")):
        return []
    changes = [
        f"reconciliation {look_id!s} ({upstream!s}, {day!s}): its adjustment is not what has changed"
        for upstream, day, look_id in database.read(_CHANGES, (SHOWN,))
    ]
    floats = [f"{table!s}: an amount is not an integer" for (table,) in database.read(_FLOATS, (SHOWN,))]
    return changes + floats
