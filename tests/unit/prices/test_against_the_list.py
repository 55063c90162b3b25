"""What we bill by the list's prices is what the list's own arithmetic gives, for thousands of usages."""

import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import ROUND_CEILING, Decimal
from typing import Any

import msgspec
import pytest
from genai_prices import Usage as ListUsage
from genai_prices.data_snapshot import get_snapshot
from genai_prices.types import ModelInfo, Provider, TieredPrices, TimeOfDateConstraint

from lodestard.budget import cost_nano_usd
from lodestard.domain.price import Price, Quote
from lodestard.domain.usage import Usage
from lodestard.prices.extract.timeline import read_prices
from lodestard.prices.extract.units import Unbillable

PAIRS = 5_000
MAIN = ("anthropic", "openai", "x-ai", "google", "deepseek", "mistral", "openrouter", "groq")
NANO_USD = Decimal(10**9)
# Ours → theirs; both count a part in the whole.
WORDS = {
    "prompt_tokens": "input_tokens",
    "completion_tokens": "output_tokens",
    "cached_tokens": "cache_read_tokens",
    "cache_write_tokens": "cache_write_tokens",
    "cache_write_1h_tokens": "cache_write_1h_tokens",
    "reasoning_tokens": "output_reasoning_tokens",
    "audio_prompt_tokens": "input_audio_tokens",
    "audio_cached_tokens": "cache_audio_read_tokens",
    "audio_completion_tokens": "output_audio_tokens",
    "image_prompt_tokens": "input_image_tokens",
    "image_cached_tokens": "cache_image_read_tokens",
    "image_completion_tokens": "output_image_tokens",
}


def models() -> Iterator[tuple[Provider, ModelInfo, Quote]]:
    """Every model of the list that we can bill by its tokens."""
    for provider in get_snapshot().providers:
        for model in provider.models:
            try:
                yield provider, model, Quote(prices=read_prices(provider, model))
            except Unbillable:
                continue


ALL = tuple(models())
TIERED = tuple(each for each in ALL if any(price.tiers for price in each[2].prices))


def contexts(model: ModelInfo) -> list[dict[str, str]]:
    """How requests can be served, as the list has it; nothing said is the usual way."""
    whens = [variant.when for variant in model.price_variants or ()]
    return [{}, *(dict(when) for when in whens if next(iter(when)) in ("service_tier", "processing", "speed"))]


def make_usage(dice: random.Random, price: Price) -> Usage:
    """A usage whose parts fit into their whole, near a tier's threshold as often as not."""
    starts = [tier.above_prompt_tokens for tier in price.tiers] or [200_000]
    near = dice.choice(starts) + dice.randint(-2, 2)
    prompt = dice.choice([0, 1, 999, dice.randint(0, 5_000), dice.randint(0, 1_500_000), near, near])
    audio = dice.randint(0, prompt) if price.audio_input_pico_usd is not None and dice.random() < 0.5 else 0
    images = dice.randint(0, prompt - audio) if dice.random() < 0.3 else 0
    cached_audio = dice.randint(0, audio) if price.audio_cache_read_pico_usd is not None else 0
    cached_images = dice.randint(0, images) if price.image_cache_read_pico_usd is not None else 0
    text = prompt - audio - images
    cached = dice.randint(0, text) if dice.random() < 0.7 else 0
    written = dice.randint(0, text - cached) if dice.random() < 0.5 else 0
    completion = dice.choice([0, 1, dice.randint(0, 128_000)])
    spoken = dice.randint(0, completion) if price.audio_output_pico_usd is not None and dice.random() < 0.5 else 0
    drawn = dice.randint(0, completion - spoken) if dice.random() < 0.3 else 0
    return Usage(
        prompt_tokens=prompt,
        completion_tokens=completion,
        cached_tokens=cached + cached_audio + cached_images,
        cache_write_tokens=written,
        cache_write_1h_tokens=dice.randint(0, written) if dice.random() < 0.5 else 0,
        reasoning_tokens=dice.randint(0, completion - spoken - drawn),
        audio_prompt_tokens=audio,
        audio_cached_tokens=cached_audio,
        audio_completion_tokens=spoken,
        image_prompt_tokens=images,
        image_cached_tokens=cached_images,
        image_completion_tokens=drawn,
    )


