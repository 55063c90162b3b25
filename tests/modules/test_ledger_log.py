"""The module ledger_log: what it writes is the ledger, and no trouble with its disk reaches anybody."""

import json
import logging
import os
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest.mock import patch

import msgspec
import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st
from trio.testing import MockClock

from lodestard.domain.closing import Closed, Closing
from lodestard.domain.money import parse_nano_usd
from lodestard.domain.news import AttemptEnded, BudgetAlert, RequestEnded
from lodestard.domain.request import Caller
from lodestard.domain.upstream import Target
from lodestard.domain.usage import Usage
from lodestard.ledger import verify
from lodestard.modules import ledger_log
from lodestard.modules.ledger_log import loop
from lodestard.modules.ledger_log.files import append, delete_old, file_of
from lodestard.modules.ledger_log.lines import day_of, moment, write_line
from lodestard.modules.ledger_log.settings import LedgerLogSettings
from lodestard.runtime import Runtime
from lodestard.store import open_snapshot
from tests.fakes.rooms import ScriptedSender, make_runtime
from tests.fakes.world import Stage, eventually, open_world

ATTEMPT = AttemptEnded(
    target=Target("openai", "gpt-4o"),
    outcome="ok",
    total_ns=1_234_567,
    first_piece_ns=None,
    usage=Usage(prompt_tokens=10, completion_tokens=5, cached_tokens=2),
    durations=None,
    cost_nano_usd=1_234_500,
    hold_nano_usd=9_000_000,
    price="abc",
    request_id="req_1",
    ordinal=1,
    state="captured",
)
REQUEST = RequestEnded(
    request_id="req_1",
    caller=Caller(user="alice", project="", client="aider"),
    alias="gpt-4o",
    attempts=1,
    cost_nano_usd=1_234_500,
    closing=Closing(outcome="ok", status=200, cache="miss", target=Target("openai", "gpt-4o")),
    figures=Closed(received_ms=1_790_000_000_000, project="site", cost_nano_usd=1_234_500, baseline_nano_usd=7),
)
ALERT = BudgetAlert(
    budget="team", scope="user", value="alice", unit="usd", level=80, used=8, limit=10, window_start_ms=0,
    window_end_ms=None, hard=True, text="near",
)  # fmt: skip


@pytest.fixture
def clock() -> MockClock:
    """Lines are written on a real thread."""
    return MockClock(autojump_threshold=0.02)


@asynccontextmanager
async def logging_to(folder: Path, **settings: Any) -> AsyncIterator[Runtime]:
    async with trio.open_nursery() as nursery:
        runtime = replace(make_runtime(nursery, ScriptedSender({})), state_dir=folder)
        nursery.start_soon(ledger_log.MODULE.run, runtime, LedgerLogSettings(enabled=True, **settings))
        await trio.sleep(0.1)
        yield runtime
        nursery.cancel_scope.cancel()


def lines_in(folder: Path) -> list[dict[str, Any]]:
    files = sorted((folder / "ledger-log").glob("*.jsonl"))
    return [json.loads(line) for file in files for line in file.read_text().splitlines()]


# -- lines -------------------------------------------------------------------------------------------------------


def test_an_attempt_s_line() -> None:
    line = json.loads(write_line(1_790_000_000_004, ATTEMPT))
    assert line == {
        "at": "2026-09-21T14:13:20.004Z",
        "event": "attempt",
        "request": "req_1",
        "ordinal": 1,
        "upstream": "openai",
        "model": "gpt-4o",
        "outcome": "ok",
        "state": "captured",
        "hold_nano_usd": 9_000_000,
        "hold_usd": "0.009000000",
        "cost_nano_usd": 1_234_500,
        "cost_usd": "0.001234500",
        "price": "abc",
        "total_us": 1_234,
        "tokens": {"prompt": 10, "completion": 5, "cached": 2},
    }
    assert json.loads(write_line(0, msgspec.structs.replace(ATTEMPT, usage=None)))["tokens"] is None


def test_a_request_s_and_an_alert_s_line() -> None:
    line = json.loads(write_line(0, REQUEST))
    wanted = ("event", "user", "project", "client", "received", "cost_usd", "baseline_usd")
    assert [line[name] for name in wanted] == [
        "request", "alice", "site", "aider", "2026-09-21T14:13:20.000Z", "0.001234500", "0.000000007",
    ]  # fmt: skip
    nothing = msgspec.structs.replace(REQUEST, figures=Closed(), closing=Closing(outcome="x", status=1, cache=""))
    assert "baseline_usd" not in json.loads(write_line(0, nothing))
    alert = json.loads(write_line(0, ALERT))
    assert (alert["event"], alert["limit_usd"], alert["window_end"]) == ("budget_alert", "0.000000010", None)
    ends = msgspec.structs.replace(ALERT, unit="tokens", window_end_ms=1)
    assert json.loads(write_line(0, ends))["window_end"] == "1970-01-01T00:00:00.001Z"
    assert "limit_usd" not in json.loads(write_line(0, ends))


