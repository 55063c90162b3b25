"""JSON Schema: what matches, what does not, and that neither schema nor value can make it take long."""

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lodestard.domain.json_schema import explain_mismatch, read_schema
from lodestard.domain.patterns import read_pattern

CASES: list[tuple[Any, list[Any], list[Any]]] = [
    ({}, [None, 1, "x", []], []),
    (True, [None, 1], []),
    (False, [], [None, 1]),
    ({"type": "object"}, [{}], [[], None, 1]),
    ({"type": "integer"}, [1, 1.0, -3], [1.5, True, "1", None]),
    ({"type": "number"}, [1, 1.5], [True, "1"]),
    ({"type": "boolean"}, [True], [1, 0]),
    ({"type": "null"}, [None], [0, ""]),
    ({"type": ["string", "null"]}, ["x", None], [1]),
    ({"type": "STRING"}, ["x"], [1]),
    ({"type": "tuple"}, [1, "x"], []),
    ({"type": "string", "nullable": True}, ["x", None], [1]),
    ({"enum": ["a", 1, None]}, ["a", 1, 1.0, None], ["b", True, 2]),
    ({"const": {"a": [1]}}, [{"a": [1]}, {"a": [1.0]}], [{"a": [True]}, {}]),
    ({"required": ["a", "b"]}, [{"a": 1, "b": 2}, "x"], [{"a": 1}, {}]),
    ({"properties": {"a": {"type": "string"}}}, [{"a": "x"}, {}, {"b": 1}], [{"a": 1}]),
    ({"properties": {"a": {}}, "additionalProperties": False}, [{"a": 1}, {}], [{"b": 1}]),
    ({"additionalProperties": {"type": "string"}}, [{"a": "x"}], [{"a": 1}]),
    ({"patternProperties": {"^x": {}}, "additionalProperties": False}, [{"x1": 1}, {"b": 1}], []),
    ({"items": {"type": "string"}}, [["a"], [], "x"], [[1]]),
    ({"prefixItems": [{"type": "string"}], "items": {"type": "integer"}}, [["a", 1], []], [[1], ["a", "b"]]),
    ({"anyOf": [{"type": "string"}, {"type": "integer"}]}, ["x", 1], [None, 1.5]),
    ({"oneOf": [{"type": "string"}, {"type": "integer"}]}, ["x", 1], [None]),
    ({"allOf": [{"type": "string"}, {"minLength": 2}]}, ["xx"], ["x", 1]),
    ({"minimum": 1, "maximum": 3}, [1, 3, "x"], [0, 4]),
    ({"exclusiveMinimum": 1, "exclusiveMaximum": 3}, [2], [1, 3]),
    ({"multipleOf": 5}, [10, 0, 0.5], [7]),
    ({"minLength": 2, "maxLength": 3}, ["ab", "abc", 1], ["a", "abcd"]),
    ({"minItems": 1, "maxItems": 2}, [[1], "x"], [[], [1, 2, 3]]),
    ({"minProperties": 1, "maxProperties": 1}, [{"a": 1}], [{}, {"a": 1, "b": 2}]),
    ({"pattern": "^[a-z]+-\\d{2}$"}, ["ab-12", 1], ["ab", "AB-12"]),
    ({"$ref": "#/$defs/a", "$defs": {"a": {"type": "string"}}}, ["x"], [1]),
    ({"$ref": "https://example.org/x"}, [1, "x"], []),
    ({"$ref": "#/nowhere"}, [1], []),
    (
        {"properties": {"next": {"$ref": "#"}}, "required": ["v"]},
        [{"v": 1, "next": {"v": 2}}],
        [{"v": 1, "next": {}}],
    ),
    ({"format": "date", "unheardOf": 1}, ["x"], []),
]


@pytest.mark.parametrize(("schema", "good", "bad"), CASES, ids=lambda case: str(case)[:60])
def test_what_matches(schema: Any, good: list[Any], bad: list[Any]) -> None:
    for value in good:
        assert explain_mismatch(value, schema) == "", value
    for value in bad:
        assert explain_mismatch(value, schema) != "", value


@pytest.mark.parametrize(
    "schema",
    [
        {"$ref": "#"},
        {"$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"$ref": "#/$defs/a"}}, "$ref": "#/$defs/a"},
        {"$defs": {"a": {"anyOf": [{"$ref": "#/$defs/a"}] * 10}}, "$ref": "#/$defs/a"},
        {"enum": [["x" * 1000] * 100] * 1000},
        {"items": {"enum": list(range(1000))}},
        {"items": {"pattern": "[a-z]*[a-z]*[a-z]*[a-z]*!"}},
        {
            "type": 5,
            "properties": [],
            "required": "x",
            "items": 3,
            "enum": {},
            "anyOf": [],
            "minimum": "x",
            "pattern": 1,
        },
    ],
)
def test_nothing_takes_long_or_breaks(schema: Any) -> None:
    explain_mismatch(["a" * 100] * 2000, schema)
    explain_mismatch({"a": [["b"]] * 10}, schema)


def test_deep_values_are_let_pass() -> None:
    value = json.loads("[" * 500 + "]" * 500)
    assert explain_mismatch(value, {"items": {"$ref": "#"}}) == ""
    assert explain_mismatch(value, {"const": value}) == ""


def test_reasons_quote_nothing() -> None:
    schema = {"properties": {"secret": {"const": "canary"}}, "required": ["secret", "canary2"]}
    for value in ({"secret": "canary3", "canary2": 1}, {}, {"secret": "canary3"}):
        assert "canary" not in explain_mismatch(value, schema)
        assert "secret" not in explain_mismatch(value, schema)


def test_schemas_are_read() -> None:
    assert read_schema(None) is None
    assert read_schema(msgspec.Raw(b'{"a":1}')) == {"a": 1}
    assert read_schema(msgspec.Raw(b"{")) is None


@pytest.mark.parametrize(
    "text", ["(a+)+$", "(a|b)*", r"(a)\1", "(?=a)b", "(", "a" * 501, "?" * 3, "a{2,1}", "a?" * 30, "[^b]{600}b"]
)
def test_patterns_that_are_not_tried(text: str) -> None:
    assert read_pattern(text) is None


def test_what_a_pattern_may_cost() -> None:
    email = read_pattern(r"^[^@]+@[^@]+\.[^@]+$")
    assert email is not None
    assert email.find_in("ada@example.org")
    assert email.cost("ada@example.org") == 16**3
    code = read_pattern(r"^\d{4}-\d{2}$")
    assert code is not None
    assert code.cost("x" * 1000) == 1
    long = read_pattern(r"^[0-9a-f]{4096}$")
    assert long is not None, "tried in one place only"


_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.text("ab", max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("ab"), inner, max_size=2),
    max_leaves=8,
)
_WORDS = st.sampled_from(
    [
        "type",
        "enum",
        "const",
        "required",
        "properties",
        "items",
        "anyOf",
        "allOf",
        "$ref",
        "minimum",
        "pattern",
        "not",
    ]
)


@given(_VALUES, st.dictionaries(_WORDS, _VALUES | st.sampled_from(["object", "string", "#"]), max_size=4))
def test_any_schema_is_taken(value: Any, schema: dict[str, Any]) -> None:
    assert isinstance(explain_mismatch(value, schema), str)


@given(_VALUES)
def test_a_value_matches_itself(value: Any) -> None:
    assert explain_mismatch(value, {"const": value, "enum": [value]}) == ""
