"""Blocks as plain aligned text, for pipes and files. Pure: same blocks and width, same text."""

from collections.abc import Iterator, Sequence
from itertools import zip_longest

from lodestarctl.render.blocks import Block, Cell, Column, Facts, Grid, Heading, Lines, Note, Table
from lodestarctl.render.words import align_decimals, clean, clip

GAP = "  "
INDENT = 2
MIN_FLEXIBLE = 8


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
    return left + (right.rjust(width - len(left)) if len(left) + len(right) < width else GAP + right)


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
    texts, widths = lay_out(block, width - INDENT)
    yield _line([column.title for column in block.columns], block.columns, widths)
    for row in range(len(block.rows)):
        yield _line([column[row] for column in texts], block.columns, widths)
    if block.total:
        yield "  " + "-" * (sum(widths) + len(GAP) * (len(widths) - 1))
        yield _line([column[-1] for column in texts], block.columns, widths)


def lay_out(block: Table, width: int) -> tuple[list[list[str]], list[int]]:
    """Each column's texts (the total's last) and width, so that a line takes at most ``width``."""
    rows = [*block.rows, *([block.total] if block.total else [])]
    texts = column_texts(block.columns, rows)
    natural = [max(map(len, [column.title, *texts[at]])) for at, column in enumerate(block.columns)]
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
        parts.append(shown.ljust(width) if column.align == "left" else shown.rjust(width))
    return "  " + GAP.join(parts)


def wrap(text: str, width: int) -> list[str]:
    """Broken at spaces. A word that is too long stays whole: it may be a command to copy."""
    lines: list[str] = []
    for word in text.split(" "):
        if lines and len(lines[-1]) + 1 + len(word) <= width:
            lines[-1] += f" {word}"
        else:
            lines.append(word)
    return lines
