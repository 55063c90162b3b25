"""``lodestarctl restart``: who restarts it, and until when it is waited for."""

import subprocess
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import pytest

from lodestarctl import exit_codes
from lodestard.control.client import DaemonNotRunning
from lodestard.control.messages import RestartReport
from tests.fakes import control_samples as samples
from tests.fakes.command_line import Run
from tests.fakes.control_client import FakeClient

BEGUN = RestartReport(ok=True, pid=7, exchanges=1, drain_s=20.0)
OF_SYSTEMD = msgspec.structs.replace(BEGUN, unit="lodestard.service")
DRAINING = msgspec.structs.replace(samples.STATUS, state="draining", exchanges=2)
GONE = DaemonNotRunning("gone")


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    monkeypatch.setattr("lodestarctl.commands.restart.time.sleep", lambda _s: None)
    return Run(monkeypatch, capsys)


def tell_in_turn(monkeypatch: pytest.MonkeyPatch, *statuses: object) -> None:
    """``status`` answers so, and goes on with the last."""
    left = list(statuses)
    plain = FakeClient._answer

    def answer(self: FakeClient, verb: str, arguments: Mapping[str, Any] | None) -> Any:
        if verb == "status":
            self.answers = {**(self.answers or {}), "status": left[0]}
            del left[: len(left) > 1]
        return plain(self, verb, arguments)

    monkeypatch.setattr(FakeClient, "_answer", answer)


class Systemctl:
    """What it was told, and what it says."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, status: int | OSError, uid: int = 0) -> None:
        self.told: list[Sequence[str]] = []
        self.status = status
        monkeypatch.setattr("lodestarctl.commands.restart.subprocess.run", self.run)
        monkeypatch.setattr("lodestarctl.commands.restart.os.geteuid", lambda: uid)

    def run(self, words: Sequence[str], **_how: object) -> subprocess.CompletedProcess[bytes]:
        self.told.append(words)
        if isinstance(self.status, OSError):
            raise self.status
        return subprocess.CompletedProcess(words, self.status)


def test_it_waits_for_the_one_that_comes_after(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    tell_in_turn(monkeypatch, DRAINING, DRAINING, GONE, GONE, samples.STATUS)
    assert run("restart", answers={"restart": BEGUN}) == exit_codes.OK
    assert "Restarted in" in run.out
    assert "degraded" in run.out
    assert run.err == "waiting for the end of 2 requests under way, at most 20 s\nlodestard begins anew\n"
    tell_in_turn(monkeypatch, samples.STATUS)
    assert run("restart", "--json", answers={"restart": BEGUN}) == exit_codes.OK
    data = msgspec.json.decode(run.out)["data"]
    assert (data["ok"], data["by"], data["state"]) == (True, "itself", "degraded")


def test_one_that_does_not_come_back_is_told(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    tell_in_turn(monkeypatch, GONE)
    assert run("restart", answers={"restart": BEGUN}) == exit_codes.NOT_RUNNING
    assert "did not come back" in run.err


def test_a_socket_that_moves_is_not_waited_for(run: Run) -> None:
    moved = msgspec.structs.replace(BEGUN, moves=True)
    assert run("restart", answers={"restart": moved}) == exit_codes.OK
    assert "elsewhere" in run.err


@pytest.mark.parametrize("form", [[], ["--json"]])
def test_what_would_not_start_again_is_not_stopped(run: Run, form: list[str]) -> None:
    refused = RestartReport(ok=False, faults=samples.CONFIG_BAD.faults)
    assert run("restart", *form, answers={"restart": refused}) == exit_codes.FAILURE
    assert samples.CONFIG_BAD.faults[0].key in run.out


def test_systemd_restarts_what_it_runs(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    systemctl = Systemctl(monkeypatch, 0)
    tell_in_turn(monkeypatch, samples.STATUS)
    assert run("restart", answers={"restart": OF_SYSTEMD}) == exit_codes.OK
    assert systemctl.told == [["systemctl", "--no-ask-password", "restart", "--", "lodestard.service"]]
    assert "by lodestard.service" in run.out


@pytest.mark.parametrize(
    ("status", "uid", "code", "says"),
    [
        (1, 1000, exit_codes.NOT_PERMITTED, "As root: systemctl restart lodestard.service"),
        (1, 0, exit_codes.FAILURE, "journalctl -u lodestard.service"),
        (FileNotFoundError(2, "No such file"), 0, exit_codes.FAILURE, "No such file"),
    ],
)
def test_where_systemd_does_not(
    run: Run, monkeypatch: pytest.MonkeyPatch, status: int | OSError, uid: int, code: int, says: str
) -> None:
    Systemctl(monkeypatch, status, uid)
    assert run("restart", answers={"restart": OF_SYSTEMD}) == code
    assert says in run.err
