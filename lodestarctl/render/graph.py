"""Bars from block characters: how long they are, and how lines of them are set.

Law: pure; a bar is never wider than its place, nothing is empty, and the largest is full. What a bar shows is written
beside it, exactly: the bar may be left out, the figure is not.
"""

from collections.abc import Sequence

from lodestarctl.render.blocks import Bar, Bars, Cell
from lodestarctl.render.words import align_decimals, clean, clip, columns_of, set_left, set_right

GAP = "  "
EIGHTHS = " ▏▎▍▌▋▊▉"
FULL = "█"
NARROWEST_BAR = 6
WIDEST_BAR = 40
NARROWEST_LABEL = 5


def bar(amount: int, largest: int, width: int) -> str:
    """``amount`` of ``largest`` in at most ``width`` columns; what is more than nothing is seen."""
    if amount <= 0 or largest <= 0 or width <= 0:
        return ""
    eighths = max(1, min(amount, largest) * width * 8 // largest)
    whole, rest = divmod(eighths, 8)
    return FULL * whole + (EIGHTHS[rest] if rest else "")


def lay_out_bars(block: Bars, width: int) -> list[tuple[Cell, ...]]:
    """Lines of at most ``width`` columns: the label, and for each series a bar and its figure.

    Where it is narrow the bars go first, the last series' first of all, then the last series.
    """
    for shown in range(len(block.series), 0, -1):
        texts = [_texts(block, at) for at in range(shown)]
        labels = [clean(row.label) for row in block.rows]
        label_width = max(map(columns_of, labels), default=0)
        taken = label_width + sum(len(GAP) + _widest(column) for column in texts)
        widths = _bar_widths(width - taken, shown)
        if taken + sum(len(GAP) + each for each in widths if each) <= width or shown == 1:
            label_width = min(label_width, max(NARROWEST_LABEL, label_width + width - taken))
            return _set_lines(block, texts, labels, (label_width, *widths))
    return []


def _texts(block: Bars, at: int) -> list[str]:
    """What is written of a series, its title first."""
    return [block.series[at].text, *align_decimals([clean(row.texts[at].text) for row in block.rows])]


def _widest(texts: Sequence[str]) -> int:
    return max(map(columns_of, texts))


def _bar_widths(room: int, series: int) -> tuple[int, ...]:
    """Bars for every series where there is room for that, for the first one otherwise, or none."""
    for count in (series, 1):
        each = min(WIDEST_BAR, room // count - len(GAP))
        if each >= NARROWEST_BAR * (2 if count > 1 else 1):
            return (each,) * count + (0,) * (series - count)
    return (0,) * series


def _set_lines(
    block: Bars, texts: Sequence[Sequence[str]], labels: Sequence[str], widths: Sequence[int]
) -> list[tuple[Cell, ...]]:
    largest = [max((row.amounts[at] for row in block.rows), default=0) for at in range(len(texts))]
    head = [Cell(" " * widths[0])]
    for at, column in enumerate(texts):
        head.append(Cell(" " * _taken(widths[at + 1]) + GAP + set_right(column[0], _widest(column)), "dim"))
    lines = [tuple(head)] if any(series.text for series in block.series) else []
    for index, row in enumerate(block.rows):
        line = [Cell(set_left(clip(labels[index], widths[0]), widths[0]))]
        for at, column in enumerate(texts):
            line += _set_series(block, row, at, largest[at], widths[at + 1])
            line.append(Cell(GAP + set_right(column[index + 1], _widest(column)), row.texts[at].tone))
        lines.append(tuple(line))
    return lines


def _set_series(block: Bars, row: Bar, at: int, largest: int, width: int) -> list[Cell]:
    if not width:
        return []
    return [Cell(GAP), Cell(set_left(bar(row.amounts[at], largest, width), width), block.series[at].tone)]


def _taken(bar_width: int) -> int:
    return len(GAP) + bar_width if bar_width else 0
