"""The module statusline by itself: when it writes, what it writes, and that it leaves nothing behind."""

import os
import stat
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import msgspec
import pytest
import trio
from trio.testing import MockClock

from lodestard.domain.residency import HostState, PlaceState
from lodestard.domain.settings import Ledger, Settings
from lodestard.ledger import CostRow, Totals
from lodestard.modules.statusline import MODULE
from lodestard.modules.statusline.card import say_cards
from lodestard.modules.statusline.settings import StatuslineSettings
from lodestard.modules.statusline.writer import run_statusline, spent_before
from lodestard.runtime import Runtime
from tests.fakes.residency_desk import FakeResidency
from tests.fakes.rooms import FakeLedger, ScriptedSender, make_runtime

ROWS = (
    CostRow(key="2026-10-31", cost_nano_usd=1_000_000),
    CostRow(key="2026-11-01", cost_nano_usd=20),
    CostRow(key="2026-11-24", cost_nano_usd=3),
    CostRow(key="2026-11-25", cost_nano_usd=500),
)


@pytest.fixture(autouse=True)
def inline(monkeypatch: pytest.MonkeyPatch) -> None:
    """No thread writes the file: time would jump while it works."""

    async def run_here(work: Callable[..., object], *arguments: object) -> object:
        await trio.lowlevel.checkpoint()
        return work(*arguments)

    monkeypatch.setattr(trio.to_thread, "run_sync", run_here)


@dataclass(slots=True, eq=False)
class CountingLedger(FakeLedger):
    """``now`` are today's figures; ``rows`` what its reports say."""

    now: Totals = field(default_factory=lambda: Totals(day="2026-11-25", spent_today_nano_usd=500))
    rows: Sequence[CostRow] = ROWS
    asked: list[dict[str, Any]] = field(default_factory=list)

    @property
    def reports(self) -> "CountingLedger":
        return self

    async def costs(self, by: str, **members: Any) -> Sequence[CostRow]:
        await trio.lowlevel.checkpoint()
        self.asked.append({"by": by, **members})
        return self.rows

    def totals(self) -> Totals:
        return self.now

    def change(self, **members: Any) -> None:
        self.now = msgspec.structs.replace(self.now, **members)


@dataclass
class Writing:
    """The module at work, and its file."""

    runtime: Runtime
    ledger: CountingLedger
    file: Path

    @property
    def body(self) -> dict[str, Any]:
        return dict(msgspec.json.decode(self.file.read_bytes()))


@asynccontextmanager
async def writing(
    folder: Path, *, baseline: str = "openai/gpt-4o", residency: FakeResidency | None = None
) -> AsyncIterator[Writing]:
    ledger = CountingLedger()
    async with trio.open_nursery() as nursery:
        runtime = make_runtime(
            nursery, ScriptedSender({}), settings=Settings(ledger=Ledger(baseline=baseline), upstreams={})
        )
        runtime = replace(runtime, ledger=ledger, run_dir=folder, timezone="Europe/Berlin")  # type: ignore[arg-type]
        runtime = replace(runtime, residency=residency)
        nursery.start_soon(MODULE.run, runtime, StatuslineSettings())
        await trio.sleep(0.5)
        yield Writing(runtime, ledger, folder / "statusline.json")
        nursery.cancel_scope.cancel()


async def test_today_s_figures_are_in_the_file(tmp_path: Path, autojump_clock: MockClock) -> None:
    async with writing(tmp_path / "run") as at_work:
        at_work.ledger.change(saved_today_nano_usd=7, budget_percent=63, open_requests=2)
        await trio.sleep(1)
        body = at_work.body
        assert body.pop("at_ms") > 0
        assert body == {
            "cost_today_nano_usd": 500,
            "saved_today_nano_usd": 7,
            "cost_month_nano_usd": 523,
            "budget_percent": 63,
            "requests_under_way": 2,
            "card": "",
            "use": "",
        }
        assert at_work.ledger.asked == [
            {"by": "day", "since_ms": at_work.ledger.asked[0]["since_ms"], "timezone": "Europe/Berlin"}
        ]
    assert not at_work.file.exists()


LOADING = HostState(host="t600", step="loading", step_model="hf.co/x/deepseek-coder:6.7b", step_left_s=3.6)
WAITS = PlaceState(request_id="1", model="m", state="waiting", rank="interactive", for_s=1)
RUNS = PlaceState(request_id="2", model="m", state="running", rank="interactive", for_s=1)


