"""What was spent, on what, and why: the one aggregation that every view of money reads.

Law: sums are made by the database over integers; whatever a report is grouped by, its rows sum to the same total. A
report first waits for what was posted before it, so an answer that has been given is in it.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Literal
from zoneinfo import ZoneInfo

import msgspec

from lodestard.domain.errors import CallerFault, Code, HouseFault
from lodestard.domain.ports import Row, Store, Tx, Value
from lodestard.domain.price import Price
from lodestard.ledger.rows import ATTEMPT_COLUMNS, REQUEST_COLUMNS, AttemptRow, RequestRow

By = Literal[
    "model", "upstream", "alias", "project", "user", "session", "client", "principal", "dialect", "outcome", "cache",
    "day", "month", "all",
]  # fmt: skip
BY: tuple[str, ...] = By.__args__  # type: ignore[attr-defined]
QUARTER_MS = 15 * 60 * 1_000  # every zone's offset, and every change of it, falls on a quarter of an hour
END_OF_TIME_MS = 2**62


class CostRow(msgspec.Struct, frozen=True, kw_only=True):
    """One line of a report. ``key`` is what it is grouped by.

    ``cost_nano_usd`` includes ``unknown_nano_usd`` (charged at the hold). ``saved_nano_usd`` is the baseline less the
    cost, over the requests whose baseline is known. ``errors`` ended with a fault (a client that left is none).
    Tokens are those that upstreams counted; ``cache_tokens`` those of answers from the cache and of shared ones.
    """

    key: str = ""
    requests: int = 0
    errors: int = 0
    cache_hits: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cached_tokens: int = 0
    reasoning_tokens: int = 0
    cache_tokens: int = 0
    cost_nano_usd: int = 0
    unknown_nano_usd: int = 0
    baseline_nano_usd: int = 0
    saved_nano_usd: int = 0


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


class _Figure(msgspec.Struct, frozen=True):
    """How a figure is read off a request's row; and off an attempt, where it belongs to that.

    A request may have asked several models: what it used and cost belongs to each of them, the rest to the one that
    answered.
    """

    of_request: str
    of_attempt: str = ""

    @property
    def of_answer(self) -> str:
        return "0" if self.of_attempt else self.of_request


_FIGURES = {
    "requests": _Figure("1"),
    "errors": _Figure("outcome NOT IN ('ok', 'client_left')"),
    "cache_hits": _Figure("cache IN ('hit', 'shared')"),
    "prompt_tokens": _Figure("iif(attempts, request.prompt_tokens, 0)", "coalesce(attempt.prompt_tokens, 0)"),
    "completion_tokens": _Figure(
        "iif(attempts, request.completion_tokens, 0)", "coalesce(attempt.completion_tokens, 0)"
    ),
    "cached_tokens": _Figure("iif(attempts, request.cached_tokens, 0)", "coalesce(attempt.cached_tokens, 0)"),
    "reasoning_tokens": _Figure(
        "iif(attempts, request.reasoning_tokens, 0)", "coalesce(attempt.reasoning_tokens, 0)"
    ),
    "cache_tokens": _Figure("iif(attempts, 0, prompt_tokens + completion_tokens)"),
    "cost_nano_usd": _Figure("cost_nano_usd", "attempt.cost_nano_usd"),
    "unknown_nano_usd": _Figure("unknown_nano_usd", "iif(attempt.state = 'unknown', attempt.cost_nano_usd, 0)"),
    "baseline_nano_usd": _Figure("coalesce(baseline_nano_usd, 0)"),
    "saved_nano_usd": _Figure("coalesce(baseline_nano_usd - cost_nano_usd, 0)"),
}
_EQUALS = ("alias", "upstream", "model", "principal", "project", "user", "session", "client", "outcome", "cache")
_WHERE = "received_ms >= ? AND received_ms < ? AND request.state <> 'open'"
_MODEL_KEYS = {"model": "{0}.upstream || '/' || {0}.model", "upstream": "{0}.upstream"}
_FIND = f"SELECT {REQUEST_COLUMNS} FROM request WHERE id = ?"  # noqa: S608  columns of ours, here and below
_ATTEMPTS = f"SELECT {ATTEMPT_COLUMNS} FROM attempt WHERE request_seq = ? ORDER BY ordinal"  # noqa: S608
_MOVED = ", ".join(PostingRow.__struct_fields__)
_POSTINGS = f"SELECT {_MOVED} FROM posting WHERE request_seq = ? ORDER BY ordinal, step"  # noqa: S608
_PRICES = """
SELECT version, body FROM price_version WHERE version IN (SELECT price FROM attempt WHERE request_seq = ?)
"""
_TRACE = "SELECT body FROM trace WHERE request_seq = ?"


class Reports:
    """Questions to the ledger. Each waits at most for one group commit, then reads off the loop."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def costs(
        self, by: str, *, since_ms: int = 0, until_ms: int = END_OF_TIME_MS, timezone: str = "UTC"
    ) -> list[CostRow]:
        """Requests received in [since, until) by ``by`` (one of ``BY``), the dearest first; days in their order.

        Raises ``CallerFault`` for an unknown ``by``, ``ValueError`` for an unknown zone, ``HouseFault``.
        """
        if by not in BY:
            raise CallerFault(Code.INVALID_REQUEST, f"can't group by {by!r}; one of: {', '.join(BY)}", param="by")
        zone = ZoneInfo(timezone)
        await self._catch_up()
        sql, parts = _costs_sql(by)
        rows = [_cost_row(row) for row in await self._store.query(sql, (since_ms, until_ms) * parts)]
        if by in ("day", "month"):
            return _fold(rows, zone, "%Y-%m-%d" if by == "day" else "%Y-%m")
        return rows

    async def requests(self, limit: int = 50, which: RequestFilter | None = None) -> list[RequestRow]:
        """The newest first; with ``after``, the oldest after it first (to follow along). Raises ``HouseFault``."""
        await self._catch_up()
        sql, params = _requests_sql(which or RequestFilter(), limit)
        return [_request_row(row) for row in await self._store.query(sql, params)]

    async def explain(self, request_id: str) -> Explanation | None:
        """All that is known of one request, or None where there is no such id. Raises ``HouseFault``."""
        await self._catch_up()
        read = self._store.read
        found = read(_FIND, (request_id,))
        if not found:
            return None
        request = _request_row(found[0])
        traces = read(_TRACE, (request.seq,))
        return Explanation(
            request=request,
            attempts=[_attempt_row(row) for row in read(_ATTEMPTS, (request.seq,))],
            postings=[_posting_row(row) for row in read(_POSTINGS, (request.seq,))],
            trace=msgspec.json.decode(str(traces[0][0])) if traces else {},
            prices={
                str(name): msgspec.json.decode(str(body), type=Price) for name, body in read(_PRICES, (request.seq,))
            },
        )

    async def _catch_up(self) -> None:
        """Have what was posted written first. While the file can't be written, report what it has."""
        try:
            await self._store.commit(_nothing)
        except HouseFault:
            return


