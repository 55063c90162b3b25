"""The breaker's table: every state and event, and what always holds of any history."""

from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lodestard.domain.breaker import (
    CLEAN,
    GOOD,
    NOTHING,
    TABLE,
    Breaker,
    Event,
    Kind,
    State,
    Verdict,
    step,
    verdict_of,
)
from lodestard.domain.errors import CallerFault, CheckFault, Code, Fault, HouseFault, UpstreamFault
from lodestard.domain.resilience_settings import BreakerRules

RULES = BreakerRules(failures=3, window_s=60.0, open_s=10.0, most_open_s=40.0)
ONE_FAILED = Breaker(failures=(95.0,))
TWO_FAILED = Breaker(failures=(90.0, 95.0))
LONG_AGO = Breaker(failures=(10.0, 20.0))
OPEN = Breaker(state="open", until_s=105.0, openings=1, why="x")
HALF = Breaker(state="half_open", until_s=99.0, openings=1, why="x")
TRIED = Breaker(state="half_open", until_s=99.0, openings=1, trying=True, why="x")
AGAIN = Breaker(state="open", until_s=120.0, openings=2, why="y")


def at_100(kind: Kind, **members: Any) -> Event:
    return Event(kind=kind, at_s=100.0, why="y", **members)


@pytest.mark.parametrize(
    ("before", "event", "after"),
    [
        (CLEAN, at_100("good"), CLEAN),
        (ONE_FAILED, at_100("good"), CLEAN),
        (CLEAN, at_100("bad"), Breaker(failures=(100.0,))),
        (TWO_FAILED, at_100("bad"), Breaker(state="open", until_s=110.0, openings=1, why="y")),
        (LONG_AGO, at_100("bad"), Breaker(failures=(100.0,))),
        (CLEAN, at_100("bad", at_once=True), Breaker(state="open", until_s=110.0, openings=1, why="y")),
        (CLEAN, at_100("bad", at_once=True, long=True), Breaker(state="open", until_s=140.0, openings=1, why="y")),
        (ONE_FAILED, at_100("none"), ONE_FAILED),
        (ONE_FAILED, at_100("begin"), ONE_FAILED),
        (ONE_FAILED, at_100("look"), ONE_FAILED),
        (ONE_FAILED, at_100("tick"), ONE_FAILED),
        (OPEN, at_100("good"), CLEAN),
        (OPEN, at_100("bad"), OPEN),
        (OPEN, at_100("none"), OPEN),
        (OPEN, at_100("begin"), OPEN),
        (OPEN, at_100("look"), Breaker(state="half_open", until_s=105.0, openings=1, why="x")),
        (OPEN, at_100("tick"), OPEN),
        (OPEN, Event(kind="tick", at_s=105.0), Breaker(state="half_open", until_s=105.0, openings=1, why="x")),
        (HALF, at_100("good"), CLEAN),
        (HALF, at_100("bad"), AGAIN),
        (HALF, at_100("none"), HALF),
        (HALF, at_100("begin"), TRIED),
        (HALF, at_100("look"), HALF),
        (HALF, at_100("tick"), HALF),
        (TRIED, at_100("good", own=True), CLEAN),
        (TRIED, at_100("bad", own=True), AGAIN),
        (TRIED, at_100("none", own=True), HALF),
        (TRIED, at_100("good"), Breaker(trying=True)),
        (TRIED, at_100("none"), TRIED),
    ],
)
def test_the_table(before: Breaker, event: Event, after: Breaker) -> None:
    assert step(before, event, RULES) == after


def test_the_table_is_whole() -> None:
    assert set(TABLE) == {(state, kind) for state in get_args(State) for kind in get_args(Kind)}


def test_more_than_one_good_answer_may_be_wanted() -> None:
    rules = BreakerRules(half_open_probes=2)
    first = step(HALF, at_100("good"), rules)
    assert (first.state, first.good) == ("half_open", 1)
    assert step(first, at_100("good"), rules) == CLEAN
    assert step(first, at_100("bad"), rules).good == 0


def test_none_opens_where_breakers_are_switched_off() -> None:
    rules = BreakerRules(failures=0)
    assert step(TWO_FAILED, at_100("bad", at_once=True), rules) == TWO_FAILED


class Traffic:
    """Any history: requests that come, wait while another one tries, and end as they like."""

    def __init__(self, rules: BreakerRules) -> None:
        self.rules = rules
        self.breaker = CLEAN
        self.now_s = 0.0
        self.trials = 0
        self.others = 0

    def tell(self, kind: Kind, *, own: bool = False) -> None:
        self.breaker = step(self.breaker, Event(kind=kind, at_s=self.now_s, own=own), self.rules)

    def begin(self) -> None:
        if self.breaker.state == "half_open" and not self.breaker.trying:
            self.tell("begin")
            self.trials += 1
        else:
            self.others += 1

    def end(self, kind: Kind, *, own: bool) -> None:
        if own and self.trials:
            self.trials -= 1
            self.tell(kind, own=True)
        elif self.others:
            self.others -= 1
            self.tell(kind)


