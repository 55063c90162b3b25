"""Adding up how long things take, with intervals."""

from math import exp
from random import Random
from statistics import quantiles

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lodestard.domain.residency import Figure
from lodestard.residency.spans import NOTHING, Span, after, left_of, of_figure, of_product, shared_by, together, total

seconds = st.floats(0, 1e4)


@st.composite
def spans(draw: st.DrawFn) -> Span:
    low, likely, high = sorted(draw(st.tuples(seconds, seconds, seconds)))
    return Span(likely, low, high, shared_by(draw(st.integers(0, 64))))


times = st.floats(0.1, 5) | st.just(1.0)


@given(spans())
def test_one_span_is_its_own_sum(span: Span) -> None:
    assert total(after(NOTHING, span))[:3] == pytest.approx(span[:3], rel=1e-6, abs=1e-6)


@given(st.lists(st.tuples(spans(), times), max_size=8), spans(), times)
def test_adding_makes_nothing_lower(before: list[tuple[Span, float]], span: Span, often: float) -> None:
    added = NOTHING
    for one, number in before:
        added = after(added, one, number)
    old, new = total(added), total(after(added, span, often))
    assert new.low <= new.likely <= new.high
    for less, more in zip(old[:3], new[:3], strict=True):
        assert more >= less - 1e-6 * max(1.0, less)


@given(st.lists(spans(), max_size=6), spans())
def test_the_order_does_not_matter(others: list[Span], span: Span) -> None:
    assert together([*others, span])[:3] == pytest.approx(together([span, *others])[:3], rel=1e-6, abs=1e-6)


@pytest.mark.parametrize("number", [1, 2, 5, 20])
def test_the_sum_of_skewed_times_is_what_it_is(number: int) -> None:
    """Log-normal times, as answers take: the upper end of their interval is ten times the lower one.

    A few of them reach further than their intervals say; that much is left to hindsight.
    """
    dice, scatter = Random(number), 0.9
    sums = [sum(exp(dice.gauss(0, scatter)) for _ in range(number)) for _ in range(20_000)]
    tenths = quantiles(sums, n=10)
    known = of_figure(Figure(1.0, exp(-1.2816 * scatter), exp(1.2816 * scatter), 1_000))
    added = total(after(NOTHING, known, number))
    assert added.likely == pytest.approx(tenths[4], rel=0.12)
    within = sum(added.low <= one <= added.high for one in sums) / len(sums)
    assert 0.7 <= within <= 0.88


def test_what_is_only_assumed_is_wrong_in_the_same_way_every_time() -> None:
    assumed, known = Figure(10, 5, 20, 0), Figure(10, 5, 20, 64)
    wide = total(after(NOTHING, of_figure(assumed), 16))
    narrow = total(after(NOTHING, of_figure(known), 16))
    assert (wide.low, wide.high) == pytest.approx((80, 320))
    assert wide.high - wide.low > 2.5 * (narrow.high - narrow.low)


def test_a_product_of_two_figures_scatters_as_both_do() -> None:
    span = of_product(Figure(100, 50, 200, 9), Figure(0.1, 0.08, 0.125, 4))
    assert span.likely == pytest.approx(10)
    assert 4.5 < span.low < 5
    assert 20 < span.high < 22
    assert span.shared == shared_by(4)
    assert of_product(Figure(100, 50, 200, 9), Figure(0.1, 0.1, 0.1, 9), 60)[:3] == pytest.approx((6, 5, 6))
    assert of_product(Figure(0, 0, 0), Figure(0.1, 0.08, 0.125))[:3] == (0, 0, 0)


@given(spans(), st.floats(0, 1e5))
def test_what_is_left_is_in_order_and_never_less_than_nothing(span: Span, elapsed: float) -> None:
    left = left_of(span, elapsed)
    assert 0 <= left.low <= left.likely <= left.high
    assert left.high <= span.high - min(elapsed, span.low) + 10 * (span.high + 1)


def test_what_has_gone_on_for_longer_than_usual_is_not_over_for_that() -> None:
    span = Span(10, 5, 20)
    assert left_of(span, 0) == span
    assert left_of(span, 4).likely == pytest.approx(6.5, abs=0.6)
    assert 2 < left_of(span, 20).likely < 8
    assert left_of(span, 200).likely == pytest.approx(left_of(span, 100).likely, rel=0.01)
    assert left_of(Span(4, 4, 4), 9).likely > 0
