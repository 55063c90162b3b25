"""The module alerts by itself: heard once, told until it arrives, kept across restarts and reloads."""

import logging
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import msgspec
import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st
from trio.testing import MockClock

from lodestard.control.messages.alerts import AlertList, AlertsPart, AlertTest
from lodestard.domain.news import Alert, BudgetAlert
from lodestard.modules.alerts import MODULE, loop
from lodestard.modules.alerts.delivery import DeliveryError
from lodestard.modules.alerts.notice import DAY_MS, Notice, alert_of, choose_current, one_line, presentable
from lodestard.modules.alerts.outbox import KEPT, Outbox
from lodestard.modules.alerts.patience import choose_next, is_given_up, pause_s
from lodestard.modules.alerts.settings import AlertsSettings
from lodestard.runtime import Runtime
from tests.fakes.rooms import ScriptedSender, make_runtime

NOW_MS = 1_790_000_000_000
BUDGET = BudgetAlert(
    budget="team",
    scope="user",
    value="alice",
    unit="usd",
    level=80,
    used=8_000_000_000,
    limit=10_000_000_000,
    window_start_ms=NOW_MS - DAY_MS,
    window_end_ms=NOW_MS + 10 * DAY_MS,
    hard=True,
    text="$8.00 of $10.00 are spent.",
)


@pytest.fixture
def clock() -> MockClock:
    """Files are written on real threads, which must not make time jump."""
    return MockClock(autojump_threshold=0.02)


@dataclass
class FakeChannel:
    """``fails`` says why for so many deliveries; ``refused`` titles never get through."""

    name: str = "webhook"
    fails: list[str] = field(default_factory=list)
    refused: tuple[str, ...] = ()
    got: list[str] = field(default_factory=list)
    tried_s: list[float] = field(default_factory=list)

    async def deliver(self, alert: Alert, at_ms: int) -> None:
        await trio.lowlevel.checkpoint()
        self.tried_s.append(trio.current_time())
        if alert.title in self.refused:
            raise DeliveryError("it answers 400")
        if self.fails:
            raise DeliveryError(self.fails.pop(0))
        self.got.append(alert.key)


@asynccontextmanager
async def telling(
    folder: Path, monkeypatch: pytest.MonkeyPatch, *channels: FakeChannel, settings: AlertsSettings | None = None
) -> AsyncIterator[Runtime]:
    """The module at work; leaving ends it as a shutdown does."""
    monkeypatch.setattr(loop, "open_channels", lambda *_: channels)
    async with trio.open_nursery() as nursery:
        runtime = replace(make_runtime(nursery, ScriptedSender({})), state_dir=folder)
        nursery.start_soon(MODULE.run, runtime, settings or AlertsSettings())
        await settle()
        yield runtime
        nursery.cancel_scope.cancel()


async def settle() -> None:
    """Until threads have written and everybody waits."""
    await trio.sleep(0.5)


def an_alert(key: str, **members: Any) -> Alert:
    plain = {"topic": key, "source": "budget", "severity": "warning", "title": key, "text": "Look."}
    return Alert(key=key, **{**plain, **members})


def status_of(runtime: Runtime) -> AlertsPart:
    return msgspec.convert(runtime.hooks.status_parts["alerts"](), AlertsPart)


async def listed(runtime: Runtime, last: int = 50) -> AlertList:
    verb = runtime.hooks.verbs["alerts"]
    assert verb.answer is not None
    return msgspec.convert(await verb.answer({"last": last}), AlertList)


# -- hearing and telling -----------------------------------------------------------------------------------------


