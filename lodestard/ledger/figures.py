"""What is summed, and how it is read off the rows: the one meaning of every figure.

Law: each figure is an integer expression over one request, or over one attempt where it belongs to the model that
was asked. A request may have asked several models: what it used and cost belongs to each of them, the rest to the one
that answered. So whatever rows are grouped by, they sum to the same total.
"""

from collections.abc import Mapping, Sequence
from typing import cast

import msgspec

from lodestard.ledger.schema.rollup import FIGURES, GROUPS

QUARTER_MS = 15 * 60 * 1_000  # every zone's offset, and every change of it, falls on a quarter of an hour
QUARTER = f"received_ms / {QUARTER_MS}"
CACHE_HITS = ("hit", "shared")  # answers that nobody was asked for
_HIT = "cache IN ('hit', 'shared')"
_SAVED = "coalesce(baseline_nano_usd - request.cost_nano_usd, 0)"
_ASKED_FREE = "attempts AND NOT EXISTS (SELECT 1 FROM attempt WHERE request_seq = request.seq AND NOT free)"
_ANSWERED_FREE = """EXISTS (SELECT 1 FROM attempt WHERE request_seq = request.seq AND free AND state = 'captured'
    AND attempt.upstream = request.upstream AND attempt.model = request.model)"""


class CostRow(msgspec.Struct, frozen=True, kw_only=True):
    """One line of a report. ``key`` is what it is grouped by; ``group`` what the second grouping of a series says.

    ``cost_nano_usd`` includes ``unknown_nano_usd`` (charged at the hold). ``saved_nano_usd`` is the baseline less the
    cost, over the requests whose baseline is known, and the sum of its four levers: ``local`` (answered by a free
    model), ``cache`` (from the cache, or a shared answer), ``prompt_cache`` (what the provider's own cache took off
    its own price, less what writing it cost) and ``cheaper`` (the rest: a cheaper model, or a dearer one).
    ``errors`` ended with a fault (a client that left is none); ``free_requests`` asked free models only. Tokens are
    those that upstreams counted; ``cache_tokens`` those of answers from the cache and of shared ones.
    """

    key: str = ""
    group: str = ""
    requests: int = 0
    errors: int = 0
    cache_hits: int = 0
    free_requests: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cached_tokens: int = 0
    cache_write_tokens: int = 0
    reasoning_tokens: int = 0
    cache_tokens: int = 0
    cost_nano_usd: int = 0
    unknown_nano_usd: int = 0
    baseline_nano_usd: int = 0
    saved_nano_usd: int = 0
    saved_local_nano_usd: int = 0
    saved_cache_nano_usd: int = 0
    saved_cheaper_nano_usd: int = 0
    saved_prompt_cache_nano_usd: int = 0
    total_us: int = 0


class Figure(msgspec.Struct, frozen=True):
    """How it is read off a request's row; and off an attempt's, where it belongs to that."""

    of_request: str
    of_attempt: str = ""

    @property
    def of_answer(self) -> str:
        """What is left for the model that answered."""
        return "0" if self.of_attempt else self.of_request


def _tokens(name: str) -> Figure:
    return Figure(f"iif(attempts, request.{name}, 0)", f"coalesce(attempt.{name}, 0)")


