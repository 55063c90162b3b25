"""The planner's rules one by one: a view, and what is decided. What they come to together, schedules show."""

from math import inf
from typing import Any

import msgspec
import pytest

from lodestard.residency.planner import choose_turn, choose_wanted, decide
from lodestard.residency.view import (
    BACKGROUND,
    IDLE,
    INTERACTIVE,
    Decision,
    Loading,
    Policy,
    Resident,
    Running,
    View,
    Waiter,
    Wish,
)

NOW_S = 1_000.0
POLICY = Policy()
PATIENCE_S, LONGEST_S, DWELL_S, GRACE_S = (
    POLICY.patience_s[0],
    POLICY.max_wait_s[0],
    POLICY.dwell_s[0],
    POLICY.grace_s,
)
LINGER_S = POLICY.linger_s[BACKGROUND]
TYPED_S = POLICY.linger_s[INTERACTIVE]


def wait(number: int, model: str, waited_s: float = 0.0, urgency: int = INTERACTIVE, **members: Any) -> Waiter:
    known = {"principal": "local", "group": "", "conversation": f"c{number}"}
    return Waiter(id=number, model=model, urgency=urgency, arrived_s=NOW_S - waited_s, **{**known, **members})


def run(number: int, urgency: int = INTERACTIVE) -> Running:
    return Running(id=number, urgency=urgency, principal="local", conversation="", started_s=NOW_S - 1)


def there(model: str, *running: Running, **members: Any) -> Resident:
    """In memory for ten minutes; nobody has waited for it lately."""
    known: dict[str, Any] = {"since_s": NOW_S - 600, "used_s": NOW_S - 300, "awaited_s": NOW_S - 300, "begun": 5}
    return Resident(model=model, running=running, **{**known, **members})


def see(*seen: Waiter | Resident, policy: dict[str, Any] | None = None, **members: Any) -> View:
    return View(
        now_s=NOW_S,
        policy=msgspec.structs.replace(POLICY, **(policy or {})),
        waiters=tuple(one for one in seen if isinstance(one, Waiter)),
        residents=tuple(one for one in seen if isinstance(one, Resident)),
        **members,
    )


def done(decision: Decision) -> dict[str, Any]:
    """What is done: whatever is not as where nothing is."""
    told = msgspec.structs.asdict(decision)
    return {
        name: told[name] for name in told if name not in ("reason", "wake_s") and told[name] != TO_DO_NOTHING[name]
    }


Table = dict[str, tuple[View, dict[str, Any]]]
TO_DO_NOTHING = msgspec.structs.asdict(Decision())
DUE = PATIENCE_S + 1  # overdue
TWO = {"resident_models": 2}

# -- who begins ----------------------------------------------------------------------------------------------------

