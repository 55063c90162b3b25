"""What follows from what there is and what was decided: tables, routes, steps."""

import tomllib
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lodestarctl.setup.choices import Choices
from lodestarctl.setup.facts import Facts, File, KeyFact, LocalModel, Server, lay_over
from lodestarctl.setup.files import drop_in_text
from lodestarctl.setup.models import missing_targets, nearest
from lodestarctl.setup.place import Place
from lodestarctl.setup.plan import overruled, tables_for
from lodestarctl.setup.steps import report_on
from lodestard.config.load import build
from lodestard.config.source import Source
from lodestard.domain.secret import Secret
from tests.architecture.house import ROOT

KEY = Secret("sk-canary-plan-0123456789")
CONFIG = Path("/c/lodestard.toml")
PLACE = Place(kind="file", config_file=CONFIG)
SYSTEM = Place(kind="system", config_file=CONFIG, unit=True, store="encrypted")
MODELS = (LocalModel("llama3.2:3b", 2_000_000_000), LocalModel("qwen2.5-coder:3b", 1_900_000_000))
GPU = Server(url="http://127.0.0.1:11434", version="0.9", models=MODELS)
EXAMPLE = tomllib.loads((ROOT / "config/lodestard.toml").read_text())


def facts(tables: dict[str, Any] | None = None, *files: File, place: Place = PLACE, **more: Any) -> Facts:
    """``tables`` stand in the main file, ``files`` over it."""
    main = [File(CONFIG, tables)] if tables is not None else []
    merged: dict[str, Any] = {}
    for file in (*main, *files):
        merged = lay_over(merged, file.tables)
    return Facts(place=place, files=(*main, *files), tables=merged, **more)


def whole(before: Facts, own: dict[str, Any]) -> Any:
    """What lodestard reads from the files with ``own`` in place: valid, or this raises."""
    others = [file for file in before.files if file.path != before.place.drop_in]
    files = sorted([*others, File(before.place.drop_in, own)], key=lambda file: (file.path != CONFIG, file.path.name))
    return build([Source(str(file.path), drop_in_text(file.tables)) for file in files]).settings


def test_an_empty_machine_gets_aliases_that_answer() -> None:
    before = facts()
    chosen = Choices(
        hosts={"ollama": GPU.url}, aliases={"local": "ollama/llama3.2:3b"}, keys={"openai": KEY}, budget_usd="20"
    )
    own = tables_for(before, chosen)
    settings = whole(before, own)
    assert settings.models["auto"].route == ("ollama/llama3.2:3b", "openai/gpt-4o-mini")
    assert settings.models["local"].route == ("ollama/llama3.2:3b",)
    assert settings.models["gpt-4o-mini"].route == ("openai/gpt-4o-mini",)
    assert settings.models["gpt-4o"].route == ("openai/gpt-4o",)  # by name alone: auto weighs the first of a provider
    assert settings.upstreams["ollama"].free
    assert settings.upstreams["openai"].key.file == "/c/keys/openai"
    assert settings.budgets["month"].usd == Decimal(20)
    assert settings.prices["openai/gpt-4o-mini"].max_output_tokens == 16_384


def test_the_example_needs_no_more_than_what_is_new() -> None:
    before = facts(EXAMPLE, place=SYSTEM)
    own = tables_for(before, Choices(keys={"openai": KEY, "anthropic": KEY}))
    assert own == {}


def test_the_example_with_other_models_asks_those_that_are_there() -> None:
    before = facts(EXAMPLE, place=SYSTEM)
    swaps = {
        "t600/llama3.1:8b": "t600/llama3.2:3b",
        "t600/deepseek-coder:6.7b": "t600/qwen2.5-coder:3b",
    }
    own = tables_for(before, Choices(swaps=swaps, hosts={"t600": "http://192.168.1.50:11434"}))
    settings = whole(before, own)
    assert settings.models["local-llama"].route == ("t600/llama3.2:3b",)
    assert settings.models["auto"].route[:2] == ("t600/llama3.2:3b", "t600/qwen2.5-coder:3b")
    assert settings.models["auto"].route[2:] == tuple(EXAMPLE["models"]["auto"]["route"][2:])
    assert settings.models["auto"].prefer == "cheap"
    assert not settings.upstreams["t600"].models["deepseek-coder:6.7b"].warm
    assert settings.upstreams["t600"].models["qwen2.5-coder:3b"].warm
    assert settings.upstreams["t600"].url == "http://192.168.1.50:11434"


def test_a_key_in_another_place_leaves_the_old_one_out() -> None:
    before = facts(
        {"upstreams": {"openai": {"dialect": "openai", "url": "https://api.openai.com/v1", "key": {"env": "K"}}}}
    )
    own = tables_for(before, Choices(keys={"openai": KEY}))
    key = whole(before, own).upstreams["openai"].key
    assert (key.env, key.file) == ("", "/c/keys/openai")


