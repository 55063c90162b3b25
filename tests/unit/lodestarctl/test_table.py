"""The table of commands, and the parsers and completions that are made from it."""

import shutil
import subprocess
from importlib import import_module
from pathlib import Path

import pytest

from lodestarctl import cli
from lodestarctl.completion import Names, first_words, write_completion
from lodestarctl.parser import command_parser, names
from lodestarctl.table import COMMANDS, GLOBAL_OPTIONS, Command, find_command, group_members

NAMES = Names(("deepseek-coder:6.7b", "deepseek-r1:8b", "llama3.1:8b"), ("t600", "gamer"), ("auto", "gpt-4o"))
BY_NAME = {command.name: command for command in COMMANDS}


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.name)
def test_every_command_has_a_module_that_runs_and_a_parser(command: Command) -> None:
    assert callable(import_module(f"lodestarctl.commands.{command.module}").run)
    text = command_parser(command).format_help()
    for option in command.options:
        assert option.flags[0] in text
    assert "--json" in text


def test_names_are_unique_and_of_one_or_two_words() -> None:
    assert len(BY_NAME) == len(COMMANDS)
    assert all(len(name.split()) in (1, 2) for name in BY_NAME)
    assert {"cache", "cache clear", "status"} <= set(names())


@pytest.mark.parametrize(
    ("words", "name", "rest"),
    [
        (["status"], "status", []),
        (["status", "x"], "status", ["x"]),
        (["cache"], "cache stats", []),
        (["cache", "clear", "--model", "m"], "cache clear", ["--model", "m"]),
        (["costs"], "costs", []),
        (["costs", "--by", "day"], "costs", ["--by", "day"]),
        (["costs", "report", "--month", "last"], "costs report", ["--month", "last"]),
        (["models"], "models list", []),
        (["models", "--json"], "models list", ["--json"]),
        (["models", "test", "a"], "models test", ["a"]),
        (["config", "--origin"], "config show", ["--origin"]),
    ],
)
def test_words_find_their_command(words: list[str], name: str, rest: list[str]) -> None:
    assert find_command(words) == (BY_NAME[name], rest)


@pytest.mark.parametrize("words", [[], ["xyzzy"], ["cache", "xyzzy"], ["costs", "xyzzy"], ["ledger"], ["clear"]])
def test_other_words_find_nothing(words: list[str]) -> None:
    assert find_command(words) is None


def test_options_are_read() -> None:
    args = command_parser(BY_NAME["cache clear"]).parse_args(["--older-than", "7d"])
    assert (args.model, args.older_than) == (None, "7d")
    args = command_parser(BY_NAME["requests"]).parse_args(["-f", "-n", "5", "--json"])
    assert (args.follow, args.lines, args.json) == (True, 5, True)
    assert not hasattr(command_parser(BY_NAME["requests"]).parse_args([]), "json")


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completions_know_every_word(shell: str) -> None:
    script = write_completion(shell)
    for word in first_words():
        assert word in script
    for group in ("cache", "models", "config", "ledger", "costs"):
        for member in group_members(group):
            assert member in script
    for option in [*GLOBAL_OPTIONS, *(option for command in COMMANDS for option in command.options)]:
        for flag in option.flags:
            assert option.positional or flag.lstrip("-") in script


def test_the_command_prints_the_script(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("LODESTAR_SOCKET", str(tmp_path / "nobody.sock"))  # a daemon that runs here has names to offer
    assert cli.main(["completion", "fish"]) == 0
    assert capsys.readouterr().out == write_completion("fish")


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_shell_itself_can_read_them(shell: str) -> None:
    program = shutil.which(shell)
    if program is None:
        pytest.skip(f"{shell} is not installed")
    done = subprocess.run(
        [program, "-n"], input=write_completion(shell, NAMES), text=True, capture_output=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("lodestarctl sta", ["status", "statusline"]),
        ("lodestarctl cache ", ["stats", "clear", "warm", "export"]),
        ("lodestarctl --socket /x cache cl", ["clear"]),
        ("lodestarctl costs --by d", ["day"]),
        ("lodestarctl costs re", ["report"]),
        ("lodestarctl costs report --f", ["--format"]),
        ("lodestarctl costs report --format h", ["html"]),
        ("lodestarctl costs report -o /etc/hostna", ["/etc/hostname"]),
        ("lodestarctl costs export --j", ["--jsonl", "--json"]),
        ("lodestarctl costs --s", ["--since", "--socket"]),
        ("lodestarctl log-level w", ["warning"]),
        ("lodestarctl config show --o", ["--origin"]),
        ("lodestarctl completion z", ["zsh"]),
        ("lodestarctl gpu q", ["queue"]),
        ("lodestarctl gpu pause ga", ["gamer"]),
        ("lodestarctl gpu t6", ["t600"]),
        ("lodestarctl warm d", ["deepseek-coder:6.7b", "deepseek-r1:8b"]),
        ("lodestarctl warm deepseek-r1 :", ["8b"]),
        ("lodestarctl warm deepseek-coder : 6", ["6.7b"]),
        ("lodestarctl gpu pin llama3.1 : 8", ["8b"]),
        ("lodestarctl warm nobody : 8", []),
        ("lodestarctl ask -m a", ["auto"]),
        ("lodestarctl ask -m ", ["auto", "gpt-4o"]),
        ("lodestarctl models test gp", ["gpt-4o"]),
        ("lodestarctl budget set --window ", []),
        ("lodestarctl setup --key ", []),
    ],
)
def test_bash_completes(line: str, expected: list[str]) -> None:
    program = shutil.which("bash")
    if program is None:
        pytest.skip("bash is not installed")
    words = line.split(" ")
    script = (
        f"{write_completion('bash', NAMES)}\n"
        f"COMP_WORDS=({' '.join(word or repr('') for word in words)}); COMP_CWORD={len(words) - 1}\n"
        '_lodestarctl; printf "%s\\n" "${COMPREPLY[@]}"'
    )
    done = subprocess.run([program, "-c", script], text=True, capture_output=True, check=True)
    assert [word for word in done.stdout.split() if word in expected] == expected
    assert len(done.stdout.split()) == len(expected)
