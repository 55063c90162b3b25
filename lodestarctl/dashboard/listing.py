"""What a screen of rows lists: filtered and sorted. Pure."""

from collections.abc import Callable, Mapping
from typing import NamedTuple

from lodestarctl.dashboard.live import Live
from lodestard.control.messages import RequestRow
from lodestard.control.messages.dashboard import LiveRow

NOBODY = {
    "models": "no model answered",
    "projects": "no project",
    "sessions": "no session",
    "providers": "no provider answered",
}
"""What stands where there is no name."""


class Table(NamedTuple):
    """A screen of the ledger's rows: what it is called, its table, and what a row is."""

    title: str
    table: str
    one: str


TABLES: Mapping[str, Table] = {
    "models": Table("by model", "model", "model"),
    "projects": Table("by project", "project", "project"),
    "sessions": Table("by session", "session", "session"),
    "providers": Table("by provider", "provider", "provider"),
}


class Sort(NamedTuple):
    """``key`` gives what is sorted by, in rising order."""

    name: str
    key: Callable[[LiveRow], tuple[object, ...]]


TABLE_SORTS = (
    Sort("cost", lambda row: (-row.cost_nano_usd, -row.requests, row.name)),
    Sort("requests", lambda row: (-row.requests, row.name)),
    Sort("tokens", lambda row: (-row.prompt_tokens - row.completion_tokens, row.name)),
    Sort("saved", lambda row: (-(row.saved_nano_usd or 0), row.name)),
    Sort("last used", lambda row: (-(row.last_ms or 0), row.name)),
    Sort("name", lambda row: (row.name,)),
)


class RequestSort(NamedTuple):
    name: str
    key: Callable[[RequestRow], int] | None


REQUEST_SORTS = (
    RequestSort("newest", None),
    RequestSort("cost", lambda row: -row.cost_nano_usd),
    RequestSort("time taken", lambda row: -(row.total_ms or 0)),
)


def sort_names(screen: str) -> tuple[str, ...]:
    """What the rows of a screen can be sorted by; nothing where it has none."""
    if screen in TABLES:
        return tuple(sort.name for sort in TABLE_SORTS)
    return tuple(sort.name for sort in REQUEST_SORTS) if screen == "requests" else ()


def list_rows(live: Live | None, screen: str, span: str, text: str, sort: int) -> list[LiveRow]:
    """The rows of a table whose name has ``text`` in it."""
    if live is None or screen not in TABLES:
        return []
    rows = live.rows.get((span, TABLES[screen].table), {}).values()
    wanted = text.casefold()
    found = [row for row in rows if wanted in (row.name or NOBODY[screen]).casefold()]
    return sorted(found, key=TABLE_SORTS[sort].key)


def list_requests(live: Live | None, text: str, sort: int) -> list[RequestRow]:
    """The requests that have ``text`` in what is shown of them."""
    if live is None:
        return []
    wanted = text.casefold()
    found = [row for row in live.requests if wanted in _words_of(row)]
    key = REQUEST_SORTS[sort].key
    return found if key is None else sorted(found, key=key)


def _words_of(row: RequestRow) -> str:
    words = (row.alias, row.target, row.project, row.session, row.client, row.outcome, row.cache, row.request_id)
    return " ".join(words).casefold()


def list_ids(live: Live | None, screen: str, span: str, text: str, sort: int) -> list[str]:
    """What the rows of a screen are known by, in the order in which they are shown."""
    if screen == "requests":
        return [row.request_id for row in list_requests(live, text, sort)]
    return [row.name for row in list_rows(live, screen, span, text, sort)]