@pytest.mark.parametrize(
    ("states", "said"),
    [
        ([], ""),
        ([HostState(host="t600", step="idle")], ""),
        ([HostState(host="t600", step="serving", step_model="m", places=(RUNS,))], ""),
        ([HostState(host="t600", step="serving", step_model="m", places=(RUNS, WAITS, WAITS))], "t600 2 waiting"),
        ([LOADING], "t600 loading deepseek-coder 4s"),
        ([msgspec.structs.replace(LOADING, step_left_s=0.1)], "t600 loading deepseek-coder 1s"),
        ([msgspec.structs.replace(LOADING, step="draining", step_left_s=None)], "t600 draining deepseek-coder"),
        (
            [LOADING, HostState(host="idle", step="idle"), *[HostState(host="b", step="idle", places=(WAITS,))] * 2],
            "t600 loading deepseek-coder 4s - b 1 waiting",
        ),
        ([msgspec.structs.replace(LOADING, host='a,"b\\', step_model="é\n" + "m" * 60)], f"ab loading {'m' * 22} 4s"),
    ],
)
def test_what_a_prompt_says_of_cards(states: list[HostState], said: str) -> None:
    assert say_cards(states) == said


async def test_a_load_is_in_the_file(tmp_path: Path, autojump_clock: MockClock) -> None:
    residency = FakeResidency({"t600": LOADING})
    async with writing(tmp_path / "run", residency=residency) as at_work:
        assert at_work.body["card"] == "t600 loading deepseek-coder 4s"
        residency.change("t600", step="serving")
        await trio.sleep(1)
        assert at_work.body["card"] == ""


async def test_everybody_who_may_enter_its_folder_may_read_it(tmp_path: Path, autojump_clock: MockClock) -> None:
    before = os.umask(0o077)
    try:
        async with writing(tmp_path / "run") as at_work:
            assert stat.S_IMODE(at_work.file.stat().st_mode) == 0o644
    finally:
        os.umask(before)


async def test_it_is_written_when_something_changes_or_it_would_seem_dead(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    async with writing(tmp_path / "run") as at_work:
        first = at_work.file.stat().st_ino, at_work.body["at_ms"]
        await trio.sleep(15)
        assert (at_work.file.stat().st_ino, at_work.body["at_ms"]) == first
        await trio.sleep(6)
        assert at_work.body["at_ms"] > first[1]
        at_work.ledger.change(spent_today_nano_usd=501)
        await trio.sleep(1.1)
        assert at_work.body["cost_today_nano_usd"] == 501
        assert [name.name for name in at_work.file.parent.iterdir()] == ["statusline.json"]


async def test_the_month_is_asked_for_when_the_day_changes_and_now_and_then(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    async with writing(tmp_path / "run") as at_work:
        await trio.sleep(60)
        assert len(at_work.ledger.asked) == 1
        at_work.ledger.change(day="2026-11-26", spent_today_nano_usd=9)
        await trio.sleep(1.1)
        assert len(at_work.ledger.asked) == 2
        assert at_work.body["cost_month_nano_usd"] == 532
        at_work.ledger.change(day="2026-12-01", spent_today_nano_usd=1)
        await trio.sleep(1.1)
        assert at_work.body["cost_month_nano_usd"] == 1
        await trio.sleep(602)
        assert len(at_work.ledger.asked) == 4


async def test_without_a_baseline_nothing_is_said_to_be_saved(tmp_path: Path, autojump_clock: MockClock) -> None:
    async with writing(tmp_path / "run", baseline="") as at_work:
        assert at_work.body["saved_today_nano_usd"] is None


async def test_a_folder_that_can_not_be_written_is_told_once(
    tmp_path: Path, autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    blocked = tmp_path / "run"
    blocked.write_text("a file where the folder should be")
    async with writing(blocked) as at_work:
        await trio.sleep(60)
        assert caplog.text.count("can't be written") == 1
        blocked.unlink()
        await trio.sleep(25)
        assert at_work.body["cost_today_nano_usd"] == 500
    assert not at_work.file.exists()


async def test_another_s_file_is_not_removed(tmp_path: Path, autojump_clock: MockClock) -> None:
    async with writing(tmp_path / "run") as at_work:
        at_work.file.write_text('{"at_ms":1}')
    assert at_work.file.read_text() == '{"at_ms":1}'
    async with writing(tmp_path / "run") as at_work:
        at_work.file.unlink()
    assert not at_work.file.exists()


async def test_a_house_without_a_run_folder_has_no_file(autojump_clock: MockClock) -> None:
    async with trio.open_nursery() as nursery:
        runtime = make_runtime(nursery, ScriptedSender({}))
        assert runtime.run_dir is None
        with trio.fail_after(1):
            await run_statusline(runtime, StatuslineSettings())


def test_only_this_month_s_days_before_today_count() -> None:
    assert spent_before("2026-11-25", ROWS) == 23
    assert spent_before("2026-11-01", ROWS) == 0
    assert spent_before("2026-12-01", ROWS) == 0
