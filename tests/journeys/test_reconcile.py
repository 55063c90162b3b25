"""Bills beside the ledger: traffic through the house, then what the providers' administrations say of it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import pytest

from lodestard.control.messages.reconcile import ReconcileReport
from lodestard.domain.clock import SystemClock
from lodestard.domain.errors import CallerFault
from lodestard.domain.news import Alert
from lodestard.ledger import verify
from lodestard.modules import reconcile
from lodestard.simulator.paid.anthropic_app import AnthropicApp
from lodestard.simulator.paid.meter import Entry, Tokens
from lodestard.simulator.paid.openai_app import OpenAIApp
from lodestard.store import open_snapshot
from tests.fakes.canaries import UPSTREAM_KEYS
from tests.fakes.world import SimUpstream, Stage, World, eventually, open_world

DAY_MS = 86_400_000
MORNING_MS = 1_795_168_800_000  # 2026-11-20 10:00 UTC
CENT = 10_000_000
CONFIG = """
[modules.reconcile]
enabled = true

[modules.reconcile.openai]
upstream = "openai"
url = "{openai}"
key = { env = "OPENAI_ADMIN_KEY" }
"""
ANTHROPIC = """
[modules.reconcile.anthropic]
upstream = "anthropic"
url = "{anthropic}"
key = { env = "ANTHROPIC_ADMIN_KEY" }
"""
KEYS = {"OPENAI_ADMIN_KEY": "sk-admin-canary-5", "ANTHROPIC_ADMIN_KEY": "sk-ant-admin-canary-6"}


@dataclass
class Wall(SystemClock):
    """Wall time as a test turns it; durations are real."""

    ms: int = MORNING_MS

    def now_ms(self) -> int:
        return self.ms


@dataclass
class Days:
    """A house with the module, over several days."""

    world: World
    wall: Wall
    alerts: list[Alert] = field(default_factory=list)

    async def traffic(self, alias: str = "gpt-4o-mini", times: int = 3) -> None:
        for number in range(times):
            answer = await self.world.ask(alias, f"Question {number} of {self.wall.ms}")
            assert answer.status == 200
        await self.world.settle()

    def claude(self, nano_usd: int = 12_345) -> None:
        """Somebody else's request to Anthropic, which the house does not speak to yet."""
        tokens = Tokens(prompt=100, cached=30, cache_write=20, completion=5)
        model = "claude-sonnet-4-5-20250929"
        entry = Entry(index=0, model=model, outcome="whole", tokens=tokens, nano_usd=nano_usd)
        self.world.upstreams["anthropic"].meter.post(entry)

    async def look(self, day: str | None = None) -> ReconcileReport:
        return await self._call("reconcile.run", day=day)

    async def show(self, last: int = 30) -> ReconcileReport:
        return await self._call("reconcile.show", last=last)

    async def _call(self, name: str, **arguments: Any) -> ReconcileReport:
        answer = self.world.house.runtime.hooks.verbs[name].answer
        assert answer is not None
        return msgspec.json.decode(msgspec.json.encode(await answer(arguments)), type=ReconcileReport)

    def status(self) -> Any:
        return self.world.house.runtime.hooks.status_parts["reconcile"]()


def plant(upstream: SimUpstream, extra_cents: int) -> None:
    """An untruth in its administration."""
    assert isinstance(upstream.app.app, OpenAIApp | AnthropicApp)
    upstream.app.app.desk.admin.extra_cents = extra_cents


def make_pages(upstream: SimUpstream, buckets: int) -> None:
    """So many days to a page."""
    assert isinstance(upstream.app.app, OpenAIApp | AnthropicApp)
    admin = upstream.app.app.desk.admin
    admin._habits = msgspec.structs.replace(admin._habits, page_buckets=buckets)


@asynccontextmanager
async def days(folder: Path, config: str = CONFIG, **keys: str) -> AsyncIterator[Days]:
    """Leaving checks the ledger, its reconciliation too."""
    wall = Wall()
    stage = Stage((reconcile.MODULE,), wall, {**KEYS, **keys})
    async with open_world(folder, config, stage=stage) as world:
        told = Days(world, wall)
        world.house.runtime.hooks.alert.always(told.alerts.append)
        await eventually(lambda: "reconcile.run" in world.house.runtime.hooks.verbs, "the module")
        upstreams = world.house.runtime.settings.modules["reconcile"]
        wanted = {one.upstream for one in (upstreams.openai, upstreams.anthropic) if one.upstream}
        await eventually(lambda: told.status().keys() == wanted, "the first look, at the days before")
        yield told
        world.upstreams["anthropic"].meter.reset()  # its bill is not the house's
    with open_snapshot(folder / "state" / "ledger.db") as snapshot:
        assert verify(snapshot, idle=True).ok


