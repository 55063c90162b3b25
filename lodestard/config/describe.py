"""Lists every key that the schema has, with type and default: what ``docs/configuration.md`` must tell. Pure."""

import types
import typing
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any

import msgspec

from lodestard.config.convert import element_of, mapping_of, record_of
from lodestard.config.show import plain
from lodestard.domain.settings import Settings

REQUIRED = "required"
NONE = "none"

_NAMES = {str: "string", int: "integer", float: "number", bool: "boolean", Decimal: "number"}


class Key(msgspec.Struct, frozen=True):
    """``name`` is dotted, with ``<name>`` for a name that the user chooses. ``default`` is written as in TOML."""

    name: str
    type: str
    default: str


def describe(module_schemas: Mapping[str, type[msgspec.Struct]] | None = None) -> tuple[Key, ...]:
    """All keys, the modules' too, in the order of the schema."""
    keys = [key for key in _members("", Settings) if key.name != "modules.<name>"]
    for name, schema in (module_schemas or {}).items():
        keys.extend(_members(f"modules.{name}.", schema))
    return tuple(keys)


def _members(prefix: str, schema: type[msgspec.Struct]) -> Iterator[Key]:
    for field in msgspec.structs.fields(schema):
        yield from _described(prefix + field.encode_name, field.type, _default(field))


def _described(name: str, kind: Any, default: str) -> Iterator[Key]:
    record, member = record_of(kind), mapping_of(kind)
    if record is not None:
        yield from _members(f"{name}.", record)
    elif member is not None:
        yield from _described(f"{name}.<name>", member, REQUIRED if record_of(member) else "{}")
    elif (element := record_of(element_of(kind))) is not None:
        yield from _members(f"{name}[].", element)
    else:
        yield Key(name, type_words(kind), default)


def type_words(kind: Any) -> str:
    """A type in TOML's words: ``array of strings``, ``integer or string``."""
    if typing.get_origin(kind) is typing.Annotated:
        return type_words(typing.get_args(kind)[0])
    if typing.get_origin(kind) is typing.Literal:
        return "string"
    if (element := element_of(kind)) is not None:
        return f"array of {type_words(element)}s"
    if typing.get_origin(kind) in (typing.Union, types.UnionType):
        options = (type_words(option) for option in typing.get_args(kind) if option is not types.NoneType)
        return " or ".join(dict.fromkeys(options))
    return _NAMES.get(kind, "any")


def _default(field: msgspec.structs.FieldInfo) -> str:
    if field.required:
        return REQUIRED
    value = field.default if field.default is not msgspec.NODEFAULT else field.default_factory()
    return NONE if value is None else msgspec.json.encode(plain(value)).decode()
