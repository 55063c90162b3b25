"""The context guard: estimates, what fits, how long an answer can get, what is learned."""

import math

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lodestard.domain.residency import Figure
from lodestard.protocols.error_text import CONTEXT_SENTENCE, says_too_long
from lodestard.residency.asking import Asked
from lodestard.residency.fit import (
    END_TOKENS,
    LEARN_BASIS_BYTES,
    MOST_CONVERSATIONS,
    TOKENS_PER_BYTE,
    Counted,
    EarlierTurns,
    Estimate,
    Fit,
    estimate_tokens,
    judge_fit,
    learn_ratio,
)

SIZES = st.integers(0, 10**7)
RATIOS = st.floats(0.05, 1.2)
COUNTS = st.integers(0, 1000)
LIMITS = st.none() | st.integers(1, 10**6)


def asked(basis_bytes: int = 10_000, *, images: int = 0, limit: int | None = None, conversation: str = "c") -> Asked:
    return Asked(
        model="m",
        urgency=0,
        principal="p",
        group="g",
        who="w",
        conversation=conversation,
        basis_bytes=basis_bytes,
        messages=3,
        images=images,
        output_tokens=limit,
    )


@st.composite
def figures(draw: st.DrawFn) -> Figure:
    low, value, high = sorted(draw(st.tuples(RATIOS, RATIOS, RATIOS)))
    return Figure(value, low, high, draw(COUNTS))


def test_an_estimate_is_the_basis_by_the_ratio() -> None:
    assert estimate_tokens(asked(10_000), TOKENS_PER_BYTE) == Estimate(2700, 3800)
    learned = Figure(0.25, 0.24, 0.26, 40)
    assert estimate_tokens(asked(10_000), learned) == Estimate(2500, 2600)
    assert estimate_tokens(asked(10_000, images=2), learned) == Estimate(3700, 5000)


def test_few_observations_are_trusted_less() -> None:
    one, many = Figure(0.25, 0.25, 0.25, 1), Figure(0.25, 0.25, 0.25, 50)
    assert estimate_tokens(asked(10_000), one).high == 2750
    assert estimate_tokens(asked(10_000), many).high == 2575


