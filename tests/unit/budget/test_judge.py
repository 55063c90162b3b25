"""Budgets judged: rules read, room found, limits chosen, words said."""

from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lodestard.budget.judge import (
    COMMON_OUTPUT_TOKENS,
    LEAST_OUTPUT_TOKENS,
    Prospect,
    Relief,
    Standing,
    choose_output_limit,
    find_breach,
    find_room,
    levels_reached,
    output_at_least,
)
from lodestard.budget.rules import Amounts, Rule, read_rates, read_rules, value_of
from lodestard.budget.windows import parse_window
from lodestard.budget.words import override_command, say_alert, say_amount, say_refusal
from lodestard.domain.request import Caller
from lodestard.domain.room import Room
from lodestard.domain.settings import Budget, RateLimit, Settings
from lodestard.domain.upstream import Target

UTC = ZoneInfo("UTC")
DEC_1_MS = 1_796_083_200_000  # 2026-12-01
TARGET = Target("openai", "gpt-4o")


def rule(**members: object) -> Rule:
    (only,) = read_rules({"b": Budget(**{"usd": Decimal(5), **members})})  # type: ignore[arg-type]
    return only


def test_a_budget_is_read_into_integers() -> None:
    read = rule(tokens=1_000, window="24h", alert_at=(95, 50, 50))
    assert read.limits == (("usd", 5_000_000_000), ("tokens", 1_000))
    assert (read.window, read.alert_at) == (parse_window("24h"), (50, 95))
    assert (read.limit("tokens"), read.limit("requests"), read.counts_free) == (1_000, None, True)
    assert not rule().counts_free


def test_a_rate_is_read() -> None:
    (rate,) = read_rates(Settings(rate_limits={"r": RateLimit(scope="user", of="ann", requests_per_minute=3)}))
    assert (rate.name, rate.scope, rate.of, rate.requests, rate.tokens) == ("r", "user", "ann", 3, None)


@pytest.mark.parametrize(
    ("scope", "of", "value"),
    [
        ("global", "", ""),
        ("project", "", "alpha"),
        ("project", "alpha", "alpha"),
        ("project", "beta", None),
        ("user", "", ""),  # who leaves the label out has a budget too
        ("session", "", "s1"),
        ("model", "", "openai/gpt-4o"),
        ("model", "openai/gpt-4o-mini", None),
        ("provider", "openai", "openai"),
    ],
)
def test_whose_budget_it_is(scope: str, of: str, value: str | None) -> None:
    caller = Caller(project="alpha", session="s1")
    assert value_of(rule(scope=scope, of=of), caller, TARGET) == value


