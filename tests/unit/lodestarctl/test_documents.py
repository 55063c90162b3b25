"""A month's report as Markdown and as HTML: all that the verb said is in it, and nothing that a label would do."""

import re
from collections.abc import Sequence
from html.parser import HTMLParser
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from lodestarctl.render.blocks import Bar, Bars, Block, Cell, Column, Facts, Grid, Heading, Lines, Note, Table
from lodestarctl.render.costs import LEVERS
from lodestarctl.render.report import month_name, report_blocks
from lodestarctl.render.report_html import FIGURE_SPACE, paint_html, write_html
from lodestarctl.render.report_markdown import escape, paint_markdown, write_markdown
from lodestarctl.render.words import usd
from lodestard.control.messages.budgets import BudgetLine, BudgetRow
from lodestard.control.messages.figures import CostRow, CostSection
from lodestard.control.messages.reports import MonthReport
from tests.fakes import control_samples as samples

GOLDEN = Path(__file__).parent / "golden"
NOTHING = MonthReport(
    month="2025-10", timezone="UTC", since_ms=0, until_ms=1, made_ms=2_000, total=CostRow(name="all")
)
BUDGETED = replace(
    samples.MONTH,
    budgets=(
        BudgetRow(
            name="house",
            scope="global",
            value="",
            window="month",
            hard=True,
            at_limit="free",
            lines=(BudgetLine(unit="usd", configured=100 * 10**9, limit=100 * 10**9, spent=1_412_358_023, held=0),),
        ),
        BudgetRow(
            name="each",
            scope="project",
            value="<b>",
            window="day",
            hard=False,
            at_limit="free",
            lines=(BudgetLine(unit="requests", configured=10, limit=10, spent=9, held=0),),
        ),
    ),
    unreconciled_nano_usd=12,
    settled=False,
    over=True,
)


class Page(HTMLParser):
    """What a browser would see: tags with their attributes, and the text between them."""

    VOID = ("meta", "rect")

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.tables: list[list[list[str]]] = []
        self.text = ""
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)
        if tag == "table":
            self.tables.append([])
        elif tag == "tr":
            self.tables[-1].append([])
        elif tag in ("td", "th"):
            self.tables[-1][-1].append("")

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "style" in self.open:
            return
        self.text += data
        if "td" in self.open or "th" in self.open:
            self.tables[-1][-1][-1] += data


def test_every_tag_is_closed_and_nothing_is_loaded_or_run() -> None:
    page = Page(write_html(samples.MONTH))
    assert page.open == []
    assert {tag for tag, _ in page.tags} <= {
        *("html", "head", "meta", "title", "style", "body", "h1", "h2", "p", "span", "dl", "dt", "dd", "div"),
        *("table", "thead", "tbody", "tfoot", "tr", "th", "td", "svg", "rect"),
    }
    names = {name for _, attributes in page.tags for name in attributes}
    assert names.isdisjoint({"src", "href", "style", "onload", "onclick"})
    policy = [attributes["content"] for tag, attributes in page.tags if attributes.get("http-equiv")]
    assert policy == ["default-src 'none'; style-src 'unsafe-inline'"]
    assert "url(" not in write_html(samples.MONTH)
    assert "@import" not in write_html(samples.MONTH)


def test_a_label_is_a_text_whatever_it_says() -> None:
    page = Page(write_html(samples.MONTH))
    assert any(samples.HOSTILE.replace("\x1b", "�") == row[0] for table in page.tables for row in table)
    assert "<script" not in write_html(samples.MONTH)
    markdown = write_markdown(samples.MONTH)
    assert "\x1b" not in markdown
    (line,) = [line for line in markdown.splitlines() if "alert(1)" in line]
    assert re.findall(r"(?<!\\)[<>`*_\[\]@#~]", line.replace("&#58;", "")) == []
    assert "http://" not in line


def cells_of(line: str) -> list[str]:
    """The cells of a row of a GitHub table, unescaped."""
    cells = re.split(r"(?<!\\)\|", line)[1:-1]
    return [re.sub(r"\\(.)", r"\1", re.sub(r"&#(\d+);", lambda m: chr(int(m[1])), cell.strip())) for cell in cells]


@pytest.mark.parametrize("report", [samples.MONTH, BUDGETED, NOTHING])
def test_every_table_of_the_markdown_has_as_many_cells_in_each_row(report: MonthReport) -> None:
    for table in re.findall(r"(?:^\|.*\n?)+", write_markdown(report), re.MULTILINE):
        head, rule, *rows = table.splitlines()
        assert set(rule) <= set("|:- ")
        assert {len(cells_of(row)) for row in rows} == {len(cells_of(head))} == {len(cells_of(rule))}


@given(st.text(max_size=60))
def test_an_escaped_text_reads_as_it_was_and_opens_nothing(text: str) -> None:
    escaped = escape(text)
    assert "\n" not in escaped
    assert not re.search(r"(?<!\\)(\\\\)*[<>|`*_\[\]]", escaped)
    shown = cells_of(f"| {escaped} |")
    assert len(shown) == 1
    printable = "".join(char if char.isprintable() else "�" for char in text).strip()
    if "&" not in printable and "\\" not in printable:
        assert shown[0] == printable


