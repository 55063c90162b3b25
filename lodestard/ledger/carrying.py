"""What a ledger that was set aside knows, and the backup that takes its place does not.

Law: the backup must be the same ledger at an earlier moment: its newest request is in the other one, at the same
place. Then every row that came or changed since is carried over as it is, in one transaction; ``verify`` says after
that whether it adds up. Nothing is made up: what the other file can't tell is told as unknown. Requests are written
later than they are numbered, and may ask again after their end: so what has changed is seen by comparing, not by
numbers alone.
"""

from collections.abc import Iterator, Sequence
from typing import Protocol

import msgspec

from lodestard.domain.errors import Code, HouseFault
from lodestard.domain.ports import Row, Tx, Value
from lodestard.ledger.sums import amended
from lodestard.ledger.verify_sums import Readable

_LAST = "SELECT coalesce(max(seq), 0) FROM request"
_MARK = "SELECT seq FROM rollup_mark"
_DELETED = "SELECT EXISTS (SELECT 1 FROM remainder)"
_THERE = "SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = ?"
_ID = "SELECT id FROM request WHERE seq = ?"
_SINCE = "SELECT count(*) FROM request WHERE seq > ?"
_CHARGED = """
coalesce(sum(attempt.cost_nano_usd), 0), coalesce(sum(iif(attempt.state = 'held', held_nano_usd, 0)), 0)
"""  # a request that is open has no figures yet
_SPENT = f"SELECT {_CHARGED} FROM attempt WHERE request_seq > ?"
_STANDS = f"""
SELECT seq, id, request.state, request.attempts, count(ordinal), {_CHARGED}
FROM request LEFT JOIN attempt ON request_seq = seq WHERE seq <= ? GROUP BY seq ORDER BY seq
"""
_OF_REQUEST = (("request", "seq"), ("trace", "request_seq"), ("attempt", "request_seq"), ("posting", "request_seq"))
_NUMBERED = (("reconciliation", "id"), ("adjustment", "reconciliation_id"), ("budget_act", "id"))
_WHOLE = ("session", "price_version", "budget_alert")
_LAST_OF_ALL = "feedback"  # refers to requests, of before the backup too


class Rows(Readable, Protocol):
    """A database at one moment, which may be larger than memory."""

    def rows(self, sql: str, params: Sequence[Value] = ()) -> Iterator[Row]: ...


class Forgotten(msgspec.Struct, frozen=True):
    """What only the other ledger knows: how many requests more, what was charged since, what is still held."""

    requests: int = 0
    cost_nano_usd: int = 0
    held_nano_usd: int = 0


class Changed(msgspec.Struct, frozen=True):
    """A request of before the backup's newest that is not in it, or stands otherwise there."""

    seq: int
    new: bool
    cost_nano_usd: int
    held_nano_usd: int


def find_forgotten(backup: Rows, current: Rows) -> Forgotten:
    """What only ``current`` knows. Raises ``HouseFault`` where it can't be read or is another ledger."""
    last = _require_same(backup, current)
    requests = _int(current.read(_SINCE, (last,))[0][0])
    cost, held = map(_int, current.read(_SPENT, (last,))[0])
    for changed in _changed(backup, current, last):
        requests += changed.new
        cost += changed.cost_nano_usd
        held += changed.held_nano_usd
    return Forgotten(requests, cost, held)


def carry_over(tx: Tx, backup: Rows, current: Rows) -> None:
    """Write into ``backup``'s ledger (through ``tx``) what only ``current`` knows. Raises ``HouseFault``.

    ``backup`` has today's tables; ``current`` may have older ones.
    """
    last = _require_same(backup, current)
    for name in _WHOLE:
        _copy_where(tx, current, name, "?", (1,))
    for name, column in _NUMBERED:
        newest = int(backup.read(f"SELECT coalesce(max({column}), 0) FROM {name}")[0][0] or 0)
        _copy_where(tx, current, name, f"{column} > ?", (newest,))
    for changed in _changed(backup, current, last):
        _replace(tx, current, changed.seq)
    for name, column in _OF_REQUEST:
        _copy_where(tx, current, name, f"{column} > ?", (last,))
    _copy_where(tx, current, _LAST_OF_ALL, "?", (1,))


def _changed(backup: Rows, current: Rows, last: int) -> Iterator[Changed]:
    """Both are walked side by side. What is gone by now, for it was old, stays as it was."""
    mark = _figure(backup, "rollup_mark", _MARK)
    olds = backup.rows(_STANDS, (last,))
    old = next(olds, None)
    for now in current.rows(_STANDS, (last,)):
        seq, *_, cost, held = now
        while old is not None and _int(old[0]) < _int(seq):
            old = next(olds, None)
        known = old if old is not None and old[0] == seq else None
        if known is None and _int(seq) > mark:  # up to there all were written, and may have been deleted
            yield Changed(_int(seq), True, _int(cost), _int(held))
        elif known is not None and known != now:
            if known[1] != now[1]:
                raise _another()
            more_held = max(0, _int(held) - _int(known[-1]))
            yield Changed(_int(seq), False, _int(cost) - _int(known[-2]), more_held)


def _replace(tx: Tx, current: Rows, seq: int) -> None:
    """One request, as it stands in ``current``."""
    with amended(tx, seq):
        tx.execute("DELETE FROM request WHERE seq = ?", (seq,))
        for name, column in _OF_REQUEST:
            _copy_where(tx, current, name, f"{column} = ?", (seq,))


def _copy_where(tx: Tx, current: Rows, table: str, where: str, params: Sequence[int]) -> None:
    columns = [str(row[1]) for row in current.read(f"PRAGMA table_info({table})")]
    if not columns:
        return  # its tables are older
    names, places = ", ".join(columns), ", ".join("?" for _ in columns)
    rows = current.rows(f"SELECT {names} FROM {table} WHERE {where}", params)
    tx.execute_many(f"INSERT OR REPLACE INTO {table} ({names}) VALUES ({places})", rows)


def _require_same(backup: Rows, current: Rows) -> int:
    """The backup's newest request, which must be in both."""
    last = _figure(backup, "request", _LAST)
    if last:
        missing = backup.read(_ID, (last,)) != current.read(_ID, (last,))
    else:
        missing = bool(_figure(current, "remainder", _DELETED))
    if missing:
        raise _another()
    return last


def _another() -> HouseFault:
    return HouseFault(Code.STORE_UNAVAILABLE, "it is not the same ledger at a later moment")


def _figure(ledger: Rows, table: str, sql: str) -> int:
    """Nought where its tables are older than that one."""
    return _int(ledger.read(sql)[0][0]) if ledger.read(_THERE, (table,)) else 0


def _int(value: Value) -> int:
    assert isinstance(value, int)
    return value
