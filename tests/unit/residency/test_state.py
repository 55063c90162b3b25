"""A card's state: places and what slots still know, who was passed by, and what the planner sees of it."""

from typing import Any

import pytest

from lodestard.domain.residency import LoadedModel
from lodestard.domain.usage import Durations, Usage
from lodestard.residency.asking import Asked
from lodestard.residency.fit import Estimate
from lodestard.residency.state import Load, Pins, State, Tenant, Visit, freeze
from lodestard.residency.view import BACKGROUND, IDLE, INTERACTIVE, Policy, Wish


def visit(number: int, model: str = "a", urgency: int = INTERACTIVE, **asked: Any) -> Visit:
    usual = {"principal": "local", "group": "", "who": "", "conversation": f"c{number}", "basis_bytes": 100}
    request = Asked(model=model, urgency=urgency, messages=1, **{**usual, **asked})
    return Visit(number, request, "", arrived_s=float(number), estimate=Estimate(likely=30, high=40))


def tenant(model: str = "a", parallel: int = 1) -> Tenant:
    return Tenant(model, parallel, LoadedModel(model=model), since_s=0.0, used_s=0.0)


def test_a_conversation_takes_the_slot_used_longest_ago() -> None:
    seen = tenant(parallel=2)
    for number, conversation in enumerate(("one", "two", "one", "three")):
        seen.begin(visit(number, conversation=conversation))
    assert list(seen.cached) == ["one", "three"]
    assert [seen.knows(conversation) for conversation in ("one", "two", "three", "")] == [True, False, True, False]


def test_a_streak_is_of_one_conversation_in_a_row() -> None:
    seen, streaks = tenant(parallel=2), []
    for number, conversation in enumerate(("one", "one", "two", "one", "one", "", "")):
        seen.begin(visit(number, conversation=conversation))
        streaks.append(seen.streak)
    assert streaks == [1, 2, 1, 1, 2, 1, 1]


def test_places_are_as_many_as_it_answers_at_once() -> None:
    seen = tenant(parallel=2)
    for number in range(2):
        assert seen.has_place
        seen.begin(visit(number, task=f"task{number}"))
    assert not seen.has_place
    assert seen.begun == 2
    seen.begin(visit(3, task="another"))
    assert [work.partition("/")[0] for work in seen.works] == ["task1", "another"]


def test_who_waits_for_another_model_and_is_no_more_urgent_was_passed_by() -> None:
    state = State()
    waiting = [visit(1, "a", BACKGROUND), visit(2, "b", INTERACTIVE), visit(3, "b", BACKGROUND), visit(4, "b", IDLE)]
    state.queue = {one.id: one for one in waiting}
    state.pass_over(visit(9, "a", BACKGROUND))
    assert [one.passed for one in waiting] == [0, 0, 1, 1]


def test_a_frozen_waiter_is_kept_until_somebody_has_passed_it() -> None:
    seen = visit(1, "b")
    first = seen.as_waiter()
    assert seen.as_waiter() is first
    seen.passed += 1
    assert seen.as_waiter().passed == 1


@pytest.mark.parametrize(("urgency", "waits"), [(INTERACTIVE, False), (BACKGROUND, True), (IDLE, True)])
def test_somebody_as_urgent_waits(urgency: int, waits: bool) -> None:
    state = State(queue={1: visit(1, "a", BACKGROUND)})
    assert state.someone_waits_for("a", urgency) is waits
    assert not state.someone_waits_for("b", urgency)


def test_the_first_token_is_when_it_passed_or_what_the_server_says() -> None:
    usage = Usage(prompt_tokens=10, completion_tokens=20)
    durations = Durations(load_ns=10**9, prefill_ns=2 * 10**9, decode_ns=20 * 10**9)
    seen = visit(5)
    seen.begun_s = 100.0
    assert seen.first_token_s(usage, durations) == 104.0  # loaded, read, and one of twenty written
    assert seen.first_token_s(Usage(prompt_tokens=10, completion_tokens=0), durations) == 123.0
    seen.produced_s = 103.5
    assert seen.first_token_s(usage, durations) == 103.5


def test_quiet_and_settled_are_not_the_same() -> None:
    seen, state = tenant(), State()
    state.tenants["a"] = seen
    assert (state.quiet, state.settled) == (True, True)
    seen.begin(visit(1))
    assert (state.quiet, state.settled) == (False, True)
    seen.running.clear()
    state.leaving = "a"
    assert (state.quiet, state.settled) == (True, False)


def test_what_the_planner_sees() -> None:
    seen, state = tenant("a", 2), State(leaving_since_s=7.0, displaced="z", awaited_s=3.0)
    seen.begin(visit(1))
    state.tenants["a"], state.queue[2] = seen, visit(2, "b")
    state.loading = Load("b", started_s=4.0, wanted=False)
    wish = Wish(model="w", reason="")
    view = freeze(state, 10.0, Policy(), Pins(kept=frozenset("a"), exclusive=frozenset("b")), wish)
    (resident,), (waiter,) = view.residents, view.waiters
    assert (resident.model, resident.parallel, [one.id for one in resident.running]) == ("a", 2, [1])
    assert (resident.kept, resident.exclusive, resident.going) == (True, False, False)
    assert (waiter.id, waiter.model, waiter.arrived_s) == (2, "b", 2.0)
    assert view.loading is not None
    assert view.loading.wanted, "somebody has come to wait for what was a guess"
    assert (view.displaced, view.awaited_s, view.wish) == ("z", 3.0, wish)
    assert view.leaving_since_s is None, "nothing goes"


def test_shares_are_looked_at_where_there_is_somebody_to_share_with() -> None:
    state = State(queue={1: visit(1)})
    state.served.add("local", "", 5.0, 10.0)
    assert freeze(state, 10.0, Policy(), Pins(), None).served_s == {}
    state.queue[2] = visit(2)
    assert freeze(state, 10.0, Policy(), Pins(), None).served_s == {("local", ""): 5.0}
