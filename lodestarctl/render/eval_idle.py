"""What was learned in idle time, for people: a table, and what it says in plain words."""

from collections.abc import Iterator, Mapping

from lodestarctl.render.blocks import Block, Cell, Column, Facts, Note, Table
from lodestarctl.render.words import UNKNOWN, count, plural
from lodestard.control.messages.eval_idle import EvalIdleStatus, EvalReport, EvalRow

PERCENT = 100
MOSTLY = 0.5
STORE_TEXT = (
    "lodestarctl config set ledger.store_text true keeps prompts and answers, for all who may read the ledger."
)
COLUMNS = (
    Column("task"),
    Column("model", flexible=True),
    Column("as good", "right"),
    Column("quality", "right"),
    Column("likely", "right"),
    Column("s", "right"),
    Column("tok/s", "right", spare="narrow"),
    Column(""),
)
THINGS: Mapping[str, str] = {
    "commit": "commit messages",
    "summary": "summaries",
    "architect": "plans",
    "editor": "edits of an architect's plan",
    "edit": "edits",
    "ask": "questions about code",
    "help": "questions about Aider",
    "autocomplete": "completions",
    "tools": "requests with tools",
    "json": "answers in JSON",
    "chat": "chats",
}


def render_eval_status(status: EvalIdleStatus) -> list[Block]:
    """What it is at, and what a person has to do for it to go on."""
    if not status.enabled:
        return [
            Note(
                "Nothing is learned in idle time: it is off.", "dim", "·", "lodestarctl eval idle on switches it on."
            )
        ]
    running = status.replaying
    now = f"replaying with {running.model} ({running.task})" if running is not None else status.doing
    pairs = [
        ("Now", Cell(now, "good" if running is not None else "")),
        ("Today", Cell(f"{count(status.today)} of {plural(status.per_day, 'replay')}")),
        ("Judged", Cell(plural(status.judged, "answer"))),
        ("Models", Cell(", ".join(status.models) or "none")),
    ]
    if status.hours:
        pairs.insert(1, ("Hours", Cell(status.hours)))
    if status.unfit or status.failed:
        pairs.append(("Left out", Cell(f"{count(status.unfit)} too much for a model, {count(status.failed)} failed")))
    consent = [] if status.store_text else [Note("There is nothing to replay.", "warn", "!", STORE_TEXT)]
    return [Facts(tuple(pairs)), *consent]


def render_eval_report(report: EvalReport) -> list[Block]:
    """A row for each task and model, and a sentence for each that says something."""
    rows = [_row(row) for row in report.rows]
    sentences = [Note(sentence, "", "·") for row in report.rows for sentence in _sentences(row)]
    return [Table(COLUMNS, rows, empty="Nothing was learned yet."), *sentences]


def _row(row: EvalRow) -> tuple[Cell, ...]:
    return (
        Cell(row.task or UNKNOWN, "strong"),
        Cell(row.model),
        Cell(f"{row.good} of {row.count}" if row.count else UNKNOWN),
        Cell(_percent(row.quality)),
        Cell(UNKNOWN if row.low is None or row.high is None else f"{row.low * PERCENT:.0f}-{_percent(row.high)}"),
        Cell(_figure(row.seconds)),
        Cell(_figure(row.tokens_per_s)),
        Cell("weak" if row.count and row.weak_share >= MOSTLY else "", "dim"),
    )


def _sentences(row: EvalRow) -> Iterator[str]:
    """``llama3.1:8b did 18 of 20 commit messages as well as gpt-4o-mini.``"""
    model, things = _name(row.model), _things(row.task)
    if row.count:
        how = ", by their form and words alone" if row.weak_share >= MOSTLY else ""
        yield f"{model} did {row.good} of {row.count} {things} as well as {_name(row.paid)}{how}."
    if row.unfit:
        yield f"{model} could not take {row.unfit} of the {things}: too long, or something it can't do."
    if row.failed:
        yield f"{model} gave no answer to {row.failed} of the {things}."


def _name(target: str) -> str:
    return target.partition("/")[2] or target


def _things(task: str) -> str:
    return THINGS.get(task) or (f"requests for {task}" if task else "requests")


def _percent(value: float | None) -> str:
    return UNKNOWN if value is None else f"{value * PERCENT:.0f} %"


def _figure(value: float | None) -> str:
    return UNKNOWN if value is None else f"{value:.1f}"