def standing(spent: int = 0, held: int = 0, reliefs: tuple[Relief, ...] = (), **members: object) -> Standing:
    return Standing(
        rule=rule(**members),
        value="alpha" if members.get("scope") else "",
        spent=Amounts(spent, spent // 1_000, 3),
        held=Amounts(held, 0, 1),
        end_ms=DEC_1_MS,
        reliefs=reliefs,
    )


def relief(extra: int | None) -> Relief:
    return Relief(id=1, budget="b", value="", until_ms=1, extra=extra)


@pytest.mark.parametrize(
    ("reliefs", "room"),
    [
        ((), 1_000_000_000),
        ((relief(500),), 1_000_000_500),
        ((relief(None),), None),
        ((relief(5), relief(None)), None),
    ],
)
def test_room_with_overrides(reliefs: tuple[Relief, ...], room: int | None) -> None:
    assert standing(3_000_000_000, 1_000_000_000, reliefs).room("usd") == room


def test_a_breach_is_the_first_limit_that_would_be_overrun() -> None:
    at = standing(4_000_000_000, 0, requests=4)
    assert find_breach(at, Amounts(usd=1_000_000_000)) is None
    breach = find_breach(at, Amounts(usd=1_000_000_001))
    assert breach is not None
    assert (breach.unit, breach.wanted, breach.limit) == ("usd", 1_000_000_001, 5_000_000_000)
    requests = find_breach(at, Amounts(usd=1, requests=1))
    assert requests is not None
    assert requests.unit == "requests"


@given(
    limit=st.integers(0, 10**12),
    spent=st.integers(0, 10**12),
    held=st.integers(0, 10**12),
    wanted=st.integers(0, 10**12),
)
def test_what_is_allowed_never_overruns(limit: int, spent: int, held: int, wanted: int) -> None:
    budget = Rule(name="b", scope="global", of="", window=parse_window("day"), limits=(("usd", limit),))
    at = Standing(rule=budget, value="", spent=Amounts(spent), held=Amounts(held))
    allowed = find_breach(at, Amounts(wanted)) is None
    assert allowed == (wanted == 0 or spent + held + wanted <= limit)


def test_the_narrowest_budget_gives_the_room() -> None:
    assert find_room([]) == Room()
    wide, narrow = standing(), standing(4_999_000_000, tokens=10**7)
    assert find_room([wide, narrow]) == Room(nano_usd=1_000_000, tokens=10**7 - 4_999_000)


def prospect(**members: int) -> Prospect:
    usual = {
        "prompt_nano_usd": 1_000,
        "prompt_tokens": 100,
        "token_pico_usd": 600_000,  # $0.60 a million
        "most_output_tokens": 16_384,
    }
    return Prospect(**{**usual, **members})


@pytest.mark.parametrize(
    ("room", "limit"),
    [
        (Room(), None),
        (Room(nano_usd=10**9), None),  # the longest answer is affordable
        (Room(nano_usd=1_000 + 600 * 20_000), 5_000),  # a quarter of what is left
        (Room(nano_usd=1_000 + 600 * 10_000), COMMON_OUTPUT_TOKENS),  # a common answer's length out of the whole
        (Room(nano_usd=1_000 + 600 * 1_000), 1_000),
        (Room(nano_usd=1_000 + 600 * 10), LEAST_OUTPUT_TOKENS),  # the hold refuses it
        (Room(nano_usd=0), LEAST_OUTPUT_TOKENS),
        (Room(tokens=100 + 4 * 5_000), 5_000),
    ],
)
def test_the_limit_that_is_written(room: Room, limit: int | None) -> None:
    assert choose_output_limit(room, prospect()) == limit


def test_a_limit_is_of_each_choice() -> None:
    assert choose_output_limit(Room(nano_usd=1_000 + 600 * 80_000), prospect(choices=4)) == 5_000


@given(nano_usd=st.integers(0, 10**10), pico=st.integers(1, 10**8), choices=st.integers(1, 8))
def test_what_is_written_is_affordable_or_the_least(nano_usd: int, pico: int, choices: int) -> None:
    asked = prospect(token_pico_usd=pico, choices=choices)
    limit = choose_output_limit(Room(nano_usd=nano_usd), asked)
    written = asked.most_output_tokens if limit is None else limit
    assert 0 < written <= asked.most_output_tokens
    costs_pico = 1_000 * asked.prompt_nano_usd + written * choices * pico
    assert written == LEAST_OUTPUT_TOKENS or costs_pico <= 1_000 * nano_usd


def test_levels() -> None:
    assert levels_reached(499, 1_000, (50, 80)) == ()
    assert levels_reached(800, 1_000, (50, 80)) == (50, 80)
    assert levels_reached(10, 0, (50,)) == ()


def test_an_answer_has_at_least_a_token_for_each_piece_and_for_each_sixteen_bytes() -> None:
    assert output_at_least(10, 15) == 10
    assert output_at_least(1, 1_600) == 100


def test_a_refusal_says_all_that_a_person_needs() -> None:
    breach = find_breach(standing(4_980_000_000, 10_000_000, scope="project"), Amounts(usd=120_000_000))
    assert breach is not None
    assert say_refusal(breach, UTC) == (
        "The budget 'b' (project 'alpha', this month) has no room for this request: $4.98 spent and $0.01 held for "
        "requests under way of $5.00, and it may take up to $0.12. It begins anew on 2026-12-01 00:00 UTC. To go on "
        'before that: lodestarctl budget override b --of alpha --for 2h --reason "…"'
    )


@pytest.mark.parametrize(("window", "words"), [("24h", "older than 24 hours"), ("total", "never begins anew")])
def test_a_refusal_where_nothing_begins_anew(window: str, words: str) -> None:
    at = Standing(rule=rule(window=window), value="", spent=Amounts(5_000_000_000))
    breach = find_breach(at, Amounts(usd=1))
    assert breach is not None
    assert words in say_refusal(breach, UTC)


def test_the_command_of_a_global_budget_names_nobody() -> None:
    assert override_command(standing()) == 'lodestarctl budget override b --for 2h --reason "…"'


@pytest.mark.parametrize(
    ("level", "words"),
    [(0, "likely to be overrun"), (80, "has reached 80 %"), (100, "has no room for all")],
)
def test_alerts(level: int, words: str) -> None:
    text = say_alert(standing(4_000_000_000), "usd", level, UTC)
    assert words in text
    assert "$4.00 of $5.00 spent" in text


@pytest.mark.parametrize(
    ("unit", "amount", "text"),
    [
        ("usd", 4_290_000_000, "$4.29"),
        ("usd", 429_000_000_000, "about $430.00"),
        ("usd", 429_000, "about $0.00043"),
        ("usd", 1_234_567_000_000, "$1,234.57"),
        ("usd", 0, "$0.00"),
        ("tokens", 12_000, "12,000 tokens"),
        ("tokens", 1, "1 token"),
        ("requests", 429, "about 430 requests"),
    ],
)
def test_amounts_as_people_read_them(unit: str, amount: int, text: str) -> None:
    said = say_amount(unit, amount)  # type: ignore[arg-type]
    assert said.rstrip("0") == text.rstrip("0")
    assert "429" not in said


@given(unit=st.sampled_from(["usd", "tokens", "requests"]), amount=st.integers(0, 10**16))
def test_no_amount_reads_like_a_rate_limit(unit: str, amount: int) -> None:
    assert "429" not in say_amount(unit, amount)  # type: ignore[arg-type]
