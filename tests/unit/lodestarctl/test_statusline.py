"""The line for prompts: what it says, what it never does, and that it looks where the daemon writes."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lodestarctl import __main__, cli, statusline
from lodestard.config.paths import run_dir
from lodestard.control.client import socket_paths

FIGURES: dict[str, int | str | None] = {
    "at_ms": 0,
    "cost_today_nano_usd": 412_345_678,
    "saved_today_nano_usd": 11_209_999_999,
    "cost_month_nano_usd": 1_234_560_000_001,
    "budget_percent": 63,
    "requests_under_way": 2,
}


def put(folder: Path, *, age_s: float = 0, **changes: Any) -> str:
    """A socket's path whose file has these figures."""
    file = folder / "lodestard" / "statusline.json"
    file.parent.mkdir(exist_ok=True)
    file.write_text(json.dumps({**FIGURES, "at_ms": int((time.time() - age_s) * 1_000), **changes}))
    return str(folder / "lodestard.sock")


def test_the_line() -> None:
    assert statusline.write_line(FIGURES) == "$0.42 today · $11.20 saved · 63 %"
    assert statusline.write_line({**FIGURES, "saved_today_nano_usd": None, "budget_percent": None}) == "$0.42 today"
    assert statusline.write_line(None) == "lodestard down"
    loading = {**FIGURES, "card": "t600 loading deepseek-coder 4s"}
    assert statusline.write_line(loading) == "$0.42 today · $11.20 saved · 63 % · t600 loading deepseek-coder 4s"
    assert statusline.write_line(loading, "{card}|{requests}") == "t600 loading deepseek-coder 4s|2"


def test_a_form_of_one_s_own() -> None:
    form = "{cost_today}|{cost_month}|{saved_today}|{budget}|{requests}|{other}"
    assert statusline.write_line(FIGURES, form) == "$0.42|$1,234.57|$11.20|63 %|2|{other}"
    unknown: dict[str, int | str | None] = dict.fromkeys(FIGURES)
    assert statusline.write_line(unknown, form) == "-|-|-|-|-|{other}"
    assert statusline.write_line(None, form) == "lodestard down"


@pytest.mark.parametrize(
    ("percent", "line"),
    [
        (None, "x"),
        (79, "x"),
        (80, "#[fg=yellow]x#[default]"),
        (99, "#[fg=yellow]x#[default]"),
        (100, "#[fg=red]x#[default]"),
    ],
)
def test_tmux_shows_a_budget_that_nears_its_end(percent: int | None, line: str) -> None:
    assert statusline.write_line({**FIGURES, "budget_percent": percent}, "x", tmux=True) == line
    assert statusline.write_line(None, tmux=True) == "#[fg=red]lodestard down#[default]"


@given(st.integers(min_value=-(10**15), max_value=10**15))
def test_cents_never_understate_what_was_spent_nor_overstate_what_was_saved(nano_usd: int) -> None:
    def read(text: str) -> int:
        return int(text.replace("$", "").replace(",", "").replace(".", "")) * 10_000_000

    spent, saved = (read(statusline.dollars(nano_usd, up=up)) for up in (True, False))
    assert saved <= nano_usd <= spent
    assert spent - saved <= 10_000_000


@given(st.dictionaries(st.from_regex(r"[a-z_]{1,20}", fullmatch=True), st.none() | st.integers(), min_size=1))
def test_it_reads_what_any_writer_of_json_writes(figures: dict[str, int | None]) -> None:
    for text in (json.dumps(figures, indent=2), json.dumps(figures, separators=(",", ":"))):
        assert statusline.read_figures(f"{text}\n") == figures


@given(st.from_regex(r"[A-Za-z0-9 ._:/-]{0,60}", fullmatch=True))
def test_it_reads_what_the_daemon_says_of_cards(text: str) -> None:
    figures = {"at_ms": 7, "card": text}
    assert statusline.read_figures(json.dumps(figures)) == figures


@pytest.mark.parametrize("word", ["7", '"', '"a\\nb"', "null", ""])
def test_a_text_that_is_none_is_refused(word: str) -> None:
    with pytest.raises(ValueError, match="plain text"):
        statusline.read_figures(f'{{"card": {word}}}')


