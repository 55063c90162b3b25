"""A model's conditional prices → prices by the date from which they hold.

Law: as ``genai-prices`` means it: of several conditions the last one that holds wins, and the first price where none
does; a variant lays its rates over the standard ones. Times of day are no dates: of the prices that a day has, each
rate is the dearest one, for no provider says which instant of a request counts.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, time
from decimal import Decimal

import msgspec
from genai_prices.types import (
    ConditionalPrice,
    ModelInfo,
    ModelPrice,
    PriceVariant,
    Provider,
    StartDateConstraint,
    TieredPrices,
    TimeOfDateConstraint,
)

from lodestard.domain.price import USUAL_TIERS, Price, Rates, ServiceTier
from lodestard.prices.extract.units import (
    Keys,
    dearest,
    embeds_only,
    keys_of,
    of_vectors,
    price_of,
    rates_of,
    request_nano_usd,
)

Constraint = StartDateConstraint | TimeOfDateConstraint | None
_NAMING = ("service_tier", "processing", "speed")  # what an answer tells of, under one name each
_NEVER_MIND = ("search_type",)  # changes what a search costs, and searches are refused
_BESIDE = "x-ai"
_SAYS_NOTHING = "-non-reasoning"


def read_prices(provider: Provider, model: ModelInfo) -> tuple[Price, ...]:
    """The model's prices, ascending by date. Raises ``Unbillable`` where one of them can't be billed by tokens."""
    own = any(
        model is listed for listed in provider.models
    )  # variants of another provider's model are not this one's
    variants = (model.price_variants or []) if own else []
    conditional = (
        [ConditionalPrice(prices=model.prices)] if isinstance(model.prices, ModelPrice) else list(model.prices)
    )
    found: list[Price] = []
    for day in _days(conditional, variants):
        price = _price_on(day, conditional, variants, provider, model)
        if not found or msgspec.structs.replace(found[-1], since_ms=0) != msgspec.structs.replace(price, since_ms=0):
            found.append(price)
    return tuple(found)


def _days(conditional: Sequence[ConditionalPrice], variants: Sequence[PriceVariant]) -> list[date]:
    constraints = [*(each.constraint for each in conditional), *(each.constraint for each in variants)]
    starts = {each.start_date for each in constraints if isinstance(each, StartDateConstraint)}
    return [date.min, *sorted(starts)]


def _price_on(
    day: date,
    conditional: Sequence[ConditionalPrice],
    variants: Sequence[PriceVariant],
    provider: Provider,
    model: ModelInfo,
) -> Price:
    standards = [keys_of(prices) for prices in _standards_on(day, conditional)]
    embedding = embeds_only(standards)
    if embedding:
        standards = [of_vectors(keys) for keys in standards]
    base = price_of([dearest(standards)], provider.id, model.id)
    active = [variant for variant in variants if _on(day, variant.constraint)]
    services = tuple(_services(standards, active, base))
    return msgspec.structs.replace(
        base,
        service_tiers=services,
        request_nano_usd=request_nano_usd(dearest(standards)),
        context_tokens=model.context_window,
        max_reasoning_tokens=_beside(provider, model),
        source=f"genai-prices {provider.id}/{model.id}",
        since_ms=_midnight_ms(day),
        embeds_only=embedding,
    )


def _standards_on(day: date, conditional: Sequence[ConditionalPrice]) -> list[ModelPrice]:
    """The prices that a day may have: those of times of day, and the one that holds at all other times."""
    found = []
    for each in reversed(conditional):
        if isinstance(each.constraint, TimeOfDateConstraint):
            found.append(each.prices)
        elif _on(day, each.constraint):
            return [*found, each.prices]
    return [*found, conditional[0].prices]


def _on(day: date, constraint: Constraint) -> bool:
    return not isinstance(constraint, StartDateConstraint) or day >= constraint.start_date


def _services(standards: Sequence[Keys], variants: Sequence[PriceVariant], base: Price) -> Iterator[ServiceTier]:
    """Each service tier's own rates. One that costs what is usual under a usual name need not be told."""
    for name, when in _named(variants).items():
        over: dict[str, Decimal | TieredPrices] = {}
        for variant in variants:
            if all(when.get(key) == value for key, value in variant.when.items()):
                for key, value in keys_of(variant.prices).items():
                    over.setdefault(key, value)
        rates, tiers = rates_of(dearest([{**standard, **over} for standard in standards]))
        usual = Rates(**{field: getattr(base, field) for field in Rates.__struct_fields__})
        if (rates, tiers) != (usual, base.tiers) or name not in USUAL_TIERS:
            yield ServiceTier(name=name, rates=rates, tiers=tiers)


def _named(variants: Sequence[PriceVariant]) -> Mapping[str, Mapping[str, str]]:
    """What the variants ask for, by the name that we give it."""
    named: dict[str, Mapping[str, str]] = {}
    for variant in variants:
        when = variant.when
        if set(when) <= set(_NEVER_MIND):
            continue
        alone = next(iter(when.items()))
        name = alone[1] if len(when) == 1 and alone[0] in _NAMING else ",".join(f"{k}={v}" for k, v in when.items())
        named.setdefault(name, when)
    return dict(sorted(named.items()))


def _beside(provider: Provider, model: ModelInfo) -> int | None:
    """xAI bills reasoning beside the limit that a request names, and its context alone bounds it."""
    if provider.id != _BESIDE:
        return None
    return 0 if model.id.endswith(_SAYS_NOTHING) else model.context_window


def _midnight_ms(day: date) -> int:
    if day == date.min:
        return 0
    since = datetime.combine(day, time(), UTC) - datetime(1970, 1, 1, tzinfo=UTC)
    return since.days * 86_400_000
