"""Whoever is alone on a card begins without the planner being asked: with what it would have said, and foretold."""

from random import Random

import msgspec
import pytest

from lodestard.domain.usage import Durations, Usage
from lodestard.residency.planner import decide
from lodestard.residency.rates import AnswerFacts, Rates
from lodestard.residency.samples import estimate
from lodestard.residency.tenancy import Known
from lodestard.residency.view import INTERACTIVE, Policy, Resident, View, Waiter
from lodestard.residency.waits import Question, foresee_alone, predict_wait

MODEL, WORK = "llama3.1:8b", "chat/aider"


def learned(answers: int) -> Rates:
    rates, dice = Rates(), Random(answers)
    for number in range(answers):
        usage = Usage(prompt_tokens=dice.randint(100, 4_000), completion_tokens=dice.randint(20, 300))
        taken = Durations(prefill_ns=dice.randint(10**8, 10**10), decode_ns=dice.randint(10**8, 10**10))
        facts = AnswerFacts(tokens_per_byte=0.3, warm=number % 3 == 1, kin=number % 3 == 2, work=WORK)
        rates.learn_answer(MODEL, usage, taken, facts)
    return rates


@pytest.mark.parametrize("answers", [0, 1, 9])
@pytest.mark.parametrize("known", ["", "warm", "kin"])
def test_what_is_foretold_is_what_a_roll_says(answers: int, known: Known) -> None:
    rates = learned(answers)
    waiter = Waiter(
        id=1,
        model=MODEL,
        urgency=INTERACTIVE,
        principal="local",
        group="aider",
        conversation="this one",
        arrived_s=100.0,
        prompt_tokens=1_234,
        output_tokens=50,
        work=WORK,
    )
    resident = Resident(
        model=MODEL,
        cached=("this one",) if known == "warm" else (),
        works=(WORK,) if known == "kin" else (),
        begun=3,
    )
    view = View(now_s=100.0, policy=Policy(), residents=(resident,))
    rolled = predict_wait(view, rates.of, Question.of(waiter), decide)
    assert rolled == foresee_alone(view.policy, rates.of, waiter, known)
    waiting = msgspec.structs.replace(view, waiters=(waiter,))
    assert decide(waiting).start == (1,), "the planner would have it begin, too"


def test_the_figure_that_every_request_needs_is_the_one_of_all_figures() -> None:
    for answers in (0, 1, 9):
        rates = learned(answers)
        assert rates.tokens_per_byte(MODEL) == rates.of(MODEL).tokens_per_byte
        assert rates.tokens_per_byte("unheard-of") == rates.of("unheard-of").tokens_per_byte


def test_one_value_is_what_is_likely_and_equal_ones_are_their_own_median() -> None:
    for values in ([3.0], [3.0] * 5, [1.0, 3.0, 3.0, 3.0, 9.0]):
        assert estimate(values, 0.3).value == pytest.approx(3.0)
