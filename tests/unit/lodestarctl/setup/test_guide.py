"""The guide, answered by a script: what it asks, what it says, what is decided."""

from typing import Any

import pytest

from lodestarctl.render.words import columns_of
from lodestarctl.setup.choices import Choices
from lodestarctl.setup.facts import Facts, File, KeyFact, Server
from lodestarctl.setup.guide import Ports, guide
from lodestarctl.setup.options import Options
from lodestarctl.setup.place import Place
from lodestarctl.setup.probe import Tried
from lodestarctl.setup.providers import Provider
from lodestarctl.setup.terminal import LeftError, wrap
from lodestard.domain.secret import Secret
from tests.fakes.scripted_terminal import ScriptedTerminal
from tests.unit.lodestarctl.setup.test_plan import CONFIG, GPU, PLACE

CANARY = "sk-canary-guide-0123456789"
HERE = "http://127.0.0.1:11434"
ALIASES = {"local-llama": "ollama/llama3.2:3b", "gpt-3.5-turbo": "ollama/qwen2.5-coder:3b"}
BOX = "http://127.0.0.2:11434"
NOBODY = Server(url=HERE, error="Connection refused")
TABLES: dict[str, Any] = {
    "upstreams": {"t600": {"dialect": "ollama", "url": BOX}},
    "models": {"chat": {"route": ["t600/llama3.2:3b"]}},
}
ELSEWHERE = Server(url=BOX, version="0.9", models=GPU.models)


class World:
    """What the guide sees while it asks."""

    def __init__(self, *servers: Server, tried: Tried | None = None) -> None:
        self.servers = {server.url: server for server in servers}
        self.tried = tried or Tried(True, "openai accepts the key.")
        self.trials: list[tuple[str, str, str]] = []

    def look_at(self, url: str) -> Server:
        return self.servers.get(url, Server(url=url, error="Connection refused"))

    def try_key(self, provider: Provider, url: str, key: Secret) -> Tried:
        self.trials.append((provider.name, url, key.reveal()))
        return self.tried


def facts(*servers: Server, tables: Any = None, keys: tuple[KeyFact, ...] = (), place: Place = PLACE) -> Facts:
    files = (File(CONFIG, tables),) if tables is not None else ()
    found = keys or tuple(KeyFact(provider=name) for name in ("anthropic", "openai", "xai", "gemini"))
    return Facts(place=place, files=files, tables=tables or {}, servers=servers, keys=found)


def run(terminal: ScriptedTerminal, there: Facts, world: World | None = None, **options: Any) -> Choices:
    world = world or World()
    chosen = guide(terminal, there, Options(**options), Ports(world.look_at, world.try_key, "Etc/UTC"))
    assert not terminal.answers, f"never asked for: {terminal.answers}"
    assert CANARY not in terminal.text
    return chosen


def silent() -> ScriptedTerminal:
    return ScriptedTerminal(interactive=False)


def test_on_a_new_machine_enter_is_enough() -> None:
    terminal = ScriptedTerminal(["", "", ""])
    chosen = run(terminal, facts(GPU))
    assert chosen.hosts == {"ollama": HERE}
    assert chosen.aliases == ALIASES
    assert (chosen.keys, chosen.budget_usd, chosen.timezone, chosen.pulls) == ({}, None, None, ())
    assert len(terminal.asked) == 3  # which model, which keys, which zone


def test_without_anybody_there_the_defaults_hold_and_nothing_is_asked() -> None:
    chosen = run(silent(), facts(GPU), yes=True)
    assert (chosen.hosts, chosen.aliases) == ({"ollama": HERE}, ALIASES)


def test_where_nobody_answers_it_says_how_and_goes_on() -> None:
    terminal = ScriptedTerminal(["", "", ""])
    chosen = run(terminal, facts(NOBODY))
    assert chosen == Choices()
    assert "ollama serve" in terminal.text


