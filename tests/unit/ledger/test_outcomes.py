"""The sums of verdicts: what fades, what is taken back, what is bounded; and what a session's course shows."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lodestard.domain.feedback import HALF_LIFE_MS, Feedback, Given, Said, Turn, kind_of
from lodestard.domain.request import Caller
from lodestard.domain.task import KINDS
from lodestard.domain.upstream import Target
from lodestard.ledger import outcomes as room
from lodestard.ledger.aftermaths import MOST, MOST_AGAIN, SOON_MS, Aftermaths
from lodestard.ledger.outcomes import Outcomes

LLAMA = Target("t600", "llama3.1:8b")


def verdict(at_ms: int = 0, word: str = "good", **members: object) -> Given:
    usual = {"request_id": "req_1", "source": "said", "target": "a/b", "kind": "edit", "project": "", "weight": 1.0}
    return Given(**{**usual, "verdict": word, "at_ms": at_ms, **members})  # type: ignore[arg-type]


def test_a_verdict_counts_half_after_its_half_life() -> None:
    sums = Outcomes()
    sums.add(verdict(0), 0)
    sums.add(verdict(0, "bad", weight=0.5), 0)
    assert sums.counts("a/b", "edit", None, 0) == (1.0, 0.5)
    assert sums.counts("a/b", "edit", None, HALF_LIFE_MS) == (0.5, 0.25)
    assert sums.counts("a/b", "test", None, 0) == (0.0, 0.0)


def test_a_projects_verdicts_count_for_it_and_for_all() -> None:
    sums = Outcomes()
    sums.add(verdict(project="web"), 0)
    sums.add(verdict(project="ml", word="bad"), 0)
    assert sums.counts("a/b", "edit", "web", 0) == (1.0, 0.0)
    assert sums.counts("a/b", "edit", "ml", 0) == (0.0, 1.0)
    assert sums.counts("a/b", "edit", None, 0) == (1.0, 1.0)


def test_there_are_never_more_sums_than_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "MOST", 3)
    sums = Outcomes()
    for number in range(9):
        sums.add(verdict(kind=f"k{number}"), 0)
    assert [sums.counts("a/b", f"k{number}", None, 0)[0] for number in range(9)] == [0.0] * 6 + [1.0] * 3


GIVENS = st.builds(
    verdict,
    at_ms=st.integers(0, 10 * HALF_LIFE_MS),
    word=st.sampled_from(["good", "bad"]),
    kind=st.sampled_from(["edit", "test"]),
    project=st.sampled_from(["", "web"]),
    weight=st.floats(0, 1),
)


@given(givens=st.lists(GIVENS, max_size=20), now_ms=st.integers(10 * HALF_LIFE_MS, 20 * HALF_LIFE_MS))
def test_in_whatever_order_they_are_counted_and_taken_back(givens: list[Given], now_ms: int) -> None:
    """The sums are the same in any order, never below nothing, and nothing once all is taken back."""
    ordered, backward = Outcomes(), Outcomes()
    for each in sorted(givens, key=lambda given: given.at_ms):
        ordered.add(each, each.at_ms)
    for each in reversed(givens):
        backward.add(each, now_ms)
    for kind in ("edit", "test"):
        assert ordered.counts("a/b", kind, None, now_ms) == pytest.approx(
            backward.counts("a/b", kind, None, now_ms), abs=1e-9
        )
    for each in givens:
        ordered.take_back(each, now_ms)
        assert min(ordered.counts("a/b", each.kind, None, now_ms)) >= 0
    assert max(ordered.counts("a/b", "edit", None, now_ms)) == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize(
    ("task", "kind"),
    [("architect", "plan"), ("editor", "edit"), ("commit", "commit"), ("tools", "chat"), ("", "chat")],
)
def test_every_label_has_a_kind(task: str, kind: str) -> None:
    assert kind_of(task) == kind
    assert kind in KINDS


# -- what a session's course shows -----------------------------------------------------------------------------------


def turn(number: int, mark: int, **members: object) -> Turn:
    caller = Caller(session="s", task="edit")
    usual = {"request_id": f"req_{number}", "caller": caller, "target": LLAMA, "whole": True, "said": Said(mark=mark)}
    return Turn(**{**usual, **members})  # type: ignore[arg-type]


def shown(*turns: Turn, apart_ms: int = 1_000) -> list[tuple[str, str]]:
    after = Aftermaths()
    found: list[Feedback] = []
    for at, each in enumerate(turns):
        found += after.note(each, at * apart_ms)
    assert all(feedback.verdict == "bad" for feedback in found)
    return [(feedback.request_id, feedback.source) for feedback in found]


def test_the_same_message_again_judges_the_answer_before_it() -> None:
    assert shown(turn(1, 7), turn(2, 7)) == [("req_1", "resent")]
    assert shown(turn(1, 7), turn(2, 8)) == []
    assert shown(turn(1, 7), turn(2, 7), apart_ms=SOON_MS + 1) == []


def test_nobody_is_judged_for_what_was_not_whole_not_theirs_or_from_the_cache() -> None:
    other = Caller(session="t", task="edit")
    assert shown(turn(1, 7, whole=False), turn(2, 7)) == []
    assert shown(turn(1, 7), turn(2, 7, caller=other)) == []
    assert shown(turn(1, 7), turn(2, 7, fresh=False)) == []
    assert shown(turn(1, 0), turn(2, 0)) == []
    housekeeping = Caller(session="s", task="edit", origin="eval_idle")
    assert shown(turn(1, 7, caller=housekeeping), turn(2, 7, caller=housekeeping)) == []


def test_a_loop_is_nobody_who_was_not_content() -> None:
    assert len(shown(*(turn(number, 7) for number in range(20)))) == MOST_AGAIN


def test_an_edit_that_failed_judges_the_last_of_its_task() -> None:
    failed = Said(mark=9, edit_failed=True)
    commit = Caller(session="s", task="commit")
    turns = (turn(1, 7), turn(2, 8, caller=commit), turn(3, 9, said=failed), turn(4, 9, said=failed))
    assert shown(*turns) == [("req_1", "edit_failed"), ("req_3", "edit_failed")]


def test_whoever_failed_a_check_is_judged_at_once() -> None:
    (found,) = Aftermaths().note(turn(1, 7, failed=(LLAMA,)), 0)
    assert (found.request_id, found.source, found.target) == ("req_1", "check", LLAMA)


def test_so_many_sessions_are_remembered_and_no_more() -> None:
    after = Aftermaths()
    first = Caller(session="first", task="edit")
    list(after.note(turn(1, 7, caller=first), 0))
    for number in range(MOST):
        list(after.note(turn(2, 7, caller=Caller(session=f"s{number}", task="edit")), 0))
    assert not list(after.note(turn(3, 7, caller=first), 1))
