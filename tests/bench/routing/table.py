"""A table of prompts and outcomes as CSV, in either of two forms; ``docs/benchmarks-routing.md`` describes them.

Law: a row that can't be right is refused with its line, never repaired: a benchmark on other data than one thinks is
worth nothing.
"""

import csv
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import TextIO

from tests.bench.routing.cases import Case, Data, Outcome

NANO_USD = 10**9
CHARS_PER_TOKEN = 4
COST = "|total_cost"
"""What follows a model's name in the column of its costs, in the wide form."""
TASKS = ("task", "eval_name")
LONG = ("prompt", "task", "model", "score", "cost")
MORE = ("id", "judged", "hardness", "prompt_tokens", "completion_tokens", "odds")
Row = Mapping[str, str]


class TableError(ValueError):
    """What is wrong, and on which line."""

    def __init__(self, line: int, what: str) -> None:
        super().__init__(f"line {line}: {what}")
        self.line = line


def read_table(file: Path) -> Data:
    """Raises ``TableError``; ``OSError`` where the file can't be read."""
    csv.field_size_limit(sys.maxsize)
    with file.open(encoding="utf-8", newline="") as lines:
        return read_rows(file.stem, lines)


def read_rows(name: str, lines: Iterable[str]) -> Data:
    """The same from lines of text."""
    reader = csv.DictReader(lines, restval="", strict=True)
    try:
        columns = tuple(reader.fieldnames or ())
        rows = _numbered(reader)
        if "prompt" not in columns:
            raise TableError(1, "there is no column prompt")
        cases = _read_long(rows, columns) if "model" in columns else _read_wide(rows, columns)
    except csv.Error as error:
        raise TableError(reader.line_num, str(error)) from error
    if not cases:
        raise TableError(reader.line_num, "there is no row")
    return Data(name, tuple(cases[0].outcomes), tuple(cases), {})


def write_table(data: Data, out: TextIO) -> None:
    """In the long form, with all that is known."""
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow((*LONG, *MORE))
    for number, case in enumerate(data.cases):
        for model, one in case.outcomes.items():
            cost = f"{Decimal(one.cost_nano_usd) / NANO_USD:f}"
            hardness = "" if case.hardness is None else case.hardness
            odds = "" if one.odds is None else one.odds
            known = (number, one.judged, hardness, one.prompt_tokens, one.completion_tokens, odds)
            writer.writerow((case.prompt, case.kind, model, one.score, cost, *known))


def _numbered(reader: "csv.DictReader[str]") -> Iterator[tuple[int, Row]]:
    for row in reader:
        if None in row:
            raise TableError(reader.line_num, "there are more fields than columns")
        yield reader.line_num, row


def _read_wide(rows: Iterable[tuple[int, Row]], columns: Sequence[str]) -> list[Case]:
    models = [column for column in columns if column + COST in columns]
    if not models:
        raise TableError(1, f"there is no column model, and no two columns X and X{COST}")
    task = next((name for name in TASKS if name in columns), "")
    cases = []
    for line, row in rows:
        prompt = _prompt(line, row)
        outcomes = {model: _outcome(line, row[model], row[model + COST], {}) for model in models}
        cases.append(Case(prompt, row.get(task, ""), None, len(prompt) // CHARS_PER_TOKEN, outcomes))
    return cases


def _read_long(rows: Iterable[tuple[int, Row]], columns: Sequence[str]) -> list[Case]:
    if missing := [column for column in ("score", "cost") if column not in columns]:
        raise TableError(1, f"there is no column {missing[0]}")
    found: dict[str, Case] = {}
    lines: dict[str, int] = {}
    for line, row in rows:
        prompt, key = _prompt(line, row), row.get("id") or row["prompt"]
        outcome = _outcome(line, row["score"], row["cost"], row)
        case = found.setdefault(key, _bare_case(line, prompt, row, outcome))
        if case.prompt != prompt:
            raise TableError(line, f"id {key!r} had another prompt on line {lines[key]}")
        if not row["model"]:
            raise TableError(line, "there is no model")
        if row["model"] in case.outcomes:
            raise TableError(line, f"the model {row['model']!r} was there before for this prompt")
        assert isinstance(case.outcomes, dict)
        case.outcomes[row["model"]] = outcome
        lines[key] = line
    _require_all(found, lines)
    models = tuple(next(iter(found.values())).outcomes) if found else ()
    return [
        Case(one.prompt, one.kind, one.hardness, one.prompt_tokens, {model: one.outcomes[model] for model in models})
        for one in found.values()
    ]


def _require_all(found: Mapping[str, Case], lines: Mapping[str, int]) -> None:
    """Everybody was asked everything."""
    models = {model for case in found.values() for model in case.outcomes}
    for key, case in found.items():
        if missing := sorted(models - set(case.outcomes)):
            raise TableError(lines[key], f"this prompt has no row of the model {missing[0]!r}")


def _bare_case(line: int, prompt: str, row: Row, outcome: Outcome) -> Case:
    hardness = _share(line, "hardness", row["hardness"]) if row.get("hardness") else None
    tokens = outcome.prompt_tokens or len(prompt) // CHARS_PER_TOKEN
    return Case(prompt, row.get("task", ""), hardness, tokens, {})


def _outcome(line: int, score: str, cost: str, row: Row) -> Outcome:
    truth = _share(line, "score", score)
    seen = _share(line, "judged", row["judged"]) if row.get("judged") else truth
    prompt, completion = (_whole(line, name, row.get(name, "")) for name in ("prompt_tokens", "completion_tokens"))
    dollars = _number(line, "cost", cost)
    if dollars < 0:
        raise TableError(line, f"the cost {cost!r} is negative")
    odds = _share(line, "odds", row["odds"]) if row.get("odds") else None
    return Outcome(truth, round(dollars * NANO_USD), seen, prompt, completion, odds)


def _prompt(line: int, row: Row) -> str:
    if not row["prompt"]:
        raise TableError(line, "the prompt is empty")
    return row["prompt"]


def _share(line: int, name: str, text: str) -> float:
    value = _number(line, name, text)
    if not 0 <= value <= 1:
        raise TableError(line, f"the {name} {text!r} is not between 0 and 1")
    return float(value)


def _whole(line: int, name: str, text: str) -> int:
    if text and not (text.isascii() and text.isdigit()):
        raise TableError(line, f"the {name} {text!r} is no whole number")
    return int(text or 0)


def _number(line: int, name: str, text: str) -> Decimal:
    try:
        value = Decimal(text.strip())
    except InvalidOperation:
        value = Decimal("NaN")
    if not value.is_finite():
        raise TableError(line, f"the {name} {text!r} is no number")
    return value
