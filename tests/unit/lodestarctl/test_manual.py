"""What is told of commands beside their options: every example can be typed, and ``--help`` fits 80 columns."""

import os
import re
import shlex
import subprocess
import sys

import pytest

from lodestarctl.exit_codes import EXIT_CODES, MEANINGS
from lodestarctl.manual import ABOUT, about
from lodestarctl.parser import command_parser, group_help, help_of, main_parser
from lodestarctl.table import COMMANDS, DEFAULT_OF_GROUP, Command, Option, find_command

EXAMPLES = [(name, line) for name, told in ABOUT.items() for line, _ in told.examples]
OTHERS = re.compile(r"[<>|)]")


def words_of(line: str) -> list[str]:
    """What stands behind ``lodestarctl``, before another program or a file comes."""
    inside = line.partition("lodestarctl ")[2]
    lexer = shlex.shlex(inside, posix=True, punctuation_chars="<>|()")
    lexer.whitespace_split = True
    words = list(lexer)
    end = next((place for place, word in enumerate(words) if OTHERS.match(word)), len(words))
    return words[:end]


def test_it_is_told_of_commands_that_there_are() -> None:
    assert set(ABOUT) <= {command.name for command in COMMANDS}


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.name)
def test_every_command_has_an_example(command: Command) -> None:
    assert about(command.name).examples, f"say one in lodestarctl/manual/ for {command.name!r}"
    assert not about(command.name).exits or about(command.name).exits.endswith(".")


@pytest.mark.parametrize(("name", "line"), EXAMPLES)
def test_every_example_is_a_command_line_of_its_command(name: str, line: str) -> None:
    found = find_command(words_of(line))
    assert found is not None
    command, rest = found
    assert command.name == name
    parser = command_parser(command)
    many = any(option.positional and option.many for option in command.options)
    parser.parse_intermixed_args(rest) if many else parser.parse_args(rest)


def test_help_fits_eighty_columns_and_tells_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    pages = [main_parser().format_help(), *(group_help(group) for group in DEFAULT_OF_GROUP)]
    for command in COMMANDS:
        page = command_parser(command).format_help()
        flat = " ".join(page.split())
        assert all(line in page for line, _ in about(command.name).examples)
        assert all(" ".join(help_of(option).split()) in flat for option in command.options)
        pages.append(page)
    assert [line for page in pages for line in page.splitlines() if len(line) > 80] == []


def test_the_main_page_tells_every_status() -> None:
    page = main_parser().format_help()
    assert all(re.search(rf"^  {status} +{meaning}$", page, re.MULTILINE) for status, meaning in MEANINGS.items())
    assert set(EXIT_CODES.values()) <= set(MEANINGS)


def test_a_group_says_what_it_is_alone() -> None:
    assert "Alone it is lodestarctl budget list." in group_help("budget")
    assert "Alone" not in group_help("ledger")


@pytest.mark.parametrize(
    ("option", "told"),
    [
        (Option(("--top",), "so many", "integer", default=20), "so many (default: 20)"),
        (Option(("--top",), "so many", "integer", default=0), "so many"),
        (Option(("--model",), "which (default: auto)", default="auto"), "which (default: auto)"),
        (Option(("--rank",), "how urgent", choices=("a", "b"), metavar="RANK"), "how urgent: a, b"),
        (Option(("--form",), "a, or b", choices=("a", "b"), metavar="FORM"), "a, or b"),
        (Option(("--form",), "which", choices=("a", "b")), "which"),
    ],
)
def test_an_option_s_help_tells_choices_and_default(option: Option, told: str) -> None:
    assert help_of(option) == told


def test_who_needs_no_help_does_not_load_it() -> None:
    python = [sys.executable, "-X", "importtime", "-m", "lodestarctl", "version"]
    environ = {**os.environ, "LODESTAR_SOCKET": "/nowhere/at/all"}
    done = subprocess.run(python, env=environ, text=True, capture_output=True, check=False)
    assert done.returncode == 3
    assert "lodestarctl.parser" in done.stderr
    assert "lodestarctl.manual" not in done.stderr
