"""Counting closed requests into ``rollup``, a slice at a time.

Law: the sums of a slice are read beside the writer (its requests have settled), and added, with the mark, in one
short transaction that sees that none has changed since: so a hold never waits long, and a crash between slices loses
nothing. Owner of the mark.
"""

from collections.abc import Callable, Sequence
from functools import partial

from lodestard.domain.errors import Code, HouseFault
from lodestard.domain.ports import Row, Store, Tx
from lodestard.ledger.sums import SLICE_SQL, SLICE_TIMES, add_sums

SLICE = 500
_MARK = "SELECT seq FROM rollup_mark"
_NEXT = "SELECT count(*), max(seq) FROM (SELECT seq FROM request WHERE seq > ? AND seq <= ? ORDER BY seq LIMIT ?)"
_PRINT = """
SELECT count(*), sum(attempts), sum(cost_nano_usd), sum(unknown_nano_usd) FROM request WHERE seq > ? AND seq <= ?
"""
_MOVE = "UPDATE rollup_mark SET seq = ?, at_ms = ? WHERE seq = ?"


def read_mark(store: Store) -> int:
    """Up to which request ``rollup`` has counted."""
    return int(store.read(_MARK)[0][0] or 0)


async def advance(store: Store, settled: Callable[[], int], now_ms: Callable[[], int], most: int = SLICE) -> bool:
    """Count the next slice of at most ``most`` requests. True where there may be more. Raises ``HouseFault``.

    ``settled`` says up to which request all have ended, with all their attempts. What they posted is in the queue
    before the empty commit, so that it is in the file after it.
    """
    until = settled()
    await store.commit(_nothing)
    mark = read_mark(store)
    count, last = store.read(_NEXT, (mark, until, most))[0]
    if last is None:
        return False
    bounds = (mark, int(last))
    seen = store.read(_PRINT, bounds)
    rows = await store.query(SLICE_SQL, bounds * SLICE_TIMES)
    counted = await store.commit(partial(write_slice, rows=rows, bounds=bounds, seen=seen, now_ms=now_ms()))
    return int(count or 0) == most or not counted


def write_slice(tx: Tx, rows: Sequence[Row], bounds: tuple[int, int], seen: Sequence[Row], now_ms: int) -> bool:
    """Add the sums of the requests above the mark up to the last. False where one of them has changed meanwhile.

    Raises ``HouseFault`` where the mark has moved.
    """
    mark, last = bounds
    if tx.execute(_PRINT, bounds) != seen:
        return False
    tx.execute(_MOVE, (last, now_ms, mark))
    if tx.changes() != 1:
        raise HouseFault(Code.INTERNAL, f"the roll-up's mark is not at {mark} any more")
    add_sums(tx, rows)
    return True


def _nothing(tx: Tx) -> None:
    """Once it is done, so is all that was posted before it."""