def make_instant(dice: random.Random, quote: Quote) -> datetime:
    """Some time in these years, or the second before or after a change."""
    changes = [price.since_ms for price in quote.prices if price.since_ms]
    if changes and dice.random() < 0.5:
        change = datetime.fromtimestamp(dice.choice(changes) // 1_000, UTC)
        return change + timedelta(seconds=dice.choice([-1, 0, 1]))
    return datetime(2025, 1, 1, tzinfo=UTC) + timedelta(seconds=dice.randint(0, 3 * 365 * 86_400))


def instants(model: ModelInfo, at: datetime) -> list[datetime]:
    """Where prices go by the time of day: all the hours of that day, of which we take the dearest."""
    if isinstance(model.prices, list) and any(isinstance(c.constraint, TimeOfDateConstraint) for c in model.prices):
        return [at.replace(hour=hour, minute=minute) for hour in range(24) for minute in (0, 30)]
    return [at]


def list_cost(provider: Provider, model: ModelInfo, usage: Usage, at: datetime, context: dict[str, str]) -> Decimal:
    """In nano-USD, as the list's own package works it out."""
    counted: dict[str, Any] = {theirs: getattr(usage, ours) for ours, theirs in WORDS.items()}
    costs = [
        model.calc_price(
            ListUsage(**counted), provider, genai_request_timestamp=instant, price_context=context
        ).total_price
        for instant in instants(model, at)
    ]
    return max(costs) * NANO_USD


def is_finer_than_pico(model: ModelInfo) -> bool:
    """Whether some rate is no whole number of pico-USD a token (or of nano-USD a request)."""
    prices = [each.prices for each in model.prices] if isinstance(model.prices, list) else [model.prices]
    prices += [variant.prices for variant in model.price_variants or ()]
    values = [value for each in prices for value in vars(each).values() if value is not None]
    return any((rate * 10**6) % 1 for value in values for rate in rates_of(value))


def rates_of(value: Decimal | TieredPrices) -> list[Decimal]:
    return [value.base, *(tier.price for tier in value.tiers)] if isinstance(value, TieredPrices) else [value]


@pytest.mark.repeats
def test_five_thousand_usages_cost_what_the_list_says() -> None:
    dice = random.Random(20_261_125)
    compared = exact = tiered = served = dated = 0
    while compared < PAIRS:
        provider, model, quote = dice.choice(TIERED if dice.random() < 0.3 else ALL)
        at, context = make_instant(dice, quote), dice.choice(contexts(model))
        price = quote.price_at(int(at.timestamp()) * 1_000)
        assert price is not None
        tier = next(iter(context.values()), "")
        usage = msgspec.structs.replace(make_usage(dice, price), service_tier=tier)
        ours = cost_nano_usd(usage, price)
        if ours is None:  # a service tier that the list does not know yet at that time
            assert tier
            assert not price.knows_tier(tier)
            continue
        theirs = list_cost(provider, model, usage, at, context)
        least = int(theirs.to_integral_value(ROUND_CEILING))
        if is_finer_than_pico(model):
            tokens = usage.prompt_tokens + usage.completion_tokens
            assert least <= ours <= least + 1 + tokens // 1_000, (model.id, usage, price)
        else:
            assert ours == least, (provider.id, model.id, at, context, usage, price)
            exact += 1
        compared += 1
        tiered += any(usage.prompt_tokens > each.above_prompt_tokens for each in price.tiers)
        served += bool(tier)
        dated += len(quote.prices) > 1
    assert exact > 0.95 * PAIRS
    assert min(tiered, served, dated) > 0.04 * PAIRS, "the dice must meet tiers, service tiers and dates"


@pytest.mark.parametrize("provider", MAIN)
def test_every_main_provider_has_models_that_we_can_bill(provider: str) -> None:
    assert any(each[0].id == provider for each in ALL)
