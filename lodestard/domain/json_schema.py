"""Does a value match a JSON schema? The part of the language that tools and structured answers use.

Law: it ends soon, whatever schema and value are: each look takes a step, and steps and depth are bounded. What it
doesn't know (other keywords, references elsewhere, patterns that may take long) and what it had no step left for
counts as matching. Reasons say what is wrong in words of their own, never with a key or a value.
Source: JSON Schema 2020-12, core sections 8 and 10, validation section 6. Why no library: decision 23.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import msgspec

from lodestard.domain.patterns import MOST_COST, read_pattern

MOST_STEPS = 50_000
MOST_DEPTH = 64
STEP_CHARACTERS = 64
KEYWORDS_OF_A_STEP = 16
STEPS_OF_A_PATTERN = 50
_Keyword = Callable[["_Look", Any, Any, Mapping[str, Any], int], str]


def read_schema(raw: msgspec.Raw | None) -> Any:
    """A schema, decoded; None where it is none."""
    if raw is None:
        return None
    try:
        return msgspec.json.decode(bytes(raw))
    except (ValueError, RecursionError):
        return None


def explain_mismatch(value: Any, schema: Any) -> str:
    """Why ``value`` does not match ``schema``; empty where it does, or where that could not be found out."""
    look = _Look(schema)
    try:
        return look.at(value, schema, 0)
    except (_GaveUpError, RecursionError):
        return ""


class _GaveUpError(Exception):
    """No step is left."""


class _Look:
    """One comparison, with the steps that it may still take."""

    __slots__ = ("_root", "_steps")

    def __init__(self, root: Any) -> None:
        self._root = root
        self._steps = MOST_STEPS

    def spend(self, steps: int = 1) -> None:
        self._steps -= steps
        if self._steps < 0:
            raise _GaveUpError

    def at(self, value: Any, schema: Any, depth: int) -> str:
        self.spend()
        if schema is False:
            return "nothing is allowed there"
        if not isinstance(schema, dict) or depth > MOST_DEPTH:
            return ""
        if value is None and schema.get("nullable") is True:
            return ""
        self.spend(len(schema) // KEYWORDS_OF_A_STEP)
        for keyword, wanted in schema.items():
            judge = _KEYWORDS.get(keyword)
            if judge is not None and (reason := judge(self, value, wanted, schema, depth)):
                return reason
        return ""

    def refer(self, value: Any, target: Any, _schema: Mapping[str, Any], depth: int) -> str:
        """``$ref`` to a place in this very schema, by its JSON pointer."""
        if not isinstance(target, str) or not target.startswith("#"):
            return ""
        found = self._root
        for part in target[1:].split("/")[1:]:
            self.spend()
            name = part.replace("~1", "/").replace("~0", "~")
            found = found.get(name) if isinstance(found, dict) else None
        return "" if found is None else self.at(value, found, depth + 1)

    def same(self, value: Any, other: Any) -> bool:
        """Whether two values are equal; what it costs depends on their size."""
        self.spend(_size(value) + _size(other))
        return bool(_plain(value) == _plain(other))


def _size(value: Any) -> int:
    return 1 + len(value) // STEP_CHARACTERS if isinstance(value, str) else 1 + len(msgspec.json.encode(value)) // 8


def _plain(value: Any) -> Any:
    """A form in which true is no 1, but 1.0 is."""
    if isinstance(value, bool):
        return ("boolean", value)
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return value


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


_TYPES: Mapping[str, Callable[[Any], bool]] = {
    "object": lambda value: isinstance(value, dict),
    "array": lambda value: isinstance(value, list),
    "string": lambda value: isinstance(value, str),
    "number": _is_number,
    "integer": lambda value: _is_number(value) and (isinstance(value, int) or value.is_integer()),
    "boolean": lambda value: isinstance(value, bool),
    "null": lambda value: value is None,
}


def _type(_look: _Look, value: Any, wanted: Any, _schema: Mapping[str, Any], _depth: int) -> str:
    names = wanted if isinstance(wanted, list) else [wanted]
    if any(not isinstance(name, str) for name in names):
        return ""
    known = [_TYPES.get(name.lower()) for name in names]
    if any(judge is None or judge(value) for judge in known):
        return ""
    return f"a value is not of the type {names[0]}" if len(names) == 1 else "a value is of none of its types"


def _enum(look: _Look, value: Any, wanted: Any, _schema: Mapping[str, Any], _depth: int) -> str:
    if not isinstance(wanted, list) or any(look.same(value, other) for other in wanted):
        return ""
    return "a value is none of those that its enum lists"


def _const(look: _Look, value: Any, wanted: Any, _schema: Mapping[str, Any], _depth: int) -> str:
    return "" if look.same(value, wanted) else "a value is not the one that is wanted"


def _required(look: _Look, value: Any, names: Any, _schema: Mapping[str, Any], _depth: int) -> str:
    if not isinstance(value, dict) or not isinstance(names, list):
        return ""
    look.spend(len(names))
    missing = sum(1 for name in names if isinstance(name, str) and name not in value)
    return f"{missing} required properties are missing" if missing else ""


def _properties(look: _Look, value: Any, schemas: Any, _schema: Mapping[str, Any], depth: int) -> str:
    if not isinstance(value, dict) or not isinstance(schemas, dict):
        return ""
    for name, item in value.items():
        look.spend()
        if name in schemas and (reason := look.at(item, schemas[name], depth + 1)):
            return reason
    return ""


def _additional(look: _Look, value: Any, wanted: Any, schema: Mapping[str, Any], depth: int) -> str:
    if not isinstance(value, dict) or wanted is True or "patternProperties" in schema:
        return ""
    named = schema.get("properties")
    for name, item in value.items():
        look.spend()
        if isinstance(named, dict) and name in named:
            continue
        if wanted is False:
            return "it has a property that is not allowed"
        if reason := look.at(item, wanted, depth + 1):
            return reason
    return ""


def _items(look: _Look, value: Any, wanted: Any, schema: Mapping[str, Any], depth: int) -> str:
    if not isinstance(value, list) or isinstance(wanted, list):
        return ""
    first = schema.get("prefixItems")
    for item in value[len(first) if isinstance(first, list) else 0 :]:
        if reason := look.at(item, wanted, depth + 1):
            return reason
    return ""


def _prefix(look: _Look, value: Any, wanted: Any, _schema: Mapping[str, Any], depth: int) -> str:
    if not isinstance(value, list) or not isinstance(wanted, list):
        return ""
    for item, schema in zip(value, wanted, strict=False):
        if reason := look.at(item, schema, depth + 1):
            return reason
    return ""


def _reasons(look: _Look, value: Any, wanted: Any, depth: int) -> Iterator[str]:
    return (look.at(value, schema, depth + 1) for schema in wanted) if isinstance(wanted, list) else iter(())


def _all_of(look: _Look, value: Any, wanted: Any, _schema: Mapping[str, Any], depth: int) -> str:
    return next((reason for reason in _reasons(look, value, wanted, depth) if reason), "")


def _any_of(look: _Look, value: Any, wanted: Any, _schema: Mapping[str, Any], depth: int) -> str:
    if not wanted or not isinstance(wanted, list) or not all(_reasons(look, value, wanted, depth)):
        return ""
    return "a value matches none of its alternatives"


def _one_of(look: _Look, value: Any, wanted: Any, _schema: Mapping[str, Any], depth: int) -> str:
    """More than one that match are let pass: some of it may not have been understood here."""
    return _any_of(look, value, wanted, _schema, depth)


def _bound(word: str, wrong: Callable[[float, float], bool]) -> _Keyword:
    def judge(_look: _Look, value: Any, limit: Any, _schema: Mapping[str, Any], _depth: int) -> str:
        return f"a number is {word}" if _is_number(value) and _is_number(limit) and wrong(value, limit) else ""

    return judge


def _length(kind: Any, word: str, wrong: Callable[[int, float], bool]) -> _Keyword:
    def judge(_look: _Look, value: Any, limit: Any, _schema: Mapping[str, Any], _depth: int) -> str:
        return word if isinstance(value, kind) and _is_number(limit) and wrong(len(value), limit) else ""

    return judge


def _multiple(_look: _Look, value: Any, step: Any, _schema: Mapping[str, Any], _depth: int) -> str:
    """Of whole numbers alone: fractions are not exact."""
    if not isinstance(value, int) or isinstance(value, bool) or not isinstance(step, int) or step <= 0:
        return ""
    return "" if value % step == 0 else "a number is not the multiple that is wanted"


def _pattern(look: _Look, value: Any, pattern: Any, _schema: Mapping[str, Any], _depth: int) -> str:
    if not isinstance(value, str) or not isinstance(pattern, str):
        return ""
    known = read_pattern(pattern)
    cost = MOST_COST + 1 if known is None else known.cost(value)
    if known is None or cost > MOST_COST:
        return ""
    look.spend(1 + cost // STEPS_OF_A_PATTERN)
    return "" if known.find_in(value) else "a text does not match its pattern"


_KEYWORDS: Mapping[str, _Keyword] = {
    "$ref": _Look.refer,
    "type": _type,
    "enum": _enum,
    "const": _const,
    "required": _required,
    "properties": _properties,
    "additionalProperties": _additional,
    "prefixItems": _prefix,
    "items": _items,
    "allOf": _all_of,
    "anyOf": _any_of,
    "oneOf": _one_of,
    "minimum": _bound("too small", lambda value, limit: value < limit),
    "maximum": _bound("too large", lambda value, limit: value > limit),
    "exclusiveMinimum": _bound("too small", lambda value, limit: value <= limit),
    "exclusiveMaximum": _bound("too large", lambda value, limit: value >= limit),
    "minLength": _length(str, "a text is too short", lambda size, limit: size < limit),
    "maxLength": _length(str, "a text is too long", lambda size, limit: size > limit),
    "minItems": _length(list, "an array is too short", lambda size, limit: size < limit),
    "maxItems": _length(list, "an array is too long", lambda size, limit: size > limit),
    "minProperties": _length(dict, "an object has too few properties", lambda size, limit: size < limit),
    "maxProperties": _length(dict, "an object has too many properties", lambda size, limit: size > limit),
    "multipleOf": _multiple,
    "pattern": _pattern,
}
