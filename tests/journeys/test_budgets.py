"""Budgets in the hallway: free models instead, refusals, limits that are written, streams that are cut."""

from pathlib import Path

import msgspec

from lodestard.budget.judge import Relief
from lodestard.domain.errors import Code
from tests.fakes.world import CHAT, World, chat, open_world

NANO = 1_000_000_000


def budget(**members: object) -> str:
    """A ``[budgets.test]`` table."""
    lines = "".join(f"{name} = {msgspec.json.encode(value).decode()}\n" for name, value in members.items())
    return f"[budgets.test]\n{lines}"


def change(world: World, overlay: str) -> None:
    """Another configuration, to be taken in at the next reload."""
    folder = world.folder / "conf.d"
    folder.mkdir(exist_ok=True)
    (folder / "journey.toml").write_text(overlay)


async def test_where_nothing_is_left_the_free_model_answers_and_says_why(tmp_path: Path) -> None:
    async with open_world(tmp_path, budget(usd=0.000001)) as world:
        answer = await world.ask("gpt-4o-mini", "hello")
        row = (await world.rows())[-1]
        found = await world.explain(answer)
    assert answer.status == 200
    assert answer.lodestar["model"].startswith("t600/")
    assert "budget test has no room" in answer.lodestar["reason"]
    assert answer.lodestar["cost-usd"] == "0.000000000"
    assert (world.openai.asked, row.cost_nano_usd, row.upstream) == (0, 0, "t600")
    assert "budget test has no room" in found.trace["reason"]
    assert [attempt["outcome"] for attempt in found.trace["attempts"]] == ["budget_refused", "ok"]


async def test_a_policy_that_refuses_says_whose_how_much_until_when_and_what_to_do(tmp_path: Path) -> None:
    table = budget(usd=0.000001, at_limit="refuse", window="month", scope="project")
    async with open_world(tmp_path, table) as world:
        answer = await world.ask("gpt-4o-mini", headers={"x-lodestar-project": "alpha"})
    error = answer.error
    assert (answer.status, error["code"], error["type"]) == (400, Code.BUDGET_REFUSED, "budget_error")
    for part in (
        "'test'",
        "project 'alpha'",
        "this month",
        "$0.000001",
        "It begins anew on",
        "budget override test",
    ):
        assert part in error["message"]
    assert "429" not in error["message"]
    assert world.openai.asked == 0


async def test_an_affordable_limit_is_written_into_a_request_that_brings_none(tmp_path: Path) -> None:
    async with open_world(tmp_path, budget(usd=0.005)) as world:
        answer = await world.ask("gpt-4o-mini", "hello")
        sent = world.openai.bodies[-1]
        found = await world.explain(answer)
    limit = sent["max_tokens"]
    assert 256 <= limit <= 4_096
    assert f"output limited to {limit} tokens by a budget" in answer.lodestar["reason"]
    assert found.trace["attempts"][0]["limit_tokens"] == limit
    assert found.attempts[0].held_nano_usd <= NANO * 5 // 1_000


async def test_a_limit_of_the_client_is_never_changed(tmp_path: Path) -> None:
    async with open_world(tmp_path, budget(usd=0.005)) as world:
        await world.ask("gpt-4o-mini", max_completion_tokens=50)
        sent = world.openai.bodies[-1]
    assert sent["max_completion_tokens"] == 50
    assert "max_tokens" not in sent


async def test_what_a_limit_of_ours_cut_short_is_not_kept_for_others(tmp_path: Path) -> None:
    async with open_world(tmp_path, budget(usd=0.005)) as world:
        world.openai.say("word " * 20_000)
        first = await world.ask("gpt-4o-mini", "tell me all", temperature=0)
        second = await world.ask("gpt-4o-mini", "tell me all", temperature=0)
    assert first.json["choices"][0]["finish_reason"] == "length"
    assert [answer.lodestar["cache"] for answer in (first, second)] == ["miss", "miss"]


