"""Answers that a program reads: JSON, and whether two values say the same. Pure."""

import re
from collections.abc import Iterator
from typing import Any

import msgspec

from lodestard.modules.eval_idle.likeness import likeness, normalised

_FENCED = re.compile(r"\A```(?:json)?\s*\n(.*?)\n?```\Z", re.DOTALL)
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