async def test_a_budget_alert_is_logged_shown_and_delivered_once(
    clock: MockClock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "lodestard")
    channel = FakeChannel()
    async with telling(tmp_path, monkeypatch, channel) as runtime:
        for _ in range(3):
            runtime.hooks.budget_alert.tell(BUDGET)
        await settle()
        key = f"budget:team:alice:usd:{BUDGET.window_start_ms}:80"
        assert channel.got == [key]
        (shown,) = status_of(runtime).current
        assert (shown.title, shown.text) == ("Budget team of alice: 80 % of its limit", BUDGET.text)
        (row,) = (await listed(runtime)).alerts
        assert (row.key, row.current, row.pending, dict(row.failed)) == (key, True, (), {})
        assert (await listed(runtime, 0)).alerts == ()
    (told,) = [record for record in caplog.records if "80 %" in record.getMessage()]
    figures: Any = vars(told)["lodestar"]
    assert (figures["alert"], figures["budget"], figures["limit_usd"]) == ("budget", "team", "10.000000000")
    async with telling(tmp_path, monkeypatch, channel) as runtime:
        runtime.hooks.budget_alert.tell(BUDGET)
        await settle()
        assert channel.got == [key]
        assert len(status_of(runtime).current) == 1
    assert (tmp_path / "alerts.json").stat().st_mode & 0o777 == 0o600
    assert "alerts" not in runtime.hooks.status_parts
    assert "alerts" not in runtime.hooks.verbs