@given(st.text(max_size=60))
def test_any_label_is_one_cell_of_the_page(text: str) -> None:
    table = Table((Column("label"),), [(Cell(text),)])
    printable = "".join(char if char.isprintable() else "�" for char in text)
    (shown,) = Page(paint_html([table], text)).tables
    assert shown == [["label"], [printable.rstrip(" ").ljust(len(printable), FIGURE_SPACE)]]


def section_rows(section: CostSection) -> Sequence[CostRow]:
    return [*section.rows, *([section.rest] if section.rest is not None else [])]


def test_every_amount_of_the_verb_is_in_both_exactly() -> None:
    markdown, page = write_markdown(samples.MONTH), Page(write_html(samples.MONTH))
    total = samples.MONTH.total
    amounts = [total.cost_nano_usd, total.saved_nano_usd, total.baseline_nano_usd, total.unknown_nano_usd]
    amounts += [getattr(total, name) for name in LEVERS]
    amounts += [row.cost_nano_usd for section in samples.MONTH.sections for row in section_rows(section)]
    for amount in amounts:
        assert usd(amount) in markdown
        assert usd(amount) in page.text


@pytest.mark.parametrize("by", ["day", "model", "session"])
def test_a_table_sums_to_the_total_that_is_written_below_it(by: str) -> None:
    page = Page(write_html(samples.MONTH))
    table = next(table for table in page.tables if table[0][0] == by)
    at = table[0].index("cost")
    nano = [round(float(row[at].strip().replace("$", "").replace(",", "")) * 10**9) for row in table[1:]]
    assert sum(nano[:-1]) == nano[-1] == samples.MONTH.total.cost_nano_usd


def test_what_is_not_known_is_named() -> None:
    text = Page(write_html(BUDGETED)).text
    assert "is charged at the worst case: an answer broke off" in text
    assert "$0.000000012 of what providers billed is of no request here" in text
    assert "its sections may differ by what they cost" in text
    assert "By session, 17 smaller ones are one row." in text
    assert "<b>" in text
    assert "9 requests" in text
    assert "have not been compared with a provider's bill" in write_markdown(samples.MONTH)
    nothing_left = replace(samples.MONTH, unreconciled_nano_usd=0)
    assert "nothing is left over" in write_markdown(nothing_left)


def test_a_month_in_which_nothing_was_asked() -> None:
    empty = replace(NOTHING, sections=(CostSection(by="day", rows=()), CostSection(by="user", rows=())))
    text = write_markdown(empty)
    assert text.startswith("# What October 2025 cost\n")
    assert text.count("Nothing was asked in this time.") == 2
    assert "Nothing is charged at the worst case" in text
    assert "[ledger] baseline names no model" in text.replace("\\", "")
    assert Page(write_html(empty)).open == []


def test_a_month_of_one_row() -> None:
    row = CostRow(name="2025-10-05", requests=1, cost_nano_usd=1)
    one = replace(NOTHING, total=replace(row, name="all"), sections=(CostSection(by="day", rows=(row,)),))
    assert "| Sun 2025-10-05 | ████████████████████████ | $0.000000001 |" in write_markdown(one)
    (rect,) = [attributes for tag, attributes in Page(write_html(one)).tags if tag == "rect"]
    assert rect["width"] == "1000"


def test_bars_of_the_page_are_in_proportion() -> None:
    series = (Cell("cost"),)
    rows = [Bar(str(amount), (amount,), (Cell(str(amount)),)) for amount in (400, 100, 1, 0, -3)]
    page = Page(paint_html([Bars(series, rows)], "bars"))
    assert [attributes["width"] for tag, attributes in page.tags if tag == "rect"] == ["1000", "250", "2"]


def test_blocks_of_every_kind_are_painted() -> None:
    blocks: list[Block] = [
        Heading((Cell("A & B"), Cell("c"))),
        Grid("Grid", (("one", Cell("1")),)),
        Facts((("two", Cell("2", "strong")),)),
        Lines(((Cell("- three"),), (Cell("4. four"),))),
        Note("5) five", "warn", "!", "six"),
        Note("seven"),
        Table((Column("eight"),), (), empty="+ nine"),
    ]
    assert paint_markdown(blocks).split("\n\n") == [
        "# A \\& B  c",
        "## Grid",
        "- one: 1",
        "- two: **2**",
        "\\- three  \n4\\. four  ",
        "- 5\\) five six\n- seven",
        "\\+ nine\n",
    ]
    page = Page(paint_html(blocks, "t"))
    assert page.open == []
    for word in ("A & B", "one", "2", "- three", "5) five", "six", "+ nine"):
        assert word in page.text


@pytest.mark.parametrize(("month", "name"), [("2025-11", "November 2025"), ("soon", "soon")])
def test_months_have_names(month: str, name: str) -> None:
    assert month_name(month) == name


@pytest.mark.parametrize("name", ["report.md", "report.html"])
def test_the_documents_word_for_word(name: str) -> None:
    text = write_markdown(samples.MONTH) if name.endswith("md") else write_html(samples.MONTH)
    assert text == (GOLDEN / name).read_text("utf-8")


def test_blocks_are_the_same_for_the_same_report() -> None:
    assert report_blocks(samples.MONTH) == report_blocks(samples.MONTH)