MOVES = st.lists(
    st.one_of(
        st.just(("begin",)),
        st.tuples(st.sampled_from(["good", "bad", "none"]), st.booleans()),
        st.just(("look",)),
        st.tuples(st.just("wait"), st.floats(0.0, 50.0)),
    ),
    max_size=60,
)
ANY_RULES = st.builds(
    BreakerRules,
    failures=st.integers(1, 4),
    window_s=st.floats(1.0, 100.0),
    open_s=st.floats(0.5, 20.0),
    most_open_s=st.floats(20.0, 60.0),
    half_open_probes=st.integers(1, 3),
)


@given(rules=ANY_RULES, moves=MOVES)
def test_one_tries_at_a_time_it_always_leaves_open_and_good_answers_close_it(
    rules: BreakerRules, moves: list[Any]
) -> None:
    traffic = Traffic(rules)
    for move, *how in moves:
        if move == "begin":
            traffic.begin()
        elif move == "look":
            traffic.tell("look")
        elif move == "wait":
            traffic.now_s += how[0]
            traffic.tell("tick")
        else:
            traffic.end(move, own=how[0])
        breaker = traffic.breaker
        assert traffic.trials == breaker.trying <= 1
        assert breaker.state != "open" or breaker.until_s <= traffic.now_s + rules.most_open_s
        rested = step(breaker, Event(kind="tick", at_s=traffic.now_s + rules.most_open_s), rules)
        assert rested.state != "open"
        for _ in range(rules.half_open_probes):
            rested = step(rested, Event(kind="good", at_s=traffic.now_s), rules)
        assert rested.state == "closed"


def upstream_fault(code: Code, status: int | None = None, **members: Any) -> UpstreamFault:
    return UpstreamFault(code, "x", upstream="u", status=status, **members)


@pytest.mark.parametrize(
    ("fault", "verdict"),
    [
        (upstream_fault(Code.UPSTREAM_UNREACHABLE, sent=False), ("bad", "none", False, False)),
        (upstream_fault(Code.UPSTREAM_TIMEOUT, sent=False), ("bad", "none", False, False)),
        (upstream_fault(Code.UPSTREAM_TIMEOUT), ("none", "bad", False, False)),
        (upstream_fault(Code.UPSTREAM_CUT), ("none", "bad", False, False)),
        (upstream_fault(Code.UPSTREAM_ERROR, 500), ("good", "bad", False, False)),
        (upstream_fault(Code.UPSTREAM_GARBAGE), ("none", "bad", False, False)),
        (upstream_fault(Code.UPSTREAM_AUTH, 401), ("bad", "none", True, True)),
        (upstream_fault(Code.UPSTREAM_AUTH, sent=False), ("bad", "none", True, True)),
        (upstream_fault(Code.UPSTREAM_AUTH, 403), ("good", "bad", True, True)),
        (upstream_fault(Code.UPSTREAM_QUOTA, 429), ("good", "bad", True, True)),
        (upstream_fault(Code.UPSTREAM_MODEL_MISSING, 404), ("good", "bad", True, False)),
        (upstream_fault(Code.UPSTREAM_RATE_LIMITED, 429), ("good", "none", False, False)),
        (upstream_fault(Code.UPSTREAM_BUSY, sent=False), ("none", "none", False, False)),
        (upstream_fault(Code.UPSTREAM_REJECTED, 400), ("good", "none", False, False)),
        (upstream_fault(Code.HEDGE_LOST), ("none", "none", False, False)),
    ],
)
def test_whose_a_fault_is(fault: UpstreamFault, verdict: tuple[Kind, Kind, bool, bool]) -> None:
    said = verdict_of(fault)
    assert (said.upstream, said.target, said.at_once, said.long) == verdict


@pytest.mark.parametrize(
    "fault",
    [
        CallerFault(Code.CONTEXT_LENGTH_EXCEEDED, "x"),
        HouseFault(Code.LEDGER_UNAVAILABLE, "x"),
        CheckFault("x", whole=True),
        UpstreamFault(Code.UPSTREAM_GARBAGE, "larger than what we hold"),
    ],
)
def test_what_says_nothing_of_an_upstream(fault: Fault) -> None:
    assert verdict_of(fault) == NOTHING
    assert Verdict(upstream="good", target="good") == GOOD
