"""What has come from the daemon, put together. Pure.

Law: an item never changes what was put together before it: a screen that is paused keeps its own.
"""

from collections.abc import Mapping

import msgspec

from lodestard.control.messages import RequestRow
from lodestard.control.messages.dashboard import LiveItem, LiveRow, LiveSpan

REQUESTS_KEPT = 500

Rows = Mapping[tuple[str, str], Mapping[str, LiveRow]]


class Live(msgspec.Struct, frozen=True):
    """``last`` is the newest item; ``rows`` are by span and table, ``requests`` newest first."""

    last: LiveItem
    rows: Rows = {}
    requests: tuple[RequestRow, ...] = ()
    left_out: Mapping[str, int] = {}

    def span(self, name: str) -> LiveSpan:
        return self.last.month if name == "month" else self.last.today


def merge(live: Live | None, item: LiveItem) -> Live:
    """``live`` with an item more. A snapshot begins anew."""
    rows: dict[tuple[str, str], Mapping[str, LiveRow]] = {}
    requests: tuple[RequestRow, ...] = ()
    left_out = item.left_out
    if live is not None and item.kind == "delta":
        rows.update(live.rows)
        requests, left_out = live.requests, live.left_out
    for span, tables in item.rows.items():
        for table, changed in tables.items():
            rows[span, table] = {**rows.get((span, table), {}), **{row.name: row for row in changed}}
    return Live(item, rows, _newest(item.requests, requests), left_out)


def _newest(ended: tuple[RequestRow, ...], known: tuple[RequestRow, ...]) -> tuple[RequestRow, ...]:
    if not ended:
        return known
    ids = {row.request_id for row in ended}
    return (*reversed(ended), *(row for row in known if row.request_id not in ids))[:REQUESTS_KEPT]