def test_with_an_earlier_turn_only_the_difference_is_guessed() -> None:
    learned = Figure(0.25, 0.20, 0.40, 40)
    earlier = Counted(basis_bytes=10_000, prompt_tokens=3_000)
    assert estimate_tokens(asked(10_000), learned, earlier) == Estimate(3000, 3060)
    assert estimate_tokens(asked(12_000), learned, earlier) == Estimate(3500, 3860)
    shorter = estimate_tokens(asked(8_000), learned, earlier)
    assert (shorter.likely, shorter.high) == (2400, 2400 * 102 // 100 + 300)


@given(SIZES, figures(), st.integers(0, 5))
def test_high_is_never_below_likely(size: int, figure: Figure, images: int) -> None:
    guess = estimate_tokens(asked(size, images=images), figure)
    assert 0 <= guess.likely <= guess.high


@given(SIZES, SIZES, figures(), st.integers(1, 10**7), RATIOS)
def test_what_is_known_of_an_earlier_turn_keeps_the_order(
    size: int, more: int, figure: Figure, before: int, ratio: float
) -> None:
    earlier = Counted(before, math.ceil(before * ratio))
    guess, larger = (estimate_tokens(asked(one), figure, earlier) for one in (size, size + more))
    assert 0 <= guess.likely <= guess.high
    assert guess.likely <= larger.likely
    if size == before:
        assert guess.likely == earlier.prompt_tokens


@given(SIZES, st.integers(0, 10**6), figures(), st.integers(0, 10**6), LIMITS, st.integers(1, 4096))
def test_a_prompt_is_objected_to_or_leaves_room(
    size: int, more: int, figure: Figure, context: int, limit: int | None, answer: int
) -> None:
    wanted = asked(size, limit=limit)
    guess = estimate_tokens(wanted, figure)
    fit = judge_fit(guess, context, wanted, answer)
    least = min(answer, limit or answer)
    if context == 0:
        assert (fit.room_tokens, fit.objection) == (None, "")
    elif fit.objection:
        assert guess.likely + least + END_TOKENS > context
        assert fit.room_tokens is None
        assert judge_fit(guess, context + more, wanted, answer).objection or context + more >= guess.likely + least
    else:
        assert fit.room_tokens is not None
        assert least <= fit.room_tokens < context
        assert guess.likely + fit.room_tokens < context
        if fit.room_tokens > least:
            assert guess.high + fit.room_tokens < context  # even then the answer ends before the context does


def test_a_prompt_that_may_be_too_long_is_let_through() -> None:
    fit = judge_fit(Estimate(3_500, 4_600), 4_096, asked(), 256)
    assert (fit.room_tokens, fit.objection) == (256, "")
    assert judge_fit(Estimate(3_500, 4_600), 4_096, asked(limit=10), 256).room_tokens == 10
    assert judge_fit(Estimate(3_500, 3_600), 4_096, asked(), 256).room_tokens == 4_096 - 3_600 - END_TOKENS


def test_a_short_answer_needs_less_room() -> None:
    assert judge_fit(Estimate(4_000, 4_000), 4_096, asked(), 256).objection
    assert not judge_fit(Estimate(4_000, 4_000), 4_096, asked(limit=16), 256).objection
    assert judge_fit(Estimate(4_000, 4_000), 4_096, asked(limit=4_000), 256).objection


def test_the_objection_is_openais() -> None:
    objection = judge_fit(Estimate(5_000, 5_100), 4_096, asked(), 256).objection
    assert objection == (
        "This model's maximum context length is 4096 tokens. However, your messages resulted in about 5000 tokens,"
        " and the answer needs 256. Please reduce the length of the messages."
    )
    assert objection.startswith(CONTEXT_SENTENCE)
    assert says_too_long(objection)


@pytest.mark.parametrize(("likely", "context", "answer"), [(429, 400, 10), (4000, 429, 10), (1000, 1200, 429)])
def test_no_objection_reads_like_a_rate_limit(likely: int, context: int, answer: int) -> None:
    objection = judge_fit(Estimate(likely, likely), context, asked(), answer).objection
    assert objection
    assert "429" not in objection
    assert "430" in objection


def test_what_teaches() -> None:
    assert learn_ratio(asked(10_000), 2_500) == 0.25
    assert learn_ratio(asked(LEARN_BASIS_BYTES - 1), 250) is None
    assert learn_ratio(asked(10_000, images=1), 2_500) is None
    assert learn_ratio(asked(10_000), 40) is None  # the rest was cached
    assert learn_ratio(asked(10_000), 0) is None
    assert learn_ratio(asked(10_000), 50_000) is None


def test_the_last_turn_of_a_conversation_is_remembered() -> None:
    turns = EarlierTurns()
    turns.keep(asked(10_000), 2_500)
    turns.keep(asked(11_000), 2_700)
    assert turns.find(asked()) == Counted(11_000, 2_700)
    assert turns.find(asked(conversation="other")) is None
    assert turns.find(asked(images=1)) is None
    for cached in (5, 1_500):  # what was cached was not counted
        turns.keep(asked(12_000), cached)
        assert turns.find(asked()) == Counted(11_000, 2_700)
    turns.keep(asked(9_000), 2_000)
    assert turns.find(asked()) == Counted(9_000, 2_000)


def test_the_oldest_conversation_is_forgotten_first() -> None:
    turns = EarlierTurns()
    for number in range(MOST_CONVERSATIONS):
        turns.keep(asked(conversation=str(number)), 2_500)
    turns.keep(asked(conversation="0"), 2_600)
    turns.keep(asked(conversation="new"), 2_500)
    assert turns.find(asked(conversation="1")) is None
    assert turns.find(asked(conversation="0")) == Counted(10_000, 2_600)


def test_what_is_embedded_is_judged_by_the_server() -> None:
    """Its inputs are read one by one: their sum says nothing about the context."""
    embeds = msgspec.structs.replace(asked(10**6), embeds=True)
    assert judge_fit(estimate_tokens(embeds, TOKENS_PER_BYTE), 2048, embeds, 256) == Fit(None)
    assert judge_fit(estimate_tokens(asked(10**6), TOKENS_PER_BYTE), 2048, asked(10**6), 256).objection
