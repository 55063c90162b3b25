"""Intervals that learn from how far waits were off."""

from math import exp, log
from random import Random
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lodestard.domain.residency import WaitErrors
from lodestard.residency.hindsight import AT_ONCE, LEAST_FACTOR, MOST_FACTOR, PACE, WINDOW, Foreseen, Hindsight

seconds = st.floats(0, 1e5)


@st.composite
def waits(draw: st.DrawFn) -> Foreseen:
    low, likely, high = sorted(draw(st.tuples(seconds, seconds, seconds)))
    return Foreseen(likely_s=likely, low_s=low, high_s=high, why="a swap")


def simulate(seed: int, told_too_narrow: float, number: int = 400) -> tuple[Hindsight, list[bool]]:
    """Waits whose true scatter is 0.5 (of the logarithm), of which the raw interval knows only a part."""
    dice, hindsight, within = Random(seed), Hindsight(), []
    for _ in range(number):
        likely_s, reach = dice.uniform(1, 60), 1.2816 * 0.5 * told_too_narrow
        raw = Foreseen(likely_s=likely_s, low_s=likely_s * exp(-reach), high_s=likely_s * exp(reach))
        told = hindsight.corrected(raw)
        actual_s = likely_s * exp(dice.gauss(0, 0.5))
        within.append(told.low_s <= actual_s <= told.high_s)
        hindsight.note(told, actual_s)
    return hindsight, within


@pytest.mark.parametrize("told_too_narrow", [0.33, 0.6, 1.0, 1.5])
@pytest.mark.parametrize("seed", range(3))
def test_four_in_five_come_to_be_within(seed: int, told_too_narrow: float) -> None:
    hindsight, within = simulate(seed, told_too_narrow)
    assert 0.75 <= sum(within[40:]) / len(within[40:]) <= 0.87
    errors = hindsight.errors()
    assert errors.count == 400
    assert errors.within_percent is not None
    assert 70 <= errors.within_percent <= 90
    assert errors.median_s is not None
    assert errors.p90_s is not None
    assert 0 < errors.median_s < errors.p90_s


@given(st.lists(st.floats(0, 200), min_size=1, max_size=200))
def test_the_share_beyond_a_side_is_held_by_the_rule_whatever_waits_are_like(actuals: list[float]) -> None:
    hindsight, above, below = Hindsight(), 0, 0
    for actual_s in actuals:
        told = hindsight.corrected(Foreseen(likely_s=100, low_s=80, high_s=120))
        above += actual_s > told.high_s
        below += actual_s < told.low_s
        hindsight.note(told, actual_s)
    slack = log(MOST_FACTOR / LEAST_FACTOR) / PACE
    state = hindsight.dump()["groups"][""]  # type: ignore[index]
    for side, missed in (("above", above), ("below", below)):
        if LEAST_FACTOR < float(str(state[side])) < MOST_FACTOR:
            assert abs(missed - 0.1 * len(actuals)) <= slack + 1


@given(waits(), st.lists(st.tuples(waits(), seconds), max_size=60))
def test_a_corrected_wait_is_in_order_and_within_bounds(wait: Foreseen, noted: list[tuple[Foreseen, float]]) -> None:
    hindsight = Hindsight()
    for predicted, actual_s in noted:
        hindsight.note(predicted, actual_s)
    told = hindsight.corrected(wait)
    assert 0 <= told.low_s <= told.likely_s <= told.high_s < float("inf")
    assert wait.likely_s / 5.001 <= told.likely_s <= wait.likely_s * 5.001
    assert (told.raw_s, told.why) == (wait.likely_s, wait.why)


def test_waits_of_one_kind_teach_nothing_of_another() -> None:
    hindsight = Hindsight()
    for _ in range(20):
        hindsight.note(Foreseen(likely_s=10, low_s=9, high_s=11, group="background"), 40.0)
    wait = Foreseen(likely_s=10, low_s=9, high_s=11, group="interactive")
    assert hindsight.corrected(wait) == msgspec.structs.replace(wait, raw_s=10)


