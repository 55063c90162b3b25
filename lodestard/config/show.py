"""The configuration as it is in effect, for people and programs to look at. Pure.

Law: what is shown is what a person could have written, key by key, with where it was said. Secrets are never in
the settings, so they can't be shown.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from lodestard.config.fault import KeyPath, dotted
from lodestard.config.load import Loaded

DEFAULT_ORIGIN = "default"


class Shown(msgspec.Struct, frozen=True):
    """One key. ``value`` is plain JSON data; ``origin`` is ``"file:line"`` or ``"default"``."""

    key: str
    value: Any
    origin: str


def show(loaded: Loaded) -> tuple[Shown, ...]:
    """Every key in effect, in the order of the schema."""
    return tuple(
        Shown(key, value, loaded.origins.get(key, DEFAULT_ORIGIN)) for key, value in flat(loaded.settings).items()
    )


def flat(settings: msgspec.Struct) -> dict[str, Any]:
    """Dotted key → value as plain data, down to what is no table. An empty table is a value of its own."""
    return {dotted(path): value for path, value in _leaves((), plain(settings))}


def plain(value: Any) -> Any:
    """Records as tables, without the members that are None (TOML has no null); prices as decimal text."""
    if isinstance(value, msgspec.Struct):
        value = {
            field.encode_name: member
            for field in msgspec.structs.fields(value)
            if (member := getattr(value, field.name)) is not None
        }
    if isinstance(value, Mapping):
        return {name: plain(member) for name, member in value.items()}
    if isinstance(value, tuple | list):
        return [plain(member) for member in value]
    return msgspec.to_builtins(value)


def _leaves(path: KeyPath, value: Any) -> Iterator[tuple[KeyPath, Any]]:
    if isinstance(value, dict) and (value or not path):
        for name, member in value.items():
            yield from _leaves((*path, name), member)
    else:
        yield path, value
