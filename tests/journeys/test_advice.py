"""Asking the router: what it says is what a request then gets, it spends nothing, and a backtest adds up."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from lodestard.advice.adviser import Adviser
from lodestard.control.messages.advice import BacktestItem, BacktestReport
from lodestard.control.verbs.advice_desk import WantedBacktest, WantedRoute
from lodestard.control.verbs.requests import explanation
from lodestard.domain.errors import HouseFault
from lodestard.domain.project import digest_of
from lodestard.panel import LEDGER_FILE
from tests.fakes.world import World, open_world
from tests.journeys.test_feedback import call

EVER_MS = 2**50
CONFIG = """
[upstreams]
openai = { lan = false }
anthropic = { lan = false }
xai = { lan = false }
gemini = { lan = false }

[models.auto]
prefer = "balanced"
route = ["t600/llama3.1:8b", "openai/gpt-4o-mini", "anthropic/claude-sonnet-4-5-20250929"]

[[rules]]
name = "private"
when = { tag = ["private"] }
labels = ["lan-only"]

[[rules]]
name = "commits stay free"
when = { task = ["commit"] }
require = ["free"]
"""
SECRET = "xylophone-quartz-7731"
OTHER = """
[models]
auto = { route = ["openai/gpt-4o"] }
gpt-4o = { route = ["openai/gpt-4o-mini"] }

