"""The provider's own meter: every request seen and every token billed, in integers.

Law: it shares nothing with the house's ledger, so that the two can be compared. An amount is the sum of tokens
times prices in pico-USD, rounded up once to nano-USD. A request is billed once, by its `Tab`, before the last
byte of its answer is sent. Owner: one `Meter` per simulated provider.
"""

from collections import deque
from types import TracebackType
from typing import Self

import msgspec

from lodestard.simulator.answering.question import Json
from lodestard.simulator.walltime import WallNs

DAY_NS = 86_400_000_000_000
_PICO_PER_NANO = 1000
_KEPT = 10_000


class PriceRow(msgspec.Struct, frozen=True, kw_only=True):
    """Pico-USD a token: $1 per million tokens is 1,000,000."""

    prompt: int
    completion: int
    cached: int
    cache_write: int = 0
    cache_write_1h: int = 0


class Tokens(msgspec.Struct, frozen=True, kw_only=True):
    """What one answer used. ``cached`` and ``cache_write`` are in ``prompt``, ``cache_write_1h`` in ``cache_write``,
    ``reasoning`` in ``completion``.
    """

    prompt: int = 0
    cached: int = 0
    cache_write: int = 0
    cache_write_1h: int = 0
    completion: int = 0
    reasoning: int = 0

    def pico_usd(self, price: PriceRow) -> int:
        fresh = self.prompt - self.cached - self.cache_write
        return (
            fresh * price.prompt
            + self.cached * price.cached
            + (self.cache_write - self.cache_write_1h) * price.cache_write
            + self.cache_write_1h * price.cache_write_1h
            + self.completion * price.completion
        )


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """One billed request. ``outcome``: whole, or cut (by a fault or by the client)."""

    index: int
    model: str
    outcome: str
    tokens: Tokens
    nano_usd: int


class Totals(msgspec.Struct, kw_only=True):
    """Sums for one model."""

    requests: int = 0
    prompt: int = 0
    cached: int = 0
    cache_write: int = 0
    cache_write_1h: int = 0
    completion: int = 0
    reasoning: int = 0
    nano_usd: int = 0

    def add(self, entry: Entry) -> None:
        self.requests += 1
        self.nano_usd += entry.nano_usd
        for name in Tokens.__struct_fields__:
            setattr(self, name, getattr(self, name) + getattr(entry.tokens, name))


class Meter:
    """Counts. Read it in-process, or at ``GET /__sim/meter``. ``days``: the same sums by UTC day and model."""

    def __init__(self, provider: str, wall_ns: WallNs = lambda: 0) -> None:
        self.provider = provider
        self._wall_ns = wall_ns
        self.reset()

    def reset(self) -> None:
        self.seen = 0
        self.models: dict[str, Totals] = {}
        self.days: dict[int, dict[str, Totals]] = {}
        self.entries: deque[Entry] = deque(maxlen=_KEPT)

    @property
    def nano_usd(self) -> int:
        return sum(totals.nano_usd for totals in self.models.values())

    @property
    def billed(self) -> int:
        """How many requests were billed."""
        return sum(totals.requests for totals in self.models.values())

    def post(self, entry: Entry) -> None:
        self.models.setdefault(entry.model, Totals()).add(entry)
        self.days.setdefault(self._wall_ns() // DAY_NS, {}).setdefault(entry.model, Totals()).add(entry)
        self.entries.append(entry)

    def to_json(self) -> Json:
        return {
            "provider": self.provider,
            "seen": self.seen,
            "billed": self.billed,
            "nano_usd": self.nano_usd,
            "models": {name: msgspec.to_builtins(totals) for name, totals in self.models.items()},
            "entries": [msgspec.to_builtins(entry) for entry in self.entries],
        }


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """What a request will be billed at most: the tokens of the whole answer. ``bill_whole``: also when cut."""

    index: int
    model: str
    price: PriceRow
    tokens: Tokens
    bill_whole: bool


class Tab:
    """The bill of one request while its answer is made: a context manager that posts exactly once.

    Left early (a fault, or the client left), it bills what was written, or the whole where the provider does so.
    """

    def __init__(self, meter: Meter, order: Order) -> None:
        self._meter = meter
        self._order = order
        self._written = 0
        self._reasoned = 0
        self._closed = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        if not self._closed:
            self._post("cut", self._order.tokens if self._order.bill_whole else self._so_far())

    def write(self, tokens: int, *, reasoning: bool = False) -> None:
        """These tokens were generated just now."""
        self._written += tokens
        if reasoning:
            self._reasoned += tokens

    def close(self) -> None:
        """The answer is generated, whole; what happens to its bytes no longer matters."""
        self._post("whole", self._order.tokens)

    @property
    def whole(self) -> Tokens:
        return self._order.tokens

    @property
    def pico_usd(self) -> int:
        """The amount of the whole answer."""
        return self._order.tokens.pico_usd(self._order.price)

    def _so_far(self) -> Tokens:
        return msgspec.structs.replace(self._order.tokens, completion=self._written, reasoning=self._reasoned)

    def _post(self, outcome: str, tokens: Tokens) -> None:
        self._closed = True
        nano_usd = -(-tokens.pico_usd(self._order.price) // _PICO_PER_NANO)
        self._meter.post(
            Entry(index=self._order.index, model=self._order.model, outcome=outcome, tokens=tokens, nano_usd=nano_usd)
        )
