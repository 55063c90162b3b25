"""What everybody has had of a card: it adds up, fades, and stays bounded."""

import pytest

from lodestard.residency.served import HALF_LIFE_S, MOST, Served


def test_a_principals_sum_is_that_of_its_groups() -> None:
    served = Served()
    served.add("local", "aider", 3.0, 10.0)
    served.add("local", "batch", 4.0, 10.0)
    served.add("mia", "", 5.0, 10.0)
    assert served.at(10.0) == {
        ("local", ""): 7.0,
        ("local", "aider"): 3.0,
        ("local", "batch"): 4.0,
        ("mia", ""): 5.0,  # once, where the group has no name
    }


def test_half_is_forgotten_in_a_half_life_however_often_one_looks() -> None:
    seldom, often = Served(), Served()
    for served in (seldom, often):
        served.add("local", "", 8.0, 0.0)
    for step in range(1, 100):
        often.at(2 * HALF_LIFE_S * step / 100)
    assert seldom.at(2 * HALF_LIFE_S)["local", ""] == pytest.approx(2.0)
    assert often.at(2 * HALF_LIFE_S)["local", ""] == pytest.approx(2.0)


def test_what_is_next_to_nothing_is_nothing_and_whoever_comes_starts_even() -> None:
    served = Served()
    served.add("local", "", 1.0, 0.0)
    assert served.at(20 * HALF_LIFE_S) == {}
    served.add("mia", "", 4.0, 20 * HALF_LIFE_S)
    assert served.at(21 * HALF_LIFE_S) == {("mia", ""): pytest.approx(2.0)}


def test_a_clock_that_stands_or_goes_back_changes_nothing() -> None:
    served = Served()
    served.add("local", "", 4.0, 100.0)
    assert served.at(100.0) == served.at(50.0) == {("local", ""): 4.0}
    assert served.at(100.0 + HALF_LIFE_S) == {("local", ""): pytest.approx(2.0)}


def test_those_who_had_least_are_forgotten_first() -> None:
    served = Served()
    for number in range(MOST + 50):
        served.add(f"p{number}", "", 1.0 + number, 0.0)
    kept = served.at(0.0)
    assert len(kept) == MOST
    assert min(kept.values()) == 51.0
