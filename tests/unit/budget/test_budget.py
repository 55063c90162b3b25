"""Prices and bounds: integers, rounded up once, never below a bill."""

from fractions import Fraction

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lodestard.budget import Bounds, WorstCase, cost_nano_usd, worst_case
from lodestard.domain.money import parse_price
from lodestard.domain.price import FREE, Price, Rates, Tier
from lodestard.domain.request import Conversation, ImagePart, Message, OtherPart, Request, Sampling, TextPart
from lodestard.domain.usage import Usage

SONNET = Price(
    input_pico_usd=parse_price("3"),
    output_pico_usd=parse_price("15"),
    cache_read_pico_usd=parse_price("0.30"),
    cache_write_pico_usd=parse_price("3.75"),
    max_output_tokens=64_000,
)
PLAIN = Price(input_pico_usd=150_000, output_pico_usd=600_000)

rates = st.integers(0, 10**9)
prices = st.builds(
    Price,
    input_pico_usd=rates,
    output_pico_usd=rates,
    cache_read_pico_usd=st.none() | rates,
    cache_write_pico_usd=st.none() | rates,
    max_output_tokens=st.none() | st.integers(1, 200_000),
)


@st.composite
def usages(draw: st.DrawFn, prompt: int = 2_000_000, completion: int = 200_000) -> Usage:
    """Parts never larger than the whole, as the readers leave them."""
    prompt_tokens = draw(st.integers(0, prompt))
    cached = draw(st.integers(0, prompt_tokens))
    completion_tokens = draw(st.integers(0, completion))
    return Usage(
        prompt_tokens=prompt_tokens,
        completion_tokens=completion_tokens,
        cached_tokens=cached,
        cache_write_tokens=draw(st.integers(0, prompt_tokens - cached)),
        reasoning_tokens=draw(st.integers(0, completion_tokens)),
    )


def request(size: int = 1_000, limit: int | None = None, n: int = 1, *parts: object) -> Request:
    message = Message(role="user", parts=(TextPart("x"), *parts))  # type: ignore[arg-type]
    conversation = Conversation(messages=(message,), sampling=Sampling(max_output_tokens=limit), n=n)
    return Request(
        dialect="openai_chat",
        alias="a",
        stream=False,
        include_usage=False,
        members={},
        conversation=conversation,
        size_bytes=size,
    )


def cost_of(usage: Usage, price: Price) -> int:
    """The cost where the price says it all."""
    cost = cost_nano_usd(usage, price)
    assert cost is not None
    return cost


@pytest.mark.parametrize(
    ("usage", "price", "expected"),
    [
        (Usage(), SONNET, 0),
        (Usage(prompt_tokens=1), SONNET, 3_000),
        (Usage(prompt_tokens=1_000_000, completion_tokens=1_000_000), SONNET, 18_000_000_000),
        (
            Usage(prompt_tokens=100, cached_tokens=60, cache_write_tokens=30),
            SONNET,
            10 * 3_000 + 60 * 300 + 30 * 3_750,
        ),
        (Usage(prompt_tokens=100, cached_tokens=60, cache_write_tokens=30), PLAIN, 100 * 150),
        (Usage(prompt_tokens=1), Price(input_pico_usd=1, output_pico_usd=0), 1),
        (Usage(prompt_tokens=1, completion_tokens=1), Price(input_pico_usd=1, output_pico_usd=1), 1),
        (Usage(prompt_tokens=1_001), Price(input_pico_usd=1, output_pico_usd=0), 2),
        (Usage(completion_tokens=5, reasoning_tokens=5), SONNET, 75_000),
        (Usage(prompt_tokens=9, billed_nano_usd=7), SONNET, 7),
        (Usage(prompt_tokens=9, billed_nano_usd=0), SONNET, 0),
        (Usage(prompt_tokens=9), FREE, 0),
        (Usage(prompt_tokens=9, billed_nano_usd=7), FREE, 7),
    ],
)
def test_costs(usage: Usage, price: Price, expected: int) -> None:
    assert cost_of(usage, price) == expected


def test_nonsense_never_makes_a_cost_smaller() -> None:
    assert cost_of(Usage(prompt_tokens=-5, completion_tokens=-5), SONNET) == 0
    assert cost_of(Usage(billed_nano_usd=-1), SONNET) == 0
    assert cost_of(Usage(prompt_tokens=10, cached_tokens=20), SONNET) == 20 * 300


