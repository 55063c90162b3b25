"""The keeper of budgets, its counters and paces: the invariant under any traffic, and the awkward corners."""

from collections.abc import Callable
from typing import Any, get_args
from zoneinfo import ZoneInfo

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lodestard.budget.rules import NOTHING, Amounts, Rate, Rule
from lodestard.budget.windows import bounds_ms, parse_window
from lodestard.domain.errors import BudgetFault, CallerFault, Code
from lodestard.domain.news import BudgetAlert
from lodestard.domain.request import Caller
from lodestard.domain.settings import Scope
from lodestard.domain.upstream import Target
from lodestard.ledger.counters import Counter
from lodestard.ledger.keeper import Applicant, Keeper
from lodestard.ledger.rates import MINUTE_NS, Pace

UTC = ZoneInfo("UTC")
NOON_MS = 1_795_608_000_000  # 2026-11-25
HOUR_MS = 3_600_000
SECOND_NS = 1_000_000_000


def rule(name: str = "b", limit: int = 100, **members: Any) -> Rule:
    usual = {"scope": "global", "of": "", "window": parse_window("day"), "limits": (("usd", limit),)}
    return Rule(name=name, **{**usual, **members})


def opened(*rules: Rule, rates: tuple[Rate, ...] = (), tell: Callable[[BudgetAlert], object] = hash) -> Keeper:
    keeper = Keeper(UTC, tell)
    keeper.adopt(rules, rates)
    return keeper


def applicant(project: str = "", model: str = "m", *, free: bool = False, at_ms: int = NOON_MS) -> Applicant:
    return Applicant(caller=Caller(project=project), target=Target("up", model), free=free, at_ms=at_ms)


PLAIN = applicant()
OTHERS = {
    "principal": msgspec.structs.replace(PLAIN, caller=Caller(principal="laptop")),
    "project": msgspec.structs.replace(PLAIN, caller=Caller(project="web")),
    "user": msgspec.structs.replace(PLAIN, caller=Caller(user="ann")),
    "session": msgspec.structs.replace(PLAIN, caller=Caller(session="review")),
    "model": msgspec.structs.replace(PLAIN, target=Target("up", "other")),
    "provider": msgspec.structs.replace(PLAIN, target=Target("elsewhere", "m")),
}


@pytest.mark.parametrize("scope", sorted(set(get_args(Scope)) - {"global"}))
def test_who_differs_in_nothing_but_a_scope_has_a_counter_of_his_own(scope: Scope) -> None:
    """Also where the other has asked just before, and his counters are remembered."""
    keeper = opened(rule(scope=scope))
    for asks, usd in ((PLAIN, 3), (OTHERS[scope], 4), (PLAIN, 5)):
        keeper.settle(keeper.admit(asks, Amounts(usd), NOON_MS, 0), Amounts(usd), NOON_MS)
    assert sorted(standing.spent.usd for standing in keeper.standings(NOON_MS)) == [4, 8]


def test_nothing_is_held_where_one_of_several_refuses() -> None:
    keeper = opened(rule("wide", 1_000), rule("narrow", 10, scope="project"))
    with pytest.raises(BudgetFault, match="'narrow'"):
        keeper.admit(applicant("alpha"), Amounts(50), NOON_MS, 0)
    assert all(standing.held == NOTHING for standing in keeper.standings(NOON_MS))


def test_a_budget_that_refuses_is_final_and_one_that_falls_back_is_not() -> None:
    for at_limit, final in (("refuse", True), ("free", False)):
        with pytest.raises(BudgetFault) as caught:
            opened(rule(at_limit=at_limit)).admit(applicant(), Amounts(101), NOON_MS, 0)
        assert (caught.value.final, caught.value.code, caught.value.budget) == (final, Code.BUDGET_REFUSED, "b")


def test_a_soft_budget_counts_and_refuses_nothing() -> None:
    keeper = opened(rule(hard=False))
    charge = keeper.admit(applicant(), Amounts(500), NOON_MS, 0)
    keeper.settle(charge, Amounts(400), NOON_MS)
    (standing,) = keeper.standings(NOON_MS)
    assert (standing.spent.usd, standing.held) == (400, NOTHING)
    assert not keeper.find_room(applicant(), NOON_MS).limited


