"""JSON that people can read: on one line what fits there, otherwise a member a line.

Law: what is written is what was given, in its order.
"""

from typing import Any

import msgspec

WIDTH = 200


def write_json(value: Any) -> str:
    return _lay(value, 0, 0) + "\n"


def _lay(value: Any, indent: int, before: int) -> str:
    """``before`` columns of the line are taken already."""
    flat = _flat(value)
    if before + len(flat) <= WIDTH or not isinstance(value, dict | list) or not value:
        return flat
    inner, pad = indent + 1, " " * (indent + 1)
    if isinstance(value, dict):
        named = [(f"{_flat(name)}: ", each) for name, each in value.items()]
        lines = [f"{pad}{name}{_lay(each, inner, inner + len(name) + 1)}" for name, each in named]
        return "{\n" + ",\n".join(lines) + f"\n{' ' * indent}}}"
    lines = [f"{pad}{_lay(each, inner, inner + 1)}" for each in value]
    return "[\n" + ",\n".join(lines) + f"\n{' ' * indent}]"


def _flat(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_flat(name)}: {_flat(each)}" for name, each in value.items()) + "}"
    if isinstance(value, list):
        return f"[{', '.join(map(_flat, value))}]"
    return msgspec.json.encode(value).decode()
