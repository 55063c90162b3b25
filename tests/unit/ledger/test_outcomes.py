"""The sums of verdicts: what fades, what is taken back, what is bounded; and what a session's course shows."""

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lodestard.domain.feedback import (
    HALF_LIFE_MS,
    MOST_SHOWN,
    WEIGHTS,
    Feedback,
    Given,
    Said,
    Turn,
    WentOn,
    kind_of,
    tally_cells,
)
from lodestard.domain.request import Caller
from lodestard.domain.task import KINDS
from lodestard.domain.upstream import Target
from lodestard.ledger import outcomes as room
from lodestard.ledger.aftermaths import MOST, MOST_AGAIN, SOON_MS, Aftermaths, Past, replay
from lodestard.ledger.outcomes import Outcomes
from lodestard.routing.quality import PLACE, SPREAD, expect_quality, fit_abilities, logit

LLAMA = Target("t600", "llama3.1:8b")


def verdict(at_ms: int = 0, word: str = "good", **members: object) -> Given:
    usual = {"request_id": "req_1", "source": "said", "target": "a/b", "kind": "edit", "project": "", "weight": 1.0}
    return Given(**{**usual, "verdict": word, "at_ms": at_ms, **members})  # type: ignore[arg-type]


def counts(sums: Outcomes, kind: str, now_ms: int, target: str = "a/b") -> tuple[float, float]:
    return tally_cells(cell for cell in sums.cells(target, now_ms) if cell.kind == kind)


def test_a_verdict_counts_half_after_its_half_life() -> None:
    sums = Outcomes()
    sums.add(verdict(0), 0)
    sums.add(verdict(0, "bad", weight=0.5), 0)
    assert counts(sums, "edit", 0) == (1.0, 0.5)
    assert counts(sums, "edit", HALF_LIFE_MS) == (0.5, 0.25)
    assert counts(sums, "test", 0) == (0.0, 0.0)


def test_there_are_never_more_sums_than_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "MOST_TARGETS", 3)
    sums = Outcomes()
    for number in range(9):
        sums.add(verdict(target=f"a/{number}"), 0)
        sums.add(verdict(target="a/0"), 0)  # of which there is always something new
    assert [counts(sums, "edit", 0, f"a/{number}")[0] for number in range(9)] == [10.0] + [0.0] * 6 + [1.0] * 2


def test_a_kind_that_nobody_knows_any_more_is_chat() -> None:
    sums = Outcomes()
    sums.add(verdict(kind="poetry"), 0)
    assert counts(sums, "chat", 0) == (1.0, 0.0)


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
        assert counts(ordered, kind, now_ms) == pytest.approx(counts(backward, kind, now_ms), abs=1e-9)
    for each in givens:
        ordered.take_back(each, now_ms)
        assert min(counts(ordered, each.kind, now_ms)) >= 0
    assert max(counts(ordered, "edit", now_ms)) == pytest.approx(0, abs=1e-9)


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
        found += [shown for shown in after.note(each, at * apart_ms) if isinstance(shown, Feedback)]
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
    assert isinstance(found, Feedback)
    assert (found.request_id, found.source, found.target) == ("req_1", "check", LLAMA)


def test_so_many_sessions_are_remembered_and_no_more() -> None:
    after = Aftermaths()
    first = Caller(session="first", task="edit")
    list(after.note(turn(1, 7, caller=first), 0))
    for number in range(MOST):
        list(after.note(turn(2, 7, caller=Caller(session=f"s{number}", task="edit")), 0))
    assert not list(after.note(turn(3, 7, caller=first), 1))


# -- what shows without a word, over a long time ---------------------------------------------------------------------

OFTEN, SELDOM = 0.4, 0.03
"""How often a bad answer, and a good one, is asked for again."""


def use(quality: float, hardness: float, answers: int = 3_000) -> Outcomes:
    """A model that is used for a long time without anybody saying a word: so often are its answers good."""
    after, sums, chance = Aftermaths(), Outcomes(), Random(1)
    mark, again = 1, False
    for number in range(answers):
        mark += not again
        now_ms = number * 60_000
        for shown in after.note(turn(number, mark, hardness=hardness), now_ms):
            if isinstance(shown, WentOn):
                sums.go_on(shown, now_ms)
            else:
                members = {"source": shown.source, "weight": WEIGHTS[shown.source], "target": str(LLAMA)}
                sums.add(verdict(now_ms, shown.verdict, hardness=hardness, **members), now_ms)
        good = chance.random() < quality
        again = chance.random() < (SELDOM if good else OFTEN)
    return sums


def expected_after(assumed: float, really: float, hardness: float) -> float:
    """How good it is taken to be, of which that was assumed, after it was used."""
    ability = logit(assumed) + SPREAD * (hardness - 0.5)
    cells = use(really, hardness).cells(str(LLAMA), 3_000 * 60_000)
    good, bad = tally_cells(cells)
    assert good + bad <= MOST_SHOWN + 1e-9
    return expect_quality(fit_abilities((ability,) * len(KINDS), cells)[PLACE["edit"]], hardness)


@pytest.mark.parametrize("hardness", [0.1, 0.5, 0.9])
@pytest.mark.parametrize("quality", [0.5, 0.7, 0.85, 0.95])
def test_a_model_that_is_as_good_as_assumed_neither_sinks_nor_rises_by_being_used(
    quality: float, hardness: float
) -> None:
    assert expected_after(quality, quality, hardness) == pytest.approx(quality, abs=0.13)


def test_what_shows_moves_a_model_towards_what_it_is() -> None:
    worse, same, better = (expected_after(0.8, really, 0.5) for really in (0.3, 0.8, 0.98))
    assert worse < same - 0.05
    assert same == pytest.approx(0.8, abs=0.05)
    assert same < better


def test_old_requests_are_gone_through_as_new_ones_are() -> None:
    minute = 60_000
    rows = [
        Past("req_1", "ann", "s", "edit", "a/b", 0, 1, 0.3),
        Past("req_2", "ann", "s", "commit", "a/b", minute, 1, 0.1),
        Past("req_3", "ann", "s", "edit", "a/b", 2 * minute, 1, 0.3),  # req_1 was good
        Past("req_4", "ann", "s", "edit", "a/b", 3 * minute, 0, 0.3),  # req_3 was complained of
        Past("req_5", "ann", "s", "edit", "a/b", 4 * minute, 1, 0.3),  # req_4 was cut off
        Past("req_6", "bob", "s", "edit", "a/b", 5 * minute, 1, 0.3),
        Past("req_7", "ann", "s", "edit", "a/b", 5 * minute + SOON_MS, 1, 0.3),  # too late to say anything of req_5
    ]
    found = list(replay(rows, frozenset(["req_3"])))
    assert found == [WentOn(target="a/b", kind="edit", hardness=0.3, at_ms=0)]
