"""Aider's files: what they say, how they are laid over what is there, and what the command does with them."""

import json
import sys
from collections.abc import Mapping
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lodestarctl import cli, exit_codes
from lodestarctl.aider.files import CONF, MARK, METADATA, SETTINGS, Wanted, always_free, notes_on, write_files
from lodestarctl.aider.merge import lay
from lodestard.control.messages.aider import AiderFacts, AiderModel
from tests.fakes.control_client import FakeClient

PAID = AiderModel(
    alias="gpt-4o",
    target="openai/gpt-4o",
    input_pico_usd=2_500_000,
    output_pico_usd=10_000_000,
    context_tokens=128_000,
    max_output_tokens=16_384,
)
LOCAL = AiderModel(
    alias="local-llama", target="t600/llama", free=True, input_pico_usd=0, output_pico_usd=0, context_tokens=4_096
)
AUTO = AiderModel(
    alias="auto", target="t600/llama", free=True, input_pico_usd=0, output_pico_usd=0, fallbacks=("openai/gpt-4o",)
)
UNPRICED = AiderModel(alias="odd", target="x/odd")
FACTS = AiderFacts(base_url="http://127.0.0.1:4000/v1", models=(AUTO, PAID, LOCAL, UNPRICED))
WANTED = Wanted("alpha", "gpt-4o", "local-llama")
FILES = write_files(FACTS, WANTED)


# what they say


def test_the_configuration_names_models_address_and_project() -> None:
    assert FILES[CONF].splitlines() == [
        MARK,
        'model: "openai/gpt-4o"',
        'weak-model: "openai/local-llama"',
        'openai-api-base: "http://127.0.0.1:4000/v1"',
        'openai-api-key: "lodestar:alpha"',
    ]


def test_each_alias_has_its_settings_and_says_who_asks() -> None:
    text = FILES[SETTINGS]
    assert text.count("- name: ") == 4
    assert text.count('x-lodestar-client: "aider"') == text.count('x-lodestar-project: "alpha"') == 4
    paid = text[text.index("openai/gpt-4o") : text.index('openai/local-llama"\n  edit')]
    assert 'edit_format: "diff"' in paid
    assert 'weak_model_name: "openai/local-llama"' in paid
    assert 'edit_format: "whole"' in text[text.index('- name: "openai/local-llama"') :]


def test_who_wants_to_be_told_what_he_waits_for_says_so_to_free_models_alone() -> None:
    assert "x-lodestar-tell" not in FILES[SETTINGS]
    text = write_files(FACTS, WANTED._replace(tell_waiting=True))[SETTINGS]
    told = [part.splitlines()[0] for part in text.split("- name: ") if 'x-lodestar-tell: "waiting"' in part]
    assert told == ['"openai/auto"', '"openai/local-llama"']


def test_prices_are_dollars_a_token_and_what_is_not_known_is_left_out() -> None:
    metadata = json.loads(FILES[METADATA])
    assert metadata["openai/gpt-4o"] == {
        "max_tokens": 16_384,
        "max_input_tokens": 128_000,
        "max_output_tokens": 16_384,
        "input_cost_per_token": 0.0000025,
        "output_cost_per_token": 0.00001,
        "litellm_provider": "openai",
        "mode": "chat",
    }
    assert metadata["openai/odd"] == {"litellm_provider": "openai", "mode": "chat"}
    assert metadata["openai/local-llama"]["input_cost_per_token"] == 0


@given(st.integers(min_value=0, max_value=10**9))
def test_a_price_can_be_read_back_to_the_last_digit(pico_usd: int) -> None:
    facts = AiderFacts(base_url="x", models=(AiderModel(alias="m", input_pico_usd=pico_usd),))
    told = json.loads(write_files(facts, Wanted("p", "m", "m"))[METADATA])["openai/m"]["input_cost_per_token"]
    assert round(told * 10**12) == pico_usd


def test_a_weak_model_costs_nothing_where_one_is_free() -> None:
    assert always_free(FACTS.models) == "local-llama"
    assert always_free((AUTO, PAID)) == "auto"
    assert always_free((PAID,)) == ""


@pytest.mark.parametrize(
    ("model", "says"),
    [
        ("gpt-4o", "stream: false"),
        ("auto", "auto is free, so Aider shows tokens and no cost line."),
        ("auto", "may be answered by openai/gpt-4o too; Aider counts the price of t600/llama"),
        ("odd", "odd has no price"),
        ("odd", "The context size of auto, odd is not known"),
        ("gpt-4o", "never counts its weak model"),
        ("gpt-4o", "cached prompt tokens at the full price"),
        ("gpt-4o", "lodestarctl session show"),
    ],
)
def test_where_its_figures_can_not_be_exact_is_said(model: str, says: str) -> None:
    assert any(says in note for note in notes_on(FACTS, WANTED._replace(model=model)))


# over what is there


@pytest.mark.parametrize("name", FILES)
def test_nothing_there_and_the_same_there(name: str) -> None:
    assert lay(name, None, FILES[name], force=False)[1:] == ("new", "", FILES[name])
    assert lay(name, " \n", FILES[name], force=False).outcome == "new"
    assert lay(name, FILES[name], FILES[name], force=False).outcome == "same"


