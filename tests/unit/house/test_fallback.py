"""What leads on to the next candidate, who is asked again and when, and in which order."""

from collections.abc import Sequence
from functools import partial
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lodestard.domain.attempt import AttemptRecord, elsewhere_ns
from lodestard.domain.errors import BudgetFault, CallerFault, CheckFault, Code, Fault, HouseFault, UpstreamFault
from lodestard.domain.reply import Choice, Reply, ToolCallPiece
from lodestard.domain.request import Embedding
from lodestard.domain.resilience_settings import Fallback
from lodestard.domain.upstream import Candidate, Target
from lodestard.equals import Equals
from lodestard.fallback import (
    BASE_S,
    CAP_S,
    Line,
    backoff_s,
    condition_of,
    leads_on,
    may_ask_again,
    read_deadline_s,
    refusal_of,
)
from lodestard.routing.balance import balance
from tests.fakes.rooms import make_candidate, make_plan, make_request

ALL = Fallback(on=("error", "timeout", "rate_limit", "refusal", "context", "slow_first_token", "check"))
NOTHING = Fallback(on=())


@pytest.mark.parametrize(
    ("fault", "condition"),
    [
        (UpstreamFault(Code.UPSTREAM_ERROR, "x"), "error"),
        (UpstreamFault(Code.UPSTREAM_CUT, "x"), "error"),
        (UpstreamFault(Code.UPSTREAM_AUTH, "x"), "error"),
        (UpstreamFault(Code.UPSTREAM_REJECTED, "x"), "error"),
        (UpstreamFault(Code.UPSTREAM_TIMEOUT, "x"), "timeout"),
        (UpstreamFault(Code.SLOW_FIRST_TOKEN, "x"), "slow_first_token"),
        (UpstreamFault(Code.UPSTREAM_RATE_LIMITED, "x"), "rate_limit"),
        (UpstreamFault(Code.UPSTREAM_BUSY, "x"), "rate_limit"),
        (CallerFault(Code.RATE_LIMITED, "x"), "rate_limit"),
        (CallerFault(Code.CONTEXT_LENGTH_EXCEEDED, "x"), "context"),
        (CheckFault("x", whole=True), "check"),
        (CheckFault("x", whole=True, code=Code.ANSWER_REFUSED), "refusal"),
        (BudgetFault("x", final=False), "budget"),
        (BudgetFault("x", final=True), ""),
        (CallerFault(Code.NOT_SUPPORTED, "x"), "unable"),
        (HouseFault(Code.PRICE_UNKNOWN, "x"), "unable"),
        (HouseFault(Code.LEDGER_UNAVAILABLE, "x"), "unable"),
        (CallerFault(Code.INVALID_REQUEST, "x"), ""),
        (HouseFault(Code.OVERLOADED, "x"), ""),
        (CallerFault(Code.CLIENT_LEFT, "x"), ""),
    ],
)
def test_conditions(fault: Fault, condition: str) -> None:
    assert condition_of(fault) == condition
    assert leads_on(condition, ALL) == bool(condition)
    assert leads_on(condition, NOTHING) == (condition in ("budget", "unable"))


def test_what_leads_on_where_nothing_is_said() -> None:
    usual = Fallback()
    said = [name for name in ALL.on if leads_on(name, usual)]
    assert said == ["error", "timeout", "rate_limit", "context", "check"]


def unbilled(code: Code, status: int | None, *, billed: bool = False) -> UpstreamFault:
    return UpstreamFault(code, "x", status=status, billed=billed)


@pytest.mark.parametrize(
    ("fault", "again"),
    [
        (unbilled(Code.UPSTREAM_RATE_LIMITED, 429), True),
        (unbilled(Code.UPSTREAM_BUSY, None), True),
        (unbilled(Code.UPSTREAM_ERROR, 503), True),
        (unbilled(Code.UPSTREAM_ERROR, 529), True),
        (unbilled(Code.UPSTREAM_ERROR, 503, billed=True), False),
        (unbilled(Code.UPSTREAM_ERROR, 500), False),
        (unbilled(Code.UPSTREAM_QUOTA, 429), False),
        (CallerFault(Code.RATE_LIMITED, "x"), False),
    ],
)
def test_who_may_be_asked_again(fault: Fault, again: bool) -> None:
    assert may_ask_again(fault) == again


@given(
    told_s=st.none() | st.floats(0, 1e4),
    tries=st.integers(0, 50),
    draw=st.floats(0, 1, exclude_max=True),
)
def test_what_was_told_is_waited_for_and_the_jitter_is_bounded(told_s: float | None, tries: int, draw: float) -> None:
    fault = UpstreamFault(Code.UPSTREAM_RATE_LIMITED, "x", retry_after_s=told_s)
    wait_s = backoff_s(fault, tries, draw)
    assert (told_s or 0.0) <= wait_s <= (told_s or 0.0) + min(CAP_S, BASE_S * 2**tries)


# -- refusals ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("choices", "why"),
    [
        ([Choice(text="hi", finish="stop")], ""),
        ([Choice(text="half", finish="content_filter")], "it was filtered"),
        ([Choice(refusal="I can't.", finish="stop")], "the model refused"),
        ([Choice(reasoning="hm", finish="stop")], "it is empty"),
        ([Choice(tool_calls=(ToolCallPiece(0, "1", "f", "{}"),), finish="tool_calls")], ""),
        ([Choice(text="hi"), Choice(finish="content_filter")], ""),
        ([], "it is empty"),
    ],
)
def test_refusals(choices: Sequence[Choice], why: str) -> None:
    assert refusal_of(Reply(choices=tuple(choices)), make_request()) == why