def test_a_second_run_keeps_what_the_first_one_wrote() -> None:
    first = facts()
    own = tables_for(first, Choices(hosts={"ollama": GPU.url}, aliases={"local": "ollama/llama3.2:3b"}))
    again = facts({}, File(PLACE.drop_in, own))
    assert tables_for(again, Choices()) == own
    more = tables_for(again, Choices(budget_usd="5", timezone="Europe/Berlin"))
    assert {name: more[name] for name in own} == own
    assert whole(again, more).ledger.timezone == "Europe/Berlin"


def test_a_budget_for_the_month_is_changed_under_its_own_name() -> None:
    before = facts({"budgets": {"all": {"usd": 5}, "mine": {"usd": 1, "scope": "user"}}})
    own = tables_for(before, Choices(budget_usd="7.5"))
    assert own["budgets"] == {"all": {"window": "month", "usd": Decimal("7.5")}}


def test_what_a_later_file_says_otherwise_is_told() -> None:
    later = File(CONFIG.parent / "conf.d/90-lodestarctl.toml", {"ledger": {"timezone": "Asia/Tokyo"}})
    before = facts({}, later)
    own = {"ledger": {"timezone": "Europe/Berlin"}}
    assert overruled(before, own) == [f"ledger.timezone: {later.path} says otherwise, and has the last word."]
    assert overruled(before, {"ledger": {"timezone": "Asia/Tokyo"}}) == []


names = st.sampled_from(["openai", "anthropic", "xai", "gemini"])
targets = st.sampled_from(["t600/llama3.1:8b", "t600/deepseek-coder:6.7b"])
decisions = st.builds(
    Choices,
    hosts=st.dictionaries(st.sampled_from(["t600", "ollama"]), st.just(GPU.url)),
    aliases=st.dictionaries(st.sampled_from(["auto", "local", "odd.name"]), st.just("t600/llama3.2:3b")),
    swaps=st.dictionaries(targets, st.sampled_from(["t600/llama3.2:3b", "t600/qwen2.5-coder:3b"])),
    keys=st.dictionaries(names, st.just(KEY)),
    budget_usd=st.none() | st.sampled_from(["20", "0.01", "1000000"]),
    timezone=st.none() | st.just("Europe/Berlin"),
)


@given(decisions, st.sampled_from([PLACE, SYSTEM]))
def test_whatever_is_decided_over_the_example_is_a_configuration(chosen: Choices, place: Place) -> None:
    before = facts(EXAMPLE, place=place)
    own = tables_for(before, chosen)
    whole(before, own)
    text = drop_in_text(own)
    assert KEY.reveal() not in text
    assert drop_in_text(tomllib.loads(text, parse_float=Decimal)) == text
    again = facts(EXAMPLE, File(place.drop_in, tomllib.loads(text)), place=place)
    assert tables_for(again, Choices()) == tomllib.loads(text)


# models


@pytest.mark.parametrize(
    ("wanted", "best"),
    [("llama3.1:8b", "llama3.2:3b"), ("deepseek-coder:6.7b", "qwen2.5-coder:3b"), ("mistral", "llama3.2:3b")],
)
def test_the_nearest_model_is_of_the_family_or_of_the_kind(wanted: str, best: str) -> None:
    assert nearest(wanted, MODELS) == best


def test_a_model_that_only_embeds_stands_in_for_nobody() -> None:
    assert nearest("llama3.1:8b", (LocalModel("nomic-embed-text:latest"),)) == ""


def test_a_model_is_there_by_its_name_without_latest_too() -> None:
    server = Server(url="http://x", models=(LocalModel("llama3:latest"),))
    tables = {"models": {"a": {"route": ["gpu/llama3", "gpu/phi"]}, "b": {"route": ["gpu/phi", "paid/x"]}}}
    assert missing_targets(tables, "gpu", server) == {"phi": ["a", "b"]}


# steps


def test_an_empty_machine_is_told_what_is_missing() -> None:
    report = report_on(facts(None, servers=(Server(url=GPU.url, error="Connection refused"),)))
    assert not report.ok
    needed = {step.name for step in report.steps if step.state in ("missing", "wrong")}
    assert needed == {"where", "ollama", "daemon"}


def test_a_house_that_runs_and_is_answered_is_set_up() -> None:
    tables = {
        "upstreams": {"gpu": {"dialect": "ollama", "url": GPU.url}},
        "models": {"a": {"route": ["gpu/llama3.2:3b"]}},
    }
    report = report_on(facts(tables, servers=(GPU,), running=True))
    assert report.ok, report
    down = report_on(facts(tables, servers=(GPU,)))
    assert not down.ok
    keyless = report_on(facts({}, servers=(), running=True))
    assert not keyless.ok
    paid = report_on(facts({}, running=True, keys=(KeyFact(provider="openai", state="set", where="/k"),)))
    assert paid.ok  # a local model is no must