def test_what_always_takes_twice_as_long_is_told_to() -> None:
    hindsight = Hindsight()
    for _ in range(20):
        hindsight.note(hindsight.corrected(Foreseen(likely_s=10, low_s=9, high_s=11, group="background")), 20.0)
    told = hindsight.corrected(Foreseen(likely_s=5, low_s=4, high_s=6, group="background"))
    assert told.likely_s == pytest.approx(10, rel=0.02)
    assert told.low_s < 10 < told.high_s


def test_what_begins_at_once_is_learned_from_but_no_wait() -> None:
    hindsight = Hindsight()
    for _ in range(20):
        hindsight.note(hindsight.corrected(Foreseen(likely_s=1, low_s=0.9, high_s=1.1, group=AT_ONCE)), 0.5)
    assert hindsight.errors() == WaitErrors()
    assert hindsight.corrected(Foreseen(likely_s=1, low_s=0.9, high_s=1.1, group=AT_ONCE)).likely_s < 0.6


def test_work_that_gives_way_reaches_further_from_the_start() -> None:
    wait = Foreseen(likely_s=10, low_s=9, high_s=11, group="background, a swap")
    assert Hindsight().corrected(wait).high_s == 13


def test_nothing_seen_is_not_zero() -> None:
    assert Hindsight().errors() == WaitErrors()
    assert Hindsight().errors().within_percent is None


def test_errors_are_of_the_last_waits() -> None:
    hindsight = Hindsight()
    for number in range(3 * WINDOW):
        hindsight.note(Foreseen(likely_s=10, low_s=8, high_s=12), 60.0 if number < WINDOW else 11.0)
    assert hindsight.errors() == WaitErrors(count=3 * WINDOW, median_s=1.0, p90_s=1.0, within_percent=100)


def test_absurd_waits_are_not_noted() -> None:
    hindsight = Hindsight()
    for actual_s in (float("nan"), float("inf"), -1.0, 1e9):
        hindsight.note(Foreseen(likely_s=1, low_s=0, high_s=2), actual_s)
    hindsight.note(Foreseen(likely_s=float("nan"), low_s=0, high_s=2), 1.0)
    assert hindsight.errors() == WaitErrors()


def test_what_is_kept_is_what_was_known() -> None:
    hindsight, _ = simulate(5, 0.5)
    again = Hindsight()
    again.take(hindsight.dump())
    wait = Foreseen(likely_s=10, low_s=5, high_s=20)
    assert again.corrected(wait) == hindsight.corrected(wait)
    assert again.dump() == hindsight.dump()
    assert again.errors().within_percent == hindsight.errors().within_percent


leaves = st.none() | st.booleans() | st.integers() | st.floats() | st.sampled_from(["", "1"])
garbage = leaves | st.lists(leaves, max_size=5) | st.dictionaries(st.sampled_from(["a", "b"]), leaves)
groups = st.dictionaries(
    st.sampled_from(["", "a"]), garbage | st.dictionaries(st.sampled_from(["below", "above", "ratios"]), garbage)
)
MEMBERS = {**dict.fromkeys(("errors", "within", "count"), garbage), "groups": garbage | groups}


@given(st.fixed_dictionaries({}, optional={"version": st.just(2) | garbage, **MEMBERS}))
def test_garbage_is_as_good_as_nothing(document: dict[str, Any]) -> None:
    hindsight = Hindsight()
    hindsight.take(document)
    told = hindsight.corrected(Foreseen(likely_s=10, low_s=5, high_s=20))
    assert 0 <= told.low_s <= told.likely_s <= told.high_s <= 50.1 * (1 + 5 * MOST_FACTOR)
    assert hindsight.errors().count >= 0
    hindsight.note(told, 7.0)
    assert hindsight.errors().median_s is not None
