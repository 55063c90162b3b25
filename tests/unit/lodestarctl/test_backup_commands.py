"""``lodestarctl backup``: what is shown, what is asked before a restore, and what it ends with."""

import io
import json
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
from msgspec.structs import replace

from lodestarctl import cli, exit_codes
from lodestarctl.render import backup
from lodestarctl.render.blocks import Block
from lodestarctl.render.plain import paint_plain
from lodestard.control.messages import Refusal, write_answer, write_refusal
from lodestard.control.messages.backup import RestoreItem, Shelf, Step
from tests.fakes import backup_samples as samples
from tests.fakes.command_line import Run


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    return Run(monkeypatch, capsys)


def painted(blocks: Sequence[Block]) -> str:
    return " ".join(paint_plain(blocks, width=200).split())


def said(out: str) -> list[str]:
    """What each line of JSON is about."""
    items = (json.loads(line)["data"] for line in out.splitlines())
    return [next(name for name, value in item.items() if value is not None) for item in items]


@pytest.mark.usefixtures("utc")
def test_the_list(run: Run) -> None:
    text = painted(backup.render_shelf(samples.SHELF, samples.MADE_MS + 3 * samples.H_MS))
    assert "20261126T033000Z 2026-11-26 03:30 41.3 MB 3 h 2026-11-26 03:30 latest, daily, weekly, monthly" in text
    assert "no not verified" in text
    assert "goes with the next backup" in text
    assert "own disk" not in text
    assert "own disk" in painted(backup.render_shelf(Shelf(folder="/b"), 0))
    assert run("backup", answers={"backup.list": samples.SHELF}) == exit_codes.OK
    assert run.called == ("backup.list", {})
    assert "/srv/backup" in run.out


def test_now(run: Run) -> None:
    assert run("backup", "now", answers={"backup.now": [samples.STEP, samples.MADE]}) == exit_codes.OK
    assert "packing" in run.err and "120.0 MB of 310.0 MB" in run.err
    out = " ".join(run.out.split())
    assert "Backed up and verified: 20261126T033000Z (41.3 MB, 81,204 requests, $42.123456789) in 8 s." in out
    assert "Not in it: /etc/lodestard/conf.d/20-mine.toml" in run.out
    assert "20251101T033000Z" in run.out
    assert run("--json", "backup", "now", answers={"backup.now": [samples.STEP, samples.MADE]}) == exit_codes.OK
    assert said(run.out) == ["step", "made"]
    assert not run.err
    assert backup.step_line(Step(what="checking")) == "checking …"


def test_verify(run: Run) -> None:
    assert run("backup", "verify", answers={"backup.verify": samples.GOOD}) == exit_codes.OK
    assert run.called == ("backup.verify", {"backup": ""})
    assert "is good: 81,204 requests, $42.123456789; its books balance" in " ".join(run.out.split())
    assert run("backup", "verify", "X", answers={"backup.verify": samples.BAD}) == exit_codes.FAILURE
    assert "SHA-256" in run.out


def test_plans_say_what_will_be_gone() -> None:
    text = painted(backup.render_plan(samples.PLAN))
    assert "81,320 requests" in text and "81,204 requests, $42.123456789" in text
    assert "116 requests after the backup, $1.25 in all, will be gone" in text and "--keep-spent" in text
    assert "nothing is deleted" in text
    kept = painted(backup.render_plan(replace(samples.PLAN, keep_spent=True)))
    assert "carried over" in kept and "gone" not in kept
    assert "no request is lost" in painted(
        backup.render_plan(replace(samples.PLAN, forgotten=0, forgotten_nano_usd=0))
    )
    held = replace(samples.PLAN, forgotten=0, forgotten_nano_usd=0, forgotten_held_nano_usd=1_000_000_000)
    assert "$1.00 for requests that were under way at the backup, will be gone" in painted(backup.render_plan(held))
    lost = replace(samples.PLAN, requests_now=None, forgotten=None, aside="")
    assert "What was spent after the backup is not known here" in painted(backup.render_plan(lost))
    older = painted(backup.render_plan(replace(samples.PLAN, forgotten=None, unreadable="it is not the same")))
    assert "older than the backup, or another one" in older and "81,320 requests" in older
    assert "can't be read" not in older
    spoilt = replace(lost, unreadable="it is damaged", logged=3, logged_nano_usd=5)
    text = painted(backup.render_plan(spoilt))
    assert "it is damaged" in text and "3 attempts after the backup, $0.000000005 in all" in text


# -- restore -----------------------------------------------------------------------------------------------------


class Terminal(io.StringIO):
    """Somebody types here."""

    def isatty(self) -> bool:
        return True


