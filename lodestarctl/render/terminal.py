"""Blocks for a terminal, painted by ``rich``. The only file that imports it, and imported only for a terminal.

Law: texts go in as ``Text``, never as markup, so that no name can style or forge anything.
"""

from collections.abc import Mapping, Sequence
from io import StringIO

from rich import box
from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.table import Table as RichTable
from rich.text import Text

from lodestarctl.render.blocks import Bars, Block, Cell, Column, Facts, Grid, Heading, Lines, Note, Table, Tone
from lodestarctl.render.graph import lay_out_bars
from lodestarctl.render.plain import INDENT, lay_out, leave_out
from lodestarctl.render.words import clean, set_right

STYLES: Mapping[Tone, str] = {
    "": "",
    "good": "green",
    "bad": "bold red",
    "warn": "yellow",
    "dim": "dim",
    "strong": "bold",
}
TITLE = "bold cyan"
LABEL = "dim"


def paint_terminal(blocks: Sequence[Block], *, width: int, colour: bool) -> str:
    """The text of a screen ``width`` columns wide, with escape sequences where ``colour``."""
    target = StringIO()
    console = Console(
        file=target,
        width=width,
        force_terminal=colour,
        no_color=not colour,
        color_system="standard" if colour else None,
        highlight=False,
        markup=False,
        emoji=False,
    )
    previous: Block | None = None
    for block in blocks:
        if previous is not None and not (isinstance(block, Note) and isinstance(previous, Note)):
            console.print()
        console.print(_paint(block, width), soft_wrap=isinstance(block, Lines))
        previous = block
    return "".join(f"{line.rstrip()}\n" for line in target.getvalue().splitlines())


def _paint(block: Block, width: int) -> RenderableType:
    match block:
        case Heading():
            return _heading(block)
        case Grid():
            return _titled(block.title, _grid(block))
        case Facts():
            return _titled(block.title, _facts(block))
        case Table():
            return _titled(block.title, _table(block, width))
        case Bars():
            lines = (Text.assemble(*map(_text, line)) for line in lay_out_bars(block, width - INDENT))
            return _titled(block.title, Text("\n", no_wrap=True).join(lines))
        case Note():
            return _note(block)
        case Lines():
            return Text("\n").join(Text.assemble(*map(_text, row)) for row in block.rows)


def _text(cell: Cell) -> Text:
    return Text(clean(cell.text), style=STYLES[cell.tone])


def _titled(title: str, body: RenderableType) -> RenderableType:
    inside = Padding(body, (0, 0, 0, INDENT))
    return Group(Text(title, style=TITLE), inside) if title else inside


def _heading(block: Heading) -> RenderableType:
    line = RichTable.grid(expand=True, padding=(0, 2, 0, 0))
    line.add_column(ratio=1)
    line.add_column(justify="right")
    line.add_row(Text("  ").join(_text(cell) for cell in block.left), Text(clean(block.right), style=LABEL))
    return Group(line, Text("─" * 200, style=LABEL, overflow="crop", no_wrap=True))


def _grid(block: Grid) -> RenderableType:
    grid = RichTable.grid(padding=(0, 2, 0, 0), expand=True)
    for _ in range(block.columns):
        grid.add_column(style=LABEL, no_wrap=True)
        grid.add_column(ratio=1, no_wrap=True)
    for start in range(0, len(block.pairs), block.columns):
        row: list[Text] = []
        for label, cell in block.pairs[start : start + block.columns]:
            row += [Text(label), _text(cell)]
        grid.add_row(*row)
    return grid


def _facts(block: Facts) -> RenderableType:
    grid = RichTable.grid(padding=(0, 2, 0, 0))
    grid.add_column(style=LABEL, no_wrap=True)
    grid.add_column(overflow="fold")
    for label, cell in block.pairs:
        grid.add_row(Text(label), _text(cell))
    return grid


def _table(block: Table, width: int) -> RenderableType:
    if not block.rows:
        return Text(block.empty, style=LABEL)
    block = leave_out(block, width - INDENT)
    table = RichTable(
        box=box.SIMPLE_HEAD,
        show_edge=False,
        pad_edge=False,
        padding=(0, 1, 0, 0),
        show_footer=bool(block.total),
        header_style=LABEL,
    )
    texts, widths = lay_out(block, width - INDENT)
    for at, column in enumerate(block.columns):
        table.add_column(
            Text(column.title if column.align == "left" else set_right(column.title, widths[at])),
            no_wrap=True,
            overflow="ellipsis",
            width=widths[at],
            footer=_set(texts[at][-1], column, widths[at], "strong") if block.total else "",
        )
    for index, row in enumerate(block.rows):
        cells = zip(block.columns, widths, row, strict=True)
        table.add_row(*(_set(texts[at][index], *cell[:2], cell[2].tone) for at, cell in enumerate(cells)))
    return table


def _set(text: str, column: Column, width: int, tone: Tone) -> Text:
    """Set flush right by us: ``rich`` would strip the blanks that keep decimal points in line."""
    return Text(text if column.align == "left" else set_right(text, width), style=STYLES[tone])


def _note(block: Note) -> RenderableType:
    grid = RichTable.grid(padding=(0, 1, 0, 0))
    if block.mark:
        grid.add_column(no_wrap=True, style=STYLES[block.tone])
    grid.add_column(overflow="fold")
    lines: list[RenderableType] = [Text(clean(block.text), style="" if block.mark else STYLES[block.tone])]
    if block.advice:
        lines.append(Text(clean(block.advice), style=LABEL))
    body = Group(*lines)
    grid.add_row(*([Text(block.mark), body] if block.mark else [body]))
    return grid
