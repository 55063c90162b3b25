"""Turns plain data into the frozen records of a schema, member by member. Pure.

Law: every member is tried, so that all faults come at once (``msgspec`` alone stops at the first), and no
message repeats a value. A member that is wrong is left at its default so that the rest can still be checked;
the caller must not use the result when there are faults.
"""

import re
import types
import typing
from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any

import msgspec

from lodestard.config.fault import KeyPath, dotted, or_nearest

MAX_NUMBER = 10**12
MAX_SECONDS = 366 * 86_400

_WORDS = {
    "`str": "`string",
    "`int": "`integer",
    "`bool": "`boolean",
    "`object": "`table",
    "`decimal": "`number",
    "`float": "`number",
    "`null": "`nothing",
}
_WORD = re.compile("|".join(f"{word}\\b" for word in _WORDS))


class Finding(msgspec.Struct, frozen=True):
    """Something about the value at ``path``, told to a person. ``fatal`` ones make the configuration unusable."""

    path: KeyPath
    message: str
    fatal: bool = True


class Unusable:
    """Stands for a record that can't be built: a member without a default is missing or wrong."""


UNUSABLE = Unusable()


class Converter:
    """Gathers the findings while values are converted."""

    def __init__(self) -> None:
        self.findings: list[Finding] = []

    def fault(self, path: KeyPath, message: str) -> Unusable:
        self.findings.append(Finding(path, message))
        return UNUSABLE

    def record(self, path: KeyPath, data: Any, schema: type[msgspec.Struct]) -> Any:
        """``data`` as a ``schema``, or ``UNUSABLE``. Unknown members are faults."""
        if not isinstance(data, dict):
            return self.fault(path, _not_a_table(path, schema))
        known = {field.encode_name: field for field in msgspec.structs.fields(schema)}
        for name in data.keys() - known.keys():
            self.fault((*path, name), unknown_key(name, known))
        values, usable = {}, True
        for field in known.values():
            value = self._member(path, data, field)
            if value is UNUSABLE:
                usable = usable and not field.required
            elif value is not msgspec.NODEFAULT:
                values[field.name] = value
        return self._built(path, schema, values) if usable else UNUSABLE

    def _member(self, path: KeyPath, data: Mapping[str, Any], field: msgspec.structs.FieldInfo) -> Any:
        name = field.encode_name
        if name in data:
            return self.value((*path, name), data[name], field.type)
        return self.fault((*path, name), "is missing") if field.required else msgspec.NODEFAULT

    def _built(self, path: KeyPath, schema: type[msgspec.Struct], values: dict[str, Any]) -> Any:
        """A schema may check itself in ``__post_init__``."""
        try:
            return schema(**values)
        except (ValueError, TypeError) as error:
            return self.fault(path, str(error))

    def value(self, path: KeyPath, value: Any, kind: Any) -> Any:
        """``value`` as a ``kind``: a record, a mapping of something, or a leaf."""
        schema = record_of(kind)
        if schema is not None:
            return self.record(path, value, schema)
        member = mapping_of(kind)
        if member is not None:
            return self._mapping(path, value, member)
        element = element_of(kind)
        if element is not None and (record_of(element) or mapping_of(element)) is not None:
            return self._array(path, value, element)
        return self._leaf(path, value, kind)

    def _array(self, path: KeyPath, data: Any, kind: Any) -> Any:
        if not isinstance(data, list):
            return self.fault(path, "expected an array")
        converted = [self.value((*path, index), member, kind) for index, member in enumerate(data)]
        return tuple(member for member in converted if member is not UNUSABLE)

    def _mapping(self, path: KeyPath, data: Any, kind: Any) -> Any:
        if not isinstance(data, dict):
            return self.fault(path, "expected a table")
        converted = {name: self.value((*path, name), member, kind) for name, member in data.items()}
        return {name: member for name, member in converted.items() if member is not UNUSABLE}

    def _leaf(self, path: KeyPath, value: Any, kind: Any) -> Any:
        plain = value if _has_decimal(kind) else _without_decimals(value)
        if (excess := _excess(path, value)) is not None:
            return self.fault(path, excess)
        try:
            return msgspec.convert(plain, kind)
        except (msgspec.ValidationError, RecursionError) as error:
            return self._leaf_fault(path, plain, kind, str(error))

    def _leaf_fault(self, path: KeyPath, value: Any, kind: Any, message: str) -> Unusable:
        element, before = element_of(kind), len(self.findings)
        if element is not None and isinstance(value, list):
            for index, member in enumerate(value):
                self._leaf((*path, index), member, element)
        if len(self.findings) == before:
            self.fault(path, _in_words(message, value, kind))
        return UNUSABLE


