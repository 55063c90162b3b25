"""The list's words → our prices: conditions, tiers, variants, units that we can't bill by."""

import io
import sys
from datetime import UTC, date, datetime, time
from decimal import Decimal

import msgspec
import pytest
from genai_prices.types import (
    ClauseEquals,
    ConditionalPrice,
    ModelInfo,
    ModelPrice,
    PriceVariant,
    Provider,
    StartDateConstraint,
    Tier,
    TieredPrices,
    TimeOfDateConstraint,
)

from lodestard.domain.price import Price, Rates, ServiceTier
from lodestard.prices.book import Asked, PriceList, Wanted
from lodestard.prices.extract import program
from lodestard.prices.extract.timeline import read_prices
from lodestard.prices.extract.units import Unbillable

PLAIN = ModelPrice(input_mtok=Decimal(1), output_mtok=Decimal(4))
DAY_MS = 86_400_000


def day_ms(year: int, month: int, day: int) -> int:
    return int(datetime(year, month, day, tzinfo=UTC).timestamp()) * 1_000


def read(
    prices: ModelPrice | list[ConditionalPrice],
    variants: list[PriceVariant] | None = None,
    *,
    provider: str = "openai",
    model: str = "m",
    context: int | None = None,
) -> tuple[Price, ...]:
    info = ModelInfo(
        id=model, match=ClauseEquals(model), prices=prices, price_variants=variants, context_window=context
    )
    return read_prices(Provider(id=provider, name=provider, api_pattern="x", models=[info]), info)


def test_a_plain_price_names_what_is_named_and_nothing_else() -> None:
    assert read(PLAIN, context=8_000) == (
        Price(
            input_pico_usd=1_000_000,
            output_pico_usd=4_000_000,
            context_tokens=8_000,
            source="genai-prices openai/m",
        ),
    )


def test_every_unit_that_we_bill_by_is_read() -> None:
    keys = {
        "input_mtok": 1,
        "output_mtok": 2,
        "cache_read_mtok": 3,
        "cache_write_mtok": 4,
        "cache_write_1h_mtok": 5,
        "input_audio_mtok": 6,
        "cache_audio_read_mtok": 7,
        "output_audio_mtok": 8,
        "input_image_mtok": 9,
        "cache_image_read_mtok": 10,
        "output_image_mtok": 11,
        "output_reasoning_mtok": 12,
    }
    (price,) = read(
        ModelPrice(**{key: Decimal(value) for key, value in keys.items()}, requests_kcount=Decimal("0.0000015"))
    )

    assert sorted(getattr(price, name) for name in Rates.__struct_fields__) == [n * 1_000_000 for n in range(1, 13)]
    assert price.request_nano_usd == 2, "rounded up"


def test_what_is_finer_than_a_pico_dollar_is_rounded_up() -> None:
    (price,) = read(ModelPrice(input_mtok=Decimal("0.0833333333333333"), output_mtok=Decimal("1.0000001")))

    assert (price.input_pico_usd, price.output_pico_usd) == (83_334, 1_000_001)


def test_a_threshold_prices_every_unit_anew() -> None:
    tiered = ModelPrice(
        input_mtok=TieredPrices(base=Decimal(3), tiers=[Tier(start=200_000, price=Decimal(6))]),
        output_mtok=TieredPrices(base=Decimal(15), tiers=[Tier(start=400_000, price=Decimal("22.5"))]),
        cache_read_mtok=Decimal("0.3"),
    )
    (price,) = read(tiered)

    assert [
        (tier.above_prompt_tokens, tier.rates.input_pico_usd, tier.rates.output_pico_usd) for tier in price.tiers
    ] == [
        (200_000, 6_000_000, 15_000_000),
        (400_000, 6_000_000, 22_500_000),
    ]
    assert {tier.rates.cache_read_pico_usd for tier in price.tiers} == {300_000}


def test_dates_come_in_their_order_and_what_does_not_change_is_told_once() -> None:
    dearer = ModelPrice(input_mtok=Decimal(2), output_mtok=Decimal(4))
    prices = read(
        [
            ConditionalPrice(prices=PLAIN),
            ConditionalPrice(StartDateConstraint(date(2026, 5, 1)), prices=dearer),
            ConditionalPrice(StartDateConstraint(date(2026, 7, 1)), prices=dearer),
        ]
    )

    assert [(price.since_ms, price.input_pico_usd) for price in prices] == [
        (0, 1_000_000),
        (day_ms(2026, 5, 1), 2_000_000),
    ]


def test_where_no_condition_holds_the_first_price_does() -> None:
    late = StartDateConstraint(date(2030, 1, 1))
    prices = read([ConditionalPrice(late, prices=PLAIN)])

    assert [(price.since_ms, price.input_pico_usd) for price in prices] == [(0, 1_000_000)]


