"""Any verb's data as tables, for verbs that this lodestarctl has never heard of. Pure."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from lodestarctl.render.blocks import Block, Cell, Column, Facts, Note, Table
from lodestarctl.render.words import UNKNOWN, moment, usd

MONEY = "_nano_usd"
INSTANT = "_at_ms"


def render_anything(data: object) -> list[Block]:
    """Plain members as facts, lists of objects as tables, the rest as JSON."""
    if not isinstance(data, Mapping):
        rows = _rows(data)
        return [_table("", rows)] if rows else [Note(_word("", data).text)]
    plain = tuple((_label(key), _word(key, value)) for key, value in data.items() if not _rows(value))
    tables = [_table(_label(key), rows) for key, value in data.items() if (rows := _rows(value))]
    blocks: list[Block] = [Facts(plain)] if plain else []
    return [*blocks, *tables] or [Note("Done.", "good", "✓")]


def _rows(value: object) -> Sequence[Mapping[str, Any]]:
    """``value`` where it is a list of objects, otherwise nothing."""
    return value if isinstance(value, list) and all(isinstance(item, Mapping) for item in value) else []


def _table(title: str, rows: Sequence[Mapping[str, Any]]) -> Table:
    names = list(dict.fromkeys(name for row in rows for name in row))
    columns = tuple(_column(name, rows) for name in names)
    return Table(columns, [[_word(name, row.get(name)) for name in names] for row in rows], title)


def _column(name: str, rows: Sequence[Mapping[str, Any]]) -> Column:
    if name.endswith(MONEY):
        return Column(_label(name), "decimal")
    numbers = all(isinstance(row.get(name), int | float | None) for row in rows)
    return Column(_label(name), "right" if numbers else "left", flexible=not numbers)


def _label(name: str) -> str:
    return name.removesuffix(MONEY).removesuffix(INSTANT).replace("_", " ")


def _word(name: str, value: object) -> Cell:
    if value is None:
        return Cell(UNKNOWN, "dim")
    if isinstance(value, bool):
        return Cell("yes" if value else "no")
    if isinstance(value, int) and name.endswith(MONEY):
        return Cell(usd(value))
    if isinstance(value, int) and name.endswith(INSTANT):
        return Cell(moment(value))
    if isinstance(value, str | int | float):
        return Cell(str(value))
    if isinstance(value, list) and all(isinstance(item, str | int | float) for item in value):
        return Cell(", ".join(map(str, value)))
    return Cell(msgspec.json.encode(value).decode())
