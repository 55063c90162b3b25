"""What is asked of the price list, and what it answered. Pure.

Law: a list is for the very targets that were asked for, by one version of the package; one that is not is no list.
An instant is handed in.
"""

from collections.abc import Mapping
from typing import Literal

import msgspec

from lodestard.domain.price import Quote
from lodestard.domain.provider import may_be_listed
from lodestard.domain.settings import Settings, Upstream
from lodestard.domain.upstream import Target

PACKAGE = "genai-prices"


class Wanted(msgspec.Struct, frozen=True, kw_only=True, order=True):
    """One target: ``name`` is "upstream/model"; ``provider`` is the list's name for its provider, or empty where the
    ``url`` tells.
    """

    name: str
    model: str
    url: str = ""
    provider: str = ""


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """What ``extract`` is given."""

    targets: tuple[Wanted, ...]


class PriceList(msgspec.Struct, frozen=True, kw_only=True):
    """What ``extract`` gives, and what the file holds. ``version`` is the package's."""

    form: Literal[1] = 1
    version: str
    made_ms: int
    asked: tuple[Wanted, ...]
    quotes: dict[str, Quote]


class PriceBook(msgspec.Struct, frozen=True, kw_only=True):
    """The list that holds now. ``version`` is empty where there is none."""

    quotes: Mapping[str, Quote] = {}
    version: str = ""
    made_ms: int = 0
    asked: tuple[Wanted, ...] = ()

    def change_after_ms(self, now_ms: int) -> int | None:
        """When some listed price changes next, or None."""
        changes = (quote.change_after_ms(now_ms) for quote in self.quotes.values())
        return min((change for change in changes if change is not None), default=None)

    def covers(self, wanted: tuple[Wanted, ...], version: str) -> bool:
        """Whether it was made for these targets by this version of the package."""
        return bool(self.version) and self.asked == wanted and self.version == version

    def only(self, wanted: tuple[Wanted, ...]) -> "PriceBook":
        """What it says of these very targets: the same model of the same provider under the same name."""
        kept = tuple(want for want in self.asked if want in set(wanted))
        if len(kept) == len(self.asked):
            return self
        quotes = {want.name: self.quotes[want.name] for want in kept if want.name in self.quotes}
        return msgspec.structs.replace(self, quotes=quotes, asked=kept)


EMPTY = PriceBook()


def open_book(listed: PriceList) -> PriceBook:
    return PriceBook(quotes=listed.quotes, version=listed.version, made_ms=listed.made_ms, asked=listed.asked)


def plan_list(settings: Settings) -> tuple[Wanted, ...]:
    """The targets whose list prices are wanted: those that routes name, those that ``[prices]`` names (to see where
    the two differ) and the baseline. What is free is not asked for, and neither is what no public list can know.
    """
    if not settings.price_book.enabled:
        return ()
    routed = {name for model in settings.models.values() for name in model.route}
    baseline = {settings.ledger.baseline} if settings.ledger.baseline else set()
    wanted = (_want(name, settings.upstreams) for name in sorted(routed | set(settings.prices) | baseline))
    return tuple(want for want in wanted if want is not None)


def needed_at_once(settings: Settings) -> tuple[str, ...]:
    """The wanted targets that routes name and that have no price without the list."""
    routed = {name for model in settings.models.values() for name in model.route}
    priced = {name for name, price in settings.prices.items() if price.has_rates}
    return tuple(want.name for want in plan_list(settings) if want.name in routed - priced)


def _want(name: str, upstreams: Mapping[str, Upstream]) -> Wanted | None:
    target = Target.parse(name)
    upstream = upstreams.get(target.upstream)
    if upstream is None:  # a baseline that nobody here can be asked for: its provider by name
        return Wanted(name=name, model=target.model, provider=target.upstream)
    if not may_be_listed(upstream):
        return None
    return Wanted(name=name, model=target.model, url=upstream.url, provider=upstream.price_provider)