[[rules]]
name = "no grok"
when = { alias = ["grok-beta"] }
forbid = ["paid"]
"""


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with open_world(tmp_path, CONFIG) as opened:
        yield opened


def adviser(world: World) -> Adviser:
    file = world.folder / "state" / LEDGER_FILE
    return Adviser(world.house.runtime, file, world.prices.book.quotes, world.ledger.reports.shadows)


async def backtest(world: World, text: str) -> list[BacktestItem]:
    await world.rows()
    wanted = WantedBacktest(name="new.toml", text=text, since_ms=0, until_ms=EVER_MS)
    async with adviser(world).backtest(wanted) as items:
        return [item async for item in items]


async def report_of(world: World, text: str) -> BacktestReport:
    report = (await backtest(world, text))[-1].report
    assert report is not None
    return report


@pytest.mark.parametrize(
    ("alias", "headers"),
    [
        ("auto", {}),
        ("auto", {"x-lodestar-prefer": "cheap"}),
        ("auto", {"x-lodestar-prefer": "best", "x-lodestar-project": "shop"}),
        ("auto", {"x-lodestar-tags": "private"}),
        ("auto#private", {}),
        ("auto", {"x-lodestar-task": "commit"}),
        ("paid-first", {}),
        ("paid-first", {"x-lodestar-prefer": "balanced"}),
        ("openai/gpt-4o", {}),
        ("gone-first", {}),
    ],
)
async def test_what_is_explained_is_what_a_request_then_gets(
    world: World, alias: str, headers: dict[str, str]
) -> None:
    text = "Rename the function parse to read_line in parser.py."
    said: dict[str, Any] = {name.removeprefix("x-lodestar-"): value for name, value in headers.items()}
    body = msgspec.json.encode({"model": alias, "messages": [{"role": "user", "content": text}]}).decode()
    advice = adviser(world).explain_route(WantedRoute(body=body, **said))
    answer = await world.ask(alias, text, headers=headers)
    trace = (await world.explain(answer)).trace
    assert answer.status == 200
    assert [each.target for each in advice.candidates] == [each["target"] for each in trace["candidates"]]
    assert [(each.target, each.reason) for each in advice.rejected] == [
        (each["target"], each["reason"]) for each in trace["rejected"]
    ]
    assert (advice.prefer, list(advice.rules)) == (trace.get("prefer", ""), trace.get("rules", []))
    assert advice.reason == trace["reason"]
    for told, traced in zip(advice.candidates, trace["candidates"], strict=True):
        if (merit := traced.get("merit")) is not None:
            assert (told.quality, told.value_nano_usd) == (merit["quality"], merit["value_nano_usd"])
        assert told.quality is not None
        assert told.prior is not None


async def test_a_trusted_projects_file_and_a_quick_switch_are_heeded(world: World, tmp_path: Path) -> None:
    folder = tmp_path / "web"
    folder.mkdir()
    text = 'name = "web"\nprefer = "cheap"\n[[rules]]\nname = "ours"\nforbid = ["anthropic/*"]\n'
    (folder / ".lodestar.toml").write_text(text)
    await call(world, "project.trust", folder=str(folder), text=text, sha256=digest_of(text))
    advice = adviser(world).explain_route(WantedRoute(text="Why?", model="auto", folder=str(folder)))
    answer = await world.ask("auto", "Why?", headers={"x-lodestar-folder": str(folder)})
    trace = (await world.explain(answer)).trace
    assert (advice.prefer, advice.reason) == (trace["prefer"], trace["reason"])
    assert [each.target for each in advice.candidates] == [each["target"] for each in trace["candidates"]]
    assert any("ours" in rule for rule in advice.rules)
    taken = adviser(world).recommend(WantedRoute(text="Why?", folder=str(folder)))
    assert not any(each.target.startswith("anthropic/") for each in taken.route.candidates)
    await call(world, "use.set", alias="gpt-4o-mini")
    switched = adviser(world).explain_route(WantedRoute(text="Why?", model="local-llama"))
    assert [each.target for each in switched.candidates] == ["openai/gpt-4o-mini"]
    assert (await world.ask("local-llama", "Why?")).lodestar["model"] == "openai/gpt-4o-mini"


async def test_asking_spends_nothing_writes_nothing_and_keeps_no_text(world: World) -> None:
    wanted = WantedRoute(text=f"{SECRET} tell me", model="auto")
    adviser(world).explain_route(wanted)
    adviser(world).recommend(wanted)
    assert await world.rows() == []
    assert world.ledger.totals().open_requests == 0
    assert not any(upstream.app.requests for name, upstream in world.upstreams.items() if name != "ollama")
    assert not world.ollama.questions
    kept = [file for file in world.folder.rglob("*") if file.is_file() and SECRET.encode() in file.read_bytes()]
    assert kept == []


async def test_who_may_not_answer_is_told_with_the_reason(world: World) -> None:
    advice = adviser(world).explain_route(WantedRoute(text="x", model="gpt-4o", tags="private"))
    assert advice.candidates == ()
    assert "lan-only" in advice.refusal
    assert "not configured" in adviser(world).explain_route(WantedRoute(text="x", model="gtp-4o")).refusal


async def test_a_full_budget_is_told_beforehand(tmp_path: Path) -> None:
    async with open_world(tmp_path, f"{CONFIG}\n[budgets.month]\nusd = 0\nhard = true\n") as world:
        advice = adviser(world).explain_route(WantedRoute(text="x", model="auto"))
        answer = await world.ask("auto", "x")
        assert answer.status == 200
        trace = (await world.explain(answer)).trace
        assert [each.target for each in advice.candidates] == [each["target"] for each in trace["candidates"]]
        assert [each.note for each in advice.candidates] == [each["merit"]["note"] for each in trace["candidates"]]
        assert any("no budget has room" in each.note for each in advice.candidates)


async def test_a_body_of_any_dialect_is_read_by_its_own_reader(world: World) -> None:
    words = [{"role": "user", "content": "Why?"}]
    bodies = {
        "openai": {"model": "auto", "messages": words},
        "anthropic": {"model": "auto", "messages": words, "max_tokens": 9},
        "ollama": {"model": "auto", "messages": words},
        "completions": {"model": "auto", "prompt": "Why?"},
        "responses": {"model": "auto", "input": "Why?"},
    }
    for dialect, body in bodies.items():
        wanted = WantedRoute(body=msgspec.json.encode(body).decode(), dialect=dialect)
        advice = adviser(world).explain_route(wanted)
        assert (advice.alias, len(advice.candidates)) == ("auto", 3), dialect
    limited = adviser(world).explain_route(
        WantedRoute(body=msgspec.json.encode(bodies["anthropic"]).decode(), dialect="anthropic")
    )
    assert limited.answer_tokens == 9


async def test_a_recommendation_is_over_all_models_and_says_what_it_stands_on(world: World) -> None:
    found = adviser(world).recommend(WantedRoute(text="Why?"))
    listed = [each.target for each in found.route.candidates]
    assert found.target == listed[0]
    assert {"openai/gpt-4o", "xai/grok-beta", "t600/llama3.1:8b"} <= set(listed)
    assert "only a prior" in found.evidence
    assert found.runner_up.startswith(listed[1])
    best = adviser(world).recommend(WantedRoute(text="Why?", prefer="best"))
    assert best.target == "anthropic/claude-sonnet-4-5-20250929"
    assert best.good_enough is (best.enough <= (best.route.candidates[0].quality or 0))
    assert "less than enough" not in best.why  # where the best is wanted nothing is enough
    private = adviser(world).recommend(WantedRoute(text="Why?", tags="private", prefer="best"))
    assert all(each.target.split("/")[0] in ("t600", "gone") for each in private.route.candidates)


async def test_the_running_policy_against_itself_changes_nothing_and_costs_what_the_ledger_says(world: World) -> None:
    world.openai.fail("status=500")
    for alias in ("paid-first", "auto", "gpt-4o", "local-llama", "gone-first", "auto", "auto"):
        await world.ask(alias, "Tell me of it.", temperature=0)
    await world.ask("openai/o4-mini", "refused")
    report = await report_of(world, "")
    rows = await world.rows()
    assert (report.changed, report.refused, report.moves) == (0, 0, ())
    assert report.recorded == report.candidate
    assert report.recorded.cost_nano_usd == sum(row.cost_nano_usd for row in rows)
    (line,) = await world.ledger.reports.costs("all")
    assert report.recorded.cost_nano_usd == line.cost_nano_usd
    assert (report.requests, report.kept, report.failed) == (8, 2, 1)
    assert report.hardness_known == 5  # also where a route stands in its order, so that no choice has looked
    assert not any("How hard" in note for note in report.notes)
    whole = await report_of(world, (world.folder / "lodestard.toml").read_text())  # as it was without our rules
    assert (whole.requests, whole.recorded) == (8, report.recorded)


async def test_another_policy_is_told_with_its_moves_and_its_dollars(world: World) -> None:
    for alias in ("gpt-4o", "gpt-4o", "local-llama", "grok-beta"):
        await world.ask(alias, "Tell me something long.", temperature=1)
    rows = await world.rows()
    items = await backtest(world, OTHER)
    report = items[-1].report
    assert report is not None
    assert (items[0].total, report.requests, report.changed, report.refused) == (4, 4, 3, 1)
    moves = {(move.source, move.target): move for move in report.moves}
    down = moves["openai/gpt-4o", "openai/gpt-4o-mini"]
    asked = [row for row in rows if row.alias == "gpt-4o"]
    assert down.cost_nano_usd == sum(row.cost_nano_usd for row in asked)
    assert 0 < down.new_cost_nano_usd < down.cost_nano_usd / 10
    assert ("xai/grok-beta", "") in moves
    assert report.notes


async def test_a_policy_that_is_wrong_is_told_with_its_place(world: World) -> None:
    (item,) = await backtest(world, "[models]\nauto = { route = ['nobody/x'] }\n")
    (fault,) = item.faults
    assert (fault.file, fault.line) == ("new.toml", 2)


async def test_a_backtest_that_is_left_takes_its_process_with_it(world: World) -> None:
    await world.ask("local-llama")
    await world.rows()
    wanted = WantedBacktest(name="new.toml", text="", since_ms=0, until_ms=EVER_MS)
    async with adviser(world).backtest(wanted) as items:
        async for _item in items:
            break
    gone = Adviser(world.house.runtime, world.folder / "gone.db", {}, world.ledger.reports.shadows)
    with pytest.raises(HouseFault, match="broke off"):
        async with gone.backtest(wanted) as items:
            assert [item async for item in items] == []


async def test_a_shadow_is_asked_after_each_answer_and_changes_nothing(tmp_path: Path) -> None:
    (tmp_path / "other.toml").write_text(OTHER)
    async with open_world(tmp_path, f'{CONFIG}\n[routing]\nshadow = "other.toml"\n') as world:
        big = await world.ask("gpt-4o", "x", temperature=1)
        local = await world.ask("local-llama", "x", temperature=1)
        gone = await world.ask("grok-beta", "x", temperature=1)
        assert [answer.lodestar["model"] for answer in (big, local, gone)] == [
            "openai/gpt-4o", "t600/llama3.1:8b", "xai/grok-beta",
        ]  # fmt: skip
        shadow = (await world.explain(big)).trace["shadow"]
        assert (shadow["target"], shadow["differs"]) == ("openai/gpt-4o-mini", True)
        cost = (await world.explain(big)).request.cost_nano_usd
        assert 0 < shadow["cost_nano_usd"] < cost
        assert (await world.explain(local)).trace["shadow"]["differs"] is False
        assert (await world.explain(gone)).trace["shadow"]["target"] == ""
        told = explanation(await world.explain(big)).shadow
        assert told is not None
        assert told.target == "openai/gpt-4o-mini"
        await world.rows()
        moves = await adviser(world).shadow_moves(0)
        assert sum(move.requests for move in moves) == 3
        assert sum(move.differing for move in moves) == 2
        (down,) = [move for move in moves if move.target == "openai/gpt-4o-mini"]
        assert (down.cost_nano_usd, down.shadow_cost_nano_usd) == (cost, shadow["cost_nano_usd"])
        hit = await world.ask("gpt-4o", "kept", temperature=0)
        again = await world.ask("gpt-4o", "kept", temperature=0)
        assert "shadow" in (await world.explain(hit)).trace
        assert "shadow" not in (await world.explain(again)).trace  # nobody was asked


async def test_without_a_shadow_nothing_is_written_of_one(world: World) -> None:
    assert world.house.runtime.shadow is None
    assert "shadow" not in (await world.explain(await world.ask("gpt-4o"))).trace


async def test_a_shadow_that_is_wrong_is_a_fault_of_the_configuration(tmp_path: Path) -> None:
    (tmp_path / "other.toml").write_text("[models]\nauto = { route = ['nobody/x'] }\n")
    async with open_world(tmp_path) as world:
        (tmp_path / "conf.d").mkdir()
        (tmp_path / "conf.d" / "a.toml").write_text('[routing]\nshadow = "other.toml"\n')
        with pytest.raises(Exception, match="nobody"):
            await world.house.reload()
        (tmp_path / "other.toml").write_text(OTHER)
        await world.house.reload()
        assert world.house.runtime.shadow is not None
