"""Which model should be there while nobody waits: what comes before what, and when to choose anew."""

from math import inf
from typing import Any

import pytest

from lodestard.residency.keeping import Keeping, choose_wish, may_renew, next_look_s

NOW_S, QUIET_S = 1_000.0, 300.0


def keep(quiet_for_s: float = 0.0, **members: Any) -> Keeping:
    return Keeping(now_s=NOW_S, quiet_from_s=NOW_S - quiet_for_s, quiet_s=QUIET_S, **members)


ALL: dict[str, Any] = {
    "pinned": ("p",),
    "guess": "g",
    "guess_percent": 72,
    "default": ("d",),
    "anew": ("n",),
    "warm": ("w",),
}


@pytest.mark.parametrize(
    ("keeping", "model"),
    [
        (keep(), ""),
        (keep(QUIET_S, **ALL, room=True), "p"),
        (keep(QUIET_S, **ALL, room=True, resident=frozenset("p")), "g"),
        (keep(QUIET_S, **ALL, room=True, resident=frozenset("pg")), "d"),
        (keep(QUIET_S, **ALL, room=True, resident=frozenset("pgd")), "n"),
        (keep(QUIET_S, **ALL, room=True, resident=frozenset("pgdn")), "w"),
        (keep(QUIET_S, **ALL, room=True, resident=frozenset("pgdnw")), ""),
        (keep(QUIET_S, **ALL, room=True, refused=frozenset("pgdn")), "w"),
        (keep(QUIET_S, **ALL, resident=frozenset("pg")), "d"),
        (keep(QUIET_S, **ALL, resident=frozenset("pgd")), ""),  # those of least worth displace nothing
        (keep(QUIET_S - 1, **ALL, resident=frozenset("pg")), ""),  # nor does a default, so soon
        (keep(QUIET_S - 1, default=("d",), room=True), "d"),
        (keep(pinned=("p", "q"), resident=frozenset("p")), "q"),
    ],
)
def test_the_first_that_is_missing(keeping: Keeping, model: str) -> None:
    wish = choose_wish(keeping)
    assert ("" if wish is None else wish.model) == model
    assert wish is None or wish.guessed is (model == "g")


def test_how_sure_a_guess_is_is_said() -> None:
    wish = choose_wish(keep(guess="g", guess_percent=72))
    assert wish is not None
    assert wish.reason == "likely to be asked for next (72 %)"


@pytest.mark.parametrize(
    ("keeping", "at_s"),
    [
        (keep(100.0, default=("d",)), NOW_S + 200.0),
        (keep(QUIET_S, default=("d",)), inf),
        (keep(100.0, default=("d",), resident=frozenset("d")), inf),
        (keep(100.0, default=("d",), refused=frozenset("d")), inf),
        (keep(100.0, warm=("w",), pinned=("p",), guess="g"), inf),
    ],
)
def test_only_a_default_waits_for_quiet(keeping: Keeping, at_s: float) -> None:
    assert next_look_s(keeping) == at_s


def test_what_stays_is_renewed_and_a_guess_is_not() -> None:
    keeping = keep(**ALL)
    assert [model for model in "pgdnw" if may_renew(model, keeping)] == ["p", "d", "w"]