async def test_an_honest_bill_is_the_ledger_to_the_nano_dollar(tmp_path: Path) -> None:
    async with days(tmp_path, CONFIG + ANTHROPIC) as at:
        await at.traffic()
        at.wall.ms += DAY_MS
        await at.traffic("gpt-4o", 2)
        at.wall.ms += 4 * DAY_MS
        report = await at.look()
        assert report.problems == ()
        assert report.unreconciled_nano_usd == 0
        looks = {(look.upstream, look.day): look for look in report.looks}
        assert len(looks) == len(report.looks) == 14
        assert all(look.theirs_nano_usd == look.ours_nano_usd for look in report.looks)
        first, second = looks["openai", "2026-11-20"], looks["openai", "2026-11-21"]
        assert first.theirs_nano_usd + second.theirs_nano_usd == at.world.openai.bill_nano_usd
        assert min(first.theirs_nano_usd, second.theirs_nano_usd) > 0
        assert first.detail["our_prompt_tokens"] == first.detail["their_prompt_tokens"]
        assert first.detail["our_completion_tokens"] == first.detail["their_completion_tokens"]
        assert (first.final, looks["openai", "2026-11-23"].final) == (True, False)
        assert at.alerts == []
        asked = at.world.openai.asked
        again = await at.look()
        assert {look.day for look in again.looks} == {"2026-11-23", "2026-11-24"}
        assert not any(look.new for look in again.looks)
        assert at.world.openai.asked == asked + 2  # costs and usage, one page each


async def test_a_planted_difference_is_posted_and_alarmed_exactly(tmp_path: Path) -> None:
    async with days(tmp_path) as at:
        await at.traffic()
        plant(at.world.openai, 7)
        at.wall.ms += DAY_MS
        report = await at.look()
        look = next(look for look in report.looks if look.day == "2026-11-20")
        ours = at.world.openai.bill_nano_usd
        assert (look.ours_nano_usd, look.theirs_nano_usd) == (ours, ours + 7 * CENT)
        assert (look.change_nano_usd, look.alarmed, look.final) == (7 * CENT, True, False)
        assert report.unreconciled_nano_usd == 7 * CENT
        (alert,) = at.alerts
        assert alert.figures["difference_nano_usd"] == 7 * CENT
        assert alert.title == "openai billed 2026-11-20: $0.070000000 more than the ledger has"
        assert at.status()["openai"] == "2026-11-20: $0.070000000 more than the ledger has"

        await at.look()  # nothing has changed: nothing is posted, nobody is told again
        assert len(at.alerts) == 1

        plant(at.world.openai, 3)  # they correct it: the change alone is posted, and it is no alarm any more
        report = await at.look("2026-11-20")
        (look,) = report.looks
        assert (look.change_nano_usd, look.alarmed) == (-4 * CENT, False)
        assert report.unreconciled_nano_usd == 3 * CENT

        plant(at.world.openai, 0)
        at.wall.ms += 3 * DAY_MS
        report = await at.look()
        look = next(look for look in report.looks if look.day == "2026-11-20")
        assert (look.change_nano_usd, look.final) == (-3 * CENT, True)
        assert report.unreconciled_nano_usd == 0
        assert len(at.alerts) == 1
        shown = [(look.day, look.theirs_nano_usd - look.ours_nano_usd) for look in (await at.show()).looks]
        assert [apart for day, apart in shown if day == "2026-11-20"] == [0, 3 * CENT, 7 * CENT]


async def test_anthropic_s_cents_are_read_to_the_nano_dollar(tmp_path: Path) -> None:
    async with days(tmp_path, CONFIG + ANTHROPIC) as at:
        at.claude(12_345_678_901)
        at.claude(1)
        at.wall.ms += DAY_MS
        report = await at.look()
        (look,) = [look for look in report.looks if look.change_nano_usd]
        assert (look.upstream, look.day, look.theirs_nano_usd) == ("anthropic", "2026-11-20", 12_345_678_902)
        assert (look.detail["their_prompt_tokens"], look.detail["their_completion_tokens"]) == (200, 10)
        assert report.unreconciled_nano_usd == 12_345_678_902
        assert [alert.figures["theirs_usd"] for alert in at.alerts] == ["12.345678902"]


