"""What people write: addresses, keys, amounts, options, time zones; and where setup puts things."""

import os
import re
from argparse import Namespace
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.json import encode

from lodestarctl.parser import command_parser
from lodestarctl.session import Session
from lodestarctl.setup.address import own_address, read_address
from lodestarctl.setup.choices import Choices
from lodestarctl.setup.look import reason_of
from lodestarctl.setup.options import read_amount, read_options
from lodestarctl.setup.place import UNIT, UNIT_CREDENTIALS, Asked, find_place, unit_drop_in_text
from lodestarctl.setup.probe import headers_for, judge
from lodestarctl.setup.providers import BY_NAME, PROVIDERS, doubts_about, read_key, upstream_of
from lodestarctl.setup.trial import Subject, ask, read_answer
from lodestarctl.table_house import HOUSE_COMMANDS
from lodestarctl.usage import UsageError
from lodestard.control.messages import AskItem
from lodestard.control.messages.aider import AiderFacts
from lodestard.domain.money import parse_nano_usd
from lodestard.domain.secret import Secret
from tests.architecture.house import ROOT

CANARY = "sk-canary-setup-0123456789"


def no_line(name: str) -> str:
    raise AssertionError(f"standard input was read for {name}")


def options(*words: str, line: str = "") -> Any:
    args = command_parser(HOUSE_COMMANDS[0]).parse_args([*words, "--config", "x"], Namespace())
    return read_options(args, (lambda name: line) if line else no_line)


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("gpu-box", "http://gpu-box:11434"),
        (" 192.168.1.50 ", "http://192.168.1.50:11434"),
        ("192.168.1.50:9999/", "http://192.168.1.50:9999"),
        ("0.0.0.0:11434", "http://127.0.0.1:11434"),
        ("http://gpu", "http://gpu:11434"),
        ("https://gpu.example.com", "https://gpu.example.com"),
        ("https://gpu.example.com/ollama/", "https://gpu.example.com/ollama"),
        ("http://[::1]:11434", "http://[::1]:11434"),
        ("http://gpu:11434/v1/", "http://gpu:11434"),
        ("gpu/api", "http://gpu:11434"),
        ("https://gpu.example.com/ollama/v1", "https://gpu.example.com/ollama"),
    ],
)
def test_an_address_may_be_written_as_people_do(text: str, url: str) -> None:
    assert read_address(text) == url
    assert read_address(url) == url


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a b",
        "ftp://x",
        "http://",
        "http://x:99999",
        "http://u:p@x",
        "http://x?y",
        "::",
        "büro",
        "http//x",
        "http:/x",
    ],
)
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="an address such as"):
        read_address(text)


def test_this_machine_s_own_server_is_where_ollama_would_look() -> None:
    assert own_address({}) == own_address({"OLLAMA_HOST": "not one"}) == "http://127.0.0.1:11434"
    assert own_address({"OLLAMA_HOST": "0.0.0.0:8080"}) == "http://127.0.0.1:8080"


@given(st.text())
def test_an_address_is_read_once_and_for_all_or_refused(text: str) -> None:
    try:
        url = read_address(text)
    except ValueError:
        return
    assert read_address(url) == url


@given(st.text())
def test_a_key_that_is_taken_fits_a_header_and_no_message_repeats_one(text: str) -> None:
    try:
        key = read_key(text)
    except ValueError as error:
        assert len(text.strip()) < 3 or text.strip() not in str(error)
        return
    assert re.fullmatch(r"[!-~]{1,4096}", key)
    assert key in text


@pytest.mark.parametrize("text", [f'"{CANARY}"', f" '{CANARY}'\n", f"`{CANARY}`", CANARY])
def test_quotes_that_were_pasted_along_are_no_part_of_a_key(text: str) -> None:
    assert read_key(text) == CANARY


