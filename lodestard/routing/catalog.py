"""What could answer: the configuration's aliases, upstreams and prices, made ready for quick choices.

Law: built once when a configuration is taken in, frozen, and the only form in which routing sees it.
"""

from collections.abc import Mapping

import msgspec

from lodestard.domain.money import parse_price
from lodestard.domain.price import FREE, Price
from lodestard.domain.settings import ModelPrice, Settings
from lodestard.domain.upstream import Target


class Offer(msgspec.Struct, frozen=True, kw_only=True):
    """A target and all that the configuration says of it. ``price`` is None where nobody gave one."""

    target: Target
    dialect: str
    free: bool
    price: Price | None


class Catalog(msgspec.Struct, frozen=True, kw_only=True):
    """``aliases`` maps an alias to its offers in order; ``upstreams`` maps an upstream to (dialect, free)."""

    aliases: Mapping[str, tuple[Offer, ...]]
    upstreams: Mapping[str, tuple[str, bool]]
    prices: Mapping[str, Price]
    spoken: frozenset[str]

    def offer(self, target: Target) -> Offer | None:
        """What is offered as ``target``, or None where there is no such upstream."""
        known = self.upstreams.get(target.upstream)
        if known is None:
            return None
        dialect, free = known
        price = self.prices.get(str(target), FREE if free else None)
        return Offer(target=target, dialect=dialect, free=free, price=price)


def read_price(price: ModelPrice) -> Price:
    """A ``[prices]`` table → integers."""
    return Price(
        input_pico_usd=parse_price(price.input),
        output_pico_usd=parse_price(price.output),
        cache_read_pico_usd=None if price.cache_read is None else parse_price(price.cache_read),
        cache_write_pico_usd=None if price.cache_write is None else parse_price(price.cache_write),
        max_output_tokens=price.max_output_tokens,
    )


def baseline_price(settings: Settings) -> Price | None:
    """The price that savings are counted against, where there is one."""
    price = settings.prices.get(settings.ledger.baseline)
    return read_price(price) if price is not None else None


def build_catalog(settings: Settings, spoken: frozenset[str]) -> Catalog:
    """The catalogue of a checked configuration. ``spoken`` are the dialects that we have a codec for."""
    prices = {name: read_price(price) for name, price in settings.prices.items()}
    upstreams = {name: (upstream.dialect, upstream.free) for name, upstream in settings.upstreams.items()}
    bare = Catalog(aliases={}, upstreams=upstreams, prices=prices, spoken=spoken)
    aliases = {
        alias: tuple(offer for name in model.route if (offer := bare.offer(Target.parse(name))) is not None)
        for alias, model in settings.models.items()
    }
    return msgspec.structs.replace(bare, aliases=aliases)
