"""Predicted waits: in order, bounded, explained, and what comes of them on a host whose rates are known."""

from collections.abc import Sequence
from dataclasses import replace
from math import isfinite
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lodestard.domain.residency import Figure, ModelRates, Wait
from lodestard.residency.planner import decide
from lodestard.residency.rates import Rates
from lodestard.residency.roll import RatesOf
from lodestard.residency.view import (
    BACKGROUND,
    INTERACTIVE,
    Decision,
    Loading,
    Policy,
    Resident,
    Running,
    View,
    Waiter,
)
from lodestard.residency.waits import MOST_ROLLED, MOST_STEPS, Expected, Question, expect, predict_wait
from tests.fakes.imagined_host import ImaginedHost, Told, Truth

CODER, LLAMA = "deepseek-coder:6.7b", "llama3.1:8b"
MODELS = (CODER, LLAMA, "third")
NOW_S = 1_000.0
EXACT = ModelRates(
    load_s=Figure(4, 4, 4, 64),
    unload_s=Figure(1, 1, 1, 64),
    prefill_s=Figure(0.005, 0.005, 0.005, 64),
    decode_s=Figure(0.05, 0.05, 0.05, 64),
    tokens_per_byte=Figure(0.3, 0.3, 0.3, 64),
    answer_tokens=Figure(100, 100, 100, 64),
)
"""Nothing scatters: 4 s to load, 1 s to unload, 5 s for a prompt of 1,000 tokens, 5 s for an answer."""


def exact(_model: str, _work: str = "", /) -> ModelRates:
    return EXACT


def waiter(number: int, model: str = CODER, **members: Any) -> Waiter:
    defaults = {"urgency": INTERACTIVE, "principal": "local", "group": "", "conversation": "", "prompt_tokens": 1_000}
    known = {**defaults, "arrived_s": NOW_S - 5 + number / 100, **members}
    return Waiter(id=number, model=model, **known)


def running(number: int = 900, **members: Any) -> Running:
    defaults = {"urgency": INTERACTIVE, "principal": "local", "conversation": "", "prompt_tokens": 1_000}
    return Running(id=number, **{**defaults, "started_s": NOW_S, **members})


def view(*waiters: Waiter, residents: Sequence[Resident] = (Resident(model=CODER),), **members: Any) -> View:
    return View(**{"now_s": NOW_S, "policy": Policy(), "waiters": waiters, "residents": tuple(residents), **members})


def ask(seen: View, model: str = CODER, **members: Any) -> Wait:
    question = Question(**{"model": model, "prompt_tokens": 1_000, "principal": "local", **members})
    wait = predict_wait(seen, exact, question, decide)
    assert wait is not None
    return wait


def busy(*answers: Running, **members: Any) -> Resident:
    return Resident(model=CODER, running=answers, **{"since_s": NOW_S - 60, "used_s": NOW_S, **members})


# -- examples --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("seen", "model", "likely_s", "why"),
    [
        (view(), CODER, 5, "deepseek-coder:6.7b is in memory and idle"),
        (view(), LLAMA, 10, "a swap from deepseek-coder:6.7b"),
        (view(residents=()), CODER, 9, "a load of deepseek-coder:6.7b"),
        (view(residents=[busy(running())]), CODER, 15, "running 1"),
        (view(residents=[busy(running(produced_s=NOW_S))]), CODER, 10, "running 1"),
        (view(waiter(1), residents=[busy(running())]), CODER, 25, "running 1, 1 before it"),
        (view(residents=[busy(running())]), LLAMA, 20, "running 1, then a swap from deepseek-coder:6.7b"),
        (view(loading=Loading(model=CODER, started_s=NOW_S), residents=()), CODER, 9, f"{CODER} being loaded"),
        (view(leaving=CODER), LLAMA, 9.5, "a swap from deepseek-coder:6.7b"),
        (
            view(loading=Loading(model=LLAMA, started_s=NOW_S, wanted=False), residents=()),
            CODER,
            9,
            "a load of deepseek-coder:6.7b",
        ),
    ],
)
def test_a_wait_is_all_that_it_hangs_on_and_says_what(seen: View, model: str, likely_s: float, why: str) -> None:
    wait = ask(seen, model)
    assert wait.likely_s == pytest.approx(likely_s, abs=0.01)
    assert wait.why == why