def test_of_the_prices_of_a_day_each_rate_is_the_dearest() -> None:
    night = TimeOfDateConstraint(time(16, 30, tzinfo=UTC), time(0, 30, tzinfo=UTC))
    tiered = TieredPrices(base=Decimal(2), tiers=[Tier(start=100, price=Decimal(9))])
    prices = read(
        [
            ConditionalPrice(prices=ModelPrice(input_mtok=Decimal(3), output_mtok=Decimal(1))),
            ConditionalPrice(night, prices=ModelPrice(input_mtok=tiered, output_mtok=Decimal(5))),
            ConditionalPrice(StartDateConstraint(date(2026, 1, 1)), prices=PLAIN),
        ]
    )

    assert [price.input_pico_usd for price in prices] == [3_000_000, 1_000_000], "a later date ends the times of day"
    assert prices[0].output_pico_usd == 5_000_000
    assert [tier.rates.input_pico_usd for tier in prices[0].tiers] == [9_000_000]


def test_variants_are_laid_over_what_is_usual() -> None:
    usual = ModelPrice(
        input_mtok=TieredPrices(base=Decimal(2), tiers=[Tier(start=100, price=Decimal(4))]),
        output_mtok=Decimal(8),
        cache_read_mtok=Decimal(1),
    )
    (before, after) = read(
        usual,
        [
            PriceVariant({"service_tier": "default"}, ModelPrice()),
            PriceVariant({"service_tier": "flex"}, ModelPrice(input_mtok=Decimal(1))),
            PriceVariant({"processing": "batch"}, ModelPrice(output_mtok=Decimal(4))),
            PriceVariant({"search_type": "fast"}, ModelPrice(web_searches_kcount=Decimal(1))),
            PriceVariant(
                {"service_tier": "priority"}, ModelPrice(input_mtok=Decimal(5)), StartDateConstraint(date(2026, 3, 1))
            ),
            PriceVariant({"service_tier": "priority"}, ModelPrice(input_mtok=Decimal(7), output_mtok=Decimal(16))),
            PriceVariant({"route": "eu"}, ModelPrice(output_mtok=Decimal(9))),
        ],
    )

    names = [service.name for service in after.service_tiers]
    assert names == ["batch", "flex", "priority", "route=eu"], "default is what is usual"
    assert after.service_tiers[1] == ServiceTier(
        name="flex", rates=Rates(input_pico_usd=1_000_000, output_pico_usd=8_000_000, cache_read_pico_usd=1_000_000)
    ), "one rate for all lengths replaces the tiers of that unit"
    batch = after.service_tiers[0]
    assert (batch.rates.output_pico_usd, batch.tiers[0].above_prompt_tokens) == (4_000_000, 100)
    priority = [{service.name: service for service in price.service_tiers}["priority"] for price in (before, after)]
    assert [tier.rates.input_pico_usd for tier in priority] == [7_000_000, 5_000_000], "the first that names it"
    assert [tier.rates.output_pico_usd for tier in priority] == [16_000_000, 16_000_000]


def test_variants_of_another_provider_s_model_are_not_this_one_s() -> None:
    variant = PriceVariant({"service_tier": "priority"}, ModelPrice(input_mtok=Decimal(9)))
    info = ModelInfo(id="m", match=ClauseEquals("m"), prices=PLAIN, price_variants=[variant])

    assert read_prices(Provider(id="azure", name="azure", api_pattern="x"), info)[0].service_tiers == ()


@pytest.mark.parametrize(("model", "bound"), [("grok-4", 256_000), ("grok-4-1-fast-non-reasoning", 0)])
def test_what_xai_bills_beside_the_limit_is_bounded_by_the_context(model: str, bound: int) -> None:
    (price,) = read(PLAIN, provider="x-ai", model=model, context=256_000)

    assert price.max_reasoning_tokens == bound
    assert read(PLAIN, model=model, context=256_000)[0].max_reasoning_tokens is None


@pytest.mark.parametrize(
    ("keys", "model", "why"),
    [
        ({"output_mtok": 1}, "m", "no input rate"),
        ({"input_mtok": 1, "output_audio_mtok": 2}, "m", "no output rate"),
        ({}, "m", "no input rate"),
        ({"input_mtok": 1, "output_mtok": 1, "audio_hours": 3}, "m", "bills audio_hours"),
        ({"input_mtok": 1, "output_mtok": 1, "input_video_mtok": 2}, "m", "bills input_video_mtok"),
        ({"input_mtok": 1, "output_mtok": 1, "output_video_mtok": 2}, "m", "bills output_video_mtok"),
        ({"input_mtok": 1, "output_mtok": 1, "cache_text_write_mtok": 2}, "m", "bills cache_text_write_mtok"),
        ({"input_mtok": 1, "output_mtok": 1, "cache_text_write_1h_mtok": 2}, "m", "bills cache_text_write_1h_mtok"),
        ({"input_mtok": 1, "output_mtok": 1}, "gpt-4o-search-preview", "searches unasked"),
        ({"input_mtok": 1, "output_mtok": 1, "web_searches_kcount": 5}, "sonar", "searches unasked"),
    ],
)
def test_what_we_cannot_bill_by_is_no_price(keys: dict[str, int], model: str, why: str) -> None:
    with pytest.raises(Unbillable, match=why):
        read(ModelPrice(**{key: Decimal(value) for key, value in keys.items()}), model=model)


