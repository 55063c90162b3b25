"""The simulator's own words: tokens, limits, schemas, tool calls, registers. Same question, same answer."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lodestard.simulator.answering.instances import instance_of
from lodestard.simulator.answering.mind import Mind, own_answer, read_answer
from lodestard.simulator.answering.prose import plain_answer
from lodestard.simulator.answering.question import Answer, Call, Question, Tool, Turn
from lodestard.simulator.limits import limit_text
from lodestard.simulator.reading import json_type
from lodestard.simulator.tokens import count_tokens, split_tokens
from lodestard.simulator.vectors import embed
from lodestard.simulator.walltime import http_date, rfc3339_nano, rfc3339_seconds


def question(asked: str, **members: Any) -> Question:
    return Question(model="m", turns=(Turn("user", asked),), **members)


@given(st.text())
def test_tokens_are_the_text_and_never_more_than_its_bytes(text: str) -> None:
    pieces = split_tokens(text)
    assert "".join(pieces) == text
    assert count_tokens(text) == len(pieces) if text else count_tokens(text) == 0
    assert (1 if text else 0) <= count_tokens(text) <= len(text.encode("utf-8", "surrogatepass"))


@given(st.text(alphabet="ab é漢🙂", max_size=40), st.integers(0, 12))
def test_a_limited_text_is_a_beginning(text: str, limit: int) -> None:
    limited = limit_text(text, limit, ())
    assert text.startswith("".join(limited.pieces))
    assert len(limited.pieces) <= limit
    assert (limited.reason == "length") == (count_tokens(text) > limit)


def test_the_earliest_stop_wins() -> None:
    limited = limit_text("one two three", None, ["three", "two", ""])
    assert ("".join(limited.pieces), limited.reason, limited.stop) == ("one ", "stop", "two")


def test_registers_and_determinism() -> None:
    assert "```python" in plain_answer(question("write a function"))
    assert "\n1. " in plain_answer(question("list the steps"))
    assert plain_answer(question("hello")) == plain_answer(question("hello"))
    assert len({plain_answer(question("hello", seed=seed)) for seed in range(8)}) > 2
    assert len({plain_answer(question("hello", index=index)) for index in range(8)}) > 2
    assert "nothing" in plain_answer(question(""))
    assert "…" in plain_answer(question("word " * 40))


@pytest.mark.parametrize(
    ("schema", "value"),
    [
        ({"type": "integer"}, 1),
        ({"type": "integer", "minimum": 5}, 5),
        ({"type": "integer", "exclusiveMinimum": 5}, 6),
        ({"type": "integer", "maximum": 0}, 0),
        ({"type": "number"}, 1.0),
        ({"type": "boolean"}, True),
        ({"type": "null"}, None),
        ({"type": ["string", "null"]}, "text"),
        ({"type": "string", "minLength": 6}, "textxx"),
        ({"type": "string", "maxLength": 2}, "te"),
        ({"type": "string", "format": "date"}, "2026-01-15"),
        ({"enum": ["a", "b"]}, "a"),
        ({"const": 3}, 3),
        ({"default": 4, "type": "integer"}, 4),
        ({"anyOf": [{"type": "integer"}, {"type": "null"}]}, 1),
        ({"type": "array", "items": {"type": "integer"}, "minItems": 2}, [1, 1]),
        ({"allOf": [{"type": "object"}, {"properties": {"a": {"type": "integer"}}}]}, {"a": 1}),
        ({"$ref": "#/$defs/x", "$defs": {"x": {"type": "integer"}}}, 1),
        ({"type": "object", "properties": {"a": {}, "b": {}}, "required": ["b"]}, {"b": "text"}),
        ({}, "text"),
        (True, None),
    ],
)
def test_instances(schema: Any, value: Any) -> None:
    assert instance_of(schema) == value


def test_an_endless_schema_ends() -> None:
    schema: dict[str, Any] = {"type": "object", "properties": {"a": {"$ref": "#"}}}
    assert json.dumps(instance_of(schema)).count("{") > 3


def test_own_answers() -> None:
    tool = Tool("get_weather", {"type": "object", "properties": {"city": {"type": "string"}}})
    assert own_answer(question("weather in Rome", tools=(tool,))).calls == (Call("get_weather", {"city": "Rome"}),)
    assert own_answer(question("hello", tools=(tool,))).calls == ()
    assert own_answer(question("hello", tools=(tool,), choice="missing")).calls == ()
    assert own_answer(question("hello", thinking=True)).thinking
    assert own_answer(question("a", suffix="b")).text.strip().startswith("return")
    assert json.loads(own_answer(question("a", schema={"type": "integer"})).text) == 1


def test_scripts_queues_and_headers() -> None:
    mind = Mind(lambda asked: "scripted" if asked.last_user == "x" else None)
    mind.queue(["queued", Answer(text="other")])
    assert [mind.answer(question("x")).text for _ in range(3)] == ["queued", "other", "scripted"]
    assert mind.answer(question("y")).text.startswith("[simulated m]")
    assert mind.answer(question("x"), "from%20header").text == "from header"
    mind.queue(["gone"])
    mind.clear()
    assert mind.answer(question("x")).text == "scripted"


def test_exact_answers_as_json() -> None:
    assert read_answer('{"text": "a", "calls": [{"name": "f", "arguments": {"x": 1}}]}') == Answer(
        text="a", calls=(Call("f", {"x": 1}),)
    )
    assert read_answer('{"other": 1}').text == '{"other": 1}'
    assert read_answer("{no json").text == "{no json"


@settings(max_examples=30)
@given(st.text(), st.integers(1, 64))
def test_vectors_have_length_one(text: str, dimensions: int) -> None:
    vector = embed(text, dimensions)
    assert len(vector) == dimensions
    assert sum(number * number for number in vector) == pytest.approx(1, abs=1e-3)


def test_wall_times() -> None:
    assert rfc3339_nano(1_795_168_800_000_000_000) == "2026-11-20T10:00:00Z"
    assert rfc3339_nano(1_795_168_800_500_000_000) == "2026-11-20T10:00:00.5Z"
    assert rfc3339_seconds(1_795_168_800_500_000_000) == "2026-11-20T10:00:00Z"
    assert rfc3339_nano(10**21).startswith("9999-12-31")
    assert http_date(0) == "Thu, 01 Jan 1970 00:00:00 GMT"


def test_json_types() -> None:
    values: tuple[Any, ...] = (None, True, 1, 1.5, "", [], {})
    assert [json_type(value) for value in values] == [
        "null",
        "boolean",
        "integer",
        "number",
        "string",
        "array",
        "object",
    ]
