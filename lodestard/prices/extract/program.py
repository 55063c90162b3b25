"""What the list says of each wanted target: its prices, or why we can't bill by them."""

import sys

import msgspec
from genai_prices import __version__ as package_version
from genai_prices.data_snapshot import get_snapshot
from genai_prices.types import Provider

from lodestard.domain.clock import SystemClock
from lodestard.domain.price import Quote
from lodestard.prices.book import Asked, PriceList, Wanted
from lodestard.prices.extract.timeline import read_prices
from lodestard.prices.extract.units import Unbillable


def main() -> int:
    asked = msgspec.json.decode(sys.stdin.buffer.read(), type=Asked)
    listed = PriceList(
        version=package_version,
        made_ms=SystemClock().now_ms(),
        asked=asked.targets,
        quotes={want.name: quote(want) for want in asked.targets},
    )
    sys.stdout.buffer.write(msgspec.json.encode(listed))
    return 0


def quote(want: Wanted) -> Quote:
    """What the list says of one target."""
    provider = find_provider(want)
    if provider is None:
        what = f"no provider {want.provider!r}" if want.provider else "no provider with this URL; set price_provider"
        return Quote(problem=f"the price list knows {what}")
    model = provider.find_model(want.model, all_providers=get_snapshot().providers)
    if model is None:
        why = f"the price list has no {want.model!r} of {provider.id}: new, misspelt or long retired"
        return Quote(provider=provider.id, problem=why)
    found = Quote(provider=provider.id, listed_as=f"{provider.id}/{model.id}", retired=bool(model.deprecated))
    try:
        return msgspec.structs.replace(found, prices=read_prices(provider, model))
    except Unbillable as error:
        return msgspec.structs.replace(found, problem=str(error))


def find_provider(want: Wanted) -> Provider | None:
    """By the name that was given, otherwise by the URL."""
    try:
        return get_snapshot().find_provider(None, want.provider or None, None if want.provider else want.url)
    except LookupError:
        return None
