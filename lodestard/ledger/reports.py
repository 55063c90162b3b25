"""What was spent, on what, and why: questions to the ledger.

Law: every figure comes from the one aggregation. A report first waits for what was posted before it, so an answer
that has been given is in it.
"""

from collections.abc import Sequence
from typing import Literal
from zoneinfo import ZoneInfo

import trio

from lodestard.domain.errors import CallerFault, Code, HouseFault
from lodestard.domain.ports import Store, Tx
from lodestard.ledger.aggregate import (
    BOUNDS,
    BY,
    END_OF_TIME_MS,
    TIMES,
    plan_costs,
    plan_pieces,
    plan_series,
    read_costs,
    read_series,
)
from lodestard.ledger.figures import CostRow
from lodestard.ledger.listing import Explanation, RequestFilter, explain_request, request_row, requests_sql
from lodestard.ledger.periods import length_of, quarters
from lodestard.ledger.rows import RequestRow
from lodestard.ledger.shadows import SHADOWS, ShadowRow, shadow_row

By = Literal[
    "all", "model", "upstream", "alias", "dialect", "principal", "project", "user", "session", "client", "task",
    "outcome", "cache", "provider", "hour", "day", "week", "month",
]  # fmt: skip
assert By.__args__ == BY  # type: ignore[attr-defined]


ROWS_AT_ONCE = 1_000


class Reports:
    """Questions to the ledger. Each waits at most for one group commit, then reads off the loop."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def costs(
        self, by: str, *, since_ms: int = 0, until_ms: int = END_OF_TIME_MS, timezone: str = "UTC"
    ) -> list[CostRow]:
        """Requests received in [since, until) by ``by`` (one of ``BY``), the dearest first; days in their order.

        The range is aligned down to quarters of an hour. Raises ``CallerFault`` for an unknown ``by``, ``ValueError``
        for an unknown zone, ``HouseFault``.
        """
        _check(by, BY)
        if by in TIMES:
            return await self.series(by, since_ms=since_ms, until_ms=until_ms, timezone=timezone)
        ZoneInfo(timezone)
        await self._catch_up()
        rows = await self._store.query(*plan_costs(by, since_ms, until_ms))
        costs: list[CostRow] = []
        for first in range(0, len(rows), ROWS_AT_ONCE):
            costs += read_costs(rows[first : first + ROWS_AT_ONCE])
            await trio.lowlevel.checkpoint()  # there may be as many sessions as there are days in a life
        return costs

    async def series(
        self, by: str, group: str = "all", *, since_ms: int = 0, until_ms: int = END_OF_TIME_MS, timezone: str = "UTC"
    ) -> list[CostRow]:
        """The same by period of time (hour, day, week or month of ``timezone``) and ``group``, in the order of time.

        A row's ``key`` is the period, its ``group`` what ``group`` says. Raises as ``costs`` does.
        """
        _check(by, TIMES)
        _check(group, [name for name in BY if name not in TIMES])
        zone = ZoneInfo(timezone)
        await self._catch_up()
        bounds = (await self._store.query(BOUNDS))[0]
        pieces = plan_pieces(bounds, quarters(since_ms, until_ms), zone)
        if not pieces:
            return []
        return read_series(by, await self._store.query(*plan_series(length_of(by), group, pieces)))

    async def requests(self, limit: int = 50, which: RequestFilter | None = None) -> list[RequestRow]:
        """The newest first; with ``after``, the oldest after it first (to follow along). Raises ``HouseFault``."""
        await self._catch_up()
        sql, params = requests_sql(which or RequestFilter(), limit)
        return [request_row(row) for row in await self._store.query(sql, params)]

    async def explain(self, request_id: str) -> Explanation | None:
        """All that is known of one request, or None where there is no such id. Raises ``HouseFault``."""
        await self._catch_up()
        return explain_request(self._store.read, request_id)

    async def shadows(self, since_ms: int) -> list[ShadowRow]:
        """What the shadow policy said of the requests received since then. Raises ``HouseFault``."""
        await self._catch_up()
        return [shadow_row(row) for row in await self._store.query(SHADOWS, (since_ms,))]

    async def _catch_up(self) -> None:
        """Have what was posted written first. While the file can't be written, report what it has."""
        try:
            await self._store.commit(_nothing)
        except HouseFault:
            return


def _nothing(tx: Tx) -> None:
    """Once it is done, so is all that was posted before it."""


def _check(name: str, known: Sequence[str]) -> None:
    if name not in known:
        raise CallerFault(Code.INVALID_REQUEST, f"can't group by {name!r}; one of: {', '.join(known)}", param="by")