def test_a_guess_that_comes_true_is_waited_for() -> None:
    """A load that nobody had asked for is not given up for others once somebody asks for it."""
    seen = view(loading=Loading(model=CODER, started_s=NOW_S - 2, wanted=False), residents=())
    wait = ask(seen)
    assert wait.likely_s < 9
    assert wait.why == f"{CODER} being loaded"


def test_a_cached_conversation_is_read_quickly() -> None:
    seen = view(residents=[Resident(model=CODER, cached=("c",))])
    assert ask(seen, conversation="c").likely_s < ask(seen, conversation="other").likely_s / 4


def test_a_short_answer_is_over_sooner() -> None:
    short = view(waiter(1, output_tokens=10), residents=[busy(running(output_tokens=10))])
    assert ask(short).likely_s == pytest.approx(5 + 0.5 + 5 + 0.5 + 5)


def test_the_urgent_overtake_and_background_work_lets_them() -> None:
    seen = view(*(waiter(number, urgency=BACKGROUND) for number in range(4)), residents=[busy(running())])
    assert ask(seen).likely_s == pytest.approx(15)
    assert ask(seen, urgency=BACKGROUND).likely_s == pytest.approx(15 + 4 * 10, abs=Policy().grace_s)


def test_background_work_for_another_model_waits_until_the_resident_has_been_idle() -> None:
    seen = view(residents=[busy(used_s=NOW_S, awaited_s=NOW_S)], awaited_s=NOW_S)
    linger_s = Policy().linger_s[BACKGROUND]
    assert ask(seen, LLAMA, urgency=BACKGROUND).likely_s == pytest.approx(linger_s + 1 + 4 + 5)


def test_what_can_never_be_loaded_has_no_wait() -> None:
    pinned = view(residents=[Resident(model=CODER, exclusive=True)])
    assert predict_wait(pinned, exact, Question(model=LLAMA), decide) is None
    assert ask(pinned).likely_s == pytest.approx(5)
    two = replace_policy(pinned, resident_models=2)
    assert ask(two, LLAMA).likely_s == pytest.approx(9)


def test_a_planner_that_does_nothing_has_no_wait() -> None:
    assert predict_wait(view(), exact, Question(model=LLAMA), lambda _view: Decision()) is None


def replace_policy(seen: View, **members: Any) -> View:
    return msgspec.structs.replace(seen, policy=msgspec.structs.replace(seen.policy, **members))


def test_nobody_waits_for_longer_than_the_policy_lets_them() -> None:
    seen = view(*(waiter(number) for number in range(60)), residents=[busy(running())])
    wait = ask(seen)
    assert wait.likely_s == wait.high_s == Policy().max_wait_s[INTERACTIVE] + 5
    assert wait.why == "running 1, 60 before it: longer than it may wait"


def test_the_interval_is_wide_while_nothing_is_known() -> None:
    seen = view(waiter(1), residents=[busy(running())])
    wait = predict_wait(seen, Rates().of, Question(model=LLAMA, prompt_tokens=1_000), decide)
    assert wait is not None
    assert wait.low_s < wait.likely_s / 2
    assert wait.high_s > wait.likely_s * 2


# -- everybody in one roll -------------------------------------------------------------------------------------------


def test_everybody_is_told_when_they_get_on() -> None:
    seen = view(waiter(1), waiter(2, LLAMA), residents=[busy(running(900, started_s=NOW_S - 5))])
    expected = expect(seen, exact, decide)
    assert expected.ends_s == pytest.approx({900: 5, 1: 15, 2: 30})
    assert expected.firsts_s == pytest.approx({900: 0, 1: 10, 2: 25}, abs=0.4)
    assert expected.step_left_s is None


def test_the_step_under_way_is_told() -> None:
    loading = view(waiter(1), residents=(), loading=Loading(model=CODER, started_s=NOW_S - 1))
    expected = expect(loading, exact, decide)
    assert expected.step_left_s == pytest.approx(2.6, abs=0.5)
    assert expected.firsts_s[1] == pytest.approx((expected.step_left_s or 0) + 5)
    assert expect(view(leaving=CODER), exact, decide).step_left_s == pytest.approx(0.5)


def test_an_empty_host_expects_nothing() -> None:
    assert expect(view(residents=()), exact, decide) == Expected(firsts_s={}, ends_s={})


# -- whatever it is asked --------------------------------------------------------------------------------------------

instants = st.floats(0, NOW_S)
conversations = st.sampled_from(["", "c1", "c2"])


