"""What a model's tokens cost: rates, tiers, service tiers, and since when.

Law: every rate is an integer of pico-USD a token, and None where the provider names none. A rate that is not named is
never nought: what it would have priced costs the rate of the wider kind that it belongs to (a cached token that of
input). A price is a value: equal rates are equal prices, and ``version`` says which one a row was made with.
"""

import hashlib
from bisect import bisect_right
from functools import lru_cache

import msgspec

USUAL_TIERS = frozenset(("auto", "default", "standard", "on_demand", "flex", "batch"))
"""Names of service tiers that never cost more than the usual rates, where a price has no rates of their own."""


class Rates(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """pico-USD a token. ``cache_write`` is the usual one (five minutes), ``cache_write_1h`` the longer one.

    ``audio_…`` and ``image_…`` are rates of tokens of those kinds, ``reasoning`` of what is thought and not said.
    """

    input_pico_usd: int
    output_pico_usd: int
    cache_read_pico_usd: int | None = None
    cache_write_pico_usd: int | None = None
    cache_write_1h_pico_usd: int | None = None
    audio_input_pico_usd: int | None = None
    audio_cache_read_pico_usd: int | None = None
    audio_output_pico_usd: int | None = None
    image_input_pico_usd: int | None = None
    image_cache_read_pico_usd: int | None = None
    image_output_pico_usd: int | None = None
    reasoning_pico_usd: int | None = None


class Tier(msgspec.Struct, frozen=True, kw_only=True):
    """Rates of every token of a request whose prompt has more than ``above_prompt_tokens``."""

    above_prompt_tokens: int
    rates: Rates


class ServiceTier(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What the same model costs where the provider serves it as ``name`` says: batch, flex, priority …

    The name is the one that the provider's answers carry; with a ``=`` in it (``route=mistral/eu``) it is of a choice
    that the provider makes and its answers don't tell of. ``tiers`` ascend.
    """

    name: str
    rates: Rates
    tiers: tuple[Tier, ...] = ()


class Price(Rates, frozen=True, kw_only=True, omit_defaults=True):
    """All that is known of what a model costs, at one time.

    ``tiers`` ascend. ``service_tiers`` are those that cost otherwise. ``request_nano_usd`` is charged once a request.
    ``max_output_tokens`` bounds an answer that names no limit; ``max_reasoning_tokens`` what may be thought beside
    the limit that a request names, None where reasoning counts within it. ``source`` says who said so; ``since_ms``
    from when it holds (0: always). ``embeds_only``: it covers embeddings and nothing else, for it names no output.
    """

    tiers: tuple[Tier, ...] = ()
    service_tiers: tuple[ServiceTier, ...] = ()
    request_nano_usd: int = 0
    max_output_tokens: int | None = None
    max_reasoning_tokens: int | None = None
    context_tokens: int | None = None
    source: str = "config"
    since_ms: int = 0
    embeds_only: bool = False

    @property
    def free(self) -> bool:
        """True when nothing can ever be billed under this price."""
        return _never_bills(self)

    def knows_tier(self, name: str) -> bool:
        """Whether it says what a request served as ``name`` costs."""
        return any(service.name == name for service in self.service_tiers)

    @property
    def version(self) -> str:
        """The name of exactly these rates: 12 hexadecimal digits. The same in every process and at every time."""
        return _version(self)


@lru_cache(maxsize=1_024)
def _version(price: Price) -> str:
    return hashlib.sha256(msgspec.json.encode(price, order="sorted")).hexdigest()[:12]


@lru_cache(maxsize=1_024)
def _never_bills(price: Price) -> bool:
    rates: list[Rates] = [price, *(tier.rates for tier in price.tiers)]
    for service in price.service_tiers:
        rates += [service.rates, *(tier.rates for tier in service.tiers)]
    return not price.request_nano_usd and not any(_bills(each) for each in rates)


def _bills(rates: Rates) -> bool:
    return any(getattr(rates, name) for name in Rates.__struct_fields__)


FREE = Price(input_pico_usd=0, output_pico_usd=0, cache_read_pico_usd=0, cache_write_pico_usd=0, source="free")


class Quote(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a price list says of one target, now and later.

    ``prices`` ascend by ``since_ms``, the first holds from the beginning; there are none where the list has no price
    that we can bill by, and then ``problem`` says why. ``provider`` and ``listed_as`` are the list's own names, empty
    where it does not know the provider or the model; ``retired`` says that its provider has given the model up.
    """

    prices: tuple[Price, ...] = ()
    provider: str = ""
    listed_as: str = ""
    retired: bool = False
    problem: str = ""

    def price_at(self, now_ms: int) -> Price | None:
        """The price that holds at that instant."""
        after = bisect_right(self.prices, now_ms, key=_since_ms)
        return self.prices[max(0, after - 1)] if self.prices else None

    def change_after_ms(self, now_ms: int) -> int | None:
        """When the price changes next, or None."""
        after = bisect_right(self.prices, now_ms, key=_since_ms)
        return self.prices[after].since_ms if 0 < after < len(self.prices) else None


def _since_ms(price: Price) -> int:
    return price.since_ms
