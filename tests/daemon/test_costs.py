"""Costs through the real processes: every view, every document and every row sum to what the ledger spent."""

import csv
import io
import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

from tests.fakes.process import PAID_MODEL, QUIET, Daemon, World, overlay

pytestmark = pytest.mark.daemon
LEVERS = ("saved_local_nano_usd", "saved_cache_nano_usd", "saved_cheaper_nano_usd", "saved_prompt_cache_nano_usd")


@pytest.fixture(scope="module")
def house(world: World, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    """One that has answered some questions: paid, free, from the cache, and one whose cost nobody knows."""
    settings = overlay(world.settings(), QUIET)
    dear = {"input": "3", "output": "15", "max_output_tokens": 64000}
    ledger = {"baseline": "dear/big", "timezone": "UTC", "anonymise": False}
    more = {"ledger": ledger, "prices": {"dear/big": dear}, "upstreams": {"dear": settings["upstreams"]["paid"]}}
    daemon = Daemon(tmp_path_factory.mktemp("d"), overlay(settings, more))
    try:
        daemon.start()
        for number in range(5):
            daemon.ask("paid", f"a paid question, number {number}")
            daemon.ask("auto", f"a free question, number {number}")
        daemon.ask("paid", "the same again", temperature=0)
        daemon.ask("paid", "the same again", temperature=0)
        daemon.stream("cut", "one that breaks off").rest()
        daemon.ask("busy", "one that is refused")
        daemon.wait_idle()
        yield daemon
    finally:
        daemon.end()


def spent(house: Daemon) -> int:
    return int(house.verify()["cost_nano_usd"])


def nano(text: str) -> int:
    """``$0.0012345`` → nano-USD, exactly."""
    whole, _, decimals = text.strip().lstrip("$").replace(",", "").partition(".")
    return int(whole + decimals.ljust(9, "0"))


GROUPS = (
    "model", "provider", "project", "user", "session", "task", "client", "alias", "upstream", "principal",
    "hour", "day", "week", "month",
)  # fmt: skip


@pytest.mark.parametrize("by", GROUPS)
def test_every_grouping_sums_to_what_was_spent(house: Daemon, by: str) -> None:
    report = house.ctl_json("costs", "--by", by)
    assert sum(row["cost_nano_usd"] for row in report["rows"]) == report["total"]["cost_nano_usd"] == spent(house) > 0
    assert sum(row["requests"] for row in report["rows"]) == report["total"]["requests"] == 14
    for row in [*report["rows"], report["total"]]:
        assert sum(row[lever] for lever in LEVERS) == row["saved_nano_usd"]


def test_the_whole_picture(house: Daemon) -> None:
    report = house.ctl_json("costs")
    total = report["total"]
    assert total["saved_local_nano_usd"] > 0
    assert total["saved_cache_nano_usd"] > 0
    assert (total["cache_hits"], total["free_requests"], total["failed"]) == (1, 5, 2)
    assert sum(row["cost_nano_usd"] for row in report["trend"]["rows"]) == spent(house)
    assert report["projection"]["spent_nano_usd"] == spent(house)
    assert report["projection"]["reason"].startswith("0 of the 14 days")
    screen = house.ctl("costs").stdout
    assert "Saved by what, against dear/big" in screen
    assert "can't be said: 0 of the 14 days" in screen
    (line,) = [line for line in screen.splitlines() if line.startswith("  all ")]
    assert nano(line.split("$")[1]) == spent(house)
    assert "Saved by  local model $" in house.ctl("status").stdout
    assert "By day" not in house.ctl("costs", "--by", "user").stdout


@pytest.mark.parametrize("form", ["markdown", "html"])
def test_a_report_says_the_same(house: Daemon, form: str) -> None:
    data = house.ctl_json("costs", "report")
    assert data["total"]["cost_nano_usd"] == spent(house)
    assert data["settled"] is True
    for section in data["sections"]:
        assert sum(row["cost_nano_usd"] for row in section["rows"]) == spent(house)
    name = house.folder / f"report.{form}"
    done = house.ctl("costs", "report", "--format", form, "-o", str(name))
    assert done.returncode == 0, done.stderr
    text = name.read_text("utf-8")
    assert f"paid/{PAID_MODEL}" in text
    assert "charged at the worst case" in text
    totals = re.findall(r"\*\*all\*\*.*?\*\*\$([\d.]+)\*\*|<tfoot>.*?\$([\d.]+)<", text)
    assert totals.count(totals[-1]) >= 1
    assert [nano(one or other) for one, other in totals].count(spent(house)) == len(data["sections"])


def rows_of(text: str, form: str) -> list[dict[str, Any]]:
    if form == "csv":
        return list(csv.DictReader(io.StringIO(text)))
    return [json.loads(line) for line in text.splitlines()] if form == "jsonl" else list(json.loads(text))


@pytest.mark.parametrize("form", ["csv", "json", "jsonl"])
def test_an_export_has_every_request_and_sums_to_the_same(house: Daemon, form: str) -> None:
    name = house.folder / f"export.{form}"
    done = house.ctl("costs", "export", f"--{form}", "-o", str(name))
    assert done.returncode == 0, done.stderr
    rows = rows_of(name.read_text("utf-8"), form)
    assert len(rows) == 14
    assert sum(int(row["cost_nano_usd"]) for row in rows) == spent(house)
    assert not list(house.folder.glob("*.part"))
    assert rows_of(house.ctl("costs", "export", f"--{form}").stdout, form) == rows
