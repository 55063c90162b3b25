"""What could answer: the configuration's aliases, upstreams and prices, made ready for quick choices.

Law: built when a configuration is taken in and when a price changes, for one instant; frozen, and the only form in
which routing sees it.
"""

from collections.abc import Mapping
from typing import NamedTuple

import msgspec

from lodestard.domain.price import FREE, Price, Quote
from lodestard.domain.provider import least_output_tokens
from lodestard.domain.settings import Settings, Upstream
from lodestard.domain.upstream import Target
from lodestard.routing.price_table import PriceTable, read_table

NO_QUOTES: Mapping[str, Quote] = {}


class Offer(msgspec.Struct, frozen=True, kw_only=True):
    """A target and all that is known of it. ``price`` is None where nobody gave one."""

    target: Target
    dialect: str
    free: bool
    price: Price | None
    least_output_tokens: int


class Known(NamedTuple):
    """What counts of an upstream here."""

    dialect: str
    free: bool
    least_output_tokens: int


class Catalog(msgspec.Struct, frozen=True, kw_only=True):
    """``aliases`` maps an alias to its offers in order; ``upstreams`` maps an upstream to what is known.

    ``soonest`` are aliases of which the free model that can begin first is asked first.

    It holds from ``at_ms`` until ``until_ms``, when some price changes (None: for ever).
    """

    aliases: Mapping[str, tuple[Offer, ...]]
    upstreams: Mapping[str, Known]
    prices: PriceTable
    spoken: frozenset[str]
    soonest: frozenset[str] = frozenset()
    at_ms: int = 0
    until_ms: int | None = None

    def offer(self, target: Target) -> Offer | None:
        """What is offered as ``target``, or None where there is no such upstream."""
        known = self.upstreams.get(target.upstream)
        if known is None:
            return None
        price = self.prices.price_at(target, self.at_ms)
        if price is None:
            price = FREE if known.free else self.prices.ceiling_of(target)
        return Offer(target=target, price=price, **known._asdict())


def baseline_price(settings: Settings, quotes: Mapping[str, Quote] = NO_QUOTES, now_ms: int = 0) -> Price | None:
    """The price that savings are counted against, where there is one."""
    name = settings.ledger.baseline
    return read_table(settings, quotes).price_at(Target.parse(name), now_ms) if name else None


def build_catalog(
    settings: Settings, spoken: frozenset[str], quotes: Mapping[str, Quote] = NO_QUOTES, now_ms: int = 0
) -> Catalog:
    """The catalogue of a checked configuration. ``spoken`` are the dialects that we have a codec for."""
    upstreams = {name: _know(upstream) for name, upstream in settings.upstreams.items()}
    soonest = frozenset(alias for alias, model in settings.models.items() if model.soonest)
    prices = read_table(settings, quotes)
    bare = Catalog(aliases={}, upstreams=upstreams, prices=prices, spoken=spoken, soonest=soonest)
    routes = {alias: tuple(map(Target.parse, model.route)) for alias, model in settings.models.items()}
    return _filled(bare, routes, now_ms)


def _know(upstream: Upstream) -> Known:
    return Known(upstream.dialect, upstream.free, least_output_tokens(upstream))


def reprice(catalog: Catalog, quotes: Mapping[str, Quote], now_ms: int) -> Catalog:
    """The same catalogue with the prices of another list, or of another instant."""
    routes = {alias: tuple(offer.target for offer in offers) for alias, offers in catalog.aliases.items()}
    return _filled(msgspec.structs.replace(catalog, prices=catalog.prices.with_quotes(quotes)), routes, now_ms)


def _filled(catalog: Catalog, routes: Mapping[str, tuple[Target, ...]], now_ms: int) -> Catalog:
    at = msgspec.structs.replace(catalog, at_ms=now_ms, until_ms=catalog.prices.change_after_ms(now_ms))
    aliases = {
        alias: tuple(offer for target in targets if (offer := at.offer(target)) is not None)
        for alias, targets in routes.items()
    }
    return msgspec.structs.replace(at, aliases=aliases)
