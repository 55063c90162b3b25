"""Rules that tell kinds of work: what fits, what is refused, and how long a pattern may take."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lodestard.classify.reading import MOST_READ, read
from lodestard.classify.task_rules import TaskRules, ask_rules, compile_rules, make_ready, read_built_in
from lodestard.domain.task import KINDS
from lodestard.domain.task_rule import LEAST_READ, MOST_STEPS, TaskRule, find_fault, reach_of
from tests.bench.labelled import ask


def fired(rules: TaskRules, text: str, system: str = "") -> list[str]:
    reading = read(ask(text, system))
    return [rule.kind for rule in ask_rules(rules, reading, make_ready(reading.said, reading.user))]


def one(**members: object) -> TaskRules:
    return compile_rules([TaskRule(kind="data", **members)], built_in=False)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("words", "text", "fits"),
    [
        ("cube", "Show me the CUBE!", True),
        ("cube", "show me the cubes", False),
        ("cube*", "show me the cubes", True),
        ("cube*", "an icecube", False),
        ("sales figures", "the sales\nfigures, please", True),
        ("sales figures", "figures of sales", False),
        ("what's", "What\u2019s this", True),
        ("what's", "What's this", True),
        ("über*", "ÜBERSICHT bitte", True),
    ],
)
def test_words_fit_whole_or_as_beginnings(words: str, text: str, fits: bool) -> None:
    assert fired(one(words=(words,)), text) == ["data"] * fits


def test_words_are_looked_for_in_what_is_said_and_patterns_in_everything() -> None:
    text = "look at this\n\n```python\ncube = 7\n```"
    assert fired(one(words=("cube",)), text) == []
    assert fired(one(pattern=r"cube = \d"), text) == ["data"]


@pytest.mark.parametrize(("where", "fits"), [("user", False), ("system", True), ("any", True)])
def test_a_rule_says_whose_words_it_reads(where: str, fits: bool) -> None:
    assert fired(one(words=("cube",), where=where), "hello", system="You know the cube.") == ["data"] * fits


def test_a_rule_counts_once_however_many_of_its_words_are_there() -> None:
    assert fired(one(words=("cube", "cubes", "cub*"), pattern="cube"), "cube cubes cub") == ["data"]


@pytest.mark.parametrize(
    ("rule", "member"),
    [
        (TaskRule(kind="cod", words=("x",)), "kind"),
        (TaskRule(kind="code"), "words"),
        (TaskRule(kind="code", words=("!",)), "words"),
        (TaskRule(kind="code", pattern="["), "pattern"),
        (TaskRule(kind="code", pattern="[[]"), "pattern"),
        (TaskRule(kind="code", pattern="(a*)*b"), "pattern"),
        (TaskRule(kind="code", pattern="(?=a)b"), "pattern"),
        (TaskRule(kind="code", pattern="a*b*c*d*e"), "pattern"),
        (TaskRule(kind="code", pattern="x" * 501), "pattern"),
    ],
)
def test_a_bad_rule_is_refused_with_its_reason(rule: TaskRule, member: str) -> None:
    fault = find_fault(rule)
    assert fault is not None
    assert fault[0] == member
    assert fault[1]
    with pytest.raises(ValueError, match=member):
        compile_rules([rule])


def test_a_near_miss_is_named() -> None:
    assert "did you mean 'code'" in (find_fault(TaskRule(kind="cod", words=("x",))) or ("", ""))[1]


@given(pattern=st.text("ab(|)*+?.^$[]{1,2}\\d", max_size=30))
def test_whatever_pattern_is_taken_can_afford_what_it_reads(pattern: str) -> None:
    if find_fault(TaskRule(kind="code", pattern=pattern)) or not pattern:
        return
    (clue,) = compile_rules([TaskRule(kind="code", pattern=pattern)], built_in=False).clues
    assert clue.pattern is not None
    assert clue.reach == reach_of(clue.pattern) >= LEAST_READ
    assert clue.pattern.cost("x" * (clue.reach - 1)) <= MOST_STEPS


def test_a_costly_pattern_reads_the_beginning_alone() -> None:
    rules = one(pattern="a.*z")
    assert fired(rules, "a" + " " * 100 + "z") == ["data"]
    assert fired(rules, " " * 400 + "a z") == []


def test_the_installed_rules_are_sound_and_speak_for_every_kind_that_words_can_tell() -> None:
    kinds = {clue.kind for clue in read_built_in()}
    assert kinds == set(KINDS) - {"autocomplete", "embedding"}
    assert all(clue.source == 0 and (not clue.pattern or clue.reach >= LEAST_READ) for clue in read_built_in())


def test_own_rules_come_after_the_installed_ones_and_have_their_number() -> None:
    rules = compile_rules([TaskRule(kind="data", words=("x",)), TaskRule(kind="chat", words=("y",))])
    assert [clue.source for clue in rules.clues][-3:] == [0, 1, 2]


def test_the_installed_rules_look_at_the_first_and_last_words_only() -> None:
    padding = "word " * 60
    assert "commit" in fired(compile_rules(()), f"commit message {padding}")
    assert "commit" not in fired(compile_rules(()), f"{padding} commit message {padding}")
    assert fired(one(words=("cube",)), f"{padding} cube {padding}") == ["data"]
    assert len(padding) * 2 < MOST_READ