@st.composite
def waiters(draw: st.DrawFn) -> tuple[Waiter, ...]:
    return tuple(
        waiter(
            number,
            draw(st.sampled_from(MODELS)),
            urgency=draw(st.integers(0, 2)),
            principal=draw(st.sampled_from("ab")),
            conversation=draw(conversations),
            arrived_s=draw(instants),
            prompt_tokens=draw(st.integers(0, 8_000)),
            output_tokens=draw(st.none() | st.integers(1, 500)),
            passed=draw(st.integers(0, 30)),
            brief=draw(st.booleans()),
        )
        for number in range(draw(st.integers(0, 12)))
    )


@st.composite
def residents(draw: st.DrawFn) -> tuple[Resident, ...]:
    there = []
    for place, model in enumerate(draw(st.lists(st.sampled_from(MODELS), unique=True, max_size=2))):
        parallel = draw(st.integers(1, 3))
        answers = tuple(
            running(900 + 10 * place + number, urgency=draw(st.integers(0, 2)), started_s=draw(instants))
            for number in range(draw(st.integers(0, parallel)))
        )
        there.append(
            Resident(
                model=model,
                parallel=parallel,
                running=answers,
                since_s=draw(instants),
                used_s=draw(instants),
                cached=tuple(draw(st.lists(conversations, max_size=parallel))),
                kept=draw(st.booleans()),
                exclusive=draw(st.booleans()),
            )
        )
    return tuple(there)


@st.composite
def views(draw: st.DrawFn) -> View:
    there = draw(residents())
    absent = st.sampled_from([model for model in MODELS if all(one.model != model for one in there)])
    loading = draw(st.none() | st.builds(Loading, model=absent, started_s=instants, wanted=st.booleans()))
    idle = [one.model for one in there if not one.running]
    return View(
        now_s=NOW_S,
        policy=Policy(resident_models=draw(st.integers(max(1, len(there)), 2))),
        waiters=draw(waiters()),
        residents=there,
        loading=loading,
        leaving=draw(st.sampled_from(["", *idle])) if loading is None else "",
    )


questions = st.builds(
    Question,
    model=st.sampled_from(MODELS),
    prompt_tokens=st.integers(0, 8_000),
    urgency=st.integers(0, 2),
    principal=st.sampled_from("ab"),
    conversation=conversations,
    output_tokens=st.none() | st.integers(1, 500),
    brief=st.booleans(),
)


@given(views(), questions)
@settings(max_examples=100, deadline=None)
def test_a_wait_is_in_order_and_a_number_whatever_is_on_the_card(seen: View, question: Question) -> None:
    every: tuple[RatesOf, ...] = (exact, Rates().of)
    for rates in every:
        wait = predict_wait(seen, rates, question, decide)
        if wait is not None:
            assert 0 <= wait.low_s <= wait.likely_s <= wait.high_s
            assert isfinite(wait.high_s)
            assert wait.why
            assert wait == predict_wait(seen, rates, question, decide)


@given(views())
@settings(deadline=None)
def test_expectations_are_in_order_whatever_is_on_the_card(seen: View) -> None:
    expected = expect(seen, Rates().of, decide)
    for number, first_s in expected.firsts_s.items():
        assert 0 <= first_s <= expected.ends_s[number] < float("inf")
    assert expected.step_left_s is None or expected.step_left_s >= 0


@given(st.integers(0, 3 * MOST_ROLLED), st.integers(1, 3), st.data())
@settings(max_examples=60, deadline=None)
def test_one_more_for_the_same_model_never_makes_a_wait_shorter(
    number: int, parallel: int, data: st.DataObject
) -> None:
    """As long as nobody's conversation is cached; of whatever size, where one is answered after the other."""
    size = st.integers(0, 4_000) if parallel == 1 else st.just(1_000)
    sizes = data.draw(st.lists(size, min_size=number + 1, max_size=number + 1))
    queue = [waiter(at, prompt_tokens=size, conversation=f"c{at}") for at, size in enumerate(sizes)]
    resident = busy(*(running(900 + at) for at in range(parallel)), parallel=parallel)
    rates = data.draw(st.sampled_from([exact, Rates().of]))
    question = Question(model=CODER, prompt_tokens=1_000, principal="local")
    fewer = predict_wait(view(*queue[:-1], residents=[resident]), rates, question, decide)
    more = predict_wait(view(*queue, residents=[resident]), rates, question, decide)
    assert_not_shorter(fewer, more)


