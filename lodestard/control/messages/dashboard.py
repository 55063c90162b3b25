"""The live screen: ``dashboard``.

Law: the first item of the stream is whole; every later one has all that is small anew, and of the tables and the
requests only what has changed since the item before it. What a row says replaces what an older one of its name said.
"""

from collections.abc import Mapping
from typing import Literal

from lodestard.control.envelope import Message
from lodestard.control.messages.gpu import GpuHost
from lodestard.control.messages.house_status import Problem, UpstreamStatus
from lodestard.control.messages.requests import RequestRow

TABLES = ("model", "project", "session", "provider")
SPANS = ("today", "month")


class LiveRow(Message, frozen=True, omit_defaults=True):
    """The sums of one name in one span. ``last_ms`` is when its last request came, None where that is not known.

    ``unknown_nano_usd`` is the part of the cost that was charged at its hold.
    """

    name: str
    requests: int = 0
    failed: int = 0
    cache_hits: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cost_nano_usd: int = 0
    unknown_nano_usd: int = 0
    saved_nano_usd: int | None = None
    last_ms: int | None = None


class LiveSpan(Message, frozen=True):
    """All requests that came since ``since_ms`` and have ended. ``saved_by`` splits what was saved by its reason."""

    since_ms: int
    requests: int = 0
    failed: int = 0
    cache_hits: int = 0
    cache_lookups: int = 0
    free_requests: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cost_nano_usd: int = 0
    unknown_nano_usd: int = 0
    saved_nano_usd: int | None = None
    saved_by: Mapping[str, int] = {}


class LiveHour(Message, frozen=True):
    """What requests that came in one hour have cost."""

    start_ms: int
    cost_nano_usd: int = 0


class BudgetGauge(Message, frozen=True):
    """One limit of a budget now. ``used`` (with what is held) and ``limit`` count ``unit``: usd (nano-USD), tokens or
    requests. ``value`` is whose it is, empty for the global one; ``resets_ms`` when its window ends.
    """

    name: str
    unit: str
    used: int
    limit: int
    value: str = ""
    resets_ms: int | None = None
    hard: bool = True


class LiveItem(Message, frozen=True):
    """One item of the stream. ``rows`` are by span and table; in a delta, those that have changed.

    ``requests`` are oldest first; in a delta, those that have ended since. A reader that was slow misses the oldest
    of them. ``left_out`` says how many rows of a table (``today/session``) a snapshot leaves out for being too many:
    the cheapest and the longest unused. ``exact`` is False while the ledger's file lags behind what has happened.
    """

    kind: Literal["snapshot", "delta"]
    at_ms: int
    version: str
    state: str
    started_ms: int
    timezone: str
    today: LiveSpan
    month: LiveSpan
    simulated: bool = False
    held_nano_usd: int = 0
    open_requests: int = 0
    baseline: str = ""
    exact: bool = True
    upstreams: tuple[UpstreamStatus, ...] = ()
    alerts: tuple[Problem, ...] = ()
    budgets: tuple[BudgetGauge, ...] = ()
    cards: tuple[GpuHost, ...] = ()
    hours: tuple[LiveHour, ...] = ()
    rows: Mapping[str, Mapping[str, tuple[LiveRow, ...]]] = {}
    requests: tuple[RequestRow, ...] = ()
    left_out: Mapping[str, int] = {}