def test_free_models_count_in_tokens_alone_and_are_refused_only_where_all_is() -> None:
    limits = (("usd", 100), ("tokens", 1_000))
    for at_limit, refused in (("free", False), ("refuse", True)):
        keeper = opened(rule(limits=limits, at_limit=at_limit))
        keeper.settle(keeper.admit(applicant(free=True), Amounts(0, 900, 1), NOON_MS, 0), Amounts(0, 900, 1), NOON_MS)
        try:
            keeper.admit(applicant(free=True), Amounts(0, 200, 1), NOON_MS, 0)
        except BudgetFault:
            assert refused
        else:
            assert not refused
        with pytest.raises(BudgetFault):
            keeper.admit(applicant(), Amounts(1, 200, 1), NOON_MS, 0)


def test_an_attempt_is_charged_to_the_window_in_which_its_request_came() -> None:
    keeper = opened(rule())
    midnight = bounds_ms(parse_window("day"), NOON_MS, UTC)[1]
    assert midnight is not None
    late = keeper.admit(applicant(at_ms=midnight - 1), Amounts(60), midnight - 1, 0)
    keeper.admit(applicant(at_ms=midnight), Amounts(100), midnight, 0)  # the new day has all of its own
    keeper.settle(late, Amounts(60), midnight + 5)
    with pytest.raises(BudgetFault):
        keeper.admit(applicant(at_ms=midnight - 1), Amounts(41), midnight + 5, 0)
    (today,) = keeper.standings(midnight + 5)
    assert (today.spent, today.held.usd, today.start_ms) == (NOTHING, 100, midnight)


def test_a_rolling_budget_gives_room_back_as_time_goes_on() -> None:
    keeper = opened(rule(window=parse_window("1h")))
    keeper.settle(keeper.admit(applicant(), Amounts(100), NOON_MS, 0), Amounts(100), NOON_MS)
    with pytest.raises(BudgetFault):
        keeper.admit(applicant(at_ms=NOON_MS + HOUR_MS - 1), Amounts(1), NOON_MS + HOUR_MS - 1, 0)
    later = NOON_MS + HOUR_MS + 3_000
    keeper.admit(applicant(at_ms=later), Amounts(100), later, 0)


@given(st.lists(st.tuples(st.integers(0, 3 * HOUR_MS), st.integers(1, 1_000)), max_size=60), st.integers(0, HOUR_MS))
def test_a_rolling_counter_never_counts_less_than_its_hours(spends: list[tuple[int, int]], after_ms: int) -> None:
    counter = Counter(rule(window=parse_window("1h")), "", 0, None)
    now_ms = max((at for at, _ in spends), default=0) + after_ms
    for at_ms, amount in spends:
        counter.spend(Amounts(amount), at_ms)
    exact = sum(amount for at, amount in spends if at > now_ms - HOUR_MS)
    a_slice_more = sum(amount for at, amount in spends if at > now_ms - HOUR_MS - counter.slice_ms)
    assert exact <= counter.spent(now_ms).usd <= a_slice_more


Step = tuple[str, int, int, int]
STEPS = st.lists(
    st.tuples(
        st.sampled_from(["admit", "settle", "release", "tick"]),
        st.integers(0, 2),
        st.integers(0, 60),
        st.integers(0, 60),
    ),
    max_size=80,
)