def test_an_address_is_asked_for_until_somebody_answers() -> None:
    terminal = ScriptedTerminal(["what?!", "127.0.0.3", "n", "127.0.0.2", "", "", ""])
    chosen = run(terminal, facts(NOBODY), World(ELSEWHERE))
    assert chosen.hosts == {"ollama": BOX}
    assert "OLLAMA_HOST" not in terminal.text  # those are this machine's own


def test_a_machine_elsewhere_is_told_how_to_listen() -> None:
    terminal = silent()
    chosen = run(terminal, facts(NOBODY), ollama=("http://192.0.2.1:11434",))
    assert "OLLAMA_HOST=0.0.0.0" in terminal.text
    assert chosen.hosts == {"ollama": "http://192.0.2.1:11434"}  # said on purpose: it may come up later


def test_a_server_that_moved_keeps_its_name() -> None:
    gone = Server(url=BOX, error="No route to host")
    moved = Server(url="http://127.0.0.3:11434", models=GPU.models)
    chosen = run(silent(), facts(gone, NOBODY, moved, tables=TABLES), World(moved), ollama=(moved.url,))
    assert chosen.hosts == {"t600": moved.url}


def test_a_configured_server_that_is_away_is_not_replaced_by_this_machine_s_own() -> None:
    chosen = run(silent(), facts(Server(url=BOX, error="no answer"), GPU, tables=TABLES), yes=True)
    assert chosen.hosts == {}


def test_another_server_gets_a_name_of_its_own() -> None:
    chosen = run(silent(), facts(ELSEWHERE, GPU, tables=TABLES), ollama=(HERE,))
    assert chosen.hosts == {"ollama": HERE}


@pytest.mark.parametrize(
    ("answer", "swaps", "pulls"),
    [
        ("", {"t600/llama3.1:8b": "t600/llama3.2:3b"}, ()),
        ("2", {"t600/llama3.1:8b": "t600/qwen2.5-coder:3b"}, ()),
        ("d", {}, ("t600/llama3.1:8b",)),
        ("l", {}, ()),
    ],
)
def test_a_model_that_is_missing_has_a_stand_in_a_download_or_nothing(
    answer: str, swaps: dict[str, str], pulls: tuple[str, ...]
) -> None:
    tables = {**TABLES, "models": {"chat": {"route": ["t600/llama3.1:8b"]}}}
    terminal = ScriptedTerminal(["nine", answer, "", ""])
    chosen = run(terminal, facts(ELSEWHERE, NOBODY, tables=tables))
    assert (chosen.swaps, chosen.pulls) == (swaps, pulls)


def test_options_name_models_for_aliases_and_downloads() -> None:
    chosen = run(
        silent(), facts(ELSEWHERE, tables=TABLES), models={"code": "qwen2.5-coder:3b"}, pulls=("llama3.1:8b",)
    )
    assert chosen.aliases == {"code": "t600/qwen2.5-coder:3b"}
    assert chosen.pulls == ("t600/llama3.1:8b",)


def test_a_model_that_an_option_names_and_nobody_has_is_told_and_the_usual_names_stay() -> None:
    terminal = silent()
    chosen = run(terminal, facts(GPU), models={"mine": "nope", "local-llama": "nope"}, pulls=())
    assert chosen.aliases == {**ALIASES, "mine": "ollama/nope", "local-llama": "ollama/nope"}
    assert sum("which ollama does not have" in text for text in terminal.said) == 2


def test_a_key_is_asked_for_unseen_tried_on_a_yes_and_a_budget_follows() -> None:
    world = World()
    terminal = ScriptedTerminal(["openai", f"  {CANARY}\n", "", "", ""])
    chosen = run(terminal, facts(ELSEWHERE, NOBODY, tables=TABLES), world)
    assert chosen.keys["openai"].reveal() == CANARY
    assert world.trials == [("openai", "https://api.openai.com/v1", CANARY)]
    assert chosen.budget_usd == "20"


