"""Budgets for people. Pure."""

from collections.abc import Iterator, Sequence

from lodestarctl.render.blocks import Block, Cell, Column, Heading, Note, Table, Tone, cells
from lodestarctl.render.words import UNKNOWN, count, moment, plural, share, usd
from lodestard.control.messages.budgets import (
    BudgetAct,
    BudgetHistory,
    BudgetLine,
    BudgetRow,
    BudgetsReport,
    OverrideGiven,
    OverrideRow,
    OverridesTaken,
    RateRow,
)

MINUTE_FORM = "%Y-%m-%d %H:%M"
WARN_PERCENT = 80


def render_budgets(report: BudgetsReport) -> list[Block]:
    """Alerts first, then a line for each limit of each budget, then what limits the rate."""
    blocks: list[Block] = [Note(text, "warn", "!") for text in report.banner]
    blocks += [Heading((Cell("Budgets", "strong"),)), budget_table(report.budgets)]
    remarks = [text for budget in report.budgets for text in _remarks(budget)]
    blocks += [Note(text, "dim", "·") for text in dict.fromkeys(remarks)]
    if report.rates:
        blocks.append(Table(cells_of_rates(), [_rate(rate) for rate in report.rates], "Rate limits, a minute"))
    return blocks


def budget_table(budgets: Sequence[BudgetRow], title: str = "") -> Table:
    """A line for each limit of each budget."""
    columns = (
        Column("budget", flexible=True),
        Column("of", flexible=True),
        Column("window"),
        Column("spent", "right"),
        Column("held", "right", spare="narrow"),
        Column("limit", "right"),
        Column("used", "right"),
        Column("begins anew", spare="narrow"),
    )
    rows = [_row(budget, line) for budget in budgets for line in budget.lines]
    empty = "There is no budget. lodestarctl budget set month --usd 20 --window month sets one."
    return Table(columns, rows, title, empty=empty)


def cells_of_rates() -> tuple[Column, ...]:
    return (Column("limit", flexible=True), Column("of"), Column("requests", "right"), Column("tokens", "right"))


def _rate(rate: RateRow) -> tuple[Cell, ...]:
    return cells(rate.name, whose(rate.scope, rate.of, each=not rate.of), count(rate.requests), count(rate.tokens))


def _row(budget: BudgetRow, line: BudgetLine) -> tuple[Cell, ...]:
    used, tone = _used(budget, line)
    return (
        Cell(budget.name, "strong"),
        Cell(whose(budget.scope, budget.value)),
        Cell(budget.window),
        Cell(amount(line.unit, line.spent)),
        Cell(amount(line.unit, line.held) if line.held else UNKNOWN),
        Cell("lifted" if line.limit is None else amount(line.unit, line.limit)),
        Cell(used, tone),
        Cell(moment(budget.end_ms, MINUTE_FORM) if budget.end_ms is not None else UNKNOWN),
    )


def _used(budget: BudgetRow, line: BudgetLine) -> tuple[str, Tone]:
    if line.limit is None:
        return UNKNOWN, "warn"
    percent = (line.spent + line.held) * 100 // line.limit if line.limit else 100
    tone: Tone = "bad" if percent >= 100 and budget.hard else "warn" if percent >= WARN_PERCENT else "good"
    return share(line.spent + line.held, line.limit) if line.limit else "100 %", tone


def _remarks(budget: BudgetRow) -> Iterator[str]:
    if not budget.hard:
        yield f"{budget.name} is soft: it alerts and refuses nothing."
    elif budget.at_limit == "refuse":
        yield f"{budget.name} refuses what does not fit; others go on with free models."
    for override in budget.overrides:
        until = moment(override.until_ms, MINUTE_FORM)
        yield f"{budget.name} is lifted {_by(override)} until {until}{_why(override)}."


def _by(override: OverrideRow) -> str:
    return "altogether" if override.extra is None else f"by {override.extra:,}"


def _why(override: OverrideRow) -> str:
    who = f" by {override.who}" if override.who else ""
    return f"{who}: {override.reason}" if override.reason else who


def whose(scope: str, value: str, *, each: bool = False) -> str:
    """``all``, ``project alpha``, ``each project``."""
    if scope == "global":
        return "all"
    return f"each {scope}" if each else f"{scope} {value or '(none)'}"


def amount(unit: str, number: int) -> str:
    """In the unit's own form: exact US dollars, or a count."""
    return usd(number) if unit == "usd" else f"{number:,} {unit}"


def render_given(report: OverrideGiven) -> list[Block]:
    override = report.override
    of = f" of {override.value}" if override.value else ""
    until = moment(override.until_ms, MINUTE_FORM)
    text = f"{override.budget}{of} is lifted {_by(override)} until {until}."
    return [Note(text, "good", "✓", f"lodestarctl budget revoke {override.budget} takes it back.")]


def render_taken(report: OverridesTaken) -> list[Block]:
    if not report.overrides:
        return [Note("There was no override to take back.", "dim", "·")]
    return [Note(f"{plural(len(report.overrides), 'override')} taken back.", "good", "✓")]


def render_history(report: BudgetHistory) -> list[Block]:
    columns = (Column("when"), Column("what"), Column("budget"), Column("who"), Column("why", flexible=True))
    return [Table(columns, [_act(act) for act in report.acts], empty="Nothing was done or told yet.")]


def _act(act: BudgetAct) -> tuple[Cell, ...]:
    until = f"until {moment(act.until_ms, MINUTE_FORM)}: " if act.until_ms is not None else ""
    name = f"{act.budget} ({act.value})" if act.value else act.budget
    tone: Tone = "warn" if act.act == "alert" else ""
    return (Cell(moment(act.at_ms, MINUTE_FORM)), Cell(act.act, tone), *cells(name, act.who, f"{until}{act.text}"))
