"""What a ledger that was set aside knows, and the backup that takes its place does not.

Law: the backup must be the same ledger at an earlier moment: its newest request is in the other one, at the same
place. Then every row that came or changed since is carried over as it is, in one transaction; ``verify`` says after
that whether it adds up. Nothing is made up: what the other file can't tell is told as unknown.
"""

from collections.abc import Sequence

import msgspec

from lodestard.domain.errors import Code, HouseFault
from lodestard.domain.ports import Row, Tx
from lodestard.ledger.sums import amended
from lodestard.ledger.verify_sums import Readable

_LAST = "SELECT coalesce(max(seq), 0) FROM request"
_DELETED = "SELECT EXISTS (SELECT 1 FROM remainder)"
_ID = "SELECT id FROM request WHERE seq = ?"
_SINCE = """
SELECT count(*), coalesce(sum(cost_nano_usd), 0), coalesce(min(received_ms), 0) FROM request WHERE seq > ?
"""
_HELD = "SELECT coalesce(sum(held_nano_usd), 0) FROM attempt WHERE request_seq > ? AND state = 'held'"
_OPEN = """
SELECT seq FROM request WHERE state = 'open' UNION SELECT request_seq FROM attempt WHERE state = 'held' ORDER BY 1
"""
_OF_REQUEST = (("request", "seq"), ("trace", "request_seq"), ("attempt", "request_seq"), ("posting", "request_seq"))
_NUMBERED = (("reconciliation", "id"), ("adjustment", "reconciliation_id"), ("budget_act", "id"))
_WHOLE = ("session", "price_version", "budget_alert")


class Forgotten(msgspec.Struct, frozen=True):
    """Requests after the backup: how many, what they were charged, what is still held for them, since when."""

    requests: int = 0
    cost_nano_usd: int = 0
    held_nano_usd: int = 0
    first_ms: int = 0


def find_forgotten(backup: Readable, current: Readable) -> Forgotten:
    """What only ``current`` knows. Raises ``HouseFault`` where it can't be read or is another ledger."""
    last = _require_same(backup, current)
    requests, cost, first_ms = (int(value or 0) for value in current.read(_SINCE, (last,))[0])
    held = int(current.read(_HELD, (last,))[0][0] or 0)
    grown = sum(_cost(current, seq) - _cost(backup, seq) for seq in _open_seqs(backup))
    return Forgotten(requests, cost + grown, held, first_ms)


def carry_over(tx: Tx, backup: Readable, current: Readable) -> None:
    """Write into ``backup``'s ledger (through ``tx``) what only ``current`` knows. Raises ``HouseFault``."""
    last = _require_same(backup, current)
    for name in _WHOLE:
        _copy_where(tx, current, name, "?", (1,))
    for name, column in _NUMBERED:
        newest = int(backup.read(f"SELECT coalesce(max({column}), 0) FROM {name}")[0][0] or 0)
        _copy_where(tx, current, name, f"{column} > ?", (newest,))
    for seq in _open_seqs(backup):
        _replace(tx, current, seq)
    for name, column in _OF_REQUEST:
        _copy_where(tx, current, name, f"{column} > ?", (last,))
    ids = "request_id IN (SELECT id FROM request WHERE seq > ?)"
    _copy_where(tx, current, "feedback", ids, (last,))


def _replace(tx: Tx, current: Readable, seq: int) -> None:
    """A request that was under way at the backup: as it ended. One that is gone by now stays as it was."""
    if not current.read(_ID, (seq,)):
        return
    with amended(tx, seq):
        tx.execute("DELETE FROM request WHERE seq = ?", (seq,))
        for name, column in _OF_REQUEST:
            _copy_where(tx, current, name, f"{column} = ?", (seq,))


def _copy_where(tx: Tx, current: Readable, table: str, where: str, params: Sequence[int]) -> None:
    columns = [str(row[1]) for row in current.read(f"PRAGMA table_info({table})")]
    names, places = ", ".join(columns), ", ".join("?" for _ in columns)
    rows: list[Row] = current.read(f"SELECT {names} FROM {table} WHERE {where}", params)
    tx.execute_many(f"INSERT OR REPLACE INTO {table} ({names}) VALUES ({places})", rows)


def _require_same(backup: Readable, current: Readable) -> int:
    """The backup's newest request, which must be in both."""
    last = int(backup.read(_LAST)[0][0] or 0)
    missing = current.read(_DELETED)[0][0] if not last else backup.read(_ID, (last,)) != current.read(_ID, (last,))
    if missing:
        raise HouseFault(Code.STORE_UNAVAILABLE, "it is not the same ledger at a later moment")
    return last


def _open_seqs(backup: Readable) -> list[int]:
    return [int(seq or 0) for (seq,) in backup.read(_OPEN)]


def _cost(ledger: Readable, seq: int) -> int:
    rows = ledger.read("SELECT cost_nano_usd FROM request WHERE seq = ?", (seq,))
    return int(rows[0][0] or 0) if rows else 0