@given(st.text(max_size=50), st.integers(0, 10**15))
def test_a_line_is_one_line_and_exact(text: str, nano_usd: int) -> None:
    named = msgspec.structs.replace(REQUEST, alias=text.encode(errors="replace").decode())
    for news in (named, msgspec.structs.replace(ATTEMPT, cost_nano_usd=nano_usd)):
        data = write_line(nano_usd % 10**12, news)
        assert data.count(b"\n") == 1
        line = json.loads(data)
        assert parse_nano_usd(line["cost_usd"]) == line["cost_nano_usd"]


@given(st.integers(0, 10**13))
def test_moments_are_iso(at_ms: int) -> None:
    from datetime import UTC, datetime

    assert datetime.fromisoformat(moment(at_ms)) == datetime.fromtimestamp(at_ms // 1_000, UTC).replace(
        microsecond=at_ms % 1_000 * 1_000
    )


# -- files -------------------------------------------------------------------------------------------------------


def test_files_are_private_and_mended(tmp_path: Path) -> None:
    folder = tmp_path / "a" / "log"
    append(folder, "2026-11-25", b"1\n")
    file = file_of(folder, "2026-11-25")
    assert file.stat().st_mode & 0o777 == 0o600
    assert folder.stat().st_mode & 0o777 == 0o700
    file.write_bytes(b'1\n{"cut')
    append(folder, "2026-11-25", b"2\n")
    assert file.read_bytes() == b'1\n{"cut\n2\n'


def test_what_is_written_half_is_cut_off_again(tmp_path: Path) -> None:
    append(tmp_path, "2026-11-25", b"1\n")
    real = os.write

    def half(descriptor: int, data: Any) -> int:
        if len(data) < 4:
            raise OSError(28, "No space left on device")
        return real(descriptor, bytes(data)[:4])

    with patch("os.write", half), pytest.raises(OSError, match="No space"):
        append(tmp_path, "2026-11-25", b"222\n3\n")
    assert file_of(tmp_path, "2026-11-25").read_bytes() == b"1\n"


def test_old_files_are_deleted_and_others_are_not(tmp_path: Path) -> None:
    names = ("ledger-2026-11-20.jsonl", "ledger-2026-11-21.jsonl", "ledger-2026-13-41.jsonl", "ledger-old.jsonl", "x")
    for name in names:
        (tmp_path / name).touch()
    assert delete_old(tmp_path, "2026-11-23", 3) == [names[0]]
    assert {path.name for path in tmp_path.iterdir()} == set(names[1:])
    assert delete_old(tmp_path / "nowhere", "2026-11-23", 3) == []


# -- the module --------------------------------------------------------------------------------------------------


async def test_lines_are_written_within_a_second_or_two(clock: MockClock, tmp_path: Path) -> None:
    async with logging_to(tmp_path) as runtime:
        with patch.object(loop, "append", side_effect=append) as appended:
            for _ in range(20):
                runtime.hooks.attempt_ended.tell(ATTEMPT)
                runtime.hooks.request_ended.tell(REQUEST)
                await trio.sleep(0.1)
            runtime.hooks.budget_alert.tell(ALERT)
            await trio.sleep(1.5)
            assert appended.call_count <= 4
        assert [line["event"] for line in lines_in(tmp_path)] == ["attempt", "request"] * 20 + ["budget_alert"]
        runtime.hooks.attempt_ended.tell(ATTEMPT)
        status: Any = runtime.hooks.status_parts["ledger_log"]()
        assert (status["waiting"], status["dropped"]) == (1, 0)
    assert len(lines_in(tmp_path)) == 42  # leaving writes what was waiting
    assert "ledger_log" not in runtime.hooks.status_parts


async def test_days_are_the_ledger_s(clock: MockClock, tmp_path: Path) -> None:
    async with trio.open_nursery() as nursery:
        runtime = replace(make_runtime(nursery, ScriptedSender({})), state_dir=tmp_path, timezone="Pacific/Auckland")
        nursery.start_soon(ledger_log.MODULE.run, runtime, LedgerLogSettings(enabled=True, keep_days=2))
        await trio.sleep(1)
        for _ in range(4):
            runtime.hooks.attempt_ended.tell(ATTEMPT)
            await trio.sleep(86_400)
        runtime.hooks.attempt_ended.tell(ATTEMPT)
        await trio.sleep(3)
        nursery.cancel_scope.cancel()
    assert [file.name for file in sorted((tmp_path / "ledger-log").iterdir())] == [
        "ledger-2026-09-25.jsonl", "ledger-2026-09-26.jsonl",
    ]  # fmt: skip
    assert day_of(1_790_000_000_000, runtime_zone("Pacific/Auckland")) == "2026-09-22"


