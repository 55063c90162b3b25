"""Blocks as plain aligned text, for pipes and files. Pure: same blocks and width, same text."""

from collections.abc import Iterator, Sequence
from itertools import zip_longest

from lodestarctl.render.blocks import Bars, Block, Cell, Column, Facts, Grid, Heading, Lines, Note, Table
from lodestarctl.render.graph import lay_out_bars
from lodestarctl.render.words import align_decimals, clean, clip, columns_of, set_left, set_right

GAP = "  "
INDENT = 2
MIN_FLEXIBLE = 8
LEGIBLE = 16


def paint_plain(blocks: Sequence[Block], *, width: int) -> str:
    """The text of a screen, each block set apart by an empty line (notes stay together)."""
    lines: list[str] = []
    previous: Block | None = None
    for block in blocks:
        if previous is not None and not (isinstance(block, Note) and isinstance(previous, Note)):
            lines.append("")
        lines.extend(line.rstrip() for line in _paint(block, width))
        previous = block
    return "".join(f"{line}\n" for line in lines)


def _paint(block: Block, width: int) -> Iterator[str]:
    match block:
        case Heading():
            yield _heading(block, width)
        case Grid():
            yield from _titled(block.title, _grid(block, width))
        case Facts():
            yield from _titled(block.title, _facts(block, width))
        case Table():
            yield from _titled(block.title, _table(block, width))
        case Bars():
            lines = lay_out_bars(block, width - INDENT)
            yield from _titled(block.title, (" " * INDENT + "".join(cell.text for cell in line) for line in lines))
        case Note():
            yield from _note(block, width)
        case Lines():
            yield from ("".join(clean(cell.text) for cell in row) for row in block.rows)


def _titled(title: str, lines: Iterator[str]) -> Iterator[str]:
    if title:
        yield title
    yield from lines


def _heading(block: Heading, width: int) -> str:
    left = GAP.join(clean(cell.text) for cell in block.left)
    right = clean(block.right)
    taken = columns_of(left)
    return left + (set_right(right, width - taken) if taken + columns_of(right) < width else GAP + right)


def _grid(block: Grid, width: int) -> Iterator[str]:
    slot = width // block.columns
    labels = [max(len(label) for label, _ in block.pairs[at :: block.columns]) for at in range(block.columns)]
    for start in range(0, len(block.pairs), block.columns):
        row = block.pairs[start : start + block.columns]
        entries = [f"  {label:<{labels[at]}}  {clean(cell.text)}" for at, (label, cell) in enumerate(row)]
        yield "".join(f"{entry:<{slot}}" for entry in entries)


def _facts(block: Facts, width: int) -> Iterator[str]:
    longest = max((len(label) for label, _ in block.pairs), default=0)
    for label, cell in block.pairs:
        head = f"  {label:<{longest}}  "
        for index, line in enumerate(wrap(clean(cell.text), width - len(head))):
            yield (head if index == 0 else " " * len(head)) + line


def _note(block: Note, width: int) -> Iterator[str]:
    head = f"{block.mark} " if block.mark else ""
    for index, line in enumerate(wrap(clean(block.text), width - len(head))):
        yield (head if index == 0 else " " * len(head)) + line
    for line in wrap(clean(block.advice), width - len(head)) if block.advice else ():
        yield " " * len(head) + line


def _table(block: Table, width: int) -> Iterator[str]:
    if not block.rows:
        yield f"  {block.empty}"
        return
    block = leave_out(block, width - INDENT)
    texts, widths = lay_out(block, width - INDENT)
    yield _line([column.title for column in block.columns], block.columns, widths)
    for row in range(len(block.rows)):
        yield _line([column[row] for column in texts], block.columns, widths)
    if block.total:
        yield "  " + "-" * (sum(widths) + len(GAP) * (len(widths) - 1))
        yield _line([column[-1] for column in texts], block.columns, widths)


def leave_out(block: Table, width: int) -> Table:
    """Without the spare columns that there is no room for, the last of them first."""
    for grade, legible in (("wide", width), ("narrow", LEGIBLE), ("last", MIN_FLEXIBLE)):
        while grade in (grades := [column.spare for column in block.columns]):
            texts, fitted = lay_out(block, width)
            fits = sum(fitted) + len(GAP) * (len(fitted) - 1) <= width
            widest = (max(map(columns_of, column)) for column in texts)
            if fits and all(size >= min(full, legible) for size, full in zip(fitted, widest, strict=True)):
                break
            block = _without(block, len(grades) - 1 - grades[::-1].index(grade))
    return block


def _without(block: Table, at: int) -> Table:
    def rest(cells: Sequence[Cell]) -> tuple[Cell, ...]:
        return (*cells[:at], *cells[at + 1 :])

    columns = (*block.columns[:at], *block.columns[at + 1 :])
    total = rest(block.total) if block.total else ()
    return block._replace(columns=columns, rows=[rest(row) for row in block.rows], total=total)


def lay_out(block: Table, width: int) -> tuple[list[list[str]], list[int]]:
    """Each column's texts (the total's last) and width, so that a line takes at most ``width``."""
    rows = [*block.rows, *([block.total] if block.total else [])]
    texts = column_texts(block.columns, rows)
    natural = [max(map(columns_of, [column.title, *texts[at]])) for at, column in enumerate(block.columns)]
    return texts, fit(natural, [column.flexible for column in block.columns], width)


def column_texts(columns: Sequence[Column], rows: Sequence[Sequence[Cell]]) -> list[list[str]]:
    """Each column's texts, top to bottom, cleaned, with decimal points aligned where asked."""
    texts = [[clean(row[at].text) for row in rows] for at in range(len(columns))]
    return [align_decimals(column) if columns[at].align == "decimal" else column for at, column in enumerate(texts)]


def fit(widths: Sequence[int], flexible: Sequence[bool], limit: int) -> list[int]:
    """Column widths that fit: the widest flexible column gives way first. May stay too wide without one."""
    fitted = list(widths)
    excess = sum(fitted) + len(GAP) * (len(fitted) - 1) - limit
    while excess > 0:
        able = [at for at, gives in enumerate(flexible) if gives and fitted[at] > MIN_FLEXIBLE]
        if not able:
            break
        fitted[max(able, key=lambda at: fitted[at])] -= 1
        excess -= 1
    return fitted


def _line(texts: Sequence[str], columns: Sequence[Column], widths: Sequence[int]) -> str:
    parts = []
    for text, column, width in zip_longest(texts, columns, widths, fillvalue=None):
        assert text is not None and column is not None and width is not None
        shown = clip(text, width)
        parts.append(set_left(shown, width) if column.align == "left" else set_right(shown, width))
    return "  " + GAP.join(parts)


def wrap(text: str, width: int) -> list[str]:
    """Broken at spaces. A word that is too long stays whole: it may be a command to copy."""
    lines: list[str] = []
    for word in text.split(" "):
        if lines and columns_of(lines[-1]) + 1 + columns_of(word) <= width:
            lines[-1] += f" {word}"
        else:
            lines.append(word)
    return lines