@given(STEPS)
@settings(max_examples=300)
def test_no_hard_budget_is_ever_overrun(steps: list[Step]) -> None:
    """``spent + held <= limit`` after every step, in every scope, whatever is asked in whichever order."""
    rules = (
        rule("all", 150),
        rule("each", 70, scope="project"),
        rule("model", 90, scope="model", of="up/m1"),
        rule("rolling", 120, window=parse_window("2h")),
    )
    keeper, now_ms, charges = opened(*rules), NOON_MS, []
    for what, which, amount, other in steps:
        if what == "tick":
            now_ms += amount * 120_000
        elif what == "admit":
            asker = applicant(f"p{which}", f"m{other % 2}", at_ms=now_ms)
            try:
                charges.append(keeper.admit(asker, Amounts(amount, 0, 1), now_ms, 0))
            except BudgetFault:
                continue
        elif charges:
            charge = charges.pop(which % len(charges))
            spent = Amounts(min(other, charge.wanted.usd), 0, 1) if what == "settle" else NOTHING
            keeper.settle(charge, spent, now_ms)
        for standing in keeper.standings(now_ms):
            limit = standing.limit("usd")
            assert limit is not None
            assert standing.held.usd >= 0
            assert standing.spent.usd + standing.held.usd <= limit


def test_alerts_are_told_once_a_window_and_again_in_the_next() -> None:
    told: list[tuple[int, str]] = []
    keeper = opened(rule(alert_at=(50, 80), hard=True), tell=lambda alert: told.append((alert.level, alert.value)))
    for day in range(2):
        now_ms = NOON_MS + day * 24 * HOUR_MS
        for amount in (30, 30, 30):
            asker = applicant(at_ms=now_ms)
            keeper.settle(keeper.admit(asker, Amounts(amount), now_ms, 0), Amounts(amount), now_ms)
        for _ in range(2):
            with pytest.raises(BudgetFault):
                keeper.admit(applicant(at_ms=now_ms), Amounts(11), now_ms, 0)
    assert told == [(50, ""), (80, ""), (100, "")] * 2


def test_a_forecast_is_told_once() -> None:
    told: list[int] = []
    keeper = opened(rule(), tell=lambda alert: told.append(alert.level))
    for _ in range(3):
        keeper.foresee(keeper.standings(NOON_MS)[0], "usd", NOON_MS)
    assert told == [0]


def test_what_was_told_before_a_restart_is_not_told_again() -> None:
    told: list[int] = []
    keeper = opened(rule(alert_at=(50,)), tell=lambda alert: told.append(alert.level))
    start_ms = bounds_ms(parse_window("day"), NOON_MS, UTC)[0]
    keeper.remember_told([("b", "", "usd", start_ms, 50)])
    keeper.settle(keeper.admit(applicant(), Amounts(60), NOON_MS, 0), Amounts(60), NOON_MS)
    assert told == []


def test_rules_that_count_the_same_keep_their_counters() -> None:
    keeper = opened(rule("a", 100), rule("b", 100))
    keeper.settle(keeper.admit(applicant(), Amounts(40), NOON_MS, 0), Amounts(40), NOON_MS)
    new = keeper.adopt((rule("a", 50), rule("b", 100, scope="project"), rule("c", 5)), ())
    assert [each.name for each in new] == ["b", "c"]
    assert keeper.standings(NOON_MS)[0].spent.usd == 40
    with pytest.raises(BudgetFault):
        keeper.admit(applicant(), Amounts(11), NOON_MS, 0)


def test_windows_that_are_over_are_forgotten_once_they_hold_nothing() -> None:
    keeper = opened(rule())
    charge = keeper.admit(applicant(), Amounts(10), NOON_MS, 0)
    later = NOON_MS + 48 * HOUR_MS
    keeper.forget(later)
    keeper.settle(charge, Amounts(10), later)
    assert keeper.standings(NOON_MS)[0].spent.usd == 10
    keeper.forget(later)
    assert keeper.standings(NOON_MS)[0].spent.usd == 0


def test_who_asks_again_is_charged_to_counters_that_are_seen() -> None:
    """Counters are remembered by who asks: a window, an oblivion and a configuration later they are others."""
    keeper = opened(rule())

    def spend(at_ms: int) -> int:
        keeper.settle(keeper.admit(applicant(at_ms=at_ms), Amounts(10), at_ms, 0), Amounts(10), at_ms)
        return keeper.standings(at_ms)[0].spent.usd

    later = NOON_MS + 48 * HOUR_MS
    assert [spend(NOON_MS), spend(NOON_MS), spend(later), spend(NOON_MS)] == [10, 20, 10, 30]
    keeper.forget(later)
    assert [spend(NOON_MS), spend(later)] == [10, 20]
    keeper.adopt((rule(), rule("second")), ())
    assert spend(later) == 30
    assert keeper.standings(later)[1].spent.usd == 10


