"""The commands about keys: what they ask of the daemon, what they print, and how they end."""

import io

import pytest

from lodestarctl import exit_codes
from lodestarctl.render.keys import notes_on, render_keys
from lodestarctl.render.plain import paint_plain
from lodestard.control.messages import ConfigProblem, ReloadReport
from lodestard.control.messages.keys import KeyAdded, KeyList, KeyRevoked, KeyRow
from tests.fakes.command_line import Run

KEY = "lodestar-" + "a" * 32
OK = ReloadReport(ok=True, changed=("clients.laptop.enabled",))
BAD = ReloadReport(ok=False, faults=(ConfigProblem(key="clients.a b", message="a name has letters"),))


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    return Run(monkeypatch, capsys)


def test_the_key_alone_is_on_standard_output(run: Run) -> None:
    answer = KeyAdded(name="laptop", key=KEY, report=OK, first=True)
    words = ("keys", "add", "laptop", "--project", "web", "--models", "auto, gpt-4o,", "--requests-per-minute", "9")
    assert run(*words, answers={"keys.add": answer}) == exit_codes.OK
    arguments = {"name": "laptop", "replace": False, "project": "web", "models": ["auto", "gpt-4o"]}
    assert run.client.calls == [("keys.add", arguments | {"requests_per_minute": 9})]
    assert run.out == f"{KEY}\n"
    assert "shown this once" in run.err
    assert "keyless_loopback" in run.err
    assert run("--json", "keys", "add", "laptop", "--replace", answers={"keys.add": answer}) == exit_codes.OK
    assert f'"key": "{KEY}"' in run.out


def test_what_was_not_made_is_no_key(run: Run) -> None:
    answer = KeyAdded(name="a b", report=BAD)
    assert run("keys", "add", "a b", answers={"keys.add": answer}) == exit_codes.FAILURE
    assert "a name has letters" in run.out


@pytest.mark.parametrize(("report", "status"), [(OK, exit_codes.OK), (BAD, exit_codes.FAILURE)])
def test_a_key_is_revoked_when_it_was_said_so(run: Run, report: ReloadReport, status: int) -> None:
    answers = {"keys.revoke": KeyRevoked(name="laptop", report=report)}
    assert run("keys", "revoke", "laptop", answers=answers) == exit_codes.USAGE
    assert not run.client.calls
    assert run("keys", "revoke", "laptop", "--yes", answers=answers) == status
    assert run.client.calls == [("keys.revoke", {"name": "laptop"})]


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(("said", "done"), [("y\n", True), ("Yes\n", True), ("\n", False), ("n\n", False)])
def test_a_person_is_asked(run: Run, said: str, done: bool) -> None:
    answers = {"keys.revoke": KeyRevoked(name="laptop", report=OK)}
    assert run("keys", "revoke", "laptop", answers=answers, stdin=Terminal(said)) == exit_codes.OK
    assert bool(run.client.calls) == done
    assert "Revoke the key of laptop?" in run.err


def test_the_list(run: Run) -> None:
    row = KeyRow(name="laptop", project="web", user="ann", models=("auto",), expires="2026-12-31", priority="idle")
    rows = (row, KeyRow(name="phone", state="revoked", requests_per_minute=60, tokens_per_minute=90_000))
    text = paint_plain(render_keys(KeyList(keys=rows, keyless_loopback=True)), width=120)
    assert "project web, user ann, idle, until 2026-12-31" in text
    assert "60 requests, 90,000 tokens" in text
    assert "all models" in text
    assert "never" in text
    assert "need no key" in text
    assert run("keys", answers={"keys.list": KeyList(keys=())}) == exit_codes.OK
    assert "everybody on this machine is let in" in run.out


def test_a_first_key_with_this_machine_excused_needs_no_warning() -> None:
    notes = " ".join(notes_on(KeyAdded(name="a", key=KEY, report=OK, first=True, keyless_loopback=True)))
    assert "from now on" not in notes