def test_vectors_are_no_refusal() -> None:
    request = make_request()
    talk = msgspec.structs.replace(request.conversation, embedding=Embedding())
    assert refusal_of(Reply(), msgspec.structs.replace(request, conversation=talk)) == ""


# -- the line ------------------------------------------------------------------------------------------------------


def nobody() -> None:
    """There is no spare one."""


def names(*candidates: Candidate | None) -> list[str | None]:
    return [None if one is None else one.target.upstream for one in candidates]


def test_who_is_passed_over_comes_last_and_is_asked() -> None:
    candidates = [make_candidate(name) for name in "abc"]
    line = Line(candidates, lambda target: "breaker open" if target.upstream in "ab" else "", nobody)
    assert names(*[line.take() for _ in range(4)]) == ["c", "a", "b", None]
    assert line.passed == [(Target("a", "model"), "breaker open"), (Target("b", "model"), "breaker open")]


def test_one_that_is_alone_is_not_passed_over() -> None:
    line = Line([make_candidate("a")], lambda _target: "breaker open", nobody)
    assert names(line.take()) == ["a"]
    assert line.passed == []


def test_spare_ones_come_at_the_very_end_and_not_where_it_is_closed() -> None:
    spare = iter([make_candidate("s", free=True)])
    line = Line([make_candidate("a")], lambda _target: "", lambda: next(spare, None))
    assert names(line.take(), line.take(), line.take()) == ["a", "s", None]
    closed = Line(
        [make_candidate("a"), make_candidate("b")], lambda _target: "", partial(make_candidate, "s", free=True)
    )
    assert names(closed.take()) == ["a"]
    closed.close()
    assert closed.take() is None


def test_beside_comes_who_fits_and_is_well_out_of_its_turn() -> None:
    candidates = [make_candidate(name) for name in "abcd"]
    line = Line(candidates, lambda target: "breaker open" if target.upstream == "b" else "", nobody)
    assert names(line.take(), line.take_beside(lambda _one: True)) == ["a", "c"]
    assert line.take_beside(lambda _one: False) is None
    assert names(line.take(), line.take()) == ["d", "b"]


@given(asked_last=st.sets(st.sampled_from("abcdef")), count=st.integers(0, 6))
def test_everybody_is_asked_once(asked_last: set[str], count: int) -> None:
    candidates = [make_candidate(name) for name in "abcdef"[:count]]
    line = Line(candidates, lambda target: "x" if target.upstream in asked_last else "", nobody)
    taken = []
    while (candidate := line.take()) is not None:
        taken.append(candidate)
    assert sorted(names(*taken), key=str) == sorted(names(*candidates), key=str)


# -- deadlines, times ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("text", "seconds"), [(None, 0.0), ("", 0.0), ("30", 30.0), ("0.5", 0.5)])
def test_a_deadline_is_read(text: str | None, seconds: float) -> None:
    assert read_deadline_s(text) == seconds


@pytest.mark.parametrize("text", ["-1", "0", "inf", "nan", "soon", "1e9"])
def test_what_is_no_deadline_is_refused(text: str) -> None:
    with pytest.raises(CallerFault):
        read_deadline_s(text)


def record(**moments: Any) -> AttemptRecord:
    return AttemptRecord(make_candidate(), **{f"{name}_ns": moment for name, moment in moments.items()})


def test_what_two_did_at_once_counts_once() -> None:
    one = record(started=0, admitted=10, dialled=20, ended=100)
    other = record(started=50, admitted=60, dialled=70, ended=150)
    assert elsewhere_ns([one], 200) == 90
    assert elsewhere_ns([one, other], 200) == 140
    assert elsewhere_ns([record(started=0)], 30) == 30
    assert elsewhere_ns([], 30) == 0


# -- equals --------------------------------------------------------------------------------------------------------


def test_equals_by_who_is_least_busy_then_by_who_is_quickest() -> None:
    now_s = [0.0]
    equals = Equals(lambda: now_s[0])
    a, b = Target("a", "model"), Target("b", "model")
    assert equals.of(a) == equals.of(b) == (0, 0.0)
    busy = equals.begin(a)
    assert equals.of(a) > equals.of(b)
    equals.end(busy, 4.0)
    assert equals.of(a) == (0, 4.0)
    equals.end(equals.begin(b), 2.0)
    assert equals.of(a) > equals.of(b)
    now_s[0] = 60.0
    assert equals.of(a) == (0, 2.0)  # what is not confirmed counts for less and less
    equals.end(equals.begin(b), None)
    assert equals.of(b) == (0, 1.0)


def test_only_equals_that_are_paid_and_up_change_places() -> None:
    free, down = make_candidate("f", free=True), msgspec.structs.replace(make_candidate("d"), up=False)
    plan = make_plan(make_candidate("a"), free, make_candidate("x"), make_candidate("b"), down)
    named = {"a/model", "b/model", "f/model", "d/model"}

    def pace_of(target: Target) -> tuple[int, float]:
        return (1, 0.0) if target.upstream in "af" else (0, 5.0)

    balanced = balance(plan, named, pace_of)
    assert [one.target.upstream for one in balanced.candidates] == ["b", "f", "x", "a", "d"]
    assert balanced.reason == "test; least busy: b/model"
    assert balance(plan, {"a/model"}, pace_of) is plan
    assert balance(plan, named, lambda _target: (0, 0.0)).reason == "test"
