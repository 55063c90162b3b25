"""Corrections: they move a decision, fade, stay small, hold no text, and garbage is refused."""

import random
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lodestard.classify.classify import classify, examine
from lodestard.classify.corrections import MOST_BYTES, MOST_ROWS, NONE, Corrections
from lodestard.classify.model import SPOKEN
from lodestard.classify.task_rules import TaskRules, compile_rules
from lodestard.classify.words import BUCKETS
from lodestard.domain.request import Request
from tests.bench.labelled import ask, make_request

RULES = compile_rules(())
MINE = ask("update the swimlanes of team Petrel for sprint nine")

FEATURES = st.lists(st.integers(0, BUCKETS - 1), max_size=40, unique=True)
SCORES = st.lists(st.floats(-30, 30), min_size=len(SPOKEN), max_size=len(SPOKEN))


def correct(corrections: Corrections, request: Request, kind: str, rules: TaskRules) -> Corrections:
    """One more: this request is of that kind."""
    found = examine(request, rules)
    return corrections.learn(found.features, found.scores, kind)


def test_a_request_that_was_corrected_is_found_to_be_what_the_person_said() -> None:
    assert classify(MINE, RULES).kind != "plan"
    corrections = correct(NONE, MINE, "plan", RULES)
    assert classify(MINE, RULES, corrections).kind == "plan"


def test_what_is_like_it_moves_too_and_what_is_not_stays() -> None:
    alike, other = ask("update the swimlanes of team Gannet for sprint ten"), ask("translate to German: good morning")
    corrections = correct(correct(NONE, MINE, "plan", RULES), ask("move the swimlanes of team Auk"), "plan", RULES)
    assert classify(alike, RULES, corrections).kind == "plan"
    assert classify(other, RULES, corrections).kind == "translate"


def test_the_last_word_counts_when_somebody_changes_their_mind() -> None:
    corrections = correct(correct(NONE, MINE, "plan", RULES), MINE, "docs", RULES)
    assert classify(MINE, RULES, corrections).kind == "docs"


def test_what_is_right_already_by_far_changes_no_weight() -> None:
    request = ask("write unit tests for this function with pytest")
    assert correct(NONE, request, "test", RULES).rows == {}


def test_a_kind_that_shapes_tell_is_not_learned() -> None:
    assert correct(NONE, MINE, "embedding", RULES) is NONE
    gap = make_request(ask("<fim_prefix>a<fim_suffix>b<fim_middle>").conversation.messages)
    assert (examine(gap, RULES).features, examine(gap, RULES).scores) == ((), ())
    assert correct(NONE, gap, "code", RULES) is NONE


def test_it_fades_as_others_come() -> None:
    corrections = first = correct(NONE, MINE, "plan", RULES)
    for number in range(400):
        corrections = corrections.learn([BUCKETS - 1 - number % 9], [0.0] * len(SPOKEN), "chat")
    kept = [at for at in examine(MINE, RULES).features if at < BUCKETS - 9]
    plan = SPOKEN.index("plan")
    assert all(abs(corrections.rows[at][plan]) < abs(first.rows[at][plan]) * 0.2 for at in kept)


@given(st.lists(st.tuples(FEATURES, SCORES, st.sampled_from(SPOKEN)), max_size=12))
def test_it_comes_back_as_it_was_but_for_rounding(lessons: list[tuple[list[int], list[float], str]]) -> None:
    corrections = NONE
    for features, scores, kind in lessons:
        corrections = corrections.learn(features, scores, kind)
    data = corrections.to_bytes()
    again = Corrections.from_bytes(data)
    assert again.to_bytes() == data
    assert again.count == corrections.count
    assert list(again.rows) == list(corrections.rows)
    for at, row in corrections.rows.items():
        assert again.rows[at] == pytest.approx(row, abs=0.04)


def test_it_stays_small_and_forgets_who_was_corrected_least_recently() -> None:
    dice = random.Random(3)
    corrections, features = NONE, [0]
    for number in range(30):
        features = sorted(dice.sample(range(BUCKETS), 300))
        corrections = corrections.learn(features, [0.0] * len(SPOKEN), SPOKEN[number % len(SPOKEN)])
    assert len(corrections.rows) == MOST_ROWS
    assert len(corrections.to_bytes()) <= MOST_BYTES
    assert set(list(corrections.rows)[-300:]) == set(features)
    assert all(-8 <= weight <= 8 for row in corrections.rows.values() for weight in row)


def test_no_text_is_in_what_is_kept() -> None:
    data = correct(NONE, MINE, "plan", RULES).to_bytes()
    assert not any(word.encode() in data for word in ("swim", "Petrel", "petrel", "sprint", "team", "nine"))


@given(st.binary(max_size=300))
def test_garbage_is_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match="corrections"):
        Corrections.from_bytes(data)


@given(st.integers(0, 10_000), st.integers(1, 255))
def test_an_altered_byte_is_refused_or_counts_wrong_alone(at: int, flip: int) -> None:
    data = bytearray(correct(NONE, MINE, "plan", RULES).to_bytes())
    place = at % len(data)
    data[place] ^= flip
    try:
        read = Corrections.from_bytes(bytes(data))
    except ValueError:
        return
    assert 8 <= place < 12, "only the count is not checked"
    assert read.rows


def test_cut_longer_and_of_another_version() -> None:
    data = correct(NONE, MINE, "plan", RULES).to_bytes()
    for wrong in (data[:-1], data + b"x", b"", data[:10], data + b"\0" * MOST_BYTES):
        with pytest.raises(ValueError, match="corrections"):
            Corrections.from_bytes(wrong)
    with pytest.raises(ValueError, match="another version"):
        Corrections.from_bytes(data[:4] + b"\x01" + data[5:])


def test_corrections_of_other_kinds_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """As many kinds, but one has another name: what was learned would count for something else."""
    data = correct(NONE, MINE, "plan", RULES).to_bytes()
    monkeypatch.setattr("lodestard.classify.corrections._KINDS", zlib.crc32(b"other kinds"))
    with pytest.raises(ValueError, match="another version"):
        Corrections.from_bytes(data)