@pytest.mark.parametrize(
    ("keys", "model"),
    [
        ({"web_searches_kcount": 10, "storage_searches_kcount": 2}, "m"),  # asked for only, and then refused
        ({"input_video_mtok": 1}, "m"),  # no dearer than what it is billed as
        ({"output_citation_mtok": 1}, "m"),
        ({"cache_read_mtok": 1, "cache_text_read_mtok": 1}, "m"),
        ({"requests_kcount": 12}, "sonar"),  # a fee for each request
    ],
)
def test_what_costs_no_more_than_it_is_billed_as_is_no_matter(keys: dict[str, int], model: str) -> None:
    everything = {"input_mtok": 1, "output_mtok": 1, **keys}
    (price,) = read(ModelPrice(**{key: Decimal(value) for key, value in everything.items()}), model=model)

    assert price.input_pico_usd == 1_000_000


def test_what_names_no_output_is_of_embeddings_alone() -> None:
    """Text is all that is embedded, so what a film would cost is no matter."""
    keys = {"input_mtok": 2, "cache_read_mtok": 1, "input_audio_mtok": 7, "input_video_mtok": 12}
    (price,) = read(ModelPrice(**{key: Decimal(value) for key, value in keys.items()}))

    assert (price.input_pico_usd, price.output_pico_usd, price.cache_read_pico_usd) == (2_000_000, 0, 1_000_000)
    assert (price.embeds_only, price.free) == (True, False)
    assert not read(PLAIN)[0].embeds_only


@pytest.mark.parametrize(
    ("model", "provider", "pico_usd"),
    [
        ("text-embedding-3-small", "openai", 20_000),
        ("text-embedding-3-large", "openai", 130_000),
        ("gemini-embedding-001", "google", 150_000),
        ("gemini-embedding-2", "google", 200_000),
    ],
)
def test_embedding_models_of_the_list_have_a_price(model: str, provider: str, pico_usd: int) -> None:
    prices = program.quote(listed("x/e", model, provider=provider)).prices

    assert prices[0].input_pico_usd == pico_usd
    assert all(price.embeds_only for price in prices)


def listed(name: str, model: str, url: str = "", provider: str = "") -> Wanted:
    return Wanted(name=name, model=model, url=url, provider=provider)


def test_the_configured_models_are_found_by_their_address_or_their_provider() -> None:
    sonnet = program.quote(listed("a/s", "claude-sonnet-4-5-20250929", "https://api.anthropic.com/v1"))
    gemini = program.quote(listed("g/f", "gemini-1.5-flash", provider="google"))
    native = program.quote(listed("g/f", "gemini-2.5-flash", "https://generativelanguage.googleapis.com/v1beta"))
    old = program.quote(listed("x/g", "grok-2-1212", "https://api.x.ai/v1"))

    assert sonnet.listed_as == "anthropic/claude-sonnet-4-5"
    assert sonnet.prices[-1].tiers[0].above_prompt_tokens == 200_000
    assert sonnet.prices[-1].cache_write_1h_pico_usd == 6_000_000
    assert gemini.prices
    assert (native.listed_as, bool(native.prices)) == ("google/gemini-2.5-flash", True)
    assert old.retired
    assert old.prices


@pytest.mark.parametrize(
    ("want", "why"),
    [
        (listed("xai/grok-beta", "grok-beta", "https://api.x.ai/v1"), "no 'grok-beta' of x-ai"),
        (listed("a/m", "gpt-4o", "https://llm.example.org/v1"), "set price_provider"),
        (listed("a/m", "gpt-4o", provider="nobody"), "no provider 'nobody'"),
    ],
)
def test_what_the_list_does_not_know_has_a_reason(want: Wanted, why: str) -> None:
    found = program.quote(want)

    assert found.prices == ()
    assert why in found.problem
    assert (found.provider != "") == ("provider" not in why)


def test_the_program_answers_what_it_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = Asked(targets=(listed("openai/gpt-4o", "gpt-4o", "https://api.openai.com/v1"),))
    said = io.TextIOWrapper(io.BytesIO())
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(msgspec.json.encode(asked))))
    monkeypatch.setattr(sys, "stdout", said)

    assert program.main() == 0
    answer = msgspec.json.decode(said.buffer.getvalue(), type=PriceList)
    assert answer.asked == asked.targets
    assert answer.quotes["openai/gpt-4o"].prices
