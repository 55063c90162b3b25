"""Projects' files and quick switches, from lodestarctl's verbs to the model that answers."""

from pathlib import Path
from typing import Any

import pytest

from lodestard.domain.errors import CallerFault
from lodestard.domain.project import digest_of
from tests.fakes.world import World, open_world
from tests.journeys.test_client_keys import ANN, BOB, CLIENTS, bearer
from tests.journeys.test_feedback import call

TEXT = """
name = "web"
prefer = "cheap"
models = { auto = "gpt-4o-mini" }
budget = { usd = 0, at_limit = "refuse" }
"""


async def trust(world: World, folder: Path, text: str = TEXT) -> Any:
    return await call(world, "project.trust", folder=str(folder), text=text, sha256=digest_of(text))


async def test_a_cloned_repositorys_file_has_no_effect_before_it_is_trusted(world: World, tmp_path: Path) -> None:
    folder = tmp_path / "clone"
    folder.mkdir()
    (folder / ".lodestar.toml").write_text(TEXT)
    headers = {"x-lodestar-folder": str(folder), "x-lodestar-project": "web"}
    projects = world.house.runtime.projects
    looked = await call(world, "project.look", folder=str(folder), text=TEXT)
    assert (looked["standing"], looked["faults"]) == ("untrusted", [])
    assert any("at most $0" in effect for effect in looked["effects"])
    assert any("only the folder is counted as 'clone'" in effect for effect in looked["effects"])
    assert (await world.ask("gpt-4o-mini", headers=headers)).status == 200
    assert projects.policy(str(folder)) is None
    report = await trust(world, folder)
    assert (report["standing"], report["watched"]) == ("trusted", True)
    policy = projects.policy(f"{folder}/src")
    assert policy is not None
    assert (policy.name, policy.prefer, dict(policy.models)) == ("web", "cheap", {"auto": "gpt-4o-mini"})
    refused = await world.ask("gpt-4o-mini", "another", headers=headers)
    assert (refused.status, refused.error["code"]) == (400, "budget_refused")
    assert (await world.ask("gpt-4o-mini", "elsewhere")).status == 200
    await world.house.reload()  # its limit stands beside what the configuration says
    assert (await world.ask("gpt-4o-mini", "after", headers=headers)).status == 400
    assert (await call(world, "project.untrust", folder=str(folder)))["was"]
    assert (await world.ask("gpt-4o-mini", "freed", headers=headers)).status == 200


async def test_what_was_not_shown_is_not_trusted(world: World, tmp_path: Path) -> None:
    with pytest.raises(CallerFault, match="another one than was shown"):
        await call(world, "project.trust", folder=str(tmp_path), text=TEXT + "\n", sha256=digest_of(TEXT))
    faulty = await call(world, "project.look", folder=str(tmp_path), text='name = "a"\nrun = "make"')
    assert [(fault["line"], fault["key"]) for fault in faulty["faults"]] == [(2, "run")]


async def test_a_quick_switch_asks_another_alias_until_it_is_taken_back(world: World) -> None:
    assert (await call(world, "use"))["switches"] == []
    await call(world, "use.set", alias="gpt-4o-mini")
    answer = await world.ask("local-llama", "one")
    assert answer.lodestar["model"] == "openai/gpt-4o-mini"
    assert answer.lodestar["reason"].startswith("use gpt-4o-mini in place of local-llama; ")
    assert (await world.explain(answer)).request.alias == "local-llama"
    assert (await world.ask("gpt-4o-mini", "two")).lodestar["reason"] == "asked for by name"
    outright = await world.ask("t600/llama3.1:8b", "three")
    assert outright.lodestar["model"] == "t600/llama3.1:8b"
    gap = await world.request("POST", "/v1/completions", {"model": "gpt-3.5-turbo", "prompt": "def", "suffix": "x"})
    assert gap.lodestar["model"] == "t600/deepseek-coder:6.7b"
    assert not (await call(world, "use.end", session="s1"))["changed"]
    assert (await call(world, "use.end"))["changed"]
    assert (await world.ask("local-llama", "four")).lodestar["model"] == "t600/llama3.1:8b"


async def test_a_switch_holds_in_its_scope_and_over_a_reload(world: World) -> None:
    await call(world, "use.set", alias="gpt-4o-mini", project="web")
    await call(world, "use.set", alias="grok-beta", session="s1")
    await world.house.reload()
    asked = {
        "openai/gpt-4o-mini": {"x-lodestar-project": "web"},
        "xai/grok-beta": {"x-lodestar-project": "web", "x-lodestar-session": "s1"},
        "t600/llama3.1:8b": {"x-lodestar-project": "ml"},
    }
    for model, headers in asked.items():
        assert (await world.ask("auto", model, headers=headers)).lodestar["model"] == model
    with pytest.raises(CallerFault, match="Did you mean"):
        await call(world, "use.set", alias="gpt-4o-minni")
    for name in ("project", "session"):
        with pytest.raises(CallerFault, match=f"Say which {name}"):
            await call(world, "use.set", alias="gpt-4o", **{name: " "})


async def test_a_switch_whose_alias_is_gone_does_nothing_and_says_so(tmp_path: Path) -> None:
    async with open_world(tmp_path, SHOP) as world:
        assert not (await call(world, "use.set", alias="gone-by-now"))["switches"][0]["gone"]
        (tmp_path / "conf.d" / "journey.toml").write_text(SHOP.replace("models.gone-by-now", "models.other"))
        await world.house.reload()
        assert (await world.ask("gpt-4o-mini")).lodestar["model"] == "openai/gpt-4o-mini"
        assert (await call(world, "use"))["switches"][0]["gone"]


