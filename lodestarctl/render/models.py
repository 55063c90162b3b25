"""The models for people: where an alias goes and what it costs."""

from collections.abc import Iterator, Mapping

from lodestarctl.render.blocks import Block, Cell, Column, Note, Table, cells
from lodestarctl.render.status import UP_TONES
from lodestarctl.render.words import UNKNOWN, millis, rate, usd
from lodestard.control.messages import ModelRow, ModelsReport, ModelTarget, TestPlans, TestResult

COLUMNS = (
    Column("alias"),
    Column("goes to", flexible=True),
    Column("state"),
    Column("$/M in", "decimal"),
    Column("$/M out", "decimal"),
)
TOKENS = Column("tokens ±", "decimal")
PLACES: Mapping[str, Cell] = {
    "resident": Cell("● loaded", "good"),
    "absent": Cell("○ on disk", "dim"),
    "loading": Cell("● loading", "warn"),
    "missing": Cell("✗ missing", "bad"),
}

BREAKERS: Mapping[str, Cell] = {
    "open": Cell("✗ passed over", "bad"),
    "half_open": Cell("● on trial", "warn"),
}


def render_models(report: ModelsReport) -> list[Block]:
    """One row a target; an alias with several is named once. How well tokens are estimated, once that was learned."""
    learned = any(target.token_samples for model in report.models for target in model.targets)
    columns = (*COLUMNS, TOKENS) if learned else COLUMNS
    rows = [row[: len(columns)] for model in report.models for row in _rows(model)]
    notes = [
        Note(f"{model.alias}: {target.target} {target.note}", "warn", "!")
        for model in report.models
        for target in model.targets
        if target.note
    ]
    missing = {target.target: target for model in report.models for target in model.targets}.values()
    pulls = [
        Note(f"{target.target} is missing.", "bad", "✗", f"lodestarctl models pull {target.target} downloads it.")
        for target in missing
        if target.place == "missing"
    ]
    return [Table(columns, rows, empty="No model is configured."), *notes, *pulls]


def _rows(model: ModelRow) -> Iterator[tuple[Cell, ...]]:
    for index, target in enumerate(model.targets):
        alias = Cell(model.alias, "strong") if index == 0 else Cell("  then", "dim")
        yield (alias, Cell(target.target), _state(target), *_prices(target), _token_error(target))


def _state(target: ModelTarget) -> Cell:
    """Whether its breaker keeps it back, where a local model is, or else whether its upstream is up."""
    if target.breaker != "closed":
        return BREAKERS.get(target.breaker, Cell(target.breaker, "warn"))
    return PLACES.get(target.place) or Cell(f"● {target.state}", UP_TONES[target.state])


def _prices(target: ModelTarget) -> tuple[Cell, Cell]:
    if target.free:
        return Cell("free", "good"), Cell("free", "good")
    return Cell(rate(target.input_pico_usd)), Cell(rate(target.output_pico_usd))


def _token_error(target: ModelTarget) -> Cell:
    """By how much estimates of its prompts are off."""
    return Cell("" if target.token_error is None else f"{100 * target.token_error:.1f} %", "dim")


def render_plans(plans: TestPlans) -> list[Block]:
    """What the calls would cost at most, before they are made."""
    rows = [
        (Cell(call.alias, "strong"), Cell(call.target), Cell(usd(call.max_cost_nano_usd)), Cell(call.note, "dim"))
        for call in plans.calls
    ]
    columns = (
        Column("alias"),
        Column("calls", flexible=True),
        Column("costs at most", "decimal"),
        Column("", flexible=True),
    )
    return [Table(columns, rows, empty="There is nothing to call.")]


def worst_case_nano_usd(plans: TestPlans) -> int:
    """The most that all calls can cost. Calls without a price are not made, so they count nothing."""
    return sum(call.max_cost_nano_usd or 0 for call in plans.calls)


def render_results(results: list[TestResult]) -> list[Block]:
    """How each call went."""
    columns = (
        Column("alias"),
        Column("upstream/model", flexible=True),
        Column("outcome"),
        Column("time", "right"),
        Column("cost", "decimal"),
    )
    rows = [
        (
            Cell(result.alias, "strong"),
            Cell(result.target),
            Cell(result.outcome, "good" if result.outcome == "ok" else "bad"),
            *cells(millis(result.total_ms or None), usd(result.cost_nano_usd) if result.cost_nano_usd else UNKNOWN),
        )
        for result in results
    ]
    notes = [
        Note(f"{result.alias}: {result.detail}", "bad", "✗")
        for result in results
        if result.detail and result.outcome != "ok"
    ]
    return [Table(columns, rows), *notes]