BEGIN: Table = {
    "a free place": (see(wait(1, "a"), there("a")), {"start": (1,)}),
    "no free place": (see(wait(2, "a"), there("a", run(1))), {}),
    "as many as there are places": (
        see(*(wait(n, "a") for n in (1, 2, 3)), there("a", parallel=2)),
        {"start": (1, 2)},
    ),
    "nothing where a model goes": (see(wait(1, "a"), there("a"), leaving="a"), {}),
    "nothing where it was told to go": (see(wait(1, "a"), there("a", going=True)), {"unload": "a"}),
    "what was told to go ends what it is at": (see(there("a", run(1), going=True)), {}),
    "the most urgent": (see(wait(1, "a", 9, BACKGROUND), wait(2, "a"), there("a")), {"start": (2,)}),
    "the overdue before the urgent": (
        see(wait(1, "a", POLICY.patience_s[BACKGROUND] + 1, BACKGROUND), wait(2, "a"), there("a")),
        {"start": (1,)},
    ),
    "the cached conversation": (
        see(wait(1, "a", 9), wait(2, "a", conversation="it"), there("a", cached=("it",), streak=3)),
        {"start": (2,)},
    ),
    "but not for ever": (
        see(wait(1, "a", 9), wait(2, "a", conversation="it"), there("a", cached=("it",), streak=4)),
        {"start": (1,)},
    ),
    "who had less": (
        see(
            wait(1, "a", 9, principal="hog", group="one"),
            wait(2, "a", principal="modest", group="other"),
            there("a"),
            served_s={("hog", ""): 60.0, ("modest", ""): 1.0},
        ),
        {"start": (2,)},
    ),
    "who had less within a principal": (
        see(
            wait(1, "a", 9, group="hog"),
            wait(2, "a", group="modest"),
            there("a"),
            served_s={("local", ""): 61.0, ("local", "hog"): 60.0, ("local", "modest"): 1.0},
        ),
        {"start": (2,)},
    ),
    "background work holds its breath": (
        see(wait(1, "a", 9, BACKGROUND), there("a"), awaited_s=NOW_S - GRACE_S / 2),
        {},
    ),
    "not longer": (see(wait(1, "a", 9, BACKGROUND), there("a"), awaited_s=NOW_S - GRACE_S), {"start": (1,)}),
    "idle work where nobody waits": (see(wait(1, "a", 9, IDLE), there("a")), {"start": (1,)}),
    "no idle work while somebody waits for another model": (
        see(wait(1, "a", 9, IDLE), wait(2, "b", 0, BACKGROUND), there("a", awaited_s=NOW_S - 1)),
        {},
    ),
    "idle work is stopped for who waits": (
        see(wait(2, "a", 0, BACKGROUND), there("a", run(1, IDLE))),
        {"preempt": (1,)},
    ),
    "idle work is not stopped for idle work": (see(wait(2, "a", 0, IDLE), there("a", run(1, IDLE))), {}),
    "background work is not stopped": (see(wait(2, "a"), there("a", run(1, BACKGROUND))), {}),
    "only the overdue before somebody overdue": (
        see(wait(1, "a", DUE + 1), wait(2, "b", DUE), wait(3, "a", 1), there("a", parallel=2)),
        {"start": (1,)},
    ),
    "nothing patient before somebody overdue": (
        see(wait(1, "a", DUE + 100, BACKGROUND), wait(2, "b", DUE), there("a")),
        {"unload": "a"},
    ),
    "who waited too long is sent away": (see(wait(1, "a", LONGEST_S), there("a")), {"give_up": (1,)}),
    "nobody before": (see(wait(1, "a", LONGEST_S - 0.1), there("a")), {"start": (1,)}),
}

# -- who goes, who comes -------------------------------------------------------------------------------------------

MOVE: Table = {
    "into an empty card": (see(wait(1, "a")), {"load": "a"}),
    "beside another one where there is room": (see(wait(1, "b"), there("a"), policy=TWO), {"load": "b"}),
    "into the place of what nobody wants": (see(wait(1, "b"), there("a")), {"unload": "a"}),
    "once its answers have ended": (see(wait(2, "b"), there("a", run(1))), {}),
    "not what begins now": (see(wait(1, "a", 9), wait(2, "b"), there("a")), {"start": (1,)}),
    "nothing while something is loaded": (see(wait(1, "b"), loading=Loading(model="a", started_s=0.0)), {}),
    "nothing while something goes": (see(wait(1, "b"), there("a"), leaving="a"), {}),
    "a guess is given up": (
        see(wait(1, "b"), loading=Loading(model="a", started_s=0.0, wanted=False)),
        {"cancel_load": True},
    ),
    "not for who waits for it": (see(wait(1, "a"), loading=Loading(model="a", started_s=0.0, wanted=False)), {}),
    "not for idle work": (
        see(wait(1, "b", 0, IDLE), loading=Loading(model="a", started_s=0.0, wanted=False)),
        {},
    ),
    "not where there is room for both": (
        see(wait(1, "b"), loading=Loading(model="a", started_s=0.0, wanted=False), policy=TWO),
        {},
    ),
    "the model of who is most urgent": (see(wait(1, "a", 9, BACKGROUND), wait(2, "b")), {"load": "b"}),
    "the model of who came first": (see(wait(1, "a", 1), wait(2, "b", 2)), {"load": "b"}),
    "the overdue one's before": (see(wait(1, "a", 1_000, BACKGROUND), wait(2, "b")), {"load": "a"}),
    "rather than for a completion": (see(wait(1, "a", 9, brief=True), wait(2, "b")), {"load": "b"}),
    "rather than back what has just gone": (see(wait(1, "a", 9), wait(2, "b"), displaced="a"), {"load": "b"}),
    "of two the one used longest ago goes": (
        see(wait(1, "c"), there("a"), there("b", used_s=NOW_S - 400), policy=TWO),
        {"unload": "b"},
    ),
    "of two the one that nobody waits for goes": (
        see(wait(1, "c"), wait(2, "b", 0, BACKGROUND), there("a"), there("b", used_s=0.0), policy=TWO),
        {"start": (2,), "unload": "a"},
    ),
    "of two the one not kept goes": (
        see(wait(1, "c"), there("a"), there("b", used_s=0.0, kept=True), policy=TWO),
        {"unload": "a"},
    ),
    "what nothing displaces stays": (see(wait(1, "b"), there("a", exclusive=True)), {}),
    "what is kept goes for who waits": (see(wait(1, "b"), there("a", kept=True)), {"unload": "a"}),
    "and stays for background work": (see(wait(1, "b", 9, BACKGROUND), there("a", kept=True)), {}),
}

