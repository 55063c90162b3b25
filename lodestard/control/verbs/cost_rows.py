"""Lines of the ledger's reports → lines of ours, their sums, and the largest of many. Pure."""

from collections.abc import Sequence

from lodestard.control.messages.figures import CostRow, CostSection
from lodestard.control.verbs.desk import CostFigures

COUNTED = (
    "requests", "failed", "cache_hits", "free_requests", "prompt_tokens", "completion_tokens", "cached_tokens",
    "cache_write_tokens", "cost_nano_usd", "unknown_nano_usd", "total_us",
)  # fmt: skip
AGAINST_BASELINE = (
    "baseline_nano_usd", "saved_nano_usd", "saved_local_nano_usd", "saved_cache_nano_usd", "saved_cheaper_nano_usd",
    "saved_prompt_cache_nano_usd",
)  # fmt: skip
OURS = {"failed": "errors"}
"""Members that the ledger has under another name."""


def cost_row(row: CostFigures, *, baseline: bool) -> CostRow:
    """What is said against a baseline is None where there is none."""
    names = (*COUNTED, *(AGAINST_BASELINE if baseline else ()))
    return CostRow(name=row.key.strip("/"), **{name: getattr(row, OURS.get(name, name)) for name in names})


def sum_rows(name: str, rows: Sequence[CostRow], held_nano_usd: int = 0) -> CostRow:
    """The sum of all lines; what is held now belongs to no span of time, so it stands in a total alone."""
    sums: dict[str, int] = {member: sum(getattr(row, member) for row in rows) for member in COUNTED}
    for member in AGAINST_BASELINE:
        known = [value for row in rows if (value := getattr(row, member)) is not None]
        if known:
            sums[member] = sum(known)
    return CostRow(name=name, held_nano_usd=held_nano_usd, **sums)


def keep_top(by: str, rows: Sequence[CostRow], top: int) -> CostSection:
    """The first ``top`` rows and the sum of the others; all where ``top`` is 0, or where one would be left."""
    if not top or len(rows) <= top + 1:
        return CostSection(by=by, rows=tuple(rows))
    others = rows[top:]
    return CostSection(by=by, rows=tuple(rows[:top]), rest=sum_rows("others", others), others=len(others))