def _nothing(tx: Tx) -> None:
    """Once it is done, so is all that was posted before it."""


def _costs_sql(by: str) -> tuple[str, int]:
    """The statement, and how many times it takes the range of time."""
    key = _MODEL_KEYS.get(by)
    if key is None:
        column = {"day": f"received_ms / {QUARTER_MS}", "month": f"received_ms / {QUARTER_MS}", "all": "''"}.get(
            by, by
        )
        return _grouped(_select(column, "of_request", "request")), 1
    answers = _select(key.format("request"), "of_answer", "request")
    asked = "request JOIN attempt ON attempt.request_seq = request.seq"
    attempts = _select(key.format("attempt"), "of_attempt", asked)
    return _grouped(f"{answers} UNION ALL {attempts}"), 2


def _select(key: str, part: str, tables: str) -> str:
    figures = ", ".join(f"{getattr(figure, part) or 0} AS {name}" for name, figure in _FIGURES.items())
    return f"SELECT {key} AS key, {figures} FROM {tables} WHERE {_WHERE}"  # noqa: S608  no word of a caller's in it


def _grouped(inner: str) -> str:
    sums = ", ".join(f"coalesce(sum({name}), 0)" for name in _FIGURES)
    order = "ORDER BY sum(cost_nano_usd) DESC, sum(requests) DESC, key"
    return f"SELECT key, {sums} FROM ({inner}) GROUP BY key {order}"  # noqa: S608  as above


def _cost_row(row: Row) -> CostRow:
    return msgspec.convert({"key": str(row[0]), **dict(zip(_FIGURES, row[1:], strict=True))}, CostRow)


def _fold(quarters: Sequence[CostRow], zone: ZoneInfo, form: str) -> list[CostRow]:
    """Quarters of an hour → the days or months of ``zone`` that they are in."""
    folded: dict[str, CostRow] = {}
    for row in sorted(quarters, key=lambda row: int(row.key)):
        start = datetime.fromtimestamp(int(row.key) * QUARTER_MS // 1_000, UTC)
        key = start.astimezone(zone).strftime(form)
        before = folded.get(key, CostRow(key=key))
        sums = {name: getattr(before, name) + getattr(row, name) for name in _FIGURES}
        folded[key] = CostRow(key=key, **sums)
    return list(folded.values())


def _requests_sql(which: RequestFilter, limit: int) -> tuple[str, list[Value]]:
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


def _request_row(row: Row) -> RequestRow:
    return msgspec.convert(_members(row, RequestRow.__struct_fields__), RequestRow)


def _attempt_row(row: Row) -> AttemptRow:
    return msgspec.convert(_members(row, AttemptRow.__struct_fields__), AttemptRow)


def _posting_row(row: Row) -> PostingRow:
    return msgspec.convert(_members(row, PostingRow.__struct_fields__), PostingRow)
