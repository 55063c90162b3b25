"""What is known of a kind of work: the nearest that was seen, and what is usual before."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lodestard.domain.residency import Figure
from lodestard.domain.usage import Durations, Usage
from lodestard.residency.priors import KIN_SHARE, USUAL_ANSWERS, WARM_SHARE
from lodestard.residency.rates import AnswerFacts, Rates
from lodestard.residency.works import MOST_SHARE, MOST_WORKS, SCATTER, Works

CODER, LLAMA = "deepseek-coder:6.7b", "llama3.1:8b"
COMMIT, CHAT, JOB = "commit/aider/interactive", "chat//interactive", "chat/script/background"
OF_MODEL = Figure(150.0, 50.0, 400.0, 30)


def test_a_commit_message_is_short_before_any_was_seen_and_a_chat_as_its_model_answers() -> None:
    assert Works().answer_tokens(LLAMA, COMMIT, OF_MODEL) == USUAL_ANSWERS["commit"]
    assert Works().answer_tokens(LLAMA, CHAT, OF_MODEL) == OF_MODEL
    assert Works().answer_tokens(LLAMA, "", OF_MODEL) == OF_MODEL


def test_work_that_was_seen_says_more_and_of_its_own_model_most() -> None:
    works = Works()
    for _ in range(8):
        works.learn("answer_tokens", LLAMA, JOB, 30.0)
    for _ in range(8):
        works.learn("answer_tokens", CODER, JOB, 70.0)
    assert round(works.answer_tokens(LLAMA, JOB, OF_MODEL).value) == 30
    assert round(works.answer_tokens(CODER, JOB, OF_MODEL).value) == 70
    assert 29.9 <= works.answer_tokens("third", JOB, OF_MODEL).value <= 70.1
    assert works.answer_tokens(LLAMA, CHAT, OF_MODEL) == OF_MODEL


def test_shares_are_shares() -> None:
    works = Works()
    assert works.kin_share(LLAMA, JOB) == KIN_SHARE
    assert works.warm_share(LLAMA, JOB) == WARM_SHARE
    for _ in range(8):
        works.learn("kin_share", LLAMA, JOB, 7.0)
        works.learn("warm_share", LLAMA, JOB, 0.3)
    assert round(works.kin_share(LLAMA, JOB).value, 3) == MOST_SHARE
    assert round(works.warm_share(LLAMA, JOB).value, 3) == 0.3


def test_rates_tell_the_reading_of_a_prompt_from_what_was_cached() -> None:
    """1,000 tokens in 5 s, of the same instructions in 1 s, of the same conversation in 0.5 s."""
    rates = Rates()
    usage = Usage(prompt_tokens=1_000, completion_tokens=50)
    for seconds, known in ((5.0, {}), (1.0, {"kin": True}), (0.5, {"warm": True})):
        for _ in range(8):
            durations = Durations(prefill_ns=round(seconds * 1e9), decode_ns=2_000_000_000)
            rates.learn_answer(LLAMA, usage, durations, AnswerFacts(work=JOB, **known))
    known_rates = rates.of(LLAMA, JOB)
    assert round(known_rates.prefill_s.value, 4) == 0.005
    assert round(known_rates.kin_share.value, 3) == 0.2
    assert round(known_rates.warm_share.value, 3) == 0.1
    assert rates.of(LLAMA).warm_share == WARM_SHARE
    again = Rates()
    again.take(rates.dump())
    kept = again.of(LLAMA, JOB)
    for name in ("prefill_s", "decode_s", "kin_share", "warm_share", "answer_tokens"):
        assert getattr(kept, name).value == pytest.approx(getattr(known_rates, name).value, rel=1e-6)


def test_kinds_not_seen_for_longest_make_room() -> None:
    works = Works()
    for number in range(2 * MOST_WORKS):
        works.learn("answer_tokens", LLAMA, f"task-{number}/client/interactive", 10.0)
    assert len(works.dump()) == MOST_WORKS
    assert works.answer_tokens(LLAMA, "task-0/client/interactive", OF_MODEL) == OF_MODEL


leaves = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4)
garbage = leaves | st.lists(leaves, max_size=4)
entries = st.fixed_dictionaries(
    {},
    optional={"model": st.just(LLAMA) | garbage, "work": st.just(JOB) | garbage, **dict.fromkeys(SCATTER, garbage)},
)


@given(garbage | st.lists(garbage | entries, max_size=4))
def test_garbage_is_as_good_as_nothing(document: Any) -> None:
    works = Works()
    works.take(document)
    for figure in (
        works.answer_tokens(LLAMA, JOB, OF_MODEL),
        works.kin_share(LLAMA, JOB),
        works.warm_share(LLAMA, JOB),
    ):
        assert 0 < figure.low <= figure.value <= figure.high < float("inf")
