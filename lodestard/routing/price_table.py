"""A configuration's prices → the price of each target at an instant.

Law: what ``[prices]`` says wins over the price list, the list over the ceiling; a bound in ``[prices]`` without rates
tunes the list's price. A paid target that none of them knows has no price. Pure: the instant is handed in.
"""

from collections.abc import Mapping, Sequence
from decimal import ROUND_CEILING, Decimal
from typing import Any, TypeVar

import msgspec

from lodestard.domain.money import parse_nano_usd, parse_price
from lodestard.domain.price import Price, Quote, Rates, ServiceTier, Tier
from lodestard.domain.provider import reasons_beside
from lodestard.domain.settings import Ceiling, ModelPrice, PriceTier, RateTable, Settings
from lodestard.domain.upstream import Target

LONGEST_ANSWER_TOKENS = 131_072  # as in budget.worst_case: no model of the price list writes more
WRITE_5M, WRITE_1H = Decimal("1.25"), Decimal(2)
_FINEST = Decimal("0.000001")  # a pico-USD a token
_RATES = RateTable.__struct_fields__
_Table = TypeVar("_Table", bound=RateTable)


class PriceTable(msgspec.Struct, frozen=True, kw_only=True):
    """``quotes`` are the price list's, by target ("upstream/model"); ``beside`` are upstreams that bill reasoning
    beside the limit that a request names.
    """

    own: Mapping[str, Price] = {}
    bounds: Mapping[str, ModelPrice] = {}
    quotes: Mapping[str, Quote] = {}
    ceiling: Price | None = None
    beside: frozenset[str] = frozenset()
    enabled: bool = True

    def price_at(self, target: Target, now_ms: int) -> Price | None:
        """What a target costs, apart from the ceiling; None where nobody has said."""
        name = str(target)
        return self._bounded(target, self.own.get(name) or self._listed(name, now_ms))

    def ceiling_of(self, target: Target) -> Price | None:
        """What a target of which nobody has said what it costs is charged at; None where it is refused."""
        return self._bounded(target, self.ceiling)

    def _bounded(self, target: Target, price: Price | None) -> Price | None:
        """With a bound for what is thought beside the limit."""
        if price is None or price.max_reasoning_tokens is not None or target.upstream not in self.beside:
            return price
        return msgspec.structs.replace(price, max_reasoning_tokens=price.context_tokens or LONGEST_ANSWER_TOKENS)

    def _listed(self, name: str, now_ms: int) -> Price | None:
        quote = self.quotes.get(name)
        price = quote.price_at(now_ms) if quote is not None else None
        bounds = self.bounds.get(name)
        return price if price is None or bounds is None else tune(price, bounds)

    def with_quotes(self, quotes: Mapping[str, Quote]) -> "PriceTable":
        """The same, by another price list."""
        return msgspec.structs.replace(self, quotes=quotes if self.enabled else {})

    def change_after_ms(self, now_ms: int) -> int | None:
        """When some price changes next, or None."""
        changes = (quote.change_after_ms(now_ms) for name, quote in self.quotes.items() if name not in self.own)
        return min((change for change in changes if change is not None), default=None)


def read_table(settings: Settings, quotes: Mapping[str, Quote]) -> PriceTable:
    """The prices of a checked configuration."""
    ceiling = settings.price_book.ceiling
    return PriceTable(
        own={
            name: read_price(_own(name, price, settings))
            for name, price in settings.prices.items()
            if price.has_rates
        },
        bounds={name: price for name, price in settings.prices.items() if not price.has_rates},
        quotes=quotes if settings.price_book.enabled else {},
        enabled=settings.price_book.enabled,
        ceiling=None if ceiling is None else read_ceiling(ceiling),
        beside=frozenset(name for name, upstream in settings.upstreams.items() if reasons_beside(upstream)),
    )


def _own(name: str, price: ModelPrice, settings: Settings) -> ModelPrice:
    """The price that ``[prices]`` says, with what its provider is known to take for writing to its cache."""
    upstream = settings.upstreams.get(name.partition("/")[0])
    return with_cache_writes(price) if upstream is not None and upstream.dialect == "anthropic" else price


def with_cache_writes(price: ModelPrice) -> ModelPrice:
    """Anthropic takes more for what it writes to its cache than for input: where nobody has said how much, its usual
    1.25 times, and twice for an hour (Anthropic's "Prompt caching", Pricing). Else the ledger would have too little.
    """
    services = {name: _with_writes(service) for name, service in price.service_tiers.items()}
    named = msgspec.structs.replace(_with_writes(price), service_tiers=services)
    tiers = tuple([_with_writes(tier) for tier in price.tiers])
    return msgspec.structs.replace(named, tiers=tiers)


def _with_writes(table: _Table) -> _Table:
    if table.input is None:
        return table
    write = _known(table.cache_write, _times(table.input, WRITE_5M))
    return msgspec.structs.replace(
        table, cache_write=write, cache_write_1h=_known(table.cache_write_1h, _times(table.input, WRITE_1H))
    )


def _times(rate: Decimal, factor: Decimal) -> Decimal:
    return (rate * factor).quantize(_FINEST, ROUND_CEILING)


def read_price(price: ModelPrice) -> Price:
    """A ``[prices]`` table that has rates → integers."""
    services = [_service(name, price, table, table.tiers) for name, table in sorted(price.service_tiers.items())]
    return Price(
        **_rates(price),
        tiers=_tiers(price.tiers, price),
        service_tiers=tuple(services),
        request_nano_usd=0 if price.request is None else parse_nano_usd(price.request),
        max_output_tokens=price.max_output_tokens,
        max_reasoning_tokens=price.max_reasoning_tokens,
        context_tokens=price.context_tokens,
    )


def read_ceiling(ceiling: Ceiling) -> Price:
    """What a model without a price is charged at."""
    return Price(
        input_pico_usd=parse_price(ceiling.input), output_pico_usd=parse_price(ceiling.output), source="ceiling"
    )


def tune(price: Price, bounds: ModelPrice) -> Price:
    """The list's price within the bounds that ``[prices]`` gives."""
    given = {
        name: value
        for name in ("max_output_tokens", "max_reasoning_tokens", "context_tokens")
        if (value := getattr(bounds, name)) is not None
    }
    if bounds.request is not None:
        given["request_nano_usd"] = parse_nano_usd(bounds.request)
    return msgspec.structs.replace(price, **given)


def _service(name: str, usual: RateTable, own: RateTable, tiers: Sequence[PriceTier]) -> ServiceTier:
    over = _over(usual, own)
    return ServiceTier(name=name, rates=Rates(**_rates(over)), tiers=_tiers(tiers, over))


def _tiers(tiers: Sequence[PriceTier], usual: RateTable) -> tuple[Tier, ...]:
    ascending = sorted(tiers, key=lambda tier: tier.above_prompt_tokens)
    return tuple(
        Tier(above_prompt_tokens=tier.above_prompt_tokens, rates=Rates(**_rates(_over(usual, tier))))
        for tier in ascending
    )


def _over(usual: RateTable, own: RateTable) -> RateTable:
    """``own`` with what it does not name taken from ``usual``."""
    named = {name: _known(getattr(own, name), getattr(usual, name)) for name in _RATES}
    return RateTable(**named)


def _known(own: Decimal | None, usual: Decimal | None) -> Decimal | None:
    return usual if own is None else own


def _rates(table: RateTable) -> dict[str, Any]:
    """The rates that are named; one that is not stays None."""
    named = ((name, getattr(table, name)) for name in _RATES)
    return {f"{name}_pico_usd": parse_price(rate) for name, rate in named if rate is not None}
