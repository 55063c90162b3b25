"""Blocks as Markdown that GitHub renders well, and that reads well as it is.

Law: pure; what came from a client is text wherever it stands: no label can open a link, a tag, a table cell or a
mention.
"""

import re
from collections.abc import Iterator, Sequence

from lodestarctl.render.blocks import Bars, Block, Cell, Column, Facts, Grid, Heading, Lines, Note, Table
from lodestarctl.render.graph import bar
from lodestarctl.render.report import report_blocks
from lodestarctl.render.words import clean
from lodestard.control.messages.reports import MonthReport

BAR_WIDTH = 24
_SPECIAL = re.compile(r"[\\`*_{}\[\]<>|~#&@$^]")
_LINK = re.compile(r"(?i)(https?|ftp|mailto|xmpp)(:)|(www)(\.)")
_LIST = re.compile(r"^(\d*)([-+=.)])(?=\s|$)")
_MONEY = re.compile(r"\\\$(?=\d)")


def write_markdown(report: MonthReport) -> str:
    """The whole report."""
    return paint_markdown(report_blocks(report))


def paint_markdown(blocks: Sequence[Block]) -> str:
    """Paragraphs, lists and tables, an empty line between them."""
    paragraphs: list[str] = []
    previous: Block | None = None
    for block in blocks:
        for text in _paint(block):
            if isinstance(block, Note) and isinstance(previous, Note):
                paragraphs[-1] += f"\n{text}"
            else:
                paragraphs.append(text)
        previous = block
    return "\n\n".join(paragraphs) + "\n"


def _paint(block: Block) -> Iterator[str]:
    match block:
        case Heading():
            yield "# " + escape("  ".join(cell.text for cell in block.left))
        case Grid() | Facts():
            yield from _titled(block.title)
            if block.pairs:
                yield "\n".join(f"- {escape(label)}: {_cell(cell)}" for label, cell in block.pairs)
        case Table():
            yield from _titled(block.title)
            yield _table(block.columns, block.rows, block.total) if block.rows else _line(block.empty)
        case Bars():
            yield from _titled(block.title)
            yield _bars(block)
        case Note():
            advice = f" {escape(block.advice)}" if block.advice else ""
            yield f"- {_line(block.text)}{advice}"
        case Lines():
            yield "\n".join(_line("".join(cell.text for cell in row)) + "  " for row in block.rows)


def _titled(title: str) -> Iterator[str]:
    if title:
        yield f"## {escape(title)}"


def _cell(cell: Cell) -> str:
    text = escape(cell.text)
    return f"**{text}**" if cell.tone == "strong" and text else text


def _table(columns: Sequence[Column], rows: Sequence[Sequence[Cell]], total: Sequence[Cell] = ()) -> str:
    lines = [_row([escape(column.title) for column in columns])]
    lines.append(_row([":---" if column.align == "left" else "---:" for column in columns]))
    lines += [_row([escape(cell.text) for cell in row]) for row in rows]
    if total:
        lines.append(_row([f"**{escape(cell.text)}**" if cell.text else "" for cell in total]))
    return "\n".join(lines)


def _row(texts: Sequence[str]) -> str:
    return f"| {' | '.join(texts)} |"


def _bars(block: Bars) -> str:
    largest = [max((row.amounts[at] for row in block.rows), default=0) for at in range(len(block.series))]
    columns, rows = [Column("")], []
    for series in block.series:
        columns += [Column(""), Column(series.text, "right")]
    for row in block.rows:
        cells = [Cell(row.label)]
        for at, text in enumerate(row.texts):
            cells += [Cell(bar(row.amounts[at], largest[at], BAR_WIDTH)), text]
        rows.append(cells)
    return _table(columns, rows)


def escape(text: str) -> str:
    """A text that means nothing but itself in Markdown. Amounts keep their dollar sign as it is."""
    escaped = _SPECIAL.sub(r"\\\g<0>", clean(text).strip())
    escaped = _MONEY.sub("$", escaped)
    return _LINK.sub(lambda match: f"{match[1] or match[3]}&#{ord(match[2] or match[4])};", escaped)


def _line(text: str) -> str:
    """A text at a line's beginning, where a sign or a number with a point would begin a list."""
    return _LIST.sub(lambda match: f"{match[1]}\\{match[2]}", escape(text))
