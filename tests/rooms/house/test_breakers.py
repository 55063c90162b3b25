"""The owner of the breakers, on a clock of its own: what it tells, what it logs, and how much it remembers."""

import logging
from typing import Any

import msgspec
import pytest

from lodestard.breakers import MOST_KNOWN, NO_TRIAL, Breakers, Trial
from lodestard.domain.breaker import GOOD, NOTHING, Verdict
from lodestard.domain.resilience_settings import BreakerRules, OwnBreakerRules
from lodestard.domain.settings import Settings, Upstream
from lodestard.domain.upstream import Target

BIG, SMALL = Target("openai", "big"), Target("openai", "small")
BAD_MODEL = Verdict(upstream="good", target="bad", why="upstream_error, status 500")
BAD_SERVER = Verdict(upstream="bad", why="upstream_unreachable")
REFUSED = Verdict(upstream="bad", at_once=True, long=True, why="upstream_auth, status 401")
RULES = BreakerRules(failures=2, open_s=10.0, most_open_s=40.0)


class Desk:
    """Breakers, and a clock that goes when it is told to."""

    def __init__(self, **upstream: Any) -> None:
        self.now_s = 0.0
        self.breakers = Breakers(lambda: self.now_s)
        self.settings = Settings(
            breaker=RULES, upstreams={"openai": Upstream(dialect="openai", url="http://127.0.0.1:1", **upstream)}
        )
        self.breakers.configure(self.settings)

    def meet(self, target: Target, *verdicts: Verdict) -> None:
        for verdict in verdicts:
            self.breakers.end(target, self.breakers.begin(target), verdict)


def test_a_model_that_fails_is_passed_over_and_its_neighbours_are_not() -> None:
    desk = Desk()
    desk.meet(BIG, BAD_MODEL)
    assert not desk.breakers.tripped()
    desk.meet(BIG, BAD_MODEL)
    assert desk.breakers.tripped() == {"openai/big": "breaker open"}
    assert (desk.breakers.why_not(BIG), desk.breakers.why_not(SMALL)) == ("breaker open", "")


def test_a_server_that_is_not_there_is_passed_over_with_all_its_models() -> None:
    desk = Desk()
    desk.meet(BIG, BAD_SERVER)
    desk.meet(SMALL, BAD_SERVER)
    assert desk.breakers.why_not(BIG) == desk.breakers.why_not(SMALL) == "breaker open"
    assert desk.breakers.state_of("openai") == "open"


def test_one_request_tries_it_and_the_others_pass_it_over(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    desk = Desk()
    desk.meet(BIG, BAD_MODEL, BAD_MODEL)
    desk.now_s = 10.0
    assert desk.breakers.why_not(BIG) == ""
    trial = desk.breakers.begin(BIG)
    assert trial == Trial(target=True)
    assert desk.breakers.why_not(BIG) == "breaker half-open"
    assert desk.breakers.begin(BIG) == NO_TRIAL
    desk.breakers.end(BIG, trial, GOOD)
    assert not desk.breakers.tripped()
    assert not list(desk.breakers.views())
    told = [record.getMessage() for record in caplog.records]
    assert told == [
        "breaker of openai/big: closed -> open for 10 s: upstream_error, status 500",
        "breaker of openai/big: open -> half_open: it was left alone long enough",
        "breaker of openai/big: half_open -> closed: it answers",
    ]


def test_whoever_tries_it_and_says_nothing_lets_the_next_one_try() -> None:
    desk = Desk()
    desk.meet(BIG, BAD_MODEL, BAD_MODEL)
    desk.now_s = 10.0
    desk.breakers.end(BIG, desk.breakers.begin(BIG), NOTHING)
    assert desk.breakers.begin(BIG) == Trial(target=True)


def test_the_same_mapping_stands_for_as_long_as_nothing_changes() -> None:
    desk = Desk()
    clean = desk.breakers.tripped()
    desk.meet(BIG, BAD_MODEL)
    assert desk.breakers.tripped() is clean
    desk.meet(BIG, BAD_MODEL)
    tripped = desk.breakers.tripped()
    assert tripped is not clean
    desk.now_s = 9.9
    desk.meet(SMALL, GOOD, BAD_MODEL)
    assert desk.breakers.tripped() is tripped
    desk.now_s = 10.0
    assert not desk.breakers.tripped()


def test_a_look_brings_the_trial_forward_and_closes_nothing() -> None:
    desk = Desk()
    desk.meet(BIG, BAD_SERVER, BAD_SERVER)
    desk.breakers.note_look("openai")
    assert desk.breakers.state_of("openai") == "half_open"
    desk.breakers.note_look("nobody")


def test_a_look_says_nothing_to_whoever_refused_the_key() -> None:
    desk = Desk()
    desk.meet(BIG, REFUSED)
    desk.breakers.note_look("openai")
    assert desk.breakers.state_of("openai") == "open"


def test_each_time_twice_as_long() -> None:
    desk = Desk()
    desk.meet(BIG, BAD_MODEL, BAD_MODEL)
    for open_s in (10.0, 20.0, 40.0, 40.0):
        (view,) = desk.breakers.views()
        assert view.open_s == open_s
        desk.now_s += open_s
        desk.meet(BIG, BAD_MODEL)


def test_a_refused_key_is_asked_again_after_a_reload() -> None:
    desk = Desk()
    desk.meet(BIG, REFUSED)
    (view,) = desk.breakers.views()
    assert (view.name, view.state, view.open_s, view.why) == ("openai", "open", 40.0, REFUSED.why)
    desk.breakers.configure(desk.settings)
    assert not desk.breakers.tripped()


def test_an_upstream_may_have_rules_of_its_own() -> None:
    desk = Desk(breaker=OwnBreakerRules(failures=1))
    desk.meet(BIG, BAD_MODEL)
    assert desk.breakers.why_not(BIG) == "breaker open"
    (view,) = desk.breakers.views()
    assert view.open_s == RULES.open_s  # what it does not say is as for all


@pytest.mark.parametrize(
    "changed", [{"breaker": BreakerRules(failures=0)}, {"upstreams": {}}], ids=["switched off", "upstream gone"]
)
def test_who_has_no_breaker_any_more_is_passed_over_no_more(changed: dict[str, Any]) -> None:
    desk = Desk()
    desk.meet(BIG, BAD_MODEL, BAD_MODEL)
    desk.breakers.configure(msgspec.structs.replace(desk.settings, **changed))
    assert not desk.breakers.tripped()
    assert not list(desk.breakers.views())


@pytest.mark.repeats
def test_it_remembers_so_many_and_no_more() -> None:
    desk = Desk()
    for number in range(MOST_KNOWN + 5):
        desk.meet(Target("openai", f"m{number}"), BAD_MODEL)
    assert len(list(desk.breakers.views())) == MOST_KNOWN
