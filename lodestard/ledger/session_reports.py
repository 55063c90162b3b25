"""What sessions used and cost: sums over their requests that are still kept, made by the database.

Law: a report first has everything written that is known, so that what has been answered is in it.
"""

from collections.abc import Sequence

import msgspec

from lodestard.domain.clock import Clock
from lodestard.domain.errors import CallerFault, Code, HouseFault
from lodestard.domain.ports import Row, Store, Tx
from lodestard.ledger.session_rules import SessionRow, is_silent
from lodestard.ledger.sessions import COLUMNS, Sessions

MOST = 1_000
MOST_SWITCHES = 200


class SessionFigures(msgspec.Struct, frozen=True, kw_only=True):
    """Sums over a session's requests, or over those of them that ``key`` names."""

    key: str = ""
    requests: int = 0
    errors: int = 0
    cache_hits: int = 0
    switches: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cost_nano_usd: int = 0
    unknown_nano_usd: int = 0
    saved_nano_usd: int = 0


class Switch(msgspec.Struct, frozen=True):
    """A request that another model answered than the one before it."""

    request_id: str
    at_ms: int
    from_target: str
    to_target: str


class KnownSession(msgspec.Struct, frozen=True, kw_only=True):
    """A session and its sums. ``live``: its next request would still be of it."""

    row: SessionRow
    figures: SessionFigures
    live: bool


class SessionReport(msgspec.Struct, frozen=True, kw_only=True):
    """All about one session: what it was used for, who answered, and when another model took over."""

    session: KnownSession
    tasks: Sequence[SessionFigures] = ()
    models: Sequence[SessionFigures] = ()
    switches: Sequence[Switch] = ()


_FIGURES = {
    "requests": "count(seq)",
    "errors": "coalesce(sum(outcome NOT IN ('ok', 'client_left')), 0)",
    "cache_hits": "coalesce(sum(cache IN ('hit', 'shared')), 0)",
    "switches": "coalesce(sum(switched_from <> ''), 0)",
    "prompt_tokens": "coalesce(sum(iif(attempts, prompt_tokens, 0)), 0)",
    "completion_tokens": "coalesce(sum(iif(attempts, completion_tokens, 0)), 0)",
    "cost_nano_usd": "coalesce(sum(cost_nano_usd), 0)",
    "unknown_nano_usd": "coalesce(sum(unknown_nano_usd), 0)",
    "saved_nano_usd": "coalesce(sum(baseline_nano_usd - cost_nano_usd), 0)",
}
_SUMS = ", ".join(_FIGURES.values())
_NAMED = ", ".join(f"s.{name.strip()}" for name in COLUMNS.split(","))
_OF_IT = "request.session = s.id AND request.session <> '' AND request.principal = s.principal AND state <> 'open'"
_LIST = f"""
SELECT {_NAMED}, {_SUMS} FROM (SELECT * FROM session ORDER BY last_ms DESC, id DESC LIMIT ?) AS s
    LEFT JOIN request ON {_OF_IT} GROUP BY s.id, s.principal ORDER BY s.last_ms DESC, s.id DESC
"""  # noqa: S608  columns of ours, here and below
_ONE = f"""
SELECT {_NAMED}, {_SUMS} FROM (SELECT * FROM session WHERE id = ? ORDER BY last_ms DESC LIMIT 1) AS s
    LEFT JOIN request ON {_OF_IT} GROUP BY s.id, s.principal
"""  # noqa: S608
_LATEST = "SELECT id FROM session ORDER BY last_ms DESC, id DESC LIMIT 1"
_WHERE = "WHERE session = ? AND session <> '' AND principal = ? AND state <> 'open'"
_BY = f"""
SELECT {{0}}, {_SUMS} FROM request {_WHERE} GROUP BY 1 ORDER BY sum(cost_nano_usd) DESC, count(seq) DESC, 1
"""  # noqa: S608
_LAST_SEEN = "SELECT principal, max(last_ms) FROM session GROUP BY principal"
_SWITCHES = f"""
SELECT id, received_ms, switched_from, upstream || '/' || model FROM request
    {_WHERE} AND switched_from <> '' ORDER BY seq DESC LIMIT {MOST_SWITCHES}
"""  # noqa: S608
_MODEL = "iif(upstream = '', '', upstream || '/' || model)"


class SessionReports:
    """Questions about sessions. Each waits at most for one group commit, then reads off the loop."""

    def __init__(self, store: Store, sessions: Sessions, clock: Clock) -> None:
        self._store = store
        self._sessions = sessions
        self._clock = clock

    async def list(self, last: int) -> list[KnownSession]:
        """The ``last`` sessions, the latest first. Raises ``CallerFault``, ``HouseFault``."""
        if not 0 < last <= MOST:
            raise CallerFault(Code.INVALID_REQUEST, f"last must be from 1 to {MOST}.", param="last")
        await self._catch_up()
        return [self._known(row) for row in await self._store.query(_LIST, (last,))]

    async def show(self, session_id: str) -> SessionReport:
        """All about a session; without an id, about the latest. Raises ``CallerFault``, ``HouseFault``."""
        await self._catch_up()
        if not session_id:
            latest = self._store.read(_LATEST)
            session_id = str(latest[0][0]) if latest else ""
        found = await self._store.query(_ONE, (session_id,))
        if not found:
            text = (
                f"There is no session {session_id!r}; lodestarctl session list." if session_id else "No session yet."
            )
            raise CallerFault(Code.NOT_FOUND, text, param="id")
        known = self._known(found[0])
        of_it = (known.row.id, known.row.principal)
        switches = await self._store.query(_SWITCHES, of_it)
        return SessionReport(
            session=known,
            tasks=[_figures(row) for row in await self._store.query(_BY.format("task"), of_it)],
            models=[_figures(row) for row in await self._store.query(_BY.format(_MODEL), of_it)],
            switches=[msgspec.convert(row, Switch) for row in map(_switch, reversed(switches))],
        )

    async def last_seen(self) -> dict[str, int]:
        """When the latest request of each principal came, in unix milliseconds. Raises ``HouseFault``."""
        await self._catch_up()
        return {str(principal): int(last_ms or 0) for principal, last_ms in await self._store.query(_LAST_SEEN, ())}

    def _known(self, row: Row) -> KnownSession:
        columns = SessionRow.__struct_fields__
        session = msgspec.convert(dict(zip(columns, row[: len(columns)], strict=True)), SessionRow)
        silent = is_silent(session.last_ms, self._clock.now_ms(), self._sessions.rules)
        return KnownSession(
            row=session,
            figures=_figures(("", *row[len(columns) :])),
            live=session.ended_ms is None and (not silent or self._sessions.is_busy(session)),
        )

    async def _catch_up(self) -> None:
        """Have what is known written first. While the file can't be written, report what it has."""
        self._sessions.save_all(self._clock.now_ms())
        try:
            await self._store.commit(_nothing)
        except HouseFault:
            return


def _nothing(tx: Tx) -> None:
    """Once it is done, so is all that was posted before it."""


def _switch(row: Row) -> dict[str, object]:
    return dict(zip(Switch.__struct_fields__, row, strict=True))


def _figures(row: Row) -> SessionFigures:
    return msgspec.convert({"key": str(row[0]), **dict(zip(_FIGURES, row[1:], strict=True))}, SessionFigures)
