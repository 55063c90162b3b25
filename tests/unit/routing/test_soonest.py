"""Which of equal candidates is asked first, by the waits of this moment."""

from collections.abc import Mapping
from typing import Any

import pytest

from lodestard.domain.residency import Wait
from lodestard.domain.upstream import Candidate, Plan, Target
from lodestard.routing.soonest import arrange


def local(name: str, **members: Any) -> Candidate:
    usual: dict[str, Any] = {"dialect": "ollama", "price": None, "free": True, "up": True}
    return Candidate(target=Target.parse(name), **{**usual, **members})


def paid(name: str) -> Candidate:
    return local(name, dialect="openai", free=False)


def arranged(candidates: tuple[Candidate, ...], waits_s: Mapping[str, float], *, soonest: bool = False) -> Plan:
    """A target that is not among ``waits_s`` has a wait that nobody knows."""

    def wait_of(target: Target) -> Wait | None:
        seconds = waits_s.get(str(target))
        return None if seconds is None else Wait(likely_s=seconds, low_s=0.0, high_s=2 * seconds)

    plan = Plan(alias="m", candidates=candidates, reason="because", soonest=soonest)
    return arrange(plan, wait_of)


@pytest.mark.parametrize(
    ("candidates", "waits_s", "order"),
    [
        ((local("t600/a"), local("gamer/a")), {"t600/a": 9.0, "gamer/a": 2.0}, ["gamer/a", "t600/a"]),
        ((local("t600/a"), local("gamer/a")), {"t600/a": 2.0, "gamer/a": 2.0}, ["t600/a", "gamer/a"]),
        ((local("t600/a"), local("gamer/a")), {"gamer/a": 99.0}, ["gamer/a", "t600/a"]),
        ((local("t600/a"), local("gamer/a")), {}, ["t600/a", "gamer/a"]),
        (
            (local("t600/a"), paid("openai/x"), local("gamer/a")),
            {"t600/a": 9.0, "gamer/a": 2.0},
            ["gamer/a", "openai/x", "t600/a"],
        ),
        ((paid("openai/a"), local("t600/a")), {"openai/a": 99.0, "t600/a": 0.0}, ["openai/a", "t600/a"]),
        ((local("t600/a", up=False), local("gamer/a")), {"t600/a": 9.0, "gamer/a": 2.0}, ["t600/a", "gamer/a"]),
        ((local("t600/a"), local("gamer/b")), {"t600/a": 9.0, "gamer/b": 2.0}, ["t600/a", "gamer/b"]),
    ],
)
def test_only_free_ones_of_one_model_change_places(
    candidates: tuple[Candidate, ...], waits_s: Mapping[str, float], order: list[str]
) -> None:
    plan = arranged(candidates, waits_s)
    assert [str(candidate.target) for candidate in plan.candidates] == order
    first = order[0]
    moved = first != str(candidates[0].target)
    assert plan.reason == (f"because; soonest on {first}" if moved else "because")


def test_different_models_change_places_where_the_alias_says_so() -> None:
    candidates = (local("t600/a"), local("gamer/b"), paid("openai/x"))
    plan = arranged(candidates, {"t600/a": 9.0, "gamer/b": 2.0}, soonest=True)
    assert [str(candidate.target) for candidate in plan.candidates] == ["gamer/b", "t600/a", "openai/x"]
    assert [candidate.predicted_wait_s for candidate in plan.candidates] == [2.0, 9.0, None]


def test_nobody_is_asked_for_waits_where_there_is_no_choice() -> None:
    asked: list[Target] = []
    plan = Plan(alias="m", candidates=(local("t600/a"), paid("openai/x")), reason="because")
    assert arrange(plan, asked.append) is plan
    assert asked == []
