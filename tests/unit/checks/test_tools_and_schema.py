"""Calls against their tools, and answers against their schema."""

import json
from typing import Any

import pytest

from lodestard.checks import open_watch
from lodestard.domain.reply import Choice, Piece, ToolCallPiece
from lodestard.protocols.openai.chat import read_request

PARAMETERS = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
F = {"type": "function", "function": {"name": "f", "parameters": PARAMETERS}}
G = {"type": "function", "function": {"name": "g"}}
CUSTOM = {"type": "custom", "custom": {"name": "free"}}


def judge(choice: Choice, *names: str, **members: Any) -> str:
    body = {"model": "m", "messages": [{"role": "user", "content": "hi"}], **members}
    watch = open_watch(names, read_request(json.dumps(body).encode(), depth=64))
    if watch is None:
        return "not judged"
    watch.see([Piece(text=choice.text, tool_calls=choice.tool_calls)])
    watch.end([choice])
    return watch.failure


def call(name: str = "f", arguments: str = '{"n": 1}', finish: Any = "tool_calls") -> Choice:
    return Choice(tool_calls=(ToolCallPiece(0, "id", name, arguments),), finish=finish)


@pytest.mark.parametrize(
    ("choice", "members", "failure"),
    [
        (call(), {}, ""),
        (call("g", ""), {}, ""),
        (call("g", '{"anything": [1]}'), {}, ""),
        (Choice(text="words", finish="stop"), {}, ""),
        (call(arguments="{"), {}, "call 1: its arguments are not JSON"),
        (call(arguments="[" * 5000), {}, "call 1: its arguments are not JSON"),
        (call(arguments="\ud800"), {}, "call 1: its arguments are not JSON"),
        (call(arguments="[1]"), {}, "call 1: its arguments are no JSON object"),
        (call(arguments="{}"), {}, "call 1: 1 required properties are missing"),
        (call(arguments='{"n": "x"}'), {}, "call 1: a value is not of the type integer"),
        (call("h"), {}, "it calls a tool that was not offered"),
        (
            Choice(text="words", finish="stop"),
            {"tool_choice": "required"},
            "a tool call was demanded, and there is none",
        ),
        (
            call("g"),
            {"tool_choice": {"type": "function", "function": {"name": "f"}}},
            "call 1 is of another tool than the one that was demanded",
        ),
        (call(arguments="{", finish="length"), {}, ""),
        (Choice(refusal="no", finish="stop"), {"tool_choice": "required"}, ""),
    ],
)
def test_calls(choice: Choice, members: dict[str, Any], failure: str) -> None:
    assert judge(choice, "tools", tools=[F, G], **members) == (f"tools: {failure}" if failure else "")


def test_beside_tools_of_other_kinds_unknown_names_pass() -> None:
    assert judge(call(arguments="words"), "tools", tools=[F, CUSTOM]).startswith("tools: call 1: its arguments")
    assert judge(call("free", "words"), "tools", tools=[F, CUSTOM]) == ""
    assert judge(call("h"), "tools", tools=[F, CUSTOM]) == ""


def test_without_tools_nothing_is_judged() -> None:
    assert judge(call(), "tools") == "not judged"
    assert judge(call(), "tools", tools=[F], tool_choice="none") == "not judged"
    assert judge(Choice(text="x"), "schema") == "not judged"
    assert judge(Choice(text="x"), "edits") == "not judged"


FORM = {"type": "json_schema", "json_schema": {"name": "x", "schema": PARAMETERS}}


@pytest.mark.parametrize(
    ("text", "form", "failure"),
    [
        ('{"n": 1}', FORM, ""),
        ('{"n": "1"}', FORM, "a value is not of the type integer"),
        ("{}", FORM, "1 required properties are missing"),
        ('```json\n{"n": 1}\n```', FORM, "the answer is not JSON"),
        ("", FORM, "the answer is not JSON"),
        ("{}", {"type": "json_object"}, ""),
        ("[]", {"type": "json_object"}, "the answer is no JSON object"),
        ("[" * 5000, {"type": "json_object"}, "the answer is not JSON"),
    ],
)
def test_answers(text: str, form: dict[str, Any], failure: str) -> None:
    choice = Choice(text=text, finish="stop")
    assert judge(choice, "schema", response_format=form) == (f"schema: {failure}" if failure else "")


def test_an_answer_that_calls_owes_no_json() -> None:
    assert judge(call(), "schema", "tools", response_format=FORM, tools=[F]) == ""


def test_the_first_failure_counts() -> None:
    assert judge(call("h"), "schema", "tools", response_format=FORM, tools=[F]).startswith("tools:")
