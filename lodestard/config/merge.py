"""Lays drop-ins over the main file: tables merge, everything else replaces. Pure.

Law: each key remembers the place that last said it, so that a fault or ``config show`` can name it.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from lodestard.config.fault import ConfigError, ConfigFault, KeyPath, Place
from lodestard.config.source import Parsed

MAX_DEPTH = 32


class Merged:
    """All files as one table, with the place of each key."""

    __slots__ = ("data", "places")

    def __init__(self) -> None:
        self.data: dict[str, Any] = {}
        self.places: dict[KeyPath, Place] = {}

    def place(self, path: KeyPath) -> Place:
        """Where ``path`` was said: its own place or that of the nearest table around it."""
        for size in range(len(path), 0, -1):
            if path[:size] in self.places:
                return self.places[path[:size]]
        return Place()


def merge(files: Iterable[Parsed]) -> Merged:
    """Later files win. Raises ``ConfigError`` for tables nested deeper than ``MAX_DEPTH``."""
    merged = Merged()
    for file in files:
        _lay_over(merged, file, (), merged.data, file.data)
    return merged


def _lay_over(merged: Merged, file: Parsed, path: KeyPath, below: dict[str, Any], above: Mapping[str, Any]) -> None:
    _check_depth(file, path)
    for name, value in above.items():
        here = (*path, name)
        if isinstance(value, dict) and isinstance(below.get(name, {}), dict):
            merged.places.setdefault(here, _place(file, here))
            _lay_over(merged, file, here, below.setdefault(name, {}), value)
        else:
            if here in merged.places:
                _forget(merged, here)
            below[name] = value
            _remember(merged, file, here, value)


def _forget(merged: Merged, path: KeyPath) -> None:
    for known in [known for known in merged.places if known[: len(path)] == path]:
        del merged.places[known]


def _remember(merged: Merged, file: Parsed, path: KeyPath, value: Any) -> None:
    _check_depth(file, path)
    merged.places[path] = _place(file, path)
    if isinstance(value, dict):
        for name, member in value.items():
            _remember(merged, file, (*path, name), member)
    elif isinstance(value, list):
        for index, member in enumerate(value):
            _remember(merged, file, (*path, index), member)


def _place(file: Parsed, path: KeyPath) -> Place:
    return Place(file.file, file.lines.get(path, 0))


def _check_depth(file: Parsed, path: KeyPath) -> None:
    if len(path) > MAX_DEPTH:
        raise ConfigError([ConfigFault(place=_place(file, path[:MAX_DEPTH]), message="nested too deeply")])
