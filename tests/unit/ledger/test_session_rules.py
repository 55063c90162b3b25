"""Sessions: ids, gaps, limits, and whose requests an asked one takes."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lodestard.domain.request import Caller
from lodestard.ledger.session_rules import (
    SessionIds,
    SessionRules,
    claims,
    fit_name,
    is_overlong,
    is_silent,
    refusal,
)

AT_MS = 1_795_640_580_000  # 2026-11-25 21:03 UTC
RULES = SessionRules(idle_gap_ms=1_000, max_ms=60_000)


def test_an_id_says_who_and_when() -> None:
    assert SessionIds().next_id("aider", AT_MS) == "aider-20261125-2103-000"
    assert SessionIds().next_id("", AT_MS + 30_000) == "session-20261125-2103-g00"


@given(st.lists(st.integers(min_value=-120_000, max_value=120_000), min_size=2, max_size=60))
def test_ids_are_unique_and_sorted_whatever_the_clock_does(steps_ms: list[int]) -> None:
    ids, now_ms, given_ids = SessionIds(), AT_MS, []
    for step_ms in steps_ms:
        now_ms += step_ms
        given_ids.append(ids.next_id("aider", now_ms))
    assert sorted(set(given_ids)) == given_ids


def test_a_minute_that_is_full_goes_on_in_the_next() -> None:
    ids = SessionIds()
    many = [ids.next_id("a", AT_MS + 59_999) for _ in range(40_000)]
    assert sorted(set(many)) == many
    assert all(re.fullmatch(r"a-\d{8}-\d{4}-[0-9a-v]{3}", each) for each in many)


@given(st.text())
def test_names_become_easy_to_type(name: str) -> None:
    assert re.fullmatch(r"[a-z0-9](-?[a-z0-9]+)*", fit_name(name))
    assert len(fit_name(name)) <= 24


@given(st.integers(min_value=0, max_value=10_000))
def test_a_silence_is_longer_than_the_gap(silence_ms: int) -> None:
    assert is_silent(AT_MS, AT_MS + silence_ms, RULES) == (silence_ms > 1_000)


@given(st.integers(min_value=0, max_value=10**9))
def test_no_limit_and_a_limit(age_ms: int) -> None:
    assert not is_overlong(AT_MS, AT_MS + age_ms, SessionRules())
    assert is_overlong(AT_MS, AT_MS + age_ms, RULES) == (age_ms > 60_000)


@pytest.mark.parametrize(
    ("lasted_ms", "says"), [(7_260_000, "2 h 1 min"), (125_000, "2 min 5 s"), (61_000, "1 min 1 s"), (59_000, "59 s")]
)
def test_a_refusal_names_the_session_and_the_way_on(lasted_ms: int, says: str) -> None:
    text = refusal("aider-1", lasted_ms, RULES)
    assert says in text
    assert "lodestarctl session end aider-1" in text
    assert "1 min 0 s" in text
    assert "429" not in text
    assert "rate limit" not in text


NAMES = st.sampled_from(["", "a", "b"])
CALLERS = st.builds(Caller, principal=st.sampled_from(["local", "bob"]), project=NAMES, user=NAMES, client=NAMES)


@given(CALLERS, CALLERS)
def test_an_asked_session_takes_what_does_not_contradict_it(asked: Caller, caller: Caller) -> None:
    taken = claims(asked, caller)
    if taken:
        assert asked.principal == caller.principal
        assert asked.client in ("", caller.client)
        for name in ("project", "user"):
            wanted, said = getattr(asked, name), getattr(caller, name)
            assert not wanted or said in ("", wanted)
    assert claims(Caller(principal=caller.principal), caller)
