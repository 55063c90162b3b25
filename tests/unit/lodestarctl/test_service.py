"""What systemd knows is said in sentences, and what it does not know is left out."""

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from lodestarctl import service

RUNNING = {
    "LoadState": "loaded",
    "ActiveState": "active",
    "SubState": "running",
    "Result": "success",
    "ExecMainStatus": "0",
    "NRestarts": "0",
    "UnitFileState": "enabled",
    "DropInPaths": "",
    "NeedDaemonReload": "no",
}
WRONG = {**RUNNING, "ActiveState": "failed", "SubState": "failed", "Result": "exit-code", "ExecMainStatus": "78"}
TRYING = {**WRONG, "ActiveState": "activating", "SubState": "auto-restart", "ExecMainStatus": "1", "NRestarts": "3"}


def answering(shown: dict[str, str]) -> service.Run:
    def run(words: Sequence[str]) -> str:
        assert words[-1] == "lodestard.service"
        return "".join(f"{name}={value}\n" for name, value in shown.items())

    return run


def test_it_is_asked_where_systemd_runs_and_knows_the_unit(tmp_path: Path) -> None:
    assert service.look(answering(RUNNING), tmp_path) == RUNNING
    assert service.look(answering({**RUNNING, "LoadState": "not-found"}), tmp_path) == {}
    assert service.look(answering(RUNNING), tmp_path / "none") == {}
    assert service.look(lambda _words: "", tmp_path) == {}


@pytest.mark.parametrize(
    ("shown", "said"),
    [
        (RUNNING, ""),
        ({}, ""),
        (WRONG, "lodestard.service has failed: the configuration is wrong, or a package is missing."),
        ({**WRONG, "ExecMainStatus": "9"}, "lodestard.service has failed: it ended with status 9."),
        (
            {**WRONG, "Result": "signal", "ExecMainStatus": "9"},
            "lodestard.service has failed: it was killed by signal 9.",
        ),
        ({**WRONG, "Result": "watchdog"}, "lodestard.service has failed: it was frozen, and systemd killed it."),
        (TRYING, "It fails to start, and systemd tries again (3 times so far): it ended with status 1."),
        ({**RUNNING, "ActiveState": "activating", "SubState": "start"}, "It is starting."),
        ({**RUNNING, "ActiveState": "deactivating", "SubState": "stop-sigterm"}, "It is stopping."),
        ({**RUNNING, "ActiveState": "inactive", "SubState": "dead"}, "lodestard.service is stopped."),
    ],
)
def test_why_it_does_not_answer(shown: dict[str, str], said: str) -> None:
    assert service.explain(shown) == said


def test_what_to_do_about_it() -> None:
    assert list(service.advise({})) == [
        "Start it with: lodestard, or lodestard --config FILE. lodestarctl setup makes a configuration."
    ]
    assert list(service.advise(WRONG, "a.toml:1: nonsense: unknown key")) == [
        "Its last words: a.toml:1: nonsense: unknown key",
        "More: journalctl -u lodestard -n 20",
        "Start it with: systemctl start lodestard",
    ]
    stopped = {**RUNNING, "ActiveState": "inactive", "SubState": "dead", "UnitFileState": "disabled"}
    assert list(service.advise(stopped, "ready")) == [
        "Start it with: systemctl start lodestard",
        "It does not start with the machine: systemctl enable lodestard",
    ]
    assert "Start it with: systemctl start lodestard" not in list(service.advise(TRYING))


def test_a_port_that_is_taken_is_said() -> None:
    stopped = {**RUNNING, "ActiveState": "inactive", "SubState": "dead"}
    journal = "lodestard.socket: Failed to create listening socket (127.0.0.1:4000): Address already in use\n"

    def run(words: Sequence[str]) -> str:
        if words[0] == "journalctl":
            return journal
        return "failed\n" if words[1] == "is-failed" else answering(stopped)(words)

    shown = service.look(run, Path("/"))
    assert service.explain(shown) == (
        "lodestard.service can't start, for its port can't be opened: (127.0.0.1:4000): Address already in use."
    )
    assert next(iter(service.advise(shown))).startswith("Who has it: ss -ltnp. Stop that, or listen elsewhere")


def test_one_that_is_masked_is_not_to_be_started() -> None:
    masked = {**RUNNING, "LoadState": "masked", "ActiveState": "inactive", "UnitFileState": "masked"}
    told = service.look(lambda words: "" if words[1] == "is-failed" else answering(masked)(words), Path("/"))
    assert service.explain(told) == "lodestard.service is stopped."
    assert list(service.advise(told)) == ["It can't be started, for it is masked: systemctl unmask lodestard"]


def test_what_a_person_should_know_of_the_unit() -> None:
    assert list(service.remarks(RUNNING)) == []
    changed = {
        **RUNNING,
        "UnitFileState": "masked",
        "NeedDaemonReload": "yes",
        "DropInPaths": "/etc/a.conf /etc/50-lodestarctl-setup.conf /etc/b.conf",
    }
    assert list(service.remarks(changed)) == [
        "It can't be started, for it is masked: systemctl unmask lodestard",
        "Its unit has changed since systemd read it: systemctl daemon-reload",
        "Its unit is changed by /etc/a.conf, /etc/b.conf (systemctl cat lodestard)",
    ]


def test_its_last_words_are_its_own() -> None:
    records: list[dict[str, object]] = [
        {"SYSLOG_IDENTIFIER": "lodestard", "MESSAGE": "earlier"},
        {"SYSLOG_IDENTIFIER": "lodestard", "MESSAGE": "the reason"},
        {"SYSLOG_IDENTIFIER": "lodestard", "MESSAGE": [1, 2]},
        {"SYSLOG_IDENTIFIER": "systemd", "MESSAGE": "Failed to start"},
    ]
    lines = [json.dumps(record) for record in records]
    assert service.find_last_words([*lines, "no record"]) == "the reason"
    assert service.find_last_words([]) == ""


def test_who_waits_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    monkeypatch.setattr(service, "look", lambda: TRYING)
    monkeypatch.setattr(service, "last_words", lambda: "the disk is full")
    service.tell_silence(said.append)
    assert said[:2] == [
        f"lodestard does not answer yet. {service.explain(TRYING)}",
        "Its last words: the disk is full",
    ]
    monkeypatch.setattr(service, "look", dict)
    service.tell_silence(said.append)
    assert len(said) == 4
    assert said[-1] == "Waiting for it; Ctrl-C stops."


def test_one_that_fails_is_not_waited_for() -> None:
    assert [service.fails(shown) for shown in (RUNNING, {}, WRONG, TRYING)] == [False, False, True, True]


def test_what_cannot_be_run_says_nothing() -> None:
    assert service.run_quietly(["/nowhere/systemctl"]) == ""


def test_a_socket_that_was_named_is_another_daemons(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LODESTAR_SOCKET", raising=False)
    assert service.is_ours_to_ask(None)
    assert not service.is_ours_to_ask("/tmp/one.sock")
    monkeypatch.setenv("LODESTAR_SOCKET", "/tmp/two.sock")
    assert not service.is_ours_to_ask(None)