async def test_a_switch_gives_nobody_a_model_that_its_key_may_not_use(tmp_path: Path) -> None:
    async with open_world(tmp_path, CLIENTS) as world:
        await call(world, "use.set", alias="gpt-4o")
        held = await world.ask("local-llama", headers=bearer(ANN))
        assert held.lodestar["model"] == "t600/llama3.1:8b"
        assert (await world.ask("local-llama", headers=bearer(BOB))).lodestar["model"] == "openai/gpt-4o"


async def test_lan_only_wins_over_a_switch_also_where_it_hangs_on_the_alias(tmp_path: Path) -> None:
    rule = '[[rules]]\nwhen = { alias = ["local-llama"] }\nlabels = ["lan-only"]\n[upstreams.openai]\nlan = false\n'
    async with open_world(tmp_path, rule) as world:
        await call(world, "use.set", alias="gpt-4o-mini")
        refused = await world.ask("local-llama")
        assert (refused.status, world.openai.asked) == (400, 0)
        await call(world, "use.set", alias="auto")
        kept = await world.ask("local-llama")
        assert (kept.status, kept.lodestar["model"]) == (200, "t600/llama3.1:8b")
        assert kept.lodestar["reason"].startswith("use auto in place of local-llama; ")
        assert (await world.ask("gpt-4o")).status == 200
        assert world.openai.asked == 0


async def test_what_can_be_picked_has_its_figures(world: World) -> None:
    answer = await world.ask("gpt-4o-mini")
    await call(world, "feedback.give", id=answer.id, verdict="good", kind="chat")
    rows = {row["name"]: row for row in (await call(world, "models.pick"))["models"]}
    mini = rows["gpt-4o-mini"]
    assert (mini["target"], mini["alias"], mini["input_pico_usd"]) == ("openai/gpt-4o-mini", True, 150_000)
    assert mini["good"] == pytest.approx(1, abs=1e-3)
    assert mini["tokens_per_s"] > 0
    assert rows["openai/gpt-4o"]["alias"] is False
    assert (rows["local-llama"]["free"], rows["local-llama"]["context_tokens"]) == (True, 4096)


ROUTED = """
name = "shop"
prefer = "best"
tags = ["ours"]
models = { auto = "gpt-4o-mini", "local-llama" = "gone-by-now" }
[[rules]]
name = "keys"
when = { matches = "PRIVATE KEY" }
labels = ["lan-only"]
[[rules]]
name = "cloned"
when = { tag = ["away"] }
model = "gpt-4o"
"""
SHOP = """
[upstreams.openai]
lan = false
[models.gone-by-now]
route = ["t600/llama3.1:8b"]
[[rules]]
name = "seen"
when = { tag = ["ours"] }
"""


async def test_a_trusted_file_says_who_answers_in_its_folder(tmp_path: Path) -> None:
    async with open_world(tmp_path, SHOP) as world:
        await trust(world, tmp_path, ROUTED)
        here = {"x-lodestar-folder": f"{tmp_path}/src/deep"}
        answer = await world.ask("auto", headers=here)
        assert answer.lodestar["model"] == "openai/gpt-4o-mini"
        trace = (await world.explain(answer)).trace
        assert (trace["rules"], trace["prefer"]) == (["seen"], "best")
        assert (await world.ask("auto", headers={"x-lodestar-project": "shop"})).lodestar[
            "model"
        ] == "openai/gpt-4o-mini"
        assert (await world.ask("auto")).lodestar["model"] == "t600/llama3.1:8b"
        asked = world.openai.asked
        kept = await world.ask("auto", "BEGIN PRIVATE KEY", headers=here)
        assert kept.status == 400
        assert "lan-only" in kept.error["message"]
        assert world.openai.asked == asked


async def test_a_file_gives_nobody_a_model_that_its_key_may_not_use(tmp_path: Path) -> None:
    async with open_world(tmp_path, CLIENTS) as world:
        await trust(world, tmp_path, ROUTED.replace(', "local-llama" = "gone-by-now"', ""))
        named = {"x-lodestar-folder": str(tmp_path)}
        limited = await world.ask("local-llama#away", headers=bearer(ANN) | named)
        assert limited.lodestar["model"] == "t600/llama3.1:8b"
        free = await world.ask("local-llama#away", headers=bearer(BOB) | named)
        assert free.lodestar["model"] == "openai/gpt-4o"


async def test_whoever_says_another_folder_gets_out_of_nothing(tmp_path: Path) -> None:
    """A key's project keeps its labels where its client says that it works in the folder of another."""
    async with open_world(tmp_path, SHOP) as world:
        await trust(world, tmp_path / "shop", ROUTED)
        await trust(world, tmp_path / "open", 'name = "open"\nmodels = { auto = "gpt-4o" }')
        elsewhere = {"x-lodestar-project": "shop", "x-lodestar-folder": f"{tmp_path}/open"}
        assert (await world.ask("auto", headers=elsewhere)).lodestar["model"] == "openai/gpt-4o"
        asked = world.openai.asked
        kept = await world.ask("auto", "BEGIN PRIVATE KEY", headers=elsewhere)
        assert (kept.status, world.openai.asked) == (400, asked)
