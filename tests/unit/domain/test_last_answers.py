"""A session's last answer: whose it was, how much of it is still remembered, and that memory is bounded."""

from lodestard.domain.last_answers import CACHE_S, MOST_SESSIONS, LastAnswer, LastAnswers
from lodestard.domain.upstream import Target

HERE, THERE = Target("t600", "a"), Target("openai", "b")


def test_what_was_read_counts_for_who_has_read_it_and_not_for_long() -> None:
    last = LastAnswers()
    last.note("s", LastAnswer(HERE, 900, 10.0))
    assert last.came_from("s", HERE)
    assert not last.came_from("s", THERE)
    assert last.cached_tokens("s", HERE, 10.0 + CACHE_S) == 900
    assert last.cached_tokens("s", HERE, 10.1 + CACHE_S) == 0
    assert last.cached_tokens("s", THERE, 10.0) == 0
    last.note("s", LastAnswer(THERE, 1_000, 20.0))
    assert (last.cached_tokens("s", HERE, 20.0), last.cached_tokens("s", THERE, 20.0)) == (0, 1_000)


def test_requests_without_a_session_have_nothing_in_common() -> None:
    last = LastAnswers()
    last.note("", LastAnswer(HERE, 900, 0.0))
    assert not last.came_from("", HERE)
    assert last.cached_tokens("", HERE, 0.0) == 0


def test_the_longest_silent_session_is_forgotten_first() -> None:
    last = LastAnswers()
    for number in range(MOST_SESSIONS):
        last.note(str(number), LastAnswer(HERE, 1, 0.0))
    last.note("0", LastAnswer(HERE, 2, 0.0))
    last.note("one more", LastAnswer(HERE, 1, 0.0))
    assert last.came_from("0", HERE)
    assert not last.came_from("1", HERE)