@pytest.mark.parametrize(
    ("name", "key", "doubt"),
    [
        ("openai", "sk-proj-0123456789abcdef", ""),
        ("openai", "sk-ant-0123456789abcdef", "like a key of anthropic"),
        ("openai", "xai-0123456789abcdef", "like a key of xai"),
        ("anthropic", "sk-ant-0123456789abcdef", ""),
        ("anthropic", "sk-0123456789abcdefg", "usually begin with sk-ant-"),
        ("xai", "xai-1", "shorter"),
    ],
)
def test_a_key_of_another_form_is_doubted(name: str, key: str, doubt: str) -> None:
    said = doubts_about(BY_NAME[name], key)
    assert doubt in said
    assert bool(said) == bool(doubt)
    assert key not in said


def test_a_provider_s_upstream_is_known_by_its_name_or_its_host() -> None:
    assert upstream_of(BY_NAME["openai"], {"openai": {}, "x": {"url": "https://api.openai.com/v1"}}) == "openai"
    assert upstream_of(BY_NAME["openai"], {"x": {"url": "https://api.openai.com/v1"}}) == "x"
    assert upstream_of(BY_NAME["openai"], {"x": {"url": "http://[broken"}, "y": 3}) == ""


@pytest.mark.parametrize(
    ("text", "amount"),
    [("20", "20"), ("$7.50", "7.50"), (" 1e2 ", "100"), ("3 USD", "3"), ("5usd", "5"), ("5 $", "5")],
)
def test_an_amount_is_exact(text: str, amount: str) -> None:
    assert read_amount(text) == amount


@given(st.text(max_size=12))
def test_an_amount_that_is_taken_is_one_for_the_configuration_too(text: str) -> None:
    try:
        amount = read_amount(text)
    except ValueError:
        return
    assert parse_nano_usd(amount) > 0


def test_a_key_comes_from_standard_input_the_environment_or_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "key").write_text(f"{CANARY}\n")
    monkeypatch.setenv("MY_KEY", f" {CANARY} ")
    for source, line in (("-", f"{CANARY}\n"), ("env:MY_KEY", ""), (f"file:{tmp_path}/key", "")):
        assert options("--key", f"openai={source}", line=line).keys["openai"].reveal() == CANARY
    assert "MY_KEY" not in os.environ  # no child of ours has it


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--key", f"openai={CANARY}"], "a key is no word of a command line"),
        (["--key", f"openai=file:/nowhere/{CANARY}"], "can't be read"),
        (["--key", f"openai=env:{CANARY}"], "is not set"),
        (["--key", CANARY], "--key takes NAME=SOURCE"),
        (["--key", "closedai=-"], "there is no provider of this name"),
        (["--remove-key", "closedai"], "there is no provider of this name"),
        (["--ollama", "a b"], "--ollama: expected an address"),
        (["--budget", "-3"], "--budget: expected an amount"),
        (["--budget", "1e99"], "--budget: expected an amount"),
        (["--timezone", "Europe/Atlantis"], "--timezone: expected a time zone"),
        (["--timezone", "../../etc/passwd"], "--timezone: expected a time zone"),
        (["--model", "auto"], "--model takes ALIAS=MODEL"),
        (["--system", "--user"], "not both"),
    ],
)
def test_what_can_t_be_understood_is_said_and_no_key_with_it(words: list[str], said: str) -> None:
    with pytest.raises(UsageError) as raised:
        options(*words)
    assert said in str(raised.value)
    assert CANARY not in str(raised.value)


def test_nothing_that_is_printed_shows_a_key() -> None:
    assert CANARY not in f"{Secret(CANARY)} {Secret(CANARY)!r} {Choices(keys={'openai': Secret(CANARY)})}"


def test_each_provider_is_asked_in_its_own_way() -> None:
    for provider in PROVIDERS:
        headers = headers_for(provider, Secret(CANARY))
        assert [name for name, value in headers.items() if CANARY in value] == [
            {"anthropic": "x-api-key", "gemini": "x-goog-api-key"}.get(provider.name, "authorization")
        ]


@pytest.mark.parametrize(
    ("dialect", "status", "good", "doubtful"),
    [
        ("openai", 200, True, False),
        ("openai", 401, False, False),
        ("openai", 429, True, False),
        ("openai", 500, False, True),
        ("openai", 302, False, True),
        ("openai", 400, False, True),
        ("gemini", 400, False, False),
    ],
)
def test_a_status_says_what_it_says_of_a_key(dialect: str, status: int, good: bool, doubtful: bool) -> None:
    tried = judge("x", dialect, status)
    assert (tried.good, tried.doubtful) == (good, doubtful)


