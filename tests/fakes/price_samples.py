"""Samples of what the price verbs answer."""

from lodestard.control.messages.prices import (
    CostedAttempt,
    CostExplanation,
    CostLine,
    PriceCheck,
    PriceFinding,
    PriceRates,
    PriceRow,
    PricesReport,
    PriceState,
)
from tests.fakes.control_samples import NOON_MS

DAY_MS = 86_400_000
SONNET = PriceState(
    rates=(
        PriceRates(
            input_pico_usd=3_000_000,
            output_pico_usd=15_000_000,
            cache_read_pico_usd=300_000,
            cache_write_pico_usd=3_750_000,
            cache_write_1h_pico_usd=6_000_000,
        ),
        PriceRates(
            input_pico_usd=6_000_000,
            output_pico_usd=22_500_000,
            above_prompt_tokens=200_000,
            cache_read_pico_usd=600_000,
            cache_write_pico_usd=7_500_000,
            cache_write_1h_pico_usd=12_000_000,
        ),
        PriceRates(input_pico_usd=1_500_000, output_pico_usd=7_500_000, service_tier="batch"),
    ),
    version="0f2c11aa93d1",
    source="genai-prices anthropic/claude-sonnet-4-5",
    since_ms=NOON_MS - 30 * DAY_MS,
    context_tokens=200_000,
    max_output_tokens=64_000,
)
GPT = PriceState(
    rates=(PriceRates(input_pico_usd=2_500_000, output_pico_usd=10_000_000, cache_read_pico_usd=1_250_000),),
    version="aa11bb22cc33",
    source="config",
)
DEARER = PriceState(
    rates=(PriceRates(input_pico_usd=9_000_000, output_pico_usd=20_000_000),),
    version="112233445566",
    source="genai-prices x",
    since_ms=NOON_MS + 40 * DAY_MS,
    max_reasoning_tokens=256_000,
    request_nano_usd=12_000_000,
)
ROWS = (
    PriceRow(
        target="anthropic/claude-sonnet-4-5-20250929",
        kind="list",
        now=SONNET,
        next=(DEARER,),
        listed_as="anthropic/claude-sonnet-4-5",
        retired=True,
    ),
    PriceRow(target="openai/gpt-4o", kind="own", now=GPT),
    PriceRow(target="openai/o9", kind="ceiling", now=GPT, problem="the price list has no 'o9' of openai"),
    PriceRow(target="t600/llama3.1:8b", kind="free"),
    PriceRow(target="xai/grok-beta", kind="unpriced", problem="the price list has no 'grok-beta' of x-ai"),
)
PRICES = PricesReport(prices=ROWS, list_version="0.2.3", list_made_ms=NOON_MS)
NO_LIST = PricesReport(prices=ROWS[3:], problem="the price list did not answer within 5 s")
CHECK = PriceCheck(
    findings=(
        PriceFinding(
            kind="differs",
            severity="info",
            what="openai/gpt-4o: [prices] and the price list differ: input $2.5 instead of $3.",
            mend='Take [prices."openai/gpt-4o"] out to follow the list.',
            target="openai/gpt-4o",
        ),
        PriceFinding(
            kind="unpriced",
            severity="warning",
            what="xai/grok-beta has no price and is refused: the price list has no 'grok-beta' of x-ai.",
            mend='Add [prices."xai/grok-beta"], or route to another model.',
            target="xai/grok-beta",
        ),
    ),
    checked=5,
    list_version="0.2.3",
    list_made_ms=NOON_MS,
)
GOOD_CHECK = PriceCheck(findings=(), checked=1, list_version="0.2.3")
COST = CostExplanation(
    request_id="req_06e3ioq1m8hthg9b0opg1a2c",
    started_ms=NOON_MS,
    alias="claude-sonnet",
    cost_nano_usd=1_303_713,
    attempts=(
        CostedAttempt(
            target="anthropic/claude-sonnet-4-5-20250929",
            state="captured",
            lines=(
                CostLine("input", 200_001, 6_000, 1_200_006_000),
                CostLine("cached input", 11, 37, 407),
                CostLine("output", 4_501, 22_500, 101_272_500),
            ),
            request_nano_usd=2_433,
            pico_usd=1_303_711_907,
            priced_nano_usd=1_303_712,
            cost_nano_usd=1_303_712,
            hold_nano_usd=2_000_000,
            given_back_nano_usd=696_288,
            above_prompt_tokens=200_000,
            service_tier="priority",
            price_version="0f2c11aa93d1",
            source="genai-prices anthropic/claude-sonnet-4-5",
            since_ms=NOON_MS - 30 * DAY_MS,
        ),
        CostedAttempt(
            target="xai/grok-4",
            state="captured",
            lines=(CostLine("output", 1, 500, 500),),
            pico_usd=500,
            priced_nano_usd=1,
            billed_nano_usd=1,
            cost_nano_usd=1,
            hold_nano_usd=0,
            beyond_nano_usd=1,
            note="the provider says what it billed, and that is what is charged",
        ),
    ),
)
COST_UNKNOWN = CostExplanation(
    request_id="req_06e3ioq1m8hthg9b0opg9z8x",
    started_ms=NOON_MS,
    alias="gpt-4o",
    cost_nano_usd=5_000_000,
    attempts=(
        CostedAttempt(
            target="openai/gpt-4o",
            state="unknown",
            cost_nano_usd=5_000_000,
            hold_nano_usd=5_000_000,
            note="charged at its hold: cancelled",
        ),
    ),
    notes=("it was answered from the cache, for nothing",),
)
