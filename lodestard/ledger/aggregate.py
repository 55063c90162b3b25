"""The one aggregation: every view of money reads it.

Law: a report is the sums up to the mark (``rollup``) and the single requests above it, added by one statement, so of
one moment; nothing is counted twice or missed, whatever the mark is and whatever was deleted below it. Pure: it makes
statements and reads their rows.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple
from zoneinfo import ZoneInfo

from lodestard.domain.ports import Row, Value
from lodestard.ledger.figures import DIMENSIONS, OF_MODELS, QUARTER, QUARTER_MS, SUMS, CostRow, cost_row, facts
from lodestard.ledger.periods import Piece, Range, key_of, plan_offsets, plan_spans, quarters
from lodestard.ledger.schema.rollup import FIGURES

TIMES = ("hour", "day", "week", "month")
SAME = {"provider": "upstream"}
BY: tuple[str, ...] = (*DIMENSIONS, *SAME, *TIMES)
END_OF_TIME_MS = 2**62
ALWAYS = END_OF_TIME_MS  # one period that holds them all
_NAMES = ", ".join(FIGURES)
# The plus keeps SQLite from going through all that was ever received instead of what is above the mark.
_ABOVE = "request.seq > (SELECT seq FROM rollup_mark) AND +received_ms >= ? AND +received_ms < ?"
BOUNDS = f"""
SELECT min(first), max(last) FROM (
    SELECT (SELECT start FROM rollup WHERE dimension = 'all' AND span = 1 ORDER BY start LIMIT 1) AS first,
        (SELECT start FROM rollup WHERE dimension = 'all' AND span = 1 ORDER BY start DESC LIMIT 1) AS last
    UNION ALL
    SELECT min({QUARTER}), max({QUARTER}) FROM request WHERE seq > (SELECT seq FROM rollup_mark)
)
"""


class Statement(NamedTuple):
    """One statement and what it takes."""

    sql: str
    params: Sequence[Value]


def plan_costs(by: str, since_ms: int = 0, until_ms: int = END_OF_TIME_MS) -> Statement:
    """Requests received in [since, until) by a dimension: the key, '', and the figures; the dearest first."""
    wanted = quarters(since_ms, until_ms)
    single = [Piece(1, wanted.first, wanted.end)]
    return _added(
        SAME.get(by, by), plan_spans(wanted), single, ALWAYS, "ORDER BY cost_nano_usd DESC, requests DESC, key"
    )


def plan_series(length: int, dimension: str, pieces: Sequence[Piece]) -> Statement:
    """The same by period of ``length`` quarters too (its number, the key, the figures), in the order of time."""
    return _added(SAME.get(dimension, dimension), pieces, pieces, length, "ORDER BY 1, 2")


def plan_pieces(bounds: Row, wanted: Range, zone: ZoneInfo) -> list[Piece]:
    """The pieces of ``wanted`` in which there is anything, by the zone's offset. ``bounds`` are those of the rows."""
    first, last = bounds
    if first is None or last is None:
        return []
    return plan_offsets(Range(max(wanted.first, int(first)), min(wanted.end, int(last) + 1)), zone)


def read_costs(rows: Iterable[Row]) -> list[CostRow]:
    """The lines of ``plan_costs``."""
    return [cost_row(str(key), "", sums) for _, key, *sums in rows]


def read_series(by: str, rows: Iterable[Row]) -> list[CostRow]:
    """The lines of ``plan_series``, by hours or days, as the hours, days, weeks or months that they belong to."""
    folded: dict[tuple[str, str], list[int]] = {}
    for period, group, *sums in rows:
        name = key_of(by, int(period or 0)), str(group)
        before = folded.get(name)
        figures = [int(value or 0) for value in sums]
        folded[name] = figures if before is None else [a + b for a, b in zip(before, figures, strict=True)]
    return [cost_row(key, group, sums) for (key, group), sums in folded.items()]


def _added(dimension: str, rolled: Sequence[Piece], fresh: Sequence[Piece], length: int, order: str) -> Statement:
    """The sums up to the mark in ``rolled`` and the single requests above it in ``fresh``."""
    arms: list[str] = []
    params: list[Value] = []
    for piece in rolled:
        arms.append(
            f"SELECT (start + ?) / ? AS period, key, {_NAMES} FROM rollup"
            " WHERE dimension = ? AND span = ? AND start >= ? AND start < ?"
        )
        params += [piece.offset, length, dimension, piece.span, piece.first, piece.end]
    for piece in fresh:
        keys = {"quarter": f"({QUARTER})", "key": DIMENSIONS[dimension]}
        single, times = facts(keys, _ABOVE, by_model=dimension in OF_MODELS)
        arms.append(f"SELECT (quarter + ?) / ? AS period, key, {_NAMES} FROM ({single})")
        params += [piece.offset, length]
        params += [piece.first * QUARTER_MS, piece.end * QUARTER_MS] * times
    inner = " UNION ALL ".join(arms)
    return Statement(f"SELECT period, key, {SUMS} FROM ({inner}) GROUP BY period, key {order}", params)