async def test_requests_come_too_fast(tmp_path: Path) -> None:
    table = "[rate_limits.slow]\nrequests_per_minute = 2\n"
    async with open_world(tmp_path, table) as world:
        answers = [await world.ask("local-llama", f"number {count}") for count in range(3)]
    assert [answer.status for answer in answers] == [200, 200, 429]
    assert int(answers[2].headers["retry-after"]) >= 1
    assert answers[2].error["code"] == Code.RATE_LIMITED


async def test_a_reload_keeps_what_was_counted_and_takes_the_new_limit(tmp_path: Path) -> None:
    async with open_world(tmp_path, budget(usd=1, at_limit="refuse")) as world:
        await world.ask("gpt-4o-mini", max_tokens=50)
        spent = world.ledger.budgets.standings()[0].spent.usd
        change(world, budget(usd=0.000001, at_limit="refuse"))
        await world.house.reload()
        after = world.ledger.budgets.standings()[0]
        refused = await world.ask("gpt-4o-mini")
    assert spent > 0
    assert (after.spent.usd, after.rule.limits) == (spent, (("usd", 1_000),))
    assert refused.status == 400


async def test_a_new_budget_counts_what_is_under_way_and_what_was_before(tmp_path: Path) -> None:
    async with open_world(tmp_path) as world:
        await world.ask("gpt-4o-mini", "before", max_tokens=50)
        with world.openai.held():
            async with world.open() as talk:
                await talk.send("POST", CHAT, chat("gpt-4o-mini", "under way", max_tokens=50))
                await world.openai.wait_asked(2)
                change(world, budget(usd=1))
                await world.house.reload()
                under_way = world.ledger.budgets.standings()[0]
                world.openai.app.gate.set()  # type: ignore[union-attr]
                await talk.receive()
        await world.settle()
        after = world.ledger.budgets.standings()[0]
        total = sum(row.cost_nano_usd for row in await world.rows())
    assert under_way.held.usd > 0
    assert 0 < under_way.spent.usd < total
    assert (after.spent.usd, after.held.usd, after.spent.requests) == (total, 0, 2)


async def test_two_at_once_do_not_share_the_last_of_a_budget(tmp_path: Path) -> None:
    async with open_world(tmp_path, budget(usd=0.0012, at_limit="refuse")) as world:
        with world.openai.held():
            async with world.open() as one, world.open() as two:
                await one.send("POST", CHAT, chat("gpt-4o-mini", "one", max_tokens=1_000))
                await world.openai.wait_asked()
                await two.send("POST", CHAT, chat("gpt-4o-mini", "two", max_tokens=1_000))
                refused = await two.receive()
                standing = world.ledger.budgets.standings()[0]
                world.openai.app.gate.set()  # type: ignore[union-attr]
                assert (await one.receive()).status == 200
    assert refused.status == 400
    assert "held for requests under way" in refused.error["message"]
    assert standing.spent.usd + standing.held.usd <= 1_200_000


async def test_an_override_lifts_it_until_its_time(tmp_path: Path) -> None:
    async with open_world(tmp_path, budget(usd=0.000001, at_limit="refuse")) as world:
        assert (await world.ask("gpt-4o-mini", "1")).status == 400
        until_ms = world.ledger.now_ms() + 3_600_000
        relief = Relief(id=0, budget="test", value="", until_ms=until_ms, extra=None, reason="a release", who="ann")
        await world.ledger.budgets.override(relief)
        assert (await world.ask("gpt-4o-mini", "2")).status == 200
        await world.ledger.budgets.revoke("test", "ann")
        assert (await world.ask("gpt-4o-mini", "3")).status == 400
        acts = world.ledger._store.read("SELECT act, reason, who FROM budget_act ORDER BY id")
    assert acts == [("override", "a release", "ann"), ("revoke", "", "ann")]


async def test_a_free_model_that_fails_too_says_why_it_was_asked(tmp_path: Path) -> None:
    async with open_world(tmp_path, budget(usd=0.000001)) as world:
        world.ollama.fail(*["status=500"] * 20)
        answer = await world.ask("gpt-4o-mini")
    assert answer.status >= 500
    assert "because of a budget" in answer.error["message"]