# where it is


def test_a_user_s_own_is_in_the_home_and_a_machine_s_below_etc(tmp_path: Path) -> None:
    home = {"HOME": "/home/ada"}
    assert (
        str(find_place(Asked(), home, 1000, root=tmp_path).config_file)
        == "/home/ada/.config/lodestard/lodestard.toml"
    )
    mine = find_place(Asked(), {**home, "XDG_CONFIG_HOME": "/conf"}, 1000, root=tmp_path)
    assert (mine.kind, mine.store, str(mine.config_file)) == ("user", "file", "/conf/lodestard/lodestard.toml")
    roots = find_place(Asked(), home, 0, root=tmp_path)
    assert (roots.kind, roots.store, roots.config_file) == (
        "system",
        "file",
        tmp_path / "etc/lodestard/lodestard.toml",
    )
    assert find_place(Asked(user=True), home, 0, root=tmp_path).kind == "user"
    assert find_place(Asked(config="/x/y.toml"), home, 1000, root=tmp_path).kind == "file"


def test_with_the_unit_keys_are_credentials_encrypted_where_systemd_can(tmp_path: Path) -> None:
    unit = tmp_path / "usr/lib/systemd/system" / UNIT
    unit.parent.mkdir(parents=True)
    unit.touch()
    stores = [find_place(Asked(), {}, 0, systemd=version, root=tmp_path).store for version in (0, 249, 250, 257)]
    assert stores == ["credstore", "credstore", "encrypted", "encrypted"]
    assert find_place(Asked(encrypt=False), {}, 0, systemd=257, root=tmp_path).store == "credstore"
    other = find_place(Asked(), {}, 1000, root=tmp_path)
    assert (other.kind, other.may_write, other.command) == ("system", False, "sudo lodestarctl setup")


def test_what_the_unit_loads_is_what_setup_thinks_it_does() -> None:
    text = (ROOT / "packaging/systemd/lodestard.service").read_text()
    assert set(re.findall(r"^LoadCredential=([^:]+):lodestard\.\1$", text, re.MULTILINE)) == UNIT_CREDENTIALS


def test_the_unit_is_told_of_what_it_would_not_find() -> None:
    assert unit_drop_in_text([], ["openai", "xai"]) == ""
    text = unit_drop_in_text(["openai"], ["xai", "openrouter"])
    assert [line for line in text.splitlines() if line.startswith("Load")] == [
        "LoadCredentialEncrypted=openai:lodestard.openai",
        "LoadCredential=openrouter:lodestard.openrouter",
    ]


def test_where_clients_need_keys_it_is_asked_inside_and_costs_to_the_nano_dollar() -> None:
    class Client:
        def stream(self, verb: str, arguments: Mapping[str, Any]) -> Iterator[bytes]:
            assert (verb, arguments["model"]) == ("ask", "paid")
            yield encode(AskItem(text="Hello, "))
            yield encode(AskItem(text="Lodestar.", target="openai/gpt-4o", cost_nano_usd=9_007_199_254_740_993))

    facts = AiderFacts(base_url="http://127.0.0.1:4000/v1", models=(), key_needed=True)
    trial = ask(cast("Session", SimpleNamespace(client=Client())), facts, Subject("paid", "openai/gpt-4o", None))
    assert (trial.answer, trial.model) == ("Hello, Lodestar.", "openai/gpt-4o")
    assert trial.cost_usd == "9007199.254740993"


@pytest.mark.parametrize("data", [b"", b"<html>", b'{"id":"\xff"}', b"[" * 200_000])
def test_an_answer_that_nobody_can_read_is_told_as_none(data: bytes) -> None:
    trial = read_answer(Subject("local", "t600/llama3.1:8b", 0), 200, {}, data, 1.0)
    assert trial.error and not trial.answer


def test_a_silence_is_told_with_the_time_that_was_waited() -> None:
    assert reason_of(TimeoutError()) == "no answer within 3 s"
    assert reason_of(TimeoutError(), 420.0) == "no answer within 420 s"