def test_a_key_is_not_tried_without_a_yes() -> None:
    world = World()
    chosen = run(ScriptedTerminal(["openai", CANARY, "n", "-", ""]), facts(ELSEWHERE, tables=TABLES), world)
    assert world.trials == []
    assert set(chosen.keys) == {"openai"}
    assert chosen.budget_usd is None
    run(silent(), facts(ELSEWHERE, tables=TABLES), world, keys={"openai": Secret(CANARY)})
    assert world.trials == []
    run(silent(), facts(ELSEWHERE, tables=TABLES), world, keys={"openai": Secret(CANARY)}, try_keys=True)
    assert len(world.trials) == 1


def test_what_was_pasted_with_it_is_never_taken_for_a_key_or_an_answer() -> None:
    answers = ["openai", f"{CANARY}\nsudo rm -rf /\n", "\n", ""]
    chosen = run(ScriptedTerminal(answers), facts(ELSEWHERE, tables=TABLES))
    assert chosen.keys == {}


def test_a_key_that_its_provider_refuses_is_not_kept_by_itself() -> None:
    refused = World(tried=Tried(False, "openai refuses the key (401)."))
    terminal = ScriptedTerminal(["openai", CANARY, "y", "", "", ""])
    chosen = run(terminal, facts(ELSEWHERE, tables=TABLES), refused)
    assert chosen.keys == {}
    away = World(tried=Tried(False, "openai can't be reached.", doubtful=True))
    kept = run(ScriptedTerminal(["openai", CANARY, "y", "", "", ""]), facts(ELSEWHERE, tables=TABLES), away)
    assert set(kept.keys) == {"openai"}


def test_a_key_that_is_there_stays_unless_it_is_replaced_or_removed_on_purpose() -> None:
    have = (KeyFact(provider="openai", upstream="openai", state="set", where="/k", ours=True),)
    there = facts(ELSEWHERE, tables=TABLES, keys=have)
    assert run(ScriptedTerminal(["openai", "", "", ""]), there).keys == {}
    assert run(silent(), there, keys={"openai": Secret(CANARY)}).keys == {}
    assert set(run(silent(), there, keys={"openai": Secret(CANARY)}, replace=True).keys) == {"openai"}
    assert run(ScriptedTerminal(["-openai", ""]), there).removed == ("openai",)
    assert run(silent(), there, removed=("openai",)).removed == ("openai",)
    foreign = (KeyFact(provider="openai", upstream="openai", state="set", where="/k"),)
    assert run(silent(), facts(tables=TABLES, keys=foreign), removed=("openai",)).removed == ()


def test_a_key_typed_where_a_name_was_asked_for_is_not_repeated() -> None:
    terminal = ScriptedTerminal([CANARY, "", ""])
    run(terminal, facts(ELSEWHERE, tables=TABLES))
    assert "a new one would be better" in terminal.text


def test_who_goes_in_the_midst_of_it_ends_the_guide() -> None:
    with pytest.raises(LeftError):
        run(ScriptedTerminal([]), facts(GPU))


def test_few_questions_where_all_is_set() -> None:
    tables = {**TABLES, "budgets": {"month": {"usd": 20}}, "ledger": {"timezone": "Europe/Berlin"}}
    terminal = ScriptedTerminal([""])
    assert run(terminal, facts(ELSEWHERE, NOBODY, tables=tables)) == Choices()
    assert len(terminal.asked) == 1


@pytest.mark.parametrize("width", [20, 36, 76])
def test_lines_fit_a_narrow_terminal_whatever_their_letters(width: int) -> None:
    text = "Über 模型 模型 模型 模型 模型 und mehr " + "http://127.0.0.1:11434/a/long/address/that/must/stay/whole"
    for row in wrap(text, width):
        assert columns_of(row) <= width or " " not in row
    assert " ".join(wrap(text, width)) == text