@given(st.integers(0, 15), st.integers(0, 15), st.sampled_from([CODER, LLAMA]), st.booleans())
@settings(max_examples=60, deadline=None)
def test_one_more_for_the_resident_never_makes_a_wait_shorter(
    coder: int, llama: int, model: str, assumed: bool
) -> None:
    """Of two models, with requests of one size; all came at once."""
    of_coder = [waiter(at, CODER, arrived_s=NOW_S, conversation=f"c{at}") for at in range(coder + 1)]
    of_llama = [waiter(100 + at, LLAMA, arrived_s=NOW_S, conversation=f"l{at}") for at in range(llama)]
    rates: RatesOf = Rates().of if assumed else exact
    resident, question = busy(running()), Question(model=model, prompt_tokens=1_000, principal="local")
    fewer = predict_wait(view(*of_coder[:-1], *of_llama, residents=[resident]), rates, question, decide)
    more = predict_wait(view(*of_coder, *of_llama, residents=[resident]), rates, question, decide)
    assert_not_shorter(fewer, more)


def assert_not_shorter(fewer: Wait | None, more: Wait | None) -> None:
    assert fewer is not None
    assert more is not None
    for name in ("low_s", "likely_s", "high_s"):
        less, longer = getattr(fewer, name), getattr(more, name)
        assert longer >= less - 1e-6 * max(1, less), name


@pytest.mark.parametrize("number", [0, 20, 100, 512])
def test_the_work_is_bounded_however_long_the_queue(number: int) -> None:
    asked: list[int] = []

    def counting(seen: View) -> Decision:
        asked.append(len(seen.waiters))
        return decide(seen)

    queue = [waiter(at, MODELS[at % 3], urgency=at % 2, arrived_s=at / 10) for at in range(number)]
    seen = view(*queue, residents=[busy(running())])
    assert predict_wait(seen, exact, Question(model=LLAMA, urgency=BACKGROUND), counting) is not None
    assert len(asked) <= MOST_STEPS
    assert max(asked) <= MOST_ROLLED + 1
    asked.clear()
    expect(seen, exact, counting)
    assert len(asked) <= MOST_STEPS


def test_a_roll_that_is_cut_short_adds_up_what_is_left() -> None:
    """Overdue requests are served by arrival, so each of these needs a swap."""
    queue = [waiter(at, MODELS[at % 2], arrived_s=NOW_S - 500 + at) for at in range(60)]
    seen = replace_policy(view(*queue, residents=[busy(running())]), max_wait_s=(1e5, 1e5, 1e5))
    wait = ask(seen, LLAMA)
    assert 60 * 10 < wait.likely_s < 62 * 15
    assert "60 before it" in wait.why


# -- on a host whose rates are known ---------------------------------------------------------------------------------


def share_within(told: Sequence[Told]) -> float:
    return sum(one.wait.low_s <= one.actual_s <= one.wait.high_s for one in told) / len(told)


def truths() -> dict[str, Truth]:
    return {CODER: Truth(), LLAMA: Truth(load_s=5.5, prefill_s=1 / 150, decode_s=1 / 13)}


@pytest.mark.repeats
@pytest.mark.parametrize(("pace_s", "parallel"), [(30, 1), (60, 1), (20, 2)])
def test_four_in_five_waits_come_to_be_within_what_was_told(pace_s: float, parallel: int) -> None:
    told = [
        one
        for seed in range(2)
        for one in ImaginedHost(truths(), seed, pace_s=pace_s, parallel=parallel).run(300)
        if one.number > 40
    ]
    assert 0.75 <= share_within(told) <= 0.9
    late = sum(one.actual_s > one.wait.likely_s for one in told) / len(told)
    assert 0.4 <= late <= 0.6


@pytest.mark.repeats
def test_waits_are_believed_again_twenty_requests_after_everything_takes_twice_as_long() -> None:
    def slow_down(host: ImaginedHost, number: int) -> None:
        if number == 150:
            host.truths = {
                model: replace(
                    truth, load_s=2 * truth.load_s, prefill_s=2 * truth.prefill_s, decode_s=2 * truth.decode_s
                )
                for model, truth in host.truths.items()
            }

    told: list[Told] = []
    for seed in range(4):
        told += ImaginedHost(truths(), seed, pace_s=60, on_request=slow_down).run(220)
    after = [one for one in told if one.number >= 170]
    assert 0.7 <= share_within(after) <= 0.95
    late = sum(one.actual_s > one.wait.likely_s for one in after) / len(after)
    assert 0.35 <= late <= 0.68