# -- whose turn ----------------------------------------------------------------------------------------------------

A_WAITS = wait(1, "a", 9)
BUSY = there("a", run(9))

TURN: Table = {
    "goes on while it is wanted": (see(A_WAITS, wait(2, "b"), BUSY), {}),
    "goes on before its dwell": (
        see(A_WAITS, wait(2, "b", DWELL_S - 0.1, passed=99), there("a", begun=11)),
        {"start": (1,)},
    ),
    "over after so long": (see(A_WAITS, wait(2, "b", DWELL_S), there("a")), {"unload": "a"}),
    "over after so many": (see(A_WAITS, wait(2, "b", 1, passed=12), there("a", begun=12)), {"unload": "a"}),
    "that waits while others are served": (
        see(A_WAITS, wait(2, "b", 1, passed=11), there("a", begun=99)),
        {"start": (1,)},
    ),
    "that begins when the model comes": (
        see(A_WAITS, wait(2, "b", DWELL_S), there("a", since_s=NOW_S - 1)),
        {"start": (1,)},
    ),
    "over for somebody overdue": (see(A_WAITS, wait(2, "b", DUE), there("a", since_s=NOW_S - 1)), {"unload": "a"}),
    "not for who came after somebody overdue": (
        see(wait(1, "a", DUE + 1), wait(2, "b", DUE), there("a")),
        {"start": (1,)},
    ),
    "what was loaded for somebody overdue serves him": (
        see(wait(1, "a", DUE), wait(2, "b", DUE + 1), there("a", begun=0, since_s=NOW_S)),
        {"start": (1,)},
    ),
    "background work has no dwell against who waits at a screen": (
        see(A_WAITS, wait(2, "b", 800, BACKGROUND, passed=999), there("a", begun=999)),
        {"start": (1,)},
    ),
    "who waits at a screen takes it from background work": (
        see(wait(1, "a", 9, BACKGROUND), wait(2, "b"), there("a")),
        {"unload": "a"},
    ),
    "it lingers before background work": (
        see(wait(2, "b", 9, BACKGROUND), there("a", awaited_s=NOW_S - LINGER_S + 0.1)),
        {},
    ),
    "not longer than that": (
        see(wait(2, "b", 9, BACKGROUND), there("a", awaited_s=NOW_S - LINGER_S)),
        {"unload": "a"},
    ),
    "nor where nobody will come back so soon": (
        see(wait(2, "b", 9, BACKGROUND), there("a", awaited_s=NOW_S - 1, unasked_until_s=NOW_S + LINGER_S)),
        {"unload": "a"},
    ),
    "a completion is worth no swap while its rival is in use": (
        see(wait(2, "b", 1, brief=True), there("a", awaited_s=NOW_S - TYPED_S + 0.1)),
        {},
    ),
    "it gets one later": (see(wait(2, "b", 1, brief=True), there("a", awaited_s=NOW_S - TYPED_S)), {"unload": "a"}),
    "idle work takes nothing from work": (see(wait(2, "b", 900, IDLE), there("a", run(1, BACKGROUND))), {}),
    "nor from idle work": (see(wait(1, "a", 1, IDLE), wait(2, "b", 900, IDLE), there("a")), {"start": (1,)}),
}