async def test_a_bill_that_says_too_little_alarms_once_it_is_final(tmp_path: Path) -> None:
    async with days(tmp_path) as at:
        await at.traffic(times=1)
        plant(at.world.openai, 10)
        await at.traffic("gpt-4o", 1)
        at.wall.ms += DAY_MS
        at.world.openai.fail("cut=0")  # charged at its hold, and billed for what was made
        await at.world.ask("gpt-4o", "cut", max_tokens=16_000)
        await at.world.settle()
        at.wall.ms += DAY_MS
        plant(at.world.openai, 0)
        (look,) = (await at.look("2026-11-21")).looks
        assert look.theirs_nano_usd < look.ours_nano_usd - 5 * CENT
        assert (look.alarmed, look.final) == (False, False)
        assert "adding it up" in str(look.detail["verdict"])
        at.wall.ms += 2 * DAY_MS
        (look,) = (await at.look("2026-11-21")).looks
        assert (look.alarmed, look.final, look.change_nano_usd) == (True, True, 0)
        (alert,) = at.alerts
        assert "less than the ledger has" in alert.title


@pytest.mark.parametrize("buckets", [1, 2, 3])
async def test_pages_are_turned(tmp_path: Path, buckets: int) -> None:
    async with days(tmp_path, CONFIG + ANTHROPIC) as at:
        for upstream in ("openai", "anthropic"):
            make_pages(at.world.upstreams[upstream], buckets)
        for _ in range(3):
            await at.traffic(times=1)
            at.claude(1)
            at.wall.ms += DAY_MS
        asked = at.world.openai.asked
        report = await at.look()
        assert report.problems == ()
        assert sorted({look.day for look in report.looks}) == [f"2026-11-{day}" for day in range(18, 23)]
        assert report.unreconciled_nano_usd == 3
        assert at.world.openai.asked - asked == 2 * -(-5 // buckets)


@pytest.mark.parametrize("key", [UPSTREAM_KEYS["OPENAI_API_KEY"], "sk-ant-wrong"])
async def test_a_key_that_is_no_admin_s_is_told_and_posts_nothing(
    tmp_path: Path, key: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with days(tmp_path, CONFIG + ANTHROPIC, OPENAI_ADMIN_KEY=key) as at:
        await at.traffic()
        at.wall.ms += DAY_MS
        report = await at.look()
        (problem,) = report.problems
        assert problem.upstream == "openai"
        assert "it refuses the key (403)" in problem.what
        assert "admin key" in problem.what
        assert {look.upstream for look in report.looks} == {"anthropic"}
        (alert,) = [alert for alert in at.alerts if "2026-11-21" in alert.key]
        assert alert.title == "The bill of openai can't be seen"
        assert at.status()["openai"] == problem.what
        await at.look()
        assert len({alert.key for alert in at.alerts}) == len({alert.key[-10:] for alert in at.alerts})
        assert key not in caplog.text + str(at.alerts) + problem.what


async def test_without_its_key_it_says_so(tmp_path: Path) -> None:
    config = CONFIG.replace("OPENAI_ADMIN_KEY", "NOT_THERE")
    async with days(tmp_path, config) as at:
        (problem,) = (await at.look()).problems
        assert problem.what == "the environment variable NOT_THERE is not set"
        assert (await at.show()).looks == ()


async def test_projects_and_workspaces_of_others_do_not_count(tmp_path: Path) -> None:
    config = CONFIG.replace("[modules.reconcile.openai]", '[modules.reconcile.openai]\nproject_ids = ["proj_other"]')
    config += ANTHROPIC.replace("upstream =", 'workspace_ids = ["wrkspc_other"]\nupstream =')
    async with days(tmp_path, config) as at:
        await at.traffic()
        at.claude()
        at.wall.ms += DAY_MS
        report = await at.look()
        assert {look.theirs_nano_usd for look in report.looks} == {0}
        assert report.unreconciled_nano_usd == -at.world.openai.bill_nano_usd < 0


@pytest.mark.parametrize("day", ["yesterday", "2026-11-21", "2026-08-01"])
async def test_days_that_can_t_be_looked_at(tmp_path: Path, day: str) -> None:
    async with days(tmp_path) as at:
        with pytest.raises(CallerFault, match=day):
            await at.look(day)


async def test_without_an_account_there_is_nothing_to_look_at(tmp_path: Path) -> None:
    async with days(tmp_path, "[modules.reconcile]\nenabled = true\n") as at:
        with pytest.raises(CallerFault, match="no account"):
            await at.look()