EXPRESSIONS: Mapping[str, Figure] = {
    "requests": Figure("1"),
    "errors": Figure("outcome NOT IN ('ok', 'client_left')"),
    "cache_hits": Figure(_HIT),
    "free_requests": Figure(_ASKED_FREE),
    "prompt_tokens": _tokens("prompt_tokens"),
    "completion_tokens": _tokens("completion_tokens"),
    "cached_tokens": _tokens("cached_tokens"),
    "cache_write_tokens": _tokens("cache_write_tokens"),
    "reasoning_tokens": _tokens("reasoning_tokens"),
    "cache_tokens": Figure("iif(attempts, 0, request.prompt_tokens + request.completion_tokens)"),
    "cost_nano_usd": Figure("request.cost_nano_usd", "attempt.cost_nano_usd"),
    "unknown_nano_usd": Figure(
        "request.unknown_nano_usd", "iif(attempt.state = 'unknown', attempt.cost_nano_usd, 0)"
    ),
    "baseline_nano_usd": Figure("coalesce(baseline_nano_usd, 0)"),
    "saved_nano_usd": Figure(_SAVED),
    "saved_local_nano_usd": Figure(
        f"iif(baseline_nano_usd IS NULL OR {_HIT}, 0,"
        f" iif({_ANSWERED_FREE}, {_SAVED} - request.prompt_cache_nano_usd, 0))"
    ),
    "saved_cache_nano_usd": Figure(f"iif({_HIT}, {_SAVED}, 0)"),
    "saved_prompt_cache_nano_usd": Figure(
        f"iif(baseline_nano_usd IS NULL OR {_HIT}, 0, request.prompt_cache_nano_usd)"
    ),
    "total_us": Figure("request.total_us"),
}
assert tuple(EXPRESSIONS) == FIGURES  # the columns are in this order

# What budgets count of an attempt, free ones apart: not all of them do. Tokens that nobody counted count as held.
_TOKENS = (
    "coalesce(attempt.prompt_tokens + attempt.completion_tokens, iif(attempt.state = 'unknown', held_tokens, 0))"
)
_ENDED = "attempt.state IN ('captured', 'unknown')"
CHARGED: Mapping[str, Figure] = {
    "paid_attempts": Figure("0", f"NOT free AND {_ENDED}"),
    "paid_tokens": Figure("0", f"iif(free, 0, {_TOKENS})"),
    "free_attempts": Figure("0", f"free AND {_ENDED}"),
    "free_tokens": Figure("0", f"iif(free, {_TOKENS}, 0)"),
}
# What rows may be grouped by, beside time. "{0}" is the table that says which model was asked.
DIMENSIONS: Mapping[str, str] = {
    "all": "''",
    "model": "{0}.upstream || '/' || {0}.model",
    "upstream": "{0}.upstream",
    **{name: f"request.{name}" for name in GROUPS[3:]},
}
OF_MODELS = ("model", "upstream")
ALL_GROUPS = {"quarter": QUARTER, "upstream": "{0}.upstream", "model": "{0}.model"} | {
    name: f"request.{name}" for name in GROUPS[3:]
}
_OTHER_LEVERS = ("saved_local_nano_usd", "saved_cache_nano_usd", "saved_prompt_cache_nano_usd")
SUMS = ", ".join(f"sum({name}) AS {name}" for name in FIGURES)


def facts(
    keys: Mapping[str, str], where: str, *, by_model: bool, figures: Mapping[str, Figure] = EXPRESSIONS
) -> tuple[str, int]:
    """A statement that gives ``keys`` and all figures of the requests that ``where`` chooses, and how many times it
    takes the parameters of ``where``. ``by_model``: each part under the model that it belongs to. Pure.
    """
    if not by_model:
        return _select(keys, {name: each.of_request for name, each in figures.items()}, "request", where), 1
    answers, asked = ({name: text.format(table) for name, text in keys.items()} for table in ("request", "attempt"))
    answered = _select(answers, {name: each.of_answer for name, each in figures.items()}, "request", where)
    joined = "request JOIN attempt ON attempt.request_seq = request.seq"
    attempts = _select(asked, {name: each.of_attempt or "0" for name, each in figures.items()}, joined, where)
    return f"{answered} UNION ALL {attempts}", 2


def _select(keys: Mapping[str, str], figures: Mapping[str, str], tables: str, where: str) -> str:
    columns = ", ".join(f"{text} AS {name}" for name, text in (*keys.items(), *figures.items()))
    return f"SELECT {columns} FROM {tables} WHERE request.state <> 'open' AND {where}"


def cost_row(key: str, group: str, sums: Sequence[object]) -> CostRow:
    """A line from its sums, in the order of ``FIGURES``; the levers make what was saved."""
    figures = dict(zip(FIGURES, cast("Sequence[int]", sums), strict=True))
    cheaper = figures["saved_nano_usd"] - sum([figures[name] for name in _OTHER_LEVERS])
    return CostRow(key=key, group=group, saved_cheaper_nano_usd=cheaper, **figures)
