"""What is written, and what stops it: nothing over what somebody else has changed, and no half a file."""

import errno
from pathlib import Path
from typing import Any

import pytest

from lodestarctl import service
from lodestarctl.setup import apply
from lodestarctl.setup.apply import Refused, Work
from lodestarctl.setup.choices import Choices
from lodestarctl.setup.facts import Facts
from lodestarctl.setup.files import write_whole
from lodestarctl.setup.look import read_files
from lodestarctl.setup.place import Place
from lodestarctl.setup.steps import how_to_listen, report_on
from tests.fakes.scripted_terminal import ScriptedTerminal

TABLES: dict[str, Any] = {"budgets": {"month": {"window": "month", "usd": 5.0}}}


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    monkeypatch.setattr(apply, "faults_with", lambda *_: [])
    (tmp_path / "l.toml").write_text("[log]\nlevel = 'info'\n")
    return Place(kind="file", config_file=tmp_path / "l.toml", root=tmp_path)


def work(place: Place) -> Work:
    facts = Facts(place=place, files=read_files(place)[0])
    return Work(ScriptedTerminal(), facts, Choices(), TABLES)


def test_two_at_once_do_not_write_over_each_other(place: Place) -> None:
    first, second = work(place), work(place)
    first.write()
    written = place.drop_in.read_bytes()
    with pytest.raises(Refused, match="has changed since"):
        second.write()
    assert place.drop_in.read_bytes() == written
    assert second.done == []


def test_a_file_that_can_t_be_written_is_told_by_its_own_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="No space left") as refused:
        write_whole(tmp_path / "a.toml", b"x")
    assert refused.value.filename == str(tmp_path / "a.toml")
    assert list(tmp_path.iterdir()) == []


def test_of_a_file_that_is_wrong_nothing_else_is_concluded(place: Place) -> None:
    place.config_file.write_text("x = = 1\n")
    files, faults, _ = read_files(place)
    steps = report_on(Facts(place=place, files=files, faults=faults)).steps
    assert [step.name for step in steps] == ["where", "daemon"]
    assert str(place.config_file) in steps[0].what


def test_a_daemon_that_may_not_be_asked_is_not_called_down(place: Place) -> None:
    steps = report_on(Facts(place=place, denied="You may not open it: members of the group may.")).steps
    assert [(step.what, step.next) for step in steps if step.name == "daemon"] == [
        ("Whether it runs can't be seen by you.", "You may not open it: members of the group may.")
    ]


def test_a_start_that_fails_is_explained(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    failed = {"LoadState": "loaded", "ActiveState": "failed", "Result": "exit-code", "ExecMainStatus": "78"}
    monkeypatch.setattr(service, "look", lambda: failed)
    monkeypatch.setattr(service, "last_words", lambda: "the reason")
    monkeypatch.setattr("os.geteuid", lambda: 0)
    terminal = ScriptedTerminal()
    system = Place(kind="system", config_file=place.config_file, root=place.root, unit=True)
    tried = Work(terminal, Facts(place=system), Choices(), TABLES)
    monkeypatch.setattr(tried, "_systemctl", lambda *_: False)
    assert not tried._start()
    assert tried.start_failed
    assert "the configuration is wrong" in terminal.text
    assert "Its last words: the reason" in terminal.text


def test_advice_fits_the_reason() -> None:
    assert "the name right" in how_to_listen("http://box:1", "Temporary failure in name resolution")
    assert how_to_listen("http://127.0.0.1:1", "it speaks no TLS; try http://") == ""
    assert "ollama serve" in how_to_listen("http://127.0.0.1:1", "Connection refused")
