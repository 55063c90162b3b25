"""What somebody who waits is told, to the letter: clients show it as it is."""

import pytest

from lodestard.residency.notes import say_loading, say_waiting


@pytest.mark.parametrize(
    ("told", "line"),
    [
        (say_loading("a:1b", None), "loading a:1b"),
        (say_loading("a:1b", 3.2), "loading a:1b, about 4 s"),
        (say_loading("a:1b", 1.0), "loading a:1b, about 1 s"),
        (say_loading("a:1b", 0.9), "loading a:1b, any moment"),
        (say_loading("a:1b", 0.0), "loading a:1b, any moment"),
        (say_waiting("a:1b", 0, None), "waiting for a:1b"),
        (say_waiting("a:1b", 0, 11.5), "waiting for a:1b, about 12 s"),
        (say_waiting("a:1b", 1, 0.5), "waiting for a:1b behind 1 request, any moment"),
        (say_waiting("a:1b", 2, 12.0), "waiting for a:1b behind 2 requests, about 12 s"),
    ],
)
def test_a_line(told: str, line: str) -> None:
    assert told == line
