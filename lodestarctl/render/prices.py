"""Prices for people: what models cost, what is wrong with that, and how a cost came about.

Law: every figure is exact, and a table of costs adds up to the digit: its lines, its rounding, its sum.
"""

from collections.abc import Iterator

from lodestarctl.render.blocks import Block, Cell, Column, Facts, Heading, Note, Table
from lodestarctl.render.status import note
from lodestarctl.render.words import UNKNOWN, count, moment, plural, rate, usd
from lodestard.control.messages.prices import (
    CostedAttempt,
    CostExplanation,
    PriceCheck,
    PriceRates,
    PriceRow,
    PricesReport,
    PriceState,
)
from lodestard.control.messages.severity import Severity

DATE = "%Y-%m-%d"
SOURCES = {"own": "[prices]", "ceiling": "ceiling", "free": "free", "unpriced": "none"}
KINDS = (
    ("input", "input_pico_usd"),
    ("cached input", "cache_read_pico_usd"),
    ("cache write", "cache_write_pico_usd"),
    ("cache write, 1 hour", "cache_write_1h_pico_usd"),
    ("audio input", "audio_input_pico_usd"),
    ("cached audio", "audio_cache_read_pico_usd"),
    ("image input", "image_input_pico_usd"),
    ("cached images", "image_cache_read_pico_usd"),
    ("output", "output_pico_usd"),
    ("reasoning", "reasoning_pico_usd"),
    ("audio output", "audio_output_pico_usd"),
    ("image output", "image_output_pico_usd"),
)


def render_prices(report: PricesReport) -> list[Block]:
    """One row a target: its usual rates, who says so, and what there is beside them."""
    columns = (
        Column("model", flexible=True),
        Column("$/M in", "decimal"),
        Column("$/M out", "decimal"),
        Column("source"),
        Column("since"),
    )
    rows = [_price_cells(row) for row in report.prices]
    notes = [Note(f"{row.target}: {also}", "dim", "·") for row in report.prices if (also := _also(row))]
    refused = [
        Note(f"{row.target} is refused: {row.problem or 'it has no price'}.", "warn", "!")
        for row in report.prices
        if row.kind == "unpriced"
    ]
    table = Table(columns, rows, empty="No model is configured.")
    return [_list_heading(report), table, *notes, *refused, *_problem(report)]


def _list_heading(report: PricesReport) -> Heading:
    made = f"price list {report.list_version}, read {moment(report.list_made_ms)}" if report.list_version else ""
    return Heading((Cell("Prices", "strong"), Cell("$ per million tokens", "dim")), made or "no price list")


def _problem(report: PricesReport) -> list[Block]:
    return [Note(f"{report.problem}.", "warn", "!", "What was known stays.")] if report.problem else []


def _price_cells(row: PriceRow) -> tuple[Cell, ...]:
    state = row.now
    usual = state.rates[0] if state is not None and state.rates else None
    source = Cell(SOURCES.get(row.kind, "list"), "bad" if row.kind == "unpriced" else "")
    since = moment(state.since_ms, DATE) if state is not None and state.since_ms else UNKNOWN
    dash = "free" if row.kind == "free" else UNKNOWN
    return (
        Cell(row.target, "strong"),
        Cell(rate(usual.input_pico_usd) if usual else dash),
        Cell(rate(usual.output_pico_usd) if usual else dash),
        source,
        Cell(since),
    )


def _also(row: PriceRow) -> str:
    """What the usual rates don't tell."""
    rates = () if row.now is None else row.now.rates
    above = [count(each.above_prompt_tokens) for each in rates if each.above_prompt_tokens and not each.service_tier]
    services = dict.fromkeys(each.service_tier for each in rates if each.service_tier)
    said = [f"other rates above {' and '.join(above)} prompt tokens"] if above else []
    said += [f"other rates as {', '.join(services)}"] if services else []
    said += [f"another price from {moment(state.since_ms, DATE)}" for state in row.next[:1]]
    said += ["retired by its provider"] if row.retired else []
    return "; ".join(said)


def render_price(report: PricesReport) -> list[Block]:
    """Each of the targets in full, with what it will cost later."""
    blocks: list[Block] = [_list_heading(report)]
    for row in report.prices:
        blocks += _one(row)
    return [*blocks, *_problem(report)]


def _one(row: PriceRow) -> Iterator[Block]:
    yield Facts(tuple(_price_facts(row)), row.target)
    if row.now is not None:
        yield _rates_table(row.now, "Rates")
    for state in row.next:
        yield _rates_table(state, f"From {moment(state.since_ms)}")


def _price_facts(row: PriceRow) -> Iterator[tuple[str, Cell]]:
    yield "Source", Cell(row.now.source if row.now is not None else row.kind)
    if row.listed_as:
        yield "Listed as", Cell(row.listed_as + (", retired" if row.retired else ""))
    if row.problem:
        yield "The list says", Cell(row.problem, "warn")
    state = row.now
    if state is None:
        return
    yield "Version", Cell(state.version)
    yield "Since", Cell(moment(state.since_ms) if state.since_ms else "the beginning")
    bounds = (
        ("Longest answer", state.max_output_tokens),
        ("Thought beside it", state.max_reasoning_tokens),
        ("Context", state.context_tokens),
    )
    for label, tokens in bounds:
        if tokens is not None:
            yield label, Cell(plural(tokens, "token"))
    if state.request_nano_usd:
        yield "Each request", Cell(usd(state.request_nano_usd))


