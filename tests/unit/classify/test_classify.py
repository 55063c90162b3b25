"""Any request gets a task: known shapes first, then words; nothing of the client's is in it."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lodestard.classify.classify import classify
from lodestard.classify.hardness import rate_hardness
from lodestard.classify.reading import BEGINNING_READ, ENDING_READ, read
from lodestard.classify.task import AIDER_TASKS
from lodestard.classify.task_rules import compile_rules, make_ready
from lodestard.domain.request import (
    Completion,
    Conversation,
    Embedding,
    Format,
    ImagePart,
    Message,
    Request,
    TextPart,
    Tool,
    ToolCall,
)
from lodestard.domain.task import KINDS, Task
from lodestard.domain.task_rule import TaskRule
from tests.bench.labelled import ask, make_request

RULES = compile_rules(())
WHY = re.compile(r"[a-zA-Z' \[\]\d,;:]{1,160}")

PARTS = st.lists(st.one_of(st.builds(TextPart, st.text(max_size=300)), st.just(ImagePart(url="x"))), max_size=3).map(
    tuple
)
MESSAGES = st.lists(
    st.builds(
        Message,
        role=st.sampled_from(["system", "developer", "user", "assistant", "tool"]),
        parts=PARTS,
        tool_calls=st.just((ToolCall("1", "f", "{"),)),
    ),
    max_size=5,
).map(tuple)
CONVERSATIONS = st.builds(
    Conversation,
    messages=MESSAGES,
    tools=st.just((Tool(name="f"),)) | st.just(()),
    format=st.builds(Format, kind=st.sampled_from(["text", "json", "json_schema"])),
    reasoning_effort=st.sampled_from(["", "none", "minimal", "low", "medium", "high", "xhigh", "odd"]),
    completion=st.none() | st.builds(Completion, suffix=st.none() | st.text(max_size=9)),
    embedding=st.none() | st.just(Embedding()),
)
REQUESTS = st.builds(
    Request,
    dialect=st.just("openai"),
    alias=st.just("auto"),
    stream=st.booleans(),
    include_usage=st.booleans(),
    members=st.just({}),
    conversation=CONVERSATIONS,
    size_bytes=st.just(0),
)


@given(REQUESTS)
def test_any_request_gets_a_task_and_always_the_same(request: Request) -> None:
    task = classify(request, RULES)
    assert task.kind in KINDS
    assert 0 <= task.hardness <= 1
    assert 0 <= task.sure <= 1
    assert WHY.fullmatch(task.why), task.why
    assert classify(request, RULES) == task


@given(st.text(min_size=4, max_size=40, alphabet=st.characters(min_codepoint=0x3B1, max_codepoint=0x3C9)))
def test_nothing_of_the_client_s_is_in_the_reason(text: str) -> None:
    assert text not in classify(ask(f"fix {text}: TypeError: x", text), RULES).why


def test_what_is_between_the_ends_makes_no_difference() -> None:
    def of(middle: str) -> Task:
        size = BEGINNING_READ + ENDING_READ
        text = f"Please summarise this.\n{'word ' * size}{middle * 100}{'word ' * size}\nIn three lines."
        return classify(ask(text), RULES)

    assert of("write unit tests") == of("select * from ta")


@pytest.mark.parametrize(("opening", "name"), AIDER_TASKS)
def test_aider_s_calls_win_over_every_word(opening: str, name: str) -> None:
    kinds = {"commit": "commit", "summary": "summary", "architect": "plan", "ask": "explain", "help": "explain"}
    rules = compile_rules([TaskRule(kind="chat", words=("translate",), where="any", weight=20)])
    task = classify(ask("translate this into German", opening), rules)
    assert (task.kind, task.sure) == (kinds.get(name, "edit"), 1.0)
    assert task.why.startswith(f"Aider's call: {name}")


def test_vectors_and_gaps_are_told_by_their_shape() -> None:
    text = ask("write a unit test").conversation.messages
    assert classify(make_request(text, embedding=Embedding()), RULES).kind == "embedding"
    assert classify(make_request(text, completion=Completion(suffix="x")), RULES).kind == "autocomplete"
    assert classify(make_request(text, completion=Completion()), RULES).kind == "test"


def test_a_rule_of_the_user_s_decides_and_is_named() -> None:
    request = ask("do the petrel dance")
    rules = compile_rules([TaskRule(kind="chat", words=("x",)), TaskRule(kind="data", words=("petrel",), weight=10)])
    before, after = classify(request, RULES), classify(request, rules)
    assert before.kind != "data"
    assert after.kind == "data"
    assert after.sure > 0.9
    assert after.why.startswith("[[tasks]] 2")


def test_a_rule_may_speak_against_a_kind() -> None:
    request = ask("write unit tests for the parser with pytest")
    assert classify(request, RULES).kind == "test"
    against = compile_rules([TaskRule(kind="test", words=("pytest",), weight=-20)])
    assert classify(request, against).kind != "test"


@pytest.mark.parametrize(
    ("easier", "harder"),
    [
        (
            "rename foo",
            "rename foo in a.py, b.py, c.py and d.py; keep the old name as an alias, and adapt every caller",
        ),
        ("write a stack", "write a lock-free stack that must be correct under every interleaving, without leaks"),
        ("a joke", "prove that the sequence converges and derive the rate of convergence for all starting points"),
    ],
)
def test_what_asks_for_more_is_harder(easier: str, harder: str) -> None:
    assert classify(ask(easier), RULES).hardness < classify(ask(harder), RULES).hardness


def test_a_text_without_spaces_has_words_too() -> None:
    def hardness(text: str) -> float:
        reading = read(ask(text))
        return rate_hardness("code", reading, make_ready(reading.said, reading.user))[0]

    assert hardness("实现一个在网络分区时仍然保持线性一致性的分布式锁服务") > hardness("写一个栈") + 0.05


def test_the_effort_that_was_asked_for_counts() -> None:
    messages = ask("how many files are there?").conversation.messages
    levels = [classify(make_request(messages, reasoning_effort=name), RULES) for name in ("low", "medium", "high")]
    assert levels[0].hardness < levels[1].hardness < levels[2].hardness
    assert "the effort that was asked for" in levels[2].why
