"""A candidate policy over the configuration that runs."""

import pytest
from msgspec.structs import replace

from lodestard.config import ConfigError
from lodestard.config.policy import TABLES, lay_policy, read_policy
from lodestard.config.source import Source
from lodestard.domain.routing_settings import Routing, Rule
from lodestard.domain.settings import Model, Settings
from tests.fakes.control_desk import SETTINGS

RUNNING = replace(SETTINGS, rules=(Rule(name="old", forbid=("paid",)),), routing=Routing(sticky_usd=0.5))


def lay(text: str) -> Settings:
    return lay_policy(Source("new.toml", text), RUNNING)


def test_a_file_that_says_nothing_changes_nothing() -> None:
    assert lay("") == RUNNING


def test_what_a_part_names_is_taken_whole_and_the_rest_stays() -> None:
    laid = lay('[models]\nauto = { route = ["openai/gpt-4o"], prefer = "cheap" }\n')
    assert laid.models == {"auto": Model(route=("openai/gpt-4o",), prefer="cheap")}
    assert replace(laid, models=RUNNING.models) == RUNNING


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


def test_a_file_is_read_alone_without_what_lies_beside_it(tmp_path) -> None:  # type: ignore[no-untyped-def]
    (tmp_path / "conf.d").mkdir()
    (tmp_path / "conf.d" / "a.toml").write_text('[models]\nb = { route = ["t600/x"] }\n')
    (tmp_path / "new.toml").write_text("[routing]\nsticky_usd = 0.1\n")
    assert read_policy(tmp_path / "new.toml", RUNNING) == replace(RUNNING, routing=Routing(sticky_usd=0.1))
    with pytest.raises(ConfigError, match="can't be read"):
        read_policy(tmp_path / "gone.toml", RUNNING)