def runtime_zone(name: str) -> Any:
    from zoneinfo import ZoneInfo

    return ZoneInfo(name)


async def test_a_full_disk_is_told_once_and_heals(
    clock: MockClock, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "lodestard")
    (tmp_path / "ledger-log").touch()  # where a folder should be
    async with logging_to(tmp_path) as runtime:
        for number in range(5):
            runtime.hooks.attempt_ended.tell(msgspec.structs.replace(ATTEMPT, ordinal=number))
            await trio.sleep(20)
        assert caplog.text.count("can't be written, trying again") == 1
        status: Any = runtime.hooks.status_parts["ledger_log"]()
        assert (status["waiting"], status["trouble"]) == (5, "File exists")
        (tmp_path / "ledger-log").unlink()
        await trio.sleep(40)
        assert [line["ordinal"] for line in lines_in(tmp_path)] == [0, 1, 2, 3, 4]
        assert "can be written again; 0 lines were dropped" in caplog.text


async def test_what_is_too_much_is_dropped_and_counted(
    clock: MockClock, tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loop, "MOST_WAITING", 3)
    (tmp_path / "ledger-log").touch()
    async with logging_to(tmp_path) as runtime:
        for number in range(8):
            runtime.hooks.attempt_ended.tell(msgspec.structs.replace(ATTEMPT, ordinal=number))
        (tmp_path / "ledger-log").unlink()
        await trio.sleep(3)
        assert [line["ordinal"] for line in lines_in(tmp_path)] == [0, 1, 2]
        status: Any = runtime.hooks.status_parts["ledger_log"]()
        assert status["dropped"] == 5
    assert caplog.text.count("lines are dropped from now on") == 1


@pytest.mark.parametrize("seed", range(3))
async def test_the_sums_of_the_log_are_the_ledger_s_whatever_happens(tmp_path: Path, seed: int) -> None:
    dice = random.Random(seed)
    stage = Stage((ledger_log.MODULE,))
    aliases = ("gpt-4o-mini", "gpt-4o", "grok-beta", "local-llama", "paid-first", "gone-first", "unpriced")
    faults = (None, None, None, "status=503", "cut=10", "no-usage", "cut=0", "reset")
    overlay = "[modules.ledger_log]\nenabled = true\n"
    async with open_world(tmp_path, overlay, stage=stage) as world:
        await eventually(lambda: "ledger_log" in world.house.runtime.hooks.status_parts, "the module")

        async def ask_some(number: int) -> None:
            for turn in range(6):
                world.openai.fail(dice.choice(faults))
                world.xai.fail(dice.choice(faults))
                alias, stream = dice.choice(aliases), dice.random() < 0.5
                if dice.random() < 0.2:
                    async with world.open() as talk:  # asks, and leaves
                        await talk.send("POST", "/v1/chat/completions", question(alias, f"{number} {turn}", stream))
                else:
                    await world.ask(alias, f"{number} {turn}", stream=stream)
            if number == 0:
                await world.house.reload()

        async with trio.open_nursery() as nursery:
            for number in range(4):
                nursery.start_soon(ask_some, number)
        await world.settle()
        rows = {row.id: row for row in await world.rows()}
        attempts = {
            (row.id, attempt.ordinal): attempt
            for row in rows.values()
            for attempt in (await world.explain(row.id)).attempts
        }
    lines = lines_in(tmp_path / "state")
    told = {
        (line["request"], line["ordinal"]): line for line in lines if line["event"] == "attempt" and line["state"]
    }
    with open_snapshot(tmp_path / "state" / "ledger.db") as snapshot:
        books = verify(snapshot, idle=True).books
    cost = sum(line["cost_nano_usd"] for line in told.values())
    assert cost == books.get("spent", 0) + books.get("unknown", 0) > 0
    unheld = {key for key, attempt in attempts.items() if attempt.reason == "the caller left before it was dialled"}
    assert told.keys() == attempts.keys() - unheld
    for key, line in told.items():
        attempt = attempts[key]
        assert (line["state"], line["cost_nano_usd"], line["hold_nano_usd"], line["price"]) == (
            attempt.state, attempt.cost_nano_usd, attempt.held_nano_usd, attempt.price,
        )  # fmt: skip
    assert sorted(line["request"] for line in lines if line["event"] == "request") == sorted(rows)


def question(alias: str, text: str, stream: bool) -> dict[str, Any]:
    return {"model": alias, "messages": [{"role": "user", "content": text}], "stream": stream}
