"""Sums of single requests under every dimension, as ``rollup`` keeps them, and how they get there.

Law: ``rollup`` is at all times the sum of the requests up to the mark. What changes one of those after all (an
attempt that a closed request makes or ends late) changes its sums in the same transaction. Works touch only what they
are given.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from lodestard.domain.ports import Row, Tx
from lodestard.ledger.figures import DIMENSIONS, OF_MODELS, QUARTER, SUMS, facts
from lodestard.ledger.schema.rollup import FIGURES, QUARTERS_A_DAY

_NAMES = ", ".join(FIGURES)
_KEYS = ("dimension", "span", "start", "key")
_PLACES = ", ".join("?" * (len(_KEYS) + len(FIGURES)))
_ADDED = ", ".join(f"{name} = {name} + excluded.{name}" for name in FIGURES)
_ADD = f"INSERT INTO rollup VALUES ({_PLACES}) ON CONFLICT DO UPDATE SET {_ADDED}"
_IN_SLICE = "request.seq > ? AND request.seq <= ?"
_COUNTED = "SELECT seq >= ? FROM rollup_mark"


def sums_sql(where: str) -> tuple[str, int]:
    """The rows of ``rollup`` for the requests that ``where`` chooses; and how often it takes the parameters. Pure.

    Each table of facts is made once, each dimension sums one of them, days are summed from quarters.
    """
    plain = {name: text for name, text in DIMENSIONS.items() if name not in OF_MODELS and name != "all"}
    of_models = {name: DIMENSIONS[name] for name in OF_MODELS}
    whole, whole_times = facts({"quarter": QUARTER, **plain}, where, by_model=False)
    parts, parts_times = facts({"quarter": QUARTER, **of_models}, where, by_model=True)
    arms = [f"SELECT 'all', 1, quarter, '', {SUMS} FROM whole GROUP BY quarter"]
    arms += [_arm(name, "whole") for name in plain] + [_arm(name, "part") for name in of_models]
    sql = f"""
    WITH whole AS MATERIALIZED ({whole}), part AS MATERIALIZED ({parts}),
        summed ({", ".join(_KEYS)}, {_NAMES}) AS MATERIALIZED ({" UNION ALL ".join(arms)})
    SELECT * FROM summed
    UNION ALL
    SELECT dimension, {QUARTERS_A_DAY}, start / {QUARTERS_A_DAY} * {QUARTERS_A_DAY} AS day, key, {SUMS}
    FROM summed GROUP BY dimension, day, key
    """  # names of ours
    return sql, whole_times + parts_times


def _arm(dimension: str, table: str) -> str:
    return f"SELECT '{dimension}', 1, quarter, {dimension}, {SUMS} FROM {table} GROUP BY quarter, {dimension}"


SLICE_SQL, SLICE_TIMES = sums_sql(_IN_SLICE)


def add_sums(tx: Tx, rows: Iterable[Row]) -> None:
    """Add these sums to ``rollup``."""
    for row in rows:
        tx.execute(_ADD, row)


@contextmanager
def amended(tx: Tx, seq: int) -> Iterator[None]:
    """A change of one request, within its transaction: where the request is counted already, its sums follow."""
    if not tx.execute(_COUNTED, (seq,))[0][0]:
        yield
        return
    one = (seq - 1, seq) * SLICE_TIMES
    before = tx.execute(SLICE_SQL, one)
    yield
    add_sums(tx, [_negated(row) for row in before])
    add_sums(tx, tx.execute(SLICE_SQL, one))


def _negated(row: Row) -> Row:
    keys, sums = row[: len(_KEYS)], row[len(_KEYS) :]
    return (*keys, *(-int(value or 0) for value in sums))
