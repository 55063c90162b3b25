"""The manual pages: one for every command, all that there is in them and nothing else, and troff takes them.

They are made once, by the command that a package is built with.
"""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from lodestarctl.exit_codes import MEANINGS
from lodestarctl.manual import about
from lodestarctl.parser import main_parser
from lodestarctl.table import COMMANDS, DEFAULT_OF_GROUP, GLOBAL_OPTIONS, Command, is_command
from lodestard import __main__ as program
from lodestard.__main__ import MODULES
from lodestard.config.describe import describe
from lodestard.offline import check
from tests.architecture.house import ROOT

Pages = Mapping[str, str]
DAY = "2026-11-25"
EPOCH_S = "1795564800"
FLAG = re.compile(r"(?<![\w-])--?[a-z][a-z-]*")
KEPT_FONTS = re.compile(r"\\f[BIPR]")
VARIABLE = re.compile(
    r'environ(?:ment)?(?:\.get\(|\[|, )"([A-Z_]+)"'
    r'|_absolute\("([A-Z_]+)"'
    r'|^(?:OWN_SOCKETS|CREDENTIALS_VARIABLE) = "(\w+)"',
    re.MULTILINE,
)
OTHER_PAGES = ("systemctl 1", "systemd.exec 5")


def write(folder: Path, **environ: str) -> Pages:
    command = [sys.executable, str(ROOT / "packaging/manuals"), "--out", str(folder)]
    subprocess.run(command, env={**os.environ, "SOURCE_DATE_EPOCH": EPOCH_S, **environ}, check=True)
    return {str(path.relative_to(folder)): path.read_text() for path in folder.glob("man*/*")}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("manuals")


@pytest.fixture(scope="module")
def pages(folder: Path) -> Pages:
    return write(folder)


def page_of(pages: Pages, name: str) -> str:
    return pages[f"man1/lodestarctl-{name.replace(' ', '-')}.1"]


def section(page: str, *titles: str) -> str:
    """The source between a section's title and the next one's."""
    parts = re.split(r"^\.SH (.+)\n", page, flags=re.MULTILINE)
    found = dict(zip(parts[1::2], parts[2::2], strict=True))
    return "".join(found[title] for title in titles)


def terms(source: str) -> list[str]:
    """What is explained, as it would be typed."""
    lines = source.splitlines()
    heads = [lines[place + 1] for place, line in enumerate(lines) if line == ".TP"]
    return [plain(head) for head in heads]


def plain(source: str) -> str:
    text = KEPT_FONTS.sub("", source).removeprefix("\\&")
    return text.replace("\\-", "-").replace("\\ ", " ").replace("\\(ti", "~").replace("\\e", "\\")


def flags(source: str) -> list[str]:
    return [flag for term in terms(source) for flag in FLAG.findall(term)]


def test_there_is_a_page_for_everything_and_for_nothing_else(pages: Pages) -> None:
    groups = {command.name.split()[0] for command in COMMANDS if " " in command.name}
    names = [command.name for command in COMMANDS] + [group for group in groups if not is_command(group)]
    wanted = {f"man1/lodestarctl-{name.replace(' ', '-')}.1" for name in names}
    assert set(pages) == wanted | {"man1/lodestarctl.1", "man5/lodestard.toml.5", "man8/lodestard.8"}


def test_the_same_sources_make_the_same_pages(pages: Pages, tmp_path: Path) -> None:
    assert write(tmp_path, PYTHONHASHSEED="7", LC_ALL="C") == pages
    assert all(f" {DAY} " in page.splitlines()[0] for page in pages.values())


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.name)
def test_a_command_s_page_has_its_options_and_no_others(pages: Pages, command: Command) -> None:
    page = page_of(pages, command.name)
    options = [option for option in (*command.options, *GLOBAL_OPTIONS) if not option.positional]
    assert flags(section(page, "OPTIONS")) == [flag for option in options for flag in option.flags]
    assert len(terms(section(page, "OPTIONS"))) == len(command.options) + len(GLOBAL_OPTIONS)
    for option in command.options:
        shown = option.metavar or "|".join(option.choices) or option.flags[0]
        assert (shown if option.positional else option.flags[0]) in plain(section(page, "SYNOPSIS"))
    examples = [line.removeprefix("\\&") for line in section(page, "EXAMPLES").splitlines()]
    for line, _ in about(command.name).examples:
        assert line.replace("-", "\\-").replace("'", "\\(aq").replace("~", "\\(ti") in examples


