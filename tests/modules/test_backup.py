"""The module backup by itself: when one is due, what happens when it fails, and what it tells."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, time
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st
from trio.testing import MockClock

from lodestard.control.verbs.checkup import BackupFacts, Facts, look_at_backups
from lodestard.control.verbs.doctor import _check_backups
from lodestard.domain.backup import (
    Backup,
    BackupRules,
    BusyFault,
    LedgerMark,
    Made,
    Manifest,
    Shelf,
    Step,
    Tell,
    Verified,
)
from lodestard.domain.errors import Code, HouseFault
from lodestard.domain.news import Alert
from lodestard.modules.backup import MODULE
from lodestard.modules.backup.loop import AFTER_TROUBLE_S, LOOK_S, SETTLE_S
from lodestard.modules.backup.schedule import LATE_MS, is_due, is_late, last_due_ms
from lodestard.modules.backup.settings import BackupSettings
from lodestard.modules.backup.words import describe_last
from lodestard.modules.metrics.backups import collect_backups
from lodestard.runtime import Runtime
from tests.fakes.rooms import ScriptedSender, make_runtime

BERLIN = ZoneInfo("Europe/Berlin")
H_MS = 3_600_000
MANIFEST = Manifest(format=1, id="x", at_ms=0, versions={}, ledger=LedgerMark(), parts=())


@dataclass
class FakeBackups:
    """Makes one whenever it is asked, or fails as often as ``faults`` says."""

    clock: Any
    faults: int = 0
    there: list[Backup] = field(default_factory=list)
    tried_ms: list[int] = field(default_factory=list)
    verified: list[str] = field(default_factory=list)

    async def make(self, _rules: BackupRules, tell: Tell) -> Made:
        self.tried_ms.append(self.clock.now_ms())
        if len(self.tried_ms) <= self.faults:
            raise HouseFault(Code.STORE_UNAVAILABLE, "/b: its disk is full; make room")
        tell(Step(what="copying", done=1, total=2))
        now_ms = self.clock.now_ms()
        made = Backup(id=str(now_ms), file="/b/x", at_ms=now_ms, bytes=7, verified_ms=now_ms, kept=("latest",))
        self.there.append(made)
        return Made(backup=made, manifest=MANIFEST, took_ms=1)

    async def shelf(self, _rules: BackupRules) -> Shelf:
        return Shelf(folder="/b", backups=tuple(self.there), same_disk=True)

    async def verify(self, _rules: BackupRules, which: str) -> Verified:
        self.verified.append(which)
        return Verified(file=which, faults=("it is cut short",))


@asynccontextmanager
async def running(**how: Any) -> AsyncIterator[tuple[Runtime, FakeBackups]]:
    async with trio.open_nursery() as nursery:
        runtime = make_runtime(nursery, ScriptedSender({}))
        backups = FakeBackups(runtime.clock, **how)
        runtime = replace(runtime, backups=backups)
        nursery.start_soon(MODULE.run, runtime, BackupSettings())
        yield runtime, backups
        nursery.cancel_scope.cancel()


# -- when --------------------------------------------------------------------------------------------------------


def at(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=BERLIN).timestamp()) * 1_000


@pytest.mark.parametrize(
    ("now", "due"),
    [
        ("2026-11-26 03:30", "2026-11-26 03:30"),
        ("2026-11-26 03:29", "2026-11-25 03:30"),
        ("2026-03-29 12:00", "2026-03-29 03:30"),
        ("2026-10-25 12:00", "2026-10-25 03:30"),
    ],
)
def test_the_last_time_that_one_was_due(now: str, due: str) -> None:
    assert last_due_ms(at(now), "03:30", BERLIN) == at(due)


@given(st.integers(1_577_836_800_000, 2_051_222_400_000), st.times())
def test_one_a_day_whatever_the_clocks_do(now_ms: int, moment: time) -> None:
    text = moment.strftime("%H:%M")
    due_ms = last_due_ms(now_ms, text, BERLIN)
    assert 0 <= now_ms - due_ms < 25 * H_MS
    assert is_due(now_ms, None, text, BERLIN)
    assert is_due(now_ms, due_ms - 1, text, BERLIN)
    assert not is_due(now_ms, due_ms, text, BERLIN)


def test_late_only_where_somebody_could_have_made_it() -> None:
    now_ms = at("2026-11-26 12:00")
    assert is_late(now_ms, at("2026-11-25 03:31"), 0, "03:30", BERLIN)
    assert not is_late(now_ms, at("2026-11-25 03:31"), now_ms - LATE_MS, "03:30", BERLIN)
    assert not is_late(now_ms, at("2026-11-26 03:31"), 0, "03:30", BERLIN)


# -- the loop ----------------------------------------------------------------------------------------------------


async def test_a_missed_one_is_made_after_the_start_and_then_one_a_day(autojump_clock: MockClock) -> None:
    async with running() as (runtime, backups):
        await trio.sleep(SETTLE_S - 1)
        assert not backups.tried_ms
        await trio.sleep(2)
        assert len(backups.tried_ms) == 1
        await trio.sleep(3 * 86_400)
        assert len(backups.tried_ms) == 4
        part: Any = runtime.hooks.status_parts["backup"]()
        assert part["figures"]["backups"] == 4


async def test_a_failed_one_is_told_once_and_tried_again(autojump_clock: MockClock) -> None:
    told: list[Alert] = []
    async with running(faults=3) as (runtime, backups):
        runtime.hooks.alert.always(told.append)
        await trio.sleep(SETTLE_S + 1)
        facts = look_at_backups(runtime)
        assert "disk is full" in facts.trouble
        assert not facts.last_ms
        await trio.sleep(3 * 900)
        assert len(backups.tried_ms) == 4
        assert {alert.key for alert in told} == {told[0].key}
        assert told[0].source == "backup" and "disk is full" in told[0].text
        facts = look_at_backups(runtime)
        assert (facts.trouble, facts.late) == ("", False) and facts.last_ms


async def test_one_from_elsewhere_is_looked_at(autojump_clock: MockClock) -> None:
    async with running() as (_, backups):
        backups.there.append(Backup(id="copied", file="/b/c", at_ms=1, bytes=1))
        await trio.sleep(SETTLE_S + 1)
        assert backups.verified == ["copied"]


async def test_the_verb_tells_how_far_it_is(autojump_clock: MockClock) -> None:
    items: list[Any] = []

    async def emit(item: object) -> None:
        items.append(item)

    async with running(faults=1) as (runtime, backups):
        await trio.sleep(1)
        now = runtime.hooks.verbs["backup.now"].stream
        assert now is not None
        with pytest.raises(HouseFault, match="disk is full"):
            await now({}, emit)
        await now({}, emit)
    assert [next(iter(item)) for item in items] == ["step", "made"]
    assert len(backups.there) == 1


# -- what others make of it --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("backup", "codes"),
    [
        (BackupFacts(last_ms=1), []),
        (BackupFacts(), []),
        (BackupFacts(late=True), ["backup_late"]),
        (BackupFacts(late=True, trouble="no room"), ["backup_failed"]),
        (BackupFacts(last_ms=1, same_disk=True), ["backup_on_the_same_disk"]),
    ],
)
def test_what_the_doctor_finds(backup: BackupFacts, codes: list[str]) -> None:
    assert [found.code for found in _check_backups(Facts(now_ms=1, backup=backup))] == codes


def test_prometheus_gets_no_time_of_nought() -> None:
    assert not list(collect_backups(None))
    assert not list(collect_backups(lambda: {"figures": {"last_ms": 0, "bytes": 0}}))
    moment, size = collect_backups(lambda: {"figures": {"last_ms": 1_500, "bytes": 7}})
    assert (moment.name, moment.samples[0].value) == ("lodestar_backup_last_success_timestamp_seconds", 1.5)
    assert size.samples[0].value == 7


def test_words() -> None:
    assert describe_last(1, None) == "none yet"
    assert describe_last(3 * H_MS + 5, 0) == "3 h ago, verified"
    assert describe_last(0, 5) == "0 s ago, verified"


@pytest.mark.parametrize("how", [{"at": "3:30"}, {"at": "24:00"}, {"dir": "relative"}])
def test_settings_that_mean_nothing(how: dict[str, str]) -> None:
    with pytest.raises(ValueError, match="expected"):
        BackupSettings(**how)  # type: ignore[arg-type]


# -- what must not keep it from its work -------------------------------------------------------------------------


async def test_a_backup_from_the_future_keeps_nobody_from_making_one(autojump_clock: MockClock) -> None:
    async with running() as (runtime, backups):
        ahead_ms = runtime.clock.now_ms() + 400 * 86_400_000
        backups.there.append(Backup(id="ahead", file="/b/a", at_ms=ahead_ms, bytes=1, verified_ms=ahead_ms))
        await trio.sleep(SETTLE_S + 1)
        assert len(backups.tried_ms) == 1
        part: Any = runtime.hooks.status_parts["backup"]()
        assert part["figures"]["last_ms"] == backups.tried_ms[0]


async def test_while_somebody_else_makes_one_nothing_is_wrong(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[Alert] = []

    async def busy(_self: FakeBackups, _rules: BackupRules, _tell: Tell) -> Made:
        raise BusyFault(Code.STORE_UNAVAILABLE, "A backup is being made in /b; wait until it is done.")

    async with running() as (runtime, backups):
        runtime.hooks.alert.always(told.append)
        with monkeypatch.context() as patch:
            patch.setattr(FakeBackups, "make", busy)
            await trio.sleep(SETTLE_S + 1)
        assert not told and not look_at_backups(runtime).trouble
        await trio.sleep(LOOK_S)
        assert len(backups.tried_ms) == 1


async def test_a_folder_that_was_away_is_no_trouble_once_it_is_back(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def away(_self: FakeBackups, _rules: BackupRules) -> Shelf:
        raise HouseFault(Code.STORE_UNAVAILABLE, "/b can't be used")

    async with running() as (runtime, _):
        await trio.sleep(SETTLE_S + 1)
        with monkeypatch.context() as patch:
            patch.setattr(FakeBackups, "shelf", away)
            await trio.sleep(LOOK_S)
        assert look_at_backups(runtime).trouble == "/b can't be used"
        await trio.sleep(AFTER_TROUBLE_S)
        assert not look_at_backups(runtime).trouble


async def test_a_bad_one_does_not_take_the_turn_of_others(autojump_clock: MockClock) -> None:
    async with running() as (_, backups):
        backups.there += [Backup(id=name, file="/b/c", at_ms=1, bytes=1) for name in ("newer", "older")]
        await trio.sleep(SETTLE_S + 1 + 2 * 86_400)
        assert backups.verified == ["older", "newer"]
