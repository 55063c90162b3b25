"""Which forms of answers Anthropic is asked for itself, and which by instruction."""

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lodestard.domain.request import Format
from lodestard.protocols.anthropic.schemas import conforms, takes_format
from lodestard.protocols.codecs import CODECS
from tests.fakes.anthropic_asks import PAID, ask

CLOSED = {"type": "object", "additionalProperties": False}


def closed(**properties: Any) -> dict[str, Any]:
    return {**CLOSED, "properties": properties, "required": list(properties)}


TAKEN = [
    closed(),
    closed(name={"type": "string", "description": "d"}, watts={"type": "integer"}, on={"type": "boolean"}),
    closed(tags={"type": "array", "items": {"type": "string", "format": "date"}, "minItems": 1}),
    closed(kind={"enum": ["a", 1, None]}, sure={"const": True, "type": "boolean"}),
    closed(other={"anyOf": [{"type": "null"}, closed(x={"type": "number"})]}),
    {**closed(lamp={"$ref": "#/$defs/Lamp"}), "$defs": {"Lamp": closed(watts={"type": "integer"})}},
]
NOT_TAKEN = [
    {"type": "object", "properties": {}},
    {"type": "array", "items": closed()},
    closed(watts={"type": "integer", "minimum": 0}),
    closed(name={"type": "string", "maxLength": 5}),
    closed(name={"type": "string", "format": "colour"}),
    closed(tags={"type": "array", "minItems": 2, "items": {"type": "string"}}),
    closed(tags={"type": "array"}),
    closed(inner={"type": "object", "properties": {}}),
    closed(kind={"enum": [{}]}),
    closed(kind={"type": ["string", "null"]}),
    closed(kind={"oneOf": [{"type": "string"}]}),
    {**closed(lamp={"$ref": "https://example.com/lamp"})},
    {**closed(lamp={"$ref": "#/$defs/Lamp"}), "$defs": {"Lamp": {"type": "object"}}},
    {**closed(lamp={"$ref": "#/$defs/Lamp"}), "$defs": {}},
    {**closed(node={"$ref": "#/$defs/Node"}), "$defs": {"Node": closed(next={"$ref": "#/$defs/Node"})}},
    {
        **closed(),
        "$defs": {"A": closed(b={"anyOf": [{"$ref": "#/$defs/B"}, {"type": "null"}]}), "B": {"$ref": "#/$defs/A"}},
    },
]


def form(schema: Any) -> Format:
    return Format(kind="json_schema", schema=msgspec.Raw(json.dumps(schema).encode()))


@pytest.mark.parametrize("schema", TAKEN)
def test_a_schema_of_the_subset(schema: Any) -> None:
    assert takes_format(form(schema), "claude-sonnet-4-5-20250929")
    assert not takes_format(form(schema), "claude-3-5-haiku-20241022")
    assert not takes_format(form(schema), "llama")


@pytest.mark.parametrize("schema", NOT_TAKEN)
def test_any_other_schema(schema: Any) -> None:
    assert not takes_format(form(schema), "claude-sonnet-4-5-20250929")


def test_a_large_schema_is_not_taken_and_not_remembered() -> None:
    conforms.cache_clear()
    large = closed(**{f"p{number}": {"type": "string", "description": "d" * 50} for number in range(1_000)})
    assert not takes_format(form(large), "claude-sonnet-4-5-20250929")
    assert conforms.cache_info().currsize == 0
    assert conforms(json.dumps(large).encode())  # but for its size


def test_json_without_a_schema_is_asked_for_by_instruction() -> None:
    assert not takes_format(Format(kind="json"), "claude-opus-5-5")
    assert takes_format(Format(), "claude-3-5-haiku-20241022")


@pytest.mark.parametrize("text", [b"", b"[", b"null", b"[]", b'"x"', b'{"type":"object"' * 3, b"[" * 5000])
def test_what_is_no_schema(text: bytes) -> None:
    assert not conforms(text)


def test_a_deep_one_is_not_gone_through() -> None:
    schema: dict[str, Any] = closed()
    for _ in range(40):
        schema = closed(inner=schema)
    assert not conforms(json.dumps(schema).encode())


NAMES = ("type", "properties", "items", "enum", "anyOf", "$defs", "$ref", "required", "additionalProperties")
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=4),
    max_leaves=20,
)


@given(ANYTHING)
def test_anything_is_judged(schema: Any) -> None:
    assert isinstance(conforms(json.dumps({**CLOSED, "properties": schema}).encode()), bool)


@pytest.mark.parametrize(("schema", "native"), [(TAKEN[1], True), (NOT_TAKEN[0], False)])
def test_it_is_written_natively_where_it_is_taken(schema: Any, native: bool) -> None:
    request = ask(response_format={"type": "json_schema", "json_schema": {"name": "lamp", "schema": schema}})
    wire = CODECS["anthropic"].write_request(request, "claude-sonnet-4-5-20250929", PAID)
    body = json.loads(wire.body)
    assert body.get("output_config") == ({"format": {"type": "json_schema", "schema": schema}} if native else None)
    assert bool(wire.emulation) == (not native)
