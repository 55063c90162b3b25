"""Rules: which fit, in which order, and what they say together."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lodestard.domain.choice import Asked, Interest
from lodestard.domain.request import Caller
from lodestard.domain.routing_settings import Rule, When
from lodestard.domain.task import Task
from lodestard.routing.rules import NO_VERDICT, ProjectRules, Verdict, judge_all, read_rules

CHAT = Task()


def judge(*rules: Rule, task: Task = CHAT, first_only: bool = False, **asked: Any) -> Verdict:
    return read_rules(rules, first_only=first_only).judge(Asked(**{"alias": "auto", **asked}), task)


def fits(when: When, task: Task = CHAT, **asked: Any) -> bool:
    return judge(Rule(name="it", when=when), task=task, **asked).names == ("it",)


@pytest.mark.parametrize(
    ("when", "asked", "otherwise"),
    [
        (When(alias=("gpt-*",)), {"alias": "GPT-4o"}, {"alias": "claude"}),
        (When(tag=("private", "x*")), {"caller": Caller(tags=("a", "xy"))}, {"caller": Caller(tags=("y",))}),
        (When(client=("aider",)), {"caller": Caller(client="aider")}, {"caller": Caller(client="cline")}),
        (When(principal=("ann",)), {"caller": Caller(principal="ann")}, {}),
        (When(project=("web?",)), {"caller": Caller(project="web1")}, {"caller": Caller(project="web")}),
        (When(user=("bob",)), {"caller": Caller(user="Bob")}, {}),
        (When(priority=("idle",)), {"caller": Caller(priority="idle")}, {"caller": Caller(priority="interactive")}),
        (When(task=("commit",)), {"caller": Caller(task="commit")}, {"caller": Caller(task="chat")}),
        (When(min_prompt_tokens=100), {"prompt_tokens": 100}, {"prompt_tokens": 99}),
        (When(max_prompt_tokens=100), {"prompt_tokens": 100}, {"prompt_tokens": 101}),
        (When(images=True), {"images": True}, {"images": False}),
        (When(tools=False), {"tools": False}, {"tools": True}),
        (When(schema=True), {"schema": True}, {"schema": False}),
        (When(days=("sat", "sun")), {"day": "sun"}, {"day": "mon"}),
        (When(hours="09:00-17:30"), {"minute": 9 * 60}, {"minute": 17 * 60 + 30}),
        (When(hours="22:00-06:00"), {"minute": 23 * 60}, {"minute": 6 * 60}),
        (When(hours="22:00-06:00"), {"minute": 5 * 60 + 59}, {"minute": 12 * 60}),
        (When(matches=r"^fix \w+"), {"text": "fix it"}, {"text": "please fix it"}),
    ],
)
def test_each_condition(when: When, asked: dict[str, Any], otherwise: dict[str, Any]) -> None:
    assert fits(when, **asked)
    assert not fits(when, **otherwise)


def test_what_the_task_is() -> None:
    assert fits(When(task=("deb*",)), Task(kind="debug"))
    assert not fits(When(task=("debug",)), Task(kind="edit"))
    assert fits(When(min_hardness=0.7, max_hardness=0.9), Task(hardness=0.8))
    assert not fits(When(min_hardness=0.7), Task(hardness=0.5))
    assert not fits(When(max_hardness=0.4), Task(hardness=0.5))


def test_all_conditions_must_hold() -> None:
    when = When(client=("aider",), tools=True)
    assert fits(when, caller=Caller(client="aider"), tools=True)
    assert not fits(when, caller=Caller(client="aider"))


def test_a_rule_without_conditions_fits_everything() -> None:
    assert judge(Rule()).names == ("rule 1",)
    assert judge() is NO_VERDICT


def test_the_first_of_the_highest_priority_says_and_what_forbids_adds_up() -> None:
    rules = (
        Rule(name="low", model="a", prefer="best", require=("free",), labels=("x",)),
        Rule(name="high", priority=5, model="b", forbid=("openai/*",)),
        Rule(name="same", priority=5, model="c", prefer="cheap", require=("t600/*", "lan"), labels=("lan-only",)),
    )
    assert judge(*rules) == Verdict(
        names=("high", "same", "low"),
        model="b",
        prefer="cheap",
        require=(("t600/*", "lan"), ("free",)),
        forbid=("openai/*",),
        labels=frozenset({"lan-only", "x"}),
    )
    assert judge(*rules, first_only=True).names == ("high",)


def test_none_is_looked_at_after_the_last() -> None:
    first, last, never = Rule(name="1"), Rule(name="2", last=True), Rule(name="3")
    assert judge(first, last, never).names == ("1", "2")


def test_a_project_adds_and_takes_nothing_back() -> None:
    book = read_rules((Rule(name="house", labels=("lan-only",), forbid=("a/*",), prefer="best"),))
    own = Rule(name="own", model="x", require=("free",), prefer="fast", labels=("l",))
    project = ProjectRules(name="web", rules=read_rules((own,)), prefer="cheap", models={"auto": "local"})
    assert judge_all(book, project, Asked(alias="auto"), CHAT) == Verdict(
        names=("house", "web: own"),
        model="local",
        prefer="best",
        require=(("free",),),
        forbid=("a/*",),
        labels=frozenset({"lan-only", "l"}),
    )
    bare = judge_all(read_rules(()), project, Asked(alias="other"), CHAT)
    assert (bare.model, bare.prefer) == ("x", "fast")
    only = ProjectRules(name="web", prefer="cheap")
    assert judge_all(read_rules(()), only, Asked(alias="auto"), CHAT).prefer == "cheap"
    assert judge_all(book, None, Asked(alias="auto"), CHAT).names == ("house",)


def test_only_what_is_looked_at_need_be_known() -> None:
    assert read_rules((Rule(when=When(tools=True)),)).interest == Interest()
    assert read_rules((Rule(when=When(task=("edit",))),)).interest.task
    assert read_rules((Rule(when=When(max_hardness=0.5)),)).interest.task
    assert read_rules((Rule(when=When(matches="x")),)).interest.text
    assert read_rules((Rule(when=When(days=("mon",))),)).interest.time


@given(st.lists(st.tuples(st.integers(-2, 2), st.booleans(), st.booleans()), max_size=12), st.booleans())
def test_order_is_by_priority_and_then_as_written(kinds: list[tuple[int, bool, bool]], first_only: bool) -> None:
    rules = [
        Rule(name=str(number), priority=priority, last=last, when=When(tools=tools or None))
        for number, (priority, last, tools) in enumerate(kinds)
    ]
    fitting = [rule for rule in sorted(rules, key=lambda rule: -rule.priority) if rule.when.tools is None]
    ends = next((place for place, rule in enumerate(fitting) if rule.last), len(fitting))
    expected = fitting[:1] if first_only else fitting[: ends + 1]
    assert judge(*rules, first_only=first_only).names == tuple(rule.name for rule in expected)
