"""``costs report`` and ``costs export``: what is asked, what is written where, and that a part is never the whole."""

import csv
import io
import json
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest
import trio

from lodestarctl import exit_codes
from lodestarctl.saving import open_whole
from lodestarctl.usage import UsageError
from lodestard.control.messages.reports import ExportPiece
from tests.bench.ledger_rows import fill
from tests.fakes import control_samples as samples
from tests.fakes.command_line import Run
from tests.fakes.control_client import refusal

PIECES = [ExportPiece(text="id,name\n1,"), ExportPiece(text="王\n")]
TEXT = "id,name\n1,王\n"


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], utc: None) -> Run:
    return Run(monkeypatch, capsys)


class Screen(io.TextIOWrapper):
    """A terminal that keeps what it was shown."""

    def __init__(self) -> None:
        super().__init__(io.BytesIO(), "utf-8", newline="")

    def isatty(self) -> bool:
        return True

    def shown(self) -> str:
        self.flush()
        self.seek(0)
        return self.read()


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


# the report


def test_a_report_is_markdown_unless_said_otherwise(run: Run) -> None:
    assert run("costs", "report", "--month", "2025-11", answers={"costs.report": samples.MONTH}) == exit_codes.OK
    assert run.called == ("costs.report", {"month": "2025-11", "top": 20})
    assert run.out.startswith("# What November 2025 cost, so far\n")
    assert run("costs", "report", "--format", "html", answers={"costs.report": samples.MONTH}) == exit_codes.OK
    assert run.called == ("costs.report", {"month": "this", "top": 20})
    assert run.out.startswith("<!DOCTYPE html>")


def test_a_report_as_data(run: Run) -> None:
    assert run("costs", "report", "--json", answers={"costs.report": samples.MONTH}) == exit_codes.OK
    assert msgspec.json.decode(run.out)["data"]["total"]["cost_nano_usd"] == samples.MONTH.total.cost_nano_usd


@pytest.mark.parametrize(("name", "begin"), [("r.html", "<!DOCTYPE"), ("r.HTM", "<!DOCTYPE"), ("r.md", "# What")])
def test_a_report_in_a_file_is_of_the_kind_of_its_name(run: Run, here: Path, name: str, begin: str) -> None:
    (here / name).write_text("old")
    assert run("costs", "report", "-o", name, answers={"costs.report": samples.MONTH}) == exit_codes.OK
    assert (run.out, run.err) == ("", f"Written to {name}.\n")
    assert (here / name).read_text("utf-8").startswith(begin)
    assert [path.name for path in here.iterdir()] == [name]


def test_a_report_that_fails_leaves_the_old_one(run: Run, here: Path) -> None:
    (here / "r.md").write_text("old")
    failed = run("costs", "report", "-o", "r.md", answers={"costs.report": refusal("ledger_unavailable")})
    assert failed == exit_codes.FAILURE
    assert (here / "r.md").read_text() == "old"


# the export


@pytest.mark.parametrize(
    ("words", "form"), [([], "csv"), (["--csv"], "csv"), (["--jsonl"], "jsonl"), (["--json"], "json")]
)
def test_an_export_goes_into_a_pipe_as_it_came(run: Run, words: list[str], form: str) -> None:
    assert run("costs", "export", *words, answers={"costs.export": PIECES}) == exit_codes.OK
    assert run.called == ("costs.export", {"format": form, "since": None, "until": None, "names": False})
    assert (run.out, run.err) == (TEXT, "")


def test_an_export_into_a_file(run: Run, here: Path) -> None:
    words = ["costs", "export", "--since", "7d", "--until", "today", "--names", "-o", "x.csv"]
    (here / "x.csv").write_text("old")
    assert run(*words, answers={"costs.export": PIECES}) == exit_codes.OK
    assert run.called[1] == {"format": "csv", "since": "7d", "until": "today", "names": True}
    assert run.err == "14 B written to x.csv.\n"
    assert (here / "x.csv").read_bytes() == TEXT.encode()
    assert [path.name for path in here.iterdir()] == ["x.csv"]


