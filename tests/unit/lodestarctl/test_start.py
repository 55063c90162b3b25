"""The command line starts at once: what it must never import, and that it runs as a program."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from lodestarctl import __main__, cli
from lodestarctl.output import terminal_width

SLOW = (
    "trio",
    "httpx",
    "rich",
    "asyncio",
    "anyio",
    "apsw",
    "httptools",
    "tomli_w",
    "subprocess",
    "difflib",
    "shutil",
)


def run(*words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    python = [sys.executable, "-X", "importtime", "-m", "lodestarctl"]
    return subprocess.run(
        [*python, *words], env={**os.environ, **environment}, text=True, capture_output=True, check=False
    )


def imported(done: subprocess.CompletedProcess[str]) -> set[str]:
    lines = [line for line in done.stderr.splitlines() if line.startswith("import time:")]
    return {line.rpartition("|")[2].strip().partition(".")[0] for line in lines}


@pytest.mark.parametrize("words", [("--version",), ("status", "--json"), ("costs",), ("--help",)])
def test_what_a_start_never_imports(words: tuple[str, ...], tmp_path: Path) -> None:
    done = run(*words, LODESTAR_SOCKET=str(tmp_path / "nobody"))
    assert imported(done) & set(SLOW) == set()
    assert done.returncode == (3 if words[0] in ("status", "costs") else 0)


def test_the_width_of_the_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "132")
    assert terminal_width() == 132
    monkeypatch.setenv("COLUMNS", "wide")
    assert terminal_width() == 80
    monkeypatch.setattr(os, "get_terminal_size", lambda _fd: os.terminal_size((100, 30)))
    monkeypatch.setattr(sys.stdout, "fileno", lambda: 1, raising=False)
    assert terminal_width() == 100


def test_the_module_exits_with_the_status(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cli, "main", lambda: 5)
    with pytest.raises(SystemExit) as end:
        __main__.main()
    assert end.value.code == 5