@pytest.fixture
def lodestard(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A program in lodestard's place: tells the file ``plan``, and ``done`` once somebody has agreed."""
    program = tmp_path / "lodestard"
    program.write_text(
        f"#!{sys.executable}\nimport pathlib, sys\nhere = pathlib.Path(__file__).parent\n"
        "(here / 'asked').write_text(' '.join(sys.argv[1:]))\n"
        "sys.stdout.write((here / 'plan').read_text())\nsys.stdout.flush()\n"
        "if (here / 'plan').read_text() and sys.stdin.readline() == 'yes\\n':\n"
        "    sys.stdout.write((here / 'done').read_text())\n"
    )
    program.chmod(0o755)
    (tmp_path / "plan").write_bytes(write_answer("backup.restore", RestoreItem(plan=samples.PLAN)) + b"\n")
    (tmp_path / "done").write_bytes(write_answer("backup.restore", RestoreItem(restored=samples.RESTORED)) + b"\n")
    monkeypatch.setattr(sys, "argv", [str(tmp_path / "lodestarctl")])
    return tmp_path


@pytest.mark.parametrize(("typed", "status"), [("y\n", exit_codes.OK), ("\n", exit_codes.FAILURE)])
def test_a_restore_is_agreed_to(run: Run, lodestard: Path, typed: str, status: int) -> None:
    assert run("backup", "restore", "ID", "--keep-spent", stdin=Terminal(typed)) == status
    assert (lodestard / "asked").read_text() == "--backup restore ID --keep-spent"
    assert "116 requests after the backup" in " ".join(run.out.split())
    assert "Put it in place? [y/N]" in run.err
    assert ("is in place" in run.out) == (status == exit_codes.OK)
    assert ("Nothing was changed." in run.err) == (status != exit_codes.OK)


def test_nobody_is_asked_where_nobody_types(run: Run, lodestard: Path) -> None:
    assert run("backup", "restore", "ID") == exit_codes.USAGE
    assert not (lodestard / "asked").exists()
    assert run("backup", "restore", "ID", "--yes", "--to", "/x") == exit_codes.OK
    assert (lodestard / "asked").read_text() == "--backup restore ID --to /x"
    assert "start lodestard" not in run.out
    assert run("backup", "restore", "ID", "--yes") == exit_codes.OK
    assert "Now: start lodestard again" in run.out
    assert run("--json", "backup", "restore", "ID", "-y") == exit_codes.OK
    assert said(run.out) == ["plan", "restored"]


def test_a_refusal_and_an_earlier_restore(run: Run, lodestard: Path) -> None:
    (lodestard / "plan").write_bytes(write_refusal(Refusal(code="store_unavailable", message="In use.")) + b"\n")
    assert run("backup", "restore", "ID", "--yes") == exit_codes.FAILURE
    assert "In use." in run.err
    resumed = RestoreItem(restored=replace(samples.RESTORED, resumed=True))
    (lodestard / "plan").write_bytes(write_answer("backup.restore", resumed) + b"\n")
    assert run("backup", "restore", "ID", "--yes") == exit_codes.OK
    assert "brought to its end" in run.out
    (lodestard / "plan").write_bytes(b"")
    assert run("backup", "restore", "ID", "--yes") == exit_codes.FAILURE


def test_without_a_daemon_the_program_is_run(
    lodestard: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("LODESTAR_SOCKET", str(lodestard / "nobody"))
    monkeypatch.setattr(sys, "stdin", io.StringIO())
    for words, verb, data in (
        ("list", "backup.list", samples.SHELF),
        ("verify", "backup.verify", samples.GOOD),
        ("verify ./x", "backup.verify", samples.GOOD),
    ):
        (lodestard / "plan").write_bytes(write_answer(verb, data) + b"\n")
        assert cli.main(["backup", *words.split()]) == exit_codes.OK
        assert (lodestard / "asked").read_text() == f"--backup {words} --json"
    assert "is good" in capsys.readouterr().out
    steps = [write_answer("backup.now", item) for item in (samples.STEP, samples.MADE)]
    (lodestard / "plan").write_bytes(b"\n".join(steps) + b"\n")
    assert cli.main(["backup", "now"]) == exit_codes.OK
    assert (lodestard / "asked").read_text() == "--backup now --steps"
    told = capsys.readouterr()
    assert "120.0 MB of 310.0 MB" in told.err
    assert "Backed up and verified" in told.out
    assert cli.main(["--json", "backup", "now"]) == exit_codes.OK
    assert said(capsys.readouterr().out) == ["step", "made"]
    (lodestard / "plan").write_bytes(b"it broke\n")
    assert cli.main(["backup", "now"]) == exit_codes.FAILURE
    assert "it broke" in capsys.readouterr().err
    (lodestard / "plan").write_bytes(write_refusal(Refusal(code="store_unavailable", message="Full.")) + b"\n")
    assert cli.main(["backup", "now"]) == exit_codes.FAILURE
    assert "Full." in capsys.readouterr().err
