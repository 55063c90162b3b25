"""The cache's words: what a request is given, what it finds, and the figures that are told. Plain data."""

from collections.abc import Iterable

import msgspec

from lodestard.cache.entry import Entry
from lodestard.cache.key import digest_request, key_of
from lodestard.cache.rules import Ruling
from lodestard.domain.reply import Reply
from lodestard.domain.request import Request
from lodestard.domain.upstream import Target


class Ticket:
    """What the cache may do for one request. The digest is made when it is first wanted, and once."""

    __slots__ = ("_digest", "cacheable", "principal", "reason", "request", "ruling", "target")

    def __init__(self, request: Request, target: Target, principal: str, ruling: Ruling) -> None:
        self.request = request
        self.target = target
        self.principal = principal
        self.ruling = ruling
        self.cacheable = ruling.look
        self.reason = ruling.reason
        self._digest = b""

    @property
    def key(self) -> str:
        """The key under which ``target``, the first that would be asked, is looked for."""
        return self.key_for(self.target)

    def key_for(self, target: Target) -> str:
        """The key of the same request where ``target`` has answered it."""
        self._digest = self._digest or digest_request(self.request, self.principal)
        return key_of(self._digest, target)


class Kept(msgspec.Struct, frozen=True, kw_only=True):
    """A kept answer. ``created_ms`` is wall time; ``cost_nano_usd`` is what the original cost, saved this time."""

    reply: Reply
    target: Target
    created_ms: int
    cost_nano_usd: int


class ModelStats(msgspec.Struct, frozen=True):
    """``model`` is ``upstream/model``."""

    model: str
    entries: int
    bytes: int


class CacheStats(msgspec.Struct, frozen=True, kw_only=True):
    """Both tiers, and what they did since the start. Without a disk the first three are the memory's."""

    enabled: bool
    disk: bool
    entries: int
    bytes: int
    max_bytes: int
    memory_entries: int
    memory_bytes: int
    memory_max_bytes: int
    hits: int
    misses: int
    bypassed: int
    evicted: int
    lost: int
    saved_nano_usd: int
    models: tuple[ModelStats, ...]


class Counters(msgspec.Struct):
    """Since the start."""

    hits: int = 0
    misses: int = 0
    bypassed: int = 0
    saved_nano_usd: int = 0


def count_models(entries: Iterable[Entry]) -> tuple[ModelStats, ...]:
    """How much there is of each model, the largest first."""
    counted: dict[str, tuple[int, int]] = {}
    for entry in entries:
        count, size_bytes = counted.get(str(entry.target), (0, 0))
        counted[str(entry.target)] = (count + 1, size_bytes + entry.packed.size_bytes)
    by_size = sorted(counted.items(), key=lambda item: -item[1][1])
    return tuple(ModelStats(model, count, size_bytes) for model, (count, size_bytes) in by_size)
