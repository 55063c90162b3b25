"""What the types can't say of prices: which rates make sense together, and who has none. Pure."""

from collections.abc import Iterator, Mapping
from decimal import Decimal

from lodestard.config.convert import Finding
from lodestard.config.fault import KeyPath
from lodestard.domain.money import parse_nano_usd, parse_price
from lodestard.domain.provider import may_be_listed
from lodestard.domain.settings import ModelPrice, PriceTier, RateTable, Settings, Upstream
from lodestard.domain.upstream import Target

RATES = tuple(RateTable.__struct_fields__)
EXPECTED = "expected US dollars per million tokens, from 0 up"


def check_prices(settings: Settings) -> Iterator[Finding]:
    """All findings of ``[prices]`` and ``[price_book]``."""
    for text, price in settings.prices.items():
        path = ("prices", text)
        yield from _check_price(path, price)
        yield from _check_whole(path, price, listed=settings.price_book.enabled)
        yield from _check_priced(path, text, settings.upstreams)
    ceiling = settings.price_book.ceiling
    if ceiling is not None:
        rates = RateTable(input=ceiling.input, output=ceiling.output)
        yield from _check_rates(("price_book", "ceiling"), rates)


def check_paid(path: KeyPath, text: str, upstream: Upstream, settings: Settings) -> Iterator[Finding]:
    """Whether a target of a paid upstream can have a price at all."""
    price = settings.prices.get(text)
    listed = settings.price_book.enabled and may_be_listed(upstream)
    if not (listed or settings.price_book.ceiling is not None or (price is not None and price.has_rates)):
        yield Finding(path, f'no price: {text} is refused until [prices."{text}"] says what it costs', fatal=False)


def _check_price(path: KeyPath, price: ModelPrice) -> Iterator[Finding]:
    yield from _check_rates(path, price)
    yield from _check_tiers((*path, "tiers"), price.tiers)
    for name, service in price.service_tiers.items():
        yield from _check_rates((*path, "service_tiers", name), service)
        yield from _check_tiers((*path, "service_tiers", name, "tiers"), service.tiers)
    try:
        parse_nano_usd(price.request or Decimal(0))
    except ValueError:
        yield Finding((*path, "request"), "expected US dollars, from 0 up")


def _check_tiers(path: KeyPath, tiers: tuple[PriceTier, ...]) -> Iterator[Finding]:
    for index, tier in enumerate(tiers):
        yield from _check_rates((*path, index), tier)
    starts = [tier.above_prompt_tokens for tier in tiers]
    if len(set(starts)) != len(starts):
        yield Finding(path, "two tiers begin above the same number of prompt tokens")


def _check_rates(path: KeyPath, table: RateTable) -> Iterator[Finding]:
    for name in RATES:
        rate: Decimal | None = getattr(table, name)
        try:
            parse_price(rate or Decimal(0))
        except ValueError:
            yield Finding((*path, name), EXPECTED)


def _check_whole(path: KeyPath, price: ModelPrice, *, listed: bool) -> Iterator[Finding]:
    """A price has input and output, or neither: then it only bounds what the price list says."""
    if price.has_rates:
        return
    rates = [name for name in RATES if getattr(price, name) is not None]
    if rates or price.tiers or price.service_tiers:
        yield Finding(path, "a price needs both input and output; without them only bounds make sense here")
    elif not listed:
        yield Finding(path, "says no price, and [price_book] is off", fatal=False)


def _check_priced(path: KeyPath, text: str, upstreams: Mapping[str, Upstream]) -> Iterator[Finding]:
    try:
        target = Target.parse(text)
    except ValueError:
        yield Finding(path, 'the name of a price is "upstream/model"')
        return
    upstream = upstreams.get(target.upstream)
    if upstream is not None and upstream.free:
        yield Finding(path, f"{target.upstream} is free: this price is not used to bill", fatal=False)