def test_those_that_are_remembered_are_few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lodestard.ledger.keeper.MANY_KNOWN", 2)
    keeper = opened(rule(scope="project"))
    for project in ("a", "b", "c", "a", "b", "c"):
        keeper.admit(applicant(project), Amounts(10), NOON_MS, 0)
    assert {each.value: each.held.usd for each in keeper.standings(NOON_MS)} == {"a": 20, "b": 20, "c": 20}


def test_a_rate_refuses_what_comes_too_fast_and_says_how_long_to_wait() -> None:
    keeper = opened(rates=(Rate(name="r", scope="project", of="", requests=2),))
    for count in range(2):
        keeper.admit(applicant("alpha"), Amounts(0, 0, 1), NOON_MS, count * SECOND_NS)
    with pytest.raises(CallerFault) as caught:
        keeper.admit(applicant("alpha"), Amounts(0, 0, 1), NOON_MS, 2 * SECOND_NS)
    assert (caught.value.code, caught.value.retry_after_s) == (Code.RATE_LIMITED, 58.0)
    keeper.admit(applicant("beta"), Amounts(0, 0, 1), NOON_MS, 2 * SECOND_NS)
    keeper.admit(applicant("alpha"), Amounts(0, 0, 1), NOON_MS, 60 * SECOND_NS)


def test_tokens_under_way_count_with_their_worst_case_until_they_are_known() -> None:
    keeper = opened(rates=(Rate(name="r", scope="global", of="", tokens=1_000),))
    charge = keeper.admit(applicant(), Amounts(0, 900, 1), NOON_MS, 0)
    with pytest.raises(CallerFault):
        keeper.admit(applicant(), Amounts(0, 200, 1), NOON_MS, SECOND_NS)
    keeper.settle(charge, Amounts(0, 100, 1), NOON_MS)
    keeper.admit(applicant(), Amounts(0, 200, 1), NOON_MS, SECOND_NS)


def test_one_alone_is_let_through_however_large() -> None:
    pace = Pace(Rate(name="r", scope="global", of="", tokens=10), "")
    assert pace.wait_s(0, 1_000) == 0
    taken = pace.take(0, 1_000)
    assert pace.wait_s(SECOND_NS, 1) == 59
    assert pace.wait_s(MINUTE_NS, 1) == 0
    pace.correct(taken, 5)  # after it was forgotten: nothing to correct
    assert pace.is_idle(MINUTE_NS)


@given(st.lists(st.tuples(st.integers(0, 5 * SECOND_NS), st.integers(0, 50)), max_size=60))
def test_after_the_wait_there_is_room(comings: list[tuple[int, int]]) -> None:
    pace, now_ns = Pace(Rate(name="r", scope="global", of="", requests=5, tokens=100), ""), 0
    for gap_ns, tokens in comings:
        now_ns += gap_ns
        if (wait_s := pace.wait_s(now_ns, tokens)) > 0:
            now_ns += round(wait_s * SECOND_NS)
            assert pace.wait_s(now_ns, tokens) <= 1e-6
        pace.take(now_ns, tokens)


def test_paces_that_nobody_keeps_up_are_dropped_once_there_are_many() -> None:
    keeper = opened(rates=(Rate(name="r", scope="project", of="", requests=1),))
    for number in range(1_500):
        keeper.admit(applicant(f"p{number}"), Amounts(0, 0, 1), NOON_MS, number * MINUTE_NS // 500)
    assert len(keeper._paces) < 1_100
    with pytest.raises(CallerFault):
        keeper.admit(applicant("p1499"), Amounts(0, 0, 1), NOON_MS, 1_500 * MINUTE_NS // 500)
