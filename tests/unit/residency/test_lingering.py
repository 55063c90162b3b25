"""A model stays for whoever had it last: as long as he may come back, and no longer."""

from math import inf
from typing import Any

import pytest
import trio

from lodestard.domain.request import Caller
from lodestard.domain.residency import Ask, LoadedModel
from lodestard.domain.settings import Residency, Settings, Upstream
from lodestard.domain.upstream import Target
from lodestard.residency.card import Card, Standing
from lodestard.residency.landing import add_tenant
from lodestard.residency.planner import decide
from lodestard.residency.terms import read_terms
from lodestard.residency.view import BACKGROUND, INTERACTIVE, Policy, Resident, Running, View, Waiter, Wish
from tests.fakes.rooms import make_request

POLICY = Policy(linger_s=(10.0, 30.0, 30.0))
GUESS = Wish(model="b", reason="likely", guessed=True)


def waiter(urgency: int, *, brief: bool = False) -> Waiter:
    who: dict[str, Any] = {"principal": "local", "group": "", "conversation": ""}
    return Waiter(id=1, model="b", urgency=urgency, arrived_s=100.0, brief=brief, **who)


def seen(*waiters: Waiter, now_s: float = 100.0, wish: Wish | None = None, **members: Any) -> View:
    resident = Resident(**{"model": "a", "begun": 1, "used_s": 99.0, "awaited_s": 99.0, **members})
    return View(now_s=now_s, policy=POLICY, waiters=waiters, residents=(resident,), wish=wish)


@pytest.mark.parametrize(("urgency", "brief", "linger_s"), [(INTERACTIVE, True, 10.0), (BACKGROUND, False, 30.0)])
def test_it_goes_at_once_where_nobody_is_likely_to_come_back_so_soon(
    urgency: int, brief: bool, linger_s: float
) -> None:
    one = waiter(urgency, brief=brief)
    assert decide(seen(one)).unload == ""
    assert decide(seen(one, unasked_until_s=99.0 + linger_s - 0.1)).unload == ""
    assert decide(seen(one, unasked_until_s=99.0 + linger_s)).unload == "a"


def test_what_was_foreseen_says_nothing_of_whoever_is_being_answered() -> None:
    running = Running(id=7, urgency=INTERACTIVE, principal="local", conversation="", started_s=99.5)
    decision = decide(seen(waiter(INTERACTIVE, brief=True), unasked_until_s=inf, running=(running,)))
    assert "has its turn in 10 s" in decision.reason


def test_a_guess_waits_for_whoever_may_come_back_and_looks_again_then() -> None:
    early = decide(seen(wish=GUESS))
    assert (early.unload, early.wake_s) == ("", 129.0)
    assert decide(seen(wish=GUESS, now_s=129.0)).unload == "a"
    assert decide(seen(wish=GUESS, unasked_until_s=200.0)).unload == "a"


def test_a_guess_leaves_an_older_guess_the_time_to_come_true() -> None:
    fresh = {"begun": 0, "since_s": 98.0, "awaited_s": -inf}
    assert decide(seen(wish=GUESS, **fresh)).unload == ""
    assert decide(seen(wish=GUESS, now_s=128.0, **fresh)).unload == "a"


def test_what_is_told_waits_for_nobody() -> None:
    assert decide(seen(wish=Wish(model="b", reason="it is pinned"))).unload == "a"


# -- what the card notes --------------------------------------------------------------------------------------------


def make_card() -> Card:
    upstream = Upstream(dialect="ollama", url="http://127.0.0.1:1", free=True)
    terms = read_terms(Settings(upstreams={"gpu": upstream}, residency=Residency()))["gpu"]
    card = Card("gpu", terms, Standing(), lambda: 0)
    card.begin_load = card.begin_unload = str  # nothing is done about it
    add_tenant(card, LoadedModel(model="a:1"))
    return card


def ask(model: str, priority: str = "", session: str = "s") -> Ask:
    caller = Caller(client="aider", session=session, task="chat", priority=priority)
    return Ask(target=Target("gpu", model), request=make_request(), caller=caller, request_id="r")


async def test_an_answer_that_nobody_may_follow_frees_the_model(autojump_clock: trio.testing.MockClock) -> None:
    card = make_card()
    for _ in range(5):
        visit = card.enqueue(ask("a:1"))
        await trio.sleep(2.0)
        card.leave(visit, None)
        await trio.sleep(60.0)
    visit = card.enqueue(ask("a:1"))
    card.leave(visit, None)
    assert card.state.tenants["a:1"].unasked_until_s == pytest.approx(trio.current_time() + 60.0)


async def test_a_stranger_may_come_back_at_any_time(autojump_clock: trio.testing.MockClock) -> None:
    card = make_card()
    card.leave(card.enqueue(ask("a:1")), None)
    assert card.state.tenants["a:1"].unasked_until_s == -inf


async def test_what_nobody_waits_for_is_no_habit(autojump_clock: trio.testing.MockClock) -> None:
    card = make_card()
    for _ in range(5):
        card.leave(card.enqueue(ask("a:1", "background")), None)
    assert card.standing.habits.unasked_until_s("a:1", trio.current_time()) == inf


async def test_who_left_the_queue_waits_no_more(autojump_clock: trio.testing.MockClock) -> None:
    """His silence begins when he leaves; otherwise he would be expected for ever."""
    card = make_card()
    for _ in range(4):
        card.forget(card.enqueue(ask("b:1")))
        await trio.sleep(5.0)
    habits = card.standing.habits
    assert habits.guess(trio.current_time(), frozenset({"a:1"})) is not None
    await trio.sleep(200.0)
    assert habits.guess(trio.current_time(), frozenset({"a:1"})) is None