@pytest.mark.parametrize("name", [CONF, SETTINGS])
def test_a_file_that_is_not_ours_is_left_alone(name: str) -> None:
    theirs = "model: theirs\nread: [CONVENTIONS.md]\n"
    assert lay(name, theirs, FILES[name], force=False).outcome == "foreign"
    assert lay(name, theirs, FILES[name], force=True)[1:] == ("changed", theirs, FILES[name])


def test_what_is_missing_is_added_and_what_is_there_stays() -> None:
    theirs = f'{MARK}\n# mine\nmodel: "openai/gpt-4o"\nread:\n  - CONVENTIONS.md\ndark-mode: true # yes\n'
    laid = lay(CONF, theirs, FILES[CONF], force=False)
    assert laid.outcome == "changed"
    assert laid.text.startswith(theirs)
    assert laid.text.count("model: ") == 2
    assert laid.text.endswith('openai-api-key: "lodestar:alpha"\n')


def test_what_says_otherwise_stands_unless_forced() -> None:
    theirs = FILES[CONF].replace("openai/gpt-4o", "openai/other") + "dark-mode: true"
    laid = lay(CONF, theirs, FILES[CONF], force=False)
    assert laid.outcome == "differs"
    forced = lay(CONF, theirs, FILES[CONF], force=True)
    assert forced.outcome == "changed"
    assert forced.text == FILES[CONF] + "dark-mode: true\n"


def test_settings_are_laid_by_the_model_s_name() -> None:
    own = '- name: "openai/mine"\n  edit_format: "udiff"  # mine\n\n'
    theirs = FILES[SETTINGS].replace(f"{MARK}\n", f"{MARK}\n{own}")
    assert lay(SETTINGS, theirs, FILES[SETTINGS], force=False).outcome == "same"
    changed = theirs.replace('"diff"', '"udiff"', 1)
    assert lay(SETTINGS, changed, FILES[SETTINGS], force=False).outcome == "differs"
    assert own in lay(SETTINGS, changed, FILES[SETTINGS], force=True).text


def test_metadata_is_laid_by_the_model_s_name() -> None:
    theirs = json.dumps({"mine/model": {"mode": "chat"}})
    laid = lay(METADATA, theirs, FILES[METADATA], force=False)
    assert laid.outcome == "changed"
    assert json.loads(laid.text) == {"mine/model": {"mode": "chat"}, **json.loads(FILES[METADATA])}
    dearer = FILES[METADATA].replace("16384", "4096")
    assert lay(METADATA, dearer, FILES[METADATA], force=False).outcome == "differs"
    assert json.loads(lay(METADATA, dearer, FILES[METADATA], force=True).text) == json.loads(FILES[METADATA])
    for broken in ("// JSON5\n{}", "[]"):
        assert lay(METADATA, broken, FILES[METADATA], force=False).outcome == "foreign"
        assert lay(METADATA, broken, FILES[METADATA], force=True).text == FILES[METADATA]


KEYS = st.from_regex(r"[a-z]{1,8}", fullmatch=True)


@given(st.dictionaries(KEYS, st.integers(), max_size=5), st.dictionaries(KEYS, st.integers(), max_size=5))
def test_laying_loses_no_line_and_is_done_once(theirs: Mapping[str, int], ours: Mapping[str, int]) -> None:
    def write(members: Mapping[str, int]) -> str:
        return "".join([f"{MARK}\n", *(f"{key}: {value}\n" for key, value in members.items())])

    laid = lay(CONF, write(theirs), write(ours), force=False)
    differs = any(key in theirs and theirs[key] != value for key, value in ours.items())
    assert (laid.outcome == "differs") == differs
    forced = lay(CONF, write(theirs), write(ours), force=True).text
    assert forced == write({**theirs, **ours})
    assert lay(CONF, forced, write(ours), force=False).outcome == "same"


# the command


