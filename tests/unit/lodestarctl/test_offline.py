"""What works with the daemon down: ``lodestard`` is run, and read like the daemon."""

import os
import sys
from pathlib import Path

import pytest

from lodestarctl import cli, exit_codes, offline
from lodestard.control.messages import Refusal, write_answer, write_refusal
from tests.fakes import control_samples as samples


@pytest.fixture
def lodestard(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A program in lodestard's place: prints ``answer`` and keeps its arguments in ``asked``."""
    program = tmp_path / "lodestard"
    program.write_text(
        f"#!{sys.executable}\nimport pathlib, sys\nhere = pathlib.Path(__file__).parent\n"
        "(here / 'asked').write_text(' '.join(sys.argv[1:]))\n"
        "sys.stdout.buffer.write((here / 'answer').read_bytes())\nsys.exit(1)\n"
    )
    program.chmod(0o755)
    monkeypatch.setattr(sys, "argv", [str(tmp_path / "lodestarctl")])
    monkeypatch.setenv("LODESTAR_SOCKET", str(tmp_path / "nobody"))
    monkeypatch.setattr(offline, "SYSTEM_CONFIG", tmp_path / "lodestard.toml")
    return tmp_path


@pytest.mark.parametrize(
    ("words", "asked", "verb", "data", "status", "shows"),
    [
        ("config check", "--check --json", "config.check", samples.CONFIG_BAD, 1, "server.lisen"),
        ("config check --config F", "--config F --check --json", "config.check", samples.CONFIG_GOOD, 0, "is good"),
        ("ledger verify", "--verify-ledger --json", "ledger.verify", samples.VERIFIED, 0, "adds up"),
        ("ledger verify X", "--verify-ledger X --json", "ledger.verify", samples.BROKEN_LEDGER, 1, "books"),
        ("doctor", "--doctor --json", "doctor", samples.DOCTOR, 1, "ollama serve"),
        ("doctor", "--doctor --json", "doctor", samples.HEALTHY, 0, "Nothing is wrong"),
        ("doctor --json", "--doctor --json", "doctor", samples.HEALTHY, 0, '"checks": 11'),
    ],
)
def test_the_program_is_run_and_its_answer_shown(
    lodestard: Path,
    capsys: pytest.CaptureFixture[str],
    words: str,
    asked: str,
    verb: str,
    data: object,
    status: int,
    shows: str,
) -> None:
    (lodestard / "answer").write_bytes(write_answer(verb, data) + b"\n")
    assert cli.main(words.split()) == status
    assert (lodestard / "asked").read_text() == asked
    assert shows in capsys.readouterr().out


def test_who_has_no_configuration_is_told_of_the_machines(lodestard: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (lodestard / "answer").write_bytes(write_answer("doctor", samples.HEALTHY) + b"\n")
    (lodestard / "lodestard.toml").touch()
    monkeypatch.setenv("XDG_CONFIG_HOME", str(lodestard / "own"))
    for uid, words in ((1000, f"--config {lodestard}/lodestard.toml "), (0, "")):
        monkeypatch.setattr(os, "geteuid", lambda uid=uid: uid)
        assert cli.main(["doctor"]) == 0
        assert (lodestard / "asked").read_text() == f"{words}--doctor --json"
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    (lodestard / "own/lodestard").mkdir(parents=True)
    (lodestard / "own/lodestard/lodestard.toml").touch()
    assert cli.main(["doctor"]) == 0
    assert (lodestard / "asked").read_text() == "--doctor --json"


def test_a_program_that_gives_no_answer_has_said_why(lodestard: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (lodestard / "answer").write_text("lodestard: something is wrong\n")
    assert cli.main(["doctor"]) == exit_codes.FAILURE
    assert "something is wrong" in capsys.readouterr().err
    (lodestard / "answer").write_text("")
    assert cli.main(["doctor"]) == exit_codes.FAILURE
    assert "not lodestard" in capsys.readouterr().err


def test_a_refusal_of_the_program_has_its_status(lodestard: Path, capsys: pytest.CaptureFixture[str]) -> None:
    refused = Refusal(code="not_permitted", message="Run this as its owner.")
    (lodestard / "answer").write_bytes(write_refusal(refused) + b"\n")
    assert cli.main(["ledger", "verify"]) == exit_codes.NOT_PERMITTED
    assert "Run this as its owner." in capsys.readouterr().err


def test_without_a_program_beside_it_python_runs_the_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", [str(tmp_path / "lodestarctl")])
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    assert offline.find_lodestard() == (str(tmp_path / "python"), "-m", "lodestard")
