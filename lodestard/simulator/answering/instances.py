"""Instances of JSON schemas: the smallest plausible value that satisfies one.

Law: pure. Understands type, enum, const, properties, required, items, minItems, minimum, minLength, anyOf/oneOf/
allOf, ``$ref`` to ``$defs``, and formats of strings; anything else is ignored.
"""

from collections.abc import Mapping

from lodestard.simulator.answering.question import Json

_FORMATS = {
    "date": "2026-01-15",
    "date-time": "2026-01-15T12:00:00Z",
    "time": "12:00:00Z",
    "email": "someone@example.com",
    "uri": "https://example.com/",
    "uuid": "6f1b2c3d-4e5f-4a6b-8c7d-9e0f1a2b3c4d",
}
_DEPTH_LIMIT = 16


def instance_of(schema: Mapping[str, Json], hint: str = "") -> Json:
    """A value that satisfies ``schema``. ``hint`` is the text that free strings are filled with."""
    return _value(schema, schema, hint or "text", 0)


def _value(schema: Json, root: Mapping[str, Json], hint: str, depth: int) -> Json:
    if not isinstance(schema, Mapping) or depth > _DEPTH_LIMIT:
        return None
    schema = _resolved(schema, root)
    for key in ("const", "default"):
        if key in schema:
            return schema[key]
    if choices := schema.get("enum") or schema.get("examples"):
        return choices[0]
    for key in ("anyOf", "oneOf"):
        if options := schema.get(key):
            return _value(options[0], root, hint, depth + 1)
    return _typed(schema, root, hint, depth)


def _typed(schema: Mapping[str, Json], root: Mapping[str, Json], hint: str, depth: int) -> Json:
    kind = schema.get("type")
    if isinstance(kind, list):
        kind = kind[0]
    if kind == "object" or "properties" in schema:
        return {name: _value(part, root, hint, depth + 1) for name, part in _wanted(schema).items()}
    if kind == "array":
        least = max(1, int(schema.get("minItems", 1)))
        return [_value(schema.get("items", {}), root, hint, depth + 1) for _ in range(least)]
    return _scalar(kind, schema, hint)


def _scalar(kind: Json, schema: Mapping[str, Json], hint: str) -> Json:
    match kind:
        case "integer":
            return _number(schema)
        case "number":
            return float(_number(schema))
        case "boolean":
            return True
        case "null":
            return None
        case _:
            return _text(schema, hint)


def _number(schema: Mapping[str, Json]) -> int:
    if "exclusiveMinimum" in schema:
        return int(schema["exclusiveMinimum"]) + 1
    low = int(schema.get("minimum", 1))
    return min(low, int(schema["maximum"])) if "maximum" in schema and low > schema["maximum"] else low


def _text(schema: Mapping[str, Json], hint: str) -> str:
    text = _FORMATS.get(str(schema.get("format")), hint)
    text = text.ljust(int(schema.get("minLength", 0)), "x")
    return text[: int(schema.get("maxLength", len(text)))]


def _wanted(schema: Mapping[str, Json]) -> Mapping[str, Json]:
    """Required properties, or all where none is required."""
    properties: dict[str, Json] = dict(schema.get("properties", {}))
    required = schema.get("required") or list(properties)
    return {name: properties.get(name, {}) for name in required}


def _resolved(schema: Mapping[str, Json], root: Mapping[str, Json]) -> Mapping[str, Json]:
    """``$ref`` followed within the document, ``allOf`` laid over one another."""
    merged = dict(schema)
    for part in merged.pop("allOf", ()):
        merged |= dict(_resolved(part, root))
    reference = merged.pop("$ref", None)
    if not isinstance(reference, str) or not reference.startswith("#"):
        return merged
    found: Json = root
    for step in filter(None, reference[1:].split("/")):
        found = found.get(step, {}) if isinstance(found, Mapping) else {}
    return {**found, **merged}
