"""The rows of an export, as the database gives them.

Law: one row a request (``kind`` is ``request``), and one more (``attempt``) for each other model that it asked, which
carries what belongs to that one; deleted requests are there as their sums (``rollup``). All have the same columns,
and come roughly in the order of time. The database itself writes the numbers, which takes it half as long.
"""

from collections.abc import Iterator, Sequence
from typing import Protocol

import msgspec

from lodestard.domain.ports import Row, Value
from lodestard.ledger.figures import QUARTER_MS, facts
from lodestard.ledger.periods import Range
from lodestard.ledger.schema.rollup import FIGURES

HEAD = ("kind", "id", "received_at")
PLAIN = ("upstream", "model", "alias", "dialect", "outcome", "cache", "task")
NAMED = ("principal", "project", "user", "session", "client")
TEXTS = (*HEAD, *PLAIN, *NAMED)
IN_USD = ("cost", "baseline", "saved")
CHEAPER = "saved_nano_usd - saved_local_nano_usd - saved_cache_nano_usd - saved_prompt_cache_nano_usd"
NUMBERS = ("status", "stream", *FIGURES, "saved_cheaper_nano_usd")
MIXED_AT_ONCE = 500
_NANO = 1_000_000_000
_SUMS = ", ".join(f"sum({name}) AS {name}" for name in FIGURES)
_ISO = "strftime('%Y-%m-%dT%H:%M:%fZ', {} / 1000.0, 'unixepoch')"
_MIXED = """attempts AND EXISTS (SELECT 1 FROM attempt WHERE request_seq = request.seq
    AND (attempt.upstream <> request.upstream OR attempt.model <> request.model))"""
_KEYS = {
    "mixed": _MIXED,
    "seq": "request.seq",
    "kind": "'request'",
    "id": "request.id",
    "received_at": _ISO.format("received_ms"),
    **{name: f"{{0}}.{name}" for name in PLAIN[:2]},
    **{name: f"request.{name}" for name in (*PLAIN[2:], *NAMED)},
    "status": "status",
    "stream": "stream",
}
_OF_REQUEST = {name: text.format("request") for name, text in _KEYS.items()}
_WHOLE, _ = facts(_OF_REQUEST, "received_ms >= ? AND received_ms < ?", by_model=False)
_FACTS, PART_TIMES = facts({**_KEYS, "mixed": "0"}, "request.seq IN (SELECT value FROM json_each(?))", by_model=True)
_PARTS = f"""
SELECT mixed, seq, iif(sum(requests), 'request', 'attempt') AS kind, {", ".join(tuple(_KEYS)[3:])}, {_SUMS}
FROM ({_FACTS}) GROUP BY seq, upstream, model ORDER BY seq, kind DESC, upstream, model
"""
_REMAINDER = f"""
SELECT 0 AS mixed, 0 AS seq, 'rollup' AS kind, '' AS id, {_ISO.format(f"(quarter * {QUARTER_MS})")} AS received_at,
    {", ".join((*PLAIN, *NAMED))}, 0 AS status, 0 AS stream, {", ".join(FIGURES)}
FROM remainder WHERE quarter >= ? AND quarter < ?
"""


class Streaming(Protocol):
    """A database at one moment, row by row."""

    def rows(self, sql: str, params: Sequence[Value] = ()) -> Iterator[Row]: ...


def read_rows(database: Streaming, wanted: Range, first: str, numbers: str) -> Iterator[Row]:
    """All rows of a range: whether it is only half of one, its seq, ``HEAD`` as the format ``first`` has it,
    ``PLAIN``, ``NAMED``, and amounts in dollars and ``NUMBERS`` as ``numbers`` has them. Raises ``HouseFault``.
    """
    yield from database.rows(_written(_REMAINDER, first, numbers), wanted)
    whole = _written(f"{_WHOLE} ORDER BY received_ms, request.seq LIMIT -1", first, numbers)
    parts = _written(_PARTS, first, numbers)
    mixed: list[Value] = []
    for row in database.rows(whole, (wanted.first * QUARTER_MS, wanted.end * QUARTER_MS)):
        if not row[0]:
            yield row
            continue
        mixed.append(row[1])
        if len(mixed) == MIXED_AT_ONCE:
            yield from database.rows(parts, (msgspec.json.encode(mixed).decode(),) * PART_TIMES)
            mixed.clear()
    yield from database.rows(parts, (msgspec.json.encode(mixed).decode(),) * PART_TIMES)


def _written(inner: str, first: str, numbers: str) -> str:
    """The rows of ``inner``, with their first columns and their numbers as a text each.

    A sign stands before the dollars: a small amount below zero has none of its own.
    """
    usd = ", ".join(
        f"iif({name} < 0, '-', ''), abs({name}) / {_NANO}, abs({name}) % {_NANO}"
        for name in (f"{short}_nano_usd" for short in IN_USD)
    )
    values = f"'{numbers}', {usd}, {', '.join(NUMBERS[:-1])}, {CHEAPER}"
    head, texts = f"printf('{first}', {', '.join(HEAD)})", ", ".join((*PLAIN, *NAMED))
    return f"SELECT mixed, seq, {head}, {texts}, printf({values}) FROM ({inner})"
