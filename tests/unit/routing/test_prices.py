"""Whose price holds, and when: one's own, the list's, the ceiling; taken live."""

from collections.abc import Mapping
from decimal import Decimal

import msgspec
import pytest

from lodestard.domain.errors import CallerFault, Code
from lodestard.domain.price import Price, Quote, Rates, ServiceTier, Tier
from lodestard.domain.settings import (
    Ceiling,
    Ledger,
    Model,
    ModelPrice,
    PriceBook,
    PriceTier,
    ServiceTierPrice,
    Settings,
    Upstream,
)
from lodestard.domain.upstream import Target
from lodestard.routing.catalog import baseline_price, build_catalog
from lodestard.routing.price_table import LONGEST_ANSWER_TOKENS, read_price, read_table
from lodestard.routing.routes import Routes

SPOKEN = frozenset({"openai"})
LISTED = Price(input_pico_usd=10, output_pico_usd=20, context_tokens=500, source="genai-prices x")
LATER = msgspec.structs.replace(LISTED, input_pico_usd=99, since_ms=1_000)
NAMES = ("openai/own", "openai/listed", "openai/tuned", "openai/unknown", "xai/grok", "free/m")
SETTINGS = Settings(
    upstreams={
        "openai": Upstream(dialect="openai", url="https://api.openai.com/v1"),
        "xai": Upstream(dialect="openai", url="https://api.x.ai/v1"),
        "free": Upstream(dialect="openai", url="http://127.0.0.1:1", free=True),
    },
    models={name.partition("/")[2]: Model(route=(name,)) for name in NAMES},
    prices={
        "openai/own": ModelPrice(input=Decimal(1), output=Decimal(2)),
        "openai/tuned": ModelPrice(max_output_tokens=77, max_reasoning_tokens=3, request=Decimal("0.000001")),
    },
    ledger=Ledger(baseline="openai/listed"),
)
QUOTES: Mapping[str, Quote] = {
    "openai/own": Quote(prices=(LISTED,)),
    "openai/listed": Quote(prices=(LISTED, LATER)),
    "openai/tuned": Quote(prices=(LISTED,)),
    "openai/unknown": Quote(problem="the price list has no such model"),
    "xai/grok": Quote(prices=(LISTED,)),
}


class Shelf:
    """A price book that can be another one."""

    def __init__(self, quotes: Mapping[str, Quote]) -> None:
        self.quotes = quotes


def found(name: str, settings: Settings = SETTINGS, now_ms: int = 0) -> Price | None:
    offer = build_catalog(settings, SPOKEN, QUOTES, now_ms).offer(Target.parse(name))
    assert offer is not None
    return offer.price


def test_one_s_own_price_wins_over_the_list() -> None:
    own = found("openai/own")
    assert own is not None
    assert (own.input_pico_usd, own.source) == (1_000_000, "config")
    assert found("openai/listed") == LISTED


def test_bounds_tune_the_list_s_price() -> None:
    tuned = found("openai/tuned")
    assert tuned == msgspec.structs.replace(
        LISTED, max_output_tokens=77, max_reasoning_tokens=3, request_nano_usd=1_000
    )


def test_what_nobody_knows_is_unpriced_and_the_refusal_says_why() -> None:
    assert found("openai/unknown") is None
    routes = Routes(build_catalog(SETTINGS, SPOKEN, QUOTES), lambda _name: True)
    with pytest.raises(CallerFault) as caught:
        routes.choose("unknown")
    assert caught.value.code is Code.PRICE_UNKNOWN
    assert "(the price list has no such model)" in caught.value.message


def test_what_anthropic_writes_to_its_cache_costs_more_than_input() -> None:
    """Also where nobody has said so: else less would be in the ledger than on the bill."""
    tier = PriceTier(above_prompt_tokens=200_000, input=Decimal(6))
    fast = ServiceTierPrice(input=Decimal(10), cache_write=Decimal(11))
    own = ModelPrice(
        input=Decimal("0.000003"),
        output=Decimal(15),
        tiers=(tier,),
        service_tiers={"fast": fast, "batch": ServiceTierPrice()},
    )
    settings = msgspec.structs.replace(
        SETTINGS,
        upstreams={"claude": Upstream(dialect="anthropic", url="https://api.anthropic.com/v1"), **SETTINGS.upstreams},
        prices={"claude/own": own, "claude/said": own_with(own, cache_write=Decimal(1)), "openai/own": own},
    )
    table = read_table(settings, {}).own
    price = table["claude/own"]
    assert (price.cache_write_pico_usd, price.cache_write_1h_pico_usd) == (4, 6)
    assert (price.tiers[0].rates.cache_write_pico_usd, price.tiers[0].rates.cache_write_1h_pico_usd) == (
        7_500_000,
        12_000_000,
    )
    services = {service.name: service.rates for service in price.service_tiers}
    assert (services["fast"].cache_write_pico_usd, services["fast"].cache_write_1h_pico_usd) == (
        11_000_000,
        20_000_000,
    )
    assert services["batch"].cache_write_pico_usd == 4
    assert table["claude/said"].cache_write_pico_usd == 1_000_000
    assert table["openai/own"].cache_write_pico_usd is None


def own_with(price: ModelPrice, **rates: Decimal) -> ModelPrice:
    return msgspec.structs.replace(price, **rates)