@given(usages(), prices)
def test_a_cost_is_the_exact_sum_rounded_up(usage: Usage, price: Price) -> None:
    read = price.input_pico_usd if price.cache_read_pico_usd is None else price.cache_read_pico_usd
    write = price.input_pico_usd if price.cache_write_pico_usd is None else price.cache_write_pico_usd
    plain = usage.prompt_tokens - usage.cached_tokens - usage.cache_write_tokens
    exact = Fraction(
        plain * price.input_pico_usd
        + usage.cached_tokens * read
        + usage.cache_write_tokens * write
        + usage.completion_tokens * price.output_pico_usd,
        1_000,
    )
    cost = cost_of(usage, price)
    assert type(cost) is int
    assert exact <= cost < exact + 1


@given(usages(), prices, st.sampled_from(["completion_tokens", "prompt_tokens"]), st.integers(0, 10_000))
def test_more_tokens_never_cost_less(usage: Usage, price: Price, member: str, more: int) -> None:
    larger = msgspec.structs.replace(usage, **{member: getattr(usage, member) + more})
    assert cost_of(larger, price) >= cost_of(usage, price)


@given(usages(), prices, st.sampled_from(["input_pico_usd", "output_pico_usd"]), st.integers(0, 10**6))
def test_higher_prices_never_cost_less(usage: Usage, price: Price, member: str, more: int) -> None:
    dearer = msgspec.structs.replace(price, **{member: getattr(price, member) + more})
    assert cost_of(usage, dearer) >= cost_of(usage, price)


@given(usages(prompt=5_000, completion=3_000), prices, st.integers(5_000, 50_000), st.integers(1, 4))
def test_no_usage_within_the_bounds_costs_more_than_the_worst_case(
    usage: Usage, price: Price, size: int, n: int
) -> None:
    worst = worst_case(request(size, 3_000, n), price)
    assert usage.prompt_tokens <= worst.prompt_tokens
    assert usage.completion_tokens <= worst.completion_tokens
    assert type(worst.nano_usd) is int
    assert cost_of(usage, price) <= worst.nano_usd


@given(prices, st.integers(0, 10**6), st.integers(0, 10**6), st.integers(1, 8), st.integers(0, 1_000))
def test_the_worst_case_grows_with_what_is_asked(price: Price, size: int, limit: int, n: int, more: int) -> None:
    worst = worst_case(request(size, limit, n), price).nano_usd
    assert worst_case(request(size + more, limit, n), price).nano_usd >= worst
    assert worst_case(request(size, limit + more, n), price).nano_usd >= worst
    assert worst_case(request(size, limit, n + 1), price).nano_usd >= worst


def test_worst_case_of_text() -> None:
    worst = worst_case(request(1_000, 500, 2), SONNET)
    assert worst == WorstCase(prompt_tokens=2_024, completion_tokens=1_000, nano_usd=2_024 * 3_750 + 1_000 * 15_000)


def test_an_answer_without_a_limit_is_as_long_as_the_model_can_make_it() -> None:
    assert worst_case(request(n=2), SONNET).completion_tokens == 128_000
    assert worst_case(request(), PLAIN).completion_tokens == 131_072
    assert worst_case(request(), PLAIN, Bounds(output_tokens=10)).completion_tokens == 10
    assert worst_case(request(limit=5), SONNET).completion_tokens == 5


def test_images_and_other_parts_have_bounds_of_their_own() -> None:
    bounds = Bounds(overhead_tokens=0, image_tokens=1_000, part_tokens=2_000)
    inline = ImagePart(media_type="image/png", data="A" * 40_000)
    named = ImagePart(url="https://example.org/a.png")
    other = OtherPart("input_audio", msgspec.Raw(b"{}"))
    assert worst_case(request(40_100, 1, 1, inline), PLAIN, bounds).prompt_tokens == 1_100
    assert worst_case(request(100, 1, 1, named), PLAIN, bounds).prompt_tokens == 1_100
    assert worst_case(request(100, 1, 1, other), PLAIN, bounds).prompt_tokens == 2_100
    assert worst_case(request(0, 1, 1, inline), PLAIN, bounds).prompt_tokens == 0


@pytest.mark.parametrize("kind", ["document", "file", "input_file"])
def test_a_document_may_fill_the_context(kind: str) -> None:
    """A hundred pages that say little are a few kilobytes, and 160,000 tokens and more as images of pages."""
    document = OtherPart(kind, msgspec.Raw(b"{}"))
    known = msgspec.structs.replace(PLAIN, context_tokens=200_000)
    tiered = msgspec.structs.replace(
        known, tiers=(Tier(above_prompt_tokens=200_000, rates=Rates(input_pico_usd=1, output_pico_usd=1)),)
    )
    assert worst_case(request(9_000, 1, 1, document), PLAIN).prompt_tokens == 1_000_000
    assert worst_case(request(9_000, 1, 1, document), known).prompt_tokens == 200_000
    assert worst_case(request(9_000, 1, 1, document), tiered).prompt_tokens == 1_000_000
    assert worst_case(request(900_000, 1, 1, document), known).prompt_tokens > 900_000
