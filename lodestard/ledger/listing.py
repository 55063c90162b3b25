"""Single requests as the ledger has them: lists of them, and all that is known of one.

Law: reads, and never guesses; what was deleted with its retention is not there. Pure but for what it is handed.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec

from lodestard.domain.ports import Row, Value
from lodestard.domain.price import Price
from lodestard.ledger.aggregate import END_OF_TIME_MS
from lodestard.ledger.rows import ATTEMPT_COLUMNS, REQUEST_COLUMNS, AttemptRow, RequestRow

Read = Callable[[str, Sequence[Value]], list[Row]]


class RequestFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Which requests to list; an empty member does not restrict. ``before`` and ``after`` are request ids."""

    alias: str = ""
    upstream: str = ""
    model: str = ""
    principal: str = ""
    project: str = ""
    user: str = ""
    session: str = ""
    client: str = ""
    outcome: str = ""
    cache: str = ""
    before: str = ""
    after: str = ""
    since_ms: int = 0
    until_ms: int = END_OF_TIME_MS


class PostingRow(msgspec.Struct, frozen=True):
    """An amount that was moved from one book to another."""

    ordinal: int
    step: int
    at_ms: int
    event: str
    from_book: str
    to_book: str
    amount_nano_usd: int


class Explanation(msgspec.Struct, frozen=True, kw_only=True):
    """All that is known of one request. ``prices`` are those that its attempts were made with, by version."""

    request: RequestRow
    attempts: Sequence[AttemptRow]
    postings: Sequence[PostingRow]
    trace: Mapping[str, Any]
    prices: Mapping[str, Price] = {}


_EQUALS = ("alias", "upstream", "model", "principal", "project", "user", "session", "client", "outcome", "cache")
_FIND = f"SELECT {REQUEST_COLUMNS} FROM request WHERE id = ?"  # noqa: S608  columns of ours, here and below
_ATTEMPTS = f"SELECT {ATTEMPT_COLUMNS} FROM attempt WHERE request_seq = ? ORDER BY ordinal"  # noqa: S608
_MOVED = ", ".join(PostingRow.__struct_fields__)
_POSTINGS = f"SELECT {_MOVED} FROM posting WHERE request_seq = ? ORDER BY ordinal, step"  # noqa: S608
_PRICES = """
SELECT version, body FROM price_version WHERE version IN (SELECT price FROM attempt WHERE request_seq = ?)
"""
_TRACE = "SELECT body FROM trace WHERE request_seq = ?"


def explain_request(read: Read, request_id: str) -> Explanation | None:
    """All that is known of one request, or None where there is no such id. Raises ``HouseFault``."""
    found = read(_FIND, (request_id,))
    if not found:
        return None
    request = request_row(found[0])
    key = (request.seq,)
    traces = read(_TRACE, key)
    return Explanation(
        request=request,
        attempts=[_attempt_row(row) for row in read(_ATTEMPTS, key)],
        postings=[_posting_row(row) for row in read(_POSTINGS, key)],
        trace=msgspec.json.decode(str(traces[0][0])) if traces else {},
        prices={str(name): msgspec.json.decode(str(body), type=Price) for name, body in read(_PRICES, key)},
    )


def requests_sql(which: RequestFilter, limit: int) -> tuple[str, list[Value]]:
    """The statement that lists them, and what it takes."""
    conditions, wanted = ["TRUE"], list[Value]()
    if which.since_ms or which.until_ms != END_OF_TIME_MS:
        conditions += ["received_ms >= ?", "received_ms < ?"]
        wanted += [which.since_ms, which.until_ms]
    for name in _EQUALS:
        if value := getattr(which, name):
            conditions.append(f"{name} = ?")
            wanted.append(value)
    for sign, request_id in (("<", which.before), (">", which.after)):
        if request_id:
            conditions.append(f"id {sign} ?")
            wanted.append(request_id)
    order = "ASC" if which.after else "DESC"
    where = " AND ".join(conditions)
    sql = f"SELECT {REQUEST_COLUMNS} FROM request WHERE {where} ORDER BY id {order} LIMIT ?"  # noqa: S608  names of ours
    return sql, [*wanted, limit]


def _members(row: Row, columns: Sequence[str]) -> dict[str, Value]:
    return dict(zip(columns, row, strict=True))


def request_row(row: Row) -> RequestRow:
    """A row of the table ``request``."""
    return msgspec.convert(_members(row, RequestRow.__struct_fields__), RequestRow)


def _attempt_row(row: Row) -> AttemptRow:
    return msgspec.convert(_members(row, AttemptRow.__struct_fields__), AttemptRow)


def _posting_row(row: Row) -> PostingRow:
    return msgspec.convert(_members(row, PostingRow.__struct_fields__), PostingRow)