def record_of(kind: Any) -> type[msgspec.Struct] | None:
    """The record that ``kind`` is, also as ``record | None``; None for anything else."""
    for option in _options(kind):
        if isinstance(option, type) and issubclass(option, msgspec.Struct):
            return option
    return None


def mapping_of(kind: Any) -> Any:
    """What a mapping from names holds; None where ``kind`` is no mapping."""
    bare = _bare(kind)
    return typing.get_args(bare)[1] if typing.get_origin(bare) in (Mapping, dict) else None


def element_of(kind: Any) -> Any:
    """What an array holds; None where ``kind`` is no array."""
    bare = _bare(kind)
    return typing.get_args(bare)[0] if typing.get_origin(bare) in (tuple, list) else None


def unknown_key(name: str, known: Iterable[str]) -> str:
    """The message for a name that nobody knows."""
    return f"unknown key{or_nearest(name, known)}"


def _bare(kind: Any) -> Any:
    return typing.get_args(kind)[0] if typing.get_origin(kind) is typing.Annotated else kind


def _options(kind: Any) -> tuple[Any, ...]:
    kind = _bare(kind)
    if typing.get_origin(kind) in (typing.Union, types.UnionType):
        return typing.get_args(kind)
    return (kind,)


def _has_decimal(kind: Any) -> bool:
    return kind is Decimal or any(_has_decimal(part) for part in typing.get_args(kind))


def _without_decimals(value: Any) -> Any:
    """``tomllib`` is told to read fractions as ``Decimal`` for the prices; everywhere else a float is meant."""
    if isinstance(value, Decimal):
        return float(value)
    if isinstance(value, list):
        return [_without_decimals(member) for member in value]
    if isinstance(value, dict):
        return {name: _without_decimals(member) for name, member in value.items()}
    return value


def _excess(path: KeyPath, value: Any) -> str | None:
    """Why a number is beyond what can be right in any schema, so that nothing that counts or waits overflows."""
    if not isinstance(value, int | Decimal):
        return None
    if isinstance(value, Decimal) and not value.is_finite():
        return "expected a finite number"
    if str(path[-1]).endswith("_s") and not str(path[-1]).endswith("_per_s") and value > MAX_SECONDS:
        return "expected at most 366 days of seconds"
    return None if -MAX_NUMBER <= value <= MAX_NUMBER else "larger than can be right"


def _in_words(message: str, value: Any, kind: Any) -> str:
    choices = _choices(kind)
    if message.startswith("Invalid enum value") and choices:
        return f"expected one of {', '.join(map(repr, choices))}{or_nearest(str(value), choices)}"
    message = message.partition(" - at `$")[0]
    return _WORD.sub(lambda match: _WORDS[match.group()], message[:1].lower() + message[1:])


def _choices(kind: Any) -> tuple[str, ...]:
    options = (option for part in _options(kind) for option in (part, *typing.get_args(part)))
    return tuple(dict.fromkeys(choice for choice in options if isinstance(choice, str) and choice))


def _not_a_table(path: KeyPath, schema: type[msgspec.Struct]) -> str:
    names = ", ".join(field.encode_name for field in msgspec.structs.fields(schema))
    return f"expected a table, [{dotted(path)}], with some of: {names}"
