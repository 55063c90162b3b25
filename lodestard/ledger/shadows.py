"""What the shadow policy said of requests: sums over their traces.

Law: reads, and never guesses. Pure but for what it is handed.
"""

import msgspec

from lodestard.domain.ports import Row

SHADOWS = """
SELECT source, target, count(*), sum(differs), sum(cost), sum(iif(differs, coalesce(shadow_cost, cost), cost)) FROM (
    SELECT iif(upstream = '', '', upstream || '/' || model) AS source, cost_nano_usd AS cost,
        json_extract(body, '$.shadow.target') AS target, json_extract(body, '$.shadow.differs') AS differs,
        json_extract(body, '$.shadow.cost_nano_usd') AS shadow_cost
    FROM request JOIN trace ON trace.request_seq = request.seq
    WHERE received_ms >= ? AND json_extract(body, '$.shadow') IS NOT NULL
) GROUP BY source, target, differs
"""
"""By who answered and whom the shadow policy would have asked first, and whether it was another than was asked."""


class ShadowRow(msgspec.Struct, frozen=True):
    """Requests of one sort; amounts are of all of them, the shadow's where it differs by its own price."""

    source: str
    target: str
    requests: int
    differing: int
    cost_nano_usd: int
    shadow_cost_nano_usd: int


def shadow_row(row: Row) -> ShadowRow:
    source, target, *numbers = row
    return ShadowRow(str(source), str(target), *[int(number or 0) for number in numbers])