def _rates_table(state: PriceState, title: str) -> Table:
    """Kinds of tokens down, tiers across; kinds that no tier names are left out."""
    columns = [Column("$/M tokens"), *(Column(_tier_name(rates), "decimal") for rates in state.rates)]
    named = [(kind, name) for kind, name in KINDS if any(getattr(rates, name) is not None for rates in state.rates)]
    rows = [[Cell(kind), *(Cell(rate(getattr(rates, name))) for rates in state.rates)] for kind, name in named]
    return Table(tuple(columns), rows, title)


def _tier_name(rates: PriceRates) -> str:
    above = f"> {count(rates.above_prompt_tokens)}" if rates.above_prompt_tokens is not None else ""
    return " ".join(filter(None, (rates.service_tier, above))) or "usual"


def render_check(check: PriceCheck) -> list[Block]:
    """What is to be mended first, then what is only worth knowing."""
    order: dict[Severity, int] = {"error": 0, "warning": 1, "info": 2}
    findings = sorted(check.findings, key=lambda found: order[found.severity])
    if not findings:
        listed = f", price list {check.list_version}" if check.list_version else ""
        return [Note(f"{plural(check.checked, 'paid model')}, and each has its price{listed}.", "good", "✓")]
    return [note(found.severity, found.what, found.mend) for found in findings]


def render_cost(explained: CostExplanation) -> list[Block]:
    """The arithmetic of each attempt, and its sum."""
    left = (Cell(explained.request_id, "strong"), Cell(explained.alias), Cell(usd(explained.cost_nano_usd), "strong"))
    blocks: list[Block] = [Heading(left, moment(explained.started_ms))]
    for number, attempt in enumerate(explained.attempts, 1):
        title = f"{number}. {attempt.target}" if len(explained.attempts) > 1 else attempt.target
        blocks += _attempt(attempt, title)
    return [*blocks, *(Note(text, "dim", "·") for text in explained.notes)]


def _attempt(attempt: CostedAttempt, title: str) -> Iterator[Block]:
    if attempt.pico_usd is not None:
        columns = (
            Column(title, flexible=True),
            Column("tokens", "right"),
            Column("$/M", "decimal"),
            Column("cost", "decimal"),
        )
        priced = attempt.priced_nano_usd
        total = (Cell(_total_name(attempt)), Cell(""), Cell(""), Cell(usd(priced), "strong"))
        yield Table(columns, list(_lines(attempt)), total=total, empty="Nothing was used.")
    yield Facts(tuple(_attempt_facts(attempt)), "" if attempt.pico_usd is not None else title)
    if attempt.note:
        yield Note(attempt.note, "dim", "·")


def _total_name(attempt: CostedAttempt) -> str:
    return "by its price" if attempt.billed_nano_usd is not None else "cost"


def _lines(attempt: CostedAttempt) -> Iterator[tuple[Cell, ...]]:
    for line in attempt.lines:
        yield Cell(line.kind), Cell(count(line.tokens)), Cell(rate(line.rate_pico_usd)), Cell(pico(line.pico_usd))
    if attempt.request_nano_usd:
        yield Cell("each request"), Cell(""), Cell(""), Cell(usd(attempt.request_nano_usd))
    rounding = (attempt.priced_nano_usd or 0) * 1_000 - (attempt.pico_usd or 0)
    if rounding:
        yield Cell("rounded up"), Cell(""), Cell(""), Cell(pico(rounding))


def _attempt_facts(attempt: CostedAttempt) -> Iterator[tuple[str, Cell]]:
    if attempt.billed_nano_usd is not None:
        yield "Billed, it says", Cell(usd(attempt.billed_nano_usd))
    yield "Charged", Cell(usd(attempt.cost_nano_usd), "strong")
    if attempt.hold_nano_usd:
        above = f", {usd(attempt.beyond_nano_usd)} beyond it" if attempt.beyond_nano_usd else ""
        back = f"{usd(attempt.given_back_nano_usd)} given back"
        yield "Held", Cell(f"{usd(attempt.hold_nano_usd)}, {back}{above}")
    if attempt.above_prompt_tokens is not None:
        yield "Tier", Cell(f"above {count(attempt.above_prompt_tokens)} prompt tokens: all of them cost more")
    if attempt.service_tier:
        yield "Served as", Cell(attempt.service_tier)
    if attempt.price_version:
        since = f", since {moment(attempt.since_ms, DATE)}" if attempt.since_ms else ""
        yield "Price", Cell(f"{attempt.price_version}, {attempt.source}{since}")


def pico(amount_pico_usd: int) -> str:
    """pico-USD → US dollars, every digit of them."""
    nano, rest = divmod(amount_pico_usd, 1_000)
    if not rest:
        return usd(nano)
    whole, fraction = divmod(amount_pico_usd, 10**12)
    return f"${whole:,}." + f"{fraction:012d}".rstrip("0")