@pytest.mark.parametrize(
    "end", [refusal("store_unavailable", "Broken."), KeyboardInterrupt()], ids=["refused", "interrupted"]
)
def test_an_export_that_breaks_off_leaves_nothing_new(run: Run, here: Path, end: BaseException) -> None:
    (here / "x.csv").write_text("old")
    assert run("costs", "export", "-o", "x.csv", answers={"costs.export": [*PIECES, end]}) != exit_codes.OK
    assert (here / "x.csv").read_text() == "old"
    assert [path.name for path in here.iterdir()] == ["x.csv"]


def test_a_person_gets_a_file_that_replaces_none(run: Run, here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for stream in ("stdout", "stderr"):
        monkeypatch.setattr(sys, stream, Screen())
    shown, told = sys.stdout, sys.stderr
    assert isinstance(shown, Screen)
    assert isinstance(told, Screen)
    assert run("costs", "export", "--jsonl", answers={"costs.export": PIECES}) == exit_codes.OK
    assert (here / "lodestar-costs.jsonl").read_bytes() == TEXT.encode()
    assert "\r\x1b[Klodestar-costs.jsonl: 10 B" in told.shown()
    assert told.shown().endswith("14 B written to lodestar-costs.jsonl.\n")
    assert run("costs", "export", "--jsonl", answers={"costs.export": [refusal("internal")]}) == exit_codes.USAGE
    assert "is there already; say -o lodestar-costs.jsonl" in told.shown()
    assert run("costs", "export", "-o", "-", answers={"costs.export": PIECES}) == exit_codes.OK
    assert shown.shown() == TEXT
    hostile = [ExportPiece(text="a\x1b[2J,b\r\n")]
    assert run("costs", "export", "-o", "-", answers={"costs.export": hostile}) == exit_codes.OK
    assert shown.shown() == f"{TEXT}a�[2J,b\r\n"


def test_where_nothing_can_be_written(run: Run, here: Path) -> None:
    answers = {"costs.export": PIECES}
    assert run("costs", "export", "-o", "no/such/x.csv", answers=answers) == exit_codes.USAGE
    assert "can't write no/such/x.csv.part: No such file" in run.err
    assert run("costs", "export", "-o", "/dev/null", answers=answers) == exit_codes.OK
    assert not Path("/dev/null.part").exists()


def test_without_a_daemon_no_file_is_begun(run: Run, here: Path) -> None:
    assert run("costs", "export", "-o", "x.csv") == exit_codes.NOT_RUNNING
    assert list(here.iterdir()) == []


@pytest.mark.parametrize("form", ["--csv", "--jsonl", "--json"])
def test_a_ledger_file_is_exported_without_a_daemon(run: Run, here: Path, form: str) -> None:
    ledger = make_ledger(here / "ledger.db")
    assert run("costs", "export", str(ledger), form, "-o", "x") == exit_codes.OK
    assert run.client.calls == []
    text = (here / "x").read_bytes().decode()
    rows = rows_of(text, form)
    assert sum(int(row["requests"]) for row in rows) == 30
    assert run("costs", "export", str(ledger), form) == exit_codes.OK
    assert run.out == text


def test_what_is_no_ledger_is_said_so(run: Run, here: Path) -> None:
    assert run("costs", "export", "nothing.db", "-o", "x") == exit_codes.FAILURE
    assert "The export broke off" in run.err
    assert list(here.iterdir()) == []
    assert run("costs", "export", "nothing.db", "--since", "7d") == exit_codes.USAGE
    assert "a file is exported whole" in run.err


def rows_of(text: str, form: str) -> list[dict[str, Any]]:
    if form == "--csv":
        return list(csv.DictReader(io.StringIO(text)))
    return [json.loads(line) for line in text.splitlines()] if form == "--jsonl" else list(json.loads(text))


def make_ledger(path: Path) -> Path:
    """Thirty requests."""
    trio.run(fill, path, 30)
    return path


def test_a_file_that_is_there_is_kept(here: Path) -> None:
    (here / "x").write_text("old")
    with pytest.raises(UsageError), open_whole("x", replace=False):
        raise AssertionError
    with open_whole("y", replace=False) as file:
        file.write(b"new")
        assert not (here / "y").exists()
    assert (here / "y").read_bytes() == b"new"
