"""``prices``, ``prices.check``, ``costs.explain``."""

from collections.abc import Iterator

import msgspec

from lodestard.control.messages.prices import (
    CostExplanation,
    PriceCheck,
    PriceRates,
    PriceRow,
    PricesReport,
    PriceState,
)
from lodestard.control.verbs.cost_lines import explain_cost
from lodestard.control.verbs.desk import BookState, Desk
from lodestard.control.verbs.price_check import check_prices
from lodestard.control.verbs.requests import find_request
from lodestard.domain.errors import CallerFault, Code
from lodestard.domain.near import did_you_mean
from lodestard.domain.price import Price, Quote, Rates, Tier
from lodestard.domain.settings import Settings
from lodestard.domain.upstream import Target
from lodestard.domain.verbs import Argument, Arguments, Verb
from lodestard.runtime import Runtime

RATES = tuple(Rates.__struct_fields__)
BOUNDS = ("request_nano_usd", "max_output_tokens", "max_reasoning_tokens", "context_tokens")


def price_verbs(desk: Desk) -> tuple[Verb, ...]:
    async def prices(arguments: Arguments) -> PricesReport:
        return list_prices(desk.runtime, desk.price_book(), arguments["model"] or "")

    async def check(_arguments: Arguments) -> PriceCheck:
        return check_prices(desk.runtime, desk.price_book())

    async def explain(arguments: Arguments) -> CostExplanation:
        return explain_cost(await find_request(desk, arguments["id"]), desk.itemise)

    model = (Argument(name="model", help="only this alias or upstream/model"),)
    which = (Argument(name="id", required=True, help="the request's id, or the end of it"),)
    return (
        Verb(name="prices", summary="what models cost", needs="read", arguments=model, answer=prices),
        Verb(name="prices.check", summary="what is wrong with prices", needs="read", answer=check),
        Verb(name="costs.explain", summary="how a cost came about", needs="read", arguments=which, answer=explain),
    )


def list_prices(runtime: Runtime, book: BookState, model: str = "") -> PricesReport:
    """Every configured target, or those of ``model``. Raises ``CallerFault`` for one that is not configured."""
    names = _names(runtime.settings, model)
    return PricesReport(
        prices=tuple(price_row(name, runtime, book.quotes.get(name, Quote())) for name in names),
        list_version=book.version,
        list_made_ms=book.made_ms,
        problem=book.problem,
    )


def _names(settings: Settings, model: str) -> tuple[str, ...]:
    routed = [name for each in settings.models.values() for name in each.route]
    everything = tuple(dict.fromkeys([*routed, *settings.prices, *filter(None, [settings.ledger.baseline])]))
    if not model:
        return everything
    if model in settings.models:
        return settings.models[model].route
    found = tuple(name for name in everything if model in (name, Target.parse(name).model))
    if not found:
        near = did_you_mean(model, [*settings.models, *everything])
        hint = f" Did you mean {near}?" if near else ""
        raise CallerFault(Code.MODEL_NOT_FOUND, f"No model {model!r} is configured.{hint}", param="model")
    return found


def price_row(name: str, runtime: Runtime, quote: Quote) -> PriceRow:
    """One target, with its price and those to come."""
    settings, target = runtime.settings, Target.parse(name)
    price = runtime.routes.price_of(target)
    kinds = {"config": "own", "ceiling": "ceiling", "free": "free"}
    kind = "unpriced" if price is None else kinds.get(price.source, "list")
    now_ms = runtime.clock.now_ms()
    coming = [later for later in quote.prices if later.since_ms > now_ms] if kind == "list" else []
    row = PriceRow(
        target=name,
        kind="unpriced",
        now=None if price is None or kind == "free" else price_state(price),
        next=tuple(price_state(later) for later in coming),
        listed_as=quote.listed_as,
        retired=quote.retired,
        problem=quote.problem if name not in settings.prices or kind != "own" else "",
    )
    return msgspec.structs.replace(row, kind=kind)


def price_state(price: Price) -> PriceState:
    """All of a price."""
    bounds = {name: getattr(price, name) for name in BOUNDS}
    return PriceState(
        rates=tuple(_all_rates(price)),
        version=price.version,
        source=price.source,
        since_ms=price.since_ms,
        **bounds,
    )


def _all_rates(price: Price) -> Iterator[PriceRates]:
    yield from _tiered(price, price.tiers, "")
    for service in price.service_tiers:
        yield from _tiered(service.rates, service.tiers, service.name)


def _tiered(rates: Rates, tiers: tuple[Tier, ...], service_tier: str) -> Iterator[PriceRates]:
    yield _rates(rates, service_tier, None)
    for tier in tiers:
        yield _rates(tier.rates, service_tier, tier.above_prompt_tokens)


def _rates(rates: Rates, service_tier: str, above: int | None) -> PriceRates:
    named = {name: getattr(rates, name) for name in RATES}
    return PriceRates(service_tier=service_tier, above_prompt_tokens=above, **named)