def test_the_first_page_has_every_command_and_status(pages: Pages) -> None:
    page = pages["man1/lodestarctl.1"]
    assert terms(section(page, "COMMANDS")) == [command.name for command in COMMANDS]
    assert terms(section(page, "EXIT STATUS")) == [str(status) for status in MEANINGS]
    known = [flag for flag in FLAG.findall(main_parser().format_help().partition("commands:")[0]) if flag != "-h"]
    assert set(flags(section(page, "OPTIONS"))) == {flag for flag in known if flag.startswith("--")}
    for group, default in DEFAULT_OF_GROUP.items():
        assert f"it is lodestarctl {group} {default}." in plain(page_of(pages, group).replace("\n", " "))


def test_the_configuration_s_page_has_every_key_and_no_other(pages: Pages) -> None:
    page = pages["man5/lodestard.toml.5"]
    keys = [key.name for key in describe({module.name: module.settings for module in MODULES})]
    told = [term for term in terms(section(page, "DESCRIPTION")) if term in keys or "." in term or "_" in term]
    assert [term for term in told if " " not in term] == keys
    assert "↻" not in page


def test_its_example_is_a_configuration(pages: Pages, tmp_path: Path) -> None:
    lines = section(pages["man5/lodestard.toml.5"], "EXAMPLES").partition(".EX\n")[2].partition(".EE")[0]
    file = tmp_path / "lodestard.toml"
    file.write_text(plain(lines))
    assert check(file, MODULES, as_json=False) == 0


def test_the_daemon_s_page_has_its_options_and_statuses(pages: Pages) -> None:
    page = pages["man8/lodestard.8"]
    known = FLAG.findall(program.option_parser().format_usage())
    assert flags(section(page, "OPTIONS")) == [flag for flag in known if flag != "-h"]
    statuses = [str(value) for name, value in vars(program).items() if name.startswith("EXIT_")]
    assert terms(section(page, "EXIT STATUS")) == statuses


def test_its_signals_are_those_that_it_hears(pages: Pages) -> None:
    (heard,) = re.findall(r"^HEEDED = \(([^)]+)\)", (ROOT / "lodestard/daemon.py").read_text(), re.MULTILINE)
    assert set(terms(section(pages["man8/lodestard.8"], "SIGNALS"))) == set(re.findall(r"SIG\w+", heard))


def variables(paths: Iterator[Path]) -> set[str]:
    found = [match for path in paths for match in VARIABLE.findall(path.read_text())]
    return {name for match in found for name in match if name}


def test_the_variables_are_those_that_the_programs_read(pages: Pages) -> None:
    client = ROOT / "lodestard/control/client.py"
    ctl = variables(iter([client, *(ROOT / "lodestarctl").rglob("*.py")]))
    daemon = variables(path for path in (ROOT / "lodestard").rglob("*.py") if path != client)
    assert set(terms(section(pages["man1/lodestarctl.1"], "ENVIRONMENT"))) == ctl
    assert set(terms(section(pages["man8/lodestard.8"], "ENVIRONMENT"))) == daemon


def test_mandoc_finds_nothing_to_complain_of(folder: Path, pages: Pages) -> None:
    if shutil.which("mandoc") is None:
        pytest.skip("NOT RUN: mandoc is not installed")
    files = [str(folder / name) for name in pages]
    done = subprocess.run(["mandoc", "-T", "lint", *files], capture_output=True, text=True, check=False)
    assert [line for line in done.stdout.splitlines() if "referenced manual not found" not in line] == []


def test_troff_warns_of_nothing_and_lines_fit(folder: Path, pages: Pages) -> None:
    if shutil.which("groff") is None:
        pytest.skip("NOT RUN: groff is not installed")
    files = [str(folder / name) for name in pages]
    command = ["groff", "-ww", "-man", "-Kutf8", "-Tutf8", "-P-c", "-rLL=78n", *files]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    shown = re.sub(r".\x08", "", done.stdout)
    assert "lodestarctl costs [--by GROUP] [--since WHEN]" in shown
    assert [line for line in shown.splitlines() if len(line) > 80] == []


def test_every_page_that_is_referred_to_is_there(pages: Pages) -> None:
    there = {f"{stem} {number}" for name in pages for stem, _, number in [Path(name).name.rpartition(".")]}
    for page in pages.values():
        for name, number in re.findall(r"^\.BR (\S+) \((\d)\)", page, re.MULTILINE):
            assert f"{plain(name)} {number}" in {*there, *OTHER_PAGES}