async def test_what_fails_is_tried_again_with_longer_and_longer_pauses(
    clock: MockClock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    channel = FakeChannel(fails=["it answers 500"] * 3)
    async with telling(tmp_path, monkeypatch, channel) as runtime:
        runtime.hooks.budget_alert.tell(BUDGET)
        await trio.sleep(2)
        assert status_of(runtime).undelivered == 1
        (webhook,) = (await listed(runtime)).channels
        assert (webhook.name, webhook.detail) == ("webhook", "it answers 500")
        await trio.sleep(60)
        assert len(channel.got) == 1
        assert status_of(runtime).undelivered == 0
        assert (await listed(runtime)).channels[0].detail == ""
    pauses = [later - earlier for earlier, later in zip(channel.tried_s, channel.tried_s[1:], strict=False)]
    assert pauses == pytest.approx([5, 10, 20], abs=0.5)
    assert len([record for record in caplog.records if "can't be delivered by webhook" in record.getMessage()]) == 1


async def test_what_was_not_delivered_is_delivered_after_a_restart(
    clock: MockClock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken, well = FakeChannel(fails=["no"] * 99), FakeChannel(name="email")
    async with telling(tmp_path, monkeypatch, broken, well) as runtime:
        runtime.hooks.alert.tell(an_alert("a"))
        runtime.hooks.alert.tell(an_alert("b"))
        await settle()
        assert well.got == ["a", "b"]
    mended = FakeChannel()
    async with telling(tmp_path, monkeypatch, mended, well):
        await settle()
    assert mended.got == ["a", "b"]
    assert well.got == ["a", "b"]


async def test_after_a_day_it_is_given_up_and_said_so(
    clock: MockClock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    channel = FakeChannel(fails=["it answers 500"] * 999)
    async with telling(tmp_path, monkeypatch, channel) as runtime:
        runtime.hooks.budget_alert.tell(BUDGET)
        await trio.sleep(26 * 3_600)
        (row,) = (await listed(runtime)).alerts
        assert (row.pending, row.failed) == ((), {"webhook": "it answers 500"})
    assert len(channel.tried_s) < 50
    assert "webhook never got the alert budget:team" in caplog.text


async def test_one_that_is_always_refused_holds_up_no_other(
    clock: MockClock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    channel = FakeChannel(refused=("poison",))
    async with telling(tmp_path, monkeypatch, channel) as runtime:
        for key in ("poison", "b", "c"):
            runtime.hooks.alert.tell(an_alert(key))
        await trio.sleep(30)
        assert channel.got == ["b", "c"]
        assert status_of(runtime).undelivered == 1


async def test_sources_that_are_not_asked_for_are_listed_and_not_sent(
    clock: MockClock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    channel = FakeChannel()
    settings = AlertsSettings(sources=("upstream",))
    async with telling(tmp_path, monkeypatch, channel, settings=settings) as runtime:
        runtime.hooks.alert.tell(an_alert("a"))
        runtime.hooks.alert.tell(an_alert("up", source="upstream"))
        await settle()
        assert channel.got == ["up"]
        assert [row.key for row in (await listed(runtime)).alerts] == ["a", "up"]


async def test_a_test_goes_every_way_and_says_how_it_went(
    clock: MockClock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    well, broken = FakeChannel(), FakeChannel(name="email", fails=["it answers 550"])
    async with telling(tmp_path, monkeypatch, well, broken) as runtime:
        verb = runtime.hooks.verbs["alerts.test"]
        assert verb.needs == "admin"
        assert verb.stream is not None
        results: list[AlertTest] = []

        async def emit(item: object) -> None:
            results.append(msgspec.convert(item, AlertTest))

        await verb.stream({}, emit)
        told = [(result.channel, result.outcome, result.detail) for result in results]
        assert told == [("log", "ok", ""), ("webhook", "ok", ""), ("email", "failed", "it answers 550")]
        assert (await listed(runtime)).alerts == ()


async def test_a_delivery_under_way_is_ended_before_the_house_closes(
    clock: MockClock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Slow(FakeChannel):
        async def deliver(self, alert: Alert, at_ms: int) -> None:
            await trio.sleep(2)
            await super().deliver(alert, at_ms)

    class Endless(FakeChannel):
        async def deliver(self, alert: Alert, at_ms: int) -> None:
            await trio.sleep_forever()

    slow, endless = Slow(), Endless(name="email")
    async with telling(tmp_path, monkeypatch, slow, endless) as runtime:
        runtime.hooks.alert.tell(an_alert("a"))
        await settle()
        closing_s = trio.current_time()
    assert slow.got == ["a"]
    assert 2 < trio.current_time() - closing_s < 4
    again, mail = FakeChannel(), FakeChannel(name="email")
    async with telling(tmp_path, monkeypatch, again, mail):
        await settle()
    assert (again.got, mail.got) == ([], ["a"])


async def test_a_way_that_is_gone_is_not_waited_for(
    clock: MockClock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with telling(tmp_path, monkeypatch, FakeChannel(name="email", fails=["no"] * 9)) as runtime:
        runtime.hooks.alert.tell(an_alert("a"))
        await settle()
    async with telling(tmp_path, monkeypatch, FakeChannel()) as runtime:
        await settle()
        (row,) = (await listed(runtime)).alerts
        assert (row.pending, row.failed) == ((), {"email": "it is not set up any more"})
        assert status_of(runtime).undelivered == 0


# -- its file ----------------------------------------------------------------------------------------------------


async def test_a_retiring_generation_hands_over(
    clock: MockClock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken, mended = FakeChannel(fails=["no"] * 99), FakeChannel()
    async with telling(tmp_path, monkeypatch, broken) as old:
        old.hooks.alert.tell(an_alert("a"))
        await settle()
        tried = len(broken.tried_s)
        async with telling(tmp_path, monkeypatch, mended) as new:
            new.hooks.alert.tell(an_alert("b"))
            await trio.sleep(3)
            assert mended.got == []  # the file still has its owner
            old.hooks.retired.tell(None)
            await trio.sleep(3)
            assert mended.got == ["a", "b"]
            assert "alerts" not in old.hooks.status_parts
        assert len(broken.tried_s) == tried


async def test_a_damaged_file_is_set_aside(
    clock: MockClock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "alerts.json").write_bytes(b'{"version":1,"noti')
    channel = FakeChannel()
    async with telling(tmp_path, monkeypatch, channel) as runtime:
        runtime.hooks.alert.tell(an_alert("a"))
        await settle()
        assert channel.got == ["a"]
    assert (tmp_path / "alerts.json.damaged").read_bytes().startswith(b'{"version":1,"noti')
    assert "set aside" in caplog.text


async def test_without_a_disk_it_still_tells(
    clock: MockClock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    channel = FakeChannel()
    async with telling(tmp_path / "nowhere", monkeypatch, channel) as runtime:
        runtime.hooks.alert.tell(an_alert("a"))
        await settle()
        assert channel.got == ["a"]
    assert len([record for record in caplog.records if "in memory only" in record.getMessage()]) == 1


async def test_a_full_disk_is_told_once_and_loses_nothing(
    clock: MockClock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    outbox = Outbox(tmp_path / "alerts.json")
    await outbox.open()
    folder = tmp_path / "alerts.json.new"
    folder.mkdir()  # nothing can be written there
    outbox.add(an_alert("a"), NOW_MS, ["webhook"])
    await outbox.save()
    await outbox.save()
    assert caplog.text.count("in memory only") == 1
    folder.rmdir()
    await outbox.save()
    outbox.close()
    again = Outbox(tmp_path / "alerts.json")
    await again.open()
    again.close()
    assert [notice.alert.key for notice in again.notices] == ["a"]


def test_too_many_are_bounded_and_counted(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    outbox = Outbox(tmp_path / "alerts.json")
    for number in range(KEPT + 3):
        assert outbox.add(an_alert(str(number)), number, ["webhook"])
    assert len(outbox.notices) == KEPT
    assert outbox.dropped == 3
    assert "3 in all" in caplog.text


# -- pure --------------------------------------------------------------------------------------------------------


def test_budgets_alerts_in_words() -> None:
    forecast = alert_of(msgspec.structs.replace(BUDGET, level=0, value="", unit="tokens"))
    assert forecast.title == "Budget team: is likely to end above its limit"
    assert "limit_usd" not in forecast.figures
    assert alert_of(msgspec.structs.replace(BUDGET, level=100)).severity == "error"


def a_notice(key: str, at_ms: int, **members: Any) -> Notice:
    return Notice(alert=an_alert(key, **members), at_ms=at_ms)


def test_what_speaks_of_now() -> None:
    notices = [
        a_notice("50", 1, topic="t", until_ms=100),
        a_notice("80", 2, topic="t", until_ms=100),
        a_notice("over", 3, until_ms=10),
        a_notice("down", 4, topic="u", source="upstream"),
        a_notice("up", 5, topic="u", source="upstream", severity="info"),
        a_notice("endless", 6),
    ]
    assert [notice.alert.key for notice in choose_current(notices, 10)] == ["endless", "80"]
    assert [notice.alert.key for notice in choose_current(notices, 6 + DAY_MS)] == []


def test_patience() -> None:
    pauses = [pause_s(failures) for failures in range(1, 40)]
    assert pauses[:4] == [5, 10, 20, 40]
    assert max(pauses) == 3_600
    assert pauses == sorted(pauses)
    assert not is_given_up(a_notice("a", 0), DAY_MS)
    assert is_given_up(a_notice("a", 0), DAY_MS + 1)
    assert choose_next([], {}) is None


@given(st.lists(st.tuples(st.text(), st.integers(0, 9)), unique_by=lambda each: each[0]), st.data())
def test_the_next_one_has_failed_least(waiting: Sequence[tuple[str, int]], data: st.DataObject) -> None:
    tried = {key: data.draw(st.integers(0, 3)) for key, _ in waiting}
    chosen = choose_next([a_notice(key, at_ms) for key, at_ms in waiting], tried)
    if chosen is not None:
        assert all((tried[chosen.alert.key], chosen.at_ms) <= (tried[key], at_ms) for key, at_ms in waiting)


@given(st.text(), st.integers(1, 50))
def test_a_line_is_one_line(text: str, longest: int) -> None:
    line = one_line(text, longest)
    assert len(line) <= longest
    assert all(char.isprintable() for char in line)
    assert presentable(an_alert("a", title=text)).title.splitlines() in ([], [one_line(text)])


async def test_who_gives_up_waiting_for_the_file_writes_nothing_to_it(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    """Two reloads, one after the other: the generation between them never owned it."""
    owner, between = Outbox(tmp_path / "alerts.json"), Outbox(tmp_path / "alerts.json")
    await owner.open()
    owner.add(an_alert("a"), NOW_MS, ["webhook"])
    await owner.save()
    written = (tmp_path / "alerts.json").read_bytes()
    with trio.move_on_after(10):
        await between.open()
    await between.save()
    between.close()
    assert (tmp_path / "alerts.json").read_bytes() == written
    owner.close()
