"""A candidate policy over the configuration that runs."""

from decimal import Decimal
from pathlib import Path

import pytest
from msgspec.structs import replace

from lodestard.__main__ import MODULES
from lodestard.config import ConfigError
from lodestard.config.load import load
from lodestard.config.policy import TABLES, lay_policy, read_policy
from lodestard.config.source import Source
from lodestard.domain.routing_settings import Routing, Rule, Traits
from lodestard.domain.settings import Model, ModelPrice, PriceTier, Settings
from tests.fakes.control_desk import SETTINGS

RUNNING = replace(SETTINGS, rules=(Rule(name="old", forbid=("paid",)),), routing=Routing(sticky_usd=0.5))
PRICES = {
    "xai/grok": ModelPrice(
        input=Decimal("0.1"), output=Decimal("2.345678"), tiers=(PriceTier(above_prompt_tokens=9, input=Decimal(1)),),
    )
}  # fmt: skip


def lay(text: str) -> Settings:
    return lay_policy(Source("new.toml", text), RUNNING)


def test_a_file_that_says_nothing_changes_nothing() -> None:
    assert lay("") == RUNNING


def test_a_part_is_laid_over_what_runs_as_a_drop_in_is() -> None:
    laid = lay('[models]\nauto = { route = ["openai/gpt-4o"] }\ngpt-4o = { prefer = "cheap" }\n')
    assert laid.models == {
        **RUNNING.models,
        "auto": Model(route=("openai/gpt-4o",)),
        "gpt-4o": Model(route=("openai/gpt-4o",), prefer="cheap"),
    }
    assert replace(laid, models=RUNNING.models) == RUNNING
    priced = lay(
        '[prices]\n"xai/grok-beta" = { input = 1.5, output = 2 }\n'
        "[routing.worth.fast]\nanswer_usd = 1\nsecond_usd = 1\n"
    )
    assert set(priced.prices) == {"openai/gpt-4o", "xai/grok-beta"}
    assert priced.prices["openai/gpt-4o"] == RUNNING.prices["openai/gpt-4o"]
    assert (priced.routing.sticky_usd, set(priced.routing.worth)) == (0.5, {"fast"})
    assert lay('[[rules]]\nname = "new"\n').rules == (Rule(name="new"),)


def test_a_whole_configuration_takes_back_what_it_does_not_say() -> None:
    text = (
        '[upstreams.other]\ndialect = "openai"\nurl = "http://127.0.0.1:9/v1"\n[models]\na = { route = ["t600/x"] }\n'
    )
    laid = lay(text)
    assert (laid.rules, laid.routing, laid.prices) == ((), Routing(), {})
    assert laid.upstreams == RUNNING.upstreams
    assert set(laid.models) == {"a"}


def test_nothing_else_is_ever_taken() -> None:
    text = '[server]\nlisten = ["0.0.0.0:80"]\n[ledger]\nstore_text = true\n[budgets.month]\nusd = 1\n'
    laid = lay(f'{text}[[rules]]\nname = "n"\n')
    assert {name for name in Settings.__struct_fields__ if getattr(laid, name) != getattr(RUNNING, name)} == {"rules"}
    assert set(TABLES) == {"models", "rules", "routing", "traits", "prices"}


@pytest.mark.parametrize(
    ("text", "key", "line", "words"),
    [
        ("[modls]\n", "modls", 1, "did you mean 'models'"),
        ("\n[routing]\nmacht = 1\n", "routing.macht", 3, "did you mean 'match'"),
        ('[models]\nauto = { route = ["nobody/x"] }\n', "models.auto.route[0]", 2, "nobody"),
        ('[[rules]]\nmodel = "gpt-4oo"\n', "rules[0].model", 2, "did you mean 'gpt-4o'"),
        ('[traits."t600/x"]\nquality = 2.0\n', 'traits."t600/x".quality', 2, "<= 1"),
        ("[models\n", "", 1, "not TOML"),
    ],
)
def test_it_is_checked_as_every_configuration_is(text: str, key: str, line: int, words: str) -> None:
    with pytest.raises(ConfigError) as caught:
        lay(text)
    (fault,) = caught.value.faults
    assert (fault.key, fault.place.file, fault.place.line) == (key, "new.toml", line)
    assert words in fault.message


def test_a_file_is_read_alone_without_what_lies_beside_it(tmp_path: Path) -> None:
    (tmp_path / "conf.d").mkdir()
    (tmp_path / "conf.d" / "a.toml").write_text('[models]\nb = { route = ["t600/x"] }\n')
    (tmp_path / "new.toml").write_text("[routing]\nsticky_usd = 0.1\n")
    assert read_policy(tmp_path / "new.toml", RUNNING) == replace(RUNNING, routing=Routing(sticky_usd=0.1))
    with pytest.raises(ConfigError, match="can't be read"):
        read_policy(tmp_path / "gone.toml", RUNNING)


def test_every_shipped_configuration_survives_being_laid_over() -> None:
    shipped = Path(__file__).parents[3] / "config" / "lodestard.toml"
    running = load(shipped, module_schemas={module.name: module.settings for module in MODULES}).settings
    tuned = replace(running, prices=PRICES, traits={"t600/x": Traits(quality=0.5, tasks={"edit": 0.25})})
    nothing = lay_policy(Source("new.toml", "[models]\n[traits]\n[prices]\n[routing]\n"), tuned)
    assert nothing == tuned
