"""Blocks as one HTML page that needs nothing else: styles and bars are in it, scripts are not.

Law: pure; every text is escaped where it is written, and the page forbids itself to load or run anything.
"""

from collections.abc import Iterator, Sequence
from html import escape as escape_html

from lodestarctl.render.blocks import Bars, Block, Cell, Column, Facts, Grid, Heading, Lines, Note, Table
from lodestarctl.render.plain import column_texts
from lodestarctl.render.report import report_blocks, title_of
from lodestarctl.render.words import clean
from lodestard.control.messages.reports import MonthReport

SCALE = 1_000
FIGURE_SPACE = "\u2007"
POLICY = "default-src 'none'; style-src 'unsafe-inline'"
STYLE = """
:root{color-scheme:light dark;--ink:#1c2024;--soft:#60646c;--line:#d9d9e0;--paper:#fff;--stripe:#f6f6f8;
--cost:#3e63dd;--saved:#30a46c;--warn:#ad5700;--bad:#ce2c31}
@media(prefers-color-scheme:dark){:root{--ink:#edeef0;--soft:#b0b4ba;--line:#43484e;--paper:#111113;--stripe:#18191b;
--cost:#849dff;--saved:#4cc38a;--warn:#ffa057;--bad:#ff9592}}
*{box-sizing:border-box}
body{margin:0 auto;max-width:66rem;padding:2rem 1rem 4rem;background:var(--paper);color:var(--ink);
font:15px/1.5 system-ui,sans-serif}
h1{font-size:1.7rem;margin:0 0 1rem}h2{font-size:1.15rem;margin:2.2rem 0 .5rem}
.scroll{overflow-x:auto}
table{border-collapse:collapse;width:100%;font-variant-numeric:tabular-nums}
th{color:var(--soft);font-weight:500;text-align:left}th,td{padding:.2rem .6rem;border-bottom:1px solid var(--line)}
td{overflow-wrap:anywhere}
tbody tr:nth-child(even){background:var(--stripe)}tfoot td{font-weight:600;border-top:2px solid var(--line)}
.num{text-align:right;white-space:pre;overflow-wrap:normal}
dl{display:grid;grid-template-columns:max-content 1fr;gap:.15rem 1.5rem;margin:0}dt{color:var(--soft)}dd{margin:0}
.bars td{border:0;padding:.05rem .6rem}.bars .bar{width:35%}.bars tbody tr{background:none}
svg{display:block;width:100%;height:.9em}
.s0{fill:var(--cost)}.s1,.good-bar{fill:var(--saved)}
.good{color:var(--saved)}.warn{color:var(--warn)}.bad{color:var(--bad)}.dim{color:var(--soft)}.strong{font-weight:600}
p{margin:.4rem 0;max-width:48rem}
@media(max-width:40rem){dl{grid-template-columns:1fr}dd{margin-bottom:.4rem}}
@media print{:root{color-scheme:light;--ink:#000;--soft:#444;--line:#bbb;--paper:#fff;--stripe:#fff;--cost:#555;
--saved:#999;--warn:#000;--bad:#000}body{font-size:10pt;max-width:none;padding:0}h2{break-after:avoid}
tr{break-inside:avoid}thead{display:table-header-group}svg{print-color-adjust:exact}.scroll{overflow:visible}}
"""


def write_html(report: MonthReport) -> str:
    """The whole report."""
    return paint_html(report_blocks(report), title_of(report))


def paint_html(blocks: Sequence[Block], title: str) -> str:
    """One page."""
    body = "\n".join(part for block in blocks for part in _paint(block))
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{escape(POLICY)}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{escape(title)}</title>
<style>{STYLE}</style>
</head>
<body>
{body}
</body>
</html>
"""


def escape(text: str) -> str:
    return escape_html(clean(text), quote=True)


def _paint(block: Block) -> Iterator[str]:
    match block:
        case Heading():
            yield f"<h1>{escape('  '.join(cell.text for cell in block.left))}</h1>"
        case Grid() | Facts():
            yield from _titled(block.title)
            if block.pairs:
                pairs = (f"<dt>{escape(label)}</dt><dd>{_span(cell)}</dd>" for label, cell in block.pairs)
                yield f"<dl>{''.join(pairs)}</dl>"
        case Table():
            yield from _titled(block.title)
            yield _table(block) if block.rows else f'<p class="dim">{escape(block.empty)}</p>'
        case Bars():
            yield from _titled(block.title)
            yield _bars(block)
        case Note():
            advice = f' <span class="dim">{escape(block.advice)}</span>' if block.advice else ""
            yield f"<p>{_span(Cell(block.text, block.tone))}{advice}</p>"
        case Lines():
            yield "<pre>" + "\n".join("".join(map(_span, row)) for row in block.rows) + "</pre>"


def _titled(title: str) -> Iterator[str]:
    if title:
        yield f"<h2>{escape(title)}</h2>"


def _span(cell: Cell) -> str:
    return f'<span class="{cell.tone}">{escape(cell.text)}</span>' if cell.tone else escape(cell.text)


def _table(block: Table) -> str:
    rows = [*block.rows, *([block.total] if block.total else [])]
    texts = column_texts(block.columns, rows)
    head = "".join(_data(column, escape(column.title), "th") for column in block.columns)
    lines = [
        "".join(_data(column, _set(texts[at][index], row[at]), "td") for at, column in enumerate(block.columns))
        for index, row in enumerate(rows)
    ]
    foot = lines.pop() if block.total else ""
    return _write_table(head, lines, foot)


def _write_table(head: str, lines: Sequence[str], foot: str = "", kind: str = "") -> str:
    body = "\n".join(f"<tr>{line}</tr>" for line in lines)
    end = f"\n<tfoot><tr>{foot}</tr></tfoot>" if foot else ""
    inside = f"<thead><tr>{head}</tr></thead>\n<tbody>\n{body}\n</tbody>{end}"
    return f'<div class="scroll"><table{kind}>\n{inside}\n</table></div>'


def _data(column: Column, inner: str, tag: str) -> str:
    number = "" if column.align == "left" else ' class="num"'
    return f"<{tag}{number}>{inner}</{tag}>"


def _set(text: str, cell: Cell) -> str:
    """Blanks that keep decimal points in line are as wide as a digit."""
    kept = text.rstrip(" ")
    return _span(Cell(kept, cell.tone)) + FIGURE_SPACE * (len(text) - len(kept))


def _bars(block: Bars) -> str:
    """For each series a bar and its figure."""
    head = "<th></th>" + "".join(f'<th></th><th class="num">{escape(series.text)}</th>' for series in block.series)
    lines = [f"<td>{escape(row.label)}</td>" for row in block.rows]
    for at in range(len(block.series)):
        amounts = [row.amounts[at] for row in block.rows]
        (texts,) = column_texts((Column("", "decimal"),), [(row.texts[at],) for row in block.rows])
        for index, row in enumerate(block.rows):
            drawn = _svg(amounts[index], max(amounts), at)
            lines[index] += f'<td class="bar">{drawn}</td><td class="num">{_set(texts[index], row.texts[at])}</td>'
    return _write_table(head, lines, kind=' class="bars"')


def _svg(amount: int, largest: int, series: int) -> str:
    """What the figure beside it says, so it is not read out."""
    length = max(1, amount * SCALE // largest) if amount > 0 else 0
    drawn = f'<rect class="s{series}" width="{length}" height="10"/>' if length else ""
    return f'<svg viewBox="0 0 {SCALE} 10" preserveAspectRatio="none" aria-hidden="true">{drawn}</svg>'
