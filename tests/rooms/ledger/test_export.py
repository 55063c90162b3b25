"""Exports: whole, quoted, nameless unless asked; and the child that makes them goes when its reader goes."""

import csv
import io
import os
import subprocess
from pathlib import Path

import msgspec
import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st

from lodestard.domain.closing import Closing
from lodestard.domain.errors import HouseFault
from lodestard.domain.request import Caller
from lodestard.domain.usage import Usage
from lodestard.ledger.export import rows as export_rows
from lodestard.ledger.export.__main__ import main
from lodestard.ledger.export.formats import COLUMNS, LAYOUTS, csv_cell, json_text
from lodestard.ledger.export.names import hasher
from lodestard.ledger.export.rows import NAMED, PLAIN, read_rows
from lodestard.ledger.export.writing import MOST_KEPT, Kept, write_rows
from lodestard.ledger.exporting import ExportOptions, Format, command_of, stream_export
from lodestard.ledger.periods import Range
from lodestard.store import open_snapshot
from tests.bench.ledger_rows import PAID, SetClock, fill, opened

EVIL = '=HYPERLINK("http://x","y")\r\n, "quoted" ünïcode'


async def one_row(path: Path, caller: Caller, alias: str = "gpt-4o") -> None:
    async with opened(path, SetClock()) as (_, ledger):
        entry = ledger.open_entry(caller, alias, dialect="openai_chat", stream=True)
        attempt = await ledger.hold(entry, PAID[1], 10**9)
        ledger.capture(attempt, Usage(prompt_tokens=1_000, completion_tokens=3))
        target = PAID[1].target
        ledger.close_entry(entry, Closing(outcome="ok", status=200, cache="miss", target=target, total_us=5))


async def exported(path: Path, form: Format, *, names: bool = True) -> list[dict[str, str]]:
    async with stream_export(path, ExportOptions(format=form, names=names)) as chunks:
        text = b"".join([chunk async for chunk in chunks]).decode()
    if form == "csv":
        return list(csv.DictReader(io.StringIO(text, newline=""), strict=True))
    if form == "json":
        rows: list[dict[str, str]] = msgspec.json.decode(text)
        return rows
    return [msgspec.json.decode(line) for line in text.splitlines()]


@pytest.mark.parametrize("form", ["csv", "json", "jsonl"])
async def test_a_request_is_a_row(tmp_path: Path, form: Format) -> None:
    path = tmp_path / "ledger.db"
    await one_row(path, Caller(project=EVIL, user="ann", session="s", client="@aider", task="-1"), alias=EVIL)
    (row,) = await exported(path, form)
    assert tuple(row) == COLUMNS
    guard = "'" if form == "csv" else ""
    assert row["project"] == row["alias"] == guard + EVIL
    assert (row["user"], row["client"], row["task"]) == ("ann", f"{guard}@aider", f"{guard}-1")
    assert row["kind"] == "request" and row["id"].startswith("req_")
    assert row["received_at"] == "2026-09-21T14:13:20.000Z"
    assert row["cost_usd"] == "0.000151801"
    assert int(row["cost_nano_usd"]) == 151_801
    assert row["saved_usd"] == "0.000000000"  # no usage in its closing: nothing is known of it


async def test_names_are_hashed_unless_asked_for(tmp_path: Path) -> None:
    first, second = tmp_path / "1.db", tmp_path / "2.db"
    for path in (first, second):
        await one_row(path, Caller(principal="key", project="same", user="same", client="", session="s"))
    (named,), (row,), (again,) = [await exported(first, "csv", names=names) for names in (True, False, False)]
    (elsewhere,) = await exported(second, "csv", names=False)
    assert [named[name] for name in NAMED] == ["key", "same", "same", "s", ""]
    assert row == again
    for name in ("principal", "project", "user", "session"):
        assert len(row[name]) == 16 and int(row[name], 16) >= 0
        assert row[name] != elsewhere[name], "another ledger has another salt"
    assert row["project"] != row["user"], "the same name in another column is another hash"
    assert row["client"] == "", "no name stays no name"


async def test_what_is_missing_is_told(tmp_path: Path) -> None:
    with pytest.raises(HouseFault, match=r"broke off: .*none\.db is not there"):
        await exported(tmp_path / "none.db", "csv")