class Run:
    """Runs the command in a folder."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], folder: Path) -> None:
        self._monkeypatch, self._capsys, self.folder = monkeypatch, capsys, folder
        self.facts = FACTS

    def __call__(self, *words: str) -> tuple[int, str, str]:
        client = FakeClient({"aider": self.facts})
        self._monkeypatch.setattr(cli, "ControlClient", lambda _paths: client)
        self._monkeypatch.setattr(sys, "stdin", None)
        status = cli.main(["aider", "--folder", str(self.folder), *words])
        out, err = self._capsys.readouterr()
        return status, out, err

    def read(self, name: str) -> str:
        return (self.folder / name).read_text()


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Run:
    folder = tmp_path / "alpha"
    folder.mkdir()
    return Run(monkeypatch, capsys, folder)


def test_it_prints_and_writes_nothing(run: Run) -> None:
    status, out, err = run("--model", "gpt-4o")
    assert status == exit_codes.OK
    for name, text in FILES.items():
        assert f"==> {run.folder / name} <==\n{text}" in out
    assert "Nothing was written" in err
    assert not list(run.folder.iterdir())
    status, out, _ = run("--model", "gpt-4o", "--json")
    assert json.loads(out)["data"]["files"] == FILES


def test_it_writes_once_and_then_finds_all_as_it_should_be(run: Run) -> None:
    status, out, err = run("--write", "--model", "gpt-4o")
    assert (status, out.count("written")) == (exit_codes.OK, 3)
    assert "stream: false" in err
    assert {name: run.read(name) for name in FILES} == FILES
    status, out, _ = run("--write", "--model", "gpt-4o")
    assert (status, out.count("is as it should be")) == (exit_codes.OK, 3)
    assert len(list(run.folder.iterdir())) == 3


def test_it_refuses_to_change_and_keeps_a_copy_where_it_is_forced(run: Run) -> None:
    run("--write", "--model", "gpt-4o")
    (run.folder / SETTINGS).write_text("- name: openai/mine\n")
    (run.folder / CONF).chmod(0o600)
    status, out, err = run("--write", "--model", "auto")
    assert status == exit_codes.FAILURE
    assert '-model: "openai/gpt-4o"\n' in out
    assert '+model: "openai/auto"\n' in out
    assert "was not written by lodestarctl aider" in err
    assert "says otherwise" in err
    assert run.read(CONF) == FILES[CONF]
    status, out, _ = run("--write", "--model", "auto", "--json")
    assert status == exit_codes.FAILURE
    assert json.loads(out)["data"]["outcomes"] == {CONF: "differs", SETTINGS: "foreign", METADATA: "same"}
    for number in range(2):
        (run.folder / SETTINGS).write_text(f"- name: openai/mine{number}\n")
        assert run("--write", "--model", "auto", "--force")[0] == exit_codes.OK
    assert 'model: "openai/auto"' in run.read(CONF)
    assert run.read(f"{CONF}.bak") == FILES[CONF]
    assert run.read(f"{SETTINGS}.bak") == "- name: openai/mine0\n"
    assert run.read(f"{SETTINGS}.bak.1") == "- name: openai/mine1\n"
    assert (run.folder / CONF).stat().st_mode & 0o777 == 0o600
    assert not (run.folder / f"{METADATA}.bak").exists()


def test_a_link_is_followed(run: Run, tmp_path: Path) -> None:
    shared = tmp_path / "shared.json"
    shared.write_text("{}")
    (run.folder / METADATA).symlink_to(shared)
    assert run("--write")[0] == exit_codes.OK
    assert (run.folder / METADATA).is_symlink()
    assert json.loads(shared.read_text()) == json.loads(FILES[METADATA])


@pytest.mark.parametrize(
    ("words", "models"),
    [
        ([], 'model: "openai/auto"\nweak-model: "openai/auto"\n'),
        (["--model", "gpt-4o"], 'model: "openai/gpt-4o"\nweak-model: "openai/local-llama"\n'),
        (["--model", "gpt-4o", "--weak", "odd"], 'model: "openai/gpt-4o"\nweak-model: "openai/odd"\n'),
    ],
)
def test_what_was_not_said_is_chosen(run: Run, words: list[str], models: str) -> None:
    _, out, _ = run(*words)
    assert models in out
    assert 'openai-api-key: "lodestar:alpha"' in out


def test_without_auto_and_without_a_free_one(run: Run) -> None:
    run.facts = AiderFacts(base_url="http://127.0.0.1:4000/v1", models=(PAID,))
    assert 'model: "openai/gpt-4o"\nweak-model: "openai/gpt-4o"\n' in run()[1]


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--model", "gpt-4"], "Did you mean 'gpt-4o'?"),
        (["--weak", "xyzzy"], "there is no model 'xyzzy'"),
        (["--project", "a:b"], "without a colon"),
    ],
)
def test_what_can_not_be_understood(run: Run, words: list[str], says: str) -> None:
    status, _, err = run(*words)
    assert status == exit_codes.USAGE
    assert says in err


def test_a_folder_or_a_file_that_can_not_be_read(run: Run) -> None:
    (run.folder / CONF).mkdir()
    status, _, err = run("--write")
    assert status == exit_codes.USAGE
    assert "can't read" in err
    run.folder = run.folder / "gone"
    assert "is not a folder" in run()[2]


@pytest.mark.parametrize("facts", [AiderFacts(base_url="", models=(PAID,)), AiderFacts(base_url="x", models=())])
def test_a_daemon_that_serves_nothing(run: Run, facts: AiderFacts) -> None:
    run.facts = facts
    status, _, err = run()
    assert status == exit_codes.USAGE
    assert "no model or no port" in err


def test_a_key_that_opens_something_is_for_no_file() -> None:
    facts = msgspec.structs.replace(FACTS, key_needed=True)
    wanted = Wanted("web", "auto", "auto")
    assert "openai-api-key" not in write_files(facts, wanted)[CONF]
    assert "lodestarctl keys add" in notes_on(facts, wanted)[0]
    assert "lodestar:web" in write_files(FACTS, wanted)[CONF]
