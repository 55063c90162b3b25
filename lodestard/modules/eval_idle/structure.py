"""Answers that a program reads: JSON, and whether two values say the same. Pure."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from lodestard.modules.eval_idle.likeness import likeness, normalised

_FENCED = re.compile(r"\A```(?:json)?\s*\n(.*?)\n?```\Z", re.DOTALL)
_TYPES: Mapping[str, type | tuple[type, ...]] = {
    "object": dict,
    "array": list,
    "string": str,
    "boolean": bool,
    "null": type(None),
    "integer": int,
    "number": (int, float),
}
DEEPEST = 32
NOTHING = object()


def read_json(text: str, *, fenced: bool = False) -> Any:
    """What a text says in JSON, or ``NOTHING``. ``fenced``: also where a markdown fence stands around it."""
    text = text.strip()
    if fenced and (match := _FENCED.fullmatch(text)):
        text = match[1]
    try:
        return msgspec.json.decode(text)
    except (msgspec.MsgspecError, RecursionError):
        return NOTHING


def fits(schema: Any, value: Any, root: Any = None, depth: int = 0) -> bool:
    """Whether ``value`` is as a JSON schema says, by the keywords that models are given; others are not heeded."""
    if not isinstance(schema, dict) or depth > DEEPEST:
        return schema is not False
    root = schema if root is None else root
    if (reference := schema.get("$ref")) is not None:
        return fits(_follow(root, reference), value, root, depth + 1)
    return all(part for part in _parts(schema, value, root, depth + 1))


def _parts(schema: Mapping[str, Any], value: Any, root: Any, depth: int) -> Iterator[bool]:
    """One look after the other, so that the first that fails is the last."""
    yield _has_type(schema.get("type"), value)
    yield "enum" not in schema or value in schema["enum"]
    yield "const" not in schema or value == schema["const"]
    for branch in schema.get("allOf", ()):
        yield fits(branch, value, root, depth)
    for name in ("anyOf", "oneOf"):
        if name in schema:
            yield any(fits(branch, value, root, depth) for branch in schema[name])
    if isinstance(value, list) and "items" in schema:
        yield all(fits(schema["items"], item, root, depth) for item in value)
    if isinstance(value, dict):
        yield from _members(schema, value, root, depth)


def _members(schema: Mapping[str, Any], value: Mapping[str, Any], root: Any, depth: int) -> Iterator[bool]:
    known = schema.get("properties", {})
    yield all(name in value for name in schema.get("required", ()))
    yield schema.get("additionalProperties") is not False or all(name in known for name in value)
    for name, part in known.items():
        if name in value:
            yield fits(part, value[name], root, depth)


def _has_type(wanted: Any, value: Any) -> bool:
    if wanted is None:
        return True
    names = [wanted] if isinstance(wanted, str) else wanted
    if isinstance(value, bool):
        return "boolean" in names
    if isinstance(value, float) and value.is_integer() and "integer" in names:
        return True
    return any(isinstance(value, _TYPES.get(name, object)) for name in names)


def _follow(root: Any, reference: str) -> Any:
    """What a reference within the schema points at; anything goes where it leads nowhere."""
    found = root
    for step in reference.removeprefix("#").strip("/").split("/"):
        found = found.get(step, True) if isinstance(found, dict) else True
    return found


def agreement(one: Any, other: Any) -> float:
    """How much of two values is the same, in [0, 1]: of all the leaves that either has. 1 where both are empty."""
    ours, theirs = dict(_leaves(one)), dict(_leaves(other))
    names = ours.keys() | theirs.keys()
    if not names:
        return 1.0
    return sum(_same(ours.get(name, NOTHING), theirs.get(name, NOTHING)) for name in names) / len(names)


def _leaves(value: Any, name: tuple[str | int, ...] = ()) -> Iterator[tuple[tuple[str | int, ...], Any]]:
    if isinstance(value, dict) and value:
        for key, part in value.items():
            yield from _leaves(part, (*name, key))
    elif isinstance(value, list) and value:
        for index, part in enumerate(value):
            yield from _leaves(part, (*name, index))
    elif name or not isinstance(value, dict | list):
        yield name, value


def _same(one: Any, other: Any) -> float:
    if isinstance(one, str) and isinstance(other, str):
        return 1.0 if normalised(one) == normalised(other) else likeness(one, other) / 2
    if isinstance(one, bool) or isinstance(other, bool):  # true is no 1
        return float(one is other)
    return float(one == other)