async def test_ranges_are_those_of_reports(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    clock = await fill(path, 200, days=2)
    middle_ms = clock.ms - 86_400_000
    async with opened(path, clock) as (_, ledger):
        (wanted,) = await ledger.reports.costs("all", since_ms=middle_ms, until_ms=clock.ms)
    options = ExportOptions(format="jsonl", since_ms=middle_ms, until_ms=clock.ms)
    async with stream_export(path, options) as chunks:
        lines = b"".join([chunk async for chunk in chunks]).splitlines()
    rows = [msgspec.json.decode(line) for line in lines]
    assert sum(row["requests"] for row in rows) == wanted.requests < 200
    assert sum(row["cost_nano_usd"] for row in rows) == wanted.cost_nano_usd


async def test_leaving_ends_the_child(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    await fill(path, 2_000)
    with trio.move_on_after(30) as scope:
        async with stream_export(path, ExportOptions()) as chunks:
            child = chunks._child
            assert await anext(chunks)
            scope.cancel()
            await anext(chunks)
    assert scope.cancelled_caught
    assert child.returncode is not None
    with pytest.raises(ProcessLookupError):
        os.kill(child.pid, 0)


async def test_a_program_that_cannot_be_started_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.executable", str(tmp_path / "no-python"))
    with pytest.raises(HouseFault, match="could not be started"):
        await exported(tmp_path / "ledger.db", "csv")


def test_an_empty_export_is_well_formed() -> None:
    texts = {form: b"".join(write_rows([], layout, {})).decode() for form, layout in LAYOUTS.items()}
    assert texts["csv"].strip().split(",") == list(COLUMNS)
    assert msgspec.json.decode(texts["json"]) == []
    assert texts["jsonl"] == ""


def test_the_program_in_this_process(tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    path = tmp_path / "ledger.db"
    trio.run(fill, path, 50)
    assert main([str(path), "--format", "jsonl", "--names"]) == 0
    lines = capfdbinary.readouterr().out.splitlines()
    assert sum(msgspec.json.decode(line)["requests"] for line in lines) == 50
    assert main([str(tmp_path / "no.db")]) == 1
    assert b"is not there" in capfdbinary.readouterr().err


@given(st.text())
def test_any_text_is_one_cell_that_is_no_formula(text: str) -> None:
    (row,) = csv.reader(io.StringIO(f"{csv_cell(text)},1\r\n", newline=""), strict=True)
    told, one = row
    assert one == "1"
    assert told in (text, f"'{text}")
    assert not told.lstrip(" ").startswith(("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠"))  # noqa: RUF001


@given(st.text())
def test_any_text_is_json(text: str) -> None:
    assert msgspec.json.decode(json_text(text)) == text


def test_texts_are_kept_within_bounds() -> None:
    made: list[str] = []

    def write(text: str) -> str:
        made.append(text)
        return text.upper()

    kept = Kept(write)
    assert [kept["a"], kept["a"], kept["b"]] == ["A", "A", "B"]
    assert made == ["a", "b"]
    for number in range(MOST_KEPT + 5):
        assert kept[str(number)] == str(number)
    assert len(kept) < MOST_KEPT


def test_a_hash_needs_the_salt() -> None:
    first, second = hasher(b"1" * 32, "user"), hasher(b"2" * 32, "user")
    assert first("ann") == hasher(b"1" * 32, "user")("ann") != second("ann")
    assert first("ann") != first("Ann")


def test_columns_are_those_of_the_rows() -> None:
    assert set(PLAIN) | set(NAMED) < set(COLUMNS)


def test_a_reader_who_leaves_is_told_nothing(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    trio.run(fill, path, 2_000)
    command = command_of(path, ExportOptions(format="jsonl"))
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as child:
        assert child.stdout is not None and child.stderr is not None
        assert child.stdout.read(10)
        child.stdout.close()
        assert child.wait(30) == 1
        assert child.stderr.read() == b""


def test_requests_that_asked_several_models_are_read_together(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "ledger.db"
    trio.run(fill, path, 400)

    def exported_rows() -> list[tuple[object, ...]]:
        layout = LAYOUTS["csv"]
        with open_snapshot(path) as snapshot:
            return sorted(read_rows(snapshot, Range(0, 2**40), layout.first, layout.numbers))

    at_once = exported_rows()
    assert sum("attempt," in str(row[2]) for row in at_once) > 4
    monkeypatch.setattr(export_rows, "MIXED_AT_ONCE", 2)
    assert exported_rows() == at_once
