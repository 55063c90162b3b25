"""What the price verbs say: each target's price, what is wrong with prices, and how a cost came about."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from lodestard.control.arguments import read_arguments
from lodestard.control.messages.prices import CostExplanation, PriceCheck, PricesReport
from lodestard.control.verbs import core_verbs
from lodestard.control.verbs.checkup import gather
from lodestard.control.verbs.cost_lines import usage_of
from lodestard.control.verbs.desk import BookState
from lodestard.control.verbs.doctor import examine
from lodestard.control.verbs.price_check import differences
from lodestard.domain.errors import CallerFault, Code
from lodestard.domain.price import Price, Quote, Rates, ServiceTier, Tier
from lodestard.domain.settings import Ceiling, Ledger, Model, ModelPrice, PriceBook, Settings, Upstream
from lodestard.domain.usage import Usage
from lodestard.ledger.entry import rare_usage
from tests.fakes.control_desk import NOW_MS, Attempt, FakeDesk, FakeReports, Found, Record, make_runtime

DAY_MS = 86_400_000
LISTED = Price(input_pico_usd=3_000_000, output_pico_usd=10_000_000, source="genai-prices openai/gpt-4o")
LATER = msgspec.structs.replace(LISTED, input_pico_usd=4_000_000, since_ms=NOW_MS + DAY_MS)
SETTINGS = Settings(
    upstreams={
        "t600": Upstream(dialect="ollama", url="http://127.0.0.1:1", free=True),
        "openai": Upstream(dialect="openai", url="https://api.openai.com/v1"),
        "xai": Upstream(dialect="openai", url="https://api.x.ai/v1"),
    },
    models={
        "free": Model(route=("t600/llama3.1:8b",)),
        "gpt-4o": Model(route=("openai/gpt-4o", "openai/gpt-4o-mini")),
        "grok-beta": Model(route=("xai/grok-beta", "xai/grok-2")),
    },
    prices={"openai/gpt-4o": ModelPrice(input=Decimal("2.5"), output=Decimal(10))},
    ledger=Ledger(baseline="openai/gpt-4o"),
)
QUOTES = {
    "openai/gpt-4o": Quote(prices=(LISTED,), listed_as="openai/gpt-4o"),
    "openai/gpt-4o-mini": Quote(prices=(LISTED, LATER), listed_as="openai/gpt-4o-mini"),
    "xai/grok-2": Quote(prices=(LISTED,), listed_as="x-ai/grok-2-1212", retired=True),
    "xai/grok-beta": Quote(provider="x-ai", problem="the price list has no 'grok-beta' of x-ai"),
}
BOOK = BookState(quotes=QUOTES, version="0.2.3", made_ms=NOW_MS - DAY_MS)


def open_desk(settings: Settings = SETTINGS, book: BookState = BOOK, **more: Any) -> FakeDesk:
    return FakeDesk(make_runtime(settings, quotes=book.quotes), book=book, **more)


async def call(desk: FakeDesk, name: str, **arguments: Any) -> Any:
    verb = core_verbs(desk)[name]
    assert verb.answer is not None
    answer = await verb.answer(read_arguments(verb, msgspec.json.encode(arguments)))
    return msgspec.json.decode(msgspec.json.encode(answer), type=type(answer))


async def test_every_target_is_listed_with_its_price_and_who_says_so() -> None:
    report: PricesReport = await call(open_desk(), "prices")

    kinds = {row.target: row.kind for row in report.prices}
    assert kinds == {
        "t600/llama3.1:8b": "free",
        "openai/gpt-4o": "own",
        "openai/gpt-4o-mini": "list",
        "xai/grok-beta": "unpriced",
        "xai/grok-2": "list",
    }
    rows = {row.target: row for row in report.prices}
    mini = rows["openai/gpt-4o-mini"]
    assert mini.now is not None
    assert mini.now.version == LISTED.version
    assert [(state.since_ms, state.rates[0].input_pico_usd) for state in mini.next] == [(LATER.since_ms, 4_000_000)]
    assert rows["openai/gpt-4o"].next == (), "what the list will say does not matter to a price of one's own"
    assert rows["t600/llama3.1:8b"].now is None
    assert rows["xai/grok-beta"].problem == "the price list has no 'grok-beta' of x-ai"
    assert rows["xai/grok-2"].retired
    assert (report.list_version, report.list_made_ms) == ("0.2.3", NOW_MS - DAY_MS)


@pytest.mark.parametrize(
    ("model", "targets"),
    [
        ("gpt-4o", ["openai/gpt-4o", "openai/gpt-4o-mini"]),
        ("xai/grok-2", ["xai/grok-2"]),
        ("grok-2", ["xai/grok-2"]),
    ],
)
async def test_one_model_by_its_alias_or_its_name(model: str, targets: list[str]) -> None:
    report: PricesReport = await call(open_desk(), "prices", model=model)
    assert [row.target for row in report.prices] == targets


async def test_a_model_that_is_not_there_names_the_nearest() -> None:
    with pytest.raises(CallerFault, match="gpt-4o") as caught:
        await call(open_desk(), "prices", model="gpt4o")
    assert caught.value.code is Code.MODEL_NOT_FOUND


async def test_tiers_and_service_tiers_are_told() -> None:
    dear = Rates(input_pico_usd=7, output_pico_usd=8)
    tiered = msgspec.structs.replace(
        LISTED,
        tiers=(Tier(above_prompt_tokens=200_000, rates=dear),),
        service_tiers=(ServiceTier(name="flex", rates=dear, tiers=(Tier(above_prompt_tokens=9, rates=dear),)),),
    )
    desk = open_desk(book=BookState(quotes={"openai/gpt-4o-mini": Quote(prices=(tiered,))}))
    report: PricesReport = await call(desk, "prices", model="gpt-4o-mini")

    assert report.prices[0].now is not None
    assert [(rates.service_tier, rates.above_prompt_tokens) for rates in report.prices[0].now.rates] == [
        ("", None),
        ("", 200_000),
        ("flex", None),
        ("flex", 9),
    ]


async def test_the_check_names_what_is_unpriced_retired_and_different() -> None:
    check: PriceCheck = await call(open_desk(), "prices.check")

    found = {(finding.kind, finding.target): finding for finding in check.findings}
    assert set(found) == {("unpriced", "xai/grok-beta"), ("retired", "xai/grok-2"), ("differs", "openai/gpt-4o")}
    assert "no 'grok-beta' of x-ai" in found["unpriced", "xai/grok-beta"].what
    assert "input $2.5 instead of $3" in found["differs", "openai/gpt-4o"].what
    assert check.checked == 4


async def test_a_price_of_one_s_own_for_what_the_list_does_not_know_is_told() -> None:
    own = {**SETTINGS.prices, "xai/grok-beta": ModelPrice(input=Decimal(5), output=Decimal(15))}
    desk = open_desk(msgspec.structs.replace(SETTINGS, prices=own))
    check: PriceCheck = await call(desk, "prices.check")

    found = {finding.kind: finding for finding in check.findings}
    assert found["unlisted"].target == "xai/grok-beta"
    assert found["unlisted"].severity == "info"
    assert "unpriced" not in found


async def test_the_check_names_what_is_charged_at_the_ceiling_and_an_old_list() -> None:
    book = PriceBook(ceiling=Ceiling(input=Decimal(30), output=Decimal(150)))
    old = msgspec.structs.replace(BOOK, made_ms=NOW_MS - 9 * DAY_MS)
    check: PriceCheck = await call(open_desk(msgspec.structs.replace(SETTINGS, price_book=book), old), "prices.check")

    kinds = {finding.kind: finding.what for finding in check.findings}
    assert "charged at [price_book.ceiling]" in kinds["ceiling"]
    assert "9 days ago" in kinds["stale"]


async def test_a_list_that_failed_is_told_and_the_doctor_says_the_same() -> None:
    failed = msgspec.structs.replace(BOOK, problem="the price list did not answer within 5 s")
    desk = open_desk(msgspec.structs.replace(SETTINGS, upstreams=dict(list(SETTINGS.upstreams.items())[1:])), failed)
    settings = desk.runtime.settings
    desk.runtime = make_runtime(
        msgspec.structs.replace(settings, models={"grok-beta": SETTINGS.models["grok-beta"]}), quotes=QUOTES
    )

    codes = {finding.code: finding.what for finding in examine(await gather(desk), running=True).findings}
    assert codes["price_list_failed"] == "The price list did not answer within 5 s."
    assert "xai/grok-beta" in codes["price_unpriced"]
    assert "xai/grok-2" in codes["price_retired"]
    assert "price_differs" not in codes, "a price of one's own is no fault"


def test_differences_are_of_rates_that_both_name() -> None:
    own = Price(input_pico_usd=2_500_000, output_pico_usd=10_000_000, cache_read_pico_usd=5)
    tier = Tier(above_prompt_tokens=1, rates=Rates(input_pico_usd=1, output_pico_usd=1))
    listed = msgspec.structs.replace(LISTED, tiers=(tier,), cache_write_pico_usd=7)
    assert differences(own, listed) == ["input $2.5 instead of $3", "the list has tiers"]
    assert differences(own, own) == []


# -- costs explain -----------------------------------------------------------------------------------------------

PRICE = Price(
    input_pico_usd=2_500_000,
    output_pico_usd=10_000_001,
    cache_read_pico_usd=1_250_000,
    audio_input_pico_usd=40_000_000,
    tiers=(Tier(above_prompt_tokens=1_000, rates=Rates(input_pico_usd=5_000_000, output_pico_usd=20_000_000)),),
    source="genai-prices openai/gpt-4o",
    since_ms=5,
)


def attempt(**members: Any) -> Attempt:
    usual: dict[str, Any] = {
        "upstream": "openai",
        "model": "gpt-4o",
        "price": PRICE.version,
        "prompt_tokens": 100,
        "completion_tokens": 7,
        "cached_tokens": 40,
        "held_nano_usd": 900_000,
        "cost_nano_usd": 270_001,
    }
    return Attempt(**{**usual, **members})


async def explain(*attempts: Attempt, prices: Mapping[str, Price] | None = None, **record: Any) -> CostExplanation:
    request_id = "req_06e3ioq1m8hthg9b0opg1a2c"
    known = {PRICE.version: PRICE} if prices is None else prices
    found = Found(request=Record(id=request_id, **record), attempts=attempts, prices=known)
    desk = open_desk(reports=FakeReports(found={request_id: found}))
    explained: CostExplanation = await call(desk, "costs.explain", id=request_id)
    return explained


async def test_the_lines_add_up_to_the_cost() -> None:
    explained = await explain(attempt(), cost_nano_usd=270_001, cache="miss")

    (costed,) = explained.attempts
    assert [(line.kind, line.tokens, line.rate_pico_usd, line.pico_usd) for line in costed.lines] == [
        ("input", 60, 2_500_000, 150_000_000),
        ("cached input", 40, 1_250_000, 50_000_000),
        ("output", 7, 10_000_001, 70_000_007),
    ]
    assert (costed.pico_usd, costed.priced_nano_usd, costed.cost_nano_usd) == (270_000_007, 270_001, 270_001)
    assert (costed.given_back_nano_usd, costed.beyond_nano_usd) == (629_999, 0)
    assert (costed.price_version, costed.source, costed.since_ms) == (PRICE.version, PRICE.source, 5)
    assert costed.note == ""


async def test_rare_usage_and_the_tier_that_fired_are_told() -> None:
    usage = Usage(prompt_tokens=1_001, audio_prompt_tokens=1, service_tier="flex")
    row = attempt(
        prompt_tokens=1_001, completion_tokens=0, cached_tokens=0, details=rare_usage(usage), cost_nano_usd=900_000
    )
    assert usage_of(row) == usage
    assert usage_of(attempt(prompt_tokens=None)) is None

    (costed,) = (await explain(row)).attempts
    assert costed.pico_usd is None, "this tier has no rate for audio"
    assert costed.service_tier == "flex"
    (tiered,) = (await explain(attempt(prompt_tokens=1_001, cached_tokens=0, cost_nano_usd=5_145_000))).attempts
    assert (tiered.above_prompt_tokens, tiered.priced_nano_usd, tiered.beyond_nano_usd) == (
        1_000,
        5_145_000,
        4_245_000,
    )


@pytest.mark.parametrize(
    ("members", "note"),
    [
        ({"billed_nano_usd": 5, "cost_nano_usd": 5}, "the provider says what it billed"),
        ({"state": "held", "cost_nano_usd": 0}, "under way"),
        ({"state": "released", "cost_nano_usd": 0, "reason": "refused"}, "not billed: refused"),
        ({"state": "unknown", "cost_nano_usd": 900_000, "reason": "cancelled"}, "at its hold: cancelled"),
        ({"free": 1, "price": "", "cost_nano_usd": 0, "held_nano_usd": 0}, "free"),
        ({"price": '{"input_pico_usd":1}'}, "is not kept as a version"),
        ({"cost_nano_usd": 1}, "does not come to the cost"),
    ],
)
async def test_what_the_lines_do_not_explain_has_a_note(members: dict[str, Any], note: str) -> None:
    (costed,) = (await explain(attempt(**members))).attempts
    assert note in costed.note


@pytest.mark.parametrize(("cache", "note"), [("hit", "from the cache"), ("miss", "no upstream was asked")])
async def test_a_request_without_an_attempt_says_why(cache: str, note: str) -> None:
    explained = await explain(cache=cache)
    assert explained.attempts == ()
    assert note in explained.notes[0]
