"""Sums of the ledger and of the cache."""

from lodestard.control.envelope import Message
from lodestard.control.messages.projection import Projected


class CostRow(Message, frozen=True):
    """The sums of one group. ``unknown_nano_usd`` is the part of the cost that was charged at its hold.

    ``held_nano_usd`` is what requests under way hold now: it stands in the total alone. What was saved is None
    without a baseline, and the sum of its four levers: a local model, an answer from the cache, a cheaper model, and
    the provider's own prompt cache. ``baseline_nano_usd`` is what the baseline would have cost. ``total_us`` is the
    time that the requests took, added up.
    """

    name: str
    requests: int = 0
    failed: int = 0
    cache_hits: int = 0
    free_requests: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cached_tokens: int = 0
    cache_write_tokens: int = 0
    cost_nano_usd: int = 0
    unknown_nano_usd: int = 0
    held_nano_usd: int = 0
    baseline_nano_usd: int | None = None
    saved_nano_usd: int | None = None
    saved_local_nano_usd: int | None = None
    saved_cache_nano_usd: int | None = None
    saved_cheaper_nano_usd: int | None = None
    saved_prompt_cache_nano_usd: int | None = None
    total_us: int = 0


class CostSection(Message, frozen=True):
    """Groups of one kind, and the sum of the ``others`` groups that are not listed."""

    by: str
    rows: tuple[CostRow, ...]
    rest: CostRow | None = None
    others: int = 0


class CostsReport(Message, frozen=True):
    """``since_ms`` inclusive, ``until_ms`` exclusive; None where open.

    ``rest`` sums the ``others`` groups that are not in ``rows``. ``trend`` and ``projection`` are there if asked for.
    ``timezone`` is the zone whose days are counted.
    """

    by: str
    rows: tuple[CostRow, ...]
    total: CostRow
    since_ms: int | None = None
    until_ms: int | None = None
    baseline: str = ""
    timezone: str = ""
    rest: CostRow | None = None
    others: int = 0
    trend: CostSection | None = None
    projection: Projected | None = None


class CachedModel(Message, frozen=True):
    model: str
    entries: int
    bytes: int


class CacheReport(Message, frozen=True):
    """Both tiers, and what they did since the start."""

    enabled: bool
    disk: bool = False
    entries: int = 0
    bytes: int = 0
    max_bytes: int = 0
    memory_entries: int = 0
    memory_bytes: int = 0
    memory_max_bytes: int = 0
    hits: int = 0
    misses: int = 0
    bypassed: int = 0
    evicted: int = 0
    models: tuple[CachedModel, ...] = ()


class CacheCleared(Message, frozen=True):
    entries: int


class CacheWarmed(Message, frozen=True):
    """One line of a warming: what became of the request on line ``line`` of the file."""

    line: int
    outcome: str
    alias: str = ""
    target: str = ""
    cost_nano_usd: int = 0
    detail: str = ""
