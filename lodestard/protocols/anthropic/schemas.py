"""Which JSON schemas Anthropic holds an answer to itself: a subset, and all others are refused there.

Law: pure and bounded; what is not surely taken is not taken. Source: Anthropic's "Structured outputs" (its list of
supported keywords), as its Python SDK's ``transform_schema`` has them.
"""

from collections.abc import Iterator
from functools import lru_cache
from graphlib import CycleError, TopologicalSorter
from typing import Any

import msgspec

from lodestard.domain.request import Format
from lodestard.protocols.anthropic.models import find_traits

MOST_BYTES = 64 * 1024
_DEPTH = 24
_DEFINITIONS = "#/$defs/"
_PLAIN = frozenset({"boolean", "integer", "number", "null"})
_ANYWHERE = frozenset({"title", "description"})
_FORMATS = frozenset({"date-time", "time", "date", "duration", "email", "hostname", "uri", "ipv4", "ipv6", "uuid"})
_KEYWORDS = {
    "object": frozenset({"type", "properties", "required", "additionalProperties", "$defs"}) | _ANYWHERE,
    "array": frozenset({"type", "items", "minItems"}) | _ANYWHERE,
    "string": frozenset({"type", "format"}) | _ANYWHERE,
}
_OTHERS = frozenset({"type", "$defs"}) | _ANYWHERE


def takes_format(form: Format, model: str) -> bool:
    """Whether ``model`` can be held to this form of an answer."""
    if form.kind != "json_schema" or form.schema is None or not find_traits(model).schemas:
        return form.kind == "text"
    schema = bytes(form.schema)
    return len(schema) <= MOST_BYTES and conforms(schema)


@lru_cache(maxsize=64)
def conforms(schema: bytes) -> bool:
    """Whether a schema is of the subset: every object closed, no bounds but ``minItems`` 0 and 1. It is remembered,
    so it must not be large.
    """
    try:
        read = msgspec.json.decode(schema)
    except (ValueError, RecursionError):
        return False
    return _is_object(read) and _conforms(read, 0) and _leads_to_ends(read)


def _is_object(schema: Any) -> bool:
    return isinstance(schema, dict) and schema.get("type") == "object"


def _leads_to_ends(schema: dict[str, Any]) -> bool:
    """Whether each definition that is referred to is there, and none leads back to itself."""
    definitions: dict[str, Any] = schema.get("$defs", {})
    graph = {name: set(_find_references(one)) for name, one in definitions.items()}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError:
        return False
    return definitions.keys() >= set(_find_references(schema))


def _find_references(schema: Any) -> Iterator[str]:
    """The names of the definitions that are referred to in it, however deep."""
    inner = schema.values() if isinstance(schema, dict) else schema if isinstance(schema, list) else ()
    for value in inner:
        yield from _find_references(value)
    if isinstance(schema, dict) and isinstance(schema.get("$ref"), str):
        yield schema["$ref"].removeprefix(_DEFINITIONS)


def _conforms(schema: Any, depth: int) -> bool:
    if not isinstance(schema, dict) or depth > _DEPTH:
        return False
    definitions = schema.get("$defs", {})
    if not isinstance(definitions, dict) or not all(_conforms(one, depth + 1) for one in definitions.values()):
        return False
    if "$ref" in schema:
        return schema.keys() <= {"$ref", "$defs"} and str(schema["$ref"]).startswith(_DEFINITIONS)
    for several in ("anyOf", "allOf"):
        if several in schema:
            kept = schema.keys() <= {several} | _OTHERS and isinstance(schema[several], list)
            return kept and all(_conforms(one, depth + 1) for one in schema[several])
    if "enum" in schema or "const" in schema:
        return _is_literal(schema)
    return _is_typed(schema, depth)


def _is_literal(schema: dict[str, Any]) -> bool:
    values = schema.get("enum", [schema.get("const")])
    plain = isinstance(values, list) and all(isinstance(one, str | int | float | bool | None) for one in values)
    return plain and schema.keys() <= {"enum", "const"} | _OTHERS


def _is_typed(schema: dict[str, Any], depth: int) -> bool:
    kind = schema.get("type")
    if not isinstance(kind, str) or not schema.keys() <= _KEYWORDS.get(kind, _OTHERS):
        return False
    match kind:
        case "object":
            properties = schema.get("properties", {})
            closed = schema.get("additionalProperties") is False and isinstance(properties, dict)
            return closed and all(_conforms(one, depth + 1) for one in properties.values())
        case "array":
            return schema.get("minItems", 0) in (0, 1) and _conforms(schema.get("items"), depth + 1)
        case "string":
            return schema.get("format", "date") in _FORMATS
    return kind in _PLAIN
