"""Are the sums right? ``rollup`` against the single requests that are left and the sums of those that are not.

Law: as ``verify``: believes nothing that it can add up itself. All figures are compared by quarter of an hour, under
every dimension; what was spent, by every single key too.
"""

from collections.abc import Sequence
from typing import Protocol

from lodestard.domain.ports import Row, Value
from lodestard.ledger.figures import DIMENSIONS, OF_MODELS, QUARTER, SUMS, facts
from lodestard.ledger.schema.rollup import FIGURES, GROUPS, QUARTERS_A_DAY

SHOWN = 20
_NAMES = ", ".join(FIGURES)
_COUNTED = "request.seq <= (SELECT seq FROM rollup_mark)"
_FACTS, _ = facts({"quarter": QUARTER}, _COUNTED, by_model=False)
_TRUE = f"""
SELECT quarter AS start, {SUMS} FROM ({_FACTS} UNION ALL SELECT quarter, {_NAMES} FROM remainder) GROUP BY quarter
"""
_ALL = f"SELECT start, {_NAMES} FROM rollup WHERE dimension = 'all' AND span = 1"
_BY_QUARTER = f"""
WITH found AS MATERIALIZED ({_TRUE}), kept AS MATERIALIZED ({_ALL})
SELECT start FROM (SELECT * FROM found EXCEPT SELECT * FROM kept)
UNION SELECT start FROM (SELECT * FROM kept EXCEPT SELECT * FROM found) LIMIT ?
"""
_BY_DIMENSION = f"""
WITH kept AS MATERIALIZED ({_ALL}),
    summed AS MATERIALIZED (SELECT dimension, start, {SUMS} FROM rollup WHERE span = 1 GROUP BY dimension, start),
    named AS (SELECT DISTINCT dimension FROM summed)
SELECT dimension, start FROM (SELECT * FROM summed EXCEPT SELECT dimension, kept.* FROM named, kept)
UNION SELECT dimension, start FROM (SELECT dimension, kept.* FROM named, kept EXCEPT SELECT * FROM summed) LIMIT ?
"""
_DAY = f"start / {QUARTERS_A_DAY} * {QUARTERS_A_DAY}"
_BY_DAY = f"""
WITH summed AS MATERIALIZED (
        SELECT dimension, {_DAY} AS day, key, {SUMS} FROM rollup WHERE span = 1 GROUP BY dimension, day, key),
    kept AS MATERIALIZED (SELECT dimension, start, key, {_NAMES} FROM rollup WHERE span = {QUARTERS_A_DAY})
SELECT dimension, day FROM (SELECT * FROM summed EXCEPT SELECT * FROM kept)
UNION SELECT dimension, start FROM (SELECT * FROM kept EXCEPT SELECT * FROM summed) LIMIT ?
"""
_DIMENSIONS = "SELECT count(DISTINCT dimension) FROM rollup"
_LATE = f"SELECT count(*) FROM request WHERE state = 'open' AND {_COUNTED}"
_LEFT = "SELECT coalesce(sum(amount_nano_usd), 0) FROM carried"


class Readable(Protocol):
    """A database at one moment."""

    def read(self, sql: str, params: Sequence[Value] = ()) -> list[Row]: ...


def _spent_sql() -> str:
    """What was spent by each key of each dimension, ever: kept beside found. Looks at what cost something alone."""
    spent = "cost_nano_usd AS cost"
    rows = f"""
    SELECT {", ".join(f"request.{name} AS {name}" for name in GROUPS[3:])}, {spent} FROM request
    WHERE cost_nano_usd AND state <> 'open' AND {_COUNTED}
    UNION ALL SELECT {", ".join(GROUPS[3:])}, {spent} FROM remainder WHERE cost_nano_usd
    """
    asked = f"""
    SELECT attempt.upstream AS upstream, attempt.upstream || '/' || attempt.model AS model,
        attempt.cost_nano_usd AS cost
    FROM attempt JOIN request ON request.seq = request_seq
    WHERE attempt.cost_nano_usd AND request.state <> 'open' AND {_COUNTED}
    UNION ALL SELECT upstream, upstream || '/' || model, {spent} FROM remainder WHERE cost_nano_usd
    """
    arms = [
        f"SELECT '{name}', {name}, sum(cost) FROM {'asked' if name in OF_MODELS else 'rows'} GROUP BY {name}"
        for name in DIMENSIONS
        if name != "all"
    ]
    return f"""
    WITH rows AS MATERIALIZED ({rows}), asked AS MATERIALIZED ({asked}),
        found (dimension, key, cost) AS MATERIALIZED ({" UNION ALL ".join(arms)}),
        kept AS MATERIALIZED (
            SELECT dimension, key, sum(cost_nano_usd) AS cost FROM rollup
            WHERE span = 1 AND dimension <> 'all' GROUP BY dimension, key HAVING cost)
    SELECT dimension, key FROM (SELECT * FROM found EXCEPT SELECT * FROM kept)
    UNION SELECT dimension, key FROM (SELECT * FROM kept EXCEPT SELECT * FROM found) LIMIT ?
    """


_SPENT = _spent_sql()


def check_sums(database: Readable) -> list[str]:
    """What is wrong with the sums. Raises ``HouseFault`` where they can't be read."""
    found = [f"the sums of quarter {start!s} are not its requests'" for (start,) in _ask(database, _BY_QUARTER)]
    for sql, what in ((_BY_DIMENSION, "quarter"), (_BY_DAY, "the day from quarter")):
        found += [f"the sums by {name!s} of {what} {start!s} do not add up" for name, start in _ask(database, sql)]
    found += [f"the sums by {name!s} say that {key!s} cost something else" for name, key in _ask(database, _SPENT)]
    (dimensions,) = database.read(_DIMENSIONS)[0]
    if dimensions not in (0, len(DIMENSIONS)):
        found.append(f"there are sums by {dimensions!s} dimensions instead of {len(DIMENSIONS)}")
    return found


def check_mark(database: Readable) -> list[str]:
    """What is wrong with the mark and with what deleted requests have left in the books."""
    (late,), (left,) = database.read(_LATE)[0], database.read(_LEFT)[0]
    found = [f"{late!s} requests are open that are counted as closed"] if late else []
    return found + ([f"what deleted postings have moved sums to {left!s} nano-USD instead of zero"] if left else [])


def _ask(database: Readable, sql: str) -> list[Row]:
    return database.read(sql, (SHOWN,))