def test_a_ceiling_prices_what_nobody_knows_and_nothing_else() -> None:
    ceiling = PriceBook(ceiling=Ceiling(input=Decimal(30), output=Decimal(150)))
    settings = msgspec.structs.replace(SETTINGS, price_book=ceiling)

    unknown = found("openai/unknown", settings)
    assert unknown is not None
    assert (unknown.input_pico_usd, unknown.output_pico_usd, unknown.source) == (30_000_000, 150_000_000, "ceiling")
    assert found("openai/listed", settings) == LISTED
    free = found("free/m", settings)
    assert free is not None
    assert free.free
    beside = build_catalog(settings, SPOKEN).offer(Target.parse("xai/new"))
    assert beside is not None
    assert beside.price is not None
    assert beside.price.max_reasoning_tokens == LONGEST_ANSWER_TOKENS


def test_a_book_that_is_off_says_nothing() -> None:
    off = msgspec.structs.replace(SETTINGS, price_book=PriceBook(enabled=False))
    assert found("openai/listed", off) is None
    assert baseline_price(off, QUOTES) is None


@pytest.mark.parametrize(
    ("own", "bound"),
    [
        (None, 500),
        (ModelPrice(input=Decimal(1), output=Decimal(1)), LONGEST_ANSWER_TOKENS),
        (ModelPrice(input=Decimal(1), output=Decimal(1), context_tokens=9), 9),
        (ModelPrice(input=Decimal(1), output=Decimal(1), max_reasoning_tokens=0), 0),
    ],
)
def test_what_xai_thinks_beside_the_limit_has_a_bound(own: ModelPrice | None, bound: int) -> None:
    prices = {} if own is None else {"xai/grok": own}
    price = found("xai/grok", msgspec.structs.replace(SETTINGS, prices=prices))
    assert price is not None
    assert price.max_reasoning_tokens == bound


def test_a_price_has_its_time() -> None:
    assert found("openai/listed", now_ms=999) == LISTED
    assert found("openai/listed", now_ms=1_000) == LATER
    assert baseline_price(SETTINGS, QUOTES, 999) == LISTED
    assert baseline_price(SETTINGS, QUOTES, 1_000) == LATER
    assert read_table(SETTINGS, QUOTES).change_after_ms(0) == 1_000


def test_routes_take_in_a_price_whose_time_has_come() -> None:
    now = [0]
    shelf = Shelf(QUOTES)
    routes = Routes(build_catalog(SETTINGS, SPOKEN, QUOTES), lambda _name: True, shelf, lambda: now[0])

    def rate() -> int:
        price = routes.choose("listed").candidates[0].price
        assert price is not None
        return price.input_pico_usd

    first = routes.choose("listed")
    assert rate() == 10
    now[0] = 999
    assert routes.choose("listed") is first, "nothing has changed, so the plan stands"
    now[0] = 1_000
    assert rate() == 99
    assert routes.price_of(Target.parse("openai/listed")) == LATER
    assert routes.view().catalog.until_ms is None


def test_routes_take_in_another_list_with_the_next_choice() -> None:
    shelf = Shelf({})
    routes = Routes(build_catalog(SETTINGS, SPOKEN), lambda _name: True, shelf)

    with pytest.raises(CallerFault):
        routes.choose("listed")
    shelf.quotes = QUOTES
    assert routes.choose("listed").candidates[0].price == LISTED
    assert routes.choose("own").candidates[0].price == found("openai/own")
    shelf.quotes = {}
    assert routes.price_of(Target.parse("openai/listed")) is None
    assert routes.price_of(Target.parse("nowhere/m")) is None


def test_every_member_of_a_table_becomes_an_integer() -> None:
    table = ModelPrice(
        input=Decimal(3),
        output=Decimal(15),
        cache_write_1h=Decimal(6),
        tiers=(
            PriceTier(above_prompt_tokens=400_000, input=Decimal(9)),
            PriceTier(above_prompt_tokens=200_000, input=Decimal(6), output=Decimal("22.5")),
        ),
        service_tiers={
            "priority": ServiceTierPrice(
                output=Decimal(30), tiers=(PriceTier(above_prompt_tokens=5, input=Decimal(4)),)
            )
        },
        request=Decimal("0.01"),
        max_reasoning_tokens=8,
        context_tokens=9,
    )
    hour = 6_000_000
    assert read_price(table) == Price(
        input_pico_usd=3_000_000,
        output_pico_usd=15_000_000,
        cache_write_1h_pico_usd=hour,
        tiers=(
            Tier(
                above_prompt_tokens=200_000,
                rates=Rates(input_pico_usd=6_000_000, output_pico_usd=22_500_000, cache_write_1h_pico_usd=hour),
            ),
            Tier(
                above_prompt_tokens=400_000,
                rates=Rates(input_pico_usd=9_000_000, output_pico_usd=15_000_000, cache_write_1h_pico_usd=hour),
            ),
        ),
        service_tiers=(
            ServiceTier(
                name="priority",
                rates=Rates(input_pico_usd=3_000_000, output_pico_usd=30_000_000, cache_write_1h_pico_usd=hour),
                tiers=(
                    Tier(
                        above_prompt_tokens=5,
                        rates=Rates(
                            input_pico_usd=4_000_000, output_pico_usd=30_000_000, cache_write_1h_pico_usd=hour
                        ),
                    ),
                ),
            ),
        ),
        request_nano_usd=10_000_000,
        max_reasoning_tokens=8,
        context_tokens=9,
    )