@pytest.mark.parametrize("text", ["", "[]", "{", "not json", '{"at_ms": "soon"}', '{"at_ms": 1.5}'])
def test_what_is_no_such_file_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        statusline.read_figures(text)


def test_the_first_fresh_file_counts(tmp_path: Path) -> None:
    old, new = tmp_path / "old", tmp_path / "new"
    old.mkdir()
    new.mkdir()
    files = [statusline.statusline_file(put(old, age_s=61)), statusline.statusline_file(put(new, budget_percent=1))]
    found = statusline.find_figures(["/nowhere/statusline.json", *files])
    assert found is not None
    assert found["budget_percent"] == 1
    assert statusline.find_figures(files[:1]) is None


def test_it_prints_and_never_fails(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    socket = put(tmp_path)
    assert statusline.main(["--socket", socket]) == 0
    assert statusline.main([f"--socket={socket}", "--format={budget}", "--tmux"]) == 0
    assert capsys.readouterr().out == "$0.42 today · $11.20 saved · 63 %\n63 %\n"
    for words in (["--bad"], ["--format"], ["x"]):
        assert statusline.main(words) == 0
        told = capsys.readouterr()
        assert told.out == "lodestard down\n"
        assert "statusline takes --format" in told.err


@pytest.mark.parametrize("uid", [0, 1000])
@pytest.mark.parametrize(
    "environ",
    [
        {},
        {"HOME": "/home/ann"},
        {"HOME": "/home/ann/", "XDG_STATE_HOME": "/state/"},
        {"HOME": "/home/ann", "XDG_RUNTIME_DIR": "/run/user/1000"},
        {"HOME": "/home/ann", "XDG_RUNTIME_DIR": "relative", "XDG_STATE_HOME": "relative"},
        {"XDG_RUNTIME_DIR": "/"},
        {"LODESTAR_SOCKET": "/somewhere/else.sock"},
        {"LODESTAR_SOCKET": "/somewhere/socket"},
    ],
)
def test_it_looks_where_the_daemon_writes(environ: dict[str, str], uid: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "environ", environ)
    monkeypatch.setattr(os, "getuid", lambda: uid)
    sockets = socket_paths(environ, uid)
    assert statusline.socket_paths() == [str(path) for path in sockets]
    assert statusline.statusline_files() == [str(run_dir(Path(path)) / "statusline.json") for path in sockets]


def test_the_program_takes_the_short_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    went: list[list[str]] = []

    def note(words: list[str]) -> int:
        went.append(words)
        return 0

    monkeypatch.setattr(statusline, "main", note)
    monkeypatch.setattr(cli, "main", lambda: 7)
    for words, status in (
        (["statusline", "--tmux"], 0),
        (["statusline", "--help"], 7),
        (["--json", "statusline"], 7),
    ):
        monkeypatch.setattr(sys, "argv", ["lodestarctl", *words])
        with pytest.raises(SystemExit) as end:
            __main__.main()
        assert end.value.code == status
    assert went == [["--tmux"]]


def test_it_imports_nothing_that_python_has_not_imported(tmp_path: Path) -> None:
    socket = put(tmp_path)
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "lodestarctl", "statusline", "--socket", socket],
        capture_output=True,
        text=True,
        check=True,
    )
    imported = [line.rpartition("|")[2].strip() for line in done.stderr.splitlines() if "import time:" in line]
    ours = imported[imported.index("lodestarctl") :]
    assert set(ours) <= {"lodestarctl", "lodestarctl.__main__", "lodestarctl.statusline"} | set(imported[:-1])
    assert not {"json", "msgspec", "argparse", "pathlib", "typing", "datetime", "lodestard"} & set(ours)
    assert done.stdout == "$0.42 today · $11.20 saved · 63 %\n"


def test_the_long_way_says_the_same(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    socket = put(tmp_path)
    assert cli.main(["--socket", socket, "statusline"]) == 0
    assert capsys.readouterr().out == "$0.42 today · $11.20 saved · 63 %\n"
    assert cli.main(["statusline", "--socket", socket, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["data"]["budget_percent"] == 63
    assert cli.main(["statusline", "--socket", "/nowhere.sock", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["data"] is None
