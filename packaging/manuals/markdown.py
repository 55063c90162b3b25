"""The part of Markdown that ``docs/configuration.md`` is written in → man(7).

Law: no word is lost. A table of keys becomes a list of keys; any other table a list by its first column.
"""

import re
from collections.abc import Iterator

from roff import bold, escape, fill, inline, literal, tagged, title

_HEADING = re.compile(r"(#+) (.+)")
_CELL = re.compile(r"(?<!\\)\|")
_BULLET = re.compile(r"[-*] ")


def blocks(text: str) -> Iterator[list[str]]:
    """The text's blocks: runs of lines between empty ones; a fenced one is one block whatever is in it."""
    block: list[str] = []
    fenced = False
    for line in text.splitlines():
        if line.startswith("```"):
            fenced = not fenced
        if line.strip() or fenced:
            block.append(line)
        elif block:
            yield block
            block = []
    if block:
        yield block


def convert(text: str) -> list[str]:
    """Whole text without its title; ``##`` becomes a section's part, as does ``###``."""
    lines: list[str] = []
    for block in blocks(text):
        if heading := _HEADING.fullmatch(block[0]):
            if len(heading[1]) > 1:
                lines += [title("SS", _plain(heading[2]))]
            continue
        lines += _paragraph(lines, block)
    return lines


def _paragraph(before: list[str], block: list[str]) -> list[str]:
    gap = [] if not before or before[-1].startswith(".SS") else [".PP"]
    first = block[0]
    if first.startswith("```"):
        return literal(block[1:-1])
    if first.startswith("|"):
        return _table([_cells(row) for row in block])
    if _BULLET.match(first):
        items = "\n".join(block)[2:].split("\n- ")
        return [line for item in items for line in (".IP \\(bu 2", *fill(inline(item)))]
    return [*gap, *fill(inline(" ".join(block)))]


def _cells(row: str) -> list[str]:
    return [cell.strip().replace("\\|", "|") for cell in _CELL.split(row)[1:-1]]


def _table(rows: list[list[str]]) -> list[str]:
    header, _, *body = rows
    item = _key if header[0].lower() == "key" else _row
    return tagged(item(header, cells) for cells in body)


def _key(_header: list[str], cells: list[str]) -> tuple[str, list[str]]:
    name, kind, default, meaning = cells
    said = "required" if default == "required" else f"default {inline(default)}"
    note = "; takes effect at the next start" if name.endswith("↻") else ""
    return bold(_plain(name.removesuffix(" ↻"))), [
        *fill(f"{escape(kind)}, {said}{note}"),
        ".br",
        *fill(inline(meaning)),
    ]


def _row(header: list[str], cells: list[str]) -> tuple[str, list[str]]:
    named = [f"{name}: {cell}" if name else cell for name, cell in zip(header[1:], cells[1:], strict=True)]
    lines = [line for cell in named for line in (*fill(inline(cell)), ".br")]
    return inline(cells[0]), lines[:-1]


def _plain(text: str) -> str:
    return text.replace("`", "")