# -- what is wished for --------------------------------------------------------------------------------------------

WISH = Wish(model="b", reason="it is pinned")
GUESS = Wish(model="b", reason="likely", guessed=True)

WISHES: Table = {
    "into an empty card": (see(wish=WISH), {"load": "b"}),
    "into the place of what is idle": (see(there("a", awaited_s=NOW_S - 1), wish=WISH), {"unload": "a"}),
    "not what is kept": (see(there("a", kept=True), wish=WISH), {}),
    "not while somebody is answered": (see(there("a", run(1)), wish=WISH, policy=TWO), {}),
    "not while somebody waits": (see(wait(2, "a"), there("a", run(1)), wish=WISH, policy=TWO), {}),
    "nor for a moment of rest": (
        see(wait(2, "a", 0, BACKGROUND), there("a"), awaited_s=NOW_S - GRACE_S / 2, wish=WISH, policy=TWO),
        {},
    ),
    "not what is there": (see(there("b"), wish=WISH), {}),
    "a guess lets whoever had it last come back": (see(there("a", awaited_s=NOW_S - 1), wish=GUESS), {}),
    "and an older guess come true": (see(there("a", begun=0, since_s=NOW_S - 1, awaited_s=-inf), wish=GUESS), {}),
    "not for ever": (see(there("a", begun=0), wish=GUESS), {"unload": "a"}),
}

TABLES: dict[str, Table] = {"begin": BEGIN, "move": MOVE, "turn": TURN, "wish": WISHES}
CASES = [
    pytest.param(view, decided, id=f"{table}: {name}")
    for table, cases in TABLES.items()
    for name, (view, decided) in cases.items()
]


@pytest.mark.parametrize(("view", "decided"), CASES)
def test_a_view_and_what_is_decided(view: View, decided: dict[str, Any]) -> None:
    decision = decide(view)
    assert done(decision) == decided, decision
    assert decision.reason


@pytest.mark.parametrize(
    "view",
    [
        see(wait(1, "a", DUE + 1), wait(2, "b", DUE), BUSY),  # came before
        see(wait(1, "a", DUE), wait(2, "b", DUE + 1), there("a", run(9), begun=0)),  # it was loaded for
        see(wait(2, "b", 900, IDLE), there("a", run(9, BACKGROUND))),
        see(wait(1, "a", 1, IDLE), wait(2, "b", 900, IDLE, passed=999), there("a", begun=999)),
    ],
)
def test_a_turn_that_has_no_end_while_that_is_so(view: View) -> None:
    wanted = choose_wanted(view.waiters, view)
    turn = choose_turn(view.waiters, wanted, view)
    assert turn.victim is not None
    assert (turn.over, turn.until_s) == (False, inf)


@pytest.mark.parametrize(
    ("view", "at_s"),
    [
        (see(), None),
        (see(there("a", run(1))), None),
        (see(wait(2, "a"), there("a", run(1))), NOW_S + PATIENCE_S),
        (see(wait(2, "a", DUE), there("a", run(1))), NOW_S + LONGEST_S - DUE),
        (see(wait(2, "a", 0, IDLE), there("a", run(1))), NOW_S + POLICY.max_wait_s[IDLE]),
        (see(wait(1, "a", 0, BACKGROUND), there("a"), awaited_s=NOW_S), NOW_S + GRACE_S),
        (see(wait(1, "a"), wait(2, "b", 5), there("a", run(9))), NOW_S + DWELL_S - 5),
        (see(wait(2, "b", 5, BACKGROUND), there("a", awaited_s=NOW_S - 3)), NOW_S + LINGER_S - 3),
        (see(wait(2, "b", 5, BACKGROUND), there("a", run(1))), NOW_S + LINGER_S),
        (see(there("a", awaited_s=NOW_S - 3), wish=GUESS), NOW_S + LINGER_S - 3),
    ],
)
def test_when_to_look_again(view: View, at_s: float | None) -> None:
    """At the next time at which the same view would be judged otherwise."""
    assert decide(view).wake_s == at_s
