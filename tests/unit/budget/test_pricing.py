"""Prices of every kind of token, by tier and by how a request was served."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lodestard.budget import cost_nano_usd, itemise, worst_case
from lodestard.domain.price import Price, Rates, ServiceTier, Tier
from lodestard.domain.request import Conversation, ImagePart, Message, OtherPart, Request, Sampling, TextPart
from lodestard.domain.usage import Usage

FULL = Price(
    input_pico_usd=1_000,
    output_pico_usd=20_000,
    cache_read_pico_usd=100,
    cache_write_pico_usd=1_250,
    cache_write_1h_pico_usd=2_000,
    audio_input_pico_usd=40_000,
    audio_cache_read_pico_usd=2_500,
    audio_output_pico_usd=80_000,
    image_input_pico_usd=5_000,
    image_cache_read_pico_usd=1_250,
    image_output_pico_usd=30_000,
    reasoning_pico_usd=3_000,
)
BARE = Price(input_pico_usd=1_000, output_pico_usd=20_000)
SONNET = Price(
    input_pico_usd=3_000,
    output_pico_usd=15_000,
    tiers=(Tier(above_prompt_tokens=200_000, rates=Rates(input_pico_usd=6_000, output_pico_usd=22_500)),),
    service_tiers=(
        ServiceTier(
            name="priority",
            rates=Rates(input_pico_usd=9_000, output_pico_usd=45_000),
            tiers=(Tier(above_prompt_tokens=100, rates=Rates(input_pico_usd=18_000, output_pico_usd=45_000)),),
        ),
        ServiceTier(name="flex", rates=Rates(input_pico_usd=1_500, output_pico_usd=7_500)),
    ),
)


@pytest.mark.parametrize(
    ("usage", "bare", "full"),
    [
        (Usage(prompt_tokens=10, cached_tokens=4), 10_000, 6_400),
        (Usage(prompt_tokens=10, cache_write_tokens=4), 10_000, 11_000),
        (Usage(prompt_tokens=10, cache_write_tokens=4, cache_write_1h_tokens=3), 10_000, 13_250),
        (Usage(prompt_tokens=10, audio_prompt_tokens=4), None, 166_000),
        (Usage(prompt_tokens=10, cached_tokens=3, audio_prompt_tokens=4, audio_cached_tokens=3), None, 53_500),
        (Usage(prompt_tokens=10, image_prompt_tokens=4), 10_000, 26_000),
        (Usage(prompt_tokens=10, cached_tokens=2, image_prompt_tokens=4, image_cached_tokens=2), 10_000, 18_500),
        (Usage(completion_tokens=10, reasoning_tokens=4), 200_000, 132_000),
        (Usage(completion_tokens=10, audio_completion_tokens=4), None, 440_000),
        (Usage(completion_tokens=10, image_completion_tokens=4), 200_000, 240_000),
    ],
)
def test_each_token_costs_the_narrowest_rate_that_there_is(usage: Usage, bare: int | None, full: int) -> None:
    assert cost_nano_usd(usage, BARE) == (None if bare is None else bare // 1_000)
    assert cost_nano_usd(usage, FULL) == -(-full // 1_000)


def test_cached_tokens_of_a_kind_cost_the_dearer_of_the_two_where_nobody_says() -> None:
    usage = Usage(prompt_tokens=10, cached_tokens=10, audio_prompt_tokens=10, audio_cached_tokens=10)
    images = Usage(prompt_tokens=10, cached_tokens=10, image_prompt_tokens=10, image_cached_tokens=10)
    dear_audio = msgspec.structs.replace(BARE, audio_input_pico_usd=9_000, cache_read_pico_usd=100)
    dear_cache = msgspec.structs.replace(BARE, audio_input_pico_usd=50, cache_read_pico_usd=100)
    dear_image = msgspec.structs.replace(BARE, image_input_pico_usd=7_000, cache_read_pico_usd=100)

    assert cost_nano_usd(usage, dear_audio) == 90
    assert cost_nano_usd(usage, dear_cache) == 1
    assert cost_nano_usd(images, dear_image) == 70
    assert cost_nano_usd(images, BARE) == 10


@pytest.mark.parametrize(("prompt", "nano"), [(200_000, 600_000), (200_001, 1_200_006)])
def test_a_tier_prices_every_token_of_the_request(prompt: int, nano: int) -> None:
    assert cost_nano_usd(Usage(prompt_tokens=prompt), SONNET) == nano


@pytest.mark.parametrize(
    ("tier", "prompt", "nano"),
    [
        ("", 100, 300),
        ("flex", 100, 150),
        ("batch", 100, 300),
        ("standard", 100, 300),
        ("priority", 100, 900),
        ("priority", 101, 1_818),
        ("priority", 300_000, 5_400_000),
        ("scale", 100, None),
        ("unreadable", 100, None),
    ],
)
def test_how_it_was_served_prices_it(tier: str, prompt: int, nano: int | None) -> None:
    assert cost_nano_usd(Usage(prompt_tokens=prompt, service_tier=tier), SONNET) == nano


def test_what_the_provider_bills_wins_over_what_no_price_says() -> None:
    usage = Usage(prompt_tokens=5, audio_prompt_tokens=5, service_tier="scale", billed_nano_usd=77)
    assert cost_nano_usd(usage, SONNET) == 77


def test_each_request_may_cost_something_itself() -> None:
    price = msgspec.structs.replace(BARE, request_nano_usd=12_000)
    assert cost_nano_usd(Usage(prompt_tokens=1), price) == 12_001
    bill = itemise(Usage(prompt_tokens=1), price)
    assert bill is not None
    assert (bill.pico_usd, bill.request_nano_usd, bill.nano_usd) == (12_001_000, 12_000, 12_001)


def test_a_bill_says_which_tier_fired() -> None:
    bill = itemise(Usage(prompt_tokens=200, completion_tokens=3, service_tier="priority"), SONNET)
    assert bill is not None
    assert [(line.kind, line.tokens, line.rate_pico_usd) for line in bill.lines] == [
        ("input", 200, 18_000),
        ("output", 3, 45_000),
    ]
    assert (bill.above_prompt_tokens, bill.service_tier, bill.nano_usd) == (100, "priority", 3_735)
    assert itemise(Usage(service_tier="scale"), SONNET) is None


# -- for all prices and usages -----------------------------------------------------------------------------------

rates = st.integers(0, 10**8)
maybe = st.none() | rates
NAMES = tuple(Rates.__struct_fields__)
OPTIONAL = {name: maybe for name in NAMES if name not in ("input_pico_usd", "output_pico_usd")}
rate_sets = st.builds(Rates, input_pico_usd=rates, output_pico_usd=rates, **OPTIONAL)
tier_sets = st.lists(st.tuples(st.integers(1, 6_000), rate_sets), max_size=2).map(
    lambda pairs: tuple(Tier(above_prompt_tokens=start, rates=found) for start, found in sorted(dict(pairs).items()))
)
services = st.builds(
    ServiceTier, name=st.sampled_from(["priority", "flex", "route=eu"]), rates=rate_sets, tiers=tier_sets
)
prices = st.builds(
    Price,
    input_pico_usd=rates,
    output_pico_usd=rates,
    tiers=tier_sets,
    service_tiers=st.lists(services, max_size=2).map(tuple),
    request_nano_usd=st.integers(0, 1_000),
    max_reasoning_tokens=st.none() | st.integers(0, 500),
    **OPTIONAL,
)


@st.composite
def usages(draw: st.DrawFn, prompt: int = 5_000, completion: int = 3_000) -> Usage:
    """Parts never larger than their whole."""

    def part(whole: int) -> int:
        return draw(st.sampled_from([0, whole]) | st.integers(0, whole))

    prompt_tokens, completion_tokens = part(prompt), part(completion)
    audio = part(prompt_tokens)
    images = part(prompt_tokens - audio)
    cached_audio, cached_images = part(audio), part(images)
    cached = part(prompt_tokens - audio - images)
    written = part(prompt_tokens - audio - images - cached)
    spoken = part(completion_tokens)
    drawn = part(completion_tokens - spoken)
    return Usage(
        prompt_tokens=prompt_tokens,
        completion_tokens=completion_tokens,
        cached_tokens=cached + cached_audio + cached_images,
        cache_write_tokens=written,
        cache_write_1h_tokens=part(written),
        reasoning_tokens=part(completion_tokens - spoken - drawn),
        audio_prompt_tokens=audio,
        audio_cached_tokens=cached_audio,
        audio_completion_tokens=spoken,
        image_prompt_tokens=images,
        image_cached_tokens=cached_images,
        image_completion_tokens=drawn,
        service_tier=draw(st.sampled_from(["", "priority", "flex", "batch", "route=eu"])),
    )


def request(size: int, limit: int, tier: str) -> Request:
    """One that may use and be served as anything."""
    parts = (TextPart("x"), ImagePart(url="https://a.example/b.png"), OtherPart("input_audio", msgspec.Raw(b"{}")))
    members = {"modalities": msgspec.Raw(b'["text","audio"]'), "service_tier": msgspec.Raw(f'"{tier}"'.encode())}
    return Request(
        dialect="openai",
        alias="a",
        stream=False,
        include_usage=False,
        members=members,
        conversation=Conversation(
            messages=(Message(role="user", parts=parts),), sampling=Sampling(max_output_tokens=limit)
        ),
        size_bytes=size,
    )


@given(usages(), prices, st.integers(5_000, 9_000))
def test_no_usage_within_the_bounds_costs_more_than_the_worst_case(usage: Usage, price: Price, size: int) -> None:
    worst = worst_case(request(size, 3_000, usage.service_tier or "default"), price)
    cost = cost_nano_usd(usage, price)
    assert usage.prompt_tokens <= worst.prompt_tokens
    assert usage.completion_tokens + (price.max_reasoning_tokens or 0) <= worst.completion_tokens + 3_000
    assert cost is None or cost <= worst.nano_usd


@given(usages(), prices)
def test_a_bill_adds_up_and_is_the_cost(usage: Usage, price: Price) -> None:
    bill, cost = itemise(usage, price), cost_nano_usd(usage, price)
    assert (bill is None) == (cost is None)
    if bill is None:
        return
    assert sum(line.pico_usd for line in bill.lines) + price.request_nano_usd * 1_000 == bill.pico_usd
    assert bill.pico_usd <= bill.nano_usd * 1_000 < bill.pico_usd + 1_000
    assert bill.nano_usd == cost
    assert sum(line.tokens for line in bill.lines) == usage.prompt_tokens + usage.completion_tokens


@given(usages(), prices, st.sampled_from(NAMES), st.integers(0, 10**6))
def test_a_higher_rate_never_costs_less(usage: Usage, price: Price, name: str, more: int) -> None:
    price = msgspec.structs.replace(price, tiers=(), service_tiers=())
    rate = getattr(price, name)
    if rate is None:
        return
    cost = cost_nano_usd(usage, price)
    dearer = cost_nano_usd(usage, msgspec.structs.replace(price, **{name: rate + more}))
    assert (cost is None) == (dearer is None)
    assert cost is None or dearer is None or dearer >= cost


@given(usages(), prices, st.sampled_from(["prompt_tokens", "completion_tokens"]), st.integers(0, 5_000))
def test_more_tokens_never_cost_less_within_a_tier(usage: Usage, price: Price, name: str, more: int) -> None:
    price = msgspec.structs.replace(price, tiers=(), service_tiers=())
    larger = msgspec.structs.replace(usage, **{name: getattr(usage, name) + more})
    cost, dearer = cost_nano_usd(usage, price), cost_nano_usd(larger, price)
    assert cost is None or dearer is None or dearer >= cost


def text(limit: int = 10, **members: bytes) -> Request:
    return msgspec.structs.replace(
        request(1_000, limit, "default"),
        members={name: msgspec.Raw(raw) for name, raw in members.items()},
        conversation=Conversation(
            messages=(Message(role="user", parts=(TextPart("x"),)),), sampling=Sampling(max_output_tokens=limit)
        ),
    )


def test_a_request_of_text_is_not_held_at_the_rates_of_audio_and_images() -> None:
    assert worst_case(text(), FULL).nano_usd == -(-(2_024 * 2_000 + 10 * 30_000) // 1_000)
    assert worst_case(text(modalities=b'["text","audio"]'), FULL).nano_usd == -(-(2_024 * 2_000 + 800_000) // 1_000)


@pytest.mark.parametrize(
    ("members", "rate"),
    [
        ({}, 3_000),
        ({"service_tier": b'"flex"'}, 3_000),
        ({"service_tier": b'"priority"'}, 18_000),
        ({"service_tier": b'"auto"'}, 18_000),
        ({"speed": b'"priority"'}, 18_000),
        ({"service_tier": b"null"}, 3_000),
    ],
)
def test_the_hold_covers_how_it_may_be_served(members: dict[str, bytes], rate: int) -> None:
    held = worst_case(text(0, **members), SONNET)
    assert held.nano_usd == 2_024 * rate // 1_000


def test_the_hold_covers_the_tier_that_the_prompt_may_reach() -> None:
    long = msgspec.structs.replace(text(0), size_bytes=199_000)
    assert worst_case(long, SONNET).nano_usd == 200_024 * 6
    assert worst_case(msgspec.structs.replace(long, size_bytes=198_976), SONNET).nano_usd == 200_000 * 3


def test_what_is_thought_beside_the_limit_is_held_too() -> None:
    beside = msgspec.structs.replace(BARE, max_reasoning_tokens=1_000)
    assert worst_case(text(10), beside).completion_tokens == 1_010
    assert worst_case(text(10), BARE).completion_tokens == 10
