"""Deleting single requests that are old enough, a slice at a time, without changing any total.

Law: only what is counted in ``rollup`` goes; what goes is added to ``remainder`` (by every group) and ``carried`` (by
book) in the very transaction that deletes it.
"""

from functools import partial

import msgspec

from lodestard.domain.errors import Code, HouseFault
from lodestard.domain.ports import Store, Tx
from lodestard.ledger.figures import ALL_GROUPS, CHARGED, EXPRESSIONS, QUARTER_MS, facts
from lodestard.ledger.schema.rollup import GROUPS

SLICE = 250
DAY_MS = 86_400_000
_GROUPS = ", ".join(GROUPS)
_CHOSEN = "request.seq IN (SELECT value FROM json_each(?))"
_OLD = """
SELECT seq FROM request WHERE received_ms < ? AND seq <= (SELECT seq FROM rollup_mark) AND state <> 'open'
ORDER BY received_ms LIMIT ?
"""
_KEPT = {**EXPRESSIONS, **CHARGED}
_PARTS, PARTS_TIMES = facts(ALL_GROUPS, _CHOSEN, by_model=True, figures=_KEPT)
_SUMS = ", ".join(f"sum({name}) AS {name}" for name in _KEPT)
REMAINDER_SQL = f"SELECT {_GROUPS}, {_SUMS} FROM ({_PARTS}) WHERE TRUE GROUP BY {_GROUPS}"
_ADDED = ", ".join(f"{name} = {name} + excluded.{name}" for name in _KEPT)
_KEEP = f"INSERT INTO remainder {REMAINDER_SQL} ON CONFLICT DO UPDATE SET {_ADDED}"
_CARRY = """
WITH chosen AS (SELECT * FROM posting WHERE request_seq IN (SELECT value FROM json_each(?)))
INSERT INTO carried SELECT book, sum(amount) FROM (
    SELECT to_book AS book, amount_nano_usd AS amount FROM chosen
    UNION ALL
    SELECT from_book, -amount_nano_usd FROM chosen
) WHERE TRUE GROUP BY book ON CONFLICT DO UPDATE SET amount_nano_usd = amount_nano_usd + excluded.amount_nano_usd
"""
_HELD = "SELECT count(*) FROM attempt WHERE state = 'held' AND request_seq IN (SELECT value FROM json_each(?))"
_DELETE = "DELETE FROM request WHERE seq IN (SELECT value FROM json_each(?))"
_NOTE = "UPDATE rollup_mark SET deleted_before_ms = max(deleted_before_ms, ?)"


def cutoff_ms(now_ms: int, retention_days: int) -> int:
    """Before which instant single requests are old: a whole quarter of an hour. Pure."""
    return (now_ms - retention_days * DAY_MS) // QUARTER_MS * QUARTER_MS


async def delete_old(store: Store, before_ms: int, most: int = SLICE) -> bool:
    """Delete at most ``most`` requests received before ``before_ms``. True where there may be more.

    Raises ``HouseFault``.
    """
    old = [int(seq or 0) for (seq,) in await store.query(_OLD, (before_ms, most))]
    if not old:
        return False
    await store.commit(partial(write_deletion, chosen=msgspec.json.encode(old).decode(), before_ms=before_ms))
    return len(old) == most


def write_deletion(tx: Tx, chosen: str, before_ms: int) -> None:
    """Delete the ``chosen`` requests (a list as JSON); trace, attempts and postings go with them.

    Raises ``HouseFault`` where one of them is asked for again: then nothing is deleted, and the next time will do.
    """
    if tx.execute(_HELD, (chosen,))[0][0]:
        raise HouseFault(Code.INTERNAL, "an attempt of an old request is under way; it stays")
    tx.execute(_KEEP, (chosen,) * PARTS_TIMES)
    tx.execute(_CARRY, (chosen,))
    tx.execute(_DELETE, (chosen,))
    tx.execute(_NOTE, (before_ms,))
